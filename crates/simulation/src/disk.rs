//! The disk of a person or a relay, which outlives its process.

use crate::random::SimRandom;
use deaddrop_shred::{Disk, testing::SimDisk};
use rand::RngExt;
use std::{
    io,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

/// A simulated disk that can fail in the middle of a write, and report syncs that did not happen.
#[derive(Default)]
pub(crate) struct NodeDisk {
    sim: SimDisk,
    /// Whether a sync reports success and does nothing.
    lies: AtomicBool,
    /// Whether a failure was asked for by [`DiskBay::fail_after`].
    fails: AtomicBool,
}

impl Disk for NodeDisk {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.sim.read_at(offset, buffer)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.sim.write_at(offset, bytes)
    }

    fn sync(&self) -> io::Result<()> {
        if self.lies.load(Ordering::Relaxed) { Ok(()) } else { self.sim.sync() }
    }

    fn length(&self) -> io::Result<u64> {
        self.sim.length()
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        self.sim.set_length(length)
    }
}

/// The place of a disk. After a power cut it has another disk, with the bytes that the one before
/// has left.
#[derive(Default)]
pub(crate) struct DiskBay(Mutex<Arc<NodeDisk>>);

impl DiskBay {
    fn locked(&self) -> MutexGuard<'_, Arc<NodeDisk>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the present disk.
    pub(crate) fn disk(&self) -> Arc<NodeDisk> {
        Arc::clone(&self.locked())
    }

    /// Cuts the power: bytes that were not synced are lost, torn or reordered by chance. The
    /// process that ran until now continues with the old disk, which no store reads again.
    pub(crate) fn cut_power(&self, rng: &mut SimRandom) {
        let mut disk = self.locked();
        let torn = disk.sim.torn();
        // All is lost, all is there, or each sector has its chance.
        let luck = rng.random_range(0..4);
        let image = torn.image(|_, versions| match luck {
            0 => 0,
            1 => versions,
            _ => rng.random_range(0..=versions),
        });
        let lies = AtomicBool::new(disk.lies.load(Ordering::Relaxed));
        *disk = Arc::new(NodeDisk { sim: SimDisk::from_bytes(image), lies, fails: AtomicBool::new(false) });
    }

    /// Replaces the disk by one with these bytes and without faults.
    pub(crate) fn replace(&self, bytes: Vec<u8>) {
        *self.locked() = Arc::new(NodeDisk { sim: SimDisk::from_bytes(bytes), ..NodeDisk::default() });
    }

    /// Returns the bytes that are left after a crash that loses all that was not synced.
    pub(crate) fn durable(&self) -> Vec<u8> {
        self.disk().sim.durable()
    }

    /// Returns a copy of the disk with all bytes that were written, synced or not.
    pub(crate) fn copy(&self) -> SimDisk {
        SimDisk::from_bytes(self.disk().sim.seen())
    }

    /// Whether [`fail_after`](Self::fail_after) was called on the present disk: since the last
    /// power cut and the last [`replace`](Self::replace).
    pub(crate) fn is_failing(&self) -> bool {
        self.disk().fails.load(Ordering::Relaxed)
    }

    /// Makes all writes and syncs fail after `ops` more of them.
    pub(crate) fn fail_after(&self, ops: u64) {
        let disk = self.disk();
        disk.fails.store(true, Ordering::Relaxed);
        disk.sim.fail_from(disk.sim.ops() + ops);
    }

    /// Limits the disk to the bytes that it holds now and `more` bytes; `None` ends the limit, and
    /// so does another disk in its place.
    pub(crate) fn set_room(&self, more: Option<usize>) {
        let disk = self.disk();
        match more {
            Some(more) => disk.sim.set_room(disk.sim.seen().len() + more),
            None => disk.sim.clear_room(),
        }
    }

    /// Makes the disk report syncs that do not happen, from now on.
    pub(crate) fn lie(&self) {
        self.disk().lies.store(true, Ordering::Relaxed);
    }
}
