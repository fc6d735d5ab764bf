//! The port to the storage: what the engine asks of a vault, and what a vault promises.

use crate::error::VaultError;
use core::time::Duration;
use zeroize::Zeroizing;

/// The key of a row: its table, then the number of its owner, its own number and a sub number,
/// big-endian, so that the rows of a table sort by these. The last two bytes are zero.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RowKey(pub [u8; 16]);

impl RowKey {
    /// Returns the number of the table to which the row belongs: the first byte.
    #[must_use]
    pub const fn table(&self) -> u8 {
        let [table, ..] = self.0;
        table
    }
}

impl core::fmt::Debug for RowKey {
    /// Hides the bytes: keys of rows tell what the user does and do not belong into logs.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("RowKey(..)")
    }
}

/// The properties of a stored row that are known without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowEntry {
    /// The key of the row.
    pub key: RowKey,
    /// The day after which the engine erases the row, counted from 1970-01-01; 0: never.
    pub expiry_day: u32,
    /// Position among all rows in the order in which they were last stored: a later batch has a
    /// higher one, also for the rows that it replaces. Rows of one batch may share it.
    pub order: u64,
    /// Length of the body in bytes.
    pub length: usize,
}

/// A row to be stored.
pub struct NewRow {
    /// The key of the row. A row that has this key already is replaced.
    pub key: RowKey,
    /// The day after which the engine erases the row, counted from 1970-01-01; 0: never.
    pub expiry_day: u32,
    /// The body of the row. It may hold secrets: a vault makes no copy of it that is not wiped.
    pub body: Zeroizing<Vec<u8>>,
}

/// Changes that are stored together or not at all. No key occurs twice.
#[derive(Default)]
pub struct RowBatch {
    /// The rows to store.
    pub puts: Vec<NewRow>,
    /// The keys of rows to erase. A key that no row has changes nothing.
    pub erases: Vec<RowKey>,
}

/// The size of a vault's storage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StorageReport {
    /// Number of bytes of rows that the storage can hold at its largest, if each row counts at
    /// least [`least_row_bytes`](Self::least_row_bytes).
    pub room_bytes: u64,
    /// Minimum number of bytes with which a row counts. Does not change while the vault is open.
    pub least_row_bytes: u64,
    /// Number of bytes that the storage takes on the disk now.
    pub file_bytes: u64,
    /// Number of bytes to which the storage may grow.
    pub limit_bytes: u64,
    /// Number of bytes of erased rows that are not overwritten yet. Their keys are destroyed.
    pub dead_bytes: u64,
    /// The time since the oldest of the erased rows that are not overwritten yet was erased, as far
    /// as the vault knows; `None` if there is none.
    pub oldest_dead: Option<Duration>,
    /// Number of rows that are lost because the disk is damaged.
    pub damaged_rows: u64,
}

/// Storage for the rows of one client. One engine owns it; nothing else writes to it.
///
/// A vault promises:
///
/// 1. A batch is stored as a whole or not at all, whatever happens, and it is durable when
///    [`commit`](Self::commit) returns. The same holds for [`erase`](Self::erase).
/// 2. A read sees every batch that was committed before it.
/// 3. After [`VaultError::Full`] and [`VaultError::Busy`] the vault holds what it held before, and
///    goes on. After any other error of a write every later write fails until the vault is opened
///    again.
/// 4. As long as all rows together count less than seven eighths of [`StorageReport::room_bytes`],
///    a commit does not fail for lack of room, except when the disk itself is full. Erasing needs
///    no room.
/// 5. Bodies are encrypted or stay in memory that is wiped, and an erased row cannot be read again,
///    also not from the disk.
///
/// The feature `testing` has a test of the first four that every implementation runs.
pub trait Vault {
    /// Reads the body of a row; `None`: there is no such row.
    ///
    /// # Errors
    /// Fails with [`VaultError::Corrupt`] for a damaged row, and with [`VaultError::Io`] if the
    /// disk cannot be read.
    fn get(&self, key: &RowKey) -> Result<Option<Zeroizing<Vec<u8>>>, VaultError>;

    /// Returns the properties of a row without reading it; `None`: there is no such row.
    fn entry(&self, key: &RowKey) -> Option<RowEntry>;

    /// Returns the properties of the rows of the table with this number, ascending by key.
    fn table(&self, table: u8) -> Vec<RowEntry>;

    /// Stores a batch durably, as a whole or not at all.
    ///
    /// # Errors
    /// Fails with [`VaultError::Full`] or [`VaultError::Busy`]: nothing was changed. Fails with
    /// [`VaultError::Stopped`] if a write failed, now or before.
    fn commit(&mut self, batch: RowBatch) -> Result<(), VaultError>;

    /// Erases rows durably, all or none: at most 1,024 in one call of the engine. Needs no room. A
    /// key that no row has changes nothing.
    ///
    /// # Errors
    /// Fails with [`VaultError::Busy`]: nothing was changed. Fails with [`VaultError::Stopped`] if
    /// a write failed, now or before.
    fn erase(&mut self, keys: &[RowKey]) -> Result<(), VaultError>;

    /// Reports how large the storage is and how large it may grow.
    fn report(&self) -> StorageReport;

    /// Finishes the work under way and closes the vault. A vault that is dropped loses nothing,
    /// either.
    ///
    /// # Errors
    /// Fails with [`VaultError::Stopped`] if a write failed.
    fn close(self) -> Result<(), VaultError>
    where
        Self: Sized;
}
