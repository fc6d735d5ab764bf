//! Receiving the streams of a peer: items are given to the app in order, or as late ones if an
//! earlier one was missing for too long (spec/14-client.md section 4.1).
//!
//! A stream's *low-water mark* is the number up to which all its items have come. Items above the
//! mark, behind a missing one, are *held*. An item is *shown* when it was given to the app.
//! Parameter `at` is the index of a stream among the incoming ones of the contact `id`, oldest
//! first.

use super::{Engine, Peer, inbox::push_bounded, manner::Manner, parked::is_for_later, step::Step};
use crate::{
    error::VaultError,
    event::EventKind,
    vault::{
        HeldRow, InStream, MAX_IN_STREAMS, RowKey, SeenRow, Table, Vault, key, migrated_number, sub_key,
    },
};
use deaddrop_e2ee::{
    contact::SessionUse,
    content::{self, Content, ItemHash, Message, MessageId, StreamDigest, StreamId},
    identity::IdentityHash,
};
use deaddrop_wire::Day;
use rand_core::CryptoRng;
use std::{collections::BTreeSet, ops::Bound};
use zeroize::Zeroizing;

/// Maximum number of items of one stream that are held, those that were shown included
/// (spec/14-client.md section 2.4).
pub(super) const MAX_HELD: usize = 1_024;
/// Number of days for which a message that was shown is recognised if it comes again.
const SEEN_DAYS: u32 = 90;
/// Maximum number of messages of a conversation that are recognised if they come again; the oldest
/// is forgotten. The bound is far above the number of messages that a turn can have without an
/// answer, and so above what a peer sends again.
pub(super) const MAX_SEEN: usize = 4_096;
/// Number of messages of a conversation that are still recognised if events are erased and the
/// vault has no room for the user's texts even so.
pub(super) const MAX_SEEN_WITHOUT_ROOM: usize = 512;
/// Maximum difference by which the clock of a message (a counter, not a time) may be above the
/// conversation's and be believed (spec/14-client.md section 4.1): a peer must not be able to use
/// the numbers up.
const MAX_CLOCK_STEP: u64 = 1 << 20;

impl<V: Vault, R: CryptoRng> Engine<V, R> {
    /// Takes a numbered item. The next item of its stream is given to the app, with the held ones
    /// that follow; a later one is held; one that has come before is dropped.
    #[expect(clippy::too_many_arguments, reason = "an item, its hash, its place and where it came from")]
    pub(super) fn take_numbered(
        &mut self,
        step: &mut Step,
        id: u32,
        stream: StreamId,
        number: u64,
        item: &Content,
        hash: &ItemHash,
        by: SessionUse,
        today: Day,
    ) -> Result<(), VaultError> {
        // No sender comes so far, and nothing could follow it.
        if number == u64::MAX {
            self.count_junk(id);
            return Ok(());
        }
        let Some(at) = self.in_stream(step, id, stream, by, today) else {
            // A stream of a session that is superseded or unused gets no place and no receipt, but hides no message.
            if let Content::Message { message, .. } = item {
                return self.give_message(step, id, message, Manner::of(by, true), today);
            }
            self.count_junk(id);
            return Ok(());
        };
        let Some(stream) = self.stream_mut(id, at) else { return Ok(()) };
        (stream.receipt_due, stream.used_on) = (true, today.number());
        if number <= stream.low_water || stream.sparse.contains(&number) {
            return Ok(());
        }
        // An address from a session that is superseded or unused is not followed: a copy of its state could lead messages away.
        let void = Content::Void { stream: StreamId(stream.id), number };
        let is_move = matches!(item, Content::MailboxMove { .. });
        let item = if !by.decides() && is_move { &void } else { item };
        // What has no place is not taken, and the receipt says so.
        let parks = is_for_later(item);
        if parks && !self.can_park(step, id)? {
            if let Some(stream) = self.stream_mut(id, at) {
                stream.beyond = stream.beyond.max(number.saturating_add(1));
            }
            return Ok(());
        }
        let Some(stream) = self.stream_mut(id, at) else { return Ok(()) };
        let slot = stream.slot;
        let is_behind = number < stream.shown;
        let manner = Manner::of(by, is_behind || self.is_replaced(id, at));
        let Some(stream) = self.stream_mut(id, at) else { return Ok(()) };
        if number == stream.low_water.saturating_add(1) {
            stream.pass(number, hash);
            self.give(step, id, item, manner, today)?;
            return self.advance(step, id, at, today).map(|_| ());
        }
        // Beyond the bound nothing is kept, and the receipt says so.
        if stream.sparse.len() >= MAX_HELD {
            stream.beyond = stream.beyond.max(number.saturating_add(1));
            return Ok(());
        }
        stream.sparse.insert(number);
        let is_next = number == stream.shown.saturating_add(1) && stream.shown > stream.low_water;
        if is_next {
            stream.shown = number;
        }
        // What came by a superseded session is given at once: a row does not say where its content came from.
        let is_given = is_behind || is_next || by == SessionUse::Superseded;
        let content = if is_given {
            Zeroizing::default()
        } else {
            content::encode(std::slice::from_ref(item)).map_err(|_| VaultError::Corrupt)?
        };
        let row = HeldRow { hash: hash.clone(), content };
        step.changes.put(sub_key(Table::Held, id, number, slot), &row)?;
        if parks
            && !is_given
            && let Some(Peer { parks_later: Some(later), .. }) = self.contacts.get_mut(&id)
        {
            later.insert((slot, number));
        }
        if is_given {
            self.give(step, id, item, manner, today)?;
            self.show_following(step, id, at, today)?;
        }
        Ok(())
    }

