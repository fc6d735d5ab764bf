//! The day that a client believes (spec/14-client.md section 2.2).
//!
//! Days decide when invites, sessions and rows end, so a clock that is wrong must not be believed
//! at once. The believed day follows the machine's clock in small steps. A larger step, in either
//! direction, is believed when one of the client's own relays says the same day, or when the clock
//! has kept to it for a day. Relays never move the day: they confirm what the clock says, or hold
//! it back.

use super::Engine;
use crate::{
    error::VaultError,
    vault::{CalendarRow, ClockWait, Table, Vault, key},
};
use deaddrop_wire::Day;
use rand_core::CryptoRng;

/// Number of days by which the clock may be ahead of the believed day and is still followed at
/// once. Two clocks that differ by at most as many days count as showing the same day.
const MAX_STEP: u32 = 2;
/// Number of hours for which the clock must keep to a step of more than [`MAX_STEP`] days that no
/// relay confirms.
const BELIEVED_AFTER_H: u8 = 24;
/// Seconds until the calendar row is written again, after the vault had no room for it. Any time
/// that keeps a full vault from being tried in a loop would do.
const CLOCK_REST_S: u64 = 60;
const HOUR_S: u64 = 3_600;
/// Maximum number of seconds between two looks at the clock that count for the same wait; after a
/// longer pause the wait for a large step begins again.
const LONGEST_PAUSE_S: u64 = MAX_STEP as u64 * 86_400;

/// Whether two days differ by at most 2, as the clocks of two machines may.
pub const fn is_same_day(one: Day, other: Day) -> bool {
    one.since(other) <= MAX_STEP && other.since(one) <= MAX_STEP
}

impl CalendarRow {
    /// Creates the calendar of a client that was just made, with the day of `now` (in seconds since
    /// 1970-01-01), or [`Day::FIRST_PLAUSIBLE`] if that day is not plausible. Any day is harmless:
    /// the client has nothing that could end.
    pub(super) fn begin(now: u64) -> Self {
        let system = Day::of_unix_seconds(now);
        let day = if system.is_plausible() { system } else { Day::FIRST_PLAUSIBLE };
        Self { day: day.number(), waits: None }
    }

    /// Creates the calendar of a vault that has no calendar row. Its day is before this software
    /// existed, so that it can end nothing.
    pub(super) const fn unknown() -> Self {
        Self { day: Day::FIRST_PLAUSIBLE.number(), waits: None }
    }

    pub(super) const fn day(&self) -> Day {
        Day::from_number(self.day)
    }

    /// Moves the believed day, or begins or ends a wait, as the machine's clock (`now`, in seconds
    /// since 1970-01-01) and the days that own relays say now (`relays`) demand by the rules of
    /// spec/14-client.md section 2.2.
    fn look(&mut self, now: u64, relays: &[Day]) {
        let system = Day::of_unix_seconds(now);
        if !system.is_plausible() {
            self.waits = None;
            return;
        }
        let confirms = relays.iter().any(|relay| is_same_day(*relay, system));
        let denies = relays.iter().any(|relay| !is_same_day(*relay, system));
        let (ahead, behind) = (system.since(self.day()), self.day().since(system));
        // A small step back waits until the clock has caught up.
        let stands = ahead == 0 && behind <= MAX_STEP;
        let is_small = behind == 0 && ahead <= MAX_STEP;
        if stands || denies && !confirms {
            self.waits = None;
        } else if is_small || confirms && !denies || self.has_waited(now) {
            (self.day, self.waits) = (system.number(), None);
        }
    }

    /// Whether the clock has kept to a large step for [`BELIEVED_AFTER_H`] hours. Counts them: a
    /// look counts for one hour at most, so that a clock that jumps again gains nothing. Begins the
    /// wait if none is under way.
    fn has_waited(&mut self, now: u64) -> bool {
        let begin = ClockWait { looked_at: now, hours: 0 };
        let waits = self.waits.get_or_insert(begin);
        match now.checked_sub(waits.looked_at) {
            Some(since) if since < HOUR_S => {}
            Some(since) if since <= LONGEST_PAUSE_S => {
                *waits = ClockWait { looked_at: now, hours: waits.hours.saturating_add(1) };
            }
            _ => *waits = begin,
        }
        waits.hours >= BELIEVED_AFTER_H
    }
}

