//! The state of a replacement of the data key (S15).

use crate::superblock::Superblock;

/// A replacement of the data key: the records under the old one are copied, and the old one is destroyed at last.
#[derive(Debug)]
pub(super) struct Replacement {
    /// The superblock without the old key. It is sealed at the beginning, because nothing keeps the secret that opens
    /// the store.
    pub(super) last: Superblock,
    /// The number of the commit from which on all cells are under the new key.
    pub(super) cells_from: u64,
}
