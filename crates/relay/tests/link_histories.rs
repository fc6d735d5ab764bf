//! The rules of links over random histories: several readers, senders and owners over one store,
//! compared with a model after each step (spec/12-relay.md sections 4 to 6).
//!
//! `DEADDROP_LINK_SEEDS` is the number of histories, and `DEADDROP_LINK_SEED` runs that one alone.
//! A fault is told with its seed, the shortest prefix of its history that shows it, and the steps
//! of that prefix that it needs.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod histories;
mod value;

use histories::{Chance, History};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Number of histories of [`STEPS`] steps each, unless the environment says another. Together they
/// must apply each of [`RULES`].
const SEEDS: u64 = 1_000;
const STEPS: u64 = 200;

/// The names of all rules that the model applies. Each must be applied at least once in the default
/// histories.
const RULES: [&str; 32] = [
    "a blob expires",
    "a blob is delivered",
    "a blob that is larger than the window is delivered alone",
    "a change is too fast",
    "a claim finds no reader",
    "a claim is contended",
    "a claim is refused",
    "a claim replaces the reader's own",
    "a claim takes a mailbox over",
    "a class is unknown",
    "a client breaks a rule",
    "a create finds the relay at its limits",
    "a mailbox expires",
    "a mailbox has no place for a sender",
    "a mailbox waits for its turn",
    "a put finds a mailbox full",
    "a put finds its class closed for a time",
    "a put finds its class closed until half is free",
    "a put finds the relay at its limits",
    "a put is refused",
    "a put is stored",
    "a put is there already",
    "a put is too fast for its link",
    "a put is too fast for its mailbox",
    "a reader has caught up",
    "a reader is displaced",
    "a reader is told Gone",
    "an ack comes too late",
    "an ack destroys its blobs",
    "an owner's request is done",
    "an owner's request is refused",
    "blobs wait for the window",
];

/// The difference between relay and model that a history showed, and the events up to it.
struct Fault {
    why: String,
    trace: Vec<String>,
}

/// Runs the steps `steps` of the history `seed`, then its end. Returns how often each rule was
/// applied.
fn run(seed: u64, steps: &[u64]) -> Result<BTreeMap<&'static str, u32>, Fault> {
    let begun = History::begin(seed);
    let mut history = begun.map_err(|why| Fault { why, trace: Vec::new() })?;
    let mut take = || {
        for step in steps {
            history.step(&mut Chance::new(seed, *step))?;
        }
        history.finish()
    };
    let taken = catch_unwind(AssertUnwindSafe(&mut take)).unwrap_or_else(|_| Err("a panic".to_owned()));
    match taken {
        Ok(()) => Ok(history.met().clone()),
        Err(why) => Err(Fault { why, trace: history.trace }),
    }
}

/// Shortens a history that shows a fault. Returns the length of its shortest prefix that shows one,
/// the steps of the prefix that suffice, and the fault that they show.
fn shorten(seed: u64) -> (u64, Vec<u64>, Fault) {
    let shortest = (0..=STEPS).find(|steps| run(seed, &prefix(*steps)).is_err()).unwrap_or(STEPS);
    let mut steps = prefix(shortest);
    for step in (1..=shortest).rev() {
        let fewer: Vec<u64> = steps.iter().copied().filter(|other| *other != step).collect();
        if run(seed, &fewer).is_err() {
            steps = fewer;
        }
    }
    let fault = run(seed, &steps).expect_err("it was seen before");
    (shortest, steps, fault)
}

fn prefix(steps: u64) -> Vec<u64> {
    (1..=steps).collect()
}

fn tell(seed: u64, fault: &Fault) -> String {
    let (shortest, steps, needed) = shorten(seed);
    let Fault { why, trace } = needed;
    format!(
        "seed {seed}: {}\nthe first {shortest} steps show it; of them {steps:?} suffice:\n  {}\n{why}",
        fault.why,
        trace.join("\n  ")
    )
}

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

#[test]
fn links_follow_the_rules_over_random_histories() {
    let seeds = match variable("DEADDROP_LINK_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..variable("DEADDROP_LINK_SEEDS").unwrap_or(SEEDS),
    };
    let mut met: BTreeMap<&str, u32> = BTreeMap::new();
    for seed in seeds.clone() {
        match run(seed, &prefix(STEPS)) {
            Ok(of_seed) => {
                of_seed.into_iter().for_each(|(rule, times)| *met.entry(rule).or_default() += times)
            }
            Err(fault) => panic!("{}", tell(seed, &fault)),
        }
    }
    if seeds.contains(&(SEEDS - 1)) {
        assert_eq!(met.keys().copied().collect::<Vec<_>>(), RULES, "each rule is met");
    }
}
