//! The record of the progress of bytes over a link, because a slow line is not a dead one (spec/14-client.md section 6.4).

use deaddrop_websocket::STALL_MS;
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

/// Time for which progress counts as recent: the time without progress after which a link ends by
/// itself.
pub(super) const MOVING: Duration = Duration::from_millis(STALL_MS);

/// The time of the last progress of a message or handshake over the links of one purpose (reading
/// at a relay, putting for a contact, an errand). Clones share it. Short messages on an open link
/// do not count: a relay that sends much must not look like one that accepts much.
#[derive(Clone, Debug, Default)]
pub(crate) struct Moved(Arc<Mutex<Option<Instant>>>);

impl Moved {
    /// Sets the time of the last progress to now.
    pub(super) fn note(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// Whether there was progress within the last [`MOVING`].
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
