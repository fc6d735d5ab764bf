//! Shortening of a run that breaks a promise: entries of the plan that do not matter are left out.

use crate::{
    breach::Check,
    ids::PersonId,
    plan::{Op, Plan},
    planted::Planted,
    world,
};

/// Maximum number of runs that one shortening takes.
const MAX_RUNS: u32 = 200;
/// Number of events in all its runs after which a shortening ends: about a minute. Runs that never
/// settle have many.
const MAX_EVENTS: u64 = 2_500_000;

/// The progress of a shortening.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shortening {
    /// Number of runs that were played.
    pub runs: u32,
    /// Number of events in these runs.
    pub events: u64,
    /// Number of entries of the plan that are left.
    pub left: usize,
    /// Whether nothing more can be left out; `false` if the bound of runs or events was reached before.
    pub is_shortest: bool,
}

/// Leaves out entries of a plan as long as the promise `check` is broken. Returns the numbers of
/// the entries that are left. `tell` is called after each run, and at the end if nothing more can
/// be left out.
pub(crate) fn shorten(
    plan: &Plan,
    planted: Option<Planted>,
    check: Check,
    tell: &mut dyn FnMut(Shortening),
) -> Vec<usize> {
    let mut kept: Vec<usize> = (0..plan.ops.len()).collect();
    let mut state = Shortening { runs: 0, events: 0, left: kept.len(), is_shortest: false };
    let mut size = kept.len().div_ceil(2);
    while size > 0 {
        // Later entries first: many happen after the promise was broken.
        let mut end = kept.len();
        while end > 0 {
            if state.runs >= MAX_RUNS || state.events >= MAX_EVENTS {
                return kept;
            }
            let begin = end.saturating_sub(size);
            let mut fewer = kept.clone();
            fewer.drain(begin..end);
            end = begin;
            if !plan.keeping(&fewer).is_sound() {
                continue;
            }
            let outcome = world::play(&plan.keeping(&fewer), planted, false);
            (state.runs, state.events) = (state.runs + 1, state.events + outcome.events);
            if outcome.breach.is_some_and(|breach| breach.check == check) {
                kept = fewer;
            }
            state.left = kept.len();
            tell(state);
        }
        size = if size == 1 { 0 } else { size.div_ceil(2) };
    }
    tell(Shortening { is_shortest: true, ..state });
    kept
}

impl Plan {
    /// Whether each text of the plan goes to a person whom an entry invites, or who invites: other
    /// senders would wait without end.
    fn is_sound(&self) -> bool {
        let is_invited = |a: PersonId, b: PersonId| {
            self.ops.iter().any(|(_, op)| [Op::Invite(a, b), Op::Invite(b, a)].contains(op))
        };
        self.ops.iter().all(|(_, op)| match op {
            Op::Send { from, to, .. } => is_invited(*from, *to),
            _ => true,
        })
    }

    /// Returns the same plan with these entries alone.
    pub(crate) fn keeping(&self, kept: &[usize]) -> Self {
        let ops: Vec<(u64, Op)> = kept.iter().filter_map(|at| self.ops.get(*at).copied()).collect();
        Self { ops, ..self.clone() }
    }
}
