//! The time and the memory that opening a store of many records takes (Linux).
//!
//! `cargo bench -p deaddrop-shred --bench open [-- DIR [RECORDS]]`. Each opening is in a process of its own, from a warm cache.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, clippy::print_stdout)]

use deaddrop_shred::{Batch, FileDisk, Geometry, MasterKey, Record, RecordKey, Shred, Unlock};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

const RECORDS: u64 = 1_000_000;
const ROUNDS: usize = 5;

fn unlock() -> Unlock {
    Unlock::Key(MasterKey::from_bytes([7; 32]))
}

/// Returns the key of the record with this number. Keys are in no order, as hashes are.
fn name(n: u64) -> RecordKey {
    RecordKey((u128::from(n) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835).to_le_bytes())
}

fn fill(path: &Path, records: u64) {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let geometry = Geometry { slots_per_segment: 1 << 18, ..Geometry::server() };
    let mut store = Shred::create(FileDisk::create(path).unwrap(), &geometry, &unlock(), &mut rng).unwrap();
    for first in (0..records).step_by(4_096) {
        let record = |n| Record { key: name(n), meta: [0; 8], expiry_day: 0, body: vec![7; 64] };
        let puts = (first..records.min(first + 4_096)).map(record).collect();
        store.commit(Batch { puts, erases: vec![] }, &mut rng).unwrap();
    }
    store.settle().unwrap();
}

/// Returns a value of `/proc/self/status` in kibibytes; 0 if there is none of this name.
fn memory(field: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with(field));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok()).unwrap_or(0)
}

/// Opens the store in this process. Prints milliseconds, and bytes of memory for each record: after
/// the opening, and at most during it.
fn open(path: &Path) {
    let before = memory("VmRSS");
    let start = Instant::now();
    let store =
        Shred::open(FileDisk::open(path).unwrap(), &unlock(), &mut ChaCha20Rng::seed_from_u64(2)).unwrap();
    let time = start.elapsed().as_millis();
    let records = store.stats().records;
    let bytes = |kib: u64| kib.saturating_sub(before) * 1_024 / records.max(1);
    println!("{time} {} {}", bytes(memory("VmRSS")), bytes(memory("VmHWM")));
}

fn main() {
    let mut arguments = std::env::args().skip(1).filter(|argument| !argument.starts_with("--"));
    let (first, second) = (arguments.next(), arguments.next());
    if first.as_deref() == Some("open") {
        return open(Path::new(&second.unwrap()));
    }
    let dir =
        first.map_or_else(std::env::temp_dir, PathBuf::from).join(format!("shred-{}", std::process::id()));
    let records = second.map_or(RECORDS, |records| records.parse().unwrap());
    std::fs::create_dir_all(&dir).unwrap();
    let path = dir.join("store");
    fill(&path, records);
    let mut results: Vec<Vec<u64>> = Vec::new();
    for _ in 0..ROUNDS {
        let output = Command::new(std::env::current_exe().unwrap()).arg("open").arg(&path).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        results.push(text.split_whitespace().map(|number| number.parse().unwrap()).collect());
    }
    results.sort();
    let median = &results[ROUNDS / 2];
    println!(
        "{records} records: opened in {} ms (median of {ROUNDS}, best {}); {} bytes of memory for each record, {} at most meanwhile",
        median[0], results[0][0], median[1], median[2]
    );
    std::fs::remove_dir_all(&dir).unwrap();
}
