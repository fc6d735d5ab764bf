//! The changes of one step, and how rows are encoded.

use super::port::{NewRow, RowBatch, RowKey};
use crate::error::VaultError;
use deaddrop_wire::Day;
use serde::{Serialize, de::DeserializeOwned};
use std::collections::BTreeMap;
use zeroize::Zeroizing;

/// Version byte of every row that this build writes, except the rows of the e2ee crate, which have
/// their own, and of blobs that are put aside, which have none.
pub(crate) const ROW_VERSION: u8 = 2;

/// The changes of one step, which are stored as a whole or not at all, except those of
/// [`erase_later`](Self::erase_later).
#[derive(Default)]
pub(crate) struct Changes {
    /// The rows to store, by key; `None`: the row is to be erased.
    rows: BTreeMap<RowKey, Option<Body>>,
    bytes: usize,
    later: Vec<RowKey>,
}

/// The new body of a row, with the row's expiry day.
struct Body {
    /// The day after which the row is to be erased, counted from 1970-01-01; 0: never.
    expiry_day: u32,
    bytes: Zeroizing<Vec<u8>>,
}

impl Changes {
    /// Writes a row whose fields the engine defines, in place of a change of the same row in this
    /// step. Fails with [`VaultError::Corrupt`] only if it cannot be encoded.
    pub(crate) fn put<T: Serialize>(&mut self, key: RowKey, row: &T) -> Result<(), VaultError> {
        self.put_bytes(key, encode(row)?);
        Ok(())
    }

    /// Writes these bytes as a row, in place of a change of the same row in this step: a row that
    /// is encoded already, with its version byte, or a blob that is put aside.
    pub(crate) fn put_bytes(&mut self, key: RowKey, bytes: Zeroizing<Vec<u8>>) {
        self.insert(key, 0, bytes);
    }

    /// Writes a row that is erased on the first day after `day`. Fails with [`VaultError::Corrupt`]
    /// only if it cannot be encoded.
    pub(crate) fn put_until<T: Serialize>(
        &mut self,
        key: RowKey,
        row: &T,
        day: Day,
    ) -> Result<(), VaultError> {
        self.insert(key, day.number(), encode(row)?);
        Ok(())
    }

    fn insert(&mut self, key: RowKey, expiry_day: u32, bytes: Zeroizing<Vec<u8>>) {
        self.bytes = self.bytes.saturating_add(bytes.len());
        self.rows.insert(key, Some(Body { expiry_day, bytes }));
    }

    /// Erases a row, in place of a change of the same row in this step.
    pub(crate) fn erase(&mut self, key: RowKey) {
        self.rows.insert(key, None);
    }

    /// Erases any number of rows after the other changes are stored. A crash between the two leaves
    /// these rows.
    pub(crate) fn erase_later(&mut self, keys: impl Iterator<Item = RowKey>) {
        self.later.extend(keys);
    }

    /// Returns the body of a row that this step writes; `None` if it does not write the row, or
    /// erases it.
    pub(crate) fn pending(&self, key: &RowKey) -> Option<&[u8]> {
        self.rows.get(key)?.as_ref().map(|body| body.bytes.as_slice())
    }

    /// Returns the number of rows that the batch writes or erases, without those of
    /// [`erase_later`](Self::erase_later).
    pub(crate) fn rows(&self) -> usize {
        self.rows.len()
    }

    /// Returns the number of bytes of all rows that were written in this step. A row that was
    /// written twice counts twice.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Returns the keys of the rows that the batch changes, each with the length of its new body in
    /// bytes; `None`: the row is erased.
    pub(super) fn lengths(&self) -> impl Iterator<Item = (&RowKey, Option<usize>)> {
        self.rows.iter().map(|(key, body)| (key, body.as_ref().map(|body| body.bytes.len())))
    }

    /// Splits the changes into the batch and the keys of the rows that are erased after it.
    pub(super) fn into_batch(self) -> (RowBatch, Vec<RowKey>) {
        let mut batch = RowBatch::default();
        for (key, body) in self.rows {
            match body {
                Some(Body { expiry_day, bytes }) => batch.puts.push(NewRow { key, expiry_day, body: bytes }),
                None => batch.erases.push(key),
            }
        }
        (batch, self.later)
    }
}

/// Encodes a row, its version byte first. Measures the length before, because a buffer that grew
/// would leave a copy of secrets behind. Fails with [`VaultError::Corrupt`] only if the type cannot
/// be encoded.
pub(crate) fn encode<T: Serialize>(row: &T) -> Result<Zeroizing<Vec<u8>>, VaultError> {
    let measured = postcard::serialize_with_flavor(row, postcard::ser_flavors::Size::default());
    let mut bytes = Vec::with_capacity(1 + measured.map_err(|_| VaultError::Corrupt)?);
    bytes.push(ROW_VERSION);
    postcard::to_extend(row, bytes).map(Zeroizing::new).map_err(|_| VaultError::Corrupt)
}

/// Decodes a row. Fails with [`VaultError::Corrupt`] if it is damaged, and with
/// [`VaultError::NewerVersion`] if its version byte is higher than [`ROW_VERSION`].
pub(crate) fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T, VaultError> {
    match body.split_first() {
        Some((&ROW_VERSION, row)) => postcard::from_bytes(row).map_err(|_| VaultError::Corrupt),
        Some((version, _)) if *version > ROW_VERSION => Err(VaultError::NewerVersion),
        _ => Err(VaultError::Corrupt),
    }
}
