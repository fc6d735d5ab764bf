//! Reading while another thread or process writes (S11).
//!
//! Rules S1 to S16 are the table at the end of spec/13-shred.md.

use crate::bytes::size;
use crate::disk::Disk;
use crate::error::ReadError;
use crate::geometry::{Layout, SLOT, SlotAt};
use crate::index::{Index, Located};
use crate::keyring::Keyring;
use crate::keys::StoreKeys;
use crate::record::{Entry, RecordKey, Stats};
use crate::segment::{Stamp, read_header};
use crate::slot::{Head, Word};
use std::fmt;
use std::io;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use zeroize::Zeroizing;

/// A cheap, cloneable, concurrent view of a store. It shows complete commits, never one in the
/// making. A reader from [`open_read_only`](crate::Shred::open_read_only) shows the state at that
/// opening, whatever the other process commits.
///
/// A reader keeps the disk, and with it the lock of a file, open as long as it lives.
pub struct Reader<D> {
    core: Arc<Core<D>>,
}

/// The state that the writer and all readers of a store share.
pub(crate) struct Core<D> {
    pub(crate) disk: D,
    keyring: RwLock<Keyring>,
    pub(crate) layout: Layout,
    index: RwLock<Index>,
}

impl<D> Clone for Reader<D> {
    fn clone(&self) -> Self {
        Self { core: Arc::clone(&self.core) }
    }
}

impl<D> fmt::Debug for Reader<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reader(..)")
    }
}

impl<D: Disk> Reader<D> {
    /// Returns the body of a record, in memory that is not wiped when it is freed. For bodies that
    /// hold keys use [`read_secret`](Self::read_secret).
    ///
    /// # Errors
    /// Fails with [`ReadError`] when the record is absent or damaged, or the disk fails. A record
    /// that another process has erased since [`open_read_only`](crate::Shred::open_read_only) is
    /// absent.
    pub fn read(&self, key: &RecordKey) -> Result<Vec<u8>, ReadError> {
        self.core.read(key)
    }

    /// Returns the body of a record, wiped when it is dropped. It is decrypted in place: no other copy of it was made.
    ///
    /// # Errors
    /// Fails like [`read`](Self::read).
    pub fn read_secret(&self, key: &RecordKey) -> Result<Zeroizing<Vec<u8>>, ReadError> {
        self.core.read(key).map(Zeroizing::new)
    }

    /// Returns the entry of a record without reading its body; `None` if there is no such record.
    #[must_use]
    pub fn entry(&self, key: &RecordKey) -> Option<Entry> {
        self.core.published().entry(key)
    }

    /// Returns all records as of now, by their order numbers ([`Entry::order`]), lowest first.
    #[must_use]
    pub fn entries(&self) -> std::vec::IntoIter<Entry> {
        self.core.published().entries().into_iter()
    }

    /// Returns the records that `is_wanted` accepts, in no order, as of now. Cheaper than
    /// [`entries`](Self::entries) if few of many records are wanted.
    #[must_use]
    pub fn entries_where(&self, is_wanted: impl Fn(&Entry) -> bool) -> Vec<Entry> {
        self.core.published().entries_where(is_wanted)
    }

    /// Returns the records whose keys begin with `prefix`, in the order of their keys, as of now:
    /// none if `prefix` has more than 16 bytes. Looks at no others.
    #[must_use]
    pub fn entries_with_prefix(&self, prefix: &[u8]) -> Vec<Entry> {
        self.core.published().entries_with_prefix(prefix)
    }

    /// Returns the number of bytes of one segment ([`Geometry::segment_bytes`](crate::Geometry::segment_bytes)).
    #[must_use]
    pub fn segment_bytes(&self) -> u32 {
        self.core.layout.segment_bytes
    }

    /// Returns the counters of the store.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let index = self.core.published();
        Stats {
            records: index.records(),
            live_bytes: index.live_bytes(),
            segments: u32::try_from(index.stamps.len()).unwrap_or(u32::MAX),
            free_segments: index.counts.free_segments,
            max_segments: index.counts.max_segments,
            is_replacing_key: self.core.keyring().is_replacing(),
            dead_slots: index.counts.dead_slots,
            void_slots: index.counts.void_slots,
            damaged_slots: index.counts.damaged_slots,
            pending_erases: index.counts.pending_erases,
            dead_bytes: index.counts.dead_bytes,
            oldest_dead: index.counts.oldest_dead,
        }
    }

    pub(crate) fn new(core: Arc<Core<D>>) -> Self {
        Self { core }
    }

    pub(crate) fn core(&self) -> &Arc<Core<D>> {
        &self.core
    }
}

