//! Each planted fault is found.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

use deaddrop_simulation::{Planted, run};

/// Number of seeds, from 0, within which a planted fault must be found.
const SEEDS: u64 = 2_000;

#[test]
fn every_planted_fault_is_found() {
    let mut missed = Vec::new();
    for planted in Planted::ALL {
        let found = (0..SEEDS).find_map(|seed| Some((seed, run(seed, Some(planted), false).breach?)));
        match found {
            Some((seed, breach)) => println!("{planted}: {} seeds, {breach}", seed + 1),
            None => missed.push(planted.to_string()),
        }
    }
    assert!(missed.is_empty(), "not found within {SEEDS} seeds: {missed:?}");
}