impl<V: Vault, R: CryptoRng> Engine<V, R> {
    /// Looks at the machine's clock (`now`, in seconds since 1970-01-01) and at the days that own
    /// relays say now (`relays`: for each open link the day in the relay's Hello plus the days that
    /// have passed since), stores the change, and returns the day that is believed.
    ///
    /// # Errors
    /// Fails with the error of the vault.
    pub fn look_at_clock(&mut self, now: u64, relays: &[Day]) -> Result<Day, VaultError> {
        let before = self.calendar;
        self.calendar.look(now, relays);
        let confirmed = relays.iter().max().map_or(MAX_STEP, |relay| self.calendar.day().since(*relay));
        self.unsure = confirmed.min(MAX_STEP);
        if self.calendar != before {
            let mut step = self.step();
            step.changes.put(key(Table::Calendar, 0, 0), &self.calendar)?;
            self.finish(step)?;
        }
        Ok(self.calendar.day())
    }

    /// Looks at the machine's clock (`now`, in seconds since 1970-01-01) and at the days that own
    /// relays say now, as [`look_at_clock`](Self::look_at_clock) does, and returns the day that is
    /// believed. If the vault is full or busy, the day that it holds stays, and the clock is looked
    /// at again after a minute.
    ///
    /// # Errors
    /// Fails with any other error of the vault; the engine is dead then.
    pub fn today(&mut self, now: u64, relays: &[Day]) -> Result<Day, VaultError> {
        if self.clock_rests(now) {
            return Ok(self.believed_day());
        }
        match self.look_at_clock(now, relays) {
            Err(error) if error.is_passing() => {
                self.clock_tried = Some(now);
                Ok(self.believed_day())
            }
            looked => looked,
        }
    }

    /// Whether the vault had no room for the calendar row within the last [`CLOCK_REST_S`] seconds,
    /// so that the clock is not looked at now.
    fn clock_rests(&self, now: u64) -> bool {
        self.clock_tried.is_some_and(|tried| (tried..tried.saturating_add(CLOCK_REST_S)).contains(&now))
    }

    /// Whether [`today`](Self::today) would change the day that is believed, or the wait for
    /// another one.
    pub fn is_clock_due(&self, now: u64, relays: &[Day]) -> bool {
        let mut calendar = self.calendar;
        calendar.look(now, relays);
        calendar != self.calendar && !self.clock_rests(now)
    }

    /// Returns the *sure day*, which decides whether an invite has ended: the believed day `today`
    /// without the last days, at most 2, that no own relay has confirmed.
    pub(super) fn sure_day(&self, today: Day) -> Day {
        Day::from_number(today.number().saturating_sub(self.unsure))
    }

