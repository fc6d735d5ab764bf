//! The promise after a vault was put back to an older copy: texts flow again, or the users are told
//! that a step is needed.

use crate::{
    breach::{Breach, Check, Checked},
    ids::PersonId,
    person::Wish,
    plan::Op,
    sim::note,
    world::World,
};
use deaddrop_engine::EventKind;

/// Number of milliseconds after the texts of [`World::probe`] by which users who have done nothing
/// about lost sessions must have been told that a step is needed.
const PATIENCE_MS: u64 = 2 * 3_600_000;

impl World {
    /// Lets each pair of which one invites the other in the plan send four texts each way: these
    /// texts must arrive. Called when everything has settled. Returns `false`, and does nothing, if
    /// it was done before in the run, or if no vault was put back.
    pub(crate) fn probe(&mut self) -> bool {
        if self.probed_ms.is_some() || self.people.iter().all(|one| one.put_back_ms.is_none()) {
            return false;
        }
        self.probed_ms = Some(self.sim.now_ms);
        note!(self.sim, "texts are expected again");
        self.ledger.expect();
        let pairs = self.plan.ops.iter().filter_map(|(_, op)| match op {
            Op::Invite(a, b) => Some([(*a, *b), (*b, *a)]),
            _ => None,
        });
        let pairs: Vec<(usize, usize)> = pairs.flatten().collect();
        for (from, to) in pairs {
            self.wish(from, Wish::Send { to, count: 4, is_long: false });
        }
        true
    }

    /// Returns the milliseconds by which patient users delay the end of a run.
    pub(crate) fn patience_ms(&self) -> u64 {
        if self.plan.is_patient() { PATIENCE_MS } else { 0 }
    }

    /// Checks [`PATIENCE_MS`] after the texts of [`probe`](Self::probe) that where texts do not
    /// flow, each user who can be told knows that a step is needed. From then on the users take the
    /// step. Does nothing before, and in a run without patient users.
    pub(crate) fn check_told(&mut self) -> Checked {
        let is_time = self.probed_ms.is_some_and(|probed| self.sim.now_ms >= probed + PATIENCE_MS);
        if !is_time || self.people.iter().all(|one| !one.user.is_patient) {
            return Ok(());
        }
        let deaf = self.ledger.deaf();
        for &(from, to) in &deaf {
            for (who, other) in [(from, to), (to, from)] {
                // A contact that moved hears nothing of a vault that does not know where it is, nor does a vault that does not know where it
                // moved itself.
                let has_lost_move = self.people.get(who).is_some_and(|one| one.has_lost_move);
                let is_out_of_reach =
                    self.told(other, who).is_some() && (has_lost_move || self.is_refused(other, who));
                // Messages that are read show nothing of those that the other does not read: the other is told, and acts.
                let shows_nothing =
                    who == from && !deaf.contains(&(to, from)) && self.told(to, from).is_some();
                if self.told(who, other).is_none() && !is_out_of_reach && !shows_nothing {
                    let what = format!("texts of {from} to {to} do not arrive, and {who} is told nothing");
                    return Err(Breach::new(Check::Deaf, what));
                }
            }
        }
        note!(self.sim, "users act on what they were told");
        self.people.iter_mut().for_each(|one| one.user.is_patient = false);
        Ok(())
    }

    /// Whether the relay refuses what a person sends to another one, because the mailboxes that the
    /// person knows are gone.
    fn is_refused(&self, person: PersonId, other: PersonId) -> bool {
        self.people.get(person).is_some_and(|one| one.is_refused(other))
    }

    /// Returns the last event that told a person of trouble in the session with another one; `None`
    /// if there is none since the last success.
    fn told(&self, person: PersonId, other: PersonId) -> Option<&EventKind> {
        self.people.get(person)?.user.told.get(&other)
    }
}
