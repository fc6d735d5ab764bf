//! The vault: everything a client keeps, as versioned rows in a store whose deletions are real (spec/14-client.md section 2).

mod format1;
mod key;
mod migrate;
mod relays;
mod room;
mod rows;
mod secret;

pub(crate) use key::{Table, key, parts, sub, sub_key};
pub(crate) use migrate::{migrate, migrated_number};
pub(crate) use relays::{BlockedRow, RelayToken, RelaysRow};
pub(crate) use rows::{
    AcceptedInvite, AgainRow, AskedRow, CalendarRow, ClockWait, ConfigRow, ConversationRow, DraftRow,
    EventRow, FormatRow, HeldRow, InStream, InviteRow, ItemKind, ItemRow, MAX_IN_STREAMS, MailboxKind,
    MailboxRow, MailboxState, MissingRow, OutStream, ParkedRow, PeerAddress, PeerKind, PeerRow, PersonRow,
    Question, Sealed, SeenRow, SentinelRow, SessionSlot,
};

pub use room::{VaultRoom, VaultStatus};

use crate::error::VaultError;
use deaddrop_shred::{Batch, CommitError, Disk, Entry, Geometry, Reader, Record, RecordKey, Shred, Writer};
use deaddrop_wire::Day;
use room::Sizes;
use serde::{Serialize, de::DeserializeOwned};
use std::{
    cell::Cell,
    collections::BTreeMap,
    thread,
    time::{Duration, Instant},
};
use zeroize::Zeroizing;

/// The version of every row that this build writes.
const ROW_VERSION: u8 = 2;
/// Most rows that are erased together on their own account.
const ERASED_AT_ONCE: usize = 1_024;
/// How long a step waits for a store that is busy with zeroing.
const BUSY_WAIT: Duration = Duration::from_secs(10);
/// Time between two tries.
const BUSY_PAUSE: Duration = Duration::from_millis(50);

/// Rows in a store.
pub(crate) struct Vault<D: Disk + 'static> {
    writer: Writer<D>,
    reader: Reader<D>,
    sizes: Sizes,
    /// The weight of all rows together, in bytes.
    used: Cell<u64>,
}

/// What one step changes: stored as a whole or not at all.
#[derive(Default)]
pub(crate) struct Changes {
    /// `None`: erased.
    rows: BTreeMap<RecordKey, Option<NewRow>>,
    bytes: usize,
    later: Vec<RecordKey>,
}

struct NewRow {
    /// The day after which it is to be erased; 0: never.
    expiry_day: u32,
    body: Zeroizing<Vec<u8>>,
}

impl Changes {
    /// Writes a row of ours.
    pub(crate) fn put<T: Serialize>(&mut self, key: RecordKey, row: &T) -> Result<(), VaultError> {
        self.put_bytes(key, encode(row)?);
        Ok(())
    }

    /// Writes a row whose bytes carry a version of their own.
    pub(crate) fn put_bytes(&mut self, key: RecordKey, body: Zeroizing<Vec<u8>>) {
        self.insert(key, 0, body);
    }

    /// Writes a row that [`Vault::expired`] names behind the day.
    pub(crate) fn put_until<T: Serialize>(
        &mut self,
        key: RecordKey,
        row: &T,
        day: Day,
    ) -> Result<(), VaultError> {
        self.insert(key, day.number(), encode(row)?);
        Ok(())
    }

    fn insert(&mut self, key: RecordKey, expiry_day: u32, body: Zeroizing<Vec<u8>>) {
        self.bytes = self.bytes.saturating_add(body.len());
        self.rows.insert(key, Some(NewRow { expiry_day, body }));
    }

    /// Erases a row.
    pub(crate) fn erase(&mut self, key: RecordKey) {
        self.rows.insert(key, None);
    }

    /// Erases rows once the rest is stored, however many: a crash between the two leaves them.
    pub(crate) fn erase_later(&mut self, keys: impl Iterator<Item = RecordKey>) {
        self.later.extend(keys);
    }

    /// A row that this very step writes.
    pub(crate) fn pending(&self, key: &RecordKey) -> Option<&[u8]> {
        self.rows.get(key)?.as_ref().map(|row| row.body.as_slice())
    }

    /// Rows that are written or erased at once.
    pub(crate) fn rows(&self) -> usize {
        self.rows.len()
    }

    /// Bytes that were written, rows that were written twice counted twice.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The batch for the store. The rows stay here, because a store that refuses a batch wipes it.
    fn batch(&self) -> Batch {
        let mut batch = Batch::default();
        for (key, row) in &self.rows {
            match row {
                // The store encrypts the copy where it lies.
                Some(NewRow { expiry_day, body }) => batch.puts.push(Record {
                    key: *key,
                    meta: [0; 8],
                    expiry_day: *expiry_day,
                    body: body.to_vec(),
                }),
                None => batch.erases.push(*key),
            }
        }
        batch
    }
}

