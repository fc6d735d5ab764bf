//! The store itself: create, open, commit, erase, settle.

use crate::disk::Disk;
use crate::error::{CommitError, CreateError, OpenError, ReadError};
use crate::geometry::Geometry;
use crate::keys::Unlock;
use crate::reader::Reader;
use crate::record::{Batch, Committed, Entry, RecordKey, Stats};
use rand_core::CryptoRng;

/// A store opened for writing: the one writer of rule S1.
#[derive(Debug)]
pub struct Shred<D> {
    reader: Reader<D>,
}

impl<D: Disk> Shred<D> {
    /// Lays a new, empty store on an empty disk and opens it.
    pub fn create(
        disk: D,
        geometry: &Geometry,
        unlock: &Unlock,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Self, CreateError> {
        let _ = (disk, geometry, unlock, rng);
        todo!()
    }

    /// Opens a store, finishing or undoing what a crash interrupted (S5-S7).
    pub fn open(disk: D, unlock: &Unlock, rng: &mut (impl CryptoRng + ?Sized)) -> Result<Self, OpenError> {
        let _ = (disk, unlock, rng);
        todo!()
    }

    /// Looks into a store without writing a byte or taking a lock; another process may be serving it (S14).
    /// Shows the state at some moment during the call.
    pub fn open_read_only(disk: D, unlock: &Unlock) -> Result<Reader<D>, OpenError> {
        let _ = (disk, unlock);
        todo!()
    }

    /// Commits a batch: all of it is on stable storage when this returns, and after a crash before
    /// that all of it or nothing of it.
    pub fn commit(
        &mut self,
        batch: Batch,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Committed, CommitError> {
        let _ = (batch, rng);
        todo!()
    }

    /// Erases records, each on its own account: when this returns their keys are destroyed on stable storage.
    /// A crash before that may have erased some. Keys that are not there are passed over.
    pub fn erase(&mut self, keys: &[RecordKey]) -> Result<(), CommitError> {
        let _ = keys;
        todo!()
    }

    /// Destroys the keys of everything that committed batches replaced or erased, and certifies the last
    /// commit, by one more (empty) commit. Does nothing when there is nothing to settle.
    pub fn settle(&mut self) -> Result<(), CommitError> {
        todo!()
    }

    /// The body of a record.
    pub fn read(&self, key: &RecordKey) -> Result<Vec<u8>, ReadError> {
        self.reader.read(key)
    }

    /// What is known about a record without reading it.
    #[must_use]
    pub fn entry(&self, key: &RecordKey) -> Option<Entry> {
        self.reader.entry(key)
    }

    /// All records in commit order, as of now.
    #[must_use]
    pub fn entries(&self) -> std::vec::IntoIter<Entry> {
        self.reader.entries()
    }

    /// Counters.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.reader.stats()
    }

    /// A handle for reading from other threads while this one writes.
    #[must_use]
    pub fn reader(&self) -> Reader<D> {
        self.reader.clone()
    }
}
