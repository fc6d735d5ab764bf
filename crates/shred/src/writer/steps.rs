//! A writer without a thread: its caller decides at which times the queue is written.

use super::work::Loop;
use crate::disk::Disk;
use crate::error::CommitError;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The work of the thread of a [`Writer`](super::Writer), which the caller does one step at a time.
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

    /// Commits a group of queued jobs, if there are any, and does a part of the upkeep. `now` is
    /// the time since the store was opened. Returns the time of the next step: `now` if jobs are
    /// left; `None` if there is nothing to do, or after a failure of the disk.
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

    /// Commits all queued jobs, at the time of the last step.
    pub(super) fn write_queue(&self) {
        let mut work = self.locked();
        while work.take_queued() {
            work.commit_once();
            let now = work.shred.upkeep.now;
            let _ = work.maintain_at(now);
        }
    }

    /// Commits the queued jobs, settles ([`Shred::settle`](crate::Shred::settle)), and zeroes all
    /// dead bytes, without a limit of time. Returns the number of those that are left: 0.
    pub(super) fn close(self) -> Result<u64, CommitError> {
        self.write_queue();
        self.locked().shred.scrub_all(|| false)
    }
}

impl<D: Disk> Loop<D> {
    /// Moves the queued jobs into the backlog. Returns whether there is any job.
    fn take_queued(&mut self) -> bool {
        if self.backlog.is_empty() {
            std::mem::swap(&mut self.shared.locked().waiting, &mut self.backlog);
        }
        !self.backlog.is_empty()
    }
}
