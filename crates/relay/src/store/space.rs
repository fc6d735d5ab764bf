//! The figures of a store's file (spec/12-relay.md section 4.3, spec/13-shred.md). *Dead* bytes are
//! those of destroyed records that may still be on the disk, under keys that are destroyed.

use deaddrop_shred::Stats;
use std::time::Duration;

/// Number of dead bytes above which the store zeroes the oldest at any age, and expiry waits (128
/// MiB, spec/12-relay.md section 6).
const MUCH: u64 = 128 << 20;

/// Figures of a store's file. They say nothing about a single mailbox.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Space {
    /// Number of segments in the file.
    pub segments: u32,
    /// Number of segments in the file that hold nothing.
    pub free_segments: u32,
    /// Maximum number of segments of the file.
    pub max_segments: u32,
    /// Number of bytes of live records.
    pub live_bytes: u64,
    /// Number of bytes of destroyed records that may still be on the disk, sealed under keys that
    /// are destroyed.
    pub dead_bytes: u64,
    /// Age of the oldest dead bytes; `None` if there are none.
    pub oldest_dead: Option<Duration>,
}

impl Space {
    /// Makes the figures from `stats`, those of the record store.
    pub(crate) const fn of(stats: &Stats) -> Self {
        Self {
            segments: stats.segments,
            free_segments: stats.free_segments,
            max_segments: stats.max_segments,
            live_bytes: stats.live_bytes,
            dead_bytes: stats.dead_bytes,
            oldest_dead: stats.oldest_dead,
        }
    }

    /// Returns how many percent of `max_segments` hold something, rounded up.
    #[must_use]
    pub fn percent_in_use(&self) -> u32 {
        let used = self.segments.saturating_sub(self.free_segments);
        // A file has at most 65,536 segments.
        used.saturating_mul(100).div_ceil(self.max_segments.max(1)).min(100)
    }

    /// Whether blobs are refused until dead bytes are zeroed: the oldest is as old as three
    /// quarters of `limit`. The last quarter is left to the changes of owners, which the store
    /// itself refuses beyond `limit`.
    pub(crate) fn is_overdue(&self, limit: Duration) -> bool {
        self.oldest_dead.is_some_and(|oldest| oldest >= limit.saturating_mul(3) / 4)
    }

    /// Whether expiry waits until dead bytes are zeroed: there are more than 128 MiB, or the oldest
    /// is as old as half of `limit`. A disk that is fast enough zeroes them at a quarter of it.
    pub(crate) fn has_debt(&self, limit: Duration) -> bool {
        self.dead_bytes > MUCH || self.oldest_dead.is_some_and(|oldest| oldest >= limit / 2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn aged(seconds: u64) -> Space {
        Space { dead_bytes: 1, oldest_dead: Some(Duration::from_secs(seconds)), ..Space::default() }
    }

    #[test]
    fn expiry_waits_before_puts_do() {
        let limit = Duration::from_secs(100);
        let refuses = |space: Space| (space.has_debt(limit), space.is_overdue(limit));
        assert_eq!(refuses(Space::default()), (false, false));
        assert_eq!(
            [49, 50, 74, 75].map(|age| refuses(aged(age))),
            [(false, false), (true, false), (true, false), (true, true)]
        );
        assert_eq!(refuses(Space { dead_bytes: MUCH + 1, ..aged(1) }), (true, false));
    }

    #[test]
    fn fullness_counts_segments_that_hold_something() {
        let space = Space { segments: 5, free_segments: 2, max_segments: 8, ..Space::default() };
        assert_eq!(space.percent_in_use(), 38);
        assert_eq!(Space::default().percent_in_use(), 0);
    }
}
