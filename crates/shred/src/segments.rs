//! All segments of a store, and the number of them in each state. Each commit needs these numbers, so they are kept and
//! not counted each time.

use crate::bytes::size;
use crate::segment::{Condition, Segment};
use std::collections::BTreeSet;
use std::ops::Deref;

/// The segments in the order of the file.
#[derive(Debug, Default)]
pub(crate) struct Segments {
    all: Vec<Segment>,
    /// Number of segments that have a header and no used slot.
    free: u32,
    /// Number of segments that have a header and used slots.
    used: u32,
    /// Number of segments that are in the file and all zeros: they have no header yet.
    raw: u32,
    wholly_dead: BTreeSet<u32>,
}

impl Deref for Segments {
    type Target = [Segment];

    fn deref(&self) -> &[Segment] {
        &self.all
    }
}

impl Segments {
    pub(crate) fn of(all: impl IntoIterator<Item = Segment>) -> Self {
        let mut segments = Self::default();
        segments.extend(all);
        segments
    }

    pub(crate) fn extend(&mut self, more: impl IntoIterator<Item = Segment>) {
        for segment in more {
            self.all.push(segment);
            self.count(self.all.len() - 1, true);
        }
    }

    /// Removes the segments from this number on, and returns them.
    pub(crate) fn split_off(&mut self, from: usize) -> Vec<Segment> {
        (from..self.all.len()).for_each(|place| self.count(place, false));
        self.all.split_off(from.min(self.all.len()))
    }

    /// Changes the segment with this number, if it exists.
    pub(crate) fn change(&mut self, number: u32, change: impl FnOnce(&mut Segment)) {
        let place = size(number);
        self.count(place, false);
        if let Some(segment) = self.all.get_mut(place) {
            change(segment);
        }
        self.count(place, true);
    }

    pub(crate) fn number(&self) -> u32 {
        u32::try_from(self.all.len()).unwrap_or(u32::MAX)
    }

    pub(crate) fn free(&self) -> u32 {
        self.free
    }

    /// Returns the number of segments that have a header and used slots.
    pub(crate) fn used(&self) -> u32 {
        self.used
    }

    /// Returns the number of segments that have a header, or are damaged.
    pub(crate) fn begun(&self) -> u32 {
        self.number() - self.raw
    }

    /// Returns the numbers of the wholly dead segments, lowest first.
    pub(crate) fn wholly_dead(&self) -> impl Iterator<Item = u32> {
        self.wholly_dead.iter().copied()
    }

    fn count(&mut self, place: usize, is_there: bool) {
        let Some(segment) = self.all.get(place) else { return };
        let counter = match segment.condition {
            Condition::Ready if segment.is_free() => Some(&mut self.free),
            Condition::Ready => Some(&mut self.used),
            Condition::Raw => Some(&mut self.raw),
            Condition::Damaged => None,
        };
        if let Some(counter) = counter {
            *counter = if is_there { *counter + 1 } else { counter.saturating_sub(1) };
        }
        if segment.is_wholly_dead() {
            let number = u32::try_from(place).unwrap_or(u32::MAX);
            if is_there {
                self.wholly_dead.insert(number);
            } else {
                self.wholly_dead.remove(&number);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::Geometry;

    #[test]
    fn what_is_kept_is_what_would_be_counted() {
        let layout = Geometry::vault().layout().unwrap();
        let mut segments = Segments::of((0..6).map(|_| Segment::fresh(&layout, 1)));
        let check = |segments: &Segments| {
            let number = |is_it: fn(&Segment) -> bool| segments.iter().filter(|s| is_it(s)).count();
            assert_eq!(segments.free() as usize, number(Segment::is_free));
            assert_eq!(segments.used() as usize, number(|s| s.is_ready() && !s.is_free()));
            assert_eq!(segments.begun() as usize, number(|s| s.condition != Condition::Raw));
            let dead = (0..).zip(segments.iter()).filter(|(_, s)| s.is_wholly_dead()).map(|(n, _)| n);
            assert!(segments.wholly_dead().eq(dead));
        };
        check(&segments);
        segments.change(1, |segment| (segment.used, segment.live) = (3, 2));
        segments.change(2, |segment| (segment.used, segment.live) = (3, 0));
        segments.change(3, |segment| segment.condition = Condition::Raw);
        segments.change(4, |segment| segment.condition = Condition::Damaged);
        segments.change(9, |segment| segment.used = 1);
        check(&segments);
        segments.change(1, |segment| segment.live = 0);
        check(&segments);
        assert_eq!(segments.wholly_dead().collect::<Vec<_>>(), [1, 2]);
        let cut = segments.split_off(2);
        check(&segments);
        segments.extend(cut);
        check(&segments);
        assert_eq!((segments.number(), segments.free(), segments.used()), (6, 2, 2));
    }
}