/// A row's bytes, its version in front. Measured first: a buffer that grew would leave a copy behind.
pub(crate) fn encode<T: Serialize>(row: &T) -> Result<Zeroizing<Vec<u8>>, VaultError> {
    let measured = postcard::serialize_with_flavor(row, postcard::ser_flavors::Size::default());
    let mut bytes = Vec::with_capacity(1 + measured.map_err(|_| VaultError::Corrupt)?);
    bytes.push(ROW_VERSION);
    postcard::to_extend(row, bytes).map(Zeroizing::new).map_err(|_| VaultError::Corrupt)
}

/// The row of such bytes.
pub(crate) fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T, VaultError> {
    match body.split_first() {
        Some((&ROW_VERSION, row)) => postcard::from_bytes(row).map_err(|_| VaultError::Corrupt),
        Some((version, _)) if *version > ROW_VERSION => Err(VaultError::NewerVersion),
        _ => Err(VaultError::Corrupt),
    }
}

impl<D: Disk + 'static> Vault<D> {
    /// Takes an open store over.
    pub(crate) fn start(store: Shred<D>) -> Result<Self, VaultError> {
        let rng = crate::random::SystemRandom;
        let writer = Writer::start(store, rng).map_err(|_| VaultError::Io)?;
        let vault = Self {
            reader: writer.reader(),
            writer,
            sizes: Sizes::of(&Geometry::vault()),
            used: Cell::new(0),
        };
        vault.weigh();
        Ok(vault)
    }

    /// The sizes of a test's store.
    #[cfg(test)]
    pub(crate) fn set_geometry(&mut self, geometry: &Geometry) {
        self.sizes = Sizes::of(geometry);
        self.weigh();
    }

    /// Adds up what all rows count.
    fn weigh(&self) {
        let rows = self.reader.entries_where(|_| true);
        self.used.set(rows.iter().map(|row| self.sizes.weight(length(row))).sum());
    }

    /// How full it is.
    pub(crate) fn status(&self) -> VaultStatus {
        self.sizes.status(&self.reader.stats(), self.used.get())
    }

    /// How much room the vault has left.
    pub(crate) fn room(&self) -> VaultRoom {
        self.status().room
    }

    /// Stores all of it durably. After [`VaultError::Full`] and [`VaultError::Busy`] the disk holds what it held before; after any
    /// other error what it holds is known only when the vault is opened again. Waits for a store that is busy.
    pub(crate) fn commit(&self, changes: Changes) -> Result<(), VaultError> {
        if !changes.rows.is_empty() {
            let used = self.used_after(&changes);
            let until = Instant::now() + BUSY_WAIT;
            while let Err(error) = self.writer.commit(changes.batch()) {
                if error != CommitError::Busy || Instant::now() >= until {
                    return Err(refused(error));
                }
                thread::sleep(BUSY_PAUSE);
            }
            self.used.set(used);
        }
        self.erase(&changes.later)
    }

    /// Erases rows, which needs no room.
    pub(crate) fn erase(&self, keys: &[RecordKey]) -> Result<(), VaultError> {
        for keys in keys.chunks(ERASED_AT_ONCE) {
            let gone: u64 = keys.iter().map(|key| self.weight_of(key)).sum();
            self.writer.erase(keys.to_vec()).map_err(refused)?;
            self.used.set(self.used.get().saturating_sub(gone));
        }
        Ok(())
    }

    fn weight_of(&self, key: &RecordKey) -> u64 {
        self.reader.entry(key).map_or(0, |row| self.sizes.weight(length(&row)))
    }

    fn used_after(&self, changes: &Changes) -> u64 {
        let new = |row: &NewRow| self.sizes.weight(row.body.len());
        changes.rows.iter().fold(self.used.get(), |used, (key, row)| {
            used.saturating_sub(self.weight_of(key)).saturating_add(row.as_ref().map_or(0, new))
        })
    }

    /// A row of ours, if it is there.
    pub(crate) fn read<T: DeserializeOwned>(&self, key: &RecordKey) -> Result<Option<T>, VaultError> {
        self.read_bytes(key)?.map(|body| decode(&body)).transpose()
    }

    /// A row's bytes, if it is there.
    pub(crate) fn read_bytes(&self, key: &RecordKey) -> Result<Option<Zeroizing<Vec<u8>>>, VaultError> {
        use deaddrop_shred::ReadError;
        match self.reader.read_secret(key) {
            Ok(body) => Ok(Some(body)),
            Err(ReadError::NotFound) => Ok(None),
            Err(ReadError::Corrupt) => Err(VaultError::Corrupt),
            Err(_) => Err(VaultError::Io),
        }
    }

    /// The keys of a table, ascending.
    pub(crate) fn keys(&self, table: Table) -> Vec<RecordKey> {
        self.reader.entries_with_prefix(&[table.code()]).into_iter().map(|entry| entry.key).collect()
    }

    /// The keys of a table, those that were stored first in front.
    pub(crate) fn keys_by_age(&self, table: Table) -> Vec<RecordKey> {
        let mut rows = self.reader.entries_with_prefix(&[table.code()]);
        rows.sort_unstable_by_key(|entry| entry.order);
        rows.into_iter().map(|entry| entry.key).collect()
    }

    /// Whether there is a row.
    pub(crate) fn has(&self, key: &RecordKey) -> bool {
        self.reader.entry(key).is_some()
    }

    /// Rows whose day is over.
    pub(crate) fn expired(&self, today: Day) -> Vec<RecordKey> {
        let is_over = |row: &Entry| row.expiry_day != 0 && row.expiry_day < today.number();
        self.reader.entries_where(is_over).into_iter().map(|row| row.key).collect()
    }

    /// Rows that a damaged disk has cost.
    pub(crate) fn damaged(&self) -> u64 {
        self.reader.stats().damaged_slots
    }

    /// Finishes what is under way.
    pub(crate) fn close(self) -> Result<(), VaultError> {
        self.writer.close().map(|_| ()).map_err(|_| VaultError::Stopped)
    }
}

