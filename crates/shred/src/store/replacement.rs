//! The state of a replacement of the data key (S15).
//!
//! Rules S1 to S16 are the table at the end of spec/13-shred.md.

use crate::superblock::Superblock;

/// A replacement of the data key: the records under the old key are copied, and that key is
/// destroyed at the end.
#[derive(Debug)]
pub(super) struct Replacement {
    /// The superblock without the old key. It is sealed at the beginning, because nothing keeps the secret that opens
    /// the store.
    pub(super) last: Superblock,
    /// Number of the first commit at which all cells are under the new key.
    pub(super) cells_from: u64,
}