impl<D> Core<D> {
    pub(crate) fn new(disk: D, keyring: Keyring, layout: Layout, index: Index) -> Self {
        Self { disk, keyring: RwLock::new(keyring), layout, index: RwLock::new(index) }
    }

    pub(crate) fn keyring(&self) -> Keyring {
        self.keyring.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set_keyring(&self, keyring: Keyring) {
        *self.keyring.write().unwrap_or_else(PoisonError::into_inner) = keyring;
    }

    /// Returns the data key under which new records are sealed.
    pub(crate) fn keys(&self) -> Arc<StoreKeys> {
        Arc::clone(self.keyring.read().unwrap_or_else(PoisonError::into_inner).newest())
    }

    pub(crate) fn keys_of(&self, epoch: u32) -> Option<Arc<StoreKeys>> {
        self.keyring.read().unwrap_or_else(PoisonError::into_inner).of(epoch).cloned()
    }
}

impl<D: Disk> Core<D> {
    pub(crate) fn published(&self) -> RwLockReadGuard<'_, Index> {
        self.index.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn publishing(&self) -> RwLockWriteGuard<'_, Index> {
        self.index.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads a body. If slot or body do not open, or lie behind the end of the file, the record may
    /// have been moved, replaced or erased meanwhile: the index is asked again, and the error is
    /// returned only if it still names the same place (S11).
    fn read(&self, key: &RecordKey) -> Result<Vec<u8>, ReadError> {
        let mut seen = self.locate(key)?;
        loop {
            let result = self.read_at(key, &seen.0, seen.1);
            if result.is_ok() {
                return result;
            }
            let now = self.locate(key)?;
            if now == seen {
                return match result {
                    Err(ReadError::Corrupt) if self.is_segment_reused(seen) => Err(ReadError::NotFound),
                    result => result,
                };
            }
            seen = now;
        }
    }

    /// Whether another process has used the segment again since the index was read: the record was
    /// erased, or is elsewhere.
    fn is_segment_reused(&self, (located, stamp): (Located, Stamp)) -> bool {
        let header = read_header(&self.disk, &self.layout, &self.keyring(), located.at().segment);
        header.is_ok_and(|(_, there)| there != stamp)
    }

    fn locate(&self, key: &RecordKey) -> Result<(Located, Stamp), ReadError> {
        let index = self.published();
        let located = index.find(key).ok_or(ReadError::NotFound)?;
        let stamp = index.stamp(located.at().segment).ok_or(ReadError::NotFound)?;
        Ok((located, stamp))
    }

    fn read_at(&self, key: &RecordKey, located: &Located, stamp: Stamp) -> Result<Vec<u8>, ReadError> {
        let keys = self.keys_of(stamp.epoch).ok_or(ReadError::NotFound)?;
        let mut error = ReadError::Corrupt;
        for table in 0..self.layout.tables() {
            let slot = self.slot(located.at(), table)?;
            let head = Head::open(&keys, &slot, located.at(), stamp.generation);
            let ours = |head: &Head| head.key == *key && head.order == located.order;
            let Some(head) = head.filter(ours) else {
                if Word::of(&slot) == Word::Dead {
                    error = ReadError::NotFound;
                }
                continue;
            };
            let mut body = self.sealed_body(located.at().segment, &head)?;
            return if head.open_body(&keys, &slot, &mut body) { Ok(body) } else { Err(ReadError::Corrupt) };
        }
        Err(error)
    }

    fn slot(&self, at: SlotAt, table: u32) -> Result<[u8; SLOT], ReadError> {
        let mut slot = [0u8; SLOT];
        self.disk.read_at(self.layout.slot_at(at, table), &mut slot).map_err(of_disk)?;
        Ok(slot)
    }

    fn sealed_body(&self, segment: u32, head: &Head) -> Result<Vec<u8>, ReadError> {
        if !self.layout.holds(head.offset, head.length) {
            return Err(ReadError::Corrupt);
        }
        let mut body = vec![0u8; size(head.length)];
        self.disk.read_at(self.layout.body_at(segment, head.offset), &mut body).map_err(of_disk)?;
        Ok(body)
    }
}

/// Returns the error of a read from the disk. Reading past the end is `NotFound`: another process
/// has shortened the file, which it does only where no record lives.
fn of_disk(error: io::Error) -> ReadError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => ReadError::NotFound,
        _ => ReadError::Io,
    }
}