    /// Whether an item of a newer stream of the contact than that at `at` was given to the app.
    fn is_replaced(&self, id: u32, at: usize) -> bool {
        let streams = self.contacts.get(&id).map(|contact| contact.row.incoming.as_slice());
        streams.unwrap_or_default().iter().skip(at + 1).any(|stream| stream.shown > 0)
    }

    fn stream_mut(&mut self, id: u32, at: usize) -> Option<&mut InStream> {
        self.contacts.get_mut(&id)?.row.incoming.get_mut(at)
    }

    /// Returns the index of a stream. A new stream is added, in place of the one that was used
    /// least recently if there are [`MAX_IN_STREAMS`]. Returns `None` if the contact is unknown, or
    /// if the stream is new and came by a session that is superseded or unused.
    fn in_stream(
        &mut self,
        step: &mut Step,
        id: u32,
        stream: StreamId,
        by: SessionUse,
        today: Day,
    ) -> Option<usize> {
        let row = &mut self.contacts.get_mut(&id)?.row;
        if let Some(at) = row.incoming.iter().position(|known| known.id == stream.0) {
            return Some(at);
        }
        if !by.decides() {
            return None;
        }
        let mut given_up = None;
        if row.incoming.len() >= MAX_IN_STREAMS {
            let oldest = row.incoming.iter().enumerate().min_by_key(|(at, known)| (known.used_on, *at));
            let (at, _) = oldest?;
            let dropped = row.incoming.remove(at);
            given_up = Some(dropped.slot);
            let numbers = dropped.sparse.iter();
            let rows: Vec<_> =
                numbers.map(|number| sub_key(Table::Held, id, *number, dropped.slot)).collect();
            step.changes.erase_later(rows.into_iter());
        }
        // Never one that was given up a moment ago: its rows are erased behind this step.
        let last = row.incoming.last().map_or(u8::MAX, |known| known.slot);
        let mut slots = (1..=u8::MAX).map(|next| last.wrapping_add(next));
        let is_free =
            |slot: &u8| Some(*slot) != given_up && !row.incoming.iter().any(|known| known.slot == *slot);
        let slot = slots.find(is_free)?;
        row.incoming.push(InStream {
            slot,
            id: stream.0,
            low_water: 0,
            digest: StreamDigest::empty(),
            has_digest: true,
            sparse: BTreeSet::new(),
            shown: 0,
            beyond: 0,
            waits_since: None,
            used_on: today.number(),
            receipt_due: true,
        });
        step.contacts.insert(id);
        row.incoming.len().checked_sub(1)
    }

