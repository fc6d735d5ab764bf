//! The calls that a store makes on a disk: read, overwrite, make durable, lengthen and shorten
//! (spec/13-shred.md, "Disk").

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A flat array of bytes that holds one store.
///
/// The store calls `write_at` and `sync` from one thread at a time and `read_at` from any.
/// Assumption A1 of the spec: what was written before a successful `sync` is durable; of what was written
/// since, each 512-byte sector is after a power loss old or new; rewriting a sector with the bytes it
/// already has never harms it.
pub trait Disk: Send + Sync {
    /// Fills `buffer` with the bytes from `offset` on. Fails with `UnexpectedEof` if it reaches
    /// past the end.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()>;
    /// Overwrites the bytes from `offset` on. The disk grows when the write ends past its end;
    /// bytes between the old end and `offset` are then zeros.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;
    /// Returns once everything written so far, and the length, is on stable storage.
    fn sync(&self) -> io::Result<()>;
    /// Returns the length in bytes.
    fn length(&self) -> io::Result<u64>;
    /// Cuts off the bytes behind `length`; the next `sync` makes that durable.
    fn set_length(&self, length: u64) -> io::Result<()>;
    /// Gives the finished store its name. [`Shred::create`](crate::Shred::create) calls it once,
    /// after the store is synced. Fails with `AlreadyExists` if something else has got the name
    /// meanwhile. Disks without names have nothing to do.
    fn publish(&self) -> io::Result<()> {
        Ok(())
    }
}

impl<D: Disk + ?Sized> Disk for Arc<D> {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        (**self).read_at(offset, buffer)
    }
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        (**self).write_at(offset, bytes)
    }
    fn sync(&self) -> io::Result<()> {
        (**self).sync()
    }
    fn length(&self) -> io::Result<u64> {
        (**self).length()
    }
    fn set_length(&self, length: u64) -> io::Result<()> {
        (**self).set_length(length)
    }
    fn publish(&self) -> io::Result<()> {
        (**self).publish()
    }
}

impl<D: Disk + ?Sized> Disk for &D {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        (**self).read_at(offset, buffer)
    }
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        (**self).write_at(offset, bytes)
    }
    fn sync(&self) -> io::Result<()> {
        (**self).sync()
    }
    fn length(&self) -> io::Result<u64> {
        (**self).length()
    }
    fn set_length(&self, length: u64) -> io::Result<()> {
        (**self).set_length(length)
    }
    fn publish(&self) -> io::Result<()> {
        (**self).publish()
    }
}

/// A disk in memory: for stores that may die with their process, and for tests.
#[derive(Debug, Default)]
pub struct MemoryDisk {
    bytes: Mutex<Vec<u8>>,
}

impl MemoryDisk {
    /// Makes an empty disk.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes a disk that holds `bytes`.
    #[must_use]
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        Self { bytes: Mutex::new(bytes) }
    }

    /// Returns a copy of everything on the disk.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.locked().clone()
    }

    fn locked(&self) -> MutexGuard<'_, Vec<u8>> {
        self.bytes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Disk for MemoryDisk {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let bytes = self.locked();
        let from = usize::try_from(offset).map_err(|_| io::ErrorKind::UnexpectedEof)?;
        let to = from.checked_add(buffer.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        buffer.copy_from_slice(bytes.get(from..to).ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn write_at(&self, offset: u64, new: &[u8]) -> io::Result<()> {
        let mut bytes = self.locked();
        let from = usize::try_from(offset).map_err(|_| io::ErrorKind::FileTooLarge)?;
        let to = from.checked_add(new.len()).ok_or(io::ErrorKind::FileTooLarge)?;
        if to > bytes.len() {
            bytes.resize(to, 0);
        }
        bytes.get_mut(from..to).ok_or(io::ErrorKind::FileTooLarge)?.copy_from_slice(new);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.locked().len() as u64)
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        self.locked().truncate(usize::try_from(length).unwrap_or(usize::MAX));
        Ok(())
    }
}
