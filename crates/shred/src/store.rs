//! The store itself: create, open, commit, erase, settle.
//!
//! Rules S1 to S16 are the table at the end of spec/13-shred.md.

mod change;
mod compact;
mod compaction;
mod flush;
mod length;
mod look;
mod maintain;
mod open;
mod renew;
mod replacement;
mod scrub;
mod space;

use crate::commit::{Admission, Job, Random, order};
use crate::disk::Disk;
use crate::error::{CommitError, ReadError};
use crate::geometry::DeadRecord;
use crate::reader::{Core, Reader};
use crate::record::{Batch, Committed, Entry, MAX_BATCH_OPS, RecordKey, Stats};
use crate::segments::Segments;
use crate::superblock::Superblock;
use crate::upkeep::Upkeep;
use compaction::{Compaction, Gate};
use length::{Cut, Growth};
use rand_core::CryptoRng;
use replacement::Replacement;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use zeroize::Zeroizing;

/// A store opened for writing: the one writer of rule S1.
#[derive(Debug)]
pub struct Shred<D> {
    reader: Reader<D>,
    block: Superblock,
    segments: Segments,
    open_segment: Option<u32>,
    /// Number of the next commit.
    next: u64,
    /// The records that batches of the last commit replaced or erased. The next commit destroys
    /// their keys (S6).
    pending: Vec<DeadRecord>,
    /// Whether the last commit is an empty one, which proves all commits before it complete.
    settled: bool,
    /// Maximum number of segments of the file.
    max_segments: u32,
    /// The segment that is being added; `None` if none is.
    growth: Option<Growth>,
    /// Time since the opening at which the volume was last found full; `None` if it may have space:
    /// nothing failed since a segment was added, the file was cut or the limit was set.
    full_at: Option<Duration>,
    /// The end of the file that is being given back to the file system; `None` if none is.
    cut: Option<Cut>,
    /// Whether the last commit says that no dead byte is left.
    is_clean: bool,
    /// Whether the disk has failed: then nothing is written any more (S13).
    stopped: bool,
    pub(crate) upkeep: Upkeep,
    /// The segment that is being emptied; `None` if none is.
    compaction: Option<Compaction>,
    gate: Option<Gate>,
    /// The replacement of the data key that is under way; `None` if none is.
    replacement: Option<Replacement>,
}

