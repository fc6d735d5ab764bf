//! The index in memory: the place of each live record. Nothing in it can open a record.

use crate::geometry::{DeadRecord, MAX_SEGMENT_BYTES, MAX_SEGMENTS, SLOT, SlotAt};
use crate::record::{Entry, MAX_BODY, RecordKey};
use crate::segment::Stamp;
use crate::slot::Head;
use std::collections::BTreeMap;
use std::time::Duration;

/// The place of a record, and the fields that are known without reading it. Packed, because there is one for each record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Located {
    pub(crate) order: u64,
    meta: [u8; 8],
    /// Segment, slot and length, from the highest bits down.
    place: u64,
    offset: u32,
    expiry_day: u32,
}

/// Number of bits of a body's length in [`Located::place`].
const LENGTH_BITS: u32 = 21;
/// Number of bits of a slot's number in [`Located::place`].
const SLOT_BITS: u32 = 22;

const _: () = assert!(MAX_BODY < 1 << LENGTH_BITS);
const _: () = assert!((MAX_SEGMENT_BYTES as usize) / SLOT < 1 << SLOT_BITS);
const _: () = assert!((MAX_SEGMENTS as u64) <= 1 << (64 - SLOT_BITS - LENGTH_BITS));

impl Located {
    pub(crate) fn new(head: &Head, at: SlotAt) -> Self {
        let Head { order, meta, offset, length, expiry_day, .. } = *head;
        let place =
            (u64::from(at.segment) << SLOT_BITS | u64::from(at.slot)) << LENGTH_BITS | u64::from(length);
        Self { order, meta, place, offset, expiry_day }
    }

    pub(crate) fn at(&self) -> SlotAt {
        let place = self.place >> LENGTH_BITS;
        SlotAt { segment: low_bits(place >> SLOT_BITS, 32), slot: low_bits(place, SLOT_BITS) }
    }

    pub(crate) fn length(&self) -> u32 {
        low_bits(self.place, LENGTH_BITS)
    }

    pub(crate) fn dead_record(&self) -> DeadRecord {
        DeadRecord { at: self.at(), offset: self.offset, length: self.length() }
    }

    fn entry(&self, key: RecordKey) -> Entry {
        let Self { order, meta, expiry_day, .. } = *self;
        Entry { key, meta, length: self.length(), expiry_day, order }
    }
}

/// Returns the lowest `count` bits of a word; `count` is at most 32.
fn low_bits(word: u64, count: u32) -> u32 {
    u32::try_from(word & ((1 << count) - 1)).unwrap_or(u32::MAX)
}

/// The live records as readers see them. Changed under a lock, in one step per commit.
#[derive(Debug, Default)]
pub(crate) struct Index {
    records: BTreeMap<RecordKey, Located>,
    /// Generation and key epoch of each segment, in the order of the file. A position names a
    /// record only together with the stamp of its segment, because segments are used again.
    pub(crate) stamps: Vec<Stamp>,
    pub(crate) counts: Counts,
}

/// The counters that `stats` adds to the number of records.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    live_bytes: u64,
    pub(crate) free_segments: u32,
    pub(crate) max_segments: u32,
    pub(crate) dead_slots: u64,
    pub(crate) void_slots: u64,
    pub(crate) damaged_slots: u64,
    pub(crate) pending_erases: u32,
    pub(crate) dead_bytes: u64,
    /// Age of the oldest dead byte that may be on the disk; `None` if there is none.
    pub(crate) oldest_dead: Option<Duration>,
}

impl Index {
    /// Builds the index from records in the order of their keys, each once.
    pub(crate) fn of(records: impl IntoIterator<Item = (RecordKey, Located)>) -> Self {
        let records: BTreeMap<_, _> = records.into_iter().collect();
        let live_bytes = records.values().map(|located| u64::from(located.length())).sum();
        Self { records, counts: Counts { live_bytes, ..Counts::default() }, ..Self::default() }
    }

    pub(crate) fn find(&self, key: &RecordKey) -> Option<Located> {
        self.records.get(key).copied()
    }

    pub(crate) fn stamp(&self, segment: u32) -> Option<Stamp> {
        self.stamps.get(usize::try_from(segment).ok()?).copied()
    }

    pub(crate) fn entry(&self, key: &RecordKey) -> Option<Entry> {
        self.records.get(key).map(|located| located.entry(*key))
    }

    /// Returns all records, lowest order number first.
    pub(crate) fn entries(&self) -> Vec<Entry> {
        let mut all: Vec<Entry> = self.records.iter().map(|(key, located)| located.entry(*key)).collect();
        all.sort_unstable_by_key(|entry| entry.order);
        all
    }

    /// Returns the records whose keys begin with `prefix`, in the order of their keys. No key
    /// begins with a prefix of more than 16 bytes.
    pub(crate) fn entries_with_prefix(&self, prefix: &[u8]) -> Vec<Entry> {
        let mut first = [0; 16];
        let length = prefix.len().min(first.len());
        if let (Some(first), Some(prefix)) = (first.get_mut(..length), prefix.get(..length)) {
            first.copy_from_slice(prefix);
        }
        let from = self.records.range(RecordKey(first)..);
        from.take_while(|(key, _)| key.0.starts_with(prefix))
            .map(|(key, located)| located.entry(*key))
            .collect()
    }

    /// Returns the records that `is_wanted` accepts, in no order: nothing is gathered for the others.
    pub(crate) fn entries_where(&self, is_wanted: impl Fn(&Entry) -> bool) -> Vec<Entry> {
        self.records.iter().map(|(key, located)| located.entry(*key)).filter(is_wanted).collect()
    }

    /// Returns the keys of the records in a segment.
    pub(crate) fn names_in(&self, segment: u32) -> Vec<RecordKey> {
        let here = self.records.iter().filter(|(_, located)| located.at().segment == segment);
        here.map(|(key, _)| *key).collect()
    }

    pub(crate) fn records(&self) -> u64 {
        self.records.len() as u64
    }

    pub(crate) fn live_bytes(&self) -> u64 {
        self.counts.live_bytes
    }

    /// Stores a record under its key. Returns the record that was there before; `None` if there was none.
    pub(crate) fn insert(&mut self, key: RecordKey, located: Located) -> Option<Located> {
        let old = self.records.insert(key, located);
        self.counts.live_bytes += u64::from(located.length());
        self.forget(old)
    }

    pub(crate) fn remove(&mut self, key: &RecordKey) -> Option<Located> {
        let old = self.records.remove(key);
        self.forget(old)
    }

    fn forget(&mut self, old: Option<Located>) -> Option<Located> {
        let bytes = old.map_or(0, |located| u64::from(located.length()));
        self.counts.live_bytes = self.counts.live_bytes.saturating_sub(bytes);
        old
    }
}
