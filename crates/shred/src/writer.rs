//! Group commit: one thread that writes for everyone (S1).
//!
//! Rules S1 to S16 are the table at the end of spec/13-shred.md.

#[cfg(any(test, feature = "testing"))]
mod steps;
mod work;

use crate::commit::Job;
use crate::disk::Disk;
use crate::error::CommitError;
use crate::reader::Reader;
use crate::record::{Batch, Committed, Record, RecordKey};
use crate::store::Shred;
use rand_core::CryptoRng;
use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use work::{Done, Loop, Shared, SharedRng, Waiting};

#[cfg(any(test, feature = "testing"))]
pub use steps::WriterSteps;
pub use work::SCRUB_AT_CLOSING;

/// Maximum time between a commit and the destruction of the keys of the records that it replaced or
/// erased, when no other commit comes first (S6).
pub const SETTLE_WITHIN: Duration = Duration::from_millis(50);

/// A store on a thread of its own, which commits the queued jobs of many callers, one flush at a
/// time. Share it by reference (or `Arc`). Dropping it does the same as [`close`](Self::close), and
/// tells no failure.
///
/// The queue has no bound of its own: the callers must bound their jobs in flight.
pub struct Writer<D: Disk + 'static> {
    reader: Reader<D>,
    shared: Arc<Shared>,
    rng: SharedRng,
    names_body: fn(&Record) -> bool,
    thread: Option<JoinHandle<Result<u64, CommitError>>>,
    #[cfg(any(test, feature = "testing"))]
    steps: Option<WriterSteps<D>>,
}

impl<D: Disk + 'static> fmt::Debug for Writer<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Writer(..)")
    }
}

