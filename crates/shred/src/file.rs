//! A store in a file: lock, refusals, atomic creation (S14).

use crate::disk::Disk;
use crate::error::{CreateError, OpenError};
use std::fs::File;
use std::io;
use std::path::Path;

/// A disk that is a file.
///
/// `Shred::create(FileDisk::create(path)?, ..)` and `Shred::open(FileDisk::open(path)?, ..)`.
#[derive(Debug)]
pub struct FileDisk {
    file: File,
}

impl FileDisk {
    /// A new file for a new store. It gets the name `path` only when `Shred::create` has finished;
    /// until then it is `path` with `.new` appended, which no one takes for a store.
    /// Missing directories are made, readable by the owner only.
    pub fn create(path: impl AsRef<Path>) -> Result<Self, CreateError> {
        let _ = path;
        todo!()
    }

    /// An existing store, locked against other writers.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        let _ = path;
        todo!()
    }

    /// An existing store, for looking only: no lock, no writing.
    pub fn open_read_only(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        let _ = path;
        todo!()
    }
}

impl Disk for FileDisk {
    fn read_at(&self, _offset: u64, _buffer: &mut [u8]) -> io::Result<()> {
        let _ = &self.file;
        todo!()
    }
    fn write_at(&self, _offset: u64, _bytes: &[u8]) -> io::Result<()> {
        todo!()
    }
    fn sync(&self) -> io::Result<()> {
        todo!()
    }
    fn length(&self) -> io::Result<u64> {
        todo!()
    }
}
