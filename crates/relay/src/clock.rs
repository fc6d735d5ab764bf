//! The relay's day and its milliseconds (spec/12-relay.md section 6).
//!
//! Days decide what expires, so a clock that is wrong must not be believed at once: the day never goes back, and it
//! goes forward by more than two days only after a day of running, or on the operator's word.

use deaddrop_wire::Day;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// A moment: the day that holds, and milliseconds of this process's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// The day by which leases and expiry are counted.
    pub day: Day,
    /// Milliseconds since the start.
    pub ms: u64,
}

/// Days by which the system's clock may lead the stored day and be believed.
const BELIEVED_STEP: u32 = 2;
/// Milliseconds of running after which a larger step is believed.
const BELIEVED_AFTER_MS: u64 = 24 * 60 * 60 * 1_000;

/// Which day holds, when the stored one is `stored` and the system's clock says `system`.
#[must_use]
pub fn believed(stored: Option<Day>, system: Day, running_ms: u64, trusted: bool) -> Day {
    match stored {
        None => system,
        Some(stored) if system <= stored => stored,
        Some(stored) => {
            let small = system.since(stored) <= BELIEVED_STEP;
            if small || trusted || running_ms >= BELIEVED_AFTER_MS { system } else { stored }
        }
    }
}

/// The clock of a running relay.
#[derive(Clone, Debug)]
pub struct Clock {
    start: Instant,
    day: Arc<Mutex<Day>>,
    trusted: bool,
}

impl Clock {
    /// Starts counting. `stored` is the day that the store remembers; `trusted` is the operator's word that the
    /// system's clock is right.
    #[must_use]
    pub fn start(stored: Option<Day>, trusted: bool) -> Self {
        let day = believed(stored, system_day(), 0, trusted);
        Self { start: Instant::now(), day: Arc::new(Mutex::new(day)), trusted }
    }

    /// Now.
    #[must_use]
    pub fn now(&self) -> Now {
        Now { day: *self.day.lock().unwrap_or_else(PoisonError::into_inner), ms: self.ms() }
    }

    /// Looks at the system's clock; gives the day that holds from here on.
    pub fn look(&self) -> Day {
        let mut day = self.day.lock().unwrap_or_else(PoisonError::into_inner);
        *day = believed(Some(*day), system_day(), self.ms(), self.trusted);
        *day
    }

    fn ms(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

fn system_day() -> Day {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Day::of_unix_seconds(since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    const D: fn(u32) -> Day = Day::from_number;

    #[test]
    fn the_day_never_goes_back() {
        assert_eq!(believed(Some(D(100)), D(99), u64::MAX, true), D(100));
    }

    #[test]
    fn a_wrong_clock_expires_nothing_at_once() {
        assert_eq!(believed(Some(D(100)), D(102), 0, false), D(102));
        assert_eq!(believed(Some(D(100)), D(103), 0, false), D(100));
        assert_eq!(believed(Some(D(100)), D(30_000), BELIEVED_AFTER_MS - 1, false), D(100));
        assert_eq!(believed(Some(D(100)), D(103), BELIEVED_AFTER_MS, false), D(103));
        assert_eq!(believed(Some(D(100)), D(103), 0, true), D(103));
        assert_eq!(believed(None, D(103), 0, false), D(103));
    }
}
