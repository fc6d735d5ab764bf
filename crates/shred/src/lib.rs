//! An embedded record log whose deletions are real (spec/13-shred.md).

mod bytes;
mod cell;
mod commit;
pub mod disk;
pub mod error;
pub mod file;
pub mod geometry;
mod index;
pub mod keys;
mod labels;
pub mod reader;
pub mod record;
mod recovery;
pub mod residue;
mod scan;
mod segment;
mod slot;
pub mod store;
mod superblock;
mod volume;
pub mod writer;

#[cfg(test)]
mod tests;

pub use disk::{Disk, MemoryDisk};
pub use error::{CommitError, CreateError, OpenError, ReadError};
pub use file::FileDisk;
pub use geometry::Geometry;
pub use keys::{MasterKey, Passphrase, PassphraseCost, Unlock};
pub use reader::Reader;
pub use record::{Batch, Committed, Entry, Record, RecordKey, Stats};
pub use store::Shred;
pub use writer::Writer;
