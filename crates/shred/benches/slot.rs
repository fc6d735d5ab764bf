//! Bytes written and commit time of several slot layouts against the floor. The size of a slot was chosen by these figures.
//!
//! `cargo bench -p deaddrop-shred --bench slot [-- DIR]`. Raw writes, no cryptography: what differs between slot
//! sizes is only what reaches the disk. All layouts take turns in one run on one pre-zeroed file; the figures
//! are medians. The floor writes the bodies alone.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::cast_possible_truncation
)]

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::time::Instant;

const PAGE: u64 = 4_096;
const SECTOR: u64 = 512;
const PENDING: u64 = 256;
const ROUNDS: usize = 150;

/// A way to store the salt and the head of a record, of which the bench measures the writes.
struct Layout {
    name: &'static str,
    /// Number of bytes of a slot in its table. No slot may cross a sector, or a torn write could
    /// halve it.
    slot: u64,
    /// Number of bytes of the head that lie in front of the body instead of in the slot.
    in_body: u64,
    /// Number of pages of the commit cell.
    cell: u64,
}

const LAYOUTS: [Layout; 6] = [
    Layout { name: "floor: bodies only", slot: 0, in_body: 0, cell: 0 },
    Layout { name: " 32 salt only, head 112 at body", slot: 32, in_body: 112, cell: 1 },
    Layout { name: " 64 split, head 64 at body", slot: 64, in_body: 64, cell: 1 },
    Layout { name: " 96 packed, 5 per sector", slot: 96, in_body: 16, cell: 1 },
    Layout { name: "128 whole", slot: 128, in_body: 0, cell: 1 },
    Layout { name: "256 whole", slot: 256, in_body: 0, cell: 1 },
];

const fn up(n: u64, to: u64) -> u64 {
    n.div_ceil(to) * to
}

fn main() {
    let dir = std::env::args().skip(1).find(|a| !a.starts_with('-'));
    let dir = dir.map_or_else(std::env::temp_dir, Into::into);
    let path = dir.join(format!("slot-bench-{}", std::process::id()));
    let file = File::create_new(&path).unwrap();
    let (table, area) = (4u64 << 20, 96u64 << 20);
    let zeros = vec![0u8; 1 << 20];
    for at in (0..table + area).step_by(1 << 20) {
        file.write_all_at(&zeros, at).unwrap();
    }
    file.sync_all().unwrap();
    let junk: Vec<u8> = (0..8u32 << 20).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    println!("{PENDING} records per commit, {ROUNDS} commits per layout, median time of write + fdatasync");
    for body in [1_024u64, 4_096] {
        let mut times = vec![Vec::with_capacity(ROUNDS); LAYOUTS.len()];
        let mut bytes = [0u64; LAYOUTS.len()];
        let (mut slot_at, mut body_at) = (0u64, table);
        for round in 0..ROUNDS {
            for (n, layout) in LAYOUTS.iter().enumerate() {
                let bodies = up(PENDING * (body + layout.in_body), PAGE);
                let per_sector = SECTOR.checked_div(layout.slot);
                let slots = per_sector.map_or(0, |per_sector| PENDING.div_ceil(per_sector) * SECTOR);
                if body_at + bodies > table + area {
                    body_at = table;
                }
                if slot_at + slots + PAGE > table - PAGE {
                    slot_at = 0;
                }
                let start = Instant::now();
                file.write_all_at(&junk[round..round + bodies as usize], body_at).unwrap();
                if slots > 0 {
                    file.write_all_at(&junk[..up(slots, PAGE) as usize], slot_at).unwrap();
                    file.write_all_at(&junk[..PAGE as usize], table - PAGE).unwrap();
                }
                file.sync_data().unwrap();
                times[n].push(start.elapsed().as_secs_f64());
                bytes[n] = bodies + up(slots, PAGE) + layout.cell * PAGE;
                body_at += bodies;
                slot_at = up(slot_at + slots, PAGE);
            }
        }
        let floor_bytes = bytes[0] as f64;
        times.iter_mut().for_each(|t| t.sort_by(f64::total_cmp));
        let floor = times[0][ROUNDS / 2];
        println!("\nbody {body} B");
        println!(
            "{:34} {:>12} {:>8} {:>11} {:>8} {:>11}",
            "layout", "bytes", "x floor", "median us", "x floor", "p90 us"
        );
        for (n, layout) in LAYOUTS.iter().enumerate() {
            let t = &times[n];
            println!(
                "{:34} {:>12} {:>8.3} {:>11.0} {:>8.3} {:>11.0}",
                layout.name,
                bytes[n],
                bytes[n] as f64 / floor_bytes,
                t[ROUNDS / 2] * 1e6,
                t[ROUNDS / 2] / floor,
                t[ROUNDS * 9 / 10] * 1e6
            );
        }
    }
    std::fs::remove_file(&path).unwrap();
}