impl<D: Disk + 'static> Writer<D> {
    /// Starts the thread. `rng` is read once for each batch that stores something, and for each
    /// step of upkeep that copies records.
    ///
    /// # Errors
    /// Fails if the system gives no thread.
    pub fn start(shred: Shred<D>, rng: impl CryptoRng + Send + 'static) -> std::io::Result<Self> {
        Self::start_with(shred, rng, |_| false)
    }

    /// Starts the thread of a store in which some keys are collision-resistant hashes of their bodies: `names_body` says of
    /// which records this is true. Their salts depend on the body through the key, so that sealing hashes it no second time.
    ///
    /// # Errors
    /// Fails if the system gives no thread.
    pub fn start_with(
        shred: Shred<D>,
        rng: impl CryptoRng + Send + 'static,
        names_body: fn(&Record) -> bool,
    ) -> std::io::Result<Self> {
        let reader = shred.reader();
        let shared = Arc::new(Shared { queue: Mutex::default(), changed: Condvar::new() });
        let theirs = Arc::clone(&shared);
        let rng = SharedRng(Arc::new(Mutex::new(Box::new(rng))));
        let theirs_rng = rng.clone();
        let thread = std::thread::Builder::new().name("shred-writer".to_owned()).spawn(move || {
            Loop { shred, shared: theirs, backlog: VecDeque::new(), rng: theirs_rng }.run(Instant::now())
        })?;
        Ok(Self {
            reader,
            shared,
            rng,
            names_body,
            thread: Some(thread),
            #[cfg(any(test, feature = "testing"))]
            steps: None,
        })
    }

    /// Makes a writer like [`start_with`](Self::start_with), but without a thread. Submitted jobs wait for
    /// [`WriterSteps::step`]; [`commit`](Self::commit) and [`erase`](Self::erase) write the queue themselves. Dropping
    /// the writer writes nothing: queued jobs are lost, as in a crash.
    #[cfg(any(test, feature = "testing"))]
    pub fn without_thread(
        shred: Shred<D>,
        rng: impl CryptoRng + Send + 'static,
        names_body: fn(&Record) -> bool,
    ) -> Self {
        let reader = shred.reader();
        let shared = Arc::new(Shared { queue: Mutex::default(), changed: Condvar::new() });
        let rng = SharedRng(Arc::new(Mutex::new(Box::new(rng))));
        let work = Loop { shred, shared: Arc::clone(&shared), backlog: VecDeque::new(), rng: rng.clone() };
        Self { reader, shared, rng, names_body, thread: None, steps: Some(WriterSteps::of(work)) }
    }

    /// Returns the steps of a writer without a thread; `None` if the writer has one.
    #[cfg(any(test, feature = "testing"))]
    #[must_use]
    pub fn steps(&self) -> Option<WriterSteps<D>> {
        self.steps.clone()
    }

    /// Queues a batch and, beside it, records to erase at once, each independent of the others. An
    /// erase of a record that the batch stores or erases has no effect. `done` is called on the
    /// writer's thread (for a job that is refused before queueing: on the caller's), after all of
    /// it is on stable storage and the keys that seal the records of `immediate_erases` are
    /// destroyed, or after it failed. The calls for queued jobs come in the order of submission. A
    /// callback must be quick and must not wait for this writer. If it panics, the writer
    /// continues. Bodies are sealed on the calling thread.
    pub fn submit(
        &self,
        batch: Batch,
        immediate_erases: Vec<RecordKey>,
        done: impl FnOnce(Result<Committed, CommitError>) + Send + 'static,
    ) {
        let core = self.reader.core();
        let random = {
            let mut rng = self.rng.locked();
            Job::draw(&batch, &immediate_erases, &core.layout, rng.as_mut())
        };
        let random = match random {
            Ok(random) => random,
            Err(error) => return done(Err(error)),
        };
        let job = Job::seal_with(batch, immediate_erases, &random, &core.keys(), self.names_body);
        let mut queue = self.shared.locked();
        if queue.gone {
            drop(queue);
            return done(Err(CommitError::Stopped));
        }
        queue.waiting.push_back(Waiting { job, done: Done(Some(Box::new(done))) });
        let wake = std::mem::take(&mut queue.sleeping);
        drop(queue);
        if wake {
            self.shared.changed.notify_one();
        }
    }

    /// Commits a batch and waits until it is on stable storage.
    ///
    /// # Errors
    /// Fails with [`CommitError`]. Except after `Stopped`, nothing has changed.
    pub fn commit(&self, batch: Batch) -> Result<Committed, CommitError> {
        self.submit_and_wait(batch, Vec::new())
    }

    /// Erases the records of these names at once, and waits until the keys that seal them are
    /// destroyed.
    ///
    /// # Errors
    /// Fails with [`CommitError`], never with `Full`; with `TooLarge` if there are more than
    /// [`MAX_BATCH_OPS`](crate::record::MAX_BATCH_OPS) names.
    pub fn erase(&self, keys: Vec<RecordKey>) -> Result<(), CommitError> {
        self.submit_and_wait(Batch::default(), keys).map(|_| ())
    }

    /// Returns a handle for reading from any thread.
    #[must_use]
    pub fn reader(&self) -> Reader<D> {
        self.reader.clone()
    }

    /// Commits the queued jobs, settles ([`Shred::settle`]), zeroes dead bytes for at most
    /// [`SCRUB_AT_CLOSING`], and joins the thread. Returns the number of dead bytes that are left,
    /// whose keys are destroyed; the upkeep after the next opening zeroes them. A writer without a
    /// thread (for tests) zeroes all of them, without a limit of time.
    ///
    /// # Errors
    /// Fails with `Stopped` when the disk has failed.
    pub fn close(mut self) -> Result<u64, CommitError> {
        #[cfg(any(test, feature = "testing"))]
        if let Some(steps) = self.steps.take() {
            return steps.close();
        }
        self.join()
    }

    fn submit_and_wait(&self, batch: Batch, erases: Vec<RecordKey>) -> Result<Committed, CommitError> {
        let (sender, receiver) = mpsc::sync_channel(1);
        self.submit(batch, erases, move |result| {
            let _ = sender.send(result);
        });
        #[cfg(any(test, feature = "testing"))]
        if let Some(steps) = &self.steps {
            steps.write_queue();
        }
        receiver.recv().unwrap_or(Err(CommitError::Stopped))
    }

    fn join(&mut self) -> Result<u64, CommitError> {
        let Some(thread) = self.thread.take() else { return Ok(0) };
        self.shared.locked().closing = true;
        self.shared.changed.notify_one();
        // Dropped by a callback: the thread cannot wait for itself, and ends by itself.
        if thread.thread().id() == std::thread::current().id() {
            return Ok(0);
        }
        thread.join().unwrap_or(Err(CommitError::Stopped))
    }
}

impl<D: Disk + 'static> Drop for Writer<D> {
    fn drop(&mut self) {
        let _ = self.join();
    }
}
