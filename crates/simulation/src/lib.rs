#![doc = include_str!("../README.md")]

mod breach;
mod calls;
mod checks;
mod conversations;
mod disk;
mod ledger;
mod network;
mod person;
mod plan;
mod planted;
mod random;
mod relay;
mod relay_parts;
mod sim;
mod stranger;
mod trace;
mod world;

pub use breach::{Breach, Check};
pub use planted::Planted;
pub use world::Outcome;

use plan::Plan;

/// Plays the run of a seed. `keeps_lines`: the outcome tells its history.
#[must_use]
pub fn run(seed: u64, planted: Option<Planted>, keeps_lines: bool) -> Outcome {
    world::play(&Plan::of(seed), planted, keeps_lines)
}
