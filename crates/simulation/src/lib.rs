//! The whole system on virtual time, with faults, from one seed.
//!
#![doc = include_str!("../README.md")]

mod breach;
mod calls;
mod checks;
mod conversations;
mod disk;
mod healing;
mod ids;
mod ledger;
mod network;
mod person;
mod plan;
mod planted;
mod random;
mod relay;
mod relay_parts;
mod shorten;
mod sim;
mod stranger;
mod trace;
mod transit;
mod world;

pub use breach::{Breach, Check};
pub use planted::Planted;
pub use shorten::Shortening;
pub use world::Outcome;

use plan::Plan;

/// Plays the run of a seed. With `keeps_lines`, the outcome contains the lines of its history.
#[must_use]
pub fn run(seed: u64, planted: Option<Planted>, keeps_lines: bool) -> Outcome {
    world::play(&Plan::of(seed), planted, keeps_lines)
}

/// Plays the run of a seed with only these entries of its plan (its actions and faults), numbered
/// from 0 in the order of time; numbers that the plan does not have are passed over. The outcome
/// contains the lines of its history.
#[must_use]
pub fn run_entries(seed: u64, entries: &[usize], planted: Option<Planted>) -> Outcome {
    world::play(&Plan::of(seed).keeping(entries), planted, true)
}

/// Shortens a run that breaks the promise `check`: leaves out entries of its plan as long as the
/// same promise is broken. Returns the numbers of the entries that are left, for [`run_entries`].
/// `tell` is called after each run that this takes, and once more at the end if nothing more can be
/// left out ([`Shortening::is_shortest`]).
pub fn shorten(
    seed: u64,
    planted: Option<Planted>,
    check: Check,
    tell: &mut dyn FnMut(Shortening),
) -> Vec<usize> {
    shorten::shorten(&Plan::of(seed), planted, check, tell)
}
