//! A simulated disk: what was not synced may be lost, torn and reordered, sector by sector.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a simulation in the memory of a test"
)]

use crate::Disk;
use std::collections::BTreeMap;
use std::io;
use std::sync::{Mutex, MutexGuard};

/// Number of bytes that a disk writes as a whole.
pub const SECTOR: usize = 512;

/// A disk that knows all states in which a power loss could leave it.
#[derive(Default)]
pub struct SimDisk {
    state: Mutex<State>,
}

/// The contents of a [`SimDisk`], and the faults that it simulates.
#[derive(Default, Clone)]
struct State {
    /// The bytes that reads see: everything that was written.
    seen: Vec<u8>,
    /// The bytes that were synced.
    durable: Vec<u8>,
    /// The contents since the last sync of each sector that was written since then, oldest first.
    unsynced: BTreeMap<usize, Vec<[u8; SECTOR]>>,
    /// Number of writes, syncs and changes of length so far.
    ops: u64,
    /// Number of operations that succeed, counted like `ops`; all later ones fail. `None`: none
    /// fails.
    fails_from: Option<u64>,
    /// Maximum length of the volume in bytes.
    room: Option<usize>,
    /// Whether a failed write still writes about half of its bytes, in whole sectors.
    writes_halves: bool,
    /// Whether a failed sync forgets the writes before it: reads still show them, the disk never gets them.
    forgets: bool,
    /// The crash state before each sync, while `record` is set.
    syncs: Vec<Torn>,
    record: bool,
}

/// A disk at the moment of a crash: synced bytes, and versions of the sectors that were not.
#[derive(Clone)]
pub struct Torn {
    durable: Vec<u8>,
    length: usize,
    /// The sectors that were written since the last sync, with all their contents since then, oldest first.
    pub sectors: Vec<(usize, Vec<[u8; SECTOR]>)>,
}

impl Torn {
    /// Returns the number of possible images of the disk after the crash; saturating.
    pub fn images(&self) -> u64 {
        self.sectors.iter().fold(1u64, |n, (_, versions)| n.saturating_mul(versions.len() as u64 + 1))
    }

    /// Returns the image in which the `n`-th entry of `sectors` has its version `choose(n,
    /// versions)`, where `versions` is their number; 0 is the synced one.
    pub fn image(&self, mut choose: impl FnMut(usize, usize) -> usize) -> Vec<u8> {
        let mut bytes = self.durable.clone();
        bytes.resize(self.length, 0);
        for (n, (sector, versions)) in self.sectors.iter().enumerate() {
            if let Some(version) = choose(n, versions.len()).checked_sub(1) {
                let at = sector * SECTOR;
                let end = (at + SECTOR).min(bytes.len());
                bytes[at..end].copy_from_slice(&versions[version][..end - at]);
            }
        }
        bytes
    }

    /// Returns the image with this number, from 0 to `images()` - 1.
    pub fn nth(&self, mut index: u64) -> Vec<u8> {
        self.image(|_, versions| {
            let base = versions as u64 + 1;
            let choice = index % base;
            index /= base;
            choice as usize
        })
    }
}

