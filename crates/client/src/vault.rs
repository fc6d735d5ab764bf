//! The vault of a client on a disk: the engine's rows as records of a store that really deletes.

use crate::{error::VaultError, random::SystemRandom};
use deaddrop_engine::{NewRow, RowBatch, RowEntry, RowKey, StorageReport, Vault};
use deaddrop_shred::{
    CommitError, Disk, Entry, Geometry, ReadError, Reader, Record, RecordKey, Shred, Writer,
    geometry::RESERVED_SEGMENTS,
};
use std::{
    thread,
    time::{Duration, Instant},
};
use zeroize::Zeroizing;

/// The maximum time for which a commit waits for a store that is busy with overwriting erased
/// records.
const BUSY_WAIT: Duration = Duration::from_secs(10);
/// The time between two tries of a commit while the store is busy: short, because a store
/// overwrites in small pieces.
const BUSY_PAUSE: Duration = Duration::from_millis(50);
/// Number of bytes before the first segment of a store's file (spec/13-shred.md).
const HEAD: u64 = 10 * 4_096;

/// A vault in a store. The segments (the units of the store's file) must be much larger than the
/// largest row, as those of [`Geometry::vault`] are: little room is then lost at their ends, and
/// the room that the vault reports to the engine is there.
pub(crate) struct ShredVault<D: Disk + 'static> {
    writer: Writer<D>,
    reader: Reader<D>,
    sizes: Sizes,
    busy_wait: Duration,
}

impl<D: Disk + 'static> ShredVault<D> {
    /// Takes over an open store that was made with [`Geometry::vault`].
    pub(crate) fn start(store: Shred<D>) -> Result<Self, VaultError> {
        Self::start_with(store, &Geometry::vault())
    }

    /// Takes over an open store whose segments have this geometry.
    pub(crate) fn start_with(store: Shred<D>, geometry: &Geometry) -> Result<Self, VaultError> {
        let writer = Writer::start(store, SystemRandom).map_err(|_| VaultError::Io)?;
        Ok(Self::over(writer, geometry, BUSY_WAIT))
    }

    /// Takes over the writer of a store whose segments have this geometry. `busy_wait` is the
    /// maximum time for which a commit waits while the store is busy.
    pub(crate) fn over(writer: Writer<D>, geometry: &Geometry, busy_wait: Duration) -> Self {
        Self { reader: writer.reader(), writer, sizes: Sizes::of(geometry), busy_wait }
    }
}

impl<D: Disk + 'static> Vault for ShredVault<D> {
    fn get(&self, key: &RowKey) -> Result<Option<Zeroizing<Vec<u8>>>, VaultError> {
        match self.reader.read_secret(&RecordKey(key.0)) {
            Ok(body) => Ok(Some(body)),
            Err(ReadError::NotFound) => Ok(None),
            Err(ReadError::Corrupt) => Err(VaultError::Corrupt),
            Err(_) => Err(VaultError::Io),
        }
    }

    fn entry(&self, key: &RowKey) -> Option<RowEntry> {
        self.reader.entry(&RecordKey(key.0)).as_ref().map(row_entry)
    }

    fn table(&self, table: u8) -> Vec<RowEntry> {
        self.reader.entries_with_prefix(&[table]).iter().map(row_entry).collect()
    }

    /// Commits the rows; if the store is busy, tries again for at most `busy_wait`.
    fn commit(&mut self, batch: RowBatch) -> Result<(), VaultError> {
        let until = Instant::now() + self.busy_wait;
        while let Err(error) = self.writer.commit(records(&batch)) {
            if error != CommitError::Busy || Instant::now() >= until {
                return Err(refused(error));
            }
            thread::sleep(BUSY_PAUSE);
        }
        Ok(())
    }

    fn erase(&mut self, keys: &[RowKey]) -> Result<(), VaultError> {
        self.writer.erase(keys.iter().map(|key| RecordKey(key.0)).collect()).map_err(refused)
    }

    fn report(&self) -> StorageReport {
        let stats = self.reader.stats();
        let Sizes { segment, bodies, share } = self.sizes;
        let bytes = |segments: u32| HEAD.saturating_add(u64::from(segments).saturating_mul(segment));
        let usable = u64::from(stats.max_segments.saturating_sub(RESERVED_SEGMENTS));
        StorageReport {
            room_bytes: usable.saturating_mul(bodies),
            least_row_bytes: share,
            file_bytes: bytes(stats.segments),
            limit_bytes: bytes(stats.max_segments),
            dead_bytes: stats.dead_bytes,
            oldest_dead: stats.oldest_dead,
            damaged_rows: stats.damaged_slots,
        }
    }

    fn close(self) -> Result<(), VaultError> {
        self.writer.close().map(|_| ()).map_err(|_| VaultError::Stopped)
    }
}

/// Returns the batch in the form that the store takes. The rows are copied, because a store that
/// refuses a batch wipes it; the store encrypts the copies in place.
fn records(batch: &RowBatch) -> deaddrop_shred::Batch {
    let record = |row: &NewRow| Record {
        key: RecordKey(row.key.0),
        meta: [0; 8],
        expiry_day: row.expiry_day,
        body: row.body.to_vec(),
    };
    deaddrop_shred::Batch {
        puts: batch.puts.iter().map(record).collect(),
        erases: batch.erases.iter().map(|key| RecordKey(key.0)).collect(),
    }
}

fn row_entry(record: &Entry) -> RowEntry {
    RowEntry {
        key: RowKey(record.key.0),
        expiry_day: record.expiry_day,
        order: record.order,
        length: usize::try_from(record.length).unwrap_or(usize::MAX),
    }
}

fn refused(error: CommitError) -> VaultError {
    match error {
        CommitError::Full => VaultError::Full,
        CommitError::Busy => VaultError::Busy,
        _ => VaultError::Stopped,
    }
}

/// The sizes of a store's segments, in bytes. They never change.
#[derive(Clone, Copy, Debug)]
struct Sizes {
    segment: u64,
    /// Number of bytes in a segment that hold the bodies of records.
    bodies: u64,
    /// The least weight of a record: the bytes of bodies in a segment, divided by its number of
    /// slots (one for each record). As each record counts at least this much, a segment that takes
    /// no more records holds records of at least its own weight, so all records together need no
    /// more segments than their weights say.
    share: u64,
}

impl Sizes {
    fn of(geometry: &Geometry) -> Self {
        let segment = u64::from(geometry.segment_bytes);
        let slots = u64::from(geometry.slots_per_segment);
        let tables = if geometry.mirror { 2 } else { 1 };
        let before = (4_096 + tables * slots * 128).next_multiple_of(4_096);
        let bodies = segment.saturating_sub(before);
        Self { segment, bodies, share: bodies.checked_div(slots).unwrap_or(0) }
    }
}

#[cfg(test)]
mod tests;
