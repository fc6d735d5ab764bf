//! The client's own clock, to which the moments of its conversations belong.

use deaddrop_engine::conversation::Moment;
use tokio::time::Instant;

/// A clock that begins at zero and only goes forward.
#[derive(Clone, Copy, Debug)]
pub(super) struct ClientClock(Instant);

impl ClientClock {
    /// Creates a clock that begins now.
    pub(super) fn start() -> Self {
        Self(Instant::now())
    }

    /// Returns the time since the clock was started.
    pub(super) fn moment(self) -> Moment {
        Moment::after_start(self.0.elapsed())
    }

    /// Converts a moment of this clock for tokio's timers. Returns `None` if it is too far ahead.
    pub(super) fn instant(self, moment: Moment) -> Option<Instant> {
        self.0.checked_add(moment.since_start())
    }
}
