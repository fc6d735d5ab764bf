//! The time of one guess of a passphrase: opening an empty store in memory, at several costs of Argon2id.
//!
//! `cargo bench -p deaddrop-shred --bench unlock`. Medians.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, clippy::print_stdout)]

use deaddrop_shred::{Geometry, MemoryDisk, Passphrase, PassphraseCost, Shred, Unlock};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
use std::sync::Arc;
use std::time::Instant;

const ROUNDS: usize = 9;

fn main() {
    let is_bench = std::env::args().any(|word| word == "--bench");
    let rounds = if is_bench { ROUNDS } else { 1 };
    let second = PassphraseCost::default();
    let costs = [
        PassphraseCost { memory_kib: 19 << 10, passes: 2, lanes: 1 },
        PassphraseCost { lanes: 1, ..second },
        second,
    ];
    for passphrase_cost in costs {
        let PassphraseCost { memory_kib, passes, lanes } = passphrase_cost;
        let geometry = Geometry { segment_bytes: 1 << 20, passphrase_cost, ..Geometry::vault() };
        let unlock = Unlock::Passphrase(Passphrase::from_bytes(b"correct horse".to_vec()));
        let disk = Arc::new(MemoryDisk::new());
        let rng = &mut ChaCha20Rng::seed_from_u64(1);
        drop(Shred::create(Arc::clone(&disk), &geometry, &unlock, rng).unwrap());
        let mut laps: Vec<_> = (0..rounds)
            .map(|_| {
                let begin = Instant::now();
                drop(Shred::open(Arc::clone(&disk), &unlock, rng).unwrap());
                begin.elapsed()
            })
            .collect();
        laps.sort_unstable();
        let median = laps[laps.len() / 2].as_millis();
        println!("{} MiB, {passes} passes, {lanes} lanes: {median} ms", memory_kib >> 10);
    }
}
