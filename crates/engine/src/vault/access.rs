//! Typed access to the rows of a vault, and the count of the room that they take. A row's *weight*
//! is the number of bytes with which it counts: its length, or a minimum.

use super::{
    changes::{Changes, decode},
    key::Table,
    port::{RowEntry, RowKey, Vault},
    room::{VaultRoom, VaultStatus, status, weight},
};
use crate::error::VaultError;
use deaddrop_wire::Day;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

/// Maximum number of rows that are erased by one call of the vault. A store takes a limited number.
const ERASED_AT_ONCE: usize = 1_024;

/// A vault, with the weight of its rows.
pub(crate) struct Rows<V> {
    vault: V,
    /// The minimum weight of a row, in bytes.
    least_row: u64,
    /// The weight of all rows together, in bytes.
    used: u64,
}

impl<V: Vault> Rows<V> {
    /// Takes an open vault over and weighs its rows.
    pub(crate) fn new(vault: V) -> Self {
        let least_row = vault.report().least_row_bytes;
        let mut rows = Self { vault, least_row, used: 0 };
        rows.used = rows.entries().map(|row| weight(least_row, row.length)).sum();
        rows
    }

    /// Returns the properties of all rows, ascending by key.
    pub(super) fn entries(&self) -> impl Iterator<Item = RowEntry> {
        (0..=u8::MAX).flat_map(|table| self.vault.table(table))
    }

    /// Returns the fill level of the vault.
    pub(crate) fn status(&self) -> VaultStatus {
        status(&self.vault.report(), self.used)
    }

    /// Returns the kinds of rows for which the vault has room.
    pub(crate) fn room(&self) -> VaultRoom {
        self.status().room
    }

    /// Stores changes durably, as one batch; then erases the rows that are to be erased after it.
    ///
    /// If the batch fails with [`VaultError::Full`] or [`VaultError::Busy`], the disk holds what it
    /// held before. If only the erasing fails with [`VaultError::Busy`], the batch is stored. After
    /// any other error what the disk holds is known only when the vault is opened again.
    pub(crate) fn commit(&mut self, changes: Changes) -> Result<(), VaultError> {
        let used = self.used_after(&changes);
        let is_empty = changes.rows() == 0;
        let (batch, later) = changes.into_batch();
        if !is_empty {
            self.vault.commit(batch)?;
            self.used = used;
        }
        self.erase(&later)
    }

    /// Erases rows durably, which needs no room. Fails as [`Vault::erase`] does; some of the rows
    /// may be erased then.
    pub(crate) fn erase(&mut self, keys: &[RowKey]) -> Result<(), VaultError> {
        for keys in keys.chunks(ERASED_AT_ONCE) {
            let gone: u64 = keys.iter().map(|key| self.weight_of(key)).sum();
            self.vault.erase(keys)?;
            self.used = self.used.saturating_sub(gone);
        }
        Ok(())
    }

    fn weight_of(&self, key: &RowKey) -> u64 {
        self.vault.entry(key).map_or(0, |row| weight(self.least_row, row.length))
    }

    fn used_after(&self, changes: &Changes) -> u64 {
        changes.lengths().fold(self.used, |used, (key, length)| {
            let new = length.map_or(0, |length| weight(self.least_row, length));
            used.saturating_sub(self.weight_of(key)).saturating_add(new)
        })
    }

    /// Reads and decodes a row whose fields the engine defines; `None` if there is none. Fails with
    /// [`VaultError::Corrupt`] if it is damaged, and with [`VaultError::NewerVersion`] if a newer
    /// version has written it.
    pub(crate) fn read<T: DeserializeOwned>(&self, key: &RowKey) -> Result<Option<T>, VaultError> {
        self.read_bytes(key)?.map(|body| decode(&body)).transpose()
    }

    /// Reads the bytes of a row; `None` if there is none.
    pub(crate) fn read_bytes(&self, key: &RowKey) -> Result<Option<Zeroizing<Vec<u8>>>, VaultError> {
        self.vault.get(key)
    }

    /// Returns the keys of the rows of a table, ascending.
    pub(crate) fn keys(&self, table: Table) -> Vec<RowKey> {
        self.vault.table(table.code()).into_iter().map(|row| row.key).collect()
    }

    /// Returns the keys of the rows of a table in the order in which they were stored, oldest
    /// first.
    pub(crate) fn keys_by_age(&self, table: Table) -> Vec<RowKey> {
        let mut rows = self.vault.table(table.code());
        rows.sort_unstable_by_key(|row| row.order);
        rows.into_iter().map(|row| row.key).collect()
    }

    /// Whether there is a row with this key.
    pub(crate) fn has(&self, key: &RowKey) -> bool {
        self.vault.entry(key).is_some()
    }

    /// Returns the keys of the rows whose expiry day is before `today`.
    pub(crate) fn expired(&self, today: Day) -> Vec<RowKey> {
        let is_over = |row: &RowEntry| row.expiry_day != 0 && row.expiry_day < today.number();
        self.entries().filter(is_over).map(|row| row.key).collect()
    }

    /// Returns the number of rows that are lost because the disk is damaged.
    pub(crate) fn damaged(&self) -> u64 {
        self.vault.report().damaged_rows
    }

    /// Finishes the vault's work under way and closes it.
    pub(crate) fn close(self) -> Result<(), VaultError> {
        self.vault.close()
    }
}

#[cfg(test)]
mod tests;
