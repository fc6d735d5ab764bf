//! Records, batches and entries, and their limits (S16).
//!
//! Rules S1 to S16 are the table at the end of spec/13-shred.md.

use std::fmt;
use std::time::Duration;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// Maximum number of bytes of the body of one record (S16). A store whose segments are small holds less: see
/// [`Geometry::max_body`](crate::Geometry::max_body).
pub const MAX_BODY: usize = 1 << 20;
/// Maximum number of operations (puts and erases) in one batch, and of independent erases beside it
/// (S16). A commit of several callers has at most as many in all. An order number has 12 bits for
/// the index of a put in its commit.
pub const MAX_BATCH_OPS: usize = 4_096;
/// Maximum number of body bytes in one batch, and in one commit (S16).
pub const MAX_BATCH_BYTES: usize = 8 << 20;
/// Maximum number of records that one batch may replace or erase together: the list of them (redo
/// list) has to fit into the cell that each commit writes (S6). Independent erases
/// ([`Shred::erase`](crate::Shred::erase), the second argument of
/// [`Writer::submit`](crate::Writer::submit)) do not count.
pub const MAX_REDO: usize = 400;

/// The name of a record, chosen by the caller. It is sealed on disk like everything else.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RecordKey(pub [u8; 16]);

impl fmt::Debug for RecordKey {
    /// Writes no bytes: record keys are the caller's names for things and do not belong into logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecordKey(..)")
    }
}

/// One record to store. The store encrypts the body in place. A body that was not encrypted is wiped on drop.
#[derive(Clone, PartialEq, Eq)]
pub struct Record {
    /// The name of the record. A put under a name that exists replaces the old version.
    pub key: RecordKey,
    /// Eight bytes for the caller's use. The store keeps them in memory, so reading them needs no
    /// read of the body.
    pub meta: [u8; 8],
    /// Last day of the record as the caller means it, counted from 1970-01-01; 0 = never. The store
    /// keeps the day and does not act on it: the caller erases.
    pub expiry_day: u32,
    /// The content, at most [`MAX_BODY`] bytes.
    pub body: Vec<u8>,
}

impl Drop for Record {
    fn drop(&mut self) {
        self.body.zeroize();
    }
}

impl ZeroizeOnDrop for Record {}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Record(..)")
    }
}

/// Operations that take effect together or not at all, whatever crashes.
///
/// A key may appear only once in puts and erases together. Erasing a key that is not there is not
/// an error.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// Records to store.
    pub puts: Vec<Record>,
    /// Records to erase, atomically with the puts. The keys that seal them are destroyed on the
    /// disk one commit later (S6), at the latest by [`settle`](crate::Shred::settle), which a
    /// writer calls within [`SETTLE_WITHIN`](crate::writer::SETTLE_WITHIN).
    pub erases: Vec<RecordKey>,
}

/// Answer to a batch that is on stable storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Committed {
    /// Order number of the first put of the batch; the others follow one by one. Order numbers rise
    /// over the whole life of a store and are never used twice. After a batch without puts the
    /// number means nothing.
    pub first_order: u64,
}

/// The fields of a record that are known without reading its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The name of the record.
    pub key: RecordKey,
    /// The eight bytes that the caller gave ([`Record::meta`]).
    pub meta: [u8; 8],
    /// Length of the body in bytes.
    pub length: u32,
    /// Last day of the record, as the caller gave it ([`Record::expiry_day`]).
    pub expiry_day: u32,
    /// Order number of the record: later puts have higher ones. Compaction does not change it.
    pub order: u64,
}

/// Counters about a store. They contain no record keys and no contents.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Number of live records.
    pub records: u64,
    /// Number of body bytes of live records.
    pub live_bytes: u64,
    /// Number of segments in the file, without those at its end that wait to be cut off.
    pub segments: u32,
    /// Number of segments in the file that have a header and no used slot.
    pub free_segments: u32,
    /// Maximum number of segments of the file, as it is set now.
    pub max_segments: u32,
    /// Number of slots whose record was erased, replaced or moved, and whose segments were not used
    /// again since.
    pub dead_slots: u64,
    /// Number of slots that a recovery rolled back.
    pub void_slots: u64,
    /// Number of slots that were damaged when the store was opened: bit rot. Each cost one record, if it held one. They
    /// stay counted as long as the store is open; the next opening counts only those whose segments were not used
    /// again.
    pub damaged_slots: u64,
    /// Number of records that batches of the last commit replaced or erased: the next commit
    /// destroys the keys that seal them.
    pub pending_erases: u32,
    /// Number of bytes of dead records that may still be on the disk, sealed under keys that are
    /// destroyed. After [`open_read_only`](crate::Shred::open_read_only): those that it found.
    pub dead_bytes: u64,
    /// Age of the oldest dead byte, as of the last upkeep; `None` if there is none, and after
    /// [`open_read_only`](crate::Shred::open_read_only). Bytes that were found dead at the opening
    /// count from then.
    pub oldest_dead: Option<Duration>,
    /// Whether the data key is being replaced: the old one is not destroyed yet.
    pub is_replacing_key: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_that_is_dropped_is_wiped() {
        const fn is_wiped<T: ZeroizeOnDrop>() {}
        is_wiped::<Record>();
    }
}
