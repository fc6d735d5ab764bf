//! The counts of a store, and its health (spec/12-relay.md section 10).

use super::space::Space;
use crate::clock::Calendar;
use crate::limits::Limits;

/// The counts of a store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// Number of mailboxes.
    pub mailboxes: u64,
    /// Number of blobs.
    pub blobs: u64,
    /// Number of bytes of blobs.
    pub bytes: u64,
    /// Number of bytes of blobs, if the store itself is memory; else 0.
    pub memory_bytes: u64,
    /// Number of bytes of blobs that are kept in memory only: all of a store that is memory, or
    /// those of volatile mailboxes.
    pub volatile_bytes: u64,
    /// Number of bytes of blobs that are kept in memory in addition to the disk, for connected
    /// readers.
    pub hot_bytes: u64,
    /// The calendar that the store remembers; `None` if it remembers none.
    pub calendar: Option<Calendar>,
    /// Whether the store has a record of statistics.
    pub has_statistics: bool,
    /// Number of commits since the start that found no room on the disk or in the store's file.
    pub without_room: u64,
    /// Whether the last commit found no room. A destruction is a commit that needs none.
    pub is_full: bool,
    /// Number of puts and changes since the start that were refused because dead bytes (destroyed,
    /// but not zeroed on the disk) wait for too long.
    pub overdue: u64,
    /// Number of damaged blobs since the start that were erased when they were to be delivered.
    pub damaged: u64,
    /// Figures of the store's file; `None` if the store is memory.
    pub space: Option<Space>,
    /// Whether the store has failed.
    pub stopped: bool,
}

impl Census {
    /// Returns the reason for which puts are refused; `None` if they are taken. Of several reasons,
    /// that is the one that [`Trouble`] names first.
    #[must_use]
    pub fn put_trouble(&self, limits: &Limits) -> Option<Trouble> {
        let percent = limits.put_percent;
        let is_at_limits = Limits::reached(self.blobs, limits.blobs, percent)
            || Limits::reached(self.bytes, limits.store_bytes, percent)
            || self.memory_bytes > 0 && Limits::reached(self.memory_bytes, limits.memory_bytes, percent);
        self.trouble(is_at_limits, |space| space.is_overdue(limits.dead_bytes()))
    }

    /// Returns the reason for which creates are refused; `None` if they are taken. Of several
    /// reasons, that is the one that [`Trouble`] names first.
    #[must_use]
    pub fn create_trouble(&self, limits: &Limits) -> Option<Trouble> {
        let percent = limits.create_percent;
        let is_at_limits = Limits::reached(self.mailboxes, limits.mailboxes, percent)
            || Limits::reached(self.blobs, limits.blobs, percent)
            || Limits::reached(self.bytes, limits.store_bytes, percent);
        self.trouble(is_at_limits, |space| {
            space.oldest_dead.is_some_and(|oldest| oldest > limits.dead_bytes())
        })
    }

    fn trouble(&self, is_at_limits: bool, is_overdue: impl Fn(Space) -> bool) -> Option<Trouble> {
        if is_at_limits {
            Some(Trouble::AtLimits)
        } else if self.is_full {
            Some(Trouble::Full)
        } else if self.space.is_some_and(is_overdue) {
            Some(Trouble::Overdue)
        } else {
            None
        }
    }
}

/// The health of a relay: whether it takes puts and creates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// The relay takes puts and creates.
    Ok,
    /// Creates are refused, and puts are taken.
    NotTakingCreates(Trouble),
    /// Puts are refused.
    NotTakingPuts(Trouble),
    /// The store has failed.
    Stopped,
}

/// The reason for which puts or creates are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Blobs or their bytes (for creates also mailboxes) have reached the percentage of their
    /// limits: `put_percent` or `create_percent`.
    AtLimits,
    /// The store has grown to its limit, or the disk is full.
    Full,
    /// Dead bytes (destroyed, but still on the disk) wait to be zeroed for too long: for puts three
    /// quarters of `dead_bytes_s`, for creates longer than `dead_bytes_s`.
    Overdue,
}

impl Trouble {
    /// Returns a description for the operator and for the page `/ready`.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::AtLimits => "blobs or bytes are at their limits",
            Self::Full => "the store or its disk is full",
            Self::Overdue => "the disk is too slow to zero dead bytes in time",
        }
    }
}

impl Health {
    /// Returns the health of a relay whose store has these counts.
    #[must_use]
    pub fn of(census: &Census, limits: &Limits) -> Self {
        if census.stopped {
            return Self::Stopped;
        }
        let creates = census.create_trouble(limits).map(Self::NotTakingCreates);
        census.put_trouble(limits).map(Self::NotTakingPuts).or(creates).unwrap_or(Self::Ok)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn limits() -> Limits {
        Limits { mailboxes: 50, blobs: 100, store_bytes: 1_000, memory_bytes: 500, ..Limits::DEFAULT }
    }

    fn aged(limit: Duration) -> Option<Space> {
        Some(Space { oldest_dead: Some(limit), ..Space::default() })
    }

    #[test]
    fn puts_are_refused_for_the_first_reason_that_holds() {
        let limits = Limits { put_percent: 95, create_percent: 100, ..limits() };
        let health = |census: Census| Health::of(&census, &limits);
        let census = Census { blobs: 94, bytes: 949, memory_bytes: 474, ..Census::default() };
        assert_eq!(health(census), Health::Ok);
        for (full, why) in [
            (Census { blobs: 95, ..census }, Trouble::AtLimits),
            (Census { bytes: 950, ..census }, Trouble::AtLimits),
            (Census { memory_bytes: 475, ..census }, Trouble::AtLimits),
            (Census { is_full: true, ..census }, Trouble::Full),
            (Census { space: aged(limits.dead_bytes()), ..census }, Trouble::Overdue),
        ] {
            assert_eq!(health(full), Health::NotTakingPuts(why));
            assert_eq!(health(Census { stopped: true, ..full }), Health::Stopped);
        }
    }

    #[test]
    fn creates_are_refused_at_a_limit_of_their_own() {
        let limits = Limits { put_percent: 95, create_percent: 80, ..limits() };
        let health = |census: Census| Health::of(&census, &limits);
        let census = Census { mailboxes: 39, blobs: 79, bytes: 799, memory_bytes: 474, ..Census::default() };
        assert_eq!(health(census), Health::Ok);
        for full in [
            Census { mailboxes: 40, ..census },
            Census { blobs: 80, ..census },
            Census { bytes: 800, ..census },
        ] {
            assert_eq!(health(full), Health::NotTakingCreates(Trouble::AtLimits));
        }
        let late = Census { space: aged(limits.dead_bytes() * 3 / 4), ..census };
        assert_eq!(late.create_trouble(&limits), None, "the last quarter is left to owners");
        let later = Census { space: aged(limits.dead_bytes() + Duration::from_secs(1)), ..census };
        assert_eq!(later.create_trouble(&limits), Some(Trouble::Overdue));
        let full = Census { is_full: true, ..census };
        assert_eq!(full.create_trouble(&limits), Some(Trouble::Full));
    }
}
