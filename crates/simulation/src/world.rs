//! A run: people, relays and the network between them, until everything has settled.

mod entries;
#[cfg(test)]
mod tests;

use crate::{
    breach::{Breach, Check, Checked},
    ledger::Ledger,
    person::{Arrived, Handed, Person, Wish},
    plan::{Op, Plan},
    planted::Planted,
    relay::Relay,
    sim::{Event, Sim, note},
    stranger::Stranger,
    trace::Trace,
};

/// Number of milliseconds between two checks of the state of everything.
const LOOK_MS: u64 = 30_000;
/// Number of milliseconds after the last fault within which everything must have settled: eight
/// hours, many times the longest pause between two attempts of a client.
const SETTLE_MS: u64 = 8 * 3_600_000;
/// Maximum number of events between two checks. More of them mean a loop without end.
const MAX_EVENTS_A_LOOK: u64 = 200_000;
/// Maximum number of events of a run. More of them mean that it makes no progress.
const MAX_EVENTS: u64 = 3_000_000;
/// Number of milliseconds for which a settled run is watched: nothing may be stored meanwhile.
const WATCH_MS: u64 = 150_000;

/// The result of a run.
#[derive(Debug)]
pub struct Outcome {
    /// The promise that was broken; `None` if all were kept.
    pub breach: Option<Breach>,
    /// A hash of the history, equal for equal runs.
    pub hash: u64,
    /// Number of milliseconds of virtual time that passed. If no promise was broken, the days in
    /// which all leases end, once for each relay, are included.
    pub ms: u64,
    /// Number of events that happened.
    pub events: u64,
    /// Number of texts that were shown at least once.
    pub given: usize,
    /// The lines of the history; empty unless they were asked for.
    pub lines: Vec<String>,
}

/// A run under way.
pub(crate) struct World {
    pub(crate) sim: Sim,
    pub(crate) plan: Plan,
    pub(crate) people: Vec<Person>,
    pub(crate) relays: Vec<Relay>,
    pub(crate) ledger: Ledger,
    pub(crate) strangers: Vec<Stranger>,
    /// The time at which the faults ended, in milliseconds of the run; `None` before.
    healed_ms: Option<u64>,
    /// The time since which the run is settled, in milliseconds of the run, and the number of
    /// batches that vaults had stored by then; `None` if the run is not settled.
    settled: Option<(u64, u64)>,
    events: u64,
    /// Number of events up to the last check.
    events_at_look: u64,
    /// The reason for which the run was not settled when that was last noted in the history.
    reason: Option<Breach>,
    /// The time at which [`probe`](Self::probe) sent texts, in milliseconds of the run; `None`
    /// before.
    pub(crate) probed_ms: Option<u64>,
}

/// Plays the run of a plan to its end, or until a promise is broken.
pub(crate) fn play(plan: &Plan, planted: Option<Planted>, keeps_lines: bool) -> Outcome {
    let mut world = match World::new(plan.clone(), planted, keeps_lines) {
        Ok(world) => world,
        Err(breach) => {
            let trace = Trace::new(false);
            return Outcome {
                breach: Some(breach),
                hash: trace.hash(),
                ms: 0,
                events: 0,
                given: 0,
                lines: Vec::new(),
            };
        }
    };
    let breach = world.run().err();
    if let Some(breach) = &breach {
        note!(world.sim, "{breach}");
    }
    let World { sim, ledger, events, .. } = world;
    let (hash, ms) = (sim.trace.hash(), sim.now_ms);
    Outcome { breach, hash, ms, events, given: ledger.given(), lines: sim.trace.into_lines() }
}

impl World {
    fn new(plan: Plan, planted: Option<Planted>, keeps_lines: bool) -> Checked<Self> {
        let mut sim = Sim::new(plan.seed, planted, keeps_lines);
        let relays: Vec<Relay> = (0..plan.relays).map(|id| Relay::new(id, plan.seed)).collect();
        let addresses = relays.iter().map(Relay::address).collect::<Checked<Vec<_>>>()?;
        let person = |id: usize| {
            // One in four of those who only accept invites has no relay before.
            let invites = plan.ops.iter().any(|(_, op)| matches!(op, Op::Invite(from, _) if *from == id));
            let has_home = invites || !(plan.seed + id as u64).is_multiple_of(4);
            let home = has_home.then_some(id % plan.relays);
            let mut one = Person::new(id, plan.seed, addresses.clone(), home);
            one.user.is_patient = plan.is_patient();
            one
        };
        let people: Vec<Person> = (0..plan.people).map(person).collect();
        for (at, (ms, _)) in plan.ops.iter().enumerate() {
            sim.at(*ms, Event::Plan(at));
        }
        sim.at(LOOK_MS, Event::Look);
        let ledger = Ledger::default();
        let mut world = Self {
            sim,
            plan,
            people,
            relays,
            ledger,
            strangers: Vec::new(),
            healed_ms: None,
            settled: None,
            events: 0,
            events_at_look: 0,
            reason: None,
            probed_ms: None,
        };
        for relay in &mut world.relays {
            relay.start(&mut world.sim)?;
        }
        for person in &mut world.people {
            person.start(&mut world.sim)?;
        }
        Ok(world)
    }

