//! Bytes that links hold, over all and by address prefix (spec/12-relay.md section 5).
//!
//! While all links together hold as much as they may, each prefix that holds some has an equal
//! share of it. Links of a prefix within its share go on, so that one network cannot take the
//! memory that others need.

use crate::admission::Prefix;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Number of bytes in steps of which what a link holds is counted for its prefix. A link with fewer
/// bytes counts nothing for its prefix, so small messages cost no lock.
const GRAIN: u64 = 16_384;

/// The count of the bytes that links hold, in total and by address prefix. Holds only the counts.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    all: AtomicU64,
    /// Number of whole [`GRAIN`]s that the links of each prefix hold, for prefixes that have any.
    grains: Mutex<HashMap<Prefix, u64>>,
}

/// The count of the bytes that one link holds. When this is dropped, the bytes are no longer
/// counted.
#[derive(Debug)]
pub(crate) struct Held {
    memory: Arc<Memory>,
    prefix: Prefix,
    bytes: u64,
}

impl Memory {
    /// Begins the count for a link of this prefix, with 0 bytes.
    pub(crate) fn begin(self: &Arc<Self>, prefix: Prefix) -> Held {
        Held { memory: Arc::clone(self), prefix, bytes: 0 }
    }

    /// Returns the number of bytes that all links together hold.
    pub(crate) fn all(&self) -> u64 {
        self.all.load(Ordering::Relaxed)
    }

    fn grains(&self) -> MutexGuard<'_, HashMap<Prefix, u64>> {
        self.grains.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    /// Sets the number of bytes that the link holds now.
    pub(crate) fn set(&mut self, bytes: u64) {
        let before = std::mem::replace(&mut self.bytes, bytes);
        // Wraps as intended: the sum of all additions is never below zero.
        self.memory.all.fetch_add(bytes.wrapping_sub(before), Ordering::Relaxed);
        let (before, now) = (before / GRAIN, bytes / GRAIN);
        if before != now {
            let mut grains = self.memory.grains();
            let of_prefix = grains.entry(self.prefix).or_default();
            *of_prefix = of_prefix.saturating_add(now).saturating_sub(before);
            if *of_prefix == 0 {
                grains.remove(&self.prefix);
            }
        }
    }

    /// Whether all links together hold `limit` bytes or more, and those of this prefix more than
    /// their share: `limit` divided by the number of prefixes that hold a whole [`GRAIN`] or more.
    pub(crate) fn is_over_share(&self, limit: u64) -> bool {
        if self.memory.all.load(Ordering::Relaxed) < limit {
            return false;
        }
        let grains = self.memory.grains();
        let of_prefix = grains.get(&self.prefix).copied().unwrap_or_default();
        of_prefix.saturating_mul(GRAIN).saturating_mul(grains.len() as u64) > limit
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.set(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_beyond_its_share_is_told_and_others_are_not() {
        let memory = Arc::new(Memory::default());
        let (hoarder, honest) = (Prefix::numbered(1), Prefix::numbered(2));
        let mut hoards: Vec<Held> = (0..64).map(|_| memory.begin(hoarder)).collect();
        let mut link = memory.begin(honest);
        let limit = 64 * 100_000;
        hoards.iter_mut().for_each(|held| held.set(99_000));
        link.set(60_000);
        assert!(!hoards[0].is_over_share(limit), "there is memory left");
        hoards.iter_mut().for_each(|held| held.set(100_000));
        assert!(hoards[0].is_over_share(limit) && !link.is_over_share(limit));
        // A link that holds little of a prefix that holds much is one of its links.
        assert!(memory.begin(hoarder).is_over_share(limit));
        drop(hoards);
        assert!(!memory.begin(hoarder).is_over_share(limit));
        link.set(0);
        drop(link);
        assert_eq!(memory.all.load(Ordering::Relaxed), 0);
        assert!(memory.grains().is_empty());
    }

    #[test]
    fn many_prefixes_hold_at_most_twice_the_limit() {
        let memory = Arc::new(Memory::default());
        let limit = 100 * GRAIN;
        let mut links: Vec<Held> = (0..50).map(|n| memory.begin(Prefix::numbered(n))).collect();
        for step in 1..200 {
            for link in &mut links {
                if !link.is_over_share(limit) {
                    link.set(step * GRAIN);
                }
            }
        }
        assert!(memory.all.load(Ordering::Relaxed) <= 2 * limit);
    }
}
