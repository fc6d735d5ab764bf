//! Days, the only unit of time that a relay keeps and that two people agree on.

mod date;

pub use date::NotADate;

use serde::{Deserialize, Serialize};

/// The year in which this version was released. [`Day::is_plausible`] accepts the days from the
/// beginning of the year before it to the end of the twentieth year after it.
pub const RELEASE_YEAR: u32 = 2026;

/// A number of whole days since 1970-01-01, UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Day(u32);

const SECONDS: u64 = 86_400;

impl Day {
    /// The first day on which this build can run: January 1 of the year before [`RELEASE_YEAR`].
    pub const FIRST_PLAUSIBLE: Self = Self::first_of_year(RELEASE_YEAR - 1);
    /// The last day on which this build can run: December 31 of the twentieth year after
    /// [`RELEASE_YEAR`].
    pub const LAST_PLAUSIBLE: Self = Self(Self::first_of_year(RELEASE_YEAR + 21).0 - 1);

    /// Whether the day is within [`FIRST_PLAUSIBLE`](Self::FIRST_PLAUSIBLE) and
    /// [`LAST_PLAUSIBLE`](Self::LAST_PLAUSIBLE), both included. A clock that shows another day is
    /// taken to be wrong.
    #[must_use]
    pub const fn is_plausible(self) -> bool {
        self.0 >= Self::FIRST_PLAUSIBLE.0 && self.0 <= Self::LAST_PLAUSIBLE.0
    }

    /// Returns the day that is `days` days after 1970-01-01.
    #[must_use]
    pub const fn from_number(days: u32) -> Self {
        Self(days)
    }

    /// Returns the day (UTC) that holds the second `seconds` after 1970-01-01T00:00:00Z; for a
    /// later second than that of any day, the last day that the type can express.
    #[must_use]
    pub fn of_unix_seconds(seconds: u64) -> Self {
        Self(u32::try_from(seconds / SECONDS).unwrap_or(u32::MAX))
    }

    /// Returns the number of days since 1970-01-01.
    #[must_use]
    pub const fn number(self) -> u32 {
        self.0
    }

    /// Returns the first second of the day, counted from 1970-01-01T00:00:00Z.
    #[must_use]
    pub const fn unix_seconds(self) -> u64 {
        self.0 as u64 * SECONDS
    }

    /// Returns the day that is `days` later, at most the last day that the type can express.
    #[must_use]
    pub const fn plus(self, days: u32) -> Self {
        Self(self.0.saturating_add(days))
    }

    /// Returns the number of days from `earlier` to this day; zero if `earlier` is not earlier.
    #[must_use]
    pub const fn since(self, earlier: Self) -> u32 {
        self.0.saturating_sub(earlier.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_begins_at_its_first_second() {
        assert_eq!(Day::of_unix_seconds(86_399), Day::from_number(0));
        assert_eq!(Day::of_unix_seconds(86_400), Day::from_number(1));
        assert_eq!(Day::from_number(20_000).unix_seconds(), 1_728_000_000);
        assert_eq!(Day::of_unix_seconds(u64::MAX).number(), u32::MAX);
    }

    #[test]
    fn a_build_runs_for_twenty_years() {
        assert_eq!(Day::FIRST_PLAUSIBLE, Day::from_number(20_089));
        assert_eq!(Day::LAST_PLAUSIBLE, Day::from_number(28_123));
        for day in [0, 20_088, 28_124, u32::MAX] {
            assert!(!Day::from_number(day).is_plausible(), "{day}");
        }
        assert!(Day::from_number(20_785).is_plausible());
    }

    #[test]
    fn distances_never_wrap() {
        assert_eq!(Day::from_number(5).since(Day::from_number(9)), 0);
        assert_eq!(Day::from_number(9).since(Day::from_number(5)), 4);
        assert_eq!(Day::from_number(u32::MAX).plus(1).number(), u32::MAX);
    }
}
