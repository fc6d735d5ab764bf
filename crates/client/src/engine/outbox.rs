//! The outbox: Draft, Sealed, Accepted, Receipted (spec/14-client.md section 3).

use super::{Contact, Engine, step::Step};
use crate::{
    error::{ClientError, VaultError},
    event::EventKind,
    random::SystemRandom,
    vault::{ItemKind, ItemRow, MailboxState, Sealed, Table, key},
};
use deaddrop_crypto::{
    Content, EncryptError, MAX_TEXT, Standing, StreamId,
    content::{self, MAX_SPARSE},
};
use deaddrop_link::MailboxAddress;
use deaddrop_shred::Disk;
use deaddrop_wire::{Day, SizeClass};
use std::collections::BTreeSet;
use zeroize::Zeroizing;

/// Maximum number of days for which a relay is believed to keep a blob, whatever it says.
const MAX_BLOB_DAYS: u16 = 30;
/// Seconds after which addresses that refused are tried once more.
const RETRY_STALE_S: u64 = 300;
/// The place of the one unnumbered message: Hello, or a receipt.
pub(super) const CONTROL: u64 = 0;

/// An envelope to be put.
pub(crate) struct PutJob {
    pub(crate) number: u64,
    pub(crate) address: MailboxAddress,
    pub(crate) envelope: Vec<u8>,
}

/// How long a relay keeps an unread blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BlobLives {
    /// Days for the two smaller classes.
    days: u16,
    /// Days for the largest.
    large_days: u16,
}

impl BlobLives {
    /// Those of a relay with default limits.
    #[cfg(any(test, feature = "hazmat"))]
    pub(crate) const DEFAULT: Self = Self { days: 30, large_days: 7 };

    /// Takes the days from a relay's Hello and bounds them. A relay that lies only makes an item leave again too early or too late.
    pub(crate) fn from_hello(days: u16, large_days: u16) -> Self {
        let bounded = |days: u16| days.clamp(1, MAX_BLOB_DAYS);
        Self { days: bounded(days), large_days: bounded(large_days) }
    }

    /// The first day on which a blob of this length that is put today is there no more.
    fn gone_on(self, length: usize, today: Day) -> Day {
        let days = if length == SizeClass::Large.bytes() { self.large_days } else { self.days };
        today.plus(u32::from(days) + 1)
    }
}

