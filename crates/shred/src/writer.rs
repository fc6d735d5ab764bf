//! Group commit: one thread that writes for everyone (S1).

use crate::disk::Disk;
use crate::error::CommitError;
use crate::reader::Reader;
use crate::record::{Batch, Committed, RecordKey};
use crate::store::Shred;
use rand_core::CryptoRng;
use std::time::Duration;

/// Longest time between a commit and the destruction of the keys it replaced or erased, when no other
/// commit comes first (S6).
pub const SETTLE_WITHIN: Duration = Duration::from_millis(50);

/// Owns a store on a thread of its own and commits whatever has queued up, one flush at a time.
/// Share it by reference (or `Arc`). Dropping it commits what is queued, settles and joins the thread.
#[derive(Debug)]
pub struct Writer<D: Disk + 'static> {
    reader: Reader<D>,
}

impl<D: Disk + 'static> Writer<D> {
    /// Starts the thread.
    pub fn start(shred: Shred<D>, rng: impl CryptoRng + Send + 'static) -> std::io::Result<Self> {
        let _ = (shred, rng);
        todo!()
    }

    /// Queues a batch and, beside it, records to erase at once, each on its own account.
    /// `done` is called on the writer's thread (for refusals that need no disk: on the caller's), after all of
    /// it is on stable storage and the erased keys are destroyed; calls come in the order of submission.
    /// It must be quick and must not wait for this writer.
    /// Bodies are sealed on the calling thread.
    pub fn submit(
        &self,
        batch: Batch,
        immediate_erases: Vec<RecordKey>,
        done: impl FnOnce(Result<Committed, CommitError>) + Send + 'static,
    ) {
        let _ = (batch, immediate_erases, done);
        todo!()
    }

    /// Commits a batch and waits for it.
    pub fn commit(&self, batch: Batch) -> Result<Committed, CommitError> {
        let _ = batch;
        todo!()
    }

    /// Erases records at once and waits for it.
    pub fn erase(&self, keys: Vec<RecordKey>) -> Result<(), CommitError> {
        let _ = keys;
        todo!()
    }

    /// A handle for reading from any thread.
    #[must_use]
    pub fn reader(&self) -> Reader<D> {
        self.reader.clone()
    }

    /// Commits what is queued, settles, and joins the thread.
    pub fn close(self) -> Result<(), CommitError> {
        todo!()
    }
}
