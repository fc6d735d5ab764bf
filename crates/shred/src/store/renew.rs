//! The reuse of wholly dead segments (S10).
//!
//! Rules S1 to S16 are the table at the end of spec/13-shred.md.

use super::Shred;
use crate::bytes::size;
use crate::disk::Disk;
use crate::error::CommitError;
use crate::segment;
use crate::upkeep::{PIECE, Renewal};
use std::io;
use std::sync::Arc;

impl<D: Disk> Shred<D> {
    /// Makes a wholly dead segment free at once: zeroes it and begins its next generation. Returns
    /// `false` if there is none.
    pub(crate) fn reclaim(&mut self) -> Result<bool, CommitError> {
        // The one that is being filled, too, if it is dead: what asks for room does not fit there.
        let dead = self.renewable(false).or_else(|| self.segments().wholly_dead().next());
        let Some(segment) = dead else { return Ok(false) };
        if self.open_segment == Some(segment) {
            self.open_segment = None;
        }
        // The lists of the last two commits must not name it (S10).
        while self.is_named(segment) {
            self.commit_empty()?;
        }
        let zeroed = self.zero_segment(segment);
        self.or_stop(zeroed)?;
        self.sync_zeros()?;
        loop {
            let step = self.renew();
            if !self.or_stop(step)? {
                return Ok(false);
            }
            if self.upkeep.renewal.is_none() {
                return Ok(true);
            }
        }
    }

    /// Does one step of the renewal of a wholly dead segment: its next generation is begun, so that
    /// it can be used again (S10). Returns `false` if no segment is ready for that.
    pub(super) fn renew(&mut self) -> io::Result<bool> {
        let core = Arc::clone(self.core());
        let Some(Renewal { segment, zeroed }) = self.upkeep.renewal else {
            let Some(segment) = self.renewable(true) else { return Ok(false) };
            let generation = self.segments().get(size(segment)).map_or(0, |segment| segment.stamp.generation);
            let next = generation.checked_add(1).ok_or(io::ErrorKind::InvalidData)?;
            segment::begin_generation(&core.disk, &core.layout, &core.keys(), segment, next)?;
            // A slot that is zero under the old header would be used for the second time in its generation.
            core.disk.sync()?;
            self.upkeep.synced();
            self.upkeep.renewal = Some(Renewal { segment, zeroed: 0 });
            return Ok(true);
        };
        let end = core.layout.tables() * core.layout.table_bytes();
        let piece = (end - zeroed).min(PIECE);
        if piece > 0 {
            let at = core.layout.table_at(segment, 0) + u64::from(zeroed);
            core.disk.write_at(at, &vec![0; size(piece)])?;
            self.upkeep.renewal = Some(Renewal { segment, zeroed: zeroed + piece });
            return Ok(true);
        }
        core.disk.sync()?;
        self.upkeep.synced();
        self.upkeep.renewal = None;
        self.renewed(segment);
        Ok(true)
    }

    /// Finishes the renewal of a segment, if one was begun.
    pub(crate) fn finish_renewal(&mut self) -> Result<(), CommitError> {
        while self.upkeep.renewal.is_some() {
            let step = self.renew();
            self.or_stop(step)?;
        }
        Ok(())
    }

    /// Returns the number of a wholly dead segment that takes no more puts
    /// ([`takes_more`](Self::takes_more)); `None` if there is none. With `ready`, only of one whose
    /// dead bytes are all zeroed and whose slots the last two commits do not name.
    pub(crate) fn renewable(&self, ready: bool) -> Option<u32> {
        self.segments().wholly_dead().find(|number| {
            let is_ready = !self.is_named(*number) && !self.upkeep.owes(*number);
            !self.takes_more(*number) && (is_ready || !ready)
        })
    }

    /// Whether the cell of one of the last two commits may name slots of this segment.
    pub(super) fn is_named(&self, segment: u32) -> bool {
        let last_death = self.segments().get(size(segment)).map_or(0, |segment| segment.last_death);
        self.next_number() < last_death.saturating_add(3)
    }
}
