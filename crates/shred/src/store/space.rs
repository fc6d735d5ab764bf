//! Room for puts: admission, and the length of the file (S12).
//!
//! Rules S1 to S16 are the table at the end of spec/13-shred.md.

use super::Shred;
use super::length::{Cut, Grown, Growth};
use crate::bytes::size;
use crate::commit::{Admission, Group, Job};
use crate::disk::Disk;
use crate::error::CommitError;
use crate::geometry::{CELLS, HEADER, MAX_SEGMENTS, RESERVED_SEGMENTS};
use crate::segment::{self, Condition, Segment, Stamp};
use rand_core::CryptoRng;
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// Maximum number of bytes of zeros that one step of growth writes.
const GROWTH_STEP: u64 = 1 << 20;
/// Time between two tries to grow on a volume that was full.
const GROW_AGAIN_AFTER: Duration = Duration::from_secs(1);

impl<D: Disk> Shred<D> {
    /// Makes a commit without jobs, of which nothing is written yet. Its puts continue in the
    /// segment that is being filled.
    pub(crate) fn begin(&self) -> Group {
        Group::new(self.open_segment, &self.segments)
    }

    /// Takes a job into a commit. Makes room for the job if it must, but only in an empty commit:
    /// if other jobs are in it, they go first, and the answer is `Later`.
    pub(crate) fn admit(
        &mut self,
        group: &mut Group,
        mut job: Job,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Admission {
        if self.stopped {
            return Admission::Refused(CommitError::Stopped);
        }
        if job.stores() && self.upkeep.is_overdue() {
            return Admission::Refused(CommitError::Busy);
        }
        loop {
            let core = self.reader.core();
            match group.admit(job, &core.published(), &core.layout, &self.segments, self.spare()) {
                Admission::NoRoom(back) if group.has_no_jobs() => job = back,
                Admission::NoRoom(back) => return Admission::Later(back),
                answer => return answer,
            }
            match self.make_room(rng) {
                Ok(true) => *group = self.begin(),
                Ok(false) => return Admission::Refused(CommitError::Full),
                Err(error) => return Admission::Refused(error),
            }
        }
    }

    /// Renews dead segments, or grows the file, or copies live records. Returns `false` if the store is full.
    fn make_room(&mut self, rng: &mut (impl CryptoRng + ?Sized)) -> Result<bool, CommitError> {
        Ok(self.reclaim()? || self.grow()? || self.compact_for_room(rng)?)
    }

    /// Sets the maximum number of segments of the file until the store is closed;
    /// `change_max_segments` stores it. A limit below the present size takes effect over time: the
    /// upkeep moves records out of the end of the file, if there is room before it, and cuts off
    /// segments there that are free. Returns the number that is used: `segments`, moved into the
    /// bounds of [`Geometry::max_segments`](crate::Geometry::max_segments).
    pub fn set_max_segments(&mut self, segments: u32) -> u32 {
        self.max_segments = bounded(segments);
        self.full_at = None;
        self.reader.core().publishing().counts.max_segments = self.max_segments;
        self.max_segments
    }

    /// Returns the number of free segments that puts may begin: all but [`RESERVED_SEGMENTS`],
    /// which are kept for compaction. While no segment has a used slot, puts may begin one if
    /// another one is free, into which its records can be copied, or if the file has as many
    /// segments as `max_segments` allows.
    pub(crate) fn spare(&self) -> usize {
        let free = self.free_segments();
        // Beyond the limit the file waits to be cut.
        let free = free.saturating_sub(self.begun_segments().saturating_sub(self.max_segments));
        let kept = u32::from(self.begun_segments() < self.max_segments);
        let least = u32::from(free > kept && self.segments.used() == 0);
        size(free.saturating_sub(RESERVED_SEGMENTS).max(least))
    }

    /// Returns the number of segments by which the file may still grow; 0 while the volume is full.
    pub(crate) fn growable(&self) -> usize {
        match self.full_at {
            Some(_) => 0,
            None => size(self.max_segments.saturating_sub(self.begun_segments())),
        }
    }

    /// Whether puts go to this segment, and at least an eighth of its body area and a slot are
    /// left.
    pub(crate) fn takes_more(&self, number: u32) -> bool {
        let layout = &self.reader.core().layout;
        self.open_segment == Some(number)
            && self.segments.get(size(number)).is_some_and(|segment| {
                let rest = u64::from(layout.segment_bytes.saturating_sub(segment.body_end));
                rest * 8 >= layout.body_room() && segment.used < layout.slots
            })
    }

    /// Returns the number of segments in the file that have a header, or are damaged.
    fn begun_segments(&self) -> u32 {
        self.segments.begun()
    }

    pub(crate) fn free_segments(&self) -> u32 {
        self.segments.free()
    }

    /// Adds a segment at once. Returns `false` at the limit, and if the volume is full.
    pub(crate) fn grow(&mut self) -> Result<bool, CommitError> {
        loop {
            match self.grow_a_little(u64::MAX)? {
                Grown::Added => return Ok(true),
                Grown::Partly => {}
                Grown::No => return Ok(false),
            }
        }
    }

    /// Adds a part of a segment between commits, when one will be wanted soon. `stored` is the
    /// number of bytes of bodies that were put since the last call. Returns whether something was
    /// added.
    pub(crate) fn grow_ahead(&mut self, stored: u64) -> Result<bool, CommitError> {
        let now = self.upkeep.now();
        let rests = self.full_at.is_some_and(|at| now < at.saturating_add(GROW_AGAIN_AFTER));
        // Room that is dead comes first: it is zeroed in any case.
        let is_wanted = self.growth.is_some() || self.is_short() && self.renewable(false).is_none();
        if rests || !is_wanted {
            return Ok(false);
        }
        // Twice as fast as the room goes: the open segment is half empty when this begins.
        let step = if self.upkeep.is_quiet() { GROWTH_STEP } else { stored.saturating_mul(4).max(64 << 10) };
        Ok(self.grow_a_little(step)? != Grown::No)
    }

    /// Adds a part of a segment, at most `most` bytes: real zeros, so that no commit waits for the
    /// file system to allocate, and at the end its header.
    pub(super) fn grow_a_little(&mut self, most: u64) -> Result<Grown, CommitError> {
        let core = Arc::clone(self.reader.core());
        if self.uncut()? {
            return Ok(Grown::Added);
        }
        let Growth { number, written } = match self.growth {
            Some(growth) => growth,
            None if self.begun_segments() >= self.max_segments => return Ok(Grown::No),
            None => {
                // A segment that a crash left without a header comes first.
                let raw = self.segments.iter().position(|s| s.condition == Condition::Raw);
                Growth { number: count(raw.unwrap_or(self.segments.len())), written: 0 }
            }
        };
        let left = u64::from(core.layout.segment_bytes - HEADER) - written;
        let piece = left.min(most).min(GROWTH_STEP);
        let at = core.layout.segment_at(number) + u64::from(HEADER) + written;
        let zeros = vec![0; usize::try_from(piece).unwrap_or(0)];
        let mut done = core.disk.write_at(at, &zeros);
        self.growth = Some(Growth { number, written: written + piece });
        if piece == left {
            done = done
                .and_then(|()| segment::begin_generation(&core.disk, &core.layout, &core.keys(), number, 1));
        }
        // A volume without space harms nothing that is stored: erases succeed, puts wait.
        if done.as_ref().is_err_and(is_out_of_space) {
            self.growth = Some(Growth { number, written });
            self.full_at = Some(self.upkeep.now());
            return Ok(Grown::No);
        }
        self.or_stop(done)?;
        if piece < left {
            return Ok(Grown::Partly);
        }
        let synced = core.disk.sync();
        self.or_stop(synced)?;
        (self.growth, self.full_at) = (None, None);
        let fresh = Segment::fresh(&core.layout, core.keys().epoch);
        if number < self.segments.number() {
            self.segments.change(number, |segment| *segment = fresh);
        } else {
            self.segments.extend([fresh]);
        }
        self.publish_segments();
        Ok(Grown::Added)
    }

    /// Whether a free segment will be needed soon and puts may begin none.
    pub(crate) fn is_short(&self) -> bool {
        let layout = &self.reader.core().layout;
        let open = self.open_segment.and_then(|number| self.segments.get(size(number)));
        let is_half_full = open.is_some_and(|segment| {
            let filled = u64::from(segment.body_end.saturating_sub(layout.body_start()));
            segment.used > layout.slots / 2 || filled > layout.body_room() / 2
        });
        // What there is could not be emptied into another.
        let lacks_reserve = self.segments.used() <= 1 && self.free_segments() <= 1 - self.segments.used();
        (is_half_full || lacks_reserve) && self.spare() == 0
    }

    /// Gives the end of the file back when most of the file is unused or the limit is exceeded, in
    /// steps while nothing else is to be done: moves records out, then cuts. Returns `false` if
    /// nothing was done.
    pub(crate) fn shrink_a_little(
        &mut self,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<bool, CommitError> {
        let Some(cut) = &self.cut else {
            let is_used = |s: &Segment| !s.is_free() && s.condition != Condition::Raw;
            let least = self.segments.iter().rposition(is_used).map_or(0, |last| last + 1);
            let used = self.segments.iter().filter(|s| is_used(s)).count();
            let wanted = used + size(RESERVED_SEGMENTS) + 1;
            let (most, there) = (size(self.max_segments), self.segments.len());
            let keep = if there >= 2 * wanted { wanted.min(most) } else { most };
            if self.growth.is_some() || keep >= there {
                return Ok(false);
            }
            if least > keep && self.move_segment(count(least - 1), rng)? {
                return Ok(true);
            }
            let keep = keep.max(least);
            if keep >= there {
                return Ok(false);
            }
            let segments = self.segments.split_off(keep);
            // Recovery takes any cell at its word for the least number of segments.
            self.cut = Some(Cut { segments, ready_at: self.next + CELLS });
            self.publish_segments();
            return Ok(true);
        };
        if self.next < cut.ready_at {
            return self.commit_empty().map(|()| true);
        }
        let core = Arc::clone(self.reader.core());
        let done = core
            .disk
            .set_length(core.layout.segment_at(count(self.segments.len())))
            .and_then(|()| core.disk.sync());
        self.or_stop(done)?;
        (self.cut, self.full_at) = (None, None);
        Ok(true)
    }

    /// Takes segments back that were to be cut off, as far as the limit allows, because they are wanted. Returns
    /// `false` if there are none.
    pub(super) fn uncut(&mut self) -> Result<bool, CommitError> {
        let room = size(self.max_segments.saturating_sub(self.begun_segments()));
        let Some(mut cut) = (if room > 0 { self.cut.take() } else { None }) else { return Ok(false) };
        let rest = cut.segments.split_off(room.min(cut.segments.len()));
        self.segments.extend(cut.segments);
        if !rest.is_empty() {
            self.cut = Some(Cut { segments: rest, ready_at: self.next + CELLS });
        }
        self.restart_free_segments()?;
        self.publish_segments();
        Ok(true)
    }

    /// Notes that a segment is empty and has its next generation.
    pub(crate) fn renewed(&mut self, number: u32) {
        let core = Arc::clone(self.reader.core());
        if self.open_segment == Some(number) {
            self.open_segment = None;
        }
        let Some(gone) = self.segments.get(size(number)).copied() else { return };
        let stamp = Stamp { generation: gone.stamp.generation + 1, epoch: core.keys().epoch };
        self.segments
            .change(number, |segment| *segment = Segment::found(Condition::Ready, stamp, &core.layout));
        // What was damaged stays counted: the count is all that is left of these records.
        let mut index = core.publishing();
        index.counts.dead_slots = index.counts.dead_slots.saturating_sub(u64::from(gone.dead));
        index.counts.void_slots = index.counts.void_slots.saturating_sub(u64::from(gone.voided));
        drop(index);
        self.publish_segments();
    }

    pub(super) fn publish_segments(&self) {
        let mut index = self.reader.core().publishing();
        index.stamps = self.segments.iter().map(|segment| segment.stamp).collect();
        index.counts.free_segments = self.free_segments();
    }
}

/// Returns the number of segments, moved into the bounds of `max_segments`.
pub(super) fn bounded(segments: u32) -> u32 {
    segments.clamp(RESERVED_SEGMENTS + 1, MAX_SEGMENTS)
}

fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

fn is_out_of_space(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}
