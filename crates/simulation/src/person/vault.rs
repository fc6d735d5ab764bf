//! The vault of a person: the client's own adapter over a store on a simulated disk, and the planted faults of vaults.

use crate::{disk::NodeDisk, planted::Planted, random::SimRandom};
use deaddrop_client::testing::SteppedVault;
use deaddrop_engine::{RowBatch, RowEntry, RowKey, StorageReport, Vault, VaultError};
use rand::RngExt;
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};
use zeroize::Zeroizing;

/// The tables whose rows planted faults lose (spec/14-client.md section 2).
const OUTBOX: u8 = 6;
const EVENT: u8 = 7;
const CURSOR: u8 = 11;
const PEER: u8 = 15;

/// The vault of a person, which may lose rows by the planted fault of the run.
pub(crate) struct PersonVault {
    inner: SteppedVault<Arc<NodeDisk>>,
    planted: Option<Planted>,
    rng: SimRandom,
    writes: Arc<AtomicU64>,
}

impl PersonVault {
    /// Makes a vault that counts in `writes` the batches and erasures that it is given, stored or
    /// not.
    pub(crate) const fn new(
        inner: SteppedVault<Arc<NodeDisk>>,
        planted: Option<Planted>,
        rng: SimRandom,
        writes: Arc<AtomicU64>,
    ) -> Self {
        Self { inner, planted, rng, writes }
    }

    fn loses(&mut self, batch: &mut RowBatch, table: u8, one_in: u32) {
        if self.rng.random_range(0..one_in) == 0 {
            batch.puts.retain(|row| row.key.table() != table);
        }
    }
}

impl Vault for PersonVault {
    fn get(&self, key: &RowKey) -> Result<Option<Zeroizing<Vec<u8>>>, VaultError> {
        self.inner.get(key)
    }

    fn entry(&self, key: &RowKey) -> Option<RowEntry> {
        self.inner.entry(key)
    }

    fn table(&self, table: u8) -> Vec<RowEntry> {
        self.inner.table(table)
    }

    fn commit(&mut self, mut batch: RowBatch) -> Result<(), VaultError> {
        match self.planted {
            Some(Planted::ReusedNumber) if batch.puts.iter().any(|row| row.key.table() == OUTBOX) => {
                self.loses(&mut batch, PEER, 2);
            }
            Some(Planted::ReceiptWithoutText) => self.loses(&mut batch, EVENT, 6),
            Some(Planted::ShownTwice) => self.loses(&mut batch, CURSOR, 1),
            _ => {}
        }
        self.writes.fetch_add(1, Ordering::Relaxed);
        self.inner.commit(batch)
    }

    fn erase(&mut self, keys: &[RowKey]) -> Result<(), VaultError> {
        self.writes.fetch_add(1, Ordering::Relaxed);
        self.inner.erase(keys)
    }

    fn report(&self) -> StorageReport {
        self.inner.report()
    }

    fn close(self) -> Result<(), VaultError> {
        self.inner.close()
    }
}