    /// Returns the day that is believed.
    pub const fn believed_day(&self) -> Day {
        self.calendar.day()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TODAY: Day = Day::from_number(20_785);
    const YEAR: u32 = 365;

    fn begin() -> CalendarRow {
        CalendarRow::begin(TODAY.unix_seconds())
    }

    fn seconds(day: Day, hour: u64) -> u64 {
        day.unix_seconds() + hour * HOUR_S
    }

    /// Looks every minute for three days at a clock that is ahead by `lead` days. Returns the
    /// number of whole hours from the first look to the one at which the clock was believed; `None`
    /// if it was not.
    fn believed_after(calendar: &mut CalendarRow, lead: u32, relays: &[Day]) -> Option<u64> {
        (0..3 * 24 * 60).find_map(|minute| {
            let now = TODAY.plus(lead).unix_seconds() + minute * 60;
            calendar.look(now, relays);
            (calendar.day() >= TODAY.plus(lead)).then_some(minute / 60)
        })
    }

    #[test]
    fn small_steps_are_followed_and_none_goes_back() {
        let mut calendar = begin();
        for day in [1, 3, 4, 3, 2, 4] {
            let before = calendar.day();
            calendar.look(seconds(TODAY.plus(day), 5), &[]);
            assert_eq!(calendar.day(), TODAY.plus(day).max(before));
            assert_eq!(calendar.waits, None);
        }
    }

    #[test]
    fn a_single_look_at_a_wrong_clock_moves_nothing() {
        for wrong in
            [0, 1, TODAY.number() - YEAR, TODAY.number() + 3, TODAY.number() + YEAR, 40_000, u32::MAX]
        {
            let mut calendar = begin();
            calendar.look(seconds(Day::from_number(wrong), 0), &[]);
            assert_eq!(calendar.day(), TODAY, "{wrong}");
            calendar.look(seconds(TODAY, 2), &[]);
            assert_eq!(calendar, begin(), "{wrong}");
        }
    }

    #[test]
    fn a_clock_that_keeps_to_a_step_for_a_day_is_believed() {
        assert_eq!(believed_after(&mut begin(), YEAR, &[]), Some(24));
        // Back, too: the day was wrong before.
        let mut ahead = CalendarRow::begin(TODAY.plus(YEAR).unix_seconds());
        for hour in 0..=24 {
            assert_eq!(ahead.day(), TODAY.plus(YEAR));
            ahead.look(seconds(TODAY, hour), &[]);
        }
        assert_eq!(ahead.day(), TODAY.plus(1));
        // No day outside of the years of this build ever is.
        assert_eq!(believed_after(&mut begin(), 10_000, &[]), None);
    }

    #[test]
    fn a_relay_confirms_at_once_and_never_moves() {
        let mut calendar = begin();
        let back = TODAY.plus(21);
        calendar.look(seconds(back, 0), &[TODAY.plus(20)]);
        assert_eq!(calendar.day(), back, "a client that was away");
        // The clock was wrong, was believed, and is right again.
        calendar.look(seconds(TODAY, 0), &[TODAY.plus(1)]);
        assert_eq!(calendar.day(), TODAY);
        for lie in [0, TODAY.number() + YEAR, u32::MAX] {
            for hour in 0..60 {
                calendar.look(seconds(TODAY, hour), &[Day::from_number(lie)]);
            }
            assert_eq!(calendar.day(), TODAY, "{lie}");
        }
    }

    #[test]
    fn a_relay_holds_back_for_as_long_as_it_is_heard() {
        let mut calendar = begin();
        assert_eq!(believed_after(&mut calendar, YEAR, &[TODAY]), None);
        assert_eq!(believed_after(&mut calendar, 4, &[TODAY]), None);
        // One that denies and one that confirms: neither decides.
        assert_eq!(believed_after(&mut calendar, YEAR, &[TODAY, TODAY.plus(YEAR)]), Some(24));
        // A clock that creeps ahead is held to what the relay says.
        let mut calendar = begin();
        for day in 0..YEAR {
            calendar.look(seconds(TODAY.plus(day), 0), &[TODAY]);
        }
        assert_eq!(calendar.day(), TODAY.plus(MAX_STEP));
    }

    #[test]
    fn a_wait_begins_again_when_the_clock_jumps_back_or_was_not_looked_at() {
        let mut calendar = begin();
        let far = TODAY.plus(YEAR);
        (0..=23).for_each(|hour| calendar.look(seconds(far, hour), &[]));
        // Another wrong day gains one hour at most.
        calendar.look(seconds(far.plus(YEAR), 0), &[]);
        assert_eq!((calendar.day(), calendar.waits.unwrap().hours), (TODAY, 0));
        (0..=23).for_each(|hour| calendar.look(seconds(far, hour), &[]));
        assert_eq!(calendar.day(), TODAY);
        calendar.look(seconds(far, 22), &[]);
        assert_eq!(calendar.waits.unwrap().hours, 0);
    }

    #[test]
    fn looks_by_the_hour_write_by_the_hour() {
        let mut calendar = begin();
        let mut writes = 0;
        for second in 0..2 * HOUR_S {
            let before = calendar;
            calendar.look(seconds(TODAY.plus(YEAR), 0) + second, &[]);
            writes += u32::from(calendar != before);
        }
        assert_eq!(writes, 2);
    }

    #[test]
    fn a_client_that_begins_in_1970_believes_the_relay_when_its_clock_agrees() {
        let mut calendar = CalendarRow::begin(0);
        assert_eq!(calendar.day(), Day::FIRST_PLAUSIBLE);
        calendar.look(100, &[TODAY]);
        assert_eq!(calendar.day(), Day::FIRST_PLAUSIBLE);
        calendar.look(seconds(TODAY, 1), &[TODAY]);
        assert_eq!(calendar.day(), TODAY);
    }
}
