//! Clocks that are right, wrong, and corrected, over simulated time.

use super::*;

/// A day within the years of this build (2026-11-28).
const TODAY: Day = Day::from_number(20_785);
const NONE: Day = Day::from_number(0);

fn stored(day: Day) -> Option<Calendar> {
    Some(Calendar { day, expires_from: NONE })
}

/// Reads `system` every minute from `from_ms` on, for three days. Returns the time in milliseconds
/// at which it was first believed; `None` if it was not.
fn believed_at(belief: &mut Belief, from_ms: u64, system: impl Fn(u64) -> Day) -> Option<u64> {
    (0..3 * 24 * 60)
        .map(|minute| from_ms + minute * 60_000)
        .find(|ms| belief.look(system(*ms), *ms) == Look::Believed)
}

#[test]
fn this_build_runs_today() {
    assert!(system_day().is_plausible(), "set the clock, or raise RELEASE_YEAR");
    assert_eq!(Day::FIRST_PLAUSIBLE.to_string(), "2025-01-01");
    assert_eq!(Day::LAST_PLAUSIBLE.to_string(), "2046-12-31");
}

#[test]
fn a_first_start_with_a_wrong_clock_is_refused() {
    for day in [0, 1, Day::FIRST_PLAUSIBLE.number() - 1, Day::LAST_PLAUSIBLE.number() + 1, u32::MAX] {
        for trusted in [false, true] {
            assert_eq!(Belief::begin(None, Day::from_number(day), trusted), Err(NoDay::SystemClock), "{day}");
        }
    }
    let first = Belief::begin(None, TODAY, false).unwrap().calendar();
    assert_eq!(first, Calendar { day: TODAY, expires_from: NONE });
}

#[test]
fn a_relay_that_was_first_started_in_1970_expires_nothing_when_its_clock_is_corrected() {
    // Its leases ended long ago; its readers have a week to come.
    let calendar = Belief::begin(stored(Day::from_number(1)), TODAY, false).unwrap().calendar();
    assert_eq!(calendar, Calendar { day: TODAY, expires_from: TODAY.plus(7) });
    let now = |day: u32| Now { day: TODAY.plus(day), expires_from: calendar.expires_from, ms: 0 };
    assert!((0..7).all(|day| !now(day).is_over(Day::from_number(61))));
    assert!(now(7).is_over(Day::from_number(61)));
    assert_eq!(Belief::begin(stored(NONE), NONE, false), Err(NoDay::SystemClock), "while it still says 1970");
}

#[test]
fn a_day_of_2099_is_never_believed_and_can_only_be_set_back() {
    let far = "2099-01-01".parse().unwrap();
    assert_eq!(Belief::begin(stored(far), far, true), Err(NoDay::StoredDay));
    let mut belief = Belief::begin(stored(TODAY), far, true).unwrap();
    assert_eq!(believed_at(&mut belief, 0, |_| far), None);
    assert_eq!((belief.look(far, u64::MAX), belief.calendar().day), (Look::OutsideYears, TODAY));
}

#[test]
fn the_day_never_goes_back() {
    let mut belief = Belief::begin(stored(TODAY), TODAY, true).unwrap();
    for (back, look) in [(1, Look::Believed), (2, Look::Believed), (3, Look::Behind), (300, Look::Behind)] {
        assert_eq!(belief.look(Day::from_number(TODAY.number() - back), u64::MAX), look);
        assert_eq!(belief.calendar().day, TODAY);
    }
}

#[test]
fn small_steps_are_followed_and_pause_nothing() {
    let mut belief = Belief::begin(stored(TODAY), TODAY.plus(2), false).unwrap();
    assert_eq!(belief.calendar(), Calendar { day: TODAY.plus(2), expires_from: NONE });
    // A right clock is followed for years.
    let begun = TODAY.plus(2);
    for day in 0..3_000 {
        assert_eq!(belief.look(begun.plus(day), u64::from(day) * DAY_MS), Look::Believed, "{day}");
    }
    assert_eq!(belief.calendar(), Calendar { day: begun.plus(2_999), expires_from: NONE });
}

