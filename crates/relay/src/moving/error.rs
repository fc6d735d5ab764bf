//! The reasons for which a step of a move was not made. Each text says what to do.

use crate::data_dir::DataDirError;
use deaddrop_shred::{CommitError, CreateError, OpenError};
use std::io;

/// The reason for which a step of a move was not made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MoveError {
    /// A relay's directory could not be used.
    #[error(transparent)]
    Directory(#[from] DataDirError),
    /// A store could not be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// A store could not be made.
    #[error(transparent)]
    Create(#[from] CreateError),
    /// A store could not be written.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// The text is no transfer key, or was changed on its way.
    #[error("this is not a whole transfer key; copy all of the line that `import --prepare` printed")]
    NotAKey,
    /// The file `moved.json` is damaged.
    #[error("moved.json is damaged, and the relay is not served without it; restore that file")]
    BadMark,
    /// The relay was exported to another key before.
    #[error(
        "this relay was exported to another key already ({hash}, for {url}). If that file was or is imported, its host serves the \
         same blobs as the next one would: messages come twice, and blobs that were acked at one host stay at the other. Export to \
         the same key, or, if you are sure that no host has imported the first file and that its `import.key` is deleted, add \
         --abandon {hash}"
    )]
    OtherTarget {
        /// Text of the hash of the earlier key.
        hash: String,
        /// URL of the earlier key.
        url: String,
    },
    /// The option `--abandon` names another key than the one to which the relay was exported.
    #[error("--abandon names another key than the one to which this relay was exported; nothing was changed")]
    NotAbandoned,
    /// The store of this directory was destroyed after the move.
    #[error("the store of this relay was destroyed after its move: there is nothing to export")]
    Destroyed,
    /// The relay was not exported.
    #[error("this relay was not exported: there is nothing to confirm")]
    NotMoved,
    /// The receipt belongs to another relay or another key.
    #[error(
        "this is not the receipt of this move: nothing was destroyed. `deaddrop-relay import --receipt --data DIR` on the new host \
         prints it"
    )]
    WrongReceipt,
    /// The relay is marked as moved, and the file was not made.
    #[error(
        "this relay has moved now, and the file was not made: {reason}. Its store is whole. Mend the cause, and run the same command \
         again with the same key; `serve` serves the new URL alone until then"
    )]
    Unfinished {
        /// Cause of the failure.
        reason: Box<MoveError>,
    },
    /// The disk cannot read some records.
    #[error(
        "the disk cannot read {records} records, which may be a passing fault: try again, or copy the directory to a sound disk. \
         --skip-unreadable exports the others, and what these hold is lost"
    )]
    Unreadable {
        /// Number of records.
        records: u64,
    },
    /// The store's records of the key of the index cannot be read.
    #[error(
        "the store's records of the key of the index cannot be read: without them no mailbox would be found, so nothing was changed"
    )]
    LostIndexKey,
    /// There is a file of this name already.
    #[error(
        "the file for the export exists already. If it was made by `export`, it is whole: it gets its name when it is. Take it to \
         the new host, or remove it to export again"
    )]
    FileExists,
    /// The file system has too little free space.
    #[error(
        "the file system has {free_mib} MiB of free space, and this takes about {needed_mib} MiB; free some space"
    )]
    Space {
        /// MiB of free space.
        free_mib: u64,
        /// MiB that are needed.
        needed_mib: u64,
    },
    /// The directory was not prepared for an import.
    #[error(
        "this directory was not prepared for an import; run `deaddrop-relay import --prepare --url URL --data DIR` first, with a new \
         directory"
    )]
    NotPrepared,
    /// The directory was prepared for another URL.
    #[error("this directory was prepared for another URL; remove it, or choose another one")]
    OtherUrl,
    /// The one-time key is damaged.
    #[error("import.key is damaged; remove this directory, and begin with `import --prepare`")]
    BadSecret,
    /// The import was made before.
    #[error(
        "the import into this directory is done; its one-time key is destroyed, so that nothing can be imported again. `import \
         --receipt` shows the receipt"
    )]
    AlreadyImported,
    /// Another process is importing into this directory.
    #[error("another process is importing into this directory; wait for it")]
    InUse,
    /// The file is no transfer file.
    #[error("this is not a file that `export` made")]
    NotATransferFile,
    /// The file is sealed to another key.
    #[error("this file is sealed to another key than the one of this directory")]
    OtherKey,
    /// The file is damaged or cut off.
    #[error(
        "the file is damaged or not whole, so nothing of it was used; copy it again, or export it again to the same key"
    )]
    Damaged,
    /// The file has a form that this version does not know.
    #[error("the file was made by another version of this program; use the same version at both hosts")]
    NewerVersion,
    /// The file was sealed as it must be, and its contents are malformed.
    #[error(
        "the contents of the file are malformed, so nothing of it was used; export again with a sound program"
    )]
    Malformed,
    /// The new store has no room for all records.
    #[error(
        "the store or its disk has no room for all records; free some space, or allow a larger store with --max-mib"
    )]
    StoreFull,
    /// The disk is full.
    #[error("the disk is full; free some space, and run the command again")]
    Full,
    /// The system refused to read or write.
    #[error("a file cannot be read or written; check the disk and the permissions")]
    Io(#[source] io::Error),
}

impl From<io::Error> for MoveError {
    fn from(error: io::Error) -> Self {
        use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
        match error.kind() {
            StorageFull | QuotaExceeded | FileTooLarge => Self::Full,
            _ => Self::Io(error),
        }
    }
}
