//! A writer without a thread: its caller says when the queue is written, and what time it is.

use super::work::Loop;
use crate::disk::Disk;
use crate::error::CommitError;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Does what the thread of a [`Writer`](super::Writer) does, one step at a time.
pub struct WriterSteps<D: Disk>(Arc<Mutex<Loop<D>>>);

impl<D: Disk> Clone for WriterSteps<D> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<D: Disk> WriterSteps<D> {
    pub(super) fn of(work: Loop<D>) -> Self {
        Self(Arc::new(Mutex::new(work)))
    }

    fn locked(&self) -> MutexGuard<'_, Loop<D>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a job waits for a commit.
    #[must_use]
    pub fn has_queued(&self) -> bool {
        let work = self.locked();
        !work.backlog.is_empty() || !work.shared.locked().waiting.is_empty()
    }

    /// Commits a group of what is queued, if there is something, and does a part of the upkeep. `now` is the time since the store was
    /// opened. Returns the time of the next step, if there is one to do.
    pub fn step(&self, now: Duration) -> Option<Duration> {
        let mut work = self.locked();
        work.shred.set_now(now);
        if work.take_queued() {
            work.commit_once();
        }
        let next = work.maintain_at(now);
        let is_more = !work.backlog.is_empty() || !work.shared.locked().waiting.is_empty();
        if is_more { Some(now) } else { next }
    }

    /// Commits all that is queued, at the time of the last step.
    pub(super) fn write_queue(&self) {
        let mut work = self.locked();
        while work.take_queued() {
            work.commit_once();
            let now = work.shred.upkeep.now;
            let _ = work.maintain_at(now);
        }
    }

    /// Commits what is queued, settles, and zeroes what is dead.
    pub(super) fn close(self) -> Result<u64, CommitError> {
        self.write_queue();
        self.locked().shred.scrub_all(|| false)
    }
}

impl<D: Disk> Loop<D> {
    /// Moves what has queued up over. Returns whether there is something.
    fn take_queued(&mut self) -> bool {
        if self.backlog.is_empty() {
            std::mem::swap(&mut self.shared.locked().waiting, &mut self.backlog);
        }
        !self.backlog.is_empty()
    }
}
