//! Compaction: the live records of a mostly dead segment are copied, so that the segment can be used again (S9). For
//! space alone: dead bytes are zeroed in place.
//!
//! Rules S1 to S16 are the table at the end of spec/13-shred.md.

use super::Shred;
use super::compaction::{Compaction, Gate};
use crate::bytes::{page_up, size};
use crate::commit::{Admission, Group, Job};
use crate::disk::Disk;
use crate::error::{CommitError, ReadError};
use crate::geometry::{RESERVED_SEGMENTS, SLOT, SlotAt};
use crate::record::{Batch, Entry, MAX_REDO, Record, RecordKey};
use crate::scan::{Seen, slot_copies};
use crate::segment::Segment;
use rand_core::CryptoRng;
use std::sync::Arc;

/// Maximum number of bytes of bodies that one step copies. A step copies at least one record.
pub(super) const STEP_BYTES: u64 = 1 << 20;
/// Number of bytes of bodies that one step copies although nothing was stored since the step
/// before.
pub(super) const SLOWEST_STEP: u64 = 64 << 10;
/// Maximum number of slots that one step reads.
const STEP_SLOTS: u32 = 2_048;
/// Maximum number of sixteenths of a segment that may be live for the segment to be worth emptying.
const WORTH: u64 = 14;

impl<D: Disk> Shred<D> {
    /// Whether room is short: at most one more segment can be begun, free ones and growth together.
    pub(crate) fn is_tight(&self) -> bool {
        self.spare() + self.growable() <= 1
    }

    /// Whether at most one more segment can be begun, even with the wholly dead ones, which will be
    /// used again: it is time to empty others, in steps between commits.
    pub(crate) fn wants_compaction(&self) -> bool {
        let dead = self.segments().wholly_dead().count();
        self.spare() + self.growable() + dead <= 1
    }