impl<D: Disk> Shred<D> {
    /// Commits a batch: all of it is on stable storage when this returns, and after a crash before
    /// that all of it or nothing of it.
    ///
    /// # Errors
    /// Fails with [`CommitError`]. Except after `Stopped`, nothing has changed.
    pub fn commit(
        &mut self,
        batch: Batch,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Committed, CommitError> {
        let core = self.reader.core();
        let job = Job::seal(batch, Vec::new(), &core.layout, &core.keys(), rng)?;
        self.commit_alone(job, rng)
    }

    /// Erases the records of these names, each independent of the others: when this returns, the
    /// keys that seal them are destroyed on stable storage, and those of the versions that were
    /// replaced before. A crash before that may have erased some. Names that are absent or repeated
    /// are passed over.
    ///
    /// # Errors
    /// Fails with [`CommitError`], never with `Full`; with `TooLarge` if there are more than
    /// [`MAX_BATCH_OPS`] names.
    pub fn erase(&mut self, keys: &[RecordKey]) -> Result<(), CommitError> {
        if keys.len() > MAX_BATCH_OPS {
            return Err(CommitError::TooLarge);
        }
        let core = self.reader.core();
        let job = Job::seal_with(Batch::default(), keys.to_vec(), &Random::zeros(0), &core.keys(), |_| false);
        if self.stopped {
            return Err(CommitError::Stopped);
        }
        let mut group = self.begin();
        // Erasing begins no segment.
        let core = self.reader.core();
        let admission = group.admit(job, &core.published(), &core.layout, &self.segments, 0);
        match admission {
            Admission::Taken(_) => self.flush(group).map(|_| ()),
            Admission::Refused(error) => Err(error),
            Admission::Later(_) | Admission::NoRoom(_) => Err(CommitError::TooLarge),
        }
    }

    /// Destroys the keys of all records that committed batches replaced or erased, and proves the
    /// last commit complete, by one more (empty) commit. Does nothing when that is done already.
    ///
    /// # Errors
    /// Fails with `Stopped` when the disk has failed.
    pub fn settle(&mut self) -> Result<(), CommitError> {
        if self.stopped {
            return Err(CommitError::Stopped);
        }
        if self.settled {
            return Ok(());
        }
        self.commit_empty()
    }

    /// Makes a commit without puts and erases. It destroys what the last commit replaced or erased.
    pub(crate) fn commit_empty(&mut self) -> Result<(), CommitError> {
        let mut group = self.begin();
        group.forced = true;
        self.flush(group).map(|_| ())
    }

    /// Returns the body of a record, in memory that is not wiped when it is freed.
    ///
    /// # Errors
    /// Fails with [`ReadError`] when the record is absent or damaged, or the disk fails. A damaged record affects no
    /// other.
    pub fn read(&self, key: &RecordKey) -> Result<Vec<u8>, ReadError> {
        self.reader.read(key)
    }

    /// Returns the body of a record, wiped when it is dropped. No other copy of it was made.
    ///
    /// # Errors
    /// Fails with [`ReadError`] when the record is absent or damaged, or the disk fails. A damaged record affects no
    /// other.
    pub fn read_secret(&self, key: &RecordKey) -> Result<Zeroizing<Vec<u8>>, ReadError> {
        self.reader.read_secret(key)
    }

    /// Returns the entry of a record without reading its body; `None` if there is no such record.
    #[must_use]
    pub fn entry(&self, key: &RecordKey) -> Option<Entry> {
        self.reader.entry(key)
    }

    /// Returns all records as of now, by their order numbers ([`Entry::order`]), lowest first.
    #[must_use]
    pub fn entries(&self) -> std::vec::IntoIter<Entry> {
        self.reader.entries()
    }

    /// Returns the counters of the store.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.reader.stats()
    }

    /// Returns a handle for reading from other threads while this one writes.
    #[must_use]
    pub fn reader(&self) -> Reader<D> {
        self.reader.clone()
    }

    pub(crate) fn is_settled(&self) -> bool {
        self.settled || self.stopped
    }

    fn commit_alone(
        &mut self,
        job: Job,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Committed, CommitError> {
        let mut group = self.begin();
        match self.admit(&mut group, job, rng) {
            Admission::Taken(first) => {
                self.flush(group).map(|number| Committed { first_order: order(number, first) })
            }
            Admission::Refused(error) => Err(error),
            // An empty commit has room for any job.
            Admission::Later(_) | Admission::NoRoom(_) => Err(CommitError::Full),
        }
    }

    /// Makes a commit without puts and erases, whose cell says that no dead byte is left on the
    /// disk.
    pub(crate) fn commit_clean(&mut self) -> Result<(), CommitError> {
        let mut group = self.begin();
        (group.forced, group.clean) = (true, true);
        self.flush(group).map(|_| ())
    }

    /// Updates the number and the age of dead bytes that readers see in the counters.
    pub(crate) fn publish_debt(&mut self) {
        let (bytes, oldest) = self.upkeep.debt();
        let mut index = self.reader.core().publishing();
        (index.counts.dead_bytes, index.counts.oldest_dead) = (bytes, oldest);
    }

    /// Returns the result of a disk operation, and stops the store after a failure: then nothing is written any more
    /// (S13).
    pub(crate) fn or_stop<T>(&mut self, done: io::Result<T>) -> Result<T, CommitError> {
        done.map_err(|_| {
            self.stopped = true;
            CommitError::Stopped
        })
    }

    pub(crate) fn core(&self) -> &Arc<Core<D>> {
        self.reader.core()
    }

    pub(crate) fn segments(&self) -> &Segments {
        &self.segments
    }

    pub(crate) fn next_number(&self) -> u64 {
        self.next
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped
    }
}
