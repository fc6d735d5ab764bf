//! Proof of erasure: what of a store still opens for somebody who has its key and distrusts its index.

use crate::disk::Disk;
use crate::error::OpenError;
use crate::keys::Unlock;

/// What a scan of every slot position found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Residue {
    /// Slot positions tried.
    pub positions: u64,
    /// Heads that opened.
    pub heads: u64,
    /// Bodies that opened.
    pub bodies: u64,
}

/// Tries every slot position of every segment with the store's own key, whatever index, commit marks and slot
/// words say, and counts what opens. Writes nothing and takes no lock.
pub fn scan<D: Disk>(disk: &D, unlock: &Unlock) -> Result<Residue, OpenError> {
    let _ = (disk, unlock);
    todo!()
}
