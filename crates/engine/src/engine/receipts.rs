//! Receipts on both sides: a digest shows that the peer holds the very items that were sent
//! (spec/14-client.md section 3.1).
//!
//! A receipt's *low-water mark* is the number up to which the peer has received every item of a
//! stream; the receipt also names numbers above the mark that the peer has. A receipt *stands
//! still* if it confirms nothing new although items above a missing one have come.

use super::{Engine, Peer, outbox::CONTROL, peer::Receipt, step::Step};
use crate::{
    error::VaultError,
    event::EventKind,
    vault::{InStream, ItemKind, ItemRow, Table, Vault, key},
};
use deaddrop_e2ee::content::{self, Content, MAX_SPARSE, MessageId, SHORT_DIGEST_LEN, StreamId};
use deaddrop_wire::Day;
use rand_core::CryptoRng;

/// Number of receipts in a row that stand still after which the stream is replaced by a new one
/// (spec/14-client.md section 3.1).
const STILL_RECEIPTS: u8 = 8;
/// Number of receipts that stand still as which one counts whose low-water mark is below the
/// confirmed one: many of these mean that the peer has forgotten items.
const OLDER_COUNTS: u8 = 3;
/// Number of times that the first missing item must have been sent again before a receipt counts as
/// one that stands still.
const TRIES_BEFORE_STILL: u8 = 2;

impl<V: Vault, R: CryptoRng> Engine<V, R> {
    /// Makes and encrypts the receipts that are due for the streams of a contact, as one control
    /// message. Returns `false` and makes none if none is due, if an earlier control message is
    /// still on its way, or if nothing can be sent now.
    ///
    /// # Errors
    /// Fails with the error of the vault.
    pub fn seal_receipt(&mut self, id: u32, today: Day) -> Result<bool, VaultError> {
        let mut step = self.step();
        let own = *self.identity.identity_key().hash();
        let (rng, vault, identity) = (&mut self.rng, &self.vault, &self.identity);
        let Some(contact) = self.contacts.get_mut(&id) else { return Ok(false) };
        if !contact.is_receipt_due() || contact.items.contains_key(&CONTROL) {
            return Ok(false);
        }
        let Some(to) = contact.target(&own)? else { return Ok(false) };
        let mut items = Vec::new();
        for stream in contact.row.incoming.iter().filter(|stream| stream.receipt_due) {
            items.extend(stream.receipt());
        }
        if contact.room_in_turn() == 0 {
            return Ok(false);
        }
        // The peer can begin a session again with this when it has lost the present one.
        if let Some(ratchet) = contact.ratchet.as_mut()
            && let Ok(Some((bundle, changes))) = ratchet.renew_bundle(identity, &[], today, rng)
        {
            items.push(bundle);
            step.add_session_changes(vault, id, &mut contact.row, changes)?;
        }
        let content = content::encode(&items).map_err(|_| VaultError::Corrupt)?;
        contact.items.insert(CONTROL, ItemRow::control(content));
        contact.row.incoming.iter_mut().for_each(|stream| stream.receipt_due = false);
        step.contacts.insert(id);
        // What cannot be sealed now waits as it is.
        if !contact.seal_item(vault, &mut step, id, CONTROL, &to, rng)? {
            let control = contact.items.get(&CONTROL).ok_or(VaultError::Corrupt)?;
            step.changes.put(key(Table::Outbox, id, CONTROL), control)?;
        }
        self.finish(step)?;
        Ok(true)
    }

    /// Returns the numbers of the contacts for which a receipt is due and can be made now.
    pub fn receipts_due(&self) -> Vec<u32> {
        let due = |contact: &Peer| {
            contact.is_receipt_due()
                && contact.standing().is_some()
                && contact.best_address().is_some()
                && !contact.items.contains_key(&CONTROL)
        };
        self.contacts.iter().filter(|(_, contact)| due(contact)).map(|(id, _)| *id).collect()
    }

