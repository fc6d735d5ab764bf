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

    /// After a success the next wait is the shortest again.
    pub(super) fn reset(&mut self, shared: &Shared) {
        self.next = shared.config.backoff.start;
    }

    /// Waits. `false`: the client closes.
    pub(super) async fn wait(&mut self, shared: &Shared) -> bool {
        let wait = jitter(self.next);
        self.next = self.next.saturating_mul(2).min(shared.config.backoff.end);
        let mut nudge = shared.nudge.subscribe();
        let mut closing = shared.closing.subscribe();
        // Even a nudge leaves a relay that is down a moment.
        let moment = self.next.min(Duration::from_millis(200));
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
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
