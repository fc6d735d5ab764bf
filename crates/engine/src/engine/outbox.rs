//! The outbox, in which an item is drafted, encrypted (*sealed*), stored at a relay and receipted
//! (spec/14-client.md section 3). Each contact has a *stream* of numbered items, and one *control
//! message* beside it, which has the number 0: a Hello, or a receipt.

use super::{Engine, Peer, step::Step};
use crate::{
    error::VaultError,
    event::EventKind,
    named::BLOB_DAYS,
    vault::{ItemKind, ItemRow, PeerAddress, Sealed, Table, Vault, key},
};
use deaddrop_link::MailboxAddress;
use deaddrop_wire::{Day, SizeClass};
use rand_core::CryptoRng;
use std::collections::BTreeSet;
use zeroize::Zeroizing;

/// Minimum number of seconds between two times at which all addresses that refused are tried again
/// (spec/14-client.md section 3.1).
const RETRY_STALE_S: u64 = 300;
/// Maximum number of addresses of one peer that are kept; beyond it the oldest is dropped
/// (spec/14-client.md section 3.1).
const MAX_ADDRESSES: usize = 8;
/// The number under which a contact's control message (Hello, or receipt) lies among the items.
pub(super) const CONTROL: u64 = 0;

/// An envelope to be put into a mailbox of a contact.
pub struct PutJob {
    /// Number of the item in its stream; 0: the contact's control message (a Hello, or a receipt).
    pub number: u64,
    /// Number of times that an address of the contact had been learnt since the vault was opened,
    /// when the job was taken. If more were learnt since, a refusal does not end the use of the
    /// address: see [`Engine::refused`].
    pub learnt: u64,
    /// The address of the mailbox into which the envelope is put.
    pub address: MailboxAddress,
    /// The bytes of the envelope.
    pub envelope: Vec<u8>,
}

impl PutJob {
    /// Returns the identification of the envelope, to be kept until the relay answers.
    #[must_use]
    pub fn sent(&self) -> SentPut {
        let tag = self.envelope.first_chunk().copied().unwrap_or_default();
        SentPut { number: self.number, learnt: self.learnt, address: self.address.encode(), tag }
    }
}

/// The identification of an envelope that was put, until the relay answers: number, address and
/// first bytes. If the item was encrypted again since, its envelope is another one, and the answer
/// does not count for it.
#[derive(Clone)]
pub struct SentPut {
    /// Number of the item in its stream; 0: the contact's control message (a Hello, or a receipt).
    pub number: u64,
    pub(super) learnt: u64,
    pub(super) address: Zeroizing<Vec<u8>>,
    /// The first 16 bytes of the envelope.
    pub(super) tag: [u8; 16],
}

impl Sealed {
    /// Whether this is the envelope that was put. An item that was encrypted again in the meantime
    /// has another envelope.
    fn is(&self, put: &SentPut) -> bool {
        self.address == put.address && self.envelope.starts_with(&put.tag)
    }
}

/// Whether an encoded content holds a reset bundle, with which the peer can begin a new session.
fn holds_bundle(content: &[u8]) -> bool {
    let items = deaddrop_e2ee::content::decode(content).unwrap_or_default();
    items.iter().any(|item| matches!(item, deaddrop_e2ee::content::Content::ResetBundle { .. }))
}

/// The number of days for which a relay keeps a blob that is not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlobLives {
    /// Number of days for blobs of the two smaller size classes.
    days: u16,
    /// Number of days for blobs of the largest size class.
    large_days: u16,
}

impl BlobLives {
    /// The numbers of days of a relay with default limits.
    pub const DEFAULT: Self = Self { days: 30, large_days: 7 };

    /// Takes the numbers of days from the Hello of a relay (`blob_days` and `large_blob_days`),
    /// limited to [`BLOB_DAYS`]. A relay that lies only causes that an item is sent again too early
    /// or too late.
    pub fn from_hello(days: u16, large_days: u16) -> Self {
        let bounded = |days: u16| days.clamp(*BLOB_DAYS.start(), *BLOB_DAYS.end());
        Self { days: bounded(days), large_days: bounded(large_days) }
    }

    /// Returns the first day on which a blob of this length in bytes that is put `today` is no
    /// longer at the relay.
    fn gone_on(self, length: usize, today: Day) -> Day {
        let days = if length == SizeClass::Large.bytes() { self.large_days } else { self.days };
        today.plus(u32::from(days) + 1)
    }
}

impl<V: Vault, R: CryptoRng> Engine<V, R> {
    /// Returns the numbers of the contacts for which envelopes wait.
    pub fn contacts_with_puts(&self) -> Vec<u32> {
        // What has no address that can be read is no work: a caller would look for it again and again and find nothing.
        let is_sealed = |item: &ItemRow| {
            item.sealed.as_ref().is_some_and(|sealed| MailboxAddress::decode(&sealed.address).is_ok())
        };
        let waits = |contact: &Peer| contact.items.values().any(is_sealed);
        self.contacts.iter().filter(|(_, contact)| waits(contact)).map(|(id, _)| *id).collect()
    }