    /// Moves the low-water mark over the held items that follow it, as many as one step has room
    /// for, and gives those to the app that were not shown. Returns whether the mark moved.
    pub(super) fn advance(
        &mut self,
        step: &mut Step,
        id: u32,
        at: usize,
        today: Day,
    ) -> Result<bool, VaultError> {
        let mut given = false;
        while step.room() > 0 {
            let Some(stream) = self.stream_mut(id, at) else { break };
            let next = stream.low_water.saturating_add(1);
            if !stream.sparse.remove(&next) {
                if stream.sparse.is_empty() {
                    stream.waits_since = None;
                }
                break;
            }
            given = true;
            let row = sub_key(Table::Held, id, next, stream.slot);
            let held = self.held(step, &row)?;
            step.changes.erase(row);
            let Some(stream) = self.stream_mut(id, at) else { break };
            let was_shown = next <= stream.shown;
            let Some(held) = held else {
                // The disk has lost it: the digest tells the peer, which sends everything again in a new stream.
                (stream.low_water, stream.shown) = (next, stream.shown.max(next));
                continue;
            };
            stream.pass(next, &held.hash);
            if !was_shown {
                self.give_encoded(step, id, at, &held.content, today)?;
            }
        }
        if given {
            step.contacts.insert(id);
        }
        Ok(given)
    }

    /// Gives the held items to the app that follow the last shown one without a gap.
    fn show_following(&mut self, step: &mut Step, id: u32, at: usize, today: Day) -> Result<(), VaultError> {
        while step.room() > 1 {
            let Some(stream) = self.stream_mut(id, at) else { break };
            let Some(next) = stream.shown.checked_add(1).filter(|next| stream.sparse.contains(next)) else {
                break;
            };
            self.show_held(step, id, at, next, today)?;
        }
        Ok(())
    }

    /// Gives one held item to the app and keeps only its hash.
    fn show_held(
        &mut self,
        step: &mut Step,
        id: u32,
        at: usize,
        number: u64,
        today: Day,
    ) -> Result<(), VaultError> {
        let Some(stream) = self.stream_mut(id, at) else { return Ok(()) };
        stream.shown = number;
        let row = sub_key(Table::Held, id, number, stream.slot);
        let Some(held) = self.held(step, &row)? else { return Ok(()) };
        self.give_encoded(step, id, at, &held.content, today)?;
        step.contacts.insert(id);
        step.changes.put(row, &HeldRow { hash: held.hash, content: Zeroizing::default() })
    }

    pub(super) fn held(&self, step: &Step, row: &RowKey) -> Result<Option<HeldRow>, VaultError> {
        match step.changes.pending(row) {
            Some(bytes) => crate::vault::decode(bytes).map(Some),
            None => self.vault.read(row),
        }
    }

    fn give_encoded(
        &mut self,
        step: &mut Step,
        id: u32,
        at: usize,
        bytes: &[u8],
        today: Day,
    ) -> Result<(), VaultError> {
        let is_replaced = self.is_replaced(id, at);
        let manner = Manner::of(SessionUse::Used, is_replaced);
        for item in content::decode(bytes).unwrap_or_default() {
            // The author repeats it in the newer stream, unless its vault was put back and does not know that address.
            if is_replaced && matches!(item, Content::MailboxMove { .. }) {
                continue;
            }
            self.give(step, id, &item, manner, today)?;
        }
        Ok(())
    }

