//! The store itself: create, open, commit, erase, settle.

mod change;
mod compact;
mod flush;
mod look;
mod maintain;
mod renew;
mod scrub;
mod space;

use crate::bytes::{PAGE, size};
use crate::cell::Cell;
use crate::commit::{Admission, Job, Random, order};
use crate::disk::Disk;
use crate::error::{CommitError, CreateError, OpenError, ReadError};
use crate::geometry::{CELLS, CELLS_AT, Geometry, Grave, SUPERBLOCK};
use crate::index::Index;
use crate::keyring::Keyring;
use crate::keys::{StoreKeys, Unlock};
use crate::reader::{Core, Reader};
use crate::record::{Batch, Committed, Entry, MAX_BATCH_OPS, RecordKey, Stats};
use crate::recovery::Recovery;
use crate::segment::{self, Segment};
use crate::segments::Segments;
use crate::superblock::{Fresh, Superblock};
use crate::upkeep::{Upkeep, count_dead};
use change::Replacement;
use compact::{Compaction, Gate};
use rand_core::CryptoRng;
use space::{Cut, Growth};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use zeroize::Zeroizing;

/// Looking again while another process writes: more often than any commit could keep overtaking.
const READ_ONLY_TRIES: usize = 8;

/// A store opened for writing: the one writer of rule S1.
#[derive(Debug)]
pub struct Shred<D> {
    reader: Reader<D>,
    block: Superblock,
    segments: Segments,
    open_segment: Option<u32>,
    /// Number of the next commit.
    next: u64,
    /// S6: what the last commit doomed; the next one destroys it.
    doomed: Vec<Grave>,
    /// Whether the last commit is an empty one, which certifies everything before it.
    settled: bool,
    /// Segments that the file may have.
    max_segments: u32,
    /// The segment that is being added.
    growth: Option<Growth>,
    /// Time at which the volume was last found full.
    full_at: Option<Duration>,
    /// The end of the file that is being given back.
    cut: Option<Cut>,
    /// The last commit says that no dead byte is left.
    is_clean: bool,
    /// S13: the disk has failed; nothing is written any more.
    stopped: bool,
    pub(crate) upkeep: Upkeep,
    /// The segment that is being emptied.
    compaction: Option<Compaction>,
    gate: Option<Gate>,
    /// The data key is being replaced.
    replacement: Option<Replacement>,
}

