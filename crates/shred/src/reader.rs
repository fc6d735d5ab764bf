//! Reading while someone else writes.

use crate::disk::Disk;
use crate::error::ReadError;
use crate::record::{Entry, RecordKey, Stats};
use std::sync::Arc;

/// A cheap, cloneable, concurrent view of a store: the published state, never a commit in the making.
#[derive(Debug)]
pub struct Reader<D> {
    disk: Arc<D>,
}

impl<D> Clone for Reader<D> {
    fn clone(&self) -> Self {
        Self { disk: Arc::clone(&self.disk) }
    }
}

impl<D: Disk> Reader<D> {
    /// The body of a record.
    pub fn read(&self, key: &RecordKey) -> Result<Vec<u8>, ReadError> {
        let _ = key;
        todo!()
    }

    /// What is known about a record without reading it.
    #[must_use]
    pub fn entry(&self, key: &RecordKey) -> Option<Entry> {
        let _ = key;
        todo!()
    }

    /// All records in commit order, as of now.
    #[must_use]
    pub fn entries(&self) -> std::vec::IntoIter<Entry> {
        todo!()
    }

    /// Counters.
    #[must_use]
    pub fn stats(&self) -> Stats {
        todo!()
    }
}
