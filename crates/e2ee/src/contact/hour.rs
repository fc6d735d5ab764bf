//! Hours, which count resets: at most one in each.

use deaddrop_wire::Day;

const HOURS_OF_DAY: u32 = 24;

/// An hour of the clock: the number of whole hours since 1970-01-01 in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hour(u32);

impl Hour {
    /// Returns the hour with this number.
    #[must_use]
    pub const fn from_number(hours: u32) -> Self {
        Self(hours)
    }

    /// Returns the number of hours since the beginning of 1970.
    #[must_use]
    pub const fn number(self) -> u32 {
        self.0
    }

    /// Returns the day that contains the hour.
    #[must_use]
    pub const fn day(self) -> Day {
        Day::from_number(self.0 / HOURS_OF_DAY)
    }
}
