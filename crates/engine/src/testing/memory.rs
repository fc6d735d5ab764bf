//! A vault in memory.

use crate::{
    error::VaultError,
    vault::{RowBatch, RowEntry, RowKey, StorageReport, Vault},
};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use zeroize::Zeroizing;

/// The sizes of a [`MemoryVault`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryLimits {
    /// The value of [`StorageReport::room_bytes`].
    pub room_bytes: u64,
    /// The value of [`StorageReport::least_row_bytes`].
    pub least_row_bytes: u64,
    /// Number of bytes of rows, each counted with `least_row_bytes` at least, above which a commit
    /// fails with [`VaultError::Full`] if its rows count more than those that they replace.
    pub capacity_bytes: u64,
}

impl Default for MemoryLimits {
    /// Returns roughly the sizes of a client's vault file that may grow to 1 GiB.
    fn default() -> Self {
        Self { room_bytes: 800 << 20, least_row_bytes: 764, capacity_bytes: 800 << 20 }
    }
}

/// A vault in memory. Clones share the same storage, so that a test that drops an engine, as a
/// crash does, can open the storage again.
#[derive(Clone)]
pub struct MemoryVault(Arc<Mutex<State>>);

#[derive(Clone)]
struct State {
    rows: BTreeMap<RowKey, Row>,
    limits: MemoryLimits,
    /// Number of commits and erasures that were not refused.
    writes: u64,
    /// The error with which every write fails; `None`: writes succeed.
    refuses: Option<VaultError>,
    /// Whether a write has failed with an error that is not passing, so that all later ones fail.
    stopped: bool,
    damaged_rows: u64,
}

#[derive(Clone)]
struct Row {
    expiry_day: u32,
    order: u64,
    /// The body of the row; `None`: the row is damaged.
    body: Option<Zeroizing<Vec<u8>>>,
    length: usize,
}

impl MemoryVault {
    /// Creates an empty vault with the default limits.
    #[must_use]
    pub fn new() -> Self {
        Self::with_limits(MemoryLimits::default())
    }

    /// Creates an empty vault with these limits.
    #[must_use]
    pub fn with_limits(limits: MemoryLimits) -> Self {
        let (rows, refuses) = (BTreeMap::new(), None);
        Self(Arc::new(Mutex::new(State {
            rows,
            limits,
            writes: 0,
            refuses,
            stopped: false,
            damaged_rows: 0,
        })))
    }

    /// Copies the storage, as a copy of a vault's file does. The copy takes writes, even if this
    /// vault refuses them or has stopped.
    #[must_use]
    pub fn copy(&self) -> Self {
        let mut state = self.state().clone();
        (state.stopped, state.refuses) = (false, None);
        Self(Arc::new(Mutex::new(state)))
    }

    /// Returns the number of commits and erasures that were not refused.
    #[must_use]
    pub fn writes(&self) -> u64 {
        self.state().writes
    }

    /// Returns the keys of all rows, ascending.
    #[must_use]
    pub fn keys(&self) -> Vec<RowKey> {
        self.state().rows.keys().copied().collect()
    }

    /// Makes every later write fail with this error; `None`: lets them succeed again. An error that
    /// is not passing, such as [`VaultError::Stopped`], stops the vault for good at the next write.
    /// Erasing succeeds in spite of [`VaultError::Full`].
    pub fn refuse(&self, error: Option<VaultError>) {
        self.state().refuses = error;
    }

    /// Sets [`MemoryLimits::capacity_bytes`].
    pub fn set_capacity(&self, bytes: u64) {
        self.state().limits.capacity_bytes = bytes;
    }

    /// Damages the body of a row, as a disk can: reading it fails with [`VaultError::Corrupt`].
    /// Does nothing if there is no such row.
    pub fn damage(&self, key: &RowKey) {
        if let Some(row) = self.state().rows.get_mut(key) {
            row.body = None;
        }
    }