    /// Does one step of compaction between commits, in proportion to `stored`, the number of bytes
    /// of bodies that were put since the last step. Returns `false` if there is nothing to do.
    pub(crate) fn compact_a_little(
        &mut self,
        stored: u64,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<bool, CommitError> {
        // The segments emptied before are on their way back first.
        if self.compaction.is_none() && self.free_segments() < RESERVED_SEGMENTS {
            return Ok(false);
        }
        if self.compaction.is_none() {
            self.compaction = self.worth_emptying(false);
        }
        let Some(current) = &self.compaction else { return Ok(false) };
        let source = self.segments().get(size(current.segment));
        let layout = &self.core().layout;
        let room = layout.body_room();
        let lives = current.copied + source.map_or(0, |segment| lives(segment, room, layout.slots));
        // As much as emptying this one must copy for the room that was taken, and a half more.
        let step = stored.saturating_mul(lives).saturating_mul(3) / (2 * room.saturating_sub(lives).max(1));
        self.compact(step.clamp(SLOWEST_STEP, STEP_BYTES), rng)
    }

    /// Makes room by emptying a segment at once. Returns `false` if that gained none.
    pub(crate) fn compact_for_room(
        &mut self,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<bool, CommitError> {
        let before = self.room();
        if self.compaction.is_none() {
            self.compaction = self.worth_emptying(false).or_else(|| self.worth_emptying(true));
        }
        while self.compact(STEP_BYTES, rng)? && self.compaction.is_some() {}
        self.settle()?;
        while self.reclaim()? {}
        Ok(self.room() > before)
    }

    /// Copies a part of the live records of this segment to segments before it. Returns `false` if the segment has to
    /// stay.
    pub(super) fn move_segment(
        &mut self,
        number: u32,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<bool, CommitError> {
        let Some(segment) = self.segments().get(size(number)) else { return Ok(false) };
        let first_free = self.segments().iter().position(Segment::is_free);
        let has_room_before = first_free.is_some_and(|free| free < size(number));
        if segment.is_unreadable || segment.live <= self.pending_in(number) || !has_room_before {
            return Ok(false);
        }
        if self.compaction.is_none_or(|it| it.segment != number) {
            self.compaction = Some(self.emptying(number, segment));
        }
        // What is filled now may lie behind it.
        self.open_segment = self.open_segment.filter(|open| *open < number);
        self.compact(STEP_BYTES, rng)
    }

    fn emptying(&self, number: u32, segment: &Segment) -> Compaction {
        Compaction { segment: number, stamp: segment.stamp, slot: 0, copied: 0, room: self.room() }
    }

    /// Copies about `most` bytes of live records out of the segment that is being emptied, or else
    /// of the one that is most worth it. Returns `false` if nothing was done.
    pub(super) fn compact(
        &mut self,
        most: u64,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<bool, CommitError> {
        let current = self.compaction.take().filter(|it| self.is_same_generation(it));
        let Some(mut current) = current.or_else(|| self.worth_emptying(false)) else { return Ok(false) };
        if self.open_segment == Some(current.segment) {
            self.open_segment = None;
        }
        let (names, next) = self.live_records(&current, most)?;
        let is_replacing = self.is_under_old_key(current.segment);
        let (mut batch, mut orders, mut lost) = (Batch::default(), Vec::new(), Vec::new());
        for name in names {
            let Some(Entry { meta, expiry_day, order, .. }) = self.entry(&name) else { continue };
            match self.read_secret(&name) {
                Ok(mut body) => {
                    let body = std::mem::take(&mut *body);
                    current.copied += body.len() as u64 + SLOT as u64;
                    batch.puts.push(Record { key: name, meta, expiry_day, body });
                    orders.push(order);
                }
                // Nothing could ever be made of it without the key that goes.
                Err(ReadError::Corrupt) if is_replacing => lost.push(name),
                // It cannot be copied, and what cannot be copied keeps its segment.
                Err(ReadError::Corrupt) => self.note_damage(current.segment),
                Err(ReadError::NotFound) => {}
                Err(ReadError::Io) => return self.or_stop(Err(std::io::ErrorKind::Other.into())),
            }
        }
        if !orders.is_empty() && !self.commit_copies(batch, orders, rng)? {
            return Ok(false);
        }
        if !lost.is_empty() {
            self.erase(&lost)?;
        }
        if let Some(slot) = next {
            self.compaction = Some(Compaction { slot, ..current });
            return Ok(true);
        }
        if self.is_left(current.segment) {
            // A slot does not open any more, though it did when the store was opened.
            self.note_damage(current.segment);
            if is_replacing {
                let lost = self.core().published().names_in(current.segment);
                lost.chunks(MAX_REDO).try_for_each(|names| self.erase(names))?;
            }
        }
        self.note_gain(&current);
        Ok(true)
    }

    /// Commits copies with these order numbers. They may fill the segments that puts never fill.
    /// Returns `false` if there is no room.
    fn commit_copies(
        &mut self,
        batch: Batch,
        orders: Vec<u64>,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<bool, CommitError> {
        let core = Arc::clone(self.core());
        let mut job = Job::seal(batch, Vec::new(), &core.layout, &core.keys(), rng)?;
        job.keep_orders(orders);
        loop {
            let mut group = Group::new(self.open_segment, self.segments());
            let spare = size(self.free_segments());
            let admission = group.admit(job, &core.published(), &core.layout, self.segments(), spare);
            match admission {
                Admission::Taken(_) => return self.flush(group).map(|_| true),
                Admission::Refused(error) => return Err(error),
                Admission::Later(back) | Admission::NoRoom(back) => job = back,
            }
            if !self.reclaim()? {
                return Ok(false);
            }
        }
    }

    /// Returns the number of bytes of bodies for which there is room: in free segments, and in the rest of the one that
    /// is being filled.
    fn room(&self) -> u64 {
        let layout = &self.core().layout;
        let open = self.open_segment.and_then(|number| self.segments().get(size(number)));
        let rest = open.map_or(0, |open| {
            let free_slots = layout.slots.saturating_sub(open.used);
            let bytes = u64::from(layout.segment_bytes.saturating_sub(page_up(open.body_end)));
            bytes.min(u64::from(free_slots) * layout.body_room() / u64::from(layout.slots))
        });
        u64::from(self.free_segments()) * layout.body_room() + rest
    }

    /// Notes that a segment was emptied. If that gained next to nothing, no other is emptied before
    /// more has died or was put.
    fn note_gain(&mut self, done: &Compaction) {
        // The next one is another.
        if self.segments().get(size(done.segment)).is_some_and(|segment| segment.is_unreadable) {
            return;
        }
        let layout = &self.core().layout;
        let least = layout.body_room() / 16;
        let after = self.room() + layout.body_room();
        if done.copied == 0 || after < done.room + least {
            let (died_bytes, taken) =
                (self.upkeep.died_bytes() + done.copied + least, self.upkeep.taken() + least);
            self.gate = Some(Gate { died_bytes, taken });
        }
    }

    fn is_same_generation(&self, it: &Compaction) -> bool {
        self.segments().get(size(it.segment)).is_some_and(|segment| segment.stamp == it.stamp)
    }

    /// Returns the live records of a segment from a slot on, with at most `most` bytes of bodies or
    /// only one record, and the first slot that was not looked at, if any is left. Returns no
    /// record if none lives in the [`STEP_SLOTS`] slots that one step reads.
    fn live_records(
        &mut self,
        from: &Compaction,
        most: u64,
    ) -> Result<(Vec<RecordKey>, Option<u32>), CommitError> {
        let core = Arc::clone(self.core());
        let Some(keys) = core.keys_of(from.stamp.epoch) else { return Ok((Vec::new(), None)) };
        let used = self.segments().get(size(from.segment)).map_or(0, |segment| segment.used);
        let (mut names, mut bytes, mut slot) = (Vec::new(), 0, from.slot);
        while slot < used.min(from.slot.saturating_add(STEP_SLOTS)) && names.len() < MAX_REDO {
            let at = SlotAt { segment: from.segment, slot };
            let copies = self.or_stop(slot_copies(&core.disk, &core.layout, at))?;
            if let Seen::Live(head, _) = Seen::of(&keys, &copies, at, from.stamp.generation)
                && core.published().find(&head.key).is_some_and(|located| located.at() == at)
            {
                bytes += u64::from(head.length);
                if bytes > most && !names.is_empty() {
                    break;
                }
                names.push(head.key);
            }
            slot += 1;
        }
        Ok((names, (slot < used).then_some(slot)))
    }

    /// Returns the segment with the most dead space for each byte that lives; one under a data key that is being
    /// replaced comes first. With `at_once`, the segment that is being filled counts, too, because the record that asks
    /// for room does not fit there. Returns `None` if no segment is worth it, or if the last emptying gained next to
    /// nothing and too little has changed since.
    fn worth_emptying(&self, at_once: bool) -> Option<Compaction> {
        let epoch = self.core().keys().epoch;
        let mut of_old_key = (0..).zip(self.segments().iter()).filter(|(number, segment)| {
            segment.is_ready() && segment.stamp.epoch != epoch && segment.live > self.pending_in(*number)
        });
        if let Some((number, segment)) = of_old_key.next() {
            return Some(self.emptying(number, segment));
        }
        let (died_bytes, taken) = (self.upkeep.died_bytes(), self.upkeep.taken());
        if self.gate.is_some_and(|gate| died_bytes < gate.died_bytes && taken < gate.taken) {
            return None;
        }
        let layout = &self.core().layout;
        let room = layout.body_room();
        let (least, (number, segment)) = (0..)
            .zip(self.segments().iter())
            .filter(|(_, segment)| segment.is_ready() && !segment.is_unreadable)
            .filter(|(number, segment)| {
                segment.live > self.pending_in(*number) && (at_once || !self.takes_more(*number))
            })
            .map(|(number, segment)| (lives(segment, room, layout.slots), (number, segment)))
            .min_by_key(|(lives, _)| *lives)?;
        (least * 16 <= room * WORTH).then(|| self.emptying(number, segment))
    }

    /// Whether a record of the segment lives that the next commit does not destroy.
    fn is_left(&self, number: u32) -> bool {
        self.segments().get(size(number)).is_some_and(|segment| segment.live > self.pending_in(number))
    }

    /// Returns the number of records of a segment that the next commit destroys.
    fn pending_in(&self, number: u32) -> u32 {
        let pending = self.pending.iter().filter(|dead| dead.at.segment == number).count();
        u32::try_from(pending).unwrap_or(u32::MAX)
    }

    fn note_damage(&mut self, number: u32) {
        self.segments.change(number, |segment| segment.is_unreadable = true);
    }
}

/// Returns the live share of a segment in bytes, by its bodies or by its slots, whichever is more.
/// `room` is the size of a body area, `slots` the number of slots of a segment.
fn lives(segment: &Segment, room: u64, slots: u32) -> u64 {
    u64::from(segment.live_bytes).max(u64::from(segment.live) * room / u64::from(slots))
}
