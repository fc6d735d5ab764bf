//! The index in memory: where each live record lies. Nothing in it opens anything.

use crate::geometry::{Grave, SlotAt};
use crate::record::{Entry, RecordKey};
use crate::slot::Head;
use std::collections::HashMap;
use std::time::Duration;

/// Where a record lies and what is told about it without reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Located {
    pub(crate) order: u64,
    pub(crate) meta: [u8; 8],
    pub(crate) at: SlotAt,
    pub(crate) offset: u32,
    pub(crate) length: u32,
    pub(crate) expiry_day: u32,
}

impl Located {
    pub(crate) fn new(head: &Head, at: SlotAt) -> Self {
        Self {
            order: head.order,
            meta: head.meta,
            at,
            offset: head.offset,
            length: head.length,
            expiry_day: head.expiry_day,
        }
    }

    pub(crate) const fn grave(&self) -> Grave {
        Grave { at: self.at, offset: self.offset, length: self.length }
    }

    fn entry(&self, key: RecordKey) -> Entry {
        let Self { order, meta, length, expiry_day, .. } = *self;
        Entry { key, meta, length, expiry_day, order }
    }
}

/// The published state: changed in one step per commit.
#[derive(Debug, Default)]
pub(crate) struct Index {
    records: HashMap<RecordKey, Located>,
    /// Of each segment; a position is a key only together with it.
    pub(crate) generations: Vec<u32>,
    pub(crate) counts: Counts,
}

/// What `stats` adds to the number of records.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    live_bytes: u64,
    pub(crate) free_segments: u32,
    pub(crate) dead_slots: u64,
    pub(crate) void_slots: u64,
    pub(crate) damaged_slots: u64,
    pub(crate) pending_erases: u32,
    pub(crate) dead_bytes: u64,
    /// The age of the oldest of them.
    pub(crate) oldest_dead: Option<Duration>,
}

impl Index {
    pub(crate) fn find(&self, key: &RecordKey) -> Option<Located> {
        self.records.get(key).copied()
    }

    pub(crate) fn generation(&self, segment: u32) -> Option<u32> {
        self.generations.get(usize::try_from(segment).ok()?).copied()
    }

    pub(crate) fn entry(&self, key: &RecordKey) -> Option<Entry> {
        self.records.get(key).map(|located| located.entry(*key))
    }

    /// All records, oldest commit first.
    pub(crate) fn entries(&self) -> Vec<Entry> {
        let mut all: Vec<Entry> = self.records.iter().map(|(key, located)| located.entry(*key)).collect();
        all.sort_unstable_by_key(|entry| entry.order);
        all
    }

    /// The records that are wanted, in no order: nothing is gathered for the others.
    pub(crate) fn entries_where(&self, is_wanted: impl Fn(&Entry) -> bool) -> Vec<Entry> {
        self.records.iter().map(|(key, located)| located.entry(*key)).filter(is_wanted).collect()
    }

    pub(crate) fn records(&self) -> u64 {
        self.records.len() as u64
    }

    pub(crate) fn live_bytes(&self) -> u64 {
        self.counts.live_bytes
    }

    pub(crate) fn reserve(&mut self, records: usize) {
        self.records.reserve(records);
    }

    /// Returns what stood under the key before.
    pub(crate) fn insert(&mut self, key: RecordKey, located: Located) -> Option<Located> {
        let old = self.records.insert(key, located);
        self.counts.live_bytes += u64::from(located.length);
        self.forget(old)
    }

    pub(crate) fn remove(&mut self, key: &RecordKey) -> Option<Located> {
        let old = self.records.remove(key);
        self.forget(old)
    }

    fn forget(&mut self, old: Option<Located>) -> Option<Located> {
        let bytes = old.map_or(0, |located| u64::from(located.length));
        self.counts.live_bytes = self.counts.live_bytes.saturating_sub(bytes);
        old
    }
}
