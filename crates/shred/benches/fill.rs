//! The cost of compaction: bytes written for each byte put, by how full a store is, with deaths at random and under an adversary.
//!
//! `cargo bench -p deaddrop-shred --bench fill`. In memory: it counts bytes and no time.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::print_stdout)]
#![allow(clippy::cast_precision_loss, clippy::cast_possible_truncation)]

mod counted;

use counted::Counted;
use deaddrop_shred::{Batch, CommitError, Geometry, MasterKey, MemoryDisk, Record, RecordKey, Shred, Unlock};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use std::sync::Arc;
use std::time::Duration;

const SEGMENT: u32 = 1 << 20;
const SEGMENTS: u32 = 40;
const SLOTS: u32 = 1_024;
const BODY: usize = 1_000;
/// Number of records in one commit.
const BATCH: u64 = 32;
/// Number of times that the store's room is written.
const TIMES: u64 = 12;

fn name(n: u64) -> RecordKey {
    RecordKey(u128::from(n).to_le_bytes())
}

/// Returns the number of bodies that the store has room for, in all segments but the two that puts
/// never fill.
fn room() -> u64 {
    let bodies = u64::from((SEGMENT - 4_096 - SLOTS * 128) / 4_096 * 4_096);
    u64::from(SEGMENTS - 2) * bodies / BODY as u64
}

struct Life {
    disk: Arc<Counted<MemoryDisk>>,
    store: Shred<Arc<Counted<MemoryDisk>>>,
    random: ChaCha20Rng,
    now: Duration,
    next: u64,
    refused: u64,
}

impl Life {
    fn new() -> Self {
        let geometry = Geometry {
            segment_bytes: SEGMENT,
            slots_per_segment: SLOTS,
            initial_segments: 1,
            max_segments: SEGMENTS,
            ..Geometry::server()
        };
        let (disk, mut random) = (Arc::new(Counted::new(MemoryDisk::new())), ChaCha20Rng::seed_from_u64(1));
        let unlock = Unlock::Key(MasterKey::from_bytes([7; 32]));
        let store = Shred::create(Arc::clone(&disk), &geometry, &unlock, &mut random).unwrap();
        Self { disk, store, random, now: Duration::ZERO, next: 0, refused: 0 }
    }

    /// Puts one commit. Returns the numbers of the records that were put; none if there was no
    /// room.
    fn put(&mut self) -> std::ops::Range<u64> {
        let numbers = self.next..self.next + BATCH;
        let record = |n| Record { key: name(n), meta: [0; 8], expiry_day: 0, body: vec![1; BODY] };
        let batch = Batch { puts: numbers.clone().map(record).collect(), erases: vec![] };
        let done = self.store.commit(batch, &mut self.random);
        self.upkeep();
        match done {
            Ok(_) => {
                self.next += BATCH;
                numbers
            }
            Err(CommitError::Full) => {
                self.refused += BATCH;
                self.next..self.next
            }
            Err(error) => panic!("{error}"),
        }
    }

    fn erase(&mut self, dead: &[RecordKey]) {
        self.store.erase(dead).unwrap();
        self.upkeep();
    }

    /// Does the upkeep as a writer does: one call after each commit. A commit takes a millisecond
    /// here.
    fn upkeep(&mut self) {
        self.now += Duration::from_millis(1);
        self.store.maintain(self.now, &mut self.random).unwrap();
    }

    fn report(&self, what: &str, from: (u64, u64)) {
        let bytes = self.disk.bytes() - from.0;
        let put = (self.next - from.1) * BODY as u64;
        let stats = self.store.stats();
        println!(
            "{what:<34} | {:>8.2} | {:>7} | {:>8} | {:>8}",
            bytes as f64 / put.max(1) as f64,
            stats.records,
            self.refused,
            stats.segments
        );
    }

    fn here(&self) -> (u64, u64) {
        (self.disk.bytes(), self.next)
    }
}

fn random_deaths(percent: u64) {
    let mut life = Life::new();
    let most = (room() * percent / 100) as usize;
    let mut live: Vec<u64> = Vec::new();
    let mut from = (0, 0);
    while life.next < room() * TIMES && life.refused < room() {
        live.extend(life.put());
        let mut dead = Vec::new();
        while live.len() > most {
            let at = (life.random.next_u64() % live.len() as u64) as usize;
            dead.push(name(live.swap_remove(at)));
        }
        if !dead.is_empty() {
            life.erase(&dead);
        }
        if from == (0, 0) && life.next > room() * 2 {
            from = life.here();
        }
    }
    life.report(&format!("random deaths, {percent} % full"), from);
}

/// Keeps one record in each segment alive, as long as there is room: the worst case for compaction.
fn one_in_each_segment() {
    let mut life = Life::new();
    let (mut from, mut kept) = ((0, 0), 0);
    let each = room() / u64::from(SEGMENTS - 2);
    while life.next < room() * TIMES && life.refused < room() {
        let put = life.put();
        let (keep, dead): (Vec<u64>, Vec<u64>) = put.partition(|n| n % each == 0);
        kept += keep.len();
        life.erase(&dead.into_iter().map(name).collect::<Vec<_>>());
        if from == (0, 0) && life.next > room() * 2 {
            from = life.here();
        }
    }
    life.report(&format!("one of each segment kept ({kept})"), from);
}

fn main() {
    println!("records of {BODY} bytes, {BATCH} in a commit, room for {} of them", room());
    println!("{:<34} | {:>8} | {:>7} | {:>8} | {:>8}", "", "bytes", "records", "refused", "segments");
    for percent in [10, 50, 80, 90, 95] {
        random_deaths(percent);
    }
    one_in_each_segment();
}