    /// Removes a row and counts it as lost, as a damaged disk does.
    pub fn lose(&self, key: &RowKey) {
        let mut state = self.state();
        if state.rows.remove(key).is_some() {
            state.damaged_rows = state.damaged_rows.saturating_add(1);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for MemoryVault {
    fn default() -> Self {
        Self::new()
    }
}

impl core::fmt::Debug for MemoryVault {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("MemoryVault(..)")
    }
}

impl State {
    /// Begins a write: counts it, or fails if writes are refused or the vault has stopped.
    fn begin_write(&mut self) -> Result<(), VaultError> {
        if self.stopped {
            return Err(VaultError::Stopped);
        }
        if let Some(error) = self.refuses {
            self.stopped = !error.is_passing();
            return Err(error);
        }
        self.writes = self.writes.saturating_add(1);
        Ok(())
    }

    fn weight(&self, length: usize) -> u64 {
        self.limits.least_row_bytes.max(u64::try_from(length).unwrap_or(u64::MAX))
    }

    fn used(&self) -> u64 {
        self.rows.values().map(|row| self.weight(row.length)).sum()
    }
}

impl Row {
    fn entry(&self, key: RowKey) -> RowEntry {
        RowEntry { key, expiry_day: self.expiry_day, order: self.order, length: self.length }
    }
}

impl Vault for MemoryVault {
    fn get(&self, key: &RowKey) -> Result<Option<Zeroizing<Vec<u8>>>, VaultError> {
        match self.state().rows.get(key) {
            None => Ok(None),
            Some(row) => row.body.clone().map(Some).ok_or(VaultError::Corrupt),
        }
    }

    fn entry(&self, key: &RowKey) -> Option<RowEntry> {
        self.state().rows.get(key).map(|row| row.entry(*key))
    }

    fn table(&self, table: u8) -> Vec<RowEntry> {
        let first = RowKey([table, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        let state = self.state();
        let rows = state.rows.range(first..).take_while(|(key, _)| key.table() == table);
        rows.map(|(key, row)| row.entry(*key)).collect()
    }

    fn commit(&mut self, batch: RowBatch) -> Result<(), VaultError> {
        let mut state = self.state();
        let gone = |key| state.rows.get(key).map_or(0, |row| state.weight(row.length));
        let erased: u64 = batch.erases.iter().map(gone).sum();
        let replaced: u64 = batch.puts.iter().map(|row| gone(&row.key)).sum();
        let added: u64 = batch.puts.iter().map(|row| state.weight(row.body.len())).sum();
        let used = state.used().saturating_sub(erased).saturating_sub(replaced).saturating_add(added);
        if used > state.limits.capacity_bytes && added > replaced {
            return Err(VaultError::Full);
        }
        state.begin_write()?;
        for key in &batch.erases {
            state.rows.remove(key);
        }
        let order = state.writes;
        for row in batch.puts {
            let (expiry_day, length) = (row.expiry_day, row.body.len());
            state.rows.insert(row.key, Row { expiry_day, order, body: Some(row.body), length });
        }
        Ok(())
    }

    fn erase(&mut self, keys: &[RowKey]) -> Result<(), VaultError> {
        let mut state = self.state();
        // Erasing needs no room.
        let full = state.refuses.take_if(|error| *error == VaultError::Full);
        let begun = state.begin_write();
        state.refuses = state.refuses.or(full);
        begun?;
        for key in keys {
            state.rows.remove(key);
        }
        Ok(())
    }

    fn report(&self) -> StorageReport {
        let state = self.state();
        StorageReport {
            room_bytes: state.limits.room_bytes,
            least_row_bytes: state.limits.least_row_bytes,
            file_bytes: state.used(),
            limit_bytes: state.limits.capacity_bytes,
            dead_bytes: 0,
            oldest_dead: None,
            damaged_rows: state.damaged_rows,
        }
    }

    fn close(self) -> Result<(), VaultError> {
        if self.state().stopped { Err(VaultError::Stopped) } else { Ok(()) }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::testing::{VaultFixture, check_contract};
    use rand::{SeedableRng, rngs::StdRng};
    use std::sync::atomic::{AtomicU64, Ordering};

    /// Returns a generator of random bytes for tests, with another seed at each call.
    pub(crate) fn random() -> StdRng {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        StdRng::seed_from_u64(NEXT.fetch_add(1, Ordering::Relaxed))
    }

    struct Memory(MemoryVault);

    impl VaultFixture for Memory {
        type Vault = MemoryVault;

        fn empty() -> Self {
            let limits = MemoryLimits { room_bytes: 4 << 20, least_row_bytes: 700, capacity_bytes: 4 << 20 };
            Self(MemoryVault::with_limits(limits))
        }

        fn open(&self) -> MemoryVault {
            self.0.clone()
        }
    }

    #[test]
    fn it_keeps_the_contract() {
        check_contract::<Memory>();
    }

    #[test]
    fn a_row_can_be_damaged_and_lost() {
        let mut vault = MemoryVault::new();
        let keys = [1, 2].map(|number| RowKey([number; 16]));
        let row = |key| crate::vault::NewRow { key, expiry_day: 0, body: vec![1; 9].into() };
        vault.commit(RowBatch { puts: keys.map(row).into(), erases: Vec::new() }).unwrap();
        vault.damage(&keys[0]);
        vault.lose(&keys[1]);
        assert_eq!(vault.get(&keys[0]), Err(VaultError::Corrupt));
        assert_eq!(vault.get(&keys[1]), Ok(None));
        assert_eq!((vault.keys().len(), vault.report().damaged_rows), (1, 1));
    }

    #[test]
    fn a_vault_that_has_stopped_takes_nothing_until_it_is_opened_again() {
        let mut vault = MemoryVault::new();
        vault.refuse(Some(VaultError::Stopped));
        assert_eq!(vault.commit(RowBatch::default()), Err(VaultError::Stopped));
        vault.refuse(None);
        assert_eq!(vault.commit(RowBatch::default()), Err(VaultError::Stopped));
        assert_eq!(vault.erase(&[]), Err(VaultError::Stopped));
        let mut copy = vault.copy();
        assert_eq!(vault.close(), Err(VaultError::Stopped));
        assert_eq!(copy.commit(RowBatch::default()), Ok(()));
    }

    #[test]
    fn without_room_it_erases() {
        let mut vault = MemoryVault::new();
        vault.refuse(Some(VaultError::Full));
        assert_eq!(vault.commit(RowBatch::default()), Err(VaultError::Full));
        assert_eq!(vault.erase(&[RowKey([1; 16])]), Ok(()));
        assert_eq!(vault.commit(RowBatch::default()), Err(VaultError::Full));
        vault.refuse(Some(VaultError::Busy));
        assert_eq!(vault.erase(&[RowKey([1; 16])]), Err(VaultError::Busy));
    }
}
