//! Runs of many seeds, and what makes them worth something: the same seed is the same run.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

use deaddrop_simulation::run;
use std::thread;

/// Number of seeds that each of the two threads plays.
const SEEDS: u64 = 260;

fn play(first: u64) {
    for seed in first..first + SEEDS {
        let outcome = run(seed, None, false);
        if let Some(breach) = outcome.breach {
            panic!(
                "seed {seed}: {breach}; see `cargo run --release -p deaddrop-simulation -- --first {seed} --seeds 1`"
            );
        }
    }
}

#[test]
#[allow(clippy::disallowed_methods, reason = "each run is one thread")]
fn no_seed_breaks_a_promise() {
    thread::scope(|scope| {
        let other = scope.spawn(|| play(SEEDS));
        play(0);
        other.join().unwrap();
    });
}

#[test]
fn the_same_seed_is_the_same_run() {
    for seed in [0, 7, 62, 130] {
        let (one, other) = (run(seed, None, false), run(seed, None, true));
        assert_eq!((one.hash, one.events, one.ms), (other.hash, other.events, other.ms), "seed {seed}");
    }
    assert_ne!(run(0, None, false).hash, run(1, None, false).hash);
}
