//! Puts, erases and whole cycles through the writer, against the floor in the same run.
//!
//! `cargo bench -p deaddrop-shred --bench commit [-- DIR]`, best under `chrt -f 2` on a busy machine. The floor is
//! what no store can beat: the same bytes, as many at a time, over a pre-zeroed file, one write and one fdatasync.
//! Floor and store take turns in slices; figures are totals over the slices, times are medians. The writer draws from the
//! operating system, as a relay's does.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, clippy::print_stdout)]
#![allow(clippy::cast_possible_truncation)]

mod counted;

use counted::Counted;
use deaddrop_shred::{Batch, FileDisk, Geometry, MasterKey, Record, RecordKey, Shred, Unlock, Writer};
use rand::rand_core::UnwrapErr;
use rand::rngs::SysRng;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

const SLICES: u64 = 6;
const SLICE_BYTES: u64 = 24 << 20;
const SEGMENT: u32 = 16 << 20;

fn name(n: u64) -> RecordKey {
    RecordKey((u128::from(n) << 1 | 1).to_le_bytes())
}

fn record(n: u64, size: u64) -> Record {
    Record { key: name(n), meta: [0; 8], expiry_day: 0, body: vec![n as u8; size as usize] }
}

type CountedFile = Counted<FileDisk>;

fn store(path: &Path, size: u64, bytes: u64) -> (Arc<CountedFile>, Shred<Arc<CountedFile>>) {
    let slots = SEGMENT / (size as u32 + 128) / 32 * 32;
    let segments = (bytes / u64::from(SEGMENT) * 5 / 4) as u32 + 3;
    let geometry = Geometry {
        segment_bytes: SEGMENT,
        slots_per_segment: slots,
        initial_segments: segments,
        max_segments: segments + 64,
        ..Geometry::server()
    };
    let disk = Arc::new(Counted::new(FileDisk::create(path).unwrap()));
    let unlock = Unlock::Key(MasterKey::from_bytes([7; 32]));
    let store = Shred::create(Arc::clone(&disk), &geometry, &unlock, &mut rng()).unwrap();
    (disk, store)
}

fn rng() -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(1)
}

/// The file of the floor, which is written over from its beginning to its end and again, from `at`
/// on.
struct Floor {
    file: File,
    length: u64,
    at: u64,
}

impl Floor {
    fn new(path: &Path, length: u64) -> Self {
        let file = File::create_new(path).unwrap();
        let zeros = vec![0u8; 1 << 20];
        for at in (0..length).step_by(1 << 20) {
            file.write_all_at(&zeros, at).unwrap();
        }
        file.sync_all().unwrap();
        Self { file, length, at: 0 }
    }

    fn run(&mut self, size: u64, pending: u64, bytes: u64, times: &mut Vec<f64>) -> f64 {
        let chunk = vec![0x5au8; (size * pending).next_multiple_of(4096) as usize];
        let start = Instant::now();
        for _ in 0..bytes / (size * pending) {
            if self.at + chunk.len() as u64 > self.length {
                self.at = 0;
            }
            let one = Instant::now();
            self.file.write_all_at(&chunk, self.at).unwrap();
            self.file.sync_data().unwrap();
            times.push(one.elapsed().as_secs_f64());
            self.at += chunk.len() as u64;
        }
        start.elapsed().as_secs_f64()
    }
}

/// Keeps `pending` calls in flight until `count` are answered. `submit` begins the call with this
/// number (from 0), whose callback is called at the answer. Returns the time in seconds, and adds
/// the latency of each call, in seconds, to `times`.
fn keep_in_flight(
    count: u64,
    pending: u64,
    times: &mut Vec<f64>,
    mut submit: impl FnMut(u64, Box<dyn FnOnce() + Send>),
) -> f64 {
    let (sender, receiver) = mpsc::channel();
    let start = Instant::now();
    let mut answered = 0;
    for n in 0..count {
        if n - answered >= pending {
            times.push(receiver.recv().unwrap());
            answered += 1;
            while let Ok(time) = receiver.try_recv() {
                times.push(time);
                answered += 1;
            }
        }
        let (sender, sent) = (sender.clone(), Instant::now());
        submit(n, Box::new(move || sender.send(sent.elapsed().as_secs_f64()).unwrap()));
    }
    while answered < count {
        times.push(receiver.recv().unwrap());
        answered += 1;
    }
    start.elapsed().as_secs_f64()
}

fn quantile(times: &mut [f64], q: f64) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get((times.len() as f64 * q) as usize).map_or(0.0, |time| time * 1e6)
}