    /// Gives the app the messages that have waited behind a missing one for at least `wait_s`
    /// seconds, after the event [`MessagesMissing`](EventKind::MessagesMissing).
    ///
    /// The time counts from the first call that finds them waiting. Only contacts that have a
    /// mailbox at one of the relays in `read`, from which everything has been read, are looked at.
    /// Messages of a stream that a newer one has replaced are given at once.
    ///
    /// # Errors
    /// Fails with the error of the vault.
    pub fn show_gaps(
        &mut self,
        now: u64,
        wait_s: u64,
        read: &BTreeSet<String>,
        today: Day,
    ) -> Result<(), VaultError> {
        for id in self.contact_ids() {
            let streams = self.contacts.get(&id).filter(|contact| contact.is_read(read));
            for at in 0..streams.map_or(0, |contact| contact.row.incoming.len()) {
                self.show_gap(id, at, now, wait_s, today)?;
            }
        }
        Ok(())
    }

    /// Returns the seconds until [`show_gaps`](Self::show_gaps) has something to do; `None`: no
    /// message of the contacts that it looks at waits for a missing one.
    pub fn gap_due(&self, now: u64, wait_s: u64, read: &BTreeSet<String>) -> Option<u64> {
        let due = |contact: &Peer| {
            let last = contact.row.incoming.len().saturating_sub(1);
            let streams = contact.row.incoming.iter().enumerate().filter(|(_, stream)| stream.is_waiting());
            streams.map(|(at, stream)| if at == last { stream.due(now, wait_s) } else { 0 }).min()
        };
        self.contacts.values().filter(|contact| contact.is_read(read)).filter_map(due).min()
    }

    fn show_gap(&mut self, id: u32, at: usize, now: u64, wait_s: u64, today: Day) -> Result<(), VaultError> {
        let is_newest = self.contacts.get(&id).is_some_and(|contact| at + 1 == contact.row.incoming.len());
        let mut step = self.step();
        let Some(stream) = self.stream_mut(id, at).filter(|stream| stream.is_waiting()) else {
            return Ok(());
        };
        if is_newest {
            if !stream.is_counting(now) {
                stream.waits_since = Some(now);
                step.contacts.insert(id);
                return self.finish(step);
            }
            if stream.due(now, wait_s) > 0 {
                return Ok(());
            }
            let gaps = stream.gaps();
            self.add_event(&mut step, id, today, EventKind::MessagesMissing { gaps })?;
        }
        while let Some(stream) = self.stream_mut(id, at) {
            stream.waits_since = None;
            step.contacts.insert(id);
            let above = (Bound::Excluded(stream.shown.max(stream.low_water)), Bound::Unbounded);
            let Some(next) = stream.sparse.range(above).next().copied() else { break };
            if step.room() < 2 {
                self.finish(std::mem::take(&mut step))?;
            }
            self.show_held(&mut step, id, at, next, today)?;
        }
        self.finish(step)
    }

    fn give(
        &mut self,
        step: &mut Step,
        id: u32,
        item: &Content,
        manner: Manner,
        today: Day,
    ) -> Result<(), VaultError> {
        match item {
            Content::Text { text, .. } => self.add_event(step, id, today, manner.event(text.clone())),
            Content::Message { message, .. } => self.give_message(step, id, message, manner, today),
            Content::MailboxMove { address, .. } => {
                self.learn_address(id, address);
                step.contacts.insert(id);
                Ok(())
            }
            _ if is_for_later(item) => self.park(step, id, item, today),
            _ => Ok(()),
        }
    }