impl<D: Disk + 'static> Engine<D> {
    /// Takes a text into the outbox; durable when this returns.
    pub(crate) fn send_text(&mut self, name: &str, text: &str) -> Result<u64, ClientError> {
        if text.len() > MAX_TEXT {
            return Err(ClientError::TextTooLong);
        }
        let (id, contact) = self.find(name).ok_or(ClientError::UnknownContact)?;
        let (number, stream) = (contact.row.next_number, StreamId(contact.row.out_stream));
        let content = Content::Text { stream, number, text: text.to_owned() };
        let content = content::encode(&[content]).map_err(|_| ClientError::TextTooLong)?;
        let mut step = self.step();
        self.queue(&mut step, id, ItemKind::Text, content)?;
        self.seal_drafts(&mut step, id)?;
        self.finish(step)?;
        Ok(number)
    }

    /// Tells a contact of a new mailbox.
    pub(super) fn queue_move(
        &mut self,
        step: &mut Step,
        id: u32,
        mut address: Zeroizing<Vec<u8>>,
    ) -> Result<(), VaultError> {
        let Some(contact) = self.contacts.get(&id) else { return Ok(()) };
        let (number, stream) = (contact.row.next_number, StreamId(contact.row.out_stream));
        // The content wipes itself.
        let address = std::mem::take(&mut *address);
        let content = content::encode(&[Content::MailboxMove { stream, number, address }]);
        self.queue(step, id, ItemKind::Move, content.map_err(|_| VaultError::Corrupt)?)
    }

    fn queue(
        &mut self,
        step: &mut Step,
        id: u32,
        kind: ItemKind,
        content: Zeroizing<Vec<u8>>,
    ) -> Result<(), VaultError> {
        let Some(contact) = self.contacts.get_mut(&id) else { return Ok(()) };
        let number = contact.row.next_number;
        contact.row.next_number = number.checked_add(1).ok_or(VaultError::Full)?;
        let item = ItemRow { kind, content, sealed: None, again_on: None };
        step.changes.put(key(Table::Item, id, number), &item)?;
        contact.items.insert(number, item);
        step.contacts.insert(id);
        Ok(())
    }

    /// Encrypts whatever can be: needs a session, an address of the peer, and before its first answer an own one to tell.
    pub(super) fn seal_drafts(&mut self, step: &mut Step, id: u32) -> Result<(), VaultError> {
        let rng = &mut self.rng;
        let Some(contact) = self.contacts.get_mut(&id) else { return Ok(()) };
        let unanswered =
            contact.session.as_ref().is_some_and(|session| session.standing() == Standing::Unanswered);
        let hello = contact.own_address().filter(|_| unanswered);
        if contact.session.is_none() || unanswered && hello.is_none() {
            return Ok(());
        }
        let Some(address) = contact.best_address() else { return Ok(()) };
        let mut prefix = Zeroizing::new(Vec::new());
        if let Some(mut address) = hello {
            let address = std::mem::take(&mut *address);
            prefix = content::encode(&[Content::Hello { address }]).map_err(|_| VaultError::Corrupt)?;
            let waits = contact.row.accepted_invite.as_ref().is_some_and(|invite| !invite.answered);
            if waits && contact.items.is_empty() {
                let content = Zeroizing::default();
                let item = ItemRow { kind: ItemKind::Control, content, sealed: None, again_on: None };
                contact.items.insert(CONTROL, item);
            }
        }
        let drafts: Vec<u64> = contact
            .items
            .iter()
            .filter(|(_, item)| item.sealed.is_none() && item.again_on.is_none())
            .map(|(number, _)| *number)
            .collect();
        for number in drafts {
            // The rest follows with the next answer of a relay.
            if step.room() == 0 || !contact.seal(step, id, number, &prefix, &address, rng)? {
                break;
            }
        }
        Ok(())
    }

    /// Makes the receipt that is due, unless one is still on its way. Whether it was made.
    pub(crate) fn seal_receipt(&mut self, id: u32) -> Result<bool, VaultError> {
        let mut step = self.step();
        let rng = &mut self.rng;
        let Some(contact) = self.contacts.get_mut(&id) else { return Ok(false) };
        let (Some(stream), Some(address)) = (contact.row.in_stream, contact.best_address()) else {
            return Ok(false);
        };
        if !contact.row.receipt_due || contact.items.contains_key(&CONTROL) {
            return Ok(false);
        }
        let receipt = Content::DeliveryReceipt {
            stream: StreamId(stream),
            low_water: contact.row.low_water,
            sparse: contact.row.sparse.iter().take(MAX_SPARSE).copied().collect(),
        };
        let content = content::encode(&[receipt]).map_err(|_| VaultError::Corrupt)?;
        let item = ItemRow { kind: ItemKind::Control, content, sealed: None, again_on: None };
        contact.items.insert(CONTROL, item);
        let sealed = contact.seal(&mut step, id, CONTROL, &[], &address, rng)?;
        if sealed {
            contact.row.receipt_due = false;
            step.contacts.insert(id);
        } else {
            contact.items.remove(&CONTROL);
        }
        self.finish(step)?;
        Ok(sealed)
    }

    /// Contacts to whom a receipt is due that can be made now.
    pub(crate) fn receipts_due(&self) -> Vec<u32> {
        let due = |contact: &Contact| {
            contact.row.receipt_due
                && contact.session.is_some()
                && contact.best_address().is_some()
                && !contact.items.contains_key(&CONTROL)
        };
        self.contacts.iter().filter(|(_, contact)| due(contact)).map(|(id, _)| *id).collect()
    }

    /// Contacts for whom envelopes wait.
    pub(crate) fn contacts_with_puts(&self) -> Vec<u32> {
        // What has no address that can be read is no work: whoever looked for it would find nothing, again and again.
        let is_sealed = |item: &ItemRow| {
            item.sealed.as_ref().is_some_and(|sealed| MailboxAddress::decode(&sealed.address).is_ok())
        };
        let waits = |contact: &Contact| contact.items.values().any(is_sealed);
        self.contacts.iter().filter(|(_, contact)| waits(contact)).map(|(id, _)| *id).collect()
    }

    /// The next envelopes for a contact, oldest first, without those that are under way.
    pub(crate) fn take_puts(&self, id: u32, under_way: &BTreeSet<u64>, most: usize) -> Vec<PutJob> {
        let Some(contact) = self.contacts.get(&id) else { return Vec::new() };
        let waiting = contact.items.iter().filter(|(number, _)| !under_way.contains(number));
        let jobs = waiting.filter_map(|(number, item)| {
            let sealed = item.sealed.as_ref()?;
            let address = MailboxAddress::decode(&sealed.address).ok()?;
            Some(PutJob { number: *number, address, envelope: sealed.envelope.clone() })
        });
        jobs.take(most).collect()
    }

    /// A relay has stored these durably at these addresses: their sealed bytes go, their content stays until the receipt. What was
    /// encrypted anew for a newer address meanwhile goes there as well: the older mailbox may end before it is read.
    pub(crate) fn accepted(
        &mut self,
        id: u32,
        puts: &[(u64, Zeroizing<Vec<u8>>)],
        lives: BlobLives,
        today: Day,
    ) -> Result<(), VaultError> {
        let mut step = self.step();
        let Some(contact) = self.contacts.get_mut(&id) else { return Ok(()) };
        for (number, address) in puts {
            let row = key(Table::Item, id, *number);
            let is_meant =
                |item: &&mut ItemRow| item.sealed.as_ref().is_some_and(|sealed| sealed.address == *address);
            match contact.items.get_mut(number).filter(is_meant) {
                Some(_) if *number == CONTROL => {
                    contact.items.remove(number);
                    step.changes.erase(row);
                }
                Some(item) => {
                    let length = item.sealed.take().map_or(0, |sealed| sealed.envelope.len());
                    item.again_on = Some(lives.gone_on(length, today).number());
                    step.changes.put(row, item)?;
                }
                None => {}
            }
        }
        if let Some(invite) = contact.row.accepted_invite.as_mut().filter(|invite| !invite.answered) {
            invite.answered = true;
            step.contacts.insert(id);
        }
        if std::mem::take(&mut contact.row.unreachable) {
            step.contacts.insert(id);
        }
        if contact.blocked.take().is_some() {
            step.changes.erase(key(Table::Blocked, id, 0));
        }
        self.finish_and_seal(step, id)
    }

    /// A relay takes nothing more for this address. Perhaps it had taken it: only the receipt decides. Encrypted anew for
    /// another address, under the same number. Nothing changes if it waits for another address than the refused one already.
    pub(crate) fn refused(
        &mut self,
        id: u32,
        number: u64,
        address: &[u8],
        today: Day,
    ) -> Result<(), VaultError> {
        let mut step = self.step();
        let Some(contact) = self.contacts.get_mut(&id) else { return Ok(()) };
        let item = contact.items.get_mut(&number);
        let Some(sealed) = item.and_then(|item| item.sealed.take_if(|sealed| *sealed.address == address))
        else {
            return Ok(());
        };
        contact.row.addresses.iter_mut().filter(|known| known.encoded == sealed.address).for_each(|known| {
            known.stale = true;
        });
        step.contacts.insert(id);
        let row = key(Table::Item, id, number);
        let is_receipt =
            number == CONTROL && contact.items.get(&number).is_some_and(|item| !item.content.is_empty());
        if is_receipt {
            contact.items.remove(&number);
            contact.row.receipt_due = true;
            step.changes.erase(row);
        } else if let Some(item) = contact.items.get(&number) {
            step.changes.put(row, item)?;
        }
        if contact.best_address().is_none() && !std::mem::replace(&mut contact.row.unreachable, true) {
            self.event(&mut step, id, today, EventKind::Unreachable)?;
        }
        self.seal_drafts(&mut step, id)?;
        self.finish(step)
    }

    /// Whether an envelope waits for an older address although a newer one is known.
    pub(crate) fn has_newer_address(&self, id: u32) -> bool {
        let Some(contact) = self.contacts.get(&id) else { return false };
        let Some(best) = contact.best_address() else { return false };
        let old = |item: &ItemRow| item.sealed.as_ref().is_some_and(|sealed| sealed.address != best);
        contact.items.values().any(old)
    }

    /// Encrypts anew, for the newest address, what an older mailbox had no room for. A receipt is made anew instead; a Hello is not
    /// needed any more by a peer that has told a newer address.
    pub(crate) fn seal_for_newest(&mut self, id: u32) -> Result<(), VaultError> {
        let mut step = self.step();
        let Some(contact) = self.contacts.get_mut(&id) else { return Ok(()) };
        let Some(best) = contact.best_address() else { return Ok(()) };
        let is_old = |item: &mut ItemRow| item.sealed.as_ref().is_some_and(|sealed| sealed.address != best);
        if let Some(control) = contact.items.extract_if(CONTROL..=CONTROL, |_, item| is_old(item)).next() {
            step.changes.erase(key(Table::Item, id, CONTROL));
            contact.row.receipt_due |= !control.1.content.is_empty();
            if let Some(invite) = contact.row.accepted_invite.as_mut() {
                invite.answered = true;
            }
            step.contacts.insert(id);
        }
        let old =
            contact.items.iter_mut().filter_map(|(number, item)| is_old(item).then_some((number, item)));
        for (number, item) in old {
            if step.room() == 0 {
                break;
            }
            if item.sealed.take_if(|sealed| sealed.address != best).is_some() {
                step.changes.put(key(Table::Item, id, *number), item)?;
            }
        }
        self.finish_and_seal(step, id)
    }

    /// Whether anything is left to be done that a reachable relay would let be done.
    pub(crate) fn has_work(&self) -> bool {
        let mailbox = |contact: &Contact| {
            let unpublished = contact.invite.as_ref().is_some_and(|(row, _)| row.bundle.is_some());
            !unpublished && contact.row.mailboxes.iter().any(|row| row.state != MailboxState::Live)
        };
        let unsent = |contact: &Contact| {
            contact.session.is_some() && contact.items.values().any(|item| item.again_on.is_none())
        };
        !self.receipts_due().is_empty()
            || !self.invites_to_empty().is_empty()
            || self.contacts.values().any(|contact| mailbox(contact) || unsent(contact))
    }

    /// Tries addresses that refused once more, where no other is left and [`RETRY_STALE_S`] have passed since the last such try:
    /// a client that runs for moments only tries them in its turn. `now` in seconds since 1970-01-01.
    pub(crate) fn retry_stale(&mut self, now: u64) -> Result<(), VaultError> {
        // A clock that went back must not stop it.
        let is_early = |last: u64| (last..last.saturating_add(RETRY_STALE_S)).contains(&now);
        if self.stale_tried.is_some_and(is_early) {
            return Ok(());
        }
        let is_stuck =
            |contact: &Contact| contact.best_address().is_none() && !contact.row.addresses.is_empty();
        let stuck = self.contacts.iter().filter(|(_, contact)| is_stuck(contact)).map(|(id, _)| *id);
        for id in stuck.collect::<Vec<_>>() {
            let mut step = self.step();
            let Some(contact) = self.contacts.get_mut(&id) else { continue };
            contact.row.addresses.iter_mut().for_each(|address| address.stale = false);
            step.contacts.insert(id);
            step.changes.put(key(Table::StaleTried, 0, 0), &now)?;
            self.stale_tried = Some(now);
            self.seal_drafts(&mut step, id)?;
            self.finish(step)?;
        }
        Ok(())
    }

    /// The peer has durably received these: the items end.
    pub(super) fn receipted(
        &mut self,
        step: &mut Step,
        id: u32,
        low_water: u64,
        sparse: &[u64],
        today: Day,
    ) -> Result<(), VaultError> {
        let Some(contact) = self.contacts.get_mut(&id) else { return Ok(()) };
        let known = contact.items.keys().filter(|number| **number != CONTROL);
        let done: Vec<u64> = known
            .filter(|number| **number <= low_water || sparse.binary_search(number).is_ok())
            .copied()
            .collect();
        // The rest follows in steps of their own.
        let room = step.room();
        contact.confirmed = (done.len() > room).then(|| (low_water, sparse.to_vec()));
        for number in done.into_iter().take(room) {
            let Some(contact) = self.contacts.get_mut(&id) else { break };
            let item = contact.items.remove(&number);
            step.changes.erase(key(Table::Item, id, number));
            if contact.missing.remove(&number).is_some() {
                step.changes.erase(key(Table::Missing, id, number));
            }
            if item.is_some_and(|item| item.kind == ItemKind::Text) {
                self.event(step, id, today, EventKind::Delivered { number })?;
            }
        }
        self.note_missing(step, id, low_water, sparse)
    }

    /// Items whose blob has expired at the relay that took it, and that have no receipt.
    pub(super) fn resend_old(&mut self, step: &mut Step, id: u32, today: Day) {
        let Some(contact) = self.contacts.get_mut(&id) else { return };
        for item in contact.items.values_mut() {
            if item.again_on.is_some_and(|day| day <= today.number()) {
                item.again_on = None;
            }
        }
        // Sealing writes the rows; if it cannot be done now they are found again at the next opening.
        let _ = self.seal_drafts(step, id);
    }

    /// How many envelopes wait for a relay, and how many texts for their receipt.
    pub(crate) fn waiting(&self) -> (usize, usize) {
        let items = || self.contacts.values().flat_map(|contact| contact.items.values());
        let unsent = items().filter(|item| item.again_on.is_none()).count();
        (unsent, items().filter(|item| item.kind == ItemKind::Text).count())
    }
}

impl Contact {
    /// The newest address that did not refuse.
    pub(super) fn best_address(&self) -> Option<Zeroizing<Vec<u8>>> {
        self.row.addresses.iter().rev().find(|address| !address.stale).map(|address| address.encoded.clone())
    }

    /// Encrypts one item for an address. `false`: not now.
    fn seal(
        &mut self,
        step: &mut Step,
        id: u32,
        number: u64,
        prefix: &[u8],
        address: &[u8],
        rng: &mut SystemRandom,
    ) -> Result<bool, VaultError> {
        let (Some(session), Some(item)) = (self.session.as_mut(), self.items.get_mut(&number)) else {
            return Ok(false);
        };
        let content = Zeroizing::new([prefix, item.content.as_slice()].concat());
        let (envelope, set) = match session.encrypt(&content, rng) {
            Ok(sealed) => sealed,
            Err(EncryptError::TurnFull) => return Ok(false),
            Err(_) => return Err(VaultError::Corrupt),
        };
        step.session(id, set);
        item.sealed =
            Some(Sealed { address: address.to_vec().into(), envelope: envelope.as_bytes().to_vec() });
        step.changes.put(key(Table::Item, id, number), item)?;
        Ok(true)
    }
}