    fn run(&mut self) -> Checked {
        while let Some(event) = self.sim.next() {
            self.events += 1;
            if self.events - self.events_at_look > MAX_EVENTS_A_LOOK {
                let event: String = format!("{event:?}").chars().take(80).collect();
                let what = format!("the run turns in a circle, for the last time by {event}");
                return Err(Breach::new(Check::Stuck, what));
            }
            if self.events > MAX_EVENTS {
                return Err(Breach::new(Check::Stuck, "the run has too many events"));
            }
            if matches!(event, Event::Look) {
                self.events_at_look = self.events;
                if self.look()? {
                    return self.end();
                }
                self.sim.after(LOOK_MS, Event::Look);
            } else {
                self.handle(event)?;
            }
        }
        Err(Breach::new(Check::Stuck, "nothing is left to happen"))
    }

    fn handle(&mut self, event: Event) -> Checked {
        match event {
            Event::Plan(at) => self.begin_op(at)?,
            Event::PlanEnd(at) => self.end_op(at),
            Event::Wake { person, incarnation, actor } => {
                if let Some(one) = self.people.get_mut(person) {
                    if let Some(running) = one.of_life(incarnation) {
                        running.wake(actor, &mut self.sim)?;
                    }
                    one.look_for_death(&mut self.sim)?;
                }
            }
            Event::VaultStep { person, incarnation } => {
                if let Some(running) = self.people.get_mut(person).and_then(|one| one.of_life(incarnation)) {
                    running.vault_step(&mut self.sim);
                }
            }
            Event::User { person, incarnation } => {
                let Some(one) = self.people.get_mut(person).filter(|one| one.incarnation == incarnation)
                else {
                    return Ok(());
                };
                if !self.sim.take_act(person, incarnation) {
                    return Ok(());
                }
                let handed = one.act(&mut self.ledger, &mut self.sim)?;
                one.look_for_death(&mut self.sim)?;
                handed.into_iter().for_each(|handed| self.hand(handed));
            }
            Event::Connected { conn } => self.connected(conn)?,
            Event::ToClient { conn, bytes } => self.reach_client(conn, Arrived::Message(bytes))?,
            Event::ClosedToClient { conn } => self.reach_client(conn, Arrived::Closed)?,
            Event::ToRelay { conn, bytes } => self.reach_relay(conn, Some(bytes))?,
            Event::ClosedToRelay { conn } => self.reach_relay(conn, None)?,
            Event::StoreStep { relay, incarnation } => {
                self.at_relay(relay, incarnation, |serving, withheld, sim| serving.step(withheld, sim))?;
            }
            Event::Listen { relay, incarnation } => {
                self.at_relay(relay, incarnation, |serving, withheld, sim| serving.pump(withheld, sim))?;
            }
            Event::RelayTick { relay, incarnation } => {
                if let Some(one) = self.relays.get_mut(relay).filter(|one| one.incarnation == incarnation) {
                    one.tick(&mut self.sim)?;
                    one.look_for_death(&mut self.sim)?;
                }
            }
            Event::StartPerson(person) => {
                if let Some(one) = self.people.get_mut(person) {
                    one.start(&mut self.sim)?;
                }
            }
            Event::StartRelay(relay) => {
                if let Some(one) = self.relays.get_mut(relay) {
                    one.start(&mut self.sim)?;
                }
            }
            Event::Stranger(stranger) => self.visit(stranger)?,
            Event::Look => {}
        }
        Ok(())
    }

    fn visit(&mut self, number: usize) -> Checked {
        let Some(stranger) = self.strangers.get_mut(number) else { return Ok(()) };
        if let Some(relay) = self.relays.get_mut(stranger.relay) {
            if let Some(serving) = &mut relay.serving {
                stranger.visit(serving, &mut self.sim)?;
            }
            relay.look_for_death(&mut self.sim)?;
        }
        if !stranger.is_over() {
            let again = 200 + self.sim.below(8_000);
            self.sim.after(again, Event::Stranger(number));
        }
        Ok(())
    }

