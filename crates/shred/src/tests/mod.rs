//! Tests that need a simulated disk or the whole store.
#![allow(clippy::cast_possible_truncation)]

mod basics;
mod compact;
mod crash;
mod damage;
#[cfg(target_os = "linux")]
mod device;
mod files;
mod hedge;
mod lives;
mod look;
mod model;
mod recycle;
mod replace;
mod reserve;
mod rot;
mod wear;
mod writer;

use crate::{Batch, Geometry, MasterKey, MemoryDisk, PassphraseCost, Record, RecordKey, Shred, Unlock};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use std::sync::Arc;

/// Returns a geometry that is small enough to try every crash image: 32 slots and 8 KiB of bodies
/// in a segment.
fn tiny() -> Geometry {
    Geometry {
        segment_bytes: 16 << 10,
        slots_per_segment: 32,
        initial_segments: 2,
        max_segments: 8,
        mirror: false,
        passphrase_cost: PassphraseCost { memory_kib: 8, passes: 1, lanes: 1 },
    }
}

fn unlock() -> Unlock {
    Unlock::Key(MasterKey::from_bytes([7; 32]))
}

fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

fn key(n: u8) -> RecordKey {
    RecordKey([n; 16])
}

fn record(n: u8, body: &[u8]) -> Record {
    Record { key: key(n), meta: [n; 8], expiry_day: u32::from(n), body: body.to_vec() }
}

fn puts(records: &[(u8, &[u8])]) -> Batch {
    Batch { puts: records.iter().map(|(n, body)| record(*n, body)).collect(), erases: Vec::new() }
}

fn fresh(geometry: &Geometry) -> (Arc<MemoryDisk>, Shred<Arc<MemoryDisk>>) {
    let disk = Arc::new(MemoryDisk::new());
    let store = Shred::create(Arc::clone(&disk), geometry, &unlock(), &mut rng(1)).unwrap();
    (disk, store)
}
