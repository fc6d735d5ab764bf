//! Waits between two tries: longer each time, with jitter, ended early by a user's action, but not
//! at once.

use super::moment::Moment;
use super::uniform::duration_within;
use rand_core::Rng;
use std::{ops::Range, time::Duration};

/// Time to which a user's action may shorten the first wait, and no further. The time doubles with
/// each failure in a row, up to [`LONGEST_FLOOR`] (spec/14-client.md section 6).
const FIRST_FLOOR: Duration = Duration::from_millis(200);
/// Maximum of the part of a wait that no user's action shortens. As spec/14-client.md section 6
/// says.
pub(crate) const LONGEST_FLOOR: Duration = Duration::from_secs(30);
/// Time after which a link counts as a success, whatever was sent over it; also the minimum time
/// between two shorter links that count as successes.
pub(crate) const LONG_LINK: Duration = Duration::from_secs(60);

/// Returns the part of a wait that no user's action shortens, after this many earlier failures in a
/// row.
pub(crate) fn floor_after(failures: u32) -> Duration {
    FIRST_FLOOR.saturating_mul(1 << failures.min(16)).min(LONGEST_FLOOR)
}

/// The waits of one conversation between two attempts to open a link.
#[derive(Debug)]
pub(crate) struct Backoff {
    /// The first wait (start) and the longest one (end), before [`jitter`] shortens them.
    spans: Range<Duration>,
    /// The next wait, before [`jitter`] shortens it.
    next: Duration,
    /// Number of waits that have begun since the last [`reset`](Self::reset).
    failures: u32,
    /// The last time at which a link that was shorter than [`LONG_LINK`] led to a reset; `None`:
    /// never.
    short_link_at: Option<Moment>,
}

/// A wait that has begun.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wait {
    until: Moment,
    /// The time before which no user's action ends the wait.
    floor: Moment,
    is_shortened: bool,
}

/// The reason for which a wait has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WaitEnd {
    /// The whole wait has passed.
    Elapsed,
    /// A user's action has shortened the wait, and the rest of it has passed.
    Retried,
}

impl Wait {
    /// Returns the time at which the wait ends, as far as is known now.
    pub(crate) const fn until(&self) -> Moment {
        self.until
    }

    /// Shortens the wait because of a user's action, but not to less than its floor.
    pub(crate) fn retry_now(&mut self, now: Moment) {
        let earliest = self.floor.max(now);
        if earliest < self.until {
            (self.until, self.is_shortened) = (earliest, true);
        }
    }

    /// Returns the reason for which the wait has ended; `None`: it has not ended.
    pub(crate) fn end(&self, now: Moment) -> Option<WaitEnd> {
        let end = if self.is_shortened { WaitEnd::Retried } else { WaitEnd::Elapsed };
        (now >= self.until).then_some(end)
    }
}

impl Backoff {
    /// Creates the waits of a conversation: `spans` goes from the first wait to the longest one.
    pub(crate) const fn new(spans: Range<Duration>) -> Self {
        Self { next: spans.start, spans, failures: 0, short_link_at: None }
    }

    /// Begins the wait after a failure. Its length is random, between half and the whole of the
    /// next wait, or of `shortest` if that is longer. A user's action may end it earlier.
    pub(crate) fn begin(&mut self, shortest: Duration, now: Moment, rng: &mut dyn Rng) -> Wait {
        let until = now.plus(jitter(self.next.max(shortest), rng));
        let floor = now.plus(floor_after(self.failures).min(self.next));
        self.failures = self.failures.saturating_add(1);
        Wait { until, floor, is_shortened: false }
    }

    /// Doubles the next wait, up to the longest one. Called when a wait has ended by itself. Waits
    /// that a user ends do not grow: sending much while a relay is down for a moment must not lead
    /// to a long wait after it.
    pub(crate) fn grow(&mut self) {
        self.next = self.next.saturating_mul(2).min(self.spans.end);
    }

    /// Makes the next wait the shortest again. Called after a success.
    pub(crate) const fn reset(&mut self) {
        (self.next, self.failures) = (self.spans.start, 0);
    }

    /// Notes the end of a link that was opened at `opened`, and resets the waits if it counts as a
    /// success: if it lasted for [`LONG_LINK`], or if it was useful. A shorter useful link counts
    /// at most once in [`LONG_LINK`]: a relay that does a little and closes must not be connected
    /// to again and again.
    pub(crate) fn note_link(&mut self, opened: Moment, was_useful: bool, now: Moment) {
        if now.since(opened) >= LONG_LINK {
            self.reset();
        } else if was_useful && self.short_link_at.is_none_or(|at| now.since(at) >= LONG_LINK) {
            self.short_link_at = Some(now);
            self.reset();
        }
    }
}