    /// Hands the link of an invite from one user to another, who wants to
    /// accept it 1 to 31 seconds later.
    fn hand(&mut self, Handed { from, to, link, is_anew }: Handed) {
        let at = self.sim.now_ms + 1_000 + self.sim.below(30_000);
        if let Some(one) = self.people.get_mut(to) {
            one.user.want(at, Wish::Accept(from, link, is_anew));
            self.sim.act_at(at, to, one.incarnation);
        }
    }

    fn at_relay(
        &mut self,
        relay: usize,
        incarnation: u32,
        act: impl FnOnce(&mut crate::relay::Serving, Option<crate::plan::Withheld>, &mut Sim) -> Checked,
    ) -> Checked {
        let Some(one) = self.relays.get_mut(relay) else { return Ok(()) };
        let withheld = one.withheld;
        if let Some(serving) = one.of_life(incarnation) {
            act(serving, withheld, &mut self.sim)?;
        }
        one.look_for_death(&mut self.sim)
    }

    fn connected(&mut self, conn: u64) -> Checked {
        let Some(connection) = self.sim.network.connection(conn).copied() else { return Ok(()) };
        let is_unreachable = self.sim.network.is_unreachable(connection.person);
        let serving = self.relays.get_mut(connection.relay).and_then(|one| one.serving.as_mut());
        match serving.filter(|_| !is_unreachable) {
            Some(serving) => {
                serving.accept(conn, &mut self.sim);
                self.reach_client(conn, Arrived::Connected)
            }
            None => self.reach_client(conn, Arrived::Closed),
        }
    }

    fn reach_client(&mut self, conn: u64, what: Arrived) -> Checked {
        let Some(connection) = self.sim.network.connection(conn).copied() else { return Ok(()) };
        match self.people.get_mut(connection.person) {
            Some(one) => one.on_network(conn, what, &mut self.sim),
            None => Ok(()),
        }
    }

    fn reach_relay(&mut self, conn: u64, bytes: Option<Vec<u8>>) -> Checked {
        let Some(connection) = self.sim.network.connection(conn).copied() else { return Ok(()) };
        let Some(incarnation) = connection.relay_incarnation else { return Ok(()) };
        self.at_relay(connection.relay, incarnation, |serving, withheld, sim| match bytes {
            Some(bytes) => serving.on_message(conn, bytes, withheld, sim),
            None => serving.on_closed(conn, withheld, sim),
        })
    }

    pub(crate) fn wish(&mut self, person: usize, wish: Wish) {
        if let Some(one) = self.people.get_mut(person) {
            one.user.want_more(self.sim.now_ms, wish);
            self.sim.act_at(self.sim.now_ms, person, one.incarnation);
        }
    }

    /// Checks the state of everything. Returns whether the run is over.
    fn look(&mut self) -> Checked<bool> {
        for relay in &self.relays {
            relay.check_residue()?;
        }
        for one in &self.people {
            self.sim.act_at(self.sim.now_ms, one.id, one.incarnation);
        }
        let last = self.plan.ops.iter().map(|(at, op)| at + op.lasts_ms().unwrap_or(0)).max().unwrap_or(0);
        let Some(healed) = self.healed_ms else {
            if self.sim.now_ms > last + LOOK_MS {
                self.heal();
                self.healed_ms = Some(self.sim.now_ms);
            }
            return Ok(false);
        };
        self.check_told()?;
        let unsettled = self.unsettled();
        if let Some(breach) = &unsettled
            && self.reason.as_ref() != Some(breach)
        {
            note!(self.sim, "not settled: {breach}");
            self.reason = Some(breach.clone());
        }
        let stored: u64 = self.people.iter().map(Person::stored).sum();
        match unsettled {
            None if self.probe() => Ok(false),
            None => match self.settled {
                Some((since, before)) if before == stored => Ok(self.sim.now_ms >= since + WATCH_MS),
                // Waiting texts of users whose vault was put back continue.
                Some(_) if self.probed_ms.is_some() && self.sim.now_ms < healed + SETTLE_MS => {
                    self.settled = Some((self.sim.now_ms, stored));
                    Ok(false)
                }
                Some((_, before)) => {
                    let what = format!("{} steps are stored though nothing is to be done", stored - before);
                    Err(Breach::new(Check::Stuck, what))
                }
                None => {
                    self.settled = Some((self.sim.now_ms, stored));
                    Ok(false)
                }
            },
            Some(breach) if self.sim.now_ms >= healed + SETTLE_MS + self.patience_ms() => Err(breach),
            Some(_) => {
                self.settled = None;
                Ok(false)
            }
        }
    }
}
