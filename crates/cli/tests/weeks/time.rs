//! One simulated time for all clients and relays of a test: it moves only when the test moves it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use deaddrop_relay::clock::TimeSource;
use deaddrop_wire::Day;

pub const DAY_S: u64 = 86_400;
/// The day on which the people meet, in days since 1970-01-01. Day 0 of the simulation; the number
/// does not matter.
const FIRST_DAY: u64 = 20_800;

/// The simulated time. Clones share it.
#[derive(Clone)]
pub struct SimulatedTime {
    /// The time in seconds since 1970-01-01.
    now: Arc<AtomicU64>,
    /// The start in real time. Relays count real milliseconds too, so that their short waits end although the simulated
    /// time does not move.
    begun: Instant,
}

impl SimulatedTime {
    pub fn begin() -> Self {
        Self { now: Arc::new(AtomicU64::new(FIRST_DAY * DAY_S)), begun: Instant::now() }
    }

    /// Moves the time forward to an hour (0 to 23) of a day of the simulation. Panics if it would
    /// go back.
    pub fn move_to(&self, day: u32, hour: u64) {
        let time = (FIRST_DAY + u64::from(day)) * DAY_S + hour * 3_600;
        assert!(time >= self.seconds(), "time does not go back");
        self.now.store(time, Ordering::SeqCst);
    }

    /// Returns the day of the simulation, from 0.
    pub fn day(&self) -> u32 {
        day_of(Day::of_unix_seconds(self.seconds()))
    }

    pub fn seconds(&self) -> u64 {
        self.now.load(Ordering::SeqCst)
    }
}

/// Returns the day of the simulation, from 0, on which a date is.
pub fn day_of(date: Day) -> u32 {
    date.since(Day::of_unix_seconds(FIRST_DAY * DAY_S))
}

impl TimeSource for SimulatedTime {
    fn day(&self) -> Day {
        Day::of_unix_seconds(self.seconds())
    }

    fn elapsed_ms(&self) -> u64 {
        let simulated = (self.seconds() - FIRST_DAY * DAY_S) * 1_000;
        simulated + u64::try_from(self.begun.elapsed().as_millis()).unwrap()
    }
}
