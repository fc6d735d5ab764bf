//! The inbox: what becomes of a delivered blob. Every end acks, and only after it is stored (spec/14-client.md section 4).

use super::{Engine, MailboxName, step::Step};
use crate::{
    error::VaultError,
    event::EventKind,
    vault::{MailboxKind, MailboxState, PeerAddress, Table, key},
};
use deaddrop_crypto::{AcceptError, Content, ContentError, DecryptError, Standing, StreamId, content};
use deaddrop_link::MailboxAddress;
use deaddrop_shred::Disk;
use deaddrop_wire::Day;
use zeroize::Zeroizing;

/// Most numbers that are held above the low-water mark of one stream.
pub(crate) const MAX_HELD: usize = 1_024;
/// Most blobs of one contact that are remembered until the relay has destroyed them: the relay's window.
const MAX_UNACKED: usize = 64;
/// Most addresses that are kept of one peer.
const MAX_ADDRESSES: usize = 8;
/// Starts of processing without an end after which a blob is put aside.
const MAX_ATTEMPTS: u8 = 3;

/// How a blob ended. All of them are acked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ack {
    /// Read and stored.
    Stored,
    /// Was stored before.
    Duplicate,
    /// Opens under no key.
    Junk,
    /// Kept for a newer version.
    Parked,
    /// Began three times and never ended.
    Quarantined,
}

