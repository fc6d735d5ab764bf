//! One small error per operation, one variant per thing the caller does differently.

use std::fmt;

macro_rules! errors {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident => $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum $name { $($(#[$vdoc])* $variant,)+ }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self { $(Self::$variant => $text,)+ })
            }
        }

        impl std::error::Error for $name {}
    };
}

errors! {
    /// Why a store was not created. Nothing that was there before has been touched.
    CreateError {
        /// Something has this name already.
        Exists => "there is something under this name already; open it or choose another name",
        /// The geometry or the passphrase cost is outside its bounds.
        BadGeometry => "the sizes asked for are outside their bounds",
        /// Another process is creating a store under this name.
        InUse => "another process is creating this store; wait for it",
        /// Network and copy-on-write file systems keep old bytes where no one can overwrite them (S14).
        UnsupportedFileSystem => "this file system cannot really delete; choose a local, non-copy-on-write one",
        /// The disk is full, or the file may not grow.
        Full => "the disk is full; free some space and try again",
        /// The disk failed, or may not be written.
        Io => "the disk refused; check permissions",
    }
}

impl CreateError {
    /// Why a disk refused.
    pub(crate) fn of_disk(error: &std::io::Error) -> Self {
        use std::io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
        match error.kind() {
            StorageFull | QuotaExceeded | FileTooLarge => Self::Full,
            _ => Self::Io,
        }
    }
}

errors! {
    /// Why a store did not open. Nothing is overwritten on any of these.
    OpenError {
        /// There is no file of this name.
        Absent => "there is no store here; create one",
        /// The file is something else.
        NotAStore => "this file is not a store",
        /// The key or passphrase is not this store's.
        WrongKey => "wrong key or passphrase",
        /// The store is a store, but damaged beyond what costs single records.
        Corrupt => "the store is damaged; restore it from another copy",
        /// Another process (or another handle of this one) has it open for writing.
        InUse => "the store is in use by another process; close that one first",
        /// Another process replaces keys or shortens the file while this one looks.
        Busy => "the store is being changed by another process; try again",
        /// This machine has not the memory that checking the passphrase takes.
        OutOfMemory => "not enough memory to check the passphrase; close other programs",
        /// Written by a newer version, or with options this version does not know.
        UnsupportedFormat => "the store was written by a newer version; update this program",
        /// Network and copy-on-write file systems keep old bytes where no one can overwrite them (S14).
        UnsupportedFileSystem => "this file system cannot really delete; move the store to a local, non-copy-on-write one",
        /// The disk failed or may not be read or written.
        Io => "the disk refused; check it and the permissions",
    }
}

errors! {
    /// Why a commit or an erase did not happen. Except after `Stopped`, nothing has changed.
    CommitError {
        /// No room for puts. Erases still succeed.
        Full => "the store is full; erase something or allow it to grow",
        /// Dead bytes lie on the disk for longer than their limit: nothing is stored until they are zeroed. Erases still succeed.
        Busy => "the disk is too slow to zero what is dead in time; try again later",
        /// A limit of [`record`](crate::record) is exceeded; smaller batches will pass.
        TooLarge => "the batch or a record in it is over the limits",
        /// A key appears twice in one batch.
        DuplicateKey => "a key appears twice in one batch",
        /// The disk failed at some time: what this commit reached is unknown until the store is opened again (S13).
        Stopped => "the disk failed and the store has stopped; close it and open it again",
    }
}

errors! {
    /// Why the unlock key, or the data key, was not changed. Except after `Stopped`, nothing has changed.
    ChangeError {
        /// The key or passphrase is not this store's.
        WrongKey => "wrong key or passphrase",
        /// The data key is being replaced already.
        UnderWay => "the data key is being replaced already; wait until that is done",
        /// The passphrase cost is outside its bounds.
        BadCost => "the passphrase cost is outside its bounds",
        /// This machine has not the memory that the passphrase takes.
        OutOfMemory => "not enough memory for this passphrase cost; close other programs, or choose a lower cost",
        /// The disk failed: which key opens the store is known when it is opened again (S13).
        Stopped => "the disk failed and the store has stopped; close it and open it again",
    }
}

errors! {
    /// Why a record was not read.
    ReadError {
        /// There is no such record.
        NotFound => "there is no such record",
        /// This record is damaged. All others are unaffected.
        Corrupt => "this record is damaged",
        /// The disk failed.
        Io => "the disk could not be read",
    }
}
