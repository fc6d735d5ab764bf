//! The vault: everything a client keeps, as versioned rows in a store whose deletions are real (spec/14-client.md section 2).

mod key;
mod rows;

pub(crate) use key::{Table, key, parts};
pub(crate) use rows::{
    AcceptedInvite, ConfigRow, ContactRow, EventRow, InviteRow, ItemKind, ItemRow, MailboxKind, MailboxRow,
    MailboxState, PeerAddress, Sealed,
};

use crate::error::VaultError;
use deaddrop_shred::{Batch, CommitError, Disk, Reader, Record, RecordKey, Shred, Writer};
use serde::{Serialize, de::DeserializeOwned};
use std::collections::BTreeMap;

/// The version of every row that this build writes.
const ROW_VERSION: u8 = 1;

/// Rows in a store.
pub(crate) struct Vault<D: Disk + 'static> {
    writer: Writer<D>,
    reader: Reader<D>,
}

/// What one step changes: stored as a whole or not at all.
#[derive(Default)]
pub(crate) struct Changes(BTreeMap<RecordKey, Option<Vec<u8>>>);

impl Changes {
    /// Writes a row of ours.
    pub(crate) fn put<T: Serialize>(&mut self, key: RecordKey, row: &T) -> Result<(), VaultError> {
        let body = postcard::to_extend(row, vec![ROW_VERSION]).map_err(|_| VaultError::Corrupt)?;
        self.put_bytes(key, body);
        Ok(())
    }

    /// Writes a row whose bytes carry a version of their own.
    pub(crate) fn put_bytes(&mut self, key: RecordKey, body: Vec<u8>) {
        self.0.insert(key, Some(body));
    }

    /// Erases a row.
    pub(crate) fn erase(&mut self, key: RecordKey) {
        self.0.insert(key, None);
    }

    /// A row that this very step writes.
    pub(crate) fn pending(&self, key: &RecordKey) -> Option<&[u8]> {
        self.0.get(key)?.as_deref()
    }

    fn into_batch(self) -> Batch {
        let mut batch = Batch::default();
        for (key, body) in self.0 {
            match body {
                Some(body) => batch.puts.push(Record { key, meta: [0; 8], expiry_day: 0, body }),
                None => batch.erases.push(key),
            }
        }
        batch
    }
}

impl<D: Disk + 'static> Vault<D> {
    /// Takes an open store over.
    pub(crate) fn start(store: Shred<D>) -> Result<Self, VaultError> {
        let rng = crate::random::fresh();
        let writer = Writer::start(store, rng).map_err(|_| VaultError::Io)?;
        Ok(Self { reader: writer.reader(), writer })
    }

    /// Stores all of it durably. After an error nothing more is taken: what the disk holds is known only when the vault is
    /// opened again.
    pub(crate) fn commit(&self, changes: Changes) -> Result<(), VaultError> {
        if changes.0.is_empty() {
            return Ok(());
        }
        self.writer.commit(changes.into_batch()).map(|_| ()).map_err(|error| match error {
            CommitError::Full => VaultError::Full,
            _ => VaultError::Stopped,
        })
    }

    /// A row of ours, if it is there.
    pub(crate) fn read<T: DeserializeOwned>(&self, key: &RecordKey) -> Result<Option<T>, VaultError> {
        let Some(body) = self.read_bytes(key)? else { return Ok(None) };
        match body.split_first() {
            Some((&ROW_VERSION, row)) => postcard::from_bytes(row).map(Some).map_err(|_| VaultError::Corrupt),
            Some((version, _)) if *version > ROW_VERSION => Err(VaultError::NewerVersion),
            _ => Err(VaultError::Corrupt),
        }
    }

    /// A row's bytes, if it is there.
    pub(crate) fn read_bytes(&self, key: &RecordKey) -> Result<Option<Vec<u8>>, VaultError> {
        use deaddrop_shred::ReadError;
        match self.reader.read(key) {
            Ok(body) => Ok(Some(body)),
            Err(ReadError::NotFound) => Ok(None),
            Err(ReadError::Corrupt) => Err(VaultError::Corrupt),
            Err(_) => Err(VaultError::Io),
        }
    }

    /// The keys of a table, ascending.
    pub(crate) fn keys(&self, table: Table) -> Vec<RecordKey> {
        let mut keys: Vec<_> = self
            .reader
            .entries()
            .map(|entry| entry.key)
            .filter(|key| key.0.first() == Some(&table.code()))
            .collect();
        keys.sort_unstable();
        keys
    }

    /// Finishes what is under way.
    pub(crate) fn close(self) -> Result<(), VaultError> {
        self.writer.close().map_err(|_| VaultError::Stopped)
    }
}