impl SimDisk {
    /// Makes a disk that holds these bytes, durably.
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        Self { state: Mutex::new(State { seen: bytes.clone(), durable: bytes, ..State::default() }) }
    }

    /// Makes the disk keep the crash state before every sync from now on.
    pub fn recording(self) -> Self {
        self.locked().record = true;
        self
    }

    /// Makes all writes, syncs and changes of length fail from the one with this number on. They
    /// are counted from 0, over the life of the disk.
    pub fn fail_from(&self, op: u64) {
        self.locked().fails_from = Some(op);
    }

    /// Makes a failed sync forget the writes before it, as the page cache of a real system does.
    pub fn forget_on_failure(&self) {
        self.locked().forgets = true;
    }

    /// Limits the volume to this length in bytes: writes past it, and past the present length, fail
    /// with `StorageFull`.
    pub fn set_room(&self, bytes: usize) {
        self.locked().room = Some(bytes);
    }

    /// Removes the limit of `set_room`.
    pub fn clear_room(&self) {
        self.locked().room = None;
    }

    /// Makes each failing write still write about half of its bytes, in whole sectors.
    pub fn write_halves(&self) {
        self.locked().writes_halves = true;
    }

    /// Makes writes, syncs and changes of length succeed again after `fail_from`.
    pub fn heal(&self) {
        self.locked().fails_from = None;
    }

    /// Returns the number of writes, syncs and changes of length so far.
    pub fn ops(&self) -> u64 {
        self.locked().ops
    }

    /// Returns the synced bytes.
    pub fn durable(&self) -> Vec<u8> {
        self.locked().durable.clone()
    }

    /// Returns the bytes that reads see.
    pub fn seen(&self) -> Vec<u8> {
        self.locked().seen.clone()
    }

    /// Returns the crash states before each sync since the last call, or since `recording`, in
    /// order: one for each, or two (with the old length, then with the new) if the file was cut.
    pub fn take_syncs(&self) -> Vec<Torn> {
        std::mem::take(&mut self.locked().syncs)
    }

    /// Returns the crash state of this moment.
    pub fn torn(&self) -> Torn {
        self.locked().torn()
    }

    fn locked(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

impl State {
    fn torn(&self) -> Torn {
        let sectors = self.unsynced.iter().map(|(at, versions)| (*at, versions.clone())).collect();
        Torn { durable: self.durable.clone(), length: self.seen.len(), sectors }
    }

    fn op(&mut self) -> io::Result<()> {
        self.ops += 1;
        match self.fails_from {
            Some(op) if self.ops > op => Err(io::Error::other("simulated")),
            _ => Ok(()),
        }
    }
}

impl Disk for SimDisk {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let state = self.locked();
        let at = offset as usize;
        let bytes = state.seen.get(at..at + buffer.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        buffer.copy_from_slice(bytes);
        Ok(())
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.locked();
        let (at, room) = (offset as usize, state.room.unwrap_or(usize::MAX));
        let done = state.op().and_then(|()| match at + bytes.len() > room.max(state.seen.len()) {
            true => Err(io::ErrorKind::StorageFull.into()),
            false => Ok(()),
        });
        let bytes = match (&done, state.writes_halves) {
            (Ok(()), _) => bytes,
            // Up to the end of a sector, as the kernel does.
            (Err(_), true) => {
                let end = ((at + bytes.len() / 2).min(room) / SECTOR * SECTOR).max(at);
                &bytes[..end - at]
            }
            (Err(_), false) => &[],
        };
        let end = at + bytes.len();
        if end > state.seen.len() {
            state.seen.resize(end.next_multiple_of(SECTOR), 0);
        }
        state.seen[at..end].copy_from_slice(bytes);
        for sector in at / SECTOR..end.div_ceil(SECTOR) {
            let now: [u8; SECTOR] = state.seen[sector * SECTOR..(sector + 1) * SECTOR].try_into().unwrap();
            let before: Option<[u8; SECTOR]> =
                state.durable.get(sector * SECTOR..(sector + 1) * SECTOR).map(|s| s.try_into().unwrap());
            let versions = state.unsynced.entry(sector).or_default();
            // A1: rewriting the same bytes changes nothing, so it adds no version.
            if versions.last().copied().or(before).unwrap_or([0; SECTOR]) != now {
                versions.push(now);
            }
            if versions.is_empty() {
                state.unsynced.remove(&sector);
            }
        }
        done
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.locked();
        if state.record {
            let torn = state.torn();
            let (longest, is_cut) = (state.durable.len(), state.durable.len() > torn.length);
            if is_cut {
                // The file was cut, or it was not.
                state.syncs.push(Torn { length: longest, ..torn.clone() });
            }
            state.syncs.push(torn);
        }
        if let Err(error) = state.op() {
            if state.forgets {
                state.unsynced.clear();
            }
            return Err(error);
        }
        let unsynced = std::mem::take(&mut state.unsynced);
        let length = state.seen.len();
        state.durable.resize(length, 0);
        for (sector, versions) in unsynced {
            if let Some(last) = versions.last() {
                state.durable[sector * SECTOR..(sector + 1) * SECTOR].copy_from_slice(last);
            }
        }
        Ok(())
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.locked().seen.len() as u64)
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        let mut state = self.locked();
        state.op()?;
        let length = length as usize;
        state.seen.truncate(length);
        state.unsynced.retain(|sector, _| sector * SECTOR < length);
        Ok(())
    }
}
