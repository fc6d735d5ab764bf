//! Slots that were used and read as zeros, because the disk has lost a page of them (S11).
//!
//! Rules S1 to S16 are the table at the end of spec/13-shred.md.
//!
//! Slots are used in order (S3), so zeros before a used slot are a loss. There are two exceptions.
//! A commit that a crash cut short leaves zeros before its slots that did arrive, and those are
//! void. The renewal of a segment (its reuse, with the next generation) that a crash cut short
//! leaves zeros among marks of the generation before; then nothing shows that a slot of the present
//! generation was ever used.

use crate::bytes::size;
use crate::cell::{Cell, Range};
use crate::geometry::{Layout, SlotAt};
use crate::scan::Scan;
use crate::segment::Segment;

/// The evidence, for each segment, that slots of its present generation were used.
pub(crate) struct Proofs {
    /// For each segment, the number of slots, from the first on, that must have been used; `None`
    /// if nothing shows that any was.
    ends: Vec<Option<u32>>,
}

impl Proofs {
    /// Derives the evidence from the heads that open, and from the ranges of complete commits, newest first.
    pub(crate) fn of(layout: &Layout, scan: &Scan, complete: &[&Cell]) -> Self {
        // The present generation is at least as old as its oldest head.
        let mut since: Vec<Option<u64>> = vec![None; scan.segments.len()];
        for found in &scan.found {
            if let Some(since) = since.get_mut(size(found.at.segment)) {
                *since = Some(since.unwrap_or(u64::MAX).min(found.head.commit));
            }
        }
        let ends = since.iter().zip(&scan.ends);
        let mut ends: Vec<Option<u32>> = ends.map(|(since, end)| since.map(|_| *end)).collect();
        for (place, cell) in complete.iter().enumerate() {
            for range in &cell.ranges {
                let number = size(range.segment);
                let Some(segment) = scan.segments.get(number).filter(|segment| segment.is_ready()) else {
                    continue;
                };
                let since = since.get(number).copied().flatten();
                // An older cell may name slots of the generation before. Not so the last two (S10).
                let is_present =
                    place < 2 || segment.is_first_generation() || since.is_some_and(|at| at <= cell.number);
                if let Some((end, seen)) =
                    ends.get_mut(number).zip(scan.ends.get(number)).filter(|_| is_present)
                {
                    let named = range.first.saturating_add(range.count).min(layout.slots);
                    *end = Some(end.unwrap_or(*seen).max(named));
                }
            }
        }
        Self { ends }
    }

    /// Whether any slot of the segment's present generation was used.
    pub(crate) fn has(&self, segment: u32) -> bool {
        self.ends.get(size(segment)).is_some_and(Option::is_some)
    }

    /// Returns the slots that were lost. `holes` are slots that read as zeros, in front of others
    /// that do not; `is_void` tells of a slot whether a recovery rolls it back: zeros in front of
    /// such a slot are no loss.
    pub(crate) fn lost(
        &self,
        holes: &[Range],
        segments: &[Segment],
        is_void: impl Fn(&SlotAt) -> bool,
    ) -> Vec<SlotAt> {
        let behind =
            (0..).zip(segments).map(|(segment, it)| Range { segment, first: it.used, count: u32::MAX });
        let all = holes.iter().copied().chain(behind);
        all.flat_map(|Range { segment, first, count }| {
            let next = first.saturating_add(count);
            let end = self.ends.get(size(segment)).copied().flatten().unwrap_or(0).min(next);
            let is_of_torn_commit = end == next && is_void(&SlotAt { segment, slot: next });
            let lost = if is_of_torn_commit { first..first } else { first..end };
            lost.map(move |slot| SlotAt { segment, slot })
        })
        .collect()
    }
}
