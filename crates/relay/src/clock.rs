//! The relay's day and its milliseconds (spec/12-relay.md section 6).
//!
//! Days decide what expires, so a clock that is wrong must not be believed at once. The day never
//! goes back by itself. It follows the system's clock in small steps; a larger step is believed
//! only after a day of waiting or when the operator says so, and then nothing expires for a week,
//! in which readers can connect. No day outside of the years of this build is ever believed.

use deaddrop_wire::Day;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// A moment: the day that the relay believes, and the milliseconds since the start of its clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// The day by which leases and expiry are counted.
    pub day: Day,
    /// First day on which things expire; later than `day` while expiry pauses.
    pub expires_from: Day,
    /// Milliseconds since the start of the clock.
    pub ms: u64,
}

impl Now {
    /// Makes a moment at which expiry does not pause.
    #[must_use]
    pub const fn new(day: Day, ms: u64) -> Self {
        Self { day, expires_from: Day::from_number(0), ms }
    }

    /// Whether a thing whose last day is `last` has expired: the day is over, and expiry does not
    /// pause.
    #[must_use]
    pub fn is_over(&self, last: Day) -> bool {
        last < self.day && self.day >= self.expires_from
    }

    /// Returns the part of the moment that a store remembers.
    #[must_use]
    pub const fn calendar(&self) -> Calendar {
        Calendar { day: self.day, expires_from: self.expires_from }
    }
}

/// The calendar that a store remembers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Calendar {
    /// The newest day that was believed.
    pub day: Day,
    /// First day on which things expire; later than `day` only while expiry pauses.
    pub expires_from: Day,
}

impl Calendar {
    /// Returns the calendar after a step to this day that was larger than [`MAX_STEP`].
    #[must_use]
    pub const fn after_large_step(day: Day) -> Self {
        Self { day, expires_from: day.plus(PAUSE_DAYS) }
    }
}

/// Maximum number of days by which the system's clock may be ahead of the day that follows from the
/// running time and still be believed at once (spec/12-relay.md section 6).
pub const MAX_STEP: u32 = 2;
/// Number of days for which nothing expires after a step of the day that is larger than
/// [`MAX_STEP`].
pub const PAUSE_DAYS: u32 = 7;
/// Number of milliseconds for which the system's clock must keep to a larger step until it is
/// believed: a day.
const BELIEVED_AFTER_MS: u64 = DAY_MS;
const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

/// The reason for which no day can be believed. The text says what to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoDay {
    /// The system's clock is outside of the years of this build, and no day within them is stored.
    #[error(
        "the system's clock is wrong: it is outside of the years in which this build can run, so nothing that the \
                 relay stores could be dated; set the clock, then start again"
    )]
    SystemClock,
    /// The store remembers a day after the years of this build.
    #[error(
        "the relay remembers a day beyond the years in which this build can run: its clock was wrong once; set the \
                 day back with `deaddrop-relay day set YYYY-MM-DD --data DIR`, then start again"
    )]
    StoredDay,
}

/// The result of one reading of the system's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// The clock is believed.
    Believed,
    /// The clock is more than [`MAX_STEP`] days ahead of the day that follows from the running
    /// time, and is not believed yet.
    Ahead,
    /// The clock is more than [`MAX_STEP`] days behind the believed day, which stays as it is.
    Behind,
    /// The clock is outside of the years of this build.
    OutsideYears,
}

/// The day that the relay believes, computed from readings of the system's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Belief {
    calendar: Calendar,
    trusted: bool,
    /// The day from which later days are measured, and the running time in milliseconds at which it
    /// was believed.
    anchor: (Day, u64),
    /// A day that is too far ahead to be believed at once, and the running time in milliseconds at
    /// which the clock first showed it; `None` if the clock shows no such day.
    waiting: Option<(Day, u64)>,
}

impl Belief {
    /// Returns the belief at the start of a process, from the calendar that the store remembers and
    /// the day of the system's clock. `trusted` is the operator's word that the system's clock is
    /// right.
    ///
    /// # Errors
    /// Fails with [`NoDay::StoredDay`] when the stored day is after the years of this build,
    /// whatever the clock says; and with [`NoDay::SystemClock`] when the clock is outside of these
    /// years and no day within them is stored.
    pub fn begin(stored: Option<Calendar>, system: Day, trusted: bool) -> Result<Self, NoDay> {
        let calendar = match stored {
            Some(Calendar { day, .. }) if day > Day::LAST_PLAUSIBLE => return Err(NoDay::StoredDay),
            Some(calendar) if calendar.day >= Day::FIRST_PLAUSIBLE => calendar,
            _ if !system.is_plausible() => return Err(NoDay::SystemClock),
            // A day before this software existed: the clock was wrong, and what is stored is dated wrongly.
            Some(_) => Calendar::after_large_step(system),
            None => Calendar { day: system, expires_from: Day::from_number(0) },
        };
        // No pause is longer than the one that begins today.
        let expires_from = calendar.expires_from.min(calendar.day.plus(PAUSE_DAYS));
        let calendar = Calendar { expires_from, ..calendar };
        let mut belief = Self { calendar, trusted, anchor: (calendar.day, 0), waiting: None };
        belief.look(system, 0);
        Ok(belief)
    }

