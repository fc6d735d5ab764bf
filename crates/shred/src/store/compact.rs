//! Compaction: what lives in mostly dead segments is copied, so that they can be used again (S9). For space alone: dead bytes are zeroed
//! where they lie.

use super::Shred;
use crate::bytes::{PAGE, page_up, size};
use crate::commit::{Admission, Group, Job};
use crate::disk::Disk;
use crate::error::{CommitError, ReadError};
use crate::geometry::{RESERVED_SEGMENTS, SlotAt};
use crate::record::{Batch, Entry, MAX_BODY, MAX_REDO, Record, RecordKey};
use crate::scan::{Seen, slot_copies};
use crate::segment::Segment;
use rand_core::CryptoRng;

/// Bytes of bodies that one step copies.
const STEP_BYTES: usize = 1 << 20;
/// Slots that one step looks at.
const STEP_SLOTS: u32 = 2_048;
/// A segment is worth copying if at most this many sixteenths of it live.
const WORTH: u64 = 14;
/// Segments that may still be begun, compaction's own included, at which copying begins.
const TIGHT_AT: usize = RESERVED_SEGMENTS as usize + 1;

/// A segment that is being emptied, and the first slot that was not looked at yet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Compaction {
    segment: u32,
    slot: u32,
}

impl<D: Disk> Shred<D> {
    /// Room is short: free segments are compaction's alone, or nearly so.
    pub(crate) fn is_tight(&self) -> bool {
        let layout = &self.core().layout;
        self.spare(0) + size(layout.max_segments.saturating_sub(self.begun_segments())) <= TIGHT_AT
    }

    /// Copies a bounded part of what lives in the segments that are most worth it. `false`: there is no such segment.
    pub(crate) fn compact(&mut self, rng: &mut (impl CryptoRng + ?Sized)) -> Result<bool, CommitError> {
        let mut emptied = Vec::new();
        let mut current = self.compaction.take().or_else(|| self.worth_emptying(&emptied));
        if current.is_none() {
            return Ok(false);
        }
        while self.spare(0) < size(RESERVED_SEGMENTS) && self.grow_up_to(self.core().layout.max_segments)? {}
        let (mut batch, mut orders, mut bytes) = (Batch::default(), Vec::new(), 0);
        let most = STEP_BYTES.min(self.room_for_copies());
        // Several that hold little share a commit, because each commit begins on a page of its own.
        while let Some(Compaction { segment, slot }) = current {
            let room = (most.saturating_sub(bytes), MAX_REDO - orders.len());
            let (names, next) = self.live_records(segment, slot, room)?;
            for name in names {
                let Some(entry) = self.entry(&name) else { continue };
                match self.read_secret(&name) {
                    Ok(mut body) => {
                        let body = std::mem::take(&mut *body);
                        bytes += body.len();
                        let Entry { meta, expiry_day, order, .. } = entry;
                        batch.puts.push(Record { key: name, meta, expiry_day, body });
                        orders.push(order);
                    }
                    // It cannot be copied, and what cannot be copied keeps its segment.
                    Err(ReadError::Corrupt) => self.note_damage(segment),
                    Err(ReadError::NotFound) => {}
                    Err(ReadError::Io) => return self.or_stop(Err(std::io::ErrorKind::Other.into())),
                }
            }
            if next == Some(slot) && batch.puts.is_empty() {
                // Not even the next record has room.
                self.compaction = current;
                return Ok(false);
            }
            if next.is_some() {
                current = next.map(|slot| Compaction { segment, slot });
                break;
            }
            emptied.push(segment);
            current = self.worth_emptying(&emptied);
        }
        let core = self.core();
        let mut job = Job::seal(batch, Vec::new(), &core.layout, &core.keys, rng)?;
        job.keep_orders(orders);
        // Apart from what comes new: that must not fill the segments that are kept for copies.
        let mut group = Group::new(self.copies_to, self.segments());
        group.is_copy = true;
        let spare = self.spare(0);
        let core = self.core();
        let admission = group.admit(job, &core.published(), &core.layout, self.segments(), spare);
        match admission {
            Admission::Taken(_) => {
                if !group.is_empty() {
                    self.flush(group)?;
                }
                self.compaction = current;
                Ok(true)
            }
            Admission::Refused(error) => Err(error),
            Admission::Later(_) | Admission::NoRoom(_) => Ok(false),
        }
    }

