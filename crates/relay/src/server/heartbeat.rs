//! The heartbeat of a server: a sign of life for a service manager that starts the relay again when
//! the signs end.

use std::fmt;
use std::time::Duration;
use tokio::time::Instant;

/// A sign of life: a function that a server calls in every interval while its sweep goes on. The
/// default value does nothing.
#[derive(Default)]
pub struct Heartbeat(Option<Beat>);

struct Beat {
    every: Duration,
    /// Time of the next call.
    due: Instant,
    send: Box<dyn Fn() + Send>,
}

/// Shortest interval. A shorter one would keep the processor busy.
const SHORTEST: Duration = Duration::from_millis(10);

impl Heartbeat {
    /// Makes a heartbeat that calls `send` at the start and then in every interval, which is 10 ms
    /// at least. `send` must not block.
    #[must_use]
    pub fn new(every: Duration, send: impl Fn() + Send + 'static) -> Self {
        Self(Some(Beat { every: every.max(SHORTEST), due: Instant::now(), send: Box::new(send) }))
    }

    /// Sends a sign of life if one is due.
    pub(super) fn beat(&mut self) {
        let now = Instant::now();
        if let Some(beat) = self.0.as_mut().filter(|beat| beat.due <= now) {
            (beat.send)();
            beat.due = now + beat.every;
        }
    }

    /// Waits until `end`, and meanwhile sends each sign of life that is due.
    pub(super) async fn sleep_until(&mut self, end: Instant) {
        loop {
            self.beat();
            let due = self.0.as_ref().map_or(end, |beat| beat.due.min(end));
            tokio::time::sleep_until(due).await;
            if due == end {
                return;
            }
        }
    }
}

impl fmt::Debug for Heartbeat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Heartbeat").field(&self.0.as_ref().map(|beat| beat.every)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[tokio::test(start_paused = true)]
    async fn a_wait_is_filled_with_signs_of_life() {
        let count = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&count);
        let mut heartbeat = Heartbeat::new(Duration::from_secs(20), move || {
            counted.fetch_add(1, Ordering::Relaxed);
        });
        let start = Instant::now();
        heartbeat.sleep_until(start + Duration::from_secs(50)).await;
        assert_eq!((count.load(Ordering::Relaxed), start.elapsed().as_secs()), (3, 50));
        heartbeat.beat();
        assert_eq!(count.load(Ordering::Relaxed), 3, "none is due");
        Heartbeat::default().sleep_until(start + Duration::from_secs(90)).await;
        assert_eq!((count.load(Ordering::Relaxed), start.elapsed().as_secs()), (3, 90));
    }
}
