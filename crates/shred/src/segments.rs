//! All segments of a store, and how many are in which state: these are needed at each commit, and so are not counted each time.

use crate::bytes::size;
use crate::segment::{Condition, Segment};
use std::collections::BTreeSet;
use std::ops::Deref;

/// The segments in the order in which they lie.
#[derive(Debug, Default)]
pub(crate) struct Segments {
    all: Vec<Segment>,
    /// Empty, with a header.
    free: u32,
    /// Begun, with a header.
    used: u32,
    /// Without a header and without bytes.
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

    /// Those from a number on, which are no longer among these.
    pub(crate) fn split_off(&mut self, from: usize) -> Vec<Segment> {
        (from..self.all.len()).for_each(|place| self.count(place, false));
        self.all.split_off(from.min(self.all.len()))
    }

    /// Changes one, if it is there.
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

    /// Begun ones with a header.
    pub(crate) fn used(&self) -> u32 {
        self.used
    }

    /// Those that have a header, or cannot be used.
    pub(crate) fn begun(&self) -> u32 {
        self.number() - self.raw
    }

    /// Their numbers, lowest first.
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
