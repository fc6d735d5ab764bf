//! Shortening of a run that breaks a promise: entries of the plan that do not matter are left out.

use crate::{
    breach::Check,
    plan::{Op, Plan},
    planted::Planted,
    world,
};

/// Maximum number of runs that one shortening takes.
const MAX_RUNS: u32 = 300;

/// Leaves out entries of a plan as long as the same promise is broken. Returns the numbers of those that are left.
pub(crate) fn shorten(plan: &Plan, planted: Option<Planted>, check: Check) -> Vec<usize> {
    let mut kept: Vec<usize> = (0..plan.ops.len()).collect();
    let mut runs = 0;
    let mut breaks = |kept: &[usize]| {
        runs += 1;
        let outcome = world::play(&plan.keeping(kept), planted, false);
        (runs < MAX_RUNS, outcome.breach.is_some_and(|breach| breach.check == check))
    };
    let mut size = kept.len().div_ceil(2);
    while size > 0 {
        let mut at = 0;
        while at < kept.len() {
            let mut fewer = kept.clone();
            fewer.drain(at..(at + size).min(kept.len()));
            let (goes_on, is_broken) = breaks(&fewer);
            if is_broken {
                kept = fewer;
            } else {
                at += size;
            }
            if !goes_on {
                return kept;
            }
        }
        size = if size == 1 { 0 } else { size.div_ceil(2) };
    }
    kept
}

impl Plan {
    /// The same plan without some of its entries.
    pub(crate) fn keeping(&self, kept: &[usize]) -> Self {
        let ops: Vec<(u64, Op)> = kept.iter().filter_map(|at| self.ops.get(*at).copied()).collect();
        Self { ops, ..self.clone() }
    }
}
