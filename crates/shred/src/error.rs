//! Errors: one enum for each kind of call, one variant for each case in which a caller acts
//! differently.
//!
//! Rules S1 to S16 are the table at the end of spec/13-shred.md.

/// The reason for which a store was not created. Nothing that was there before has been touched,
/// except a file that had the name of the store with `.new` appended: it may be gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CreateError {
    /// Something has this name already, or the disk is not empty.
    #[error("there is something under this name already; open it or choose another name")]
    Exists,
    /// The geometry or the passphrase cost is outside its bounds, or this machine does not have the
    /// memory that the passphrase takes.
    #[error("the sizes asked for are outside their bounds")]
    BadGeometry,
    /// Another process, or another handle of this one, is creating a store under this name.
    #[error("another process is creating this store; wait for it")]
    InUse,
    /// The file system keeps old bytes where no one can overwrite them (S14): it is a network or a
    /// copy-on-write one, or its journal takes the contents of files.
    #[error("this file system cannot really delete; choose a local, non-copy-on-write one")]
    UnsupportedFileSystem,
    /// The disk is full, or the file may not grow.
    #[error("the disk is full; free some space and try again")]
    Full,
    /// The disk failed, or may not be written.
    #[error("the disk refused; check permissions")]
    Io,
}

impl CreateError {
    /// Returns the error for a failure of the disk: `Full` if space is missing, else `Io`.
    pub(crate) fn of_disk(error: &std::io::Error) -> Self {
        use std::io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
        match error.kind() {
            StorageFull | QuotaExceeded | FileTooLarge => Self::Full,
            _ => Self::Io,
        }
    }
}

/// The reason for which a store was not opened. Nothing was overwritten, except that
/// recovery may have begun before `Io` or `OutOfMemory`; the next opening continues it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// There is no file of this name.
    #[error("there is no store here; create one")]
    Absent,
    /// The file is not a store.
    #[error("this file is not a store")]
    NotAStore,
    /// The key or passphrase does not open this store.
    #[error("wrong key or passphrase")]
    WrongKey,
    /// The file is a store, but damaged beyond single records.
    #[error("the store is damaged; restore it from another copy")]
    Corrupt,
    /// Another process, or another handle of this one, has the store open for writing.
    #[error("the store is in use by another process; close that one first")]
    InUse,
    /// Another process changed the store during each of several tries to open it read-only, and
    /// during the last one so that no state could be read: keys or length changed, or it looked
    /// damaged.
    #[error("the store is being changed by another process; try again")]
    Busy,
    /// This machine does not have the memory that checking the passphrase takes.
    #[error("not enough memory to check the passphrase; close other programs")]
    OutOfMemory,
    /// The store was written by a newer version, or with options this version does not know.
    #[error("the store was written by a newer version; update this program")]
    UnsupportedFormat,
    /// The file system keeps old bytes where no one can overwrite them (S14): it is a network or a
    /// copy-on-write one, or its journal takes the contents of files.
    #[error("this file system cannot really delete; move the store to a local, non-copy-on-write one")]
    UnsupportedFileSystem,
    /// The disk failed or may not be read or written.
    #[error("the disk refused; check it and the permissions")]
    Io,
}

/// The reason for which a commit or an erase was not done. Except after `Stopped`, nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CommitError {
    /// The store has no room for puts. Erases still succeed.
    #[error("the store is full; erase something or allow it to grow")]
    Full,
    /// Bytes of erased records have been on the disk for longer than their limit
    /// ([`set_dead_bytes_limit`](crate::Shred::set_dead_bytes_limit)): nothing is stored until they
    /// are zeroed. Erases still succeed.
    #[error("the disk is too slow to zero what is dead in time; try again later")]
    Busy,
    /// A limit of [`record`](crate::record), or [`Geometry::max_body`](crate::Geometry::max_body),
    /// is exceeded, or the batch needs too many segments. Smaller batches will pass, unless one
    /// body alone is too long.
    #[error("the batch or a record in it is over the limits")]
    TooLarge,
    /// A key appears twice in one batch.
    #[error("a key appears twice in one batch")]
    DuplicateKey,
    /// The disk failed in this call or before, or the thread of the [`Writer`](crate::Writer) has
    /// ended: it is unknown how much of this commit is on the disk, until the store is opened again
    /// (S13).
    #[error("the disk failed and the store has stopped; close it and open it again")]
    Stopped,
}

/// The reason for which the unlock key, or the data key, was not changed. Except after `Stopped`, nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChangeError {
    /// The key or passphrase does not open this store.
    #[error("wrong key or passphrase")]
    WrongKey,
    /// The data key is being replaced already.
    #[error("the data key is being replaced already; wait until that is done")]
    UnderWay,
    /// The passphrase cost is outside its bounds.
    #[error("the passphrase cost is outside its bounds")]
    BadCost,
    /// This machine does not have the memory that the passphrase takes.
    #[error("not enough memory for this passphrase cost; close other programs, or choose a lower cost")]
    OutOfMemory,
    /// The disk failed: which key opens the store is known when it is opened again (S13).
    #[error("the disk failed and the store has stopped; close it and open it again")]
    Stopped,
}

/// The reason for which a record was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// There is no such record.
    #[error("there is no such record")]
    NotFound,
    /// This record is damaged. All others are unaffected.
    #[error("this record is damaged")]
    Corrupt,
    /// The disk failed.
    #[error("the disk could not be read")]
    Io,
}
