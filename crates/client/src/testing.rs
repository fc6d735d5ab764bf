//! The vault of a client over a store that has no thread, for simulations.
//!
//! Behind the additive feature `testing`.

use crate::vault::ShredVault;
use deaddrop_engine::{RowBatch, RowEntry, RowKey, StorageReport, Vault, VaultError};
use deaddrop_shred::{Disk, Geometry, Shred, Writer, writer::WriterSteps};
use rand::CryptoRng;
use std::time::Duration;
use zeroize::Zeroizing;

/// The vault that [`Client`](crate::Client) uses, over a store without a thread of its own: the
/// caller's thread writes commits. A store that is busy refuses a commit at once.
pub struct SteppedVault<D: Disk + 'static>(ShredVault<D>);

impl<D: Disk + 'static> SteppedVault<D> {
    /// Takes over an open store whose segments have this geometry. The salts of keys come from
    /// `salts`. Also returns the steps that do the store's upkeep (erasing, compaction), for the
    /// caller to run; `None` if the store has no such steps.
    #[must_use]
    pub fn start(
        store: Shred<D>,
        geometry: &Geometry,
        salts: impl CryptoRng + Send + 'static,
    ) -> Option<(Self, WriterSteps<D>)> {
        let writer = Writer::without_thread(store, salts, |_| false);
        let steps = writer.steps()?;
        Some((Self(ShredVault::over(writer, geometry, Duration::ZERO)), steps))
    }
}

impl<D: Disk + 'static> Vault for SteppedVault<D> {
    fn get(&self, key: &RowKey) -> Result<Option<Zeroizing<Vec<u8>>>, VaultError> {
        self.0.get(key)
    }

    fn entry(&self, key: &RowKey) -> Option<RowEntry> {
        self.0.entry(key)
    }

    fn table(&self, table: u8) -> Vec<RowEntry> {
        self.0.table(table)
    }

    fn commit(&mut self, batch: RowBatch) -> Result<(), VaultError> {
        self.0.commit(batch)
    }

    fn erase(&mut self, keys: &[RowKey]) -> Result<(), VaultError> {
        self.0.erase(keys)
    }

    fn report(&self) -> StorageReport {
        self.0.report()
    }

    fn close(self) -> Result<(), VaultError> {
        self.0.close()
    }
}
