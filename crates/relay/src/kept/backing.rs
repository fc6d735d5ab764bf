//! The storage of records under the rules of mailboxes: a disk, or memory. The rules decide in
//! memory; a *job* is the records that one decision stores and erases.

use crate::mailboxes::Job;
use crate::store::Space;
use deaddrop_shred::{CommitError, ReadError, RecordKey};
use std::future::Future;

/// A callback that is called once, after a job is durable or has failed, with the order number that
/// its first record got. It must be quick, because it may run on the thread that writes.
pub(crate) trait Done: FnOnce(Result<u64, CommitError>) + Send + 'static {}

impl<F: FnOnce(Result<u64, CommitError>) + Send + 'static> Done for F {}

/// Storage for records, each under a key of its own.
pub trait Backing: Send + Sync + 'static {
    /// Queues a job, and calls `done` with its result. Jobs take effect, and are reported, in the
    /// order of their submission.
    #[allow(private_interfaces, private_bounds, reason = "implemented and called in this crate only")]
    fn submit(&self, job: Job, done: impl Done);

    /// Returns the figures of the disk; `None` without a disk.
    fn space(&self) -> Option<Space> {
        None
    }

    /// Reads the bodies of the records with these keys. Returns one result for each key, in order.
    fn read(&self, keys: Vec<RecordKey>) -> impl Future<Output = Vec<Result<Vec<u8>, ReadError>>> + Send;
}