#[test]
fn a_large_step_is_believed_after_a_day_of_waiting_and_pauses_expiry() {
    let ahead = TODAY.plus(365);
    let mut belief = Belief::begin(stored(TODAY), ahead, false).unwrap();
    assert_eq!(belief.calendar().day, TODAY);
    assert_eq!(believed_at(&mut belief, 0, |_| ahead), Some(BELIEVED_AFTER_MS));
    assert_eq!(belief.calendar(), Calendar { day: ahead, expires_from: ahead.plus(7) });
    // The pause survives a restart.
    let again = Belief::begin(Some(belief.calendar()), ahead.plus(1), false).unwrap();
    assert_eq!(again.calendar(), Calendar { day: ahead.plus(1), expires_from: ahead.plus(7) });
    // The operator's word saves the waiting, not the pause.
    let trusted = Belief::begin(stored(TODAY), ahead, true).unwrap();
    assert_eq!(trusted.calendar(), Calendar { day: ahead, expires_from: ahead.plus(7) });
}

#[test]
fn a_long_run_does_not_make_a_wrong_clock_believed() {
    let year = 365 * DAY_MS;
    let mut belief = Belief::begin(stored(TODAY), TODAY, false).unwrap();
    for day in 0..=365 {
        belief.look(TODAY.plus(day), u64::from(day) * DAY_MS);
    }
    let today = TODAY.plus(365);
    assert_eq!(belief.look(today.plus(3_000), year + 1), Look::Ahead);
    // A clock that is corrected soon has done nothing.
    assert_eq!(belief.look(today, year + 60_000), Look::Believed);
    assert_eq!(
        belief.look(today.plus(3_000), year + DAY_MS - 1),
        Look::Ahead,
        "it waits again from the beginning"
    );
    // One that says something else each time is not believed.
    let jumps = |ms: u64| today.plus(100 + u32::try_from(ms / 60_000 % 2).unwrap() * 50);
    assert_eq!(believed_at(&mut belief, year + DAY_MS, jumps), None);
    assert_eq!(belief.calendar().day, today);
}

#[test]
fn a_clock_that_creeps_gains_no_more_than_a_step_a_day() {
    let mut belief = Belief::begin(stored(TODAY), TODAY, false).unwrap();
    for minute in 0..24 * 60_u32 {
        belief.look(TODAY.plus(2 * minute), u64::from(minute) * 60_000);
    }
    assert!(belief.calendar().day <= TODAY.plus(2), "{:?}", belief.calendar());
}

#[test]
fn a_stored_pause_is_never_longer_than_a_new_one() {
    let calendar = Calendar { day: TODAY, expires_from: TODAY.plus(900) };
    assert_eq!(Belief::begin(Some(calendar), TODAY, false).unwrap().calendar().expires_from, TODAY.plus(7));
}

/// A source whose day and running time a test sets.
#[derive(Default)]
struct Set(Mutex<(u32, u64)>);

impl TimeSource for Set {
    fn day(&self) -> Day {
        Day::from_number(self.0.lock().unwrap().0)
    }

    fn elapsed_ms(&self) -> u64 {
        self.0.lock().unwrap().1
    }
}

#[test]
fn a_clock_follows_the_source_that_it_was_given_and_believes_it_no_faster() {
    let source = Arc::new(Set::default());
    let set = |day: u32, ms: u64| *source.0.lock().unwrap() = (TODAY.number() + day, ms);
    // Milliseconds count from the start, whatever the source says then.
    set(0, 5_000);
    let clock = Clock::start_with(Arc::clone(&source) as Arc<dyn TimeSource>, None, false).unwrap();
    assert_eq!(clock.now(), Now::new(TODAY, 0));
    for day in 1..40 {
        set(day, 5_000 + u64::from(day) * DAY_MS);
        assert_eq!(clock.look(), Look::Believed);
        assert_eq!(clock.now(), Now::new(TODAY.plus(day), u64::from(day) * DAY_MS));
    }
    // A wall clock that leads what has gone by is believed only after a day, like the system's.
    set(60, 5_000 + 39 * DAY_MS);
    assert_eq!((clock.look(), clock.now().day), (Look::Ahead, TODAY.plus(39)));
}
