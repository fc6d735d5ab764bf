//! A moment of a clock that only goes forward.

use std::time::Duration;

/// A moment: the time since the clock's start, which the caller chooses. Only moments of one clock
/// can be compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(Duration);

impl Moment {
    /// Returns the moment that is `time` after the clock's start.
    pub const fn after_start(time: Duration) -> Self {
        Self(time)
    }

    /// Returns the time since the clock's start.
    pub const fn since_start(self) -> Duration {
        self.0
    }

    /// Returns the moment that is `time` later.
    pub const fn plus(self, time: Duration) -> Self {
        Self(self.0.saturating_add(time))
    }

    /// Returns the time since `earlier`; zero if `earlier` is the later of the two.
    pub const fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}
