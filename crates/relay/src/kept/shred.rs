//! Records on a disk that really forgets (spec/12-relay.md section 3, spec/13-shred.md).

use super::backing::{Backing, Done};
use super::kept_store::KeptStore;
use super::parallel::map_in_parallel;
use crate::index_record::{self, LostIndexKey};
use crate::limits::Limits;
use crate::mailboxes::{
    Job,
    record::{self, Kind},
};
use crate::names::StoreKey;
use crate::random::SystemRandom;
use crate::statistics::History;
use crate::store::Space;
use deaddrop_shred::{Batch, Disk, Entry, FileDisk, ReadError, Reader, RecordKey, Shred, Writer};
use rand::CryptoRng;

/// Storage of records on a disk, by `deaddrop-shred`.
pub struct ShredBacking<D: Disk + 'static = FileDisk> {
    writer: Writer<D>,
    reader: Reader<D>,
}

/// The reason for which a store did not become ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenStoreError {
    /// The disk failed while damaged or orphaned records were erased.
    #[error("the disk failed while the store was opened; check the disk, then start again")]
    Stopped,
    /// The disk could not read a record of a mailbox or of the statistics. Nothing was erased.
    #[error(
        "the disk cannot read a part of the store now, and nothing was changed; check the disk, then start again. If it stays so, \
         copy the store's file to a good disk with a program that passes over bad sectors (ddrescue)"
    )]
    Unreadable,
    /// The system gave no thread.
    #[error("the system gives no thread; raise its limit, then start again")]
    NoThread,
    /// Both records of the key of the index are damaged, so that no right finds its mailbox.
    #[error("the store's index key is damaged; check the disk: without it no mailbox can be used")]
    NoIndexKey,
}

impl From<LostIndexKey> for OpenStoreError {
    fn from(_: LostIndexKey) -> Self {
        Self::NoIndexKey
    }
}

/// Number of mailbox records that are decoded at a time when a store is opened. Bounds the memory
/// that they take until the rules hold the mailboxes.
const READ_AT_ONCE: usize = 16_384;
/// Maximum number of records that are erased by one commit when a store is opened.
const ERASED_AT_ONCE: usize = 4_096;