/// Returns a uniformly random time between half of a span and the whole of it.
fn jitter(span: Duration, rng: &mut dyn Rng) -> Duration {
    duration_within(span / 2..span, rng)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{SeedableRng, rngs::StdRng};

    const SECOND: Duration = Duration::from_secs(1);

    fn rng() -> StdRng {
        StdRng::seed_from_u64(1)
    }

    #[test]
    fn waits_double_up_to_the_longest_and_are_never_the_same() {
        let mut backoff = Backoff::new(SECOND..SECOND * 300);
        let (mut rng, now) = (rng(), Moment::default());
        let waits: Vec<Duration> = (0..40)
            .map(|_| {
                let wait = backoff.begin(Duration::ZERO, now, &mut rng).until().since(now);
                backoff.grow();
                wait
            })
            .collect();
        for (n, wait) in waits.iter().enumerate() {
            let whole = (SECOND * (1 << n.min(20))).min(SECOND * 300);
            assert!((whole / 2..=whole).contains(wait), "{n}: {wait:?}");
        }
        let distinct: std::collections::BTreeSet<_> = waits[9..].iter().collect();
        assert!(distinct.len() > 20, "without jitter all clients of a relay come back at once");
    }

    #[test]
    fn extreme_settings_do_not_break_it() {
        for (next, longest) in [(0, 0), (0, 9), (9, 0), (u64::MAX / 4, u64::MAX)] {
            let mut backoff = Backoff::new(Duration::from_secs(next)..Duration::from_secs(longest));
            for _ in 0..70 {
                let next = backoff.next;
                let wait = backoff.begin(Duration::ZERO, Moment::default(), &mut rng());
                assert!(wait.until().since_start() <= next);
                backoff.grow();
            }
        }
    }

    /// Lets one wait pass while a user retries every moment. Returns how long the wait took.
    fn retried(backoff: &mut Backoff, now: Moment, rng: &mut StdRng) -> Duration {
        let mut wait = backoff.begin(Duration::ZERO, now, rng);
        let mut at = now;
        loop {
            wait.retry_now(at);
            match wait.end(at) {
                Some(WaitEnd::Elapsed) => backoff.grow(),
                Some(WaitEnd::Retried) => {}
                None => {
                    at = at.plus(Duration::from_millis(50)).min(wait.until());
                    continue;
                }
            }
            return at.since(now);
        }
    }

    #[test]
    fn a_user_ends_a_wait_later_with_each_failure() {
        let hour = SECOND * 3_600;
        let (mut backoff, mut rng) = (Backoff::new(hour..hour * 24), rng());
        let (now, mut floor) = (Moment::default(), FIRST_FLOOR);
        for _ in 0..12 {
            assert_eq!(retried(&mut backoff, now, &mut rng), floor);
            floor = (floor * 2).min(LONGEST_FLOOR);
        }
        // An action after the floor ends the wait at once.
        let mut wait = backoff.begin(Duration::ZERO, now, &mut rng);
        let late = now.plus(LONGEST_FLOOR * 2);
        assert_eq!(wait.end(late), None);
        wait.retry_now(late);
        assert_eq!(wait.end(late), Some(WaitEnd::Retried));
        assert_eq!(backoff.next, hour, "only waits that end by themselves grow");
    }

    #[test]
    fn success_makes_the_next_wait_the_shortest() {
        let (mut backoff, mut rng) = (Backoff::new(SECOND..SECOND * 8), rng());
        for longest in [2, 4, 8, 8] {
            let wait = backoff.begin(Duration::ZERO, Moment::default(), &mut rng);
            assert_eq!(wait.end(wait.until()), Some(WaitEnd::Elapsed));
            backoff.grow();
            assert_eq!(backoff.next, SECOND * longest);
        }
        backoff.reset();
        assert_eq!((backoff.next, backoff.failures), (SECOND, 0));
    }

    #[test]
    fn short_links_make_it_the_shortest_only_once_a_minute() {
        let (mut backoff, mut rng) = (Backoff::new(SECOND..SECOND * 300), rng());
        let (mut now, mut links) = (Moment::default(), 0);
        // A relay that always does something and closes at once.
        while now.since_start() < SECOND * 600 {
            links += 1;
            backoff.note_link(now, true, now);
            let took = retried(&mut backoff, now, &mut rng);
            assert!(took > Duration::ZERO);
            now = now.plus(took);
        }
        assert!((10..120).contains(&links), "{links} links in ten minutes");
        backoff.note_link(now, false, now);
        assert!(backoff.failures > 0, "a link of no use is a failure");
        backoff.note_link(now, false, now.plus(LONG_LINK));
        assert_eq!(backoff.failures, 0);
    }
}
