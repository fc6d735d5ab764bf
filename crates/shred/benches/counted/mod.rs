//! A disk that counts what is written to it.

use deaddrop_shred::Disk;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

/// A disk, with the number of bytes and of syncs that went to it.
#[derive(Default)]
pub(crate) struct Counted<D> {
    disk: D,
    bytes: AtomicU64,
    syncs: AtomicU64,
}

impl<D> Counted<D> {
    pub(crate) fn new(disk: D) -> Self {
        Self { disk, bytes: AtomicU64::new(0), syncs: AtomicU64::new(0) }
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    #[allow(dead_code)]
    pub(crate) fn syncs(&self) -> u64 {
        self.syncs.load(Ordering::Relaxed)
    }
}

impl<D: Disk> Disk for Counted<D> {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.disk.read_at(offset, buffer)
    }
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        self.disk.write_at(offset, bytes)
    }
    fn sync(&self) -> io::Result<()> {
        self.syncs.fetch_add(1, Ordering::Relaxed);
        self.disk.sync()
    }
    fn length(&self) -> io::Result<u64> {
        self.disk.length()
    }
    fn set_length(&self, length: u64) -> io::Result<()> {
        self.disk.set_length(length)
    }
    fn publish(&self) -> io::Result<()> {
        self.disk.publish()
    }
}
