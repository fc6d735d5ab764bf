//! The relay's whole path over loopback: put, durable, delivered, acked, destroyed; 4 KiB blobs,
//! the real program.
//!
//! Prints, for a store on disk and in memory, the rate by the clock (clients and relay share the
//! machine) and by the processor time of the relay alone, which is the rate that one core can
//! carry; the parts of that time; and the floor, which is the same AEAD, hash, writes, syncs and
//! socket calls with nothing around them.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, clippy::print_stdout)]

use deaddrop_relay::bench::{BenchRelay, CycleReport, Floor, Load, LoadEnd, PAIRS, Storage, scratch_in};
use std::path::Path;
use std::time::Duration;

const BLOBS: u32 = 3_000;
const ROUNDS: usize = 3;

#[tokio::main]
async fn main() {
    // `cargo test --benches` only wants to see it run.
    let is_bench = std::env::args().any(|arg| arg == "--bench");
    let (blobs, floor_time) = if is_bench { (BLOBS, 2_000) } else { (20, 20) };
    let dir = tempfile::tempdir().unwrap();
    let scratch = scratch_in(dir.path()).unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_deaddrop-relay"));
    for (name, storage) in [("disk", Storage::Disk), ("memory", Storage::Memory)] {
        let mut results = Vec::new();
        for _ in 0..ROUNDS {
            let relay = BenchRelay::start(program, &scratch, storage).unwrap();
            let load = Load { pairs: PAIRS, unanswered: usize::MAX, end: LoadEnd::Blobs(blobs) };
            results.push(load.run(&relay).await.unwrap());
        }
        results.sort_by(|a, b| a.per_s().total_cmp(&b.per_s()));
        let median = &results[ROUNDS / 2];
        let floor = Floor::measure(median, storage, &scratch, Duration::from_millis(floor_time)).unwrap();
        println!("{name}: {}", CycleReport::new(PAIRS, median, floor));
        println!("  (median of {ROUNDS} by the clock; {PAIRS} pairs, {blobs} blobs each)");
    }
}
