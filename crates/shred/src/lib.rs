//! An embedded record log whose deletions are real (spec/13-shred.md).
#![allow(clippy::todo)]

pub mod disk;
pub mod error;
pub mod file;
pub mod geometry;
pub mod keys;
pub mod reader;
pub mod record;
pub mod residue;
pub mod store;
pub mod writer;

pub use disk::{Disk, MemoryDisk};
pub use error::{CommitError, CreateError, OpenError, ReadError};
pub use file::FileDisk;
pub use geometry::Geometry;
pub use keys::{MasterKey, Passphrase, PassphraseCost, Unlock};
pub use reader::Reader;
pub use record::{Batch, Committed, Entry, Record, RecordKey, Stats};
pub use store::Shred;
pub use writer::Writer;