    /// Returns the day that is believed, and the day from which on things expire.
    #[must_use]
    pub const fn calendar(&self) -> Calendar {
        self.calendar
    }

    /// Handles a reading of the system's clock, and follows the clock if it is believed.
    /// `running_ms` counts from the start of the process.
    pub fn look(&mut self, system: Day, running_ms: u64) -> Look {
        if !system.is_plausible() {
            self.waiting = None;
            return Look::OutsideYears;
        }
        let day = self.calendar.day;
        if system <= day {
            self.waiting = None;
            return if day.since(system) > MAX_STEP { Look::Behind } else { Look::Believed };
        }
        let (anchor, at_ms) = self.anchor;
        let gone = days_between(at_ms, running_ms);
        if system.since(anchor) <= gone.saturating_add(MAX_STEP) {
            self.calendar.day = system;
            self.waiting = None;
            if gone > 0 {
                self.anchor = (system, running_ms);
            }
            return Look::Believed;
        }
        if !self.trusted {
            let (first, since_ms) = *self.waiting.get_or_insert((system, running_ms));
            let expected = first.plus(days_between(since_ms, running_ms));
            if system.since(expected).max(expected.since(system)) > MAX_STEP {
                // It says something else than before.
                self.waiting = Some((system, running_ms));
                return Look::Ahead;
            }
            if running_ms.saturating_sub(since_ms) < BELIEVED_AFTER_MS {
                return Look::Ahead;
            }
        }
        self.calendar = Calendar::after_large_step(system);
        self.anchor = (system, running_ms);
        self.waiting = None;
        Look::Believed
    }
}

fn days_between(from_ms: u64, to_ms: u64) -> u32 {
    u32::try_from(to_ms.saturating_sub(from_ms) / DAY_MS).unwrap_or(u32::MAX)
}

/// A source of time for a relay: a wall clock and a running time. A relay does not believe the wall
/// clock at once.
///
/// `deaddrop-relay` always reads [`SystemTimeSource`] and has no switch for another one. A program
/// that runs relays in its own process may use its own, for example to play weeks in seconds.
pub trait TimeSource: Send + Sync {
    /// Returns the day of the wall clock, which may be wrong and may go back.
    fn day(&self) -> Day;

    /// Returns the milliseconds since some fixed moment. They never go back.
    fn elapsed_ms(&self) -> u64;
}

/// The clocks of the operating system.
#[derive(Clone, Copy, Debug)]
pub struct SystemTimeSource {
    start: Instant,
}

impl SystemTimeSource {
    /// Makes a source that counts milliseconds from now on.
    #[must_use]
    pub fn start() -> Self {
        Self { start: Instant::now() }
    }
}

impl TimeSource for SystemTimeSource {
    fn day(&self) -> Day {
        system_day()
    }

    fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// The clock of a running relay.
#[derive(Clone)]
pub struct Clock {
    source: Arc<dyn TimeSource>,
    start_ms: u64,
    belief: Arc<Mutex<Belief>>,
}

impl Clock {
    /// Starts the clock of a relay by the system's clocks. `stored` is the calendar that the store
    /// remembers; `trusted` is the operator's word that the system's clock is right.
    ///
    /// # Errors
    /// Fails with [`NoDay`] as [`Belief::begin`] does.
    pub fn start(stored: Option<Calendar>, trusted: bool) -> Result<Self, NoDay> {
        Self::start_with(Arc::new(SystemTimeSource::start()), stored, trusted)
    }

    /// Starts like [`start`](Self::start), with the time of `source` in place of the system's.
    ///
    /// # Errors
    /// Fails with [`NoDay`] as [`Belief::begin`] does, with the clock of `source`.
    pub fn start_with(
        source: Arc<dyn TimeSource>,
        stored: Option<Calendar>,
        trusted: bool,
    ) -> Result<Self, NoDay> {
        let belief = Belief::begin(stored, source.day(), trusted)?;
        Ok(Self { start_ms: source.elapsed_ms(), source, belief: Arc::new(Mutex::new(belief)) })
    }

    /// Returns the present moment.
    #[must_use]
    pub fn now(&self) -> Now {
        let Calendar { day, expires_from } = self.locked().calendar();
        Now { day, expires_from, ms: self.ms() }
    }

    /// Reads the wall clock, and follows it if it is believed. Called at intervals.
    pub fn look(&self) -> Look {
        let ms = self.ms();
        self.locked().look(self.source.day(), ms)
    }

    /// Returns the day of the wall clock, whether it is believed or not.
    #[must_use]
    pub fn wall_day(&self) -> Day {
        self.source.day()
    }

    fn ms(&self) -> u64 {
        self.source.elapsed_ms().saturating_sub(self.start_ms)
    }

    fn locked(&self) -> MutexGuard<'_, Belief> {
        self.belief.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clock").field("belief", &self.belief).finish_non_exhaustive()
    }
}

/// Returns the day of the system's clock.
#[must_use]
pub fn system_day() -> Day {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Day::of_unix_seconds(since.as_secs())
}

#[cfg(test)]
mod tests;
