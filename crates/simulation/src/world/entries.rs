//! The beginnings and ends of the entries of the plan.

use super::World;
use crate::{
    breach::Checked,
    person::Wish,
    plan::{Op, Withheld},
    sim::{Event, note},
    stranger::Stranger,
};

impl World {
    pub(super) fn begin_op(&mut self, at: usize) -> Checked {
        let Some((_, op)) = self.plan.ops.get(at).copied() else { return Ok(()) };
        note!(self.sim, "plan {at}: {op:?}");
        if let Some(ms) = op.lasts_ms() {
            self.sim.after(ms, Event::PlanEnd(at));
        }
        let sim = &mut self.sim;
        match op {
            Op::Invite(from, to) => self.wish(from, Wish::Invite(to)),
            Op::Send { from, to, count, is_long } => self.wish(from, Wish::Send { to, count, is_long }),
            Op::Move(person, relay) => {
                if let Some(one) = self.people.get_mut(person) {
                    one.moved_ms = self.sim.now_ms;
                }
                self.wish(person, Wish::Move(relay));
            }
            Op::Cut { person, messages, is_silent } => sim.network.cut_after(person, messages, is_silent),
            Op::Slow { person, ms, .. } => sim.network.set_slow(person, ms),
            Op::Unreachable { person, .. } => {
                sim.network.set_unreachable(person, true);
                for conn in sim.network.of_person(person) {
                    sim.break_connection(conn);
                }
            }
            Op::Close { person, down_ms } => {
                if let Some(one) = self.people.get_mut(person) {
                    one.close(sim, down_ms)?;
                }
            }
            Op::KillPerson { person, writes, down_ms } => {
                if let Some(one) = self.people.get_mut(person).filter(|one| one.running.is_some()) {
                    match writes {
                        Some(writes) => one.kill_after(writes),
                        None => one.kill(sim, down_ms),
                    }
                }
            }
            Op::KillRelay { relay, writes, down_ms } => {
                if let Some(one) = self.relays.get_mut(relay).filter(|one| one.serving.is_some()) {
                    match writes {
                        Some(writes) => one.kill_after(writes),
                        None => one.kill(sim, down_ms),
                    }
                }
            }
            Op::FullVault { person, room, .. } => {
                if let Some(one) = self.people.get(person) {
                    one.set_room(Some(room));
                }
            }
            Op::FullStore { relay, room, .. } => {
                if let Some(one) = self.relays.get(relay) {
                    one.set_room(Some(room));
                }
            }
            Op::PersonClock { person, days, .. } => {
                self.ledger.note_wrong_clock(person);
                if let Some(one) = self.people.get_mut(person) {
                    one.set_skew(days);
                }
            }
            Op::RelayClock { relay, days, .. } => {
                let days = self.plan.bounded_skew(at, relay, days);
                if let Some(one) = self.relays.get_mut(relay) {
                    one.set_skew(days);
                }
            }
            // Texts that a reader who leaves a relay is not given are destroyed with its mailbox, and come again when their blobs would have
            // expired (spec/14-client.md section 8): that is longer than a run.
            Op::Withhold { what: Withheld::Deliveries | Withheld::Everything, .. }
                if self.plan.has_move_beside(at) =>
            {
                note!(sim, "nothing is held back beside a move")
            }
            Op::Withhold { relay, what, .. } => {
                // A link on which some deliveries are missing must not go on with later ones: an ack covers all before it.
                self.stop_withholding(relay);
                if let Some(one) = self.relays.get_mut(relay) {
                    one.withheld = Some(what);
                }
            }
            Op::Copy(person) => {
                if let Some(one) = self.people.get_mut(person) {
                    one.make_copy(sim);
                }
            }
            Op::PutBack { person, down_ms } => {
                let back = self.people.get_mut(person).is_some_and(|one| one.put_back(sim, down_ms));
                if back {
                    self.ledger.excuse(person);
                }
            }
            Op::Retry(person) => {
                let running = self.people.get_mut(person).and_then(|one| one.running.as_mut());
                if let Some(running) = running {
                    running.retry(sim);
                }
            }
            Op::Forget(person) => {
                if let Some(one) = self.people.get_mut(person) {
                    one.forget_shown(sim);
                }
            }
            Op::Stranger { relay, visits } => {
                let number = u8::try_from(self.strangers.len() + 1).unwrap_or(u8::MAX);
                self.strangers.push(Stranger::new(number, relay, visits));
                sim.after(0, Event::Stranger(self.strangers.len() - 1));
            }
        }
        Ok(())
    }

    pub(super) fn end_op(&mut self, at: usize) {
        let Some((_, op)) = self.plan.ops.get(at).copied() else { return };
        let sim = &mut self.sim;
        match op {
            Op::Slow { person, .. } => sim.network.set_slow(person, 0),
            Op::Unreachable { person, .. } => sim.network.set_unreachable(person, false),
            Op::FullVault { person, .. } => {
                if let Some(one) = self.people.get(person) {
                    one.set_room(None);
                }
            }
            Op::FullStore { relay, .. } => {
                if let Some(one) = self.relays.get(relay) {
                    one.set_room(None);
                }
            }
            Op::PersonClock { person, .. } => {
                if let Some(one) = self.people.get_mut(person) {
                    one.set_skew(0);
                }
            }
            Op::RelayClock { relay, .. } => {
                if let Some(one) = self.relays.get_mut(relay) {
                    one.set_skew(0);
                }
            }
            Op::Withhold { relay, .. } => self.stop_withholding(relay),
            _ => {}
        }
    }

    /// Lets a relay send all items again, and ends its links: the items that it held back come over
    /// new ones.
    fn stop_withholding(&mut self, relay: usize) {
        if let Some(one) = self.relays.get_mut(relay)
            && one.withheld.take().is_some()
            && let Some(serving) = &mut one.serving
        {
            serving.end_links(&mut self.sim);
        }
    }

    /// Ends all faults, those of disks included.
    pub(super) fn heal(&mut self) {
        note!(self.sim, "all faults end");
        self.sim.network.heal();
        self.sim.has_faults = false;
        for at in 0..self.plan.ops.len() {
            self.end_op(at);
        }
        for one in &mut self.people {
            one.recover(&mut self.sim);
        }
        for one in &mut self.relays {
            one.recover(&mut self.sim);
        }
    }
}