fn length(row: &Entry) -> usize {
    usize::try_from(row.length).unwrap_or(usize::MAX)
}

fn refused(error: CommitError) -> VaultError {
    match error {
        CommitError::Full => VaultError::Full,
        CommitError::Busy => VaultError::Busy,
        _ => VaultError::Stopped,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use deaddrop_shred::{Geometry, MasterKey, MemoryDisk, Unlock};
    use std::sync::Arc;

    fn vault() -> Vault<Arc<MemoryDisk>> {
        let unlock = Unlock::Key(MasterKey::from_bytes([7; 32]));
        let geometry = Geometry {
            segment_bytes: 1 << 20,
            slots_per_segment: 1_024,
            max_segments: 8,
            ..Geometry::vault()
        };
        let disk = Arc::new(MemoryDisk::new());
        Vault::start(Shred::create(disk, &geometry, &unlock, &mut rand::rng()).unwrap()).unwrap()
    }

    #[test]
    fn a_row_is_read_by_its_version() {
        let vault = vault();
        let name = key(Table::Cursor, 0, 0);
        assert_eq!(vault.read::<u64>(&name), Ok(None));
        let mut changes = Changes::default();
        changes.put(name, &300_u64).unwrap();
        vault.commit(changes).unwrap();
        assert_eq!(vault.read_bytes(&name), Ok(Some(vec![2, 0xac, 0x02].into())));
        assert_eq!(vault.read::<u64>(&name), Ok(Some(300)));
        for (bytes, wanted) in [
            (vec![], VaultError::Corrupt),
            (vec![0, 1], VaultError::Corrupt),
            (vec![1, 0xac, 0x02], VaultError::Corrupt),
            (vec![2], VaultError::Corrupt),
            (vec![2, 0xac], VaultError::Corrupt),
            (vec![3, 0xac, 0x02], VaultError::NewerVersion),
        ] {
            let mut changes = Changes::default();
            changes.put_bytes(name, bytes.into());
            vault.commit(changes).unwrap();
            assert_eq!(vault.read::<u64>(&name), Err(wanted));
        }
        let mut changes = Changes::default();
        changes.erase(name);
        vault.commit(changes).unwrap();
        assert_eq!(vault.read::<u64>(&name), Ok(None));
    }

    #[test]
    fn a_table_is_listed_in_order_and_apart_from_others() {
        let vault = vault();
        let mut changes = Changes::default();
        for number in [300, 2, 70_000] {
            changes.put(key(Table::Event, 0, number), &number).unwrap();
            changes.put(key(Table::Outbox, 7, number), &number).unwrap();
        }
        assert_eq!(changes.pending(&key(Table::Event, 0, 2)), Some(&[2, 2][..]));
        changes.erase(key(Table::Event, 0, 2));
        assert_eq!(changes.pending(&key(Table::Event, 0, 2)), None);
        vault.commit(changes).unwrap();
        let numbers = |table| vault.keys(table).iter().map(|key| parts(key).1).collect::<Vec<_>>();
        assert_eq!(numbers(Table::Event), [300, 70_000]);
        assert_eq!(numbers(Table::Outbox), [2, 300, 70_000]);
        assert!(numbers(Table::Held).is_empty());
    }
}
