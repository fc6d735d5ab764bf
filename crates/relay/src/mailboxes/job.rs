//! Jobs: the writes that the rules of mailboxes decide, and the place of the records.

use deaddrop_shred::{Record, RecordKey};

/// Records to write and to erase in one commit.
#[derive(Debug, Default)]
pub(crate) struct Job {
    /// The records to write.
    pub(crate) puts: Vec<Record>,
    /// The records to erase.
    pub(crate) erases: Vec<RecordKey>,
}

/// The place where the blobs of a mailbox are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Medium {
    /// The store that holds the records of mailboxes.
    Lasting,
    /// Memory, even when the records of mailboxes are on a disk.
    Volatile,
}
