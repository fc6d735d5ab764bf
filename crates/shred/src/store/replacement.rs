//! The state of a replacement of the data key (S15).

use crate::superblock::Superblock;

/// The data key is being replaced: what was sealed under the old one is copied, and the old one is destroyed at last.
#[derive(Debug)]
pub(super) struct Replacement {
    /// The superblock without the old key. It is sealed at the beginning, because nothing keeps what opens the store.
    pub(super) last: Superblock,
    /// The commit from which on all cells are under the new key.
    pub(super) cells_from: u64,
}
