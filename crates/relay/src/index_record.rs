//! The key of the index as a record of the store (spec/12-relay.md section 3).
//!
//! The key of the index derives from the store key. The names of mailboxes depend on it, and the
//! relay does not know the ids behind the names: a change of the store key stores the former key of
//! the index. Two records hold it, because without it no right finds its mailbox.

use crate::mailboxes::record;
use crate::names::{IndexKey, StoreKey};
use deaddrop_shred::{Disk, Reader, Record};

/// The error of a store whose records of the index key cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LostIndexKey;

/// Makes the records that hold the key of the index.
pub(crate) fn index_records(key: &IndexKey) -> Vec<Record> {
    record::INDEX_KEYS.map(|at| record::index_key(at, key)).into()
}

/// Whether the store holds the key of the index.
pub(crate) fn is_stored<D: Disk>(reader: &Reader<D>) -> bool {
    record::INDEX_KEYS.iter().any(|at| reader.entry(at).is_some())
}

/// Returns the key of the index: the one that the store holds, or else the one of the store key.
/// Fails if the store holds one that cannot be read.
pub(crate) fn find<D: Disk>(reader: &Reader<D>, key: &StoreKey) -> Result<IndexKey, LostIndexKey> {
    if !is_stored(reader) {
        return Ok(key.index_key());
    }
    let read = |at| reader.read_secret(at).ok();
    // a record of the key of the index holds 32 bytes.
    let stored = record::INDEX_KEYS.iter().filter_map(read).find_map(|body| Some(*body.first_chunk::<32>()?));
    stored.map(IndexKey::from_bytes).ok_or(LostIndexKey)
}
