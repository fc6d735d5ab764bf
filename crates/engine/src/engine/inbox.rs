//! The inbox: processing a delivered blob. Every blob is acknowledged, and only after its result is
//! stored (spec/14-client.md section 4). The first 16 bytes of a blob are its *tag*. A blob whose
//! processing was begun several times and never ended is *put aside*: kept as it came.

use super::{Engine, MailboxName, Peer, asked::MAX_ASKED, mailboxes::address_of, peer::Receipt, step::Step};
use crate::{
    error::VaultError,
    event::EventKind,
    vault::{MailboxKind, MailboxState, RowKey, Table, Vault, VaultRoom, key},
};
use deaddrop_e2ee::{
    contact::{ContactEvent, InvitePolicy, Received, SessionUse},
    content::{self, Content, ContentError, ItemHash, StreamId},
    invite::AcceptError,
    session::{DecryptError, Standing},
};
use deaddrop_wire::Day;
use rand_core::CryptoRng;
use std::collections::VecDeque;

/// Maximum number of tags of one contact's blobs that are remembered until the relay has destroyed
/// the blobs: as many as the window lets the relay have under way.
const MAX_UNACKED: usize = 64;
/// Number of starts of processing that have not ended after which a blob is put aside at the next
/// one. More than one, because a process may stop by chance while it processes an honest blob.
const MAX_ATTEMPTS: u8 = 3;
/// Maximum number of blobs of one contact that are put aside; beyond it the oldest is erased
/// (spec/14-client.md section 2.4).
pub(super) const MAX_ASIDE: usize = 16;
/// Maximum number of rows that [`push_bounded`] erases in one call. More than one, so that a list
/// that a vault of an earlier version has filled beyond the bound becomes shorter.
const FALL_OUT_AT_ONCE: usize = 2;
/// Number of blobs in a row that no key opens after which the session is taken for lost
/// (spec/14-client.md section 4.2).
const MAX_UNREAD: u8 = 3;
/// Number to which the count of blobs that no key opens is set when this vault was put back from a
/// copy: the first such blob then shows that the session is lost.
pub(super) const UNREAD_AFTER_RESTORE: u8 = MAX_UNREAD - 1;

/// The result of processing a blob. Whatever it is, the blob is acknowledged to the relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlobOutcome {
    /// The blob was read, and its content is stored; or another person has used the contact's
    /// invite, and the blob is kept until the user has decided.
    Stored,
    /// The blob, or the message in it, was processed before.
    Duplicate,
    /// The blob has no content that is stored: no key opens it, it cannot be read or kept, or it
    /// asks for a reset. Its other effects are kept: changed sessions, a count, a request that
    /// waits for the user, the event that a session is lost.
    Junk,
    /// The content needs a newer version of this program, and is kept for it.
    Parked,
    /// Processing of the blob has begun three times before and never ended. The blob is kept as it
    /// is, and is not processed again.
    Quarantined,
}

