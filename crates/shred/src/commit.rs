//! One commit in the making: the records that it will write, and their places (S1, S2, S6, S8).
//!
//! Rules S1 to S16 are the table at the end of spec/13-shred.md.

use crate::bytes::{padded, page_up, size};
use crate::cell::{MAX_RANGES, Range};
use crate::error::CommitError;
use crate::geometry::{DeadRecord, Layout, SlotAt};
use crate::index::Index;
use crate::keys::StoreKeys;
use crate::record::{Batch, MAX_BATCH_BYTES, MAX_BATCH_OPS, MAX_REDO, Record, RecordKey};
use crate::segment::Segment;
use crate::slot::Head;
use rand_core::CryptoRng;
use std::collections::HashSet;
use zeroize::Zeroizing;

/// Number of random bytes that enter the salt of one record.
const RANDOM_LEN: usize = 32;

/// A record whose body is sealed; it has no place yet.
pub(crate) struct Sealed {
    key: RecordKey,
    meta: [u8; 8],
    expiry_day: u32,
    salt: Zeroizing<[u8; 32]>,
    body: Vec<u8>,
    body_tag: [u8; 16],
    /// Order number of the stored record that compaction copies; `None` for a new record, which
    /// gets a new number.
    order: Option<u64>,
}

/// Random bytes for the salts of one batch. The bytes of a single record need no allocation.
pub(crate) struct Random {
    one: Zeroizing<[u8; RANDOM_LEN]>,
    many: Zeroizing<Vec<u8>>,
}

impl Random {
    pub(crate) fn zeros(puts: usize) -> Self {
        let many = if puts > 1 { vec![0; RANDOM_LEN * puts] } else { Vec::new() };
        Self { one: Zeroizing::new([0; RANDOM_LEN]), many: Zeroizing::new(many) }
    }

    fn chunks(&self, puts: usize) -> std::slice::Chunks<'_, u8> {
        let bytes = if puts > 1 { self.many.as_slice() } else { self.one.as_slice() };
        bytes.chunks(RANDOM_LEN)
    }
}

/// The operations of one caller, with sealed bodies, ready to be committed together with other
/// jobs.
pub(crate) struct Job {
    puts: Vec<Sealed>,
    /// The erases of the batch. Their keys are destroyed one commit later (S6).
    removes: Vec<RecordKey>,
    /// The erases outside of the batch, each independent of the others. Their keys are destroyed by
    /// the commit that takes the job in.
    erases: Vec<RecordKey>,
}

