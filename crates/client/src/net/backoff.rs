//! Waiting between two tries: longer each time, with jitter, ended early by a user's action, but not at once.

use super::shared::{Shared, closed};
use rand::RngExt;
use std::time::Duration;
use tokio::{
    sync::watch,
    time::{Instant, sleep, sleep_until},
};

/// The part of a first wait that no user's action shortens. It doubles with each failure.
const FIRST_FLOOR: Duration = Duration::from_millis(200);
/// Maximum of that part.
const LONGEST_FLOOR: Duration = Duration::from_secs(30);
/// A link that stood for this long was of use, whatever it carried.
const LONG_LINK: Duration = Duration::from_secs(60);

/// The part of a wait that no user's action shortens, after so many failures in a row before this one.
pub(super) fn floor_after(failures: u32) -> Duration {
    FIRST_FLOOR.saturating_mul(1 << failures.min(16)).min(LONGEST_FLOOR)
}

/// Why a wait has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Waited {
    /// It is over.
    Elapsed,
    /// The user wants something now.
    Nudged,
    /// The client closes.
    Closing,
}

/// The waits of one task.
pub(super) struct Backoff {
    /// Actions of the user since [`listen`](Self::listen).
    retries: watch::Receiver<u64>,
    /// The next wait.
    next: Duration,
    /// Failures since the last reset.
    failures: u32,
    /// When a short link last was a reason to reset.
    short_link_at: Option<Instant>,
}

impl Backoff {
    pub(super) fn new(shared: &Shared) -> Self {
        let next = shared.config.backoff.start;
        Self { retries: shared.retries.subscribe(), next, failures: 0, short_link_at: None }
    }

    /// An attempt begins, or a link has ended: what the user wants from now on shortens the next wait, also if it comes before the
    /// wait begins.
    pub(super) fn listen(&mut self) {
        self.retries.mark_unchanged();
    }

    /// The next wait is twice as long, up to `longest`.
    fn grow(&mut self, longest: Duration) {
        self.next = self.next.saturating_mul(2).min(longest);
    }

    /// After a success the next wait is the shortest again.
    pub(super) fn reset(&mut self, shared: &Shared) {
        (self.next, self.failures) = (shared.config.backoff.start, 0);
    }

    /// A link has ended that was opened at `opened`. It is a success if it stood for a minute; or if it was of use, but that only
    /// once a minute: a relay that does a little and closes must not be connected to again and again.
    pub(super) fn note_link(&mut self, shared: &Shared, opened: Instant, was_useful: bool) {
        let now = Instant::now();
        if now.duration_since(opened) >= LONG_LINK {
            self.reset(shared);
        } else if was_useful && self.short_link_at.is_none_or(|at| now.duration_since(at) >= LONG_LINK) {
            self.short_link_at = Some(now);
            self.reset(shared);
        }
    }

    /// Waits, and not less than `shortest` if no user's action ends it.
    pub(super) async fn wait(&mut self, shortest: Duration, shared: &Shared) -> Waited {
        let begun = Instant::now();
        let wait = jitter(self.next.max(shortest));
        let floor = floor_after(self.failures).min(self.next);
        self.failures = self.failures.saturating_add(1);
        let mut closing = shared.closing.subscribe();
        let retries = &mut self.retries;
        let nudged = async {
            let _ = retries.changed().await;
            sleep_until(begun + floor).await;
        };
        tokio::select! {
            () = sleep(wait) => {
                // Sending much while a relay is down for a moment must not lead to a long wait after it: only waits that end by
                // themselves grow.
                self.grow(shared.config.backoff.end);
                Waited::Elapsed
            }
            () = nudged => Waited::Nudged,
            () = closed(&mut closing) => Waited::Closing,
        }
    }
}

