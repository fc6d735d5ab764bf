//! The zeroing of dead bytes in place (S10).
//!
//! Rules S1 to S16 are the table at the end of spec/13-shred.md.

use super::Shred;
use crate::bytes::{page_up, size};
use crate::disk::Disk;
use crate::error::CommitError;
use crate::geometry::Extent;
use crate::upkeep::{Gap, LOOK_EVERY, MAX_GAPS, PIECE, Upkeep};
use std::io;
use std::sync::Arc;
use std::time::Duration;

impl<D: Disk> Shred<D> {
    /// Zeroes the bodies of destroyed records for which it is time. Returns whether there were any.
    pub(super) fn scrub(&mut self) -> io::Result<bool> {
        let share = u64::from(PIECE) + self.upkeep.fresh + self.upkeep.fresh / 4;
        self.upkeep.fresh = 0;
        let (runs, oldest) = self.upkeep.take_due(share);
        let Some(oldest) = oldest else { return Ok(false) };
        for run in &runs {
            self.zero(*run)?;
            self.upkeep.note_zeroed(oldest, u64::from(run.length));
        }
        Ok(true)
    }

    /// Reads a part of the gaps (bytes that no live record covered at the opening), and zeroes what
    /// is not zero. Returns whether there was a part to read.
    pub(super) fn verify_gaps(&mut self) -> io::Result<bool> {
        let Upkeep { now, looked_at, .. } = self.upkeep;
        // A store that was just opened has more urgent work than to read itself.
        if self.upkeep.gaps.is_empty()
            || !self.upkeep.is_quiet() && now.saturating_sub(looked_at) < LOOK_EVERY
        {
            return Ok(false);
        }
        self.upkeep.looked_at = now;
        let (mut looked, mut left) = (0, MAX_GAPS);
        while looked < PIECE
            && left > 0
            && let Some(gap) = self.upkeep.gaps.pop_front()
        {
            looked += self.verify_gap(gap)?;
            left -= 1;
        }
        Ok(true)
    }

    /// Reads a piece of one gap, zeroes it if need be, and keeps the rest of the gap. Returns the
    /// number of bytes that were read.
    fn verify_gap(&mut self, mut gap: Gap) -> io::Result<u32> {
        let segment = self.segments().get(size(gap.extent.segment)).copied();
        let written = segment.filter(|_| gap.is_tail).map_or(0, |segment| page_up(segment.body_end));
        let from = gap.extent.offset.max(written);
        let length = gap.extent.end().saturating_sub(from).min(PIECE);
        if length == 0 {
            self.upkeep.owe_less(gap.extent.segment, gap.extent.length);
            return Ok(0);
        }
        let piece = Extent { segment: gap.extent.segment, offset: from, length };
        let core = Arc::clone(self.core());
        let mut bytes = vec![0u8; size(length)];
        // What cannot be read is written over: a bad sector that holds nothing stops no store.
        let read = core.disk.read_at(core.layout.body_at(piece.segment, piece.offset), &mut bytes);
        if read.is_err() || bytes.iter().any(|byte| *byte != 0) {
            self.zero(piece)?;
            self.upkeep.note_zeroed(Duration::ZERO, u64::from(length));
        }
        self.upkeep.owe_less(piece.segment, piece.end() - gap.extent.offset);
        gap.extent = Extent { offset: piece.end(), length: gap.extent.end() - piece.end(), ..piece };
        if gap.extent.length > 0 {
            self.upkeep.gaps.push_front(gap);
        }
        Ok(length)
    }

    /// Zeroes all dead bytes of a segment.
    pub(super) fn zero_segment(&mut self, segment: u32) -> io::Result<()> {
        let runs = std::mem::take(&mut self.upkeep.runs);
        let (of_it, others): (Vec<_>, Vec<_>) = runs.into_iter().partition(|(run, _)| run.segment == segment);
        self.upkeep.runs = others.into();
        for (run, died) in of_it {
            self.upkeep.owe_less(run.segment, run.length);
            self.zero(run)?;
            self.upkeep.note_zeroed(died, u64::from(run.length));
        }
        let gaps = std::mem::take(&mut self.upkeep.gaps);
        let (of_it, others): (Vec<_>, Vec<_>) =
            gaps.into_iter().partition(|gap| gap.extent.segment == segment);
        self.upkeep.gaps = others.into();
        for gap in of_it {
            self.upkeep.owe_less(gap.extent.segment, gap.extent.length);
            self.zero(gap.extent)?;
            self.upkeep.note_zeroed(Duration::ZERO, u64::from(gap.extent.length));
        }
        Ok(())
    }

    pub(super) fn zero(&self, run: Extent) -> io::Result<()> {
        let core = self.core();
        let zeros = vec![0u8; size(run.length.min(PIECE))];
        let mut at = run.offset;
        while at < run.end() {
            let piece = (run.end() - at).min(PIECE);
            let zeros = zeros.get(..size(piece)).unwrap_or_default();
            core.disk.write_at(core.layout.body_at(run.segment, at), zeros)?;
            at += piece;
        }
        Ok(())
    }

    pub(super) fn sync_zeros(&mut self) -> Result<(), CommitError> {
        if self.upkeep.zeroed.is_some() {
            let synced = self.core().disk.sync();
            self.or_stop(synced)?;
            self.upkeep.synced();
        }
        Ok(())
    }
}
