//! Looking at a store that another process may be changing (S14).
//!
//! Rules S1 to S16 are the table at the end of spec/13-shred.md.

use crate::bytes::PAGE;
use crate::disk::Disk;
use crate::geometry::{CELLS, CELLS_AT};

/// The parts of the disk that change with each commit. If two readings are equal, the store was the
/// same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Moment {
    superblock: Vec<u8>,
    cells: Vec<u8>,
    length: Option<u64>,
}

impl Moment {
    /// Reads the parts. An unreadable part is empty here: recovery reports it.
    pub(super) fn now(disk: &impl Disk) -> Self {
        let read = |at, length| {
            let mut bytes = vec![0; length];
            disk.read_at(at, &mut bytes).map(|()| bytes).unwrap_or_default()
        };
        let cells = read(CELLS_AT, PAGE * usize::try_from(CELLS).unwrap_or(0));
        Self { superblock: read(0, 2 * PAGE), cells, length: disk.length().ok() }
    }

    pub(super) fn has_superblock_of(&self, other: &Self) -> bool {
        self.superblock == other.superblock
    }

    /// Whether both moments have the same keys and the same length, so that only commits have come
    /// between.
    pub(super) fn has_frame_of(&self, other: &Self) -> bool {
        self.has_superblock_of(other) && self.length == other.length
    }
}
