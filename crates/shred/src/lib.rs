//! An embedded record log whose deletions are real (spec/13-shred.md).
//!
//! Records go in by batches that are all or nothing, come out by key, and when one is erased, the salt its key
//! derives from is overwritten on stable storage before the call returns: after that the file and the store's key do not
//! suffice to read it.
//!
//! ```
//! use deaddrop_shred::{Batch, Geometry, MasterKey, MemoryDisk, Record, RecordKey, Shred, Unlock};
//! # use rand_chacha::rand_core::SeedableRng;
//! # let mut rng = rand_chacha::ChaCha20Rng::seed_from_u64(1);
//! let unlock = Unlock::Key(MasterKey::from_bytes([7; 32]));
//! let mut store = Shred::create(MemoryDisk::new(), &Geometry::vault(), &unlock, &mut rng)?;
//! let (key, body) = (RecordKey([1; 16]), b"gone when read".to_vec());
//! let record = Record { key, meta: [0; 8], expiry_day: 0, body };
//! store.commit(Batch { puts: vec![record], erases: vec![] }, &mut rng)?;
//! assert_eq!(store.read(&key)?, b"gone when read");
//! store.erase(&[key])?;
//! assert!(store.read(&key).is_err());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`FileDisk`] stores the log in a file. [`Writer`] serves many callers. [`residue::scan`] shows whether erased records can still be opened.
//!
//! Not its concern: what the records mean, when they expire, who may have them.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod aead;
mod bytes;
mod cell;
mod commit;
pub mod disk;
pub mod error;
pub mod file;
pub mod geometry;
mod holes;
mod index;
mod keyring;
pub mod keys;
mod labels;
pub mod reader;
pub mod record;
mod recovery;
pub mod residue;
mod scan;
mod segment;
mod segments;
mod slot;
pub mod store;
mod superblock;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod upkeep;
mod volume;
pub mod writer;

#[cfg(test)]
mod tests;

pub use disk::{Disk, MemoryDisk};
pub use error::{ChangeError, CommitError, CreateError, OpenError, ReadError};
pub use file::FileDisk;
pub use geometry::Geometry;
pub use keys::{MasterKey, Passphrase, PassphraseCost, Unlock};
pub use reader::Reader;
pub use record::{Batch, Committed, Entry, Record, RecordKey, Stats};
pub use store::Shred;
pub use upkeep::DEAD_BYTES_LIMIT;
pub use writer::Writer;

/// Compiles the examples of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;
