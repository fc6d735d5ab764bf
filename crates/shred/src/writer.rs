//! Group commit: one thread that writes for everyone (S1).

use crate::commit::{Admission, Job, order};
use crate::disk::Disk;
use crate::error::CommitError;
use crate::reader::Reader;
use crate::record::{Batch, Committed, Record, RecordKey};
use crate::store::Shred;
use rand_core::{CryptoRng, Rng, TryCryptoRng, TryRng};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Longest time between a commit and the destruction of the keys it replaced or erased, when no other
/// commit comes first (S6).
pub const SETTLE_WITHIN: Duration = Duration::from_millis(50);
/// Longest time for which closing zeroes what is dead.
pub const SCRUB_AT_CLOSING: Duration = Duration::from_secs(2);

/// Owns a store on a thread of its own and commits whatever has queued up, one flush at a time.
/// Share it by reference (or `Arc`). Dropping it commits what is queued, settles and joins the thread.
///
/// The queue has no bound of its own: its callers bound the jobs in flight.
pub struct Writer<D: Disk + 'static> {
    reader: Reader<D>,
    shared: Arc<Shared>,
    rng: SharedRng,
    names_body: fn(&Record) -> bool,
    thread: Option<JoinHandle<Result<u64, CommitError>>>,
}

struct Shared {
    queue: Mutex<Queue>,
    changed: Condvar,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Waiting>,
    closing: bool,
    /// The thread waits to be woken. Waking costs a system call, so it is done only then.
    sleeping: bool,
    /// The thread is gone.
    gone: bool,
}

struct Waiting {
    job: Job,
    done: Done,
}

/// The callback of a caller. It is called once: with `Stopped` if it is dropped without an answer.
struct Done(Option<Callback>);

type Callback = Box<dyn FnOnce(Result<Committed, CommitError>) + Send>;

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

impl<D: Disk + 'static> fmt::Debug for Writer<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Writer(..)")
    }
}

impl<D: Disk + 'static> Writer<D> {
    /// Starts the thread. `rng` is read once for each batch that stores something.
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
            Loop { shred, shared: theirs, backlog: VecDeque::new(), rng: theirs_rng, begun: Instant::now() }
                .run()
        })?;
        Ok(Self { reader, shared, rng, names_body, thread: Some(thread) })
    }

    /// Queues a batch and, beside it, records to erase at once, each on its own account.
    /// `done` is called on the writer's thread (for what is refused before queueing: on the caller's), after all
    /// of it is on stable storage and the erased keys are destroyed; calls come in the order of submission.
    /// A callback must be quick and must not wait for this writer. If it panics, the writer goes on.
    /// Bodies are sealed on the calling thread.
    pub fn submit(
        &self,
        mut batch: Batch,
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
            Err(error) => {
                batch.wipe();
                return done(Err(error));
            }
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

    /// Commits a batch and waits for it.
    ///
    /// # Errors
    /// [`CommitError`]; except after `Stopped` nothing has changed.
    pub fn commit(&self, batch: Batch) -> Result<Committed, CommitError> {
        self.submit_and_wait(batch, Vec::new())
    }

    /// Erases records at once and waits for it.
    ///
    /// # Errors
    /// [`CommitError`]; never `Full`.
    pub fn erase(&self, keys: Vec<RecordKey>) -> Result<(), CommitError> {
        self.submit_and_wait(Batch::default(), keys).map(|_| ())
    }

    /// A handle for reading from any thread.
    #[must_use]
    pub fn reader(&self) -> Reader<D> {
        self.reader.clone()
    }

    /// Commits what is queued, settles, zeroes what is dead for at most [`SCRUB_AT_CLOSING`], and joins the thread. Returns the number
    /// of dead bytes that are left, whose keys are destroyed; the next opening zeroes them.
    ///
    /// # Errors
    /// `Stopped` when the disk has failed.
    pub fn close(mut self) -> Result<u64, CommitError> {
        self.join()
    }

    fn submit_and_wait(&self, batch: Batch, erases: Vec<RecordKey>) -> Result<Committed, CommitError> {
        let (sender, receiver) = mpsc::sync_channel(1);
        self.submit(batch, erases, move |result| {
            let _ = sender.send(result);
        });
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

impl Shared {
    fn locked(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Moves what has queued up over; waits for it until `deadline` or, without one, for as long as it takes.
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

/// The source of randomness of all callers, locked for each value.
#[derive(Clone)]
struct SharedRng(Arc<Mutex<Box<dyn CryptoRng + Send>>>);

impl SharedRng {
    fn locked(&self) -> MutexGuard<'_, Box<dyn CryptoRng + Send>> {
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

/// The writer's thread.
struct Loop<D: Disk> {
    shred: Shred<D>,
    shared: Arc<Shared>,
    backlog: VecDeque<Waiting>,
    rng: SharedRng,
    begun: Instant,
}

impl<D: Disk> Loop<D> {
    fn run(mut self) -> Result<u64, CommitError> {
        let mut deadline = self.maintain();
        loop {
            if self.backlog.is_empty() {
                match self.shared.wait(&mut self.backlog, deadline) {
                    Woken::ByWork => {}
                    Woken::ByTime => {
                        deadline = self.maintain();
                        continue;
                    }
                    Woken::ToClose => {
                        let over = Instant::now() + SCRUB_AT_CLOSING;
                        return self.shred.scrub_all(|| Instant::now() >= over);
                    }
                }
            }
            self.shred.set_now(self.begun.elapsed());
            self.commit_once();
            deadline = self.maintain();
        }
    }

    /// Does a part of the upkeep. Returns when to do the next. S13: a failure is told to the caller that asks next.
    fn maintain(&mut self) -> Option<Instant> {
        let next = self.shred.maintain(self.begun.elapsed(), &mut self.rng).ok().flatten();
        next.map(|at| self.begun + at)
    }

    /// One commit of everything that has queued up and fits.
    fn commit_once(&mut self) {
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
