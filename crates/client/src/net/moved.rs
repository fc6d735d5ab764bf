//! Whether bytes get on over a link: a slow line is not a dead one (spec/14-client.md section 6.4).

use deaddrop_websocket::STALL_MS;
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

/// Time for which something that has moved counts as moving. A link over which less gets on ends by itself.
pub(super) const MOVING: Duration = Duration::from_millis(STALL_MS);

/// Time of the last progress of a message or handshake over the links for one purpose. Short messages on a link that stands do
/// not count: a relay that says much must not look like one that takes much.
#[derive(Clone, Debug, Default)]
pub(crate) struct Moved(Arc<Mutex<Option<Instant>>>);

impl Moved {
    /// Something has got on.
    pub(super) fn note(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// Whether something has got on a moment ago.
    pub(crate) fn is_moving(&self) -> bool {
        let at = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        at.is_some_and(|at| at.elapsed() < MOVING)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::advance;

    #[tokio::test(start_paused = true)]
    async fn what_has_moved_counts_for_a_while() {
        let moved = Moved::default();
        assert!(!moved.is_moving());
        moved.clone().note();
        advance(MOVING - Duration::from_millis(1)).await;
        assert!(moved.is_moving());
        advance(Duration::from_millis(1)).await;
        assert!(!moved.is_moving());
    }
}