    /// Bytes that copies have room for, less what the ends of segments cost.
    fn room_for_copies(&self) -> usize {
        let layout = &self.core().layout;
        let open = self.copies_to.and_then(|number| self.segments().get(size(number)));
        let rest = open.map_or(0, |open| size(layout.segment_bytes.saturating_sub(page_up(open.body_end))));
        let whole = self.spare(0) * size(layout.segment_bytes - layout.body_start());
        (rest + whole).saturating_sub(layout.max_body().min(rest + whole) / 2)
    }

    /// The live records of a segment from a slot on, as many as have room (bytes, records) and at least one; and the first slot that
    /// was not looked at, if any.
    fn live_records(
        &mut self,
        segment: u32,
        first: u32,
        room: (usize, usize),
    ) -> Result<(Vec<RecordKey>, Option<u32>), CommitError> {
        let core = std::sync::Arc::clone(self.core());
        let Some(it) = self.segments().get(size(segment)).copied() else { return Ok((Vec::new(), None)) };
        let (mut names, mut bytes, mut slot) = (Vec::new(), 0, first);
        while slot < it.used.min(first.saturating_add(STEP_SLOTS)) {
            let at = SlotAt { segment, slot };
            let copies = self.or_stop(slot_copies(&core.disk, &core.layout, at))?;
            if let Seen::Live(head, _) = Seen::of(&core.keys, &copies, at, it.generation)
                && core.published().find(&head.key).is_some_and(|located| located.at == at)
            {
                bytes += size(head.length);
                if bytes > room.0.max(MAX_BODY * usize::from(names.is_empty() && room.0 == STEP_BYTES))
                    || names.len() >= room.1
                {
                    break;
                }
                names.push(head.key);
            }
            slot += 1;
        }
        Ok((names, (slot < it.used).then_some(slot)))
    }

    /// The segment with the most dead space for each byte that lives, besides those that are emptied already, if emptying such segments
    /// frees more than it fills.
    fn worth_emptying(&self, emptied: &[u32]) -> Option<Compaction> {
        let layout = &self.core().layout;
        let room = u64::from(layout.segment_bytes - layout.body_start());
        // Slots can be used up before bytes are.
        let lives = |segment: &Segment| {
            let of_slots = u64::from(segment.live) * room / u64::from(layout.slots);
            of_slots.max(u64::from(segment.live_bytes))
        };
        let candidates = (0..).zip(self.segments()).filter(|(number, segment)| {
            let is_used = segment.is_ready() && segment.live > 0 && !segment.is_damaged;
            is_used && !self.is_filling(*number) && lives(segment) * 16 <= room * WORTH
        });
        let candidates: Vec<(u32, u64)> =
            candidates.map(|(number, segment)| (number, lives(segment))).collect();
        let open = self.copies_to.and_then(|number| self.segments().get(size(number)));
        let rest =
            open.map_or(0, |open| u64::from(layout.segment_bytes.saturating_sub(page_up(open.body_end))));
        // Each step begins on a page of its own.
        let needed: u64 = candidates.iter().map(|(_, lives)| lives + PAGE as u64).sum();
        let freed = (candidates.len() as u64).saturating_sub(1) * room + rest;
        let rest = candidates.into_iter().filter(|(segment, _)| !emptied.contains(segment));
        let (segment, _) = rest.min_by_key(|(_, lives)| *lives).filter(|_| needed <= freed)?;
        Some(Compaction { segment, slot: 0 })
    }

    /// Makes room by copying, at once. `false`: nothing can be gained.
    pub(crate) fn compact_for_room(
        &mut self,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<bool, CommitError> {
        loop {
            let worked = self.compact(rng)?;
            if worked && self.compaction.is_some() {
                continue;
            }
            // Destroys the originals.
            self.commit_empty()?;
            let mut has_freed = false;
            while self.spare(RESERVED_SEGMENTS) == 0 && self.reclaim()? {
                has_freed = true;
            }
            if self.spare(RESERVED_SEGMENTS) > 0 {
                return Ok(true);
            }
            if !worked && !has_freed {
                return Ok(false);
            }
        }
    }

    /// Whether records are still put into a segment.
    pub(crate) fn is_filling(&self, number: u32) -> bool {
        [self.open_segment, self.copies_to].contains(&Some(number))
    }

    fn note_damage(&mut self, number: u32) {
        if let Some(segment) = self.segments.get_mut(size(number)) {
            segment.is_damaged = true;
        }
    }
}