    /// Gives a message to the app, unless that was done before.
    fn give_message(
        &mut self,
        step: &mut Step,
        id: u32,
        message: &Message,
        manner: Manner,
        today: Day,
    ) -> Result<(), VaultError> {
        let Some(contact) = self.contacts.get_mut(&id) else { return Ok(()) };
        if contact.has_shown(&message.id) {
            return Ok(());
        }
        let row = seen_key(id, contact.person.root.as_ref(), &message.id);
        let seen = match step.changes.pending(&row) {
            Some(bytes) => Some(crate::vault::decode::<SeenRow>(bytes)?),
            None => self.vault.read::<SeenRow>(&row)?,
        };
        if seen.is_some_and(|seen| seen.message == message.id.0) {
            return Ok(());
        }
        step.changes.put_until(row, &SeenRow { message: message.id.0 }, today.plus(SEEN_DAYS))?;
        push_bounded(&mut contact.seen, row, MAX_SEEN, step);
        let clock = contact.conversation.clock;
        // A clock far ahead is not believed: what one peer says must not use the numbers up.
        let believed =
            if message.clock <= clock.saturating_add(MAX_CLOCK_STEP) { message.clock } else { clock + 1 };
        contact.conversation.clock = clock.max(believed);
        // Another stream, or a vault of the author that was put back, has given a later one. Either number alone can go back.
        let conversation = &mut contact.conversation;
        let is_older = message.clock < conversation.shown_clock && message.time <= conversation.shown_time;
        conversation.shown_clock = conversation.shown_clock.max(believed);
        conversation.shown_time = conversation.shown_time.max(message.time);
        step.conversations.insert(id);
        let manner = if is_older && manner == Manner::InOrder { Manner::Late } else { manner };
        self.add_message_event(step, id, Some(message.id), today, manner.event(message.text.clone()))
    }
}

impl InStream {
    /// Moves the low-water mark to `number`, the number after it, whose item has this hash.
    fn pass(&mut self, number: u64, hash: &ItemHash) {
        self.low_water = number;
        self.digest = self.digest.then(hash);
        self.shown = self.shown.max(number);
    }

    /// Whether an item is held that was not shown.
    fn is_waiting(&self) -> bool {
        self.sparse.last().is_some_and(|last| *last > self.shown)
    }

    /// Whether the time of the waiting items counts already. If the clock went back before its
    /// beginning, the time counts from the start again, so that the wait ends.
    fn is_counting(&self, now: u64) -> bool {
        self.waits_since.is_some_and(|since| since <= now)
    }

    /// Returns the seconds until the waiting items are given to the app; 0 also if their time does
    /// not count yet, so that the caller notes its beginning.
    fn due(&self, now: u64, wait_s: u64) -> u64 {
        let waited = self.waits_since.and_then(|since| now.checked_sub(since));
        waited.map_or(0, |waited| wait_s.saturating_sub(waited))
    }

    /// Returns the missing numbers between the last shown item and the waiting ones, as first and
    /// last number of each gap.
    fn gaps(&self) -> Vec<(u64, u64)> {
        let mut gaps = Vec::new();
        let mut next = self.shown.max(self.low_water).saturating_add(1);
        for number in self.sparse.range(next..) {
            if next < *number {
                gaps.push((next, number - 1));
            }
            next = number.saturating_add(1);
        }
        gaps
    }
}

impl Peer {
    /// Whether one of the contact's mailboxes lies at a relay of `read`, from which everything has
    /// been read.
    fn is_read(&self, read: &BTreeSet<String>) -> bool {
        self.row.mailboxes.iter().any(|mailbox| read.contains(&mailbox.relay))
    }

    /// Whether a message was shown when this vault had format 1, and comes once more under the id
    /// that the sender's migration to format 2 has given it.
    fn has_shown(&self, message: &MessageId) -> bool {
        self.row.incoming.iter().any(|stream| {
            let number = migrated_number(&stream.id, message);
            number.is_some_and(|number| number <= stream.low_water || stream.sparse.contains(&number))
        })
    }
}

/// Returns the key of the row by which a message is recognised if it comes again. The author's
/// identity is part of the key, so that a contact cannot suppress a message of another author by
/// using its id.
fn seen_key(conversation: u32, author: Option<&[u8; 32]>, message: &MessageId) -> RowKey {
    let author = IdentityHash::from_bytes(author.copied().unwrap_or_default());
    key(Table::Seen, conversation, u64::from_be_bytes(message.short_name(&author)))
}