    /// Returns the next envelopes for a contact, lowest [number](PutJob::number) first, at most
    /// `most`, except those whose numbers are in `under_way`. They stay in the outbox: report each
    /// answer by [`mark_stored_at_relay`](Self::mark_stored_at_relay) or
    /// [`refused`](Self::refused).
    pub fn take_puts(&self, id: u32, under_way: &BTreeSet<u64>, most: usize) -> Vec<PutJob> {
        self.take_puts_within(id, under_way, most, usize::MAX)
    }

    /// Returns as many of the envelopes of [`take_puts`](Self::take_puts) as have at most `bytes`
    /// bytes together. The first one may be longer.
    pub fn take_puts_within(
        &self,
        id: u32,
        under_way: &BTreeSet<u64>,
        most: usize,
        bytes: usize,
    ) -> Vec<PutJob> {
        let Some(contact) = self.contacts.get(&id) else { return Vec::new() };
        let waiting = contact.items.iter().filter(|(number, _)| !under_way.contains(number));
        let readable = waiting.filter_map(|(number, item)| {
            let sealed = item.sealed.as_ref()?;
            Some((number, sealed, MailboxAddress::decode(&sealed.address).ok()?))
        });
        let mut before = 0_usize;
        let fitting = readable.take(most).take_while(|(_, sealed, _)| {
            let is_first = before == 0;
            before = before.saturating_add(sealed.envelope.len());
            is_first || before <= bytes
        });
        let jobs = fitting.map(|(number, sealed, address)| PutJob {
            number: *number,
            learnt: contact.learnt,
            address,
            envelope: sealed.envelope.clone(),
        });
        jobs.collect()
    }

