//! A disk in memory that loses and tears unsynced writes in a crash.

use deaddrop_shred::{Disk, MemoryDisk};
use rand::{Rng, RngExt};
use std::io;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

/// Number of bytes that a disk writes as a whole: a crash leaves all of a sector or nothing.
const SECTOR: usize = 512;

/// A disk in memory. Writes are seen by reads at once, and survive a crash for certain only after a
/// sync.
pub struct CrashDisk {
    newest: MemoryDisk,
    stable: Mutex<Stable>,
    ignores_sync: AtomicBool,
}

struct Stable {
    bytes: Vec<u8>,
    unsynced: Vec<Unsynced>,
}

enum Unsynced {
    Write { offset: usize, bytes: Vec<u8> },
    Length(usize),
}

impl Stable {
    fn write(&mut self, offset: usize, bytes: &[u8]) {
        let end = offset + bytes.len();
        self.bytes.resize(self.bytes.len().max(end), 0);
        self.bytes[offset..end].copy_from_slice(bytes);
    }
}

impl CrashDisk {
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        let newest = MemoryDisk::from_bytes(bytes.clone());
        let stable = Mutex::new(Stable { bytes, unsynced: Vec::new() });
        Self { newest, stable, ignores_sync: AtomicBool::new(false) }
    }

    /// Lets every later sync do nothing, as a faulty disk does.
    pub fn ignore_sync(&self) {
        self.ignores_sync.store(true, Ordering::Relaxed);
    }

    /// Returns the bytes that a crash at this moment leaves: all synced writes, and of the others
    /// each sector, and each change of length, with a chance of one half.
    pub fn crash(&self, random: &mut impl Rng) -> Vec<u8> {
        let stable = self.stable.lock().unwrap();
        let mut left = Stable { bytes: stable.bytes.clone(), unsynced: Vec::new() };
        for unsynced in &stable.unsynced {
            match unsynced {
                Unsynced::Write { offset, bytes } => {
                    let mut at = 0;
                    while at < bytes.len() {
                        let end = bytes.len().min(at + SECTOR - (offset + at) % SECTOR);
                        if random.random() {
                            left.write(offset + at, &bytes[at..end]);
                        }
                        at = end;
                    }
                }
                Unsynced::Length(length) if random.random() => left.bytes.resize(*length, 0),
                Unsynced::Length(_) => {}
            }
        }
        left.bytes
    }

    /// Returns the bytes as of the last sync.
    pub fn stable_bytes(&self) -> Vec<u8> {
        self.stable.lock().unwrap().bytes.clone()
    }
}

impl Disk for CrashDisk {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.newest.read_at(offset, buffer)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut stable = self.stable.lock().unwrap();
        let write = Unsynced::Write { offset: usize::try_from(offset).unwrap(), bytes: bytes.to_vec() };
        stable.unsynced.push(write);
        self.newest.write_at(offset, bytes)
    }

    fn sync(&self) -> io::Result<()> {
        if self.ignores_sync.load(Ordering::Relaxed) {
            return Ok(());
        }
        let mut stable = self.stable.lock().unwrap();
        for unsynced in std::mem::take(&mut stable.unsynced) {
            match unsynced {
                Unsynced::Write { offset, bytes } => stable.write(offset, &bytes),
                Unsynced::Length(length) => stable.bytes.resize(length, 0),
            }
        }
        self.newest.sync()
    }

    fn length(&self) -> io::Result<u64> {
        self.newest.length()
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        let mut stable = self.stable.lock().unwrap();
        stable.unsynced.push(Unsynced::Length(usize::try_from(length).unwrap()));
        self.newest.set_length(length)
    }
}