impl<D: Disk> Shred<D> {
    /// Lays a new, empty store on an empty disk and opens it.
    ///
    /// # Errors
    /// [`CreateError`]; a disk that is not empty is not touched.
    pub fn create(
        disk: D,
        geometry: &Geometry,
        unlock: &Unlock,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Self, CreateError> {
        let layout = geometry.layout().ok_or(CreateError::BadGeometry)?;
        if disk.length().map_err(|_| CreateError::Io)? != 0 {
            return Err(CreateError::Exists);
        }
        let mut fresh =
            Fresh { file_id: [0; 16], salt: [0; 32], data_key: Box::new(Zeroizing::new([0; 32])) };
        rng.fill_bytes(&mut fresh.file_id);
        rng.fill_bytes(&mut fresh.salt);
        rng.fill_bytes(fresh.data_key.as_mut_slice());
        let (block, keys) = Superblock::seal(layout, geometry.passphrase_cost, unlock, fresh)
            .ok_or(CreateError::BadGeometry)?;
        Self::lay(&disk, geometry, &block, keys.newest()).map_err(|error| CreateError::of_disk(&error))?;
        disk.publish().map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => CreateError::Exists,
            _ => CreateError::of_disk(&error),
        })?;
        let mut index = Index::default();
        let segments = vec![Segment::fresh(&layout, keys.newest().epoch); size(geometry.initial_segments)];
        index.stamps = segments.iter().map(|segment| segment.stamp).collect();
        index.counts.free_segments = geometry.initial_segments;
        let fresh = Recovery { index, segments, next: 2, settled: true, ..Recovery::default() };
        Ok(Self::of(disk, keys, block, fresh))
    }

    /// A store in the state that recovery found.
    fn of(disk: D, keys: Keyring, block: Superblock, recovery: Recovery) -> Self {
        let layout = block.layout;
        let Recovery { mut index, segments, next, open_segment, settled, gaps, is_clean, .. } = recovery;
        index.counts.max_segments = layout.max_segments;
        Self {
            reader: Reader::new(Arc::new(Core::new(disk, keys, layout, index))),
            block,
            segments: Segments::of(segments),
            open_segment,
            next,
            doomed: Vec::new(),
            settled,
            max_segments: layout.max_segments,
            growth: None,
            full_at: None,
            cut: None,
            is_clean,
            stopped: false,
            upkeep: Upkeep::new(gaps),
            compaction: None,
            gate: None,
            replacement: None,
        }
    }

    /// Opens a store, finishing or undoing what a crash interrupted (S5-S7).
    ///
    /// # Errors
    /// [`OpenError`]; nothing is overwritten on any of them.
    pub fn open(disk: D, unlock: &Unlock, rng: &mut (impl CryptoRng + ?Sized)) -> Result<Self, OpenError> {
        let (block, keys) = Superblock::open(&disk, unlock)?;
        let layout = block.layout;
        let recovery = Recovery::judge(&disk, &layout, &keys)?;
        let (block, last) = change::finish(&disk, block, &keys, unlock, rng)?;
        recovery.settle(&disk, &layout, &keys)?;
        let mut store = Self::of(disk, keys, block, recovery);
        store.go_on_replacing(last).map_err(|_| OpenError::Io)?;
        store.publish_debt();
        Ok(store)
    }

    /// Whether a passphrase opens the store on this disk, and not a key. Only the superblock is read, and nothing is proved.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn has_passphrase(disk: &D) -> Result<bool, OpenError> {
        Superblock::has_passphrase(disk)
    }

    /// Looks into a store without writing a byte or taking a lock; another process may be serving it (S14).
    /// Shows the state at some moment during the call, unless commits follow each other faster than the slot tables
    /// can be read: then records that are changed, or moved by compaction, meanwhile may be shown as before, as after, or not at all.
    /// [`Stats::dead_bytes`](crate::Stats::dead_bytes) is read from the disk: it counts what no live record covers and is not zero.
    ///
    /// # Errors
    /// [`OpenError`]; `Busy` if the other process replaces keys or shortens the file again and again.
    pub fn open_read_only(disk: D, unlock: &Unlock) -> Result<Reader<D>, OpenError> {
        let mut before = look::Moment::now(&disk);
        let (mut block, mut keys) = Superblock::open(&disk, unlock)?;
        let mut tries = 1;
        let recovery = loop {
            let result = Recovery::judge(&disk, &block.layout, &keys);
            let after = look::Moment::now(&disk);
            let is_last = tries == READ_ONLY_TRIES;
            // What is being written, or was cut meanwhile, can look damaged; under a key that is replaced nothing opens.
            match result {
                Ok(recovery) if after == before || is_last && after.has_frame_of(&before) => break recovery,
                Err(error) if is_last && after == before => return Err(error),
                _ if is_last => return Err(OpenError::Busy),
                _ => {}
            }
            if !after.has_superblock_of(&before) {
                (block, keys) = Superblock::open(&disk, unlock)?;
            }
            (before, tries) = (after, tries + 1);
        };
        let layout = block.layout;
        let Recovery { mut index, segments, gaps, is_clean, .. } = recovery;
        if !is_clean {
            index.counts.dead_bytes = count_dead(&disk, &layout, &segments, &gaps);
        }
        index.counts.max_segments = layout.max_segments;
        Ok(Reader::new(Arc::new(Core::new(disk, keys, layout, index))))
    }

    /// Commits a batch: all of it is on stable storage when this returns, and after a crash before
    /// that all of it or nothing of it.
    ///
    /// # Errors
    /// [`CommitError`]; except after `Stopped` nothing has changed.
    pub fn commit(
        &mut self,
        batch: Batch,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Committed, CommitError> {
        let core = self.reader.core();
        let job = Job::seal(batch, Vec::new(), &core.layout, &core.keys(), rng)?;
        self.commit_alone(job, rng)
    }

    /// Erases records, each on its own account: when this returns their keys are destroyed on stable storage,
    /// older versions' included. A crash before that may have erased some. Keys that are not there are passed
    /// over.
    ///
    /// # Errors
    /// [`CommitError`]; never `Full`. At most [`MAX_BATCH_OPS`] keys at a time.
    pub fn erase(&mut self, keys: &[RecordKey]) -> Result<(), CommitError> {
        if keys.len() > MAX_BATCH_OPS {
            return Err(CommitError::TooLarge);
        }
        let core = self.reader.core();
        let job = Job::seal_with(Batch::default(), keys.to_vec(), &Random::zeros(0), &core.keys(), |_| false);
        if self.stopped {
            return Err(CommitError::Stopped);
        }
        let mut group = self.begin();
        // Erasing begins no segment.
        let core = self.reader.core();
        let admission = group.admit(job, &core.published(), &core.layout, &self.segments, 0);
        match admission {
            Admission::Taken(_) => self.flush(group).map(|_| ()),
            Admission::Refused(error) => Err(error),
            Admission::Later(_) | Admission::NoRoom(_) => Err(CommitError::TooLarge),
        }
    }

    /// Destroys the keys of everything that committed batches replaced or erased, and certifies the last
    /// commit, by one more (empty) commit. Does nothing when there is nothing to settle.
    ///
    /// # Errors
    /// `Stopped`.
    pub fn settle(&mut self) -> Result<(), CommitError> {
        if self.stopped {
            return Err(CommitError::Stopped);
        }
        if self.settled {
            return Ok(());
        }
        self.commit_empty()
    }

    /// A commit with nothing in it.
    pub(crate) fn commit_empty(&mut self) -> Result<(), CommitError> {
        let mut group = self.begin();
        group.forced = true;
        self.flush(group).map(|_| ())
    }

    /// The body of a record; nothing wipes it.
    ///
    /// # Errors
    /// [`ReadError`]; a damaged record affects no other.
    pub fn read(&self, key: &RecordKey) -> Result<Vec<u8>, ReadError> {
        self.reader.read(key)
    }

    /// The body of a record, wiped when it is dropped; no other copy of it was made.
    ///
    /// # Errors
    /// [`ReadError`]; a damaged record affects no other.
    pub fn read_secret(&self, key: &RecordKey) -> Result<Zeroizing<Vec<u8>>, ReadError> {
        self.reader.read_secret(key)
    }

    /// What is known about a record without reading it.
    #[must_use]
    pub fn entry(&self, key: &RecordKey) -> Option<Entry> {
        self.reader.entry(key)
    }

    /// All records in commit order, as of now.
    #[must_use]
    pub fn entries(&self) -> std::vec::IntoIter<Entry> {
        self.reader.entries()
    }

    /// Counters.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.reader.stats()
    }

    /// A handle for reading from other threads while this one writes.
    #[must_use]
    pub fn reader(&self) -> Reader<D> {
        self.reader.clone()
    }

    pub(crate) fn is_settled(&self) -> bool {
        self.settled || self.stopped
    }

    fn commit_alone(
        &mut self,
        job: Job,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Committed, CommitError> {
        let mut group = self.begin();
        match self.admit(&mut group, job, rng) {
            Admission::Taken(first) => {
                self.flush(group).map(|number| Committed { first_order: order(number, first) })
            }
            Admission::Refused(error) => Err(error),
            // An empty commit sends nobody away.
            Admission::Later(_) | Admission::NoRoom(_) => Err(CommitError::Full),
        }
    }

    /// A commit with nothing in it that says that no dead byte is left.
    pub(crate) fn commit_clean(&mut self) -> Result<(), CommitError> {
        let mut group = self.begin();
        (group.forced, group.clean) = (true, true);
        self.flush(group).map(|_| ())
    }

    /// Tells readers how much is dead and still there.
    pub(crate) fn publish_debt(&mut self) {
        let (bytes, oldest) = self.upkeep.debt();
        let mut index = self.reader.core().publishing();
        (index.counts.dead_bytes, index.counts.oldest_dead) = (bytes, oldest);
    }

    /// S13: after a failure of the disk nothing is written any more.
    pub(crate) fn or_stop<T>(&mut self, done: io::Result<T>) -> Result<T, CommitError> {
        done.map_err(|_| {
            self.stopped = true;
            CommitError::Stopped
        })
    }

    pub(crate) fn core(&self) -> &Arc<Core<D>> {
        self.reader.core()
    }

    pub(crate) fn segments(&self) -> &Segments {
        &self.segments
    }

    pub(crate) fn next_number(&self) -> u64 {
        self.next
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped
    }

    /// Everything a new store consists of, and one sync.
    fn lay(disk: &D, geometry: &Geometry, block: &Superblock, keys: &StoreKeys) -> io::Result<()> {
        let page = block.encode();
        disk.write_at(0, &page)?;
        disk.write_at(SUPERBLOCK, &page)?;
        disk.write_at(CELLS_AT, &vec![0; PAGE * usize::try_from(CELLS).unwrap_or(0)])?;
        for number in 0..geometry.initial_segments {
            segment::format(disk, &block.layout, keys, number)?;
        }
        // A store has a complete commit from the start, so that one without any is known to be damaged.
        let segments = geometry.initial_segments;
        let first = Cell { void: false, ..Cell::voided(1, segments) };
        disk.write_at(Cell::at(1), &first.encode(keys).ok_or(io::ErrorKind::InvalidInput)?)?;
        disk.sync()
    }
}