    /// Notes that a relay has stored these envelopes durably, and will keep them for the days of
    /// `lives`. The envelopes are erased; numbered items stay until their receipt, and a control
    /// message is gone.
    ///
    /// If an item was encrypted again for a newer address in the meantime, the new envelope stays
    /// and is put as well, because the older mailbox may be deleted before it is read.
    ///
    /// # Errors
    /// Fails with the error of the vault.
    pub fn mark_stored_at_relay(
        &mut self,
        id: u32,
        puts: &[SentPut],
        lives: BlobLives,
        today: Day,
    ) -> Result<(), VaultError> {
        let mut step = self.step();
        let Some(contact) = self.contacts.get_mut(&id) else { return Ok(()) };
        for put in puts {
            let row = key(Table::Outbox, id, put.number);
            let is_meant = |item: &&mut ItemRow| item.sealed.as_ref().is_some_and(|sealed| sealed.is(put));
            match contact.items.get_mut(&put.number).filter(is_meant) {
                Some(_) if put.number == CONTROL => {
                    contact.items.remove(&put.number);
                    step.changes.erase(row);
                }
                Some(item) => {
                    let length = item.sealed.take().map_or(0, |sealed| sealed.envelope.len());
                    let is_first = item.kind == ItemKind::Message && !item.stored_at_relay;
                    contact.texts_stored = contact.texts_stored.saturating_add(u64::from(is_first));
                    item.stored_at_relay = true;
                    item.again_on = Some(lives.gone_on(length, today).number());
                    step.changes.put(row, item)?;
                }
                None => {}
            }
        }
        if let Some(invite) = contact.row.accepted_invite.as_mut().filter(|invite| !invite.stored_at_relay) {
            invite.stored_at_relay = true;
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

    /// Notes that a relay has refused an envelope, because it does not know the address. The
    /// address is not used any more, unless an address of the contact was learnt since the job was
    /// taken. If none is left, the app is told, once until a relay stores something for the
    /// contact. The item is encrypted again for another address, under the same number: perhaps the
    /// relay had stored the envelope before, and only the receipt decides. Nothing changes if the
    /// item was encrypted again already.
    ///
    /// # Errors
    /// Fails with the error of the vault.
    pub fn refused(&mut self, id: u32, put: &SentPut, today: Day) -> Result<(), VaultError> {
        let mut step = self.step();
        let number = put.number;
        let Some(contact) = self.contacts.get_mut(&id) else { return Ok(()) };
        let item = contact.items.get_mut(&number);
        let Some(sealed) = item.and_then(|item| item.sealed.take_if(|sealed| sealed.is(put))) else {
            return Ok(());
        };
        // What was told since then is not refused by an answer to what was put before.
        let refused =
            |known: &&mut PeerAddress| known.encoded == sealed.address && put.learnt == contact.learnt;
        contact.row.addresses.iter_mut().filter(refused).for_each(|known| known.stale = true);
        step.contacts.insert(id);
        let row = key(Table::Outbox, id, number);
        if let Some(item) = contact.items.get(&number) {
            // A receipt is made again, newer; but a reset bundle counts as given, and is sent.
            if number == CONTROL && !item.content.is_empty() && !holds_bundle(&item.content) {
                contact.items.remove(&number);
                contact.row.incoming.iter_mut().for_each(|stream| stream.receipt_due = true);
                step.changes.erase(row);
            } else {
                step.changes.put(row, item)?;
            }
        }
        if contact.best_address().is_none() && !std::mem::replace(&mut contact.row.unreachable, true) {
            self.add_event(&mut step, id, today, EventKind::Unreachable)?;
        }
        self.seal_drafts(&mut step, id)?;
        self.finish(step)
    }

    /// Whether an envelope for a contact waits that is sealed for another address than the
    /// contact's newest that has not refused; `false` if all have.
    pub fn has_newer_address(&self, id: u32) -> bool {
        let Some(contact) = self.contacts.get(&id) else { return false };
        let Some(best) = contact.best_address() else { return false };
        let old = |item: &ItemRow| item.sealed.as_ref().is_some_and(|sealed| sealed.address != best);
        contact.items.values().any(old)
    }

    /// Encrypts the items again whose envelopes wait for another address, for the newest one that
    /// has not refused. A receipt without a reset bundle is made again later instead, and a Hello
    /// is dropped: a peer that has told a newer address has answered.
    ///
    /// # Errors
    /// Fails with the error of the vault.
    pub fn seal_for_newest(&mut self, id: u32) -> Result<(), VaultError> {
        let mut step = self.step();
        let Some(contact) = self.contacts.get_mut(&id) else { return Ok(()) };
        let Some(best) = contact.best_address() else { return Ok(()) };
        let is_old = |item: &mut ItemRow| item.sealed.as_ref().is_some_and(|sealed| sealed.address != best);
        let is_left = |item: &mut ItemRow| is_old(item) && !holds_bundle(&item.content);
        if let Some((_, control)) =
            contact.items.extract_if(CONTROL..=CONTROL, |_, item| is_left(item)).next()
        {
            step.changes.erase(key(Table::Outbox, id, CONTROL));
            if !control.content.is_empty() {
                contact.row.incoming.iter_mut().for_each(|stream| stream.receipt_due = true);
            }
            if let Some(invite) = contact.row.accepted_invite.as_mut() {
                invite.stored_at_relay = true;
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
                step.changes.put(key(Table::Outbox, id, *number), item)?;
            }
        }
        self.finish_and_seal(step, id)
    }

    /// Notes an encoded [`MailboxAddress`] that a contact has told; one that does not decode is
    /// dropped. It is stored with the next stored change of the contact. The newest address that
    /// has not refused is used; at most 8 are kept.
    pub fn learn_address(&mut self, id: u32, encoded: &[u8]) {
        let Some(contact) = self.contacts.get_mut(&id) else { return };
        let addresses = &mut contact.row.addresses;
        if MailboxAddress::decode(encoded).is_err()
            || addresses.last().is_some_and(|last| *last.encoded == encoded && !last.stale)
        {
            return;
        }
        contact.learnt = contact.learnt.wrapping_add(1);
        addresses.retain(|known| *known.encoded != encoded);
        addresses.push(PeerAddress { encoded: encoded.to_vec().into(), stale: false });
        let over = addresses.len().saturating_sub(MAX_ADDRESSES);
        addresses.drain(..over);
    }

    /// Tries the refused addresses again of contacts that have no other address, if the last such
    /// try was at least five minutes ago. The time of the last try is stored, so that a client that
    /// runs only for moments does not try more often.
    ///
    /// # Errors
    /// Fails with the error of the vault.
    pub fn retry_stale(&mut self, now: u64) -> Result<(), VaultError> {
        // A clock that went back must not stop it.
        let is_early = |last: u64| (last..last.saturating_add(RETRY_STALE_S)).contains(&now);
        if self.stale_tried.is_some_and(is_early) {
            return Ok(());
        }
        let is_stuck = |contact: &Peer| contact.best_address().is_none() && !contact.row.addresses.is_empty();
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

    /// Encrypts the items again that have no receipt and whose blob has expired at the relay that
    /// had stored it. Items that cannot be encrypted now follow later.
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

    /// Returns two numbers, of all contacts together: the items that wait for a relay to store
    /// them, and the texts that wait for their receipt.
    pub fn waiting(&self) -> (usize, usize) {
        let unsent = |contact: &Peer| {
            contact.items.values().filter(|item| item.again_on.is_none()).count() + contact.drafts.len()
        };
        (self.contacts.values().map(unsent).sum(), self.contacts.values().map(Peer::messages).sum())
    }
}

impl Peer {
    /// Whether an item waits for a relay to store it. Drafts that only wait because of the bounds
    /// on what is sent again do not count.
    pub(super) fn is_unsent(&self) -> bool {
        !(self.drafts.is_empty() || self.holds_back)
            || self.items.values().any(|item| item.again_on.is_none())
    }
}