impl<V: Vault, R: CryptoRng> Engine<V, R> {
    /// Processes a blob that a relay delivered from the own mailbox `name`. The relay may be told
    /// to destroy the blob when this returns `Ok`.
    ///
    /// # Errors
    /// Fails with [`VaultError::Full`] if the vault has no room for received messages, with
    /// [`VaultError::Stopped`] if the engine is dead, or with another error of the vault. The blob
    /// must not be acknowledged then: the relay delivers it again.
    pub fn delivered(
        &mut self,
        name: MailboxName,
        blob: &[u8],
        today: Day,
    ) -> Result<BlobOutcome, VaultError> {
        // Memory may be ahead of the disk: what it holds proves nothing any more.
        if self.dead {
            return Err(VaultError::Stopped);
        }
        // It stays at the relay.
        if self.vault.room() == VaultRoom::Full {
            return Err(VaultError::Full);
        }
        let Some(tag) = blob.first_chunk::<16>().copied() else { return Ok(BlobOutcome::Junk) };
        let Some(contact) = self.contacts.get(&name.contact) else { return Ok(BlobOutcome::Junk) };
        if contact.row.unacked.contains(&tag) {
            return Ok(BlobOutcome::Duplicate);
        }
        let mut step = self.step();
        if self.count_attempt(&tag)? > MAX_ATTEMPTS {
            // Kept as it came: whatever stopped three starts may be mended one day.
            let row = key(Table::Aside, name.contact, first_number(blob));
            step.changes.put_bytes(row, blob.to_vec().into());
            if let Some(contact) = self.contacts.get_mut(&name.contact) {
                contact.aside.retain(|known| *known != row);
                push_bounded(&mut contact.aside, row, MAX_ASIDE, &mut step);
            }
            self.forget_attempt(&mut step, &tag);
            self.finish(step)?;
            return Ok(BlobOutcome::Quarantined);
        }
        // A message that was decrypted and is not stored must not be taken for one that was.
        let read =
            self.read(&mut step, name, blob, today).inspect_err(|error| self.dead |= !error.is_passing());
        let ack = match read {
            Ok(ack) => ack,
            Err(error) => return Err(self.forget_start(&tag, error)),
        };
        if matches!(ack, BlobOutcome::Junk | BlobOutcome::Duplicate) {
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
        if let Err(error) = self.finish(step) {
            return Err(self.forget_start(&tag, error));
        }
        match self.drain_backlog(name.contact, today) {
            // The blob itself is stored; the rest follows as after a crash.
            Err(error) if !error.is_passing() => Err(error),
            _ => Ok(ack),
        }
    }

    /// Handles an error of processing a blob, which comes again: if the vault had no room, the
    /// start does not count. Returns the error.
    fn forget_start(&mut self, tag: &[u8; 16], error: VaultError) -> VaultError {
        let row = attempt_key(tag);
        self.seen.remove(tag);
        if error.is_passing() && self.vault.has(&row) && self.vault.erase(&[row]).is_err() {
            self.dead = true;
        }
        error
    }

    /// Does the work for which one step had no room, in further steps: the rest of a receipt, of
    /// held items that can be given to the app, of a stream that is replaced. If a crash comes
    /// between two steps, the held items are given after the next opening, and the next receipt,
    /// which is cumulative, does the rest.
    pub(super) fn drain_backlog(&mut self, id: u32, today: Day) -> Result<(), VaultError> {
        while let Some(receipt) = self.contacts.get_mut(&id).and_then(Peer::take_receipt) {
            let mut step = self.step();
            self.apply_receipt(&mut step, id, receipt, today)?;
            self.finish(step)?;
        }
        for at in 0..self.contacts.get(&id).map_or(0, |contact| contact.row.incoming.len()) {
            loop {
                let mut step = self.step();
                let given = self.advance(&mut step, id, at, today)?;
                self.finish(step)?;
                if !given {
                    break;
                }
            }
        }
        loop {
            let mut step = self.step();
            if !self.continue_renumbering(&mut step, id)? {
                return Ok(());
            }
            self.finish(step)?;
        }
    }

    /// Notes that the relay has destroyed the blob with this tag: its first 16 bytes. The change is
    /// stored with the next change of the contact.
    pub fn acked(&mut self, name: MailboxName, tag: &[u8; 16]) {
        // Stored with the next change of the contact; until then a repeat is merely recognised twice.
        if let Some(contact) = self.contacts.get_mut(&name.contact) {
            contact.row.unacked.retain(|known| known != tag);
        }
    }

    pub(super) fn read(
        &mut self,
        step: &mut Step,
        name: MailboxName,
        blob: &[u8],
        today: Day,
    ) -> Result<BlobOutcome, VaultError> {
        let id = name.contact;
        let Some(contact) = self.contacts.get_mut(&id) else { return Ok(BlobOutcome::Junk) };
        if let Some(ratchet) = contact.ratchet.as_mut() {
            match ratchet.decrypt(&self.identity, blob, today) {
                Ok(received) => return self.take_received(step, name, blob, received, today),
                Err(DecryptError::Duplicate) => {
                    // The sender has perhaps not learnt that it arrived. Not stored: a relay can repeat it as often as it likes.
                    contact.row.incoming.iter_mut().for_each(|stream| stream.receipt_due = true);
                    return Ok(BlobOutcome::Duplicate);
                }
                Err(DecryptError::Junk) => {}
                Err(_) => return Ok(self.count_junk(id)),
            }
        }
        let ack = self.read_first(step, name, blob, today)?;
        if ack == BlobOutcome::Junk
            && let Some(contact) = self.contacts.get_mut(&id)
            && contact.note_unread(step, name)
        {
            self.reset_by_own_proof(step, id, EventKind::SessionLost, today)?;
        }
        Ok(ack)
    }

    /// Reads a blob that no session opens: if it is the first message of a person who uses the
    /// contact's open invite, begins a session.
    fn read_first(
        &mut self,
        step: &mut Step,
        name: MailboxName,
        blob: &[u8],
        today: Day,
    ) -> Result<BlobOutcome, VaultError> {
        let id = name.contact;
        let sure = self.sure_day(today);
        let Some(contact) = self.contacts.get_mut(&id) else { return Ok(BlobOutcome::Junk) };
        let Peer { invite: Some((_, invite)), ratchet, person, .. } = contact else {
            return Ok(self.count_junk(id));
        };
        let accepted = match invite.accept(&self.identity, blob, |_| false, sure) {
            Ok(accepted) => accepted,
            Err(AcceptError::Expired) => return Ok(BlobOutcome::Junk),
            Err(_) => return Ok(self.count_junk(id)),
        };
        let peer = *accepted.peer.hash();
        if person.root.is_some_and(|root| root != *peer.as_bytes()) {
            self.ask(step, name, blob, Some(&peer), today)?;
            return Ok(BlobOutcome::Stored);
        }
        let ratchet = ratchet.get_or_insert_with(|| deaddrop_e2ee::contact::Contact::new(peer));
        let Ok(received) = ratchet.add_accepted(accepted, InvitePolicy::KeepSessions) else {
            return Ok(self.count_junk(id));
        };
        (person.root, contact.row.leaf) = (Some(*peer.as_bytes()), Some(*peer.as_bytes()));
        contact.invite = None;
        // A second use of this invite is told again.
        contact.person.contested = false;
        step.persons.insert(id);
        self.add_event(step, id, today, EventKind::InviteAccepted)?;
        self.draw_stream(step, id)?;
        self.want_private(step, id)?;
        self.take_received(step, name, blob, received, today)
    }

    /// Takes the result of decrypting a blob: adds the changes of the sessions to the step, handles
    /// their events, and takes the items of the content.
    pub(super) fn take_received(
        &mut self,
        step: &mut Step,
        name: MailboxName,
        blob: &[u8],
        received: Received,
        today: Day,
    ) -> Result<BlobOutcome, VaultError> {
        let id = name.contact;
        let vault = &self.vault;
        let Some(contact) = self.contacts.get_mut(&id) else { return Ok(BlobOutcome::Junk) };
        let repeats = [ContactEvent::ResetRequested { repeated: true }];
        if received.events == repeats && contact.asked.len() >= MAX_ASKED {
            return Ok(self.count_junk(id));
        }
        step.add_session_changes(vault, id, &mut contact.row, received.changes)?;
        let is_established = |event: &ContactEvent| matches!(event, ContactEvent::Established { .. });
        contact.note_session(received.events.iter().any(is_established));
        for event in received.events {
            self.handle_session_event(step, name, blob, event, today)?;
        }
        let Some(plaintext) = received.content else { return Ok(self.count_junk(id)) };
        if let Some(contact) = self.contacts.get_mut(&id)
            && received.by.decides()
            && std::mem::take(&mut contact.row.unread) > 0
        {
            step.contacts.insert(id);
        }
        let items = match content::decode_with_hashes(&plaintext) {
            Ok(items) => items,
            Err(ContentError::NeedsNewerVersion) => {
                // It has no number that could be left out of a receipt; what it carries has none either, and comes again.
                if !self.can_park(step, id)? {
                    return Ok(self.count_junk(id));
                }
                self.park_bytes(step, id, StreamId([0; 16]), 0, plaintext, today)?;
                return Ok(BlobOutcome::Parked);
            }
            Err(_) => return Ok(self.count_junk(id)),
        };
        for (at, (item, hash)) in items.iter().enumerate() {
            // The first is stored together with the session; only a strange peer sends many.
            if at > 0 {
                self.make_room(step, id, today)?;
            }
            if let Content::DeliveryReceipt { stream, low_water, sparse } = item {
                let digest = items.iter().find_map(|(other, _)| match other {
                    Content::StreamDigest { stream: of, number, digest }
                        if of == stream && number == low_water =>
                    {
                        Some(*digest)
                    }
                    _ => None,
                });
                let own = self.contacts.get(&id).is_some_and(|contact| contact.row.outgoing.id == stream.0);
                // A session that is superseded or unused says nothing of what the peer holds now.
                if own && received.by.decides() {
                    let (low_water, sparse) = (*low_water, sparse.clone());
                    let receipt = Receipt { low_water, digest, sparse, is_counted: false };
                    self.apply_receipt(step, id, receipt, today)?;
                }
            } else {
                self.take(step, id, item, hash, received.by, today)?;
            }
        }
        self.after_message(step, name, received.by, today)?;
        Ok(BlobOutcome::Stored)
    }

    pub(super) fn count_junk(&mut self, id: u32) -> BlobOutcome {
        if let Some(contact) = self.contacts.get_mut(&id) {
            contact.row.junk = contact.row.junk.saturating_add(1);
        }
        BlobOutcome::Junk
    }

    /// Adds a private mailbox for a peer, which is to be created and told to that peer alone; if
    /// there is one already, queues a message that tells its address. Does nothing if a private
    /// mailbox is still to be created, or if there is none and no relay is set. Called on the
    /// inviter's side when a session begins, and by
    /// [`want_private_mailboxes`](Self::want_private_mailboxes).
    pub(super) fn want_private(&mut self, step: &mut Step, id: u32) -> Result<(), VaultError> {
        let relay = self.relay();
        let Some(contact) = self.contacts.get_mut(&id) else { return Ok(()) };
        step.contacts.insert(id);
        let private = contact.row.mailboxes.iter();
        let private =
            private.filter(|row| row.kind == MailboxKind::Private && row.state != MailboxState::Retiring);
        match (private.max_by_key(|row| row.id), relay) {
            (Some(row), _) if row.state == MailboxState::Wanted => Ok(()),
            // It was made for an earlier session, and the peer may not know it any more.
            (Some(row), _) => match address_of(row) {
                Some(address) => self.queue_move(step, id, address),
                None => Ok(()),
            },
            (None, Some(relay)) => {
                contact.want_mailbox(&relay, MailboxKind::Private, &mut self.rng);
                Ok(())
            }
            (None, None) => Ok(()),
        }
    }

    fn take(
        &mut self,
        step: &mut Step,
        id: u32,
        item: &Content,
        hash: &ItemHash,
        by: SessionUse,
        today: Day,
    ) -> Result<(), VaultError> {
        match (item.place(), item) {
            (Some((stream, number)), _) => {
                self.take_numbered(step, id, stream, number, item, hash, by, today)?;
            }
            (None, Content::Hello { address }) if by.decides() => self.learn_address(id, address),
            // Resets and eras are the e2ee crate's; one device has no list.
            (None, _) => {}
        }
        Ok(())
    }

    /// Applies what a message shows besides its content: that the peer has answered, and which of
    /// the own mailboxes it uses. Then encrypts drafts that can be encrypted now.
    fn after_message(
        &mut self,
        step: &mut Step,
        name: MailboxName,
        by: SessionUse,
        today: Day,
    ) -> Result<(), VaultError> {
        let id = name.contact;
        let Some(contact) = self.contacts.get_mut(&id) else { return Ok(()) };
        let standing = contact.standing();
        contact.row.hello_due &= standing == Some(Standing::Unanswered);
        // A session that is superseded or unused decides nothing.
        let by_private = by.decides()
            && contact.mailbox_mut(name.mailbox).is_some_and(|row| row.kind == MailboxKind::Private);
        let misses = contact.row.incoming.last().is_some_and(|stream| !stream.sparse.is_empty());
        // The peer uses this mailbox and nothing is missing: those before it may go once they have been read.
        if by_private
            && !misses
            && contact.uses_mailbox < Some(name.mailbox)
            && contact.has_older(name.mailbox)
        {
            contact.uses_mailbox = Some(name.mailbox);
            step.changes.put(key(Table::Used, id, 0), &name.mailbox)?;
        }
        // A Hello that came late, or a first message, has told an earlier mailbox than the one that is used now; or the peer has accepted
        // an invite, and its session is not used.
        if by.decides()
            && contact.told_again.get(&name.mailbox) != Some(&today)
            && let Some(address) = contact.better_address(name.mailbox)
        {
            contact.told_again.insert(name.mailbox, today);
            self.queue_move(step, id, address)?;
        }
        self.make_room(step, id, today)?;
        self.seal_drafts(step, id)
    }

    /// Counts a start of processing a blob in the vault before it begins, if an earlier start in
    /// this process has not ended, or if it is one of the first
    /// [`WATCHED_STARTS`](super::WATCHED_STARTS) after a crash. Returns the number of starts, this
    /// one among them; 1 if it is not counted.
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

impl Peer {
    /// Takes out the receipt that is to be applied next: the rest of one that a step had no room
    /// for, or one that marks all items as missing after a change of sessions; `None` if there is
    /// none.
    fn take_receipt(&mut self) -> Option<Receipt> {
        self.confirmed
            .take()
            .or_else(|| std::mem::take(&mut self.doubts_all).then(|| self.misses_all()).flatten())
    }

    /// Counts a blob that no key opens, if it came by a private mailbox of a peer that has
    /// answered; the last one that is needed counts by whatever mailbox it comes. Returns whether
    /// there were at least [`MAX_UNREAD`] in a row, so that the peer must be at a turn that this
    /// vault does not know: only the peer puts into a private mailbox, and a relay that repeats an
    /// old blob does not do so many times in a row.
    fn note_unread(&mut self, step: &mut Step, name: MailboxName) -> bool {
        let mut mailboxes = self.row.mailboxes.iter();
        let is_private = mailboxes.any(|row| row.id == name.mailbox && row.kind == MailboxKind::Private);
        let standing = self.standing();
        let counts = match standing {
            None => false,
            Some(_) if self.row.unread >= UNREAD_AFTER_RESTORE => true,
            Some(standing) => is_private && standing != Standing::Unanswered,
        };
        if self.row.unread < MAX_UNREAD && counts {
            self.row.unread += 1;
            step.contacts.insert(name.contact);
        }
        self.row.unread >= MAX_UNREAD
    }
}

/// Adds a row to a list that is sorted from old to new. If the list is longer than `most`, removes
/// the oldest rows, at most [`FALL_OUT_AT_ONCE`], and erases them in the step.
pub(super) fn push_bounded(list: &mut VecDeque<RowKey>, row: RowKey, most: usize, step: &mut Step) {
    list.push_back(row);
    let over = list.len().saturating_sub(most).min(FALL_OUT_AT_ONCE);
    list.drain(..over).for_each(|old| step.changes.erase(old));
}

/// Returns the number of the row of a blob that is put aside: the blob's first 8 bytes.
fn first_number(blob: &[u8]) -> u64 {
    blob.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes))
}

fn attempt_key(tag: &[u8; 16]) -> crate::vault::RowKey {
    let [a, b, c, d, e, f, g, h, i, j, k, l, ..] = *tag;
    key(Table::Attempt, u32::from_be_bytes([a, b, c, d]), u64::from_be_bytes([e, f, g, h, i, j, k, l]))
}
