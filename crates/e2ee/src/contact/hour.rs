//! Hours, which count resets: at most one in each.

use deaddrop_wire::Day;

const HOURS_OF_DAY: u32 = 24;

/// An hour, counted from the beginning of 1970 in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hour(u32);

impl Hour {
    /// The hour with this number.
    #[must_use]
    pub const fn from_number(hours: u32) -> Self {
        Self(hours)
    }

    /// Hours since the beginning of 1970.
    #[must_use]
    pub const fn number(self) -> u32 {
        self.0
    }

    /// The day it belongs to.
    #[must_use]
    pub const fn day(self) -> Day {
        Day::from_number(self.0 / HOURS_OF_DAY)
    }
}