fn compare(dir: &Path, size: u64, pending: u64, names_body: fn(&Record) -> bool) {
    let slice = SLICE_BYTES.min(size * pending * 400);
    let count = slice / size / pending * pending;
    let mut floor = Floor::new(&dir.join("floor"), slice * 2);
    let (disk, shred) = store(&dir.join("store"), size, slice * SLICES);
    let writer = Writer::start_with(shred, UnwrapErr(SysRng), names_body).unwrap();
    let reader = writer.reader();
    let (mut floor_time, mut put_time, mut erase_time, mut read_time) = (0.0, 0.0, 0.0, 0.0);
    let (mut floor_each, mut put_each, mut erase_each) = (Vec::new(), Vec::new(), Vec::new());
    let (mut put_bytes, mut erase_bytes, mut put_syncs) = (0, 0, 0);
    for slice_number in 0..SLICES {
        let first = slice_number * count;
        floor_time += floor.run(size, pending, slice, &mut floor_each);
        let mut records: Vec<Record> = (0..count).rev().map(|n| record(first + n, size)).collect();
        let before = (disk.bytes(), disk.syncs());
        put_time += keep_in_flight(count, pending, &mut put_each, |_, done| {
            let batch = Batch { puts: records.pop().into_iter().collect(), erases: vec![] };
            writer.submit(batch, vec![], move |result| {
                result.unwrap();
                done();
            });
        });
        put_bytes += disk.bytes() - before.0;
        put_syncs += disk.syncs() - before.1;
        let start = Instant::now();
        for n in 0..count {
            assert_eq!(reader.read(&name(first + n)).unwrap().len() as u64, size);
        }
        read_time += start.elapsed().as_secs_f64();
        let before = disk.bytes();
        erase_time += keep_in_flight(count, pending, &mut erase_each, |n, done| {
            writer.submit(Batch::default(), vec![name(first + n)], move |result| {
                result.unwrap();
                done();
            });
        });
        erase_bytes += disk.bytes() - before;
    }
    writer.close().unwrap();
    let total = (count * SLICES) as f64;
    let rate = |time: f64| total / time;
    let cycle = put_time + read_time + erase_time;
    println!(
        "{:>6} B x {:>4} | {:>8.0} | {:>8.0} {:>5.2} | {:>8.0} {:>5.2} | {:>8.0} | {:>8.0} {:>5.2} | {:>5.2} {:>4.0} | {:>5.0} {:>6.0} {:>6.0} | {:>6.0} {:>6.0}",
        size,
        pending,
        rate(floor_time),
        rate(put_time),
        rate(put_time) / rate(floor_time),
        rate(erase_time),
        rate(erase_time) / rate(floor_time),
        rate(read_time),
        rate(cycle),
        rate(cycle) / rate(floor_time),
        put_bytes as f64 / (total * size as f64),
        total / put_syncs as f64,
        quantile(&mut floor_each, 0.99),
        quantile(&mut put_each, 0.5),
        quantile(&mut put_each, 0.99),
        quantile(&mut erase_each, 0.5),
        quantile(&mut erase_each, 0.99),
    );
    let _ = erase_bytes;
    std::fs::remove_file(dir.join("floor")).unwrap();
    std::fs::remove_file(dir.join("store")).unwrap();
}

/// Measures commits of one small record, one at a time, as a client makes them, against the floor.
fn lone(dir: &Path) {
    let rounds = 400;
    let mut floor = Floor::new(&dir.join("floor"), 16 << 20);
    let (disk, mut shred) = store(&dir.join("store"), 1024, 16 << 20);
    let before = disk.syncs();
    let mut random = rng();
    let (mut floor_each, mut commit_each, mut erase_each) = (Vec::new(), Vec::new(), Vec::new());
    for n in 0..rounds {
        floor.run(4096, 1, 4096, &mut floor_each);
        let batch = Batch { puts: (0..3).map(|k| record(n * 3 + k, 700)).collect(), erases: vec![] };
        let start = Instant::now();
        shred.commit(batch, &mut random).unwrap();
        commit_each.push(start.elapsed().as_secs_f64());
        let start = Instant::now();
        shred.erase(&[name(n * 3)]).unwrap();
        erase_each.push(start.elapsed().as_secs_f64());
    }
    let syncs = disk.syncs() - before;
    println!(
        "lone: floor 4 KiB {:.0} us; commit of three records of 700 B {:.0} us; erase of one {:.0} us; {:.2} syncs per call",
        quantile(&mut floor_each, 0.5),
        quantile(&mut commit_each, 0.5),
        quantile(&mut erase_each, 0.5),
        syncs as f64 / (2 * rounds) as f64
    );
    std::fs::remove_file(dir.join("floor")).unwrap();
    std::fs::remove_file(dir.join("store")).unwrap();
}

/// Prints the time that a store of this many small records takes to open, from a warm cache: the
/// best of three.
fn reopen(dir: &Path, records: u64) {
    let path = dir.join("store");
    let (_, mut shred) = store(&path, 64, records * 192);
    let mut random = rng();
    for first in (0..records).step_by(4096) {
        let puts = (first..records.min(first + 4096)).map(|n| record(n, 64)).collect();
        shred.commit(Batch { puts, erases: vec![] }, &mut random).unwrap();
    }
    drop(shred);
    let unlock = Unlock::Key(MasterKey::from_bytes([7; 32]));
    let mut best = Duration::MAX;
    for _ in 0..3 {
        let start = Instant::now();
        let shred = Shred::open(FileDisk::open(&path).unwrap(), &unlock, &mut random).unwrap();
        best = best.min(start.elapsed());
        assert_eq!(shred.stats().records, records);
    }
    println!("reopen with {records} records: {:.2} s", best.as_secs_f64());
    std::fs::remove_file(path).unwrap();
}

fn main() {
    let dir = std::env::args().skip(1).find(|a| !a.starts_with('-'));
    let dir = dir.map_or_else(std::env::temp_dir, Into::into).join(format!("shred-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    println!("per second; ratio to the floor behind it; latencies in us");
    println!(
        "records        |    floor |           puts |         erases |    reads |         cycles | x bytes /sync | floor p99, put p50 p99 | erase p50 p99"
    );
    for (size, pending) in [(1024, 16), (1024, 256), (1024, 1024), (4096, 256), (16_384, 256)] {
        compare(&dir, size, pending, |_| true);
    }
    println!("bodies hashed by the store, because their keys do not name them:");
    for (size, pending) in [(1024, 256), (4096, 256)] {
        compare(&dir, size, pending, |_| false);
    }
    lone(&dir);
    reopen(&dir, 200_000);
    std::fs::remove_dir_all(&dir).unwrap();
}