impl<D: Disk + 'static> KeptStore<ShredBacking<D>> {
    /// Takes over an opened `Shred`: reads the records of mailboxes, finds the blobs without
    /// reading their bodies, and erases what belongs to no mailbox. The handles of mailboxes and
    /// the pauses of full ones come from `rng`, the salts of records from the operating system.
    ///
    /// # Errors
    /// Fails with [`OpenStoreError`] when the disk fails or the system gives no thread.
    pub fn over(
        mut shred: Shred<D>,
        key: &StoreKey,
        limits: Limits,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Self, OpenStoreError> {
        shred.set_dead_bytes_limit(limits.dead_bytes());
        let writer = Writer::start_with(shred, SystemRandom, record::names_body);
        let writer = writer.map_err(|_| OpenStoreError::NoThread)?;
        Self::over_writer(writer, key, limits, rng)
    }

    /// Takes over an opened `Shred` like [`over`](Self::over), with a writer that has no thread:
    /// the caller runs the returned steps to store submitted jobs. The salts of records come from
    /// `salts`. Outside of a tokio runtime, bodies are read by the calling thread.
    ///
    /// # Errors
    /// Fails with [`OpenStoreError`] when the disk fails.
    #[cfg(feature = "testing")]
    pub fn over_steps(
        mut shred: Shred<D>,
        key: &StoreKey,
        limits: Limits,
        rng: &mut (impl CryptoRng + ?Sized),
        salts: impl CryptoRng + Send + 'static,
    ) -> Result<(Self, deaddrop_shred::writer::WriterSteps<D>), OpenStoreError> {
        shred.set_dead_bytes_limit(limits.dead_bytes());
        let writer = Writer::without_thread(shred, salts, record::names_body);
        let steps = writer.steps().ok_or(OpenStoreError::NoThread)?;
        Ok((Self::over_writer(writer, key, limits, rng)?, steps))
    }

    fn over_writer(
        writer: Writer<D>,
        key: &StoreKey,
        limits: Limits,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Self, OpenStoreError> {
        let reader = writer.reader();
        let index_key = index_record::find(&reader, key)?;
        let backing = ShredBacking { writer, reader };
        let store = Self::new(backing, index_key, limits, false, rng);
        let entries: Vec<Entry> = store.backing().reader.entries().collect();
        let mut lost = Vec::new();
        store.restore(|state| -> Result<(), OpenStoreError> {
            let is_mailbox = |entry: &&Entry| matches!(record::kind(entry), Kind::Mailbox(_));
            let mailboxes: Vec<&Entry> = entries.iter().filter(is_mailbox).collect();
            for some in mailboxes.chunks(READ_AT_ONCE) {
                for (entry, lasting) in some.iter().zip(store.lasting(some)) {
                    match (record::kind(entry), lasting?) {
                        (Kind::Mailbox(handle), Some(lasting)) => state.restore_mailbox(handle, lasting),
                        _ => lost.push(entry.key),
                    }
                }
            }
            for entry in &entries {
                match record::kind(entry) {
                    Kind::Day(day) => {
                        let body = store.backing().reader.read(&entry.key).ok();
                        state.restore_calendar(record::calendar(day, body.as_deref()));
                    }
                    Kind::Statistics => match store.body(entry)?.and_then(|body| History::decode(&body)) {
                        Some(history) => state.restore_statistics(history),
                        None => lost.push(entry.key),
                    },
                    Kind::Mailbox(_) | Kind::Blob { .. } | Kind::IndexKey => {}
                    Kind::Unknown => lost.push(entry.key),
                }
            }
            // A mailbox's record may have been rewritten after its blobs.
            for entry in &entries {
                if let Kind::Blob { handle, via, class } = record::kind(entry)
                    && !state.restore_blob(handle, record::resident(entry, via, class))
                {
                    lost.push(entry.key);
                }
            }
            Ok(())
        })?;
        for keys in lost.chunks(ERASED_AT_ONCE) {
            store.backing().writer.erase(keys.to_vec()).map_err(|_| OpenStoreError::Stopped)?;
        }
        Ok(store)
    }

    /// Returns the decoded records of mailboxes, in order; `None` for one that is damaged. Fails for
    /// one that the disk could not read: to erase it would lose the mailbox with its blobs.
    fn lasting(&self, entries: &[&Entry]) -> Vec<Result<Option<record::Lasting>, OpenStoreError>> {
        map_in_parallel(entries, |entry| Ok(self.body(entry)?.and_then(|body| record::decode(&body))))
    }

    /// Reads the body of a record; `None` if it is damaged. Fails if the disk could not read it.
    fn body(&self, entry: &Entry) -> Result<Option<Vec<u8>>, OpenStoreError> {
        match self.backing().reader.read(&entry.key) {
            Ok(body) => Ok(Some(body)),
            Err(ReadError::Io) => Err(OpenStoreError::Unreadable),
            Err(_) => Ok(None),
        }
    }
}

impl<D: Disk + 'static> Backing for ShredBacking<D> {
    #[allow(private_interfaces, private_bounds, reason = "as in the trait")]
    fn submit(&self, job: Job, done: impl Done) {
        let batch = Batch { puts: job.puts, erases: Vec::new() };
        self.writer.submit(batch, job.erases, |result| done(result.map(|committed| committed.first_order)));
    }

    fn space(&self) -> Option<Space> {
        Some(Space::of(&self.reader.stats()))
    }

    async fn read(&self, keys: Vec<RecordKey>) -> Vec<Result<Vec<u8>, ReadError>> {
        let reader = self.reader.clone();
        let count = keys.len();
        // The disk may be slow. Other tasks do not wait for it.
        let read = move || keys.iter().map(|key| reader.read(key)).collect();
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => {
                runtime.spawn_blocking(read).await.unwrap_or_else(|_| vec![Err(ReadError::Io); count])
            }
            Err(_) => read(),
        }
    }
}

impl<D: Disk> std::fmt::Debug for ShredBacking<D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ShredBacking(..)")
    }
}