impl Job {
    /// Checks the limits and seals the bodies. Fails with `TooLarge` beyond a limit, and with
    /// `DuplicateKey` if a key appears twice in the batch. Records need no place yet and nothing is
    /// locked, so that callers do this on their own threads.
    pub(crate) fn seal(
        batch: Batch,
        erases: Vec<RecordKey>,
        layout: &Layout,
        keys: &StoreKeys,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Self, CommitError> {
        let random = Self::draw(&batch, &erases, layout, rng)?;
        Ok(Self::seal_with(batch, erases, &random, keys, |_| false))
    }

    /// Checks the limits, and draws the random bytes that sealing takes: [`RANDOM_LEN`] for each
    /// put, drawn in one piece. Fails like [`seal`](Self::seal), and then draws nothing.
    pub(crate) fn draw(
        batch: &Batch,
        erases: &[RecordKey],
        layout: &Layout,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Random, CommitError> {
        let bytes: usize = batch.puts.iter().map(|record| record.body.len()).sum();
        let longest = batch.puts.iter().map(|record| record.body.len()).max().unwrap_or(0);
        // S16.
        if batch.puts.len() + batch.erases.len() > MAX_BATCH_OPS
            || erases.len() > MAX_BATCH_OPS
            || bytes > MAX_BATCH_BYTES
            || longest > layout.max_body()
            || batch.erases.len() > MAX_REDO
        {
            return Err(CommitError::TooLarge);
        }
        let mut seen = HashSet::new();
        let mut names = batch.puts.iter().map(|record| record.key).chain(batch.erases.iter().copied());
        // One operation is its own only namesake.
        if batch.puts.len() + batch.erases.len() > 1 && !names.all(|key| seen.insert(key)) {
            return Err(CommitError::DuplicateKey);
        }
        let mut random = Random::zeros(batch.puts.len());
        match batch.puts.len() {
            0 => {}
            1 => rng.fill_bytes(random.one.as_mut_slice()),
            _ => rng.fill_bytes(&mut random.many),
        }
        Ok(random)
    }

    /// Seals the bodies. `random` is what [`draw`](Self::draw) returned for this batch;
    /// `names_body` tells whether the key of a record is a keyed hash of its body, which need not
    /// be hashed again then. A zero salt would be the mark of an erased slot; its chance is 2^-256.
    pub(crate) fn seal_with(
        batch: Batch,
        erases: Vec<RecordKey>,
        random: &Random,
        keys: &StoreKeys,
        names_body: impl Fn(&Record) -> bool,
    ) -> Self {
        let random = random.chunks(batch.puts.len());
        let puts = batch.puts.into_iter().zip(random).map(|(mut record, random)| {
            let hashed = if names_body(&record) { &[][..] } else { &record.body };
            let salt = keys.salt(random, &record, hashed);
            let (key, meta, expiry_day) = (record.key, record.meta, record.expiry_day);
            let body_tag = keys.body_key(&salt).seal(&mut record.body);
            let body = std::mem::take(&mut record.body);
            Sealed { key, meta, expiry_day, salt, body, body_tag, order: None }
        });
        Self { puts: puts.collect(), removes: batch.erases, erases }
    }

    /// Makes the puts copies of stored records: each keeps the order number at its place in
    /// `orders`.
    pub(crate) fn keep_orders(&mut self, orders: impl IntoIterator<Item = u64>) {
        for (put, order) in self.puts.iter_mut().zip(orders) {
            put.order = Some(order);
        }
    }

    fn keys(&self) -> impl Iterator<Item = &RecordKey> {
        self.puts.iter().map(|put| &put.key).chain(&self.removes).chain(&self.erases)
    }

    /// Whether the job has puts, and so needs room.
    pub(crate) fn stores(&self) -> bool {
        !self.puts.is_empty()
    }

    fn ops(&self) -> usize {
        self.puts.len() + self.removes.len() + self.erases.len()
    }

    fn bytes(&self) -> usize {
        self.puts.iter().map(|put| put.body.len()).sum()
    }
}

/// A sealed record and the place that it will have.
pub(crate) struct Placed {
    sealed: Sealed,
    pub(crate) at: SlotAt,
    offset: u32,
}

impl Placed {
    pub(crate) fn key(&self) -> RecordKey {
        self.sealed.key
    }

    /// Whether the record is a copy that compaction makes.
    pub(crate) fn is_copy(&self) -> bool {
        self.sealed.order.is_some()
    }

    /// Returns the offset of the end of the body, in bytes from the start of its segment.
    pub(crate) fn body_end(&self) -> u32 {
        self.offset.saturating_add(self.body_len())
    }

    pub(crate) fn body_len(&self) -> u32 {
        u32::try_from(self.sealed.body.len()).unwrap_or(u32::MAX)
    }

    /// Returns the head of this record as the put with this index (from 0) in the commit with this
    /// number.
    pub(crate) fn head(&self, commit: u64, index: usize) -> Head {
        let Sealed { key, meta, expiry_day, ref body, body_tag, order: kept, .. } = self.sealed;
        let order = kept.unwrap_or_else(|| order(commit, index));
        let length = u32::try_from(body.len()).unwrap_or(u32::MAX);
        Head { key, meta, order, commit, offset: self.offset, length, expiry_day, body_tag }
    }
}

/// Answer to a job that asked to join a commit.
pub(crate) enum Admission {
    /// The job is in the commit. Contains the index of its first put among all puts of the commit.
    Taken(usize),
    /// The commit is full, or another job in it has a key of this one: the job waits for the next
    /// commit.
    Later(Job),
    /// The job needs more free segments than the commit may begin.
    NoRoom(Job),
    /// The job can never be committed as it is. Contains the error for its caller.
    Refused(CommitError),
}

/// One commit in the making: several jobs that will share one flush.
pub(crate) struct Group {
    pub(crate) puts: Vec<Placed>,
    pub(crate) removes: Vec<RecordKey>,
    /// Records that the batches replace or erase. The next commit destroys their keys (S6).
    pub(crate) redo: Vec<DeadRecord>,
    /// Existing records that independent erases name. This commit destroys their keys.
    pub(crate) erases: Vec<(RecordKey, DeadRecord)>,
    /// Whether a job has independent erases, of existing records or not. Older versions of these
    /// records may wait for the next commit to be destroyed, so that it cannot be left out even if
    /// it is empty.
    pub(crate) names_erased: bool,
    /// Whether the commit is written even if it is empty.
    pub(crate) forced: bool,
    /// Whether the commit says in its cell that no dead byte is left on the disk.
    pub(crate) clean: bool,
    touched: HashSet<RecordKey>,
    ops: usize,
    bytes: usize,
    plan: Plan,
}

/// The places of the commit's records so far, and that of the next. A job is placed in a copy,
/// which is dropped if the job does not fit.
#[derive(Clone, Debug)]
struct Plan {
    /// The segment that is being filled, its next slot, and the offset of its next body; `None` if
    /// the next record begins a free segment.
    open: Option<(u32, u32, u32)>,
    /// Number of the first segment that the search for free ones has not reached.
    search: usize,
    /// Number of free segments that the commit has begun.
    begun: usize,
    ranges: Vec<Range>,
}

impl Group {
    /// Makes a commit without jobs. Its bodies continue in the segment `open`, behind the written
    /// ones, on a fresh page (S8); with `None` they begin a free segment.
    pub(crate) fn new(open: Option<u32>, segments: &[Segment]) -> Self {
        let open = open.and_then(|number| {
            let segment = segments.get(size(number))?;
            Some((number, segment.used, page_up(segment.body_end)))
        });
        Self {
            puts: Vec::new(),
            removes: Vec::new(),
            redo: Vec::new(),
            erases: Vec::new(),
            names_erased: false,
            forced: false,
            clean: false,
            touched: HashSet::new(),
            ops: 0,
            bytes: 0,
            plan: Plan { open, search: 0, begun: 0, ranges: Vec::new() },
        }
    }

    /// Whether no job was taken in.
    pub(crate) fn has_no_jobs(&self) -> bool {
        self.ops == 0
    }

    /// Whether a flush would change nothing: no record is put, replaced or erased.
    pub(crate) fn is_empty(&self) -> bool {
        self.puts.is_empty() && self.redo.is_empty() && self.erases.is_empty()
    }

    pub(crate) fn ranges(&self) -> &[Range] {
        &self.plan.ranges
    }

    /// Returns the segment that is being filled after this commit, its next slot, and the offset of
    /// its next body; `None` if no segment is being filled.
    pub(crate) fn end(&self) -> Option<(u32, u32, u32)> {
        self.plan.open
    }

    /// Takes a job in if it fits. A key is touched once per commit: a later job with the same key
    /// waits for the next one, so that callers see their order kept whatever crashes. The commit
    /// begins at most `spare` free segments in all.
    pub(crate) fn admit(
        &mut self,
        job: Job,
        index: &Index,
        layout: &Layout,
        segments: &[Segment],
        spare: usize,
    ) -> Admission {
        let full = self.ops + job.ops() > MAX_BATCH_OPS || self.bytes + job.bytes() > MAX_BATCH_BYTES;
        if self.ops > 0 && (full || job.keys().any(|key| self.touched.contains(key))) {
            return Admission::Later(job);
        }
        let pending: Vec<DeadRecord> = job
            .puts
            .iter()
            .map(|put| &put.key)
            .chain(&job.removes)
            .filter_map(|key| index.find(key).map(|located| located.dead_record()))
            .collect();
        if self.redo.len() + pending.len() > MAX_REDO {
            return match self.ops {
                0 => Admission::Refused(CommitError::TooLarge),
                _ => Admission::Later(job),
            };
        }
        let mut plan = self.plan.clone();
        let places: Option<Vec<_>> =
            job.puts.iter().map(|put| plan.place(put.body.len(), layout, segments, spare)).collect();
        let Some(places) = places else { return Admission::NoRoom(job) };
        if plan.ranges.len() > MAX_RANGES {
            return match self.ops {
                0 => Admission::Refused(CommitError::TooLarge),
                _ => Admission::Later(job),
            };
        }
        self.ops += job.ops();
        self.bytes += job.bytes();
        self.touched.extend(job.keys());
        self.plan = plan;
        self.redo.extend(pending);
        let first = self.puts.len();
        let placed = job.puts.into_iter().zip(places);
        self.puts.extend(placed.map(|(sealed, (at, offset))| Placed { sealed, at, offset }));
        if !job.erases.is_empty() {
            self.names_erased = true;
            // A batch that stores or erases a record and an erase of it beside the batch: the batch counts.
            let mut named: HashSet<RecordKey> =
                self.puts.iter().skip(first).map(Placed::key).chain(job.removes.iter().copied()).collect();
            let erases = job.erases.iter().filter(|key| named.insert(**key));
            self.erases.extend(
                erases.filter_map(|key| index.find(key).map(|located| (*key, located.dead_record()))),
            );
        }
        self.removes.extend(job.removes);
        Admission::Taken(first)
    }

    /// Returns the sealed bodies to write, joined for each segment and filled with zeros up to a
    /// page boundary, as (segment, offset in the segment, bytes).
    pub(crate) fn body_runs(&self) -> Vec<(u32, u32, Vec<u8>)> {
        let mut runs: Vec<(u32, u32, Vec<u8>)> = Vec::new();
        for put in self.puts.iter().filter(|put| !put.sealed.body.is_empty()) {
            match runs.last_mut() {
                Some((segment, _, bytes)) if *segment == put.at.segment => {
                    bytes.extend_from_slice(&put.sealed.body);
                }
                _ => {
                    let mut bytes = Vec::with_capacity(self.bytes.next_multiple_of(4_096));
                    bytes.extend_from_slice(&put.sealed.body);
                    runs.push((put.at.segment, put.offset, bytes));
                }
            }
        }
        for (.., bytes) in &mut runs {
            let whole = bytes.len().next_multiple_of(4_096);
            *bytes = padded(std::mem::take(bytes), whole);
        }
        runs
    }

    /// Returns the sealed slots to write, joined for each segment, as (first slot, bytes). `number`
    /// is the number of this commit.
    pub(crate) fn slot_runs(
        &self,
        keys: &StoreKeys,
        segments: &[Segment],
        number: u64,
    ) -> Vec<(SlotAt, Zeroizing<Vec<u8>>)> {
        let mut runs: Vec<(SlotAt, Zeroizing<Vec<u8>>)> = Vec::new();
        for (n, put) in self.puts.iter().enumerate() {
            let generation = segments.get(size(put.at.segment)).map_or(0, |segment| segment.stamp.generation);
            let head = put.head(number, n);
            let slot = head.seal(keys, &put.sealed.salt, put.at, generation);
            match runs.last_mut() {
                Some((first, bytes)) if first.segment == put.at.segment => bytes.extend_from_slice(&*slot),
                _ => {
                    let mut bytes = Zeroizing::new(Vec::with_capacity((self.puts.len() + 32) * slot.len()));
                    bytes.extend_from_slice(&*slot);
                    runs.push((put.at, bytes));
                }
            }
        }
        runs
    }
}

impl Plan {
    /// Reserves the next slot and `length` bytes of the body area. Returns the slot and the offset
    /// of the body in its segment; `None` when there is no room. All calls together begin at most
    /// `spare` free segments.
    fn place(
        &mut self,
        length: usize,
        layout: &Layout,
        segments: &[Segment],
        spare: usize,
    ) -> Option<(SlotAt, u32)> {
        let length = u32::try_from(length).ok()?;
        loop {
            if let Some((segment, slot, offset)) = self.open
                && slot < layout.slots
                && layout.holds(offset, length)
            {
                self.open = Some((segment, slot + 1, offset + length));
                match self.ranges.last_mut() {
                    Some(range) if range.segment == segment => range.count += 1,
                    _ => self.ranges.push(Range { segment, first: slot, count: 1 }),
                }
                return Some((SlotAt { segment, slot }, offset));
            }
            if self.begun >= spare {
                return None;
            }
            let rest = segments.get(self.search..)?;
            let next = self.search + rest.iter().position(Segment::is_free)?;
            self.search = next + 1;
            self.begun += 1;
            self.open = Some((u32::try_from(next).ok()?, 0, layout.body_start()));
        }
    }
}

/// Returns the order number of the put with this index in a commit: 4,096 times the commit's
/// number, plus the index. Unique, because commit numbers are (S2) and no commit has more than
/// [`MAX_BATCH_OPS`] puts.
pub(crate) fn order(commit: u64, index: usize) -> u64 {
    (commit << 12) | (index as u64 & 0xfff)
}

const _: () = assert!(MAX_BATCH_OPS <= 1 << 12);
