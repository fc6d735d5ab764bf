//! Waiting between two tries: longer each time, with jitter, ended early when somebody wants something now.

use super::shared::{Shared, closed};
use rand::RngExt;
use std::time::Duration;

/// The waits of one task.
pub(super) struct Backoff {
    next: Duration,
}

impl Backoff {
    pub(super) fn new(shared: &Shared) -> Self {
        Self { next: shared.config.backoff.start }
    }

    /// The next wait is twice as long, up to `longest`.
    fn grow(&mut self, longest: Duration) {
        self.next = self.next.saturating_mul(2).min(longest);
    }

    /// After a success the next wait is the shortest again.
    pub(super) fn reset(&mut self, shared: &Shared) {
        self.next = shared.config.backoff.start;
    }

    /// Waits. `false`: the client closes.
    pub(super) async fn wait(&mut self, shared: &Shared) -> bool {
        let wait = jitter(self.next);
        let mut nudge = shared.nudge.subscribe();
        let mut closing = shared.closing.subscribe();
        // Even a nudge leaves a relay that is down a moment.
        let moment = self.next.min(Duration::from_millis(200));
        tokio::select! {
            // Who sends much while a relay is down for a moment must not wait long after it: only waits that end by themselves grow.
            () = tokio::time::sleep(wait) => self.grow(shared.config.backoff.end),
            () = async { let _ = nudge.changed().await; tokio::time::sleep(moment).await } => {}
            () = closed(&mut closing) => {}
        }
        !shared.is_closing()
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
    use tokio::time::Instant;

    fn shared(folder: &std::path::Path, backoff: std::ops::Range<Duration>) -> Arc<Shared> {
        let store = home::create(folder, &crate::Unlock::KeyFile, crate::PassphraseCost::default()).unwrap();
        let engine = Engine::create(store, None, 0).unwrap();
        Shared::new(engine, Config { backoff, ..Config::default() })
    }

    #[test]
    fn waits_double_up_to_the_longest_and_are_never_the_same() {
        let second = Duration::from_secs(1);
        let mut backoff = Backoff { next: second };
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
            let mut backoff = Backoff { next: Duration::from_secs(next) };
            for _ in 0..70 {
                assert!(jitter(backoff.next) <= backoff.next);
                backoff.grow(Duration::from_secs(longest));
            }
        }
    }

    #[tokio::test]
    async fn a_nudge_ends_a_wait_and_so_does_closing() {
        let folder = tempfile::tempdir().unwrap();
        let hour = Duration::from_secs(3_600);
        let shared = shared(folder.path(), hour..hour * 24);
        let mut backoff = Backoff::new(&shared);
        let begin = Instant::now();
        let nudge = async {
            tokio::task::yield_now().await;
            shared.try_now();
        };
        assert!(tokio::join!(backoff.wait(&shared), nudge).0);
        assert!(begin.elapsed() >= Duration::from_millis(200), "a relay that is down is left a moment");
        let close = async {
            tokio::task::yield_now().await;
            shared.closing.send_replace(true);
        };
        assert!(!tokio::join!(backoff.wait(&shared), close).0);
        assert!(begin.elapsed() < hour);
        assert_eq!(backoff.next, hour);
    }

    #[tokio::test]
    async fn success_begins_anew() {
        let folder = tempfile::tempdir().unwrap();
        let ms = Duration::from_millis(1);
        let shared = shared(folder.path(), ms..ms * 8);
        let mut backoff = Backoff::new(&shared);
        for longest in [2, 4, 8, 8] {
            assert!(backoff.wait(&shared).await);
            assert_eq!(backoff.next, ms * longest);
        }
        backoff.reset(&shared);
        assert_eq!(backoff.next, ms);
    }
}