    /// Applies a receipt to the outgoing stream: erases the items that its digest proves to be
    /// received, and notes those that are missing. A digest that differs, and receipts that stand
    /// still too often, replace the stream by a new one, together at most once a day.
    pub(super) fn apply_receipt(
        &mut self,
        step: &mut Step,
        id: u32,
        receipt: Receipt,
        today: Day,
    ) -> Result<(), VaultError> {
        let Some(contact) = self.contacts.get_mut(&id) else { return Ok(()) };
        let Receipt { low_water, digest, ref sparse, is_counted } = receipt;
        match contact.judge(low_water, digest) {
            // Single ones are overtaken; many mean that the peer has forgotten the stream.
            Verdict::Older => return self.count_still(step, id, OLDER_COUNTS, today).map(|_| ()),
            Verdict::Nothing => return Ok(()),
            Verdict::Differs => return self.differs(step, id, today),
            Verdict::Agrees => {}
        }
        let stream = &mut contact.row.outgoing;
        if low_water > stream.confirmed {
            (stream.still, stream.disagrees) = (0, false);
            step.contacts.insert(id);
        } else if !is_counted && sparse.last().is_some_and(|highest| *highest > low_water) {
            // What was not sent again yet cannot have closed the gap.
            let tries = contact.missing.get(&low_water.saturating_add(1)).map_or(0, |row| row.tries);
            if tries >= TRIES_BEFORE_STILL && self.count_still(step, id, 1, today)? {
                return Ok(());
            }
        }
        let Some(contact) = self.contacts.get_mut(&id) else { return Ok(()) };
        let known = contact.items.range(CONTROL + 1..).take_while(|(number, _)| **number <= low_water);
        let done: Vec<u64> = known.map(|(number, _)| *number).collect();
        // The rest follows in steps of their own.
        let room = step.room();
        let is_last = done.len() <= room;
        for number in done.into_iter().take(room) {
            let Some(contact) = self.contacts.get_mut(&id) else { break };
            let Some(item) = contact.items.remove(&number) else { continue };
            (contact.row.outgoing.confirmed, contact.row.outgoing.confirmed_digest) = (number, item.digest);
            step.changes.erase(key(Table::Outbox, id, number));
            if contact.missing.remove(&number).is_some() {
                step.changes.erase(key(Table::Missing, id, number));
            }
            if item.kind == ItemKind::Message {
                let message = item.message.map(MessageId);
                self.add_message_event(step, id, message, today, EventKind::Delivered)?;
            }
        }
        if (!self.note_missing(step, id, low_water, sparse)? || !is_last)
            && let Some(contact) = self.contacts.get_mut(&id)
        {
            contact.confirmed = Some(Receipt { is_counted: true, ..receipt });
        }
        Ok(())
    }

    /// Counts a receipt that stands still as `by` such receipts. Returns whether the stream was
    /// replaced because of it, which happens at most once a day.
    fn count_still(&mut self, step: &mut Step, id: u32, by: u8, today: Day) -> Result<bool, VaultError> {
        let Some(contact) = self.contacts.get_mut(&id) else { return Ok(false) };
        let stream = &mut contact.row.outgoing;
        stream.still = stream.still.saturating_add(by);
        step.contacts.insert(id);
        if stream.still < STILL_RECEIPTS || stream.drawn_on == today.number() {
            return Ok(false);
        }
        stream.drawn_on = today.number();
        self.draw_stream(step, id)?;
        Ok(true)
    }

    /// Replaces the stream by a new one, because the peer holds other items under these numbers, or
    /// numbers that were never given: one of the two vaults was put back, or the peer lies. If that
    /// was done today already, tells the app instead, once.
    fn differs(&mut self, step: &mut Step, id: u32, today: Day) -> Result<(), VaultError> {
        let Some(contact) = self.contacts.get_mut(&id) else { return Ok(()) };
        let stream = &mut contact.row.outgoing;
        if stream.drawn_on != today.number() {
            stream.drawn_on = today.number();
            return self.draw_stream(step, id);
        }
        if !std::mem::replace(&mut stream.disagrees, true) {
            step.contacts.insert(id);
            self.add_event(step, id, today, EventKind::PeerDisagrees)?;
        }
        Ok(())
    }
}

/// The result of comparing a receipt with what was sent.
enum Verdict {
    /// The receipt is below what was confirmed: it is older than another one, or the peer has lost
    /// items.
    Older,
    /// The receipt has no digest, so it does not show what the peer holds.
    Nothing,
    Agrees,
    Differs,
}

impl Peer {
    /// Whether a receipt is due for any incoming stream.
    pub(super) fn is_receipt_due(&self) -> bool {
        self.row.incoming.iter().any(|stream| stream.receipt_due)
    }

    /// Compares a receipt's low-water mark and digest with the items that were sent.
    fn judge(&self, low_water: u64, digest: Option<[u8; SHORT_DIGEST_LEN]>) -> Verdict {
        let stream = &self.row.outgoing;
        if low_water < stream.confirmed {
            return Verdict::Older;
        }
        let sent = if low_water == stream.confirmed {
            Some(&stream.confirmed_digest)
        } else {
            self.items.get(&low_water).map(|item| &item.digest)
        };
        match (sent, digest) {
            (None, _) => Verdict::Differs,
            // Nothing has arrived, so there is nothing to compare.
            (Some(_), None) if low_water == 0 => Verdict::Agrees,
            (Some(_), None) => Verdict::Nothing,
            (Some(sent), Some(digest)) if sent.short() == digest => Verdict::Agrees,
            (Some(_), Some(_)) => Verdict::Differs,
        }
    }
}

impl InStream {
    /// Returns the contents that say what was received of this stream: the receipt, and its digest
    /// if it is known. If the receipt names all numbers that are held, it also names the one after
    /// the highest item that was dropped, so that every lower number that it does not name is
    /// missing.
    fn receipt(&self) -> impl Iterator<Item = Content> {
        let stream = StreamId(self.id);
        let mut sparse: Vec<u64> = self.sparse.iter().take(MAX_SPARSE).copied().collect();
        let highest = sparse.last().copied().unwrap_or(self.low_water.saturating_add(1));
        if self.sparse.len() < MAX_SPARSE && highest < self.beyond {
            sparse.push(self.beyond);
        }
        let receipt = Content::DeliveryReceipt { stream, low_water: self.low_water, sparse };
        let has_digest = self.has_digest && self.low_water > 0;
        let digest = Content::StreamDigest { stream, number: self.low_water, digest: self.digest.short() };
        [Some(receipt), has_digest.then_some(digest)].into_iter().flatten()
    }
}
