//! The work of a writer: the jobs of its callers, and their commits.
//!
//! Rules S1 to S16 are the table at the end of spec/13-shred.md.

use crate::commit::{Admission, Job, order};
use crate::disk::Disk;
use crate::error::CommitError;
use crate::record::Committed;
use crate::store::Shred;
use rand_core::{CryptoRng, Rng, TryCryptoRng, TryRng};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Maximum time for which closing zeroes dead bytes.
pub const SCRUB_AT_CLOSING: Duration = Duration::from_secs(2);

pub(super) struct Shared {
    pub(super) queue: Mutex<Queue>,
    pub(super) changed: Condvar,
}

/// The jobs that callers have queued, and the state of the writer's thread.
#[derive(Default)]
pub(super) struct Queue {
    pub(super) waiting: VecDeque<Waiting>,
    pub(super) closing: bool,
    /// Whether the thread waits to be woken. Waking costs a system call, so it is done only then.
    pub(super) sleeping: bool,
    /// Whether the thread has ended.
    pub(super) gone: bool,
}

pub(super) struct Waiting {
    pub(super) job: Job,
    pub(super) done: Done,
}

/// The callback of a caller, `None` once it was called. It is called exactly once: with `Stopped`
/// if this value is dropped without an answer.
pub(super) struct Done(pub(super) Option<Callback>);

pub(super) type Callback = Box<dyn FnOnce(Result<Committed, CommitError>) + Send>;

impl Done {
    /// Calls the callback. If it panics, no other caller is affected.
    fn answer(mut self, result: Result<Committed, CommitError>) {
        self.call(result);
    }

    fn call(&mut self, result: Result<Committed, CommitError>) {
        if let Some(callback) = self.0.take() {
            // The callback is gone afterwards, so nothing sees what it left half done.
            let _ = catch_unwind(AssertUnwindSafe(|| callback(result)));
        }
    }
}

impl Drop for Done {
    fn drop(&mut self) {
        self.call(Err(CommitError::Stopped));
    }
}

impl Shared {
    pub(super) fn locked(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Moves the queued jobs into `backlog`. Waits for one until `deadline` or, if that is `None`,
    /// without limit. Returns the reason for which the waiting ended.
    fn wait(&self, backlog: &mut VecDeque<Waiting>, deadline: Option<Instant>) -> Woken {
        let mut queue = self.locked();
        loop {
            if !queue.waiting.is_empty() {
                std::mem::swap(&mut queue.waiting, backlog);
                return Woken::ByWork;
            }
            if queue.closing {
                return Woken::ToClose;
            }
            let left = deadline.map(|at| at.saturating_duration_since(Instant::now()));
            if left == Some(Duration::ZERO) {
                return Woken::ByTime;
            }
            queue.sleeping = true;
            queue = match left {
                Some(left) => {
                    self.changed.wait_timeout(queue, left).unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner),
            };
            queue.sleeping = false;
        }
    }
}

/// The source of randomness that all callers share, locked for each value drawn.
#[derive(Clone)]
pub(super) struct SharedRng(pub(super) Arc<Mutex<Box<dyn CryptoRng + Send>>>);

impl SharedRng {
    pub(super) fn locked(&self) -> MutexGuard<'_, Box<dyn CryptoRng + Send>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TryRng for SharedRng {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(self.locked().next_u32())
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(self.locked().next_u64())
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        self.locked().fill_bytes(bytes);
        Ok(())
    }
}

impl TryCryptoRng for SharedRng {}

enum Woken {
    ByWork,
    ByTime,
    ToClose,
}

/// The state of the writer's thread: the store, the queue that callers share with it, and the jobs
/// that it has taken from there.
pub(super) struct Loop<D: Disk> {
    pub(super) shred: Shred<D>,
    pub(super) shared: Arc<Shared>,
    pub(super) backlog: VecDeque<Waiting>,
    pub(super) rng: SharedRng,
}

impl<D: Disk> Loop<D> {
    pub(super) fn run(mut self, begun: Instant) -> Result<u64, CommitError> {
        let mut deadline = self.maintain(begun);
        loop {
            if self.backlog.is_empty() {
                match self.shared.wait(&mut self.backlog, deadline) {
                    Woken::ByWork => {}
                    Woken::ByTime => {
                        deadline = self.maintain(begun);
                        continue;
                    }
                    Woken::ToClose => {
                        let over = Instant::now() + SCRUB_AT_CLOSING;
                        return self.shred.scrub_all(|| Instant::now() >= over);
                    }
                }
            }
            self.shred.set_now(begun.elapsed());
            self.commit_once();
            deadline = self.maintain(begun);
        }
    }

    /// Does a part of the upkeep. Returns the time of the next part; `None` if there is none, or
    /// after a failure, which the next caller gets as its answer (S13).
    fn maintain(&mut self, begun: Instant) -> Option<Instant> {
        self.maintain_at(begun.elapsed()).map(|at| begun + at)
    }

    /// Does a part of the upkeep like [`maintain`](Self::maintain), with times since the store was
    /// opened.
    pub(super) fn maintain_at(&mut self, now: Duration) -> Option<Duration> {
        self.shred.maintain(now, &mut self.rng).ok().flatten()
    }

    /// Commits the queued jobs, as many as fit.
    pub(super) fn commit_once(&mut self) {
        let mut group = self.shred.begin();
        let mut answers = Vec::with_capacity(self.backlog.len());
        while let Some(Waiting { job, done }) = self.backlog.pop_front() {
            match self.shred.admit(&mut group, job, &mut self.rng) {
                Admission::Taken(first) => answers.push((done, Ok(first))),
                Admission::Refused(error) => answers.push((done, Err(error))),
                Admission::Later(job) | Admission::NoRoom(job) => {
                    self.backlog.push_front(Waiting { job, done });
                    break;
                }
            }
            if self.backlog.is_empty() {
                std::mem::swap(&mut self.shared.locked().waiting, &mut self.backlog);
            }
        }
        let flushed = self.shred.flush(group);
        for (done, answer) in answers {
            let first = answer.and_then(|first| flushed.map(|number| order(number, first)));
            done.answer(first.map(|first_order| Committed { first_order }));
        }
    }
}

impl<D: Disk> Drop for Loop<D> {
    /// Answers all jobs, however the thread ends.
    fn drop(&mut self) {
        let mut queue = self.shared.locked();
        queue.gone = true;
        let left = std::mem::take(&mut queue.waiting);
        drop(queue);
        for waiting in self.backlog.drain(..).chain(left) {
            waiting.done.answer(Err(CommitError::Stopped));
        }
    }
}
