//! The creation, the opening, and the look at a store.
//!
//! Rules S1 to S16 are the table at the end of spec/13-shred.md.

use super::Shred;
use super::change::finish;
use super::look::Moment;
use crate::bytes::{PAGE, size};
use crate::cell::Cell;
use crate::disk::Disk;
use crate::error::{CreateError, OpenError};
use crate::geometry::{CELLS, CELLS_AT, Geometry, SUPERBLOCK};
use crate::index::Index;
use crate::keyring::Keyring;
use crate::keys::{StoreKeys, Unlock};
use crate::reader::{Core, Reader};
use crate::recovery::Recovery;
use crate::segment::{self, Segment};
use crate::segments::Segments;
use crate::superblock::{Fresh, Superblock};
use crate::upkeep::{Upkeep, count_dead};
use rand_core::CryptoRng;
use std::io;
use std::sync::Arc;
use zeroize::Zeroizing;

/// Maximum number of tries to read a store that another process changes meanwhile. 8, because
/// commits are not likely to come during each of so many.
const READ_ONLY_TRIES: usize = 8;

impl<D: Disk> Shred<D> {
    /// Writes a new, empty store to an empty disk and opens it.
    ///
    /// # Errors
    /// Fails with `Exists` if the disk is not empty, which is then not touched, or if its name was
    /// taken meanwhile; with `BadGeometry` if `geometry` or its passphrase cost is out of bounds,
    /// or this machine does not have the memory for the passphrase; with `Full` or `Io` if the disk
    /// fails.
    pub fn create(
        disk: D,
        geometry: &Geometry,
        unlock: &Unlock,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Self, CreateError> {
        let layout = geometry.layout().ok_or(CreateError::BadGeometry)?;
        if disk.length().map_err(|_| CreateError::Io)? != 0 {
            return Err(CreateError::Exists);
        }
        let mut fresh =
            Fresh { file_id: [0; 16], salt: [0; 32], data_key: Box::new(Zeroizing::new([0; 32])) };
        rng.fill_bytes(&mut fresh.file_id);
        rng.fill_bytes(&mut fresh.salt);
        rng.fill_bytes(fresh.data_key.as_mut_slice());
        let (block, keys) = Superblock::seal(layout, geometry.passphrase_cost, unlock, fresh)
            .ok_or(CreateError::BadGeometry)?;
        Self::lay(&disk, geometry, &block, keys.newest()).map_err(|error| CreateError::of_disk(&error))?;
        disk.publish().map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => CreateError::Exists,
            _ => CreateError::of_disk(&error),
        })?;
        let mut index = Index::default();
        let segments = vec![Segment::fresh(&layout, keys.newest().epoch); size(geometry.initial_segments)];
        index.stamps = segments.iter().map(|segment| segment.stamp).collect();
        index.counts.free_segments = geometry.initial_segments;
        let fresh = Recovery { index, segments, next: 2, settled: true, ..Recovery::default() };
        Ok(Self::of(disk, keys, block, fresh))
    }

    /// Opens a store, finishing or undoing what a crash interrupted (S5-S7).
    ///
    /// # Errors
    /// Fails with [`OpenError`]. Nothing was overwritten, except that recovery may have begun
    /// before `Io` or `OutOfMemory`; the next opening continues it.
    pub fn open(disk: D, unlock: &Unlock, rng: &mut (impl CryptoRng + ?Sized)) -> Result<Self, OpenError> {
        let (block, keys) = Superblock::open(&disk, unlock)?;
        let layout = block.layout;
        let recovery = Recovery::judge(&disk, &layout, &keys)?;
        let (block, last) = finish(&disk, block, &keys, unlock, rng)?;
        recovery.settle(&disk, &layout, &keys)?;
        let mut store = Self::of(disk, keys, block, recovery);
        store.go_on_replacing(last).map_err(|_| OpenError::Io)?;
        store.publish_debt();
        Ok(store)
    }

    /// Whether a passphrase opens the store on this disk, and not a key. Only the superblock is read, and the
    /// passphrase itself is not checked.
    ///
    /// # Errors
    /// Fails with [`OpenError`] when the superblock cannot be read.
    pub fn has_passphrase(disk: &D) -> Result<bool, OpenError> {
        Superblock::has_passphrase(disk)
    }

    /// Looks into a store without writing a byte or taking a lock; another process may be serving it (S14).
    /// Shows the state at some moment during the call, unless commits follow each other faster than the slot tables
    /// can be read: then records that are changed, or moved by compaction, meanwhile may be shown as before, as after, or not at all.
    /// [`Stats::dead_bytes`](crate::Stats::dead_bytes) is read from the disk: it counts what no live record covers and is not zero.
    ///
    /// # Errors
    /// Fails with [`OpenError`]; with `Busy` if the other process changed the store during each of
    /// several tries, and during the last one so that no state could be read.
    pub fn open_read_only(disk: D, unlock: &Unlock) -> Result<Reader<D>, OpenError> {
        let mut before = Moment::now(&disk);
        let (mut block, mut keys) = Superblock::open(&disk, unlock)?;
        let mut tries = 1;
        let recovery = loop {
            let result = Recovery::judge(&disk, &block.layout, &keys);
            let after = Moment::now(&disk);
            let is_last = tries == READ_ONLY_TRIES;
            // What is being written, or was cut meanwhile, can look damaged; under a key that is replaced nothing opens.
            match result {
                Ok(recovery) if after == before || is_last && after.has_frame_of(&before) => break recovery,
                Err(error) if is_last && after == before => return Err(error),
                _ if is_last => return Err(OpenError::Busy),
                _ => {}
            }
            if !after.has_superblock_of(&before) {
                (block, keys) = Superblock::open(&disk, unlock)?;
            }
            (before, tries) = (after, tries + 1);
        };
        let layout = block.layout;
        let Recovery { mut index, segments, gaps, is_clean, .. } = recovery;
        if !is_clean {
            index.counts.dead_bytes = count_dead(&disk, &layout, &segments, &gaps);
        }
        index.counts.max_segments = layout.max_segments;
        Ok(Reader::new(Arc::new(Core::new(disk, keys, layout, index))))
    }

    /// Makes the store in memory from the state that recovery found.
    fn of(disk: D, keys: Keyring, block: Superblock, recovery: Recovery) -> Self {
        let layout = block.layout;
        let Recovery { mut index, segments, next, open_segment, settled, gaps, is_clean, .. } = recovery;
        index.counts.max_segments = layout.max_segments;
        Self {
            reader: Reader::new(Arc::new(Core::new(disk, keys, layout, index))),
            block,
            segments: Segments::of(segments),
            open_segment,
            next,
            pending: Vec::new(),
            settled,
            max_segments: layout.max_segments,
            growth: None,
            full_at: None,
            cut: None,
            is_clean,
            stopped: false,
            upkeep: Upkeep::new(gaps),
            compaction: None,
            gate: None,
            replacement: None,
        }
    }

    /// Writes all parts of a new store, with one sync.
    fn lay(disk: &D, geometry: &Geometry, block: &Superblock, keys: &StoreKeys) -> io::Result<()> {
        let page = block.encode();
        disk.write_at(0, &page)?;
        disk.write_at(SUPERBLOCK, &page)?;
        disk.write_at(CELLS_AT, &vec![0; PAGE * usize::try_from(CELLS).unwrap_or(0)])?;
        for number in 0..geometry.initial_segments {
            segment::format(disk, &block.layout, keys, number)?;
        }
        // A store has a complete commit from the start, so that one without any is known to be damaged.
        let segments = geometry.initial_segments;
        let first = Cell { void: false, ..Cell::voided(1, segments) };
        disk.write_at(Cell::at(1), &first.encode(keys).ok_or(io::ErrorKind::InvalidInput)?)?;
        disk.sync()
    }
}