/// Between half and the whole of it.
fn jitter(wait: Duration) -> Duration {
    wait.mul_f64(rand::rng().random_range(0.5..=1.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Config, engine::Engine, home};
    use std::sync::Arc;

    fn shared(folder: &std::path::Path, backoff: std::ops::Range<Duration>) -> Arc<Shared> {
        let store = home::create(folder, &crate::Unlock::KeyFile, crate::PassphraseCost::default()).unwrap();
        let engine = Engine::create(store, None, 0).unwrap();
        Shared::new(engine, Config { backoff, ..Config::default() })
    }

    fn with(next: Duration) -> Backoff {
        Backoff { retries: watch::Sender::new(0).subscribe(), next, failures: 0, short_link_at: None }
    }

    #[test]
    fn waits_double_up_to_the_longest_and_are_never_the_same() {
        let second = Duration::from_secs(1);
        let mut backoff = with(second);
        let longest = second * 300;
        let waits: Vec<Duration> = (0..40)
            .map(|_| {
                let wait = jitter(backoff.next);
                backoff.grow(longest);
                wait
            })
            .collect();
        for (n, wait) in waits.iter().enumerate() {
            let whole = (second * (1 << n.min(20))).min(longest);
            assert!((whole / 2..=whole).contains(wait), "{n}: {wait:?}");
        }
        let distinct: std::collections::BTreeSet<_> = waits[9..].iter().collect();
        assert!(distinct.len() > 20, "without jitter all clients of a relay come back at once");
    }

    #[test]
    fn extreme_settings_do_not_break_it() {
        for (next, longest) in [(0, 0), (0, 9), (9, 0), (u64::MAX / 4, u64::MAX)] {
            let mut backoff = with(Duration::from_secs(next));
            for _ in 0..70 {
                assert!(jitter(backoff.next) <= backoff.next);
                backoff.grow(Duration::from_secs(longest));
            }
        }
    }

    /// Waits with a user who acts at once and again and again. Returns how long it took.
    async fn nudged(backoff: &mut Backoff, shared: &Shared) -> Duration {
        let begin = Instant::now();
        let nudges = async {
            loop {
                tokio::task::yield_now().await;
                shared.wake_all();
                sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::select! {
            waited = backoff.wait(Duration::ZERO, shared) => assert_ne!(waited, Waited::Closing),
            () = nudges => {}
        }
        begin.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn a_nudge_ends_a_wait_later_with_each_failure_and_closing_ends_it_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let hour = Duration::from_secs(3_600);
        let shared = shared(folder.path(), hour..hour * 24);
        let mut backoff = Backoff::new(&shared);
        let mut floor = FIRST_FLOOR;
        for _ in 0..12 {
            let took = nudged(&mut backoff, &shared).await;
            assert!((floor..floor + Duration::from_millis(60)).contains(&took), "{took:?}, not {floor:?}");
            floor = (floor * 2).min(LONGEST_FLOOR);
        }
        // An action after the floor ends the wait at once.
        backoff.listen();
        let late = async {
            sleep(LONGEST_FLOOR * 2).await;
            shared.wake_all();
        };
        let begin = Instant::now();
        assert_eq!(tokio::join!(backoff.wait(Duration::ZERO, &shared), late).0, Waited::Nudged);
        assert!(begin.elapsed() < LONGEST_FLOOR * 2 + Duration::from_millis(10), "{:?}", begin.elapsed());
        // An action before the wait began.
        backoff.listen();
        shared.wake_all();
        let begin = Instant::now();
        assert_eq!(backoff.wait(Duration::ZERO, &shared).await, Waited::Nudged);
        assert!(begin.elapsed() <= LONGEST_FLOOR);
        let begin = Instant::now();
        backoff.listen();
        let close = async {
            tokio::task::yield_now().await;
            shared.closing.send_replace(true);
        };
        assert_eq!(tokio::join!(backoff.wait(Duration::ZERO, &shared), close).0, Waited::Closing);
        assert_eq!(begin.elapsed(), Duration::ZERO);
        assert_eq!(backoff.next, hour, "only waits that end by themselves grow");
    }

    #[tokio::test(start_paused = true)]
    async fn success_makes_the_next_wait_the_shortest() {
        let folder = tempfile::tempdir().unwrap();
        let second = Duration::from_secs(1);
        let shared = shared(folder.path(), second..second * 8);
        let mut backoff = Backoff::new(&shared);
        for longest in [2, 4, 8, 8] {
            assert_eq!(backoff.wait(Duration::ZERO, &shared).await, Waited::Elapsed);
            assert_eq!(backoff.next, second * longest);
        }
        backoff.reset(&shared);
        assert_eq!((backoff.next, backoff.failures), (second, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn short_links_make_it_the_shortest_only_once_a_minute() {
        let folder = tempfile::tempdir().unwrap();
        let second = Duration::from_secs(1);
        let shared = shared(folder.path(), second..second * 300);
        let mut backoff = Backoff::new(&shared);
        let begin = Instant::now();
        let mut links = 0;
        // A relay that always does something and closes at once.
        while begin.elapsed() < second * 600 {
            links += 1;
            backoff.note_link(&shared, Instant::now(), true);
            assert!(nudged(&mut backoff, &shared).await > Duration::ZERO);
        }
        assert!((10..120).contains(&links), "{links} links in ten minutes");
        backoff.note_link(&shared, Instant::now(), false);
        assert!(backoff.failures > 0, "a link of no use is a failure");
        let opened = Instant::now();
        sleep(LONG_LINK).await;
        backoff.note_link(&shared, opened, false);
        assert_eq!(backoff.failures, 0);
    }
}