impl<D: Disk + 'static> Engine<D> {
    /// Takes a blob that came to an own mailbox. After an error it must not be acked.
    pub(crate) fn delivered(
        &mut self,
        name: MailboxName,
        blob: &[u8],
        today: Day,
    ) -> Result<Ack, VaultError> {
        // Memory may be ahead of the disk: what it holds proves nothing any more.
        if self.dead {
            return Err(VaultError::Stopped);
        }
        let Some(tag) = blob.first_chunk::<16>().copied() else { return Ok(Ack::Junk) };
        let Some(contact) = self.contacts.get(&name.contact) else { return Ok(Ack::Junk) };
        if contact.row.unacked.contains(&tag) {
            return Ok(Ack::Duplicate);
        }
        let mut step = self.step();
        if self.count_attempt(&tag)? > MAX_ATTEMPTS {
            // Kept as it came: whatever stopped three starts may be mended one day.
            let row = key(Table::Aside, name.contact, first_number(blob));
            step.changes.put_bytes(row, blob.to_vec().into());
            self.forget_attempt(&mut step, &tag);
            self.finish(step)?;
            return Ok(Ack::Quarantined);
        }
        // A message that was decrypted and is not stored must not be taken for one that was.
        let ack = self.read(&mut step, name, blob, today).inspect_err(|_| self.dead = true)?;
        if ack == Ack::Junk {
            self.forget_attempt(&mut step, &tag);
            // A relay can send junk as fast as its line carries it: what changes nothing is not written.
            if step.is_empty() {
                return Ok(ack);
            }
        }
        if let Some(contact) = self.contacts.get_mut(&name.contact) {
            contact.row.unacked.push(tag);
            let over = contact.row.unacked.len().saturating_sub(MAX_UNACKED);
            contact.row.unacked.drain(..over);
            step.contacts.insert(name.contact);
        }
        self.forget_attempt(&mut step, &tag);
        self.finish(step)?;
        self.go_on(name.contact, today)?;
        Ok(ack)
    }

    /// What one step had no room for: more of a receipt, more of what was held. After a crash between two steps the next opening
    /// gives what is held, and the next receipt, being cumulative, ends the rest.
    pub(super) fn go_on(&mut self, id: u32, today: Day) -> Result<(), VaultError> {
        while let Some((low_water, sparse)) =
            self.contacts.get_mut(&id).and_then(|contact| contact.confirmed.take())
        {
            let mut step = self.step();
            self.receipted(&mut step, id, low_water, &sparse, today)?;
            self.finish(step)?;
        }
        loop {
            let mut step = self.step();
            if !self.give_held(&mut step, id, today)? {
                return Ok(());
            }
            step.contacts.insert(id);
            self.finish(step)?;
        }
    }

    /// The relay has destroyed a blob.
    pub(crate) fn acked(&mut self, name: MailboxName, tag: &[u8; 16]) {
        // Stored with the next change of the contact; until then a repeat is merely recognised twice.
        if let Some(contact) = self.contacts.get_mut(&name.contact) {
            contact.row.unacked.retain(|known| known != tag);
        }
    }

    fn read(
        &mut self,
        step: &mut Step,
        name: MailboxName,
        blob: &[u8],
        today: Day,
    ) -> Result<Ack, VaultError> {
        let id = name.contact;
        let Some(contact) = self.contacts.get_mut(&id) else { return Ok(Ack::Junk) };
        let (plaintext, first) = match (&mut contact.session, &contact.invite) {
            (Some(session), _) => match session.decrypt(&self.identity, blob, today) {
                Ok(opened) => {
                    step.session(id, opened.changes);
                    (opened.content, false)
                }
                Err(DecryptError::Duplicate) => {
                    // The sender has perhaps not learnt that it arrived.
                    contact.row.receipt_due |= contact.row.in_stream.is_some();
                    return Ok(Ack::Duplicate);
                }
                Err(DecryptError::InviteContested) => {
                    if !std::mem::replace(&mut contact.row.contested, true) {
                        contact.row.verified = false;
                        self.event(step, id, today, EventKind::InviteContested)?;
                    }
                    return Ok(Ack::Junk);
                }
                Err(_) => return Ok(self.junk(id)),
            },
            (None, Some((_, invite))) => {
                let accepted = match invite.accept(&self.identity, blob, |_| false, today) {
                    Ok(accepted) => accepted,
                    Err(AcceptError::Expired) => return Ok(Ack::Junk),
                    Err(_) => return Ok(self.junk(id)),
                };
                contact.row.identity = Some(*accepted.peer.hash().as_bytes());
                contact.session = Some(accepted.session);
                contact.invite = None;
                step.session(id, accepted.changes);
                (accepted.content, true)
            }
            (None, None) => return Ok(self.junk(id)),
        };
        if first {
            self.event(step, id, today, EventKind::InviteAccepted)?;
            self.want_private(id);
        }
        match content::decode(&plaintext) {
            Ok(items) => {
                for (at, item) in items.iter().enumerate() {
                    // The first is stored together with the session; only a strange peer sends many.
                    if at > 0 {
                        self.make_room(step, id, today)?;
                    }
                    self.take(step, id, item, today)?;
                }
            }
            Err(ContentError::NeedsNewerVersion) => {
                let row = key(Table::Parked, id, first_number(blob));
                step.changes.put_bytes(row, plaintext);
                self.event(step, id, today, EventKind::NeedsNewerVersion)?;
                return Ok(Ack::Parked);
            }
            Err(_) => return Ok(self.junk(id)),
        }
        self.after_message(step, name, today)?;
        Ok(Ack::Stored)
    }

    fn junk(&mut self, id: u32) -> Ack {
        if let Some(contact) = self.contacts.get_mut(&id) {
            contact.row.junk = contact.row.junk.saturating_add(1);
        }
        Ack::Junk
    }

    /// The inviter moves to a mailbox that only this peer will know.
    fn want_private(&mut self, id: u32) {
        let relay = self.relay();
        if let (Some(contact), Some(relay)) = (self.contacts.get_mut(&id), relay) {
            contact.want_mailbox(&relay, MailboxKind::Private, &mut self.rng);
        }
    }

    fn take(&mut self, step: &mut Step, id: u32, item: &Content, today: Day) -> Result<(), VaultError> {
        match item {
            Content::Hello { address } => self.learn_address(id, address),
            Content::DeliveryReceipt { stream, low_water, sparse } => {
                let own = self.contacts.get(&id).is_some_and(|contact| contact.row.out_stream == stream.0);
                if own {
                    self.receipted(step, id, *low_water, sparse, today)?;
                }
            }
            Content::Text { stream, number, .. }
            | Content::MailboxMove { stream, number, .. }
            | Content::Message { stream, number, .. }
            | Content::Attachment { stream, number, .. }
            | Content::Void { stream, number }
            | Content::Unknown { stream, number, .. } => {
                self.take_numbered(step, id, *stream, *number, item, today)?;
            }
            _ => {}
        }
        Ok(())
    }

    /// In order to the app; what came early is held, what came before is dropped.
    fn take_numbered(
        &mut self,
        step: &mut Step,
        id: u32,
        stream: StreamId,
        number: u64,
        item: &Content,
        today: Day,
    ) -> Result<(), VaultError> {
        let Some(contact) = self.contacts.get_mut(&id) else { return Ok(()) };
        let row = &mut contact.row;
        if *row.in_stream.get_or_insert(stream.0) != stream.0 {
            row.junk = row.junk.saturating_add(1);
            return Ok(());
        }
        row.receipt_due = true;
        if number <= row.low_water || row.sparse.contains(&number) {
            return Ok(());
        }
        if number != row.low_water.saturating_add(1) {
            // Beyond the bound nothing is kept and nothing receipted: the sender sends it again.
            if row.sparse.len() < MAX_HELD {
                row.sparse.insert(number);
                let bytes = content::encode(std::slice::from_ref(item)).map_err(|_| VaultError::Corrupt)?;
                step.changes.put_bytes(key(Table::Held, id, number), bytes);
            }
            return Ok(());
        }
        row.low_water = number;
        self.give(step, id, item, today)?;
        self.give_held(step, id, today).map(|_| ())
    }

    /// Gives what is held and follows, as much as one step takes. Whether there was any.
    fn give_held(&mut self, step: &mut Step, id: u32, today: Day) -> Result<bool, VaultError> {
        let mut given = false;
        while step.room() > 0 {
            let Some(next) = self.next_held(id) else { break };
            given = true;
            let row = key(Table::Held, id, next);
            let held = match step.changes.pending(&row) {
                Some(bytes) => Some(Zeroizing::new(bytes.to_vec())),
                None => self.vault.read_bytes(&row)?,
            };
            step.changes.erase(row);
            for item in held.and_then(|bytes| content::decode(&bytes).ok()).unwrap_or_default() {
                self.give(step, id, &item, today)?;
            }
        }
        Ok(given)
    }

    /// Moves the low-water mark over the next number if that is held.
    fn next_held(&mut self, id: u32) -> Option<u64> {
        let row = &mut self.contacts.get_mut(&id)?.row;
        let next = row.low_water.saturating_add(1);
        row.sparse.remove(&next).then(|| row.low_water = next).map(|()| next)
    }

    fn give(&mut self, step: &mut Step, id: u32, item: &Content, today: Day) -> Result<(), VaultError> {
        match item {
            Content::Text { number, text, .. } => {
                let kind = EventKind::MessageReceived { number: *number, text: text.clone() };
                self.event(step, id, today, kind)
            }
            Content::Message { number, message, .. } => {
                let kind = EventKind::MessageReceived { number: *number, text: message.text.clone() };
                self.event(step, id, today, kind)
            }
            Content::MailboxMove { address, .. } => {
                self.learn_address(id, address);
                Ok(())
            }
            // This client keeps no attachments; a later one reads the manifest where it is parked.
            Content::Attachment { number, .. } => self.park(step, id, *number, item, today),
            Content::Unknown { number, .. } if item.is_critical() => {
                self.park(step, id, *number, item, today)
            }
            _ => Ok(()),
        }
    }

    /// Keeps an item for a newer version. It has taken its number, so that what follows goes on.
    fn park(
        &mut self,
        step: &mut Step,
        id: u32,
        number: u64,
        item: &Content,
        today: Day,
    ) -> Result<(), VaultError> {
        let bytes = content::encode(std::slice::from_ref(item)).map_err(|_| VaultError::Corrupt)?;
        step.changes.put_bytes(key(Table::Parked, id, number), bytes);
        self.event(step, id, today, EventKind::NeedsNewerVersion)
    }

    /// The newest address is tried first; old ones stay as long as there is room.
    pub(crate) fn learn_address(&mut self, id: u32, encoded: &[u8]) {
        let Some(contact) = self.contacts.get_mut(&id) else { return };
        let addresses = &mut contact.row.addresses;
        if MailboxAddress::decode(encoded).is_err()
            || addresses.last().is_some_and(|last| *last.encoded == encoded && !last.stale)
        {
            return;
        }
        addresses.retain(|known| *known.encoded != encoded);
        addresses.push(PeerAddress { encoded: encoded.to_vec().into(), stale: false });
        let over = addresses.len().saturating_sub(MAX_ADDRESSES);
        addresses.drain(..over);
    }

    /// What a message that was read changes about the relationship.
    fn after_message(&mut self, step: &mut Step, name: MailboxName, today: Day) -> Result<(), VaultError> {
        let id = name.contact;
        let Some(contact) = self.contacts.get_mut(&id) else { return Ok(()) };
        let standing = contact.session.as_ref().map(deaddrop_crypto::Session::standing);
        contact.row.hello_due &= standing == Some(Standing::Unanswered);
        let by_private =
            contact.mailbox_mut(name.mailbox).is_some_and(|row| row.kind == MailboxKind::Private);
        if by_private && contact.row.sparse.is_empty() {
            // The peer uses the new mailbox and nothing is missing: the landing may go.
            for row in &mut contact.row.mailboxes {
                if row.kind == MailboxKind::Landing {
                    row.state = MailboxState::Retiring;
                }
            }
        }
        if standing == Some(Standing::Established) && !std::mem::replace(&mut contact.row.established, true) {
            self.event(step, id, today, EventKind::Established)?;
        }
        self.make_room(step, id, today)?;
        self.seal_drafts(step, id)
    }

    /// Counts a start of processing before it begins, for blobs that came before in this process or after a crash.
    pub(super) fn count_attempt(&mut self, tag: &[u8; 16]) -> Result<u8, VaultError> {
        let watched = self.watched_starts > 0 || !self.seen.insert(*tag);
        if !watched {
            return Ok(1);
        }
        self.watched_starts = self.watched_starts.saturating_sub(1);
        let row = attempt_key(tag);
        let count = self.vault.read::<u8>(&row)?.unwrap_or(0).saturating_add(1);
        let mut step = self.step();
        step.changes.put(row, &count)?;
        self.finish(step)?;
        Ok(count)
    }

    fn forget_attempt(&mut self, step: &mut Step, tag: &[u8; 16]) {
        let row = attempt_key(tag);
        if matches!(self.vault.read::<u8>(&row), Ok(Some(_))) {
            step.changes.erase(row);
        }
        self.seen.remove(tag);
    }
}

/// Tells blobs of one contact apart.
fn first_number(blob: &[u8]) -> u64 {
    blob.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes))
}

fn attempt_key(tag: &[u8; 16]) -> deaddrop_shred::RecordKey {
    let [a, b, c, d, e, f, g, h, i, j, k, l, ..] = *tag;
    key(Table::Attempt, u32::from_be_bytes([a, b, c, d]), u64::from_be_bytes([e, f, g, h, i, j, k, l]))
}
