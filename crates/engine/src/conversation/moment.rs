//! A moment of a clock that only goes forward.

use std::time::Duration;

/// A moment, as the time since some fixed one. Only moments of one clock can be compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(Duration);

impl Moment {
    /// Returns the moment this long after the fixed one.
    pub const fn after_start(time: Duration) -> Self {
        Self(time)
    }

    /// Returns the time since the fixed one.
    pub const fn since_start(self) -> Duration {
        self.0
    }

    /// Returns the moment this much later.
    pub const fn plus(self, time: Duration) -> Self {
        Self(self.0.saturating_add(time))
    }

    /// Returns the time since an earlier moment; zero if that one is later.
    pub const fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}
