//! Stores in their steady state, against the floor in the same run: records come, are read and go, for as long as it takes to use each
//! segment several times, with all upkeep included.
//!
//! `cargo run --release -- [DIR] [--only NAME] [--plan BYTESxCALLS] [--quick]`, best under `chrt -f 2`. A cycle is a put, its read and its erase, each put and
//! erase durable before it is answered. The floor writes the same bytes over a file of zeros, as many at a time, with one `fdatasync`.
//! Rivals get the same number of calls in one transaction as are pending: group commit at its best.

#[path = "../../counted/mod.rs"]
mod counted;
mod fjall_store;
mod floor;
mod rounds;
mod shred_store;
mod sqlite_store;

use rounds::{Plan, Store, measure};
use std::path::PathBuf;

/// The runs: size of a record in bytes, and number of calls that are under way at once.
const PLANS: [(usize, usize); 6] =
    [(1_024, 16), (1_024, 256), (1_024, 1_024), (4_096, 256), (16_384, 256), (65_536, 256)];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let only = arguments.iter().position(|it| it == "--only").and_then(|at| arguments.get(at + 1));
    let plan = arguments.iter().position(|it| it == "--plan").and_then(|at| arguments.get(at + 1));
    let is_quick = arguments.iter().any(|it| it == "--quick");
    let dir =
        arguments.first().filter(|it| !it.starts_with('-')).map_or_else(std::env::temp_dir, PathBuf::from);
    let dir = dir.join(format!("stores-{}", std::process::id()));
    println!(
        "per second, and as a share of the floor; latencies of commits in microseconds; bytes written for each byte put; puts to a sync"
    );
    println!(
        "{:>6} x {:>5} {:<8} | {:>9} | {:>9} {:>5} | {:>9} {:>5} | {:>7} {:>8} {:>9} | {:>5} | {:>5} | {:>7}",
        "bytes",
        "at once",
        "store",
        "floor",
        "puts",
        "",
        "cycles",
        "",
        "p50",
        "p99",
        "max / p50",
        "bytes",
        "group",
        "file MB"
    );
    type Open = fn(&std::path::Path, &Plan) -> Box<dyn Store>;
    let stores: [(&str, Open); 3] =
        [("shred", shred_store::open), ("fjall", fjall_store::open), ("sqlite", sqlite_store::open)];
    for (size, pending) in PLANS {
        if plan.is_some_and(|plan| *plan != format!("{size}x{pending}")) {
            continue;
        }
        let plan = Plan::new(size, pending, is_quick);
        for (name, open) in stores {
            if only.is_some_and(|only| only != name) {
                continue;
            }
            std::fs::create_dir_all(&dir).unwrap();
            measure(&dir, name, &plan, open);
            std::fs::remove_dir_all(&dir).unwrap();
        }
    }
}
