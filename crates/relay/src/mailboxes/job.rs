//! Jobs: the writes that the rules decide, and their place.

use deaddrop_shred::{Record, RecordKey};

/// Records to write and to erase in one commit.
#[derive(Debug, Default)]
pub(crate) struct Job {
    /// The records to write.
    pub(crate) puts: Vec<Record>,
    /// The records to erase.
    pub(crate) erases: Vec<RecordKey>,
}

/// The place of a mailbox's blobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Medium {
    /// The store of the mailboxes.
    Lasting,
    /// Memory, also when the mailboxes are on a disk.
    Volatile,
}
