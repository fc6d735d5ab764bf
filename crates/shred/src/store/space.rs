//! Room for what comes: admission, growth, segments that are used again (S12).

use super::Shred;
use crate::bytes::size;
use crate::commit::{Admission, Group, Job};
use crate::disk::Disk;
use crate::error::CommitError;
use crate::geometry::RESERVED_SEGMENTS;
use crate::segment::{self, Condition, Segment};
use rand_core::CryptoRng;
use std::io;
use std::sync::Arc;

/// Commits between two tries to grow on a volume that was full.
const GROW_AGAIN_AFTER: u64 = 1_024;

impl<D: Disk> Shred<D> {
    /// An empty commit.
    pub(crate) fn begin(&self) -> Group {
        Group::new(self.open_segment, &self.segments)
    }

    /// Takes a job into a commit. Makes room for it if it must: between commits, as nothing of this one is written yet (S12).
    pub(crate) fn admit(
        &mut self,
        group: &mut Group,
        mut job: Job,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Admission {
        if self.stopped {
            return Admission::Refused(CommitError::Stopped);
        }
        loop {
            let core = self.reader.core();
            let spare = self.spare(RESERVED_SEGMENTS);
            match group.admit(job, &core.published(), &core.layout, &self.segments, spare) {
                Admission::NoRoom(back) => job = back,
                answer => return answer,
            }
            match self.grow().and_then(|grown| Ok(grown || self.reclaim()?)) {
                Ok(true) => {}
                // What was taken in goes first: copies need the places that it was promised.
                Ok(false) if !group.has_no_jobs() => return Admission::Later(job),
                Ok(false) => match self.compact_for_room(rng) {
                    Ok(true) => *group = self.begin(),
                    Ok(false) => return Admission::Refused(CommitError::Full),
                    Err(error) => return Admission::Refused(error),
                },
                Err(error) => return Admission::Refused(error),
            }
        }
    }

    /// Segments that may be begun: free ones, less those that are kept back.
    pub(crate) fn spare(&self, kept: u32) -> usize {
        let growable = self.reader.core().layout.max_segments.saturating_sub(self.begun_segments());
        // What the file can still grow by is kept back first.
        size(self.free_segments().saturating_sub(kept.saturating_sub(growable)))
    }

    /// Segments in the file that have a header, or cannot be used.
    pub(crate) fn begun_segments(&self) -> u32 {
        u32::try_from(self.segments.iter().filter(|s| s.condition != Condition::Raw).count())
            .unwrap_or(u32::MAX)
    }

    /// Adds one segment of real zeros, or formats one that a crash left raw. `false` at the limit.
    pub(crate) fn grow(&mut self) -> Result<bool, CommitError> {
        // S12: the last segments are compaction's.
        self.grow_up_to(self.reader.core().layout.max_segments.saturating_sub(RESERVED_SEGMENTS))
    }

    pub(crate) fn grow_up_to(&mut self, limit: u32) -> Result<bool, CommitError> {
        let core = Arc::clone(self.reader.core());
        if self.begun_segments() >= limit {
            return Ok(false);
        }
        let raw = self.segments.iter().position(|s| s.condition == Condition::Raw);
        let place = raw.unwrap_or(self.segments.len());
        let number = u32::try_from(place).map_err(|_| CommitError::Full)?;
        if self.next < self.grow_from {
            return Ok(false);
        }
        let written = segment::format(&core.disk, &core.layout, &core.keys, number);
        // A volume without space harms nothing that is stored: erases go on, puts wait.
        if written.as_ref().is_err_and(is_out_of_space) {
            self.grow_from = self.next + GROW_AGAIN_AFTER;
            return Ok(false);
        }
        if written.and_then(|()| core.disk.sync()).is_err() {
            self.stopped = true;
            return Err(CommitError::Stopped);
        }
        let fresh = Segment::fresh(&core.layout);
        match self.segments.get_mut(place) {
            Some(segment) => *segment = fresh,
            None => self.segments.push(fresh),
        }
        let mut index = core.publishing();
        index.generations = self.segments.iter().map(|segment| segment.generation).collect();
        index.counts.free_segments = self.free_segments();
        Ok(true)
    }

    /// Whether a free segment will be wanted soon.
    pub(crate) fn is_short(&self) -> bool {
        let layout = &self.reader.core().layout;
        let open = self.open_segment.and_then(|number| self.segments.get(size(number)));
        let nearly = open.is_none_or(|segment| {
            segment.used > layout.slots / 4 * 3 || segment.body_end > layout.segment_bytes / 4 * 3
        });
        nearly && self.free_segments() == 0 && !self.stopped
    }

    pub(crate) fn free_segments(&self) -> u32 {
        u32::try_from(self.segments.iter().filter(|s| s.is_free()).count()).unwrap_or(u32::MAX)
    }

    /// A segment is empty and has its next generation.
    pub(crate) fn renewed(&mut self, number: u32) {
        let core = Arc::clone(self.reader.core());
        let Some(segment) = self.segments.get_mut(size(number)) else { return };
        let gone = *segment;
        *segment = Segment { generation: gone.generation + 1, ..Segment::fresh(&core.layout) };
        let mut index = core.publishing();
        index.generations = self.segments.iter().map(|segment| segment.generation).collect();
        let (dead, void) = (gone.used.saturating_sub(gone.voided), gone.voided);
        index.counts.dead_slots = index.counts.dead_slots.saturating_sub(u64::from(dead));
        index.counts.void_slots = index.counts.void_slots.saturating_sub(u64::from(void));
        index.counts.free_segments = self.free_segments();
    }
}

fn is_out_of_space(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}
