//! A relay that serves: its store, its day, its links. A link looks for *hints*, the news that a
//! mailbox has something new.

use super::{
    link::{End, RelayLink, now_of},
    raw::{RawId, RawLink},
};
use crate::{
    breach::{Breach, Check, Checked},
    calls::{Calls, RunningCall},
    disk::NodeDisk,
    ids::{ConnId, RelayId},
    plan::Withheld,
    random::SimRandom,
    relay_parts::{Belief, Limits, Now, Outcome, RelayStore, SessionContext, Store},
    sim::{Event, Sim, note},
};
use deaddrop_link::RelayIdentity;
use deaddrop_shred::writer::WriterSteps;
use deaddrop_wire::{Day, Item};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

/// Number of milliseconds between two looks of a relay at its clock and its links.
const TICK_MS: u64 = 5_000;

/// A relay that serves.
pub(crate) struct Serving {
    id: RelayId,
    incarnation: u32,
    identity: Arc<RelayIdentity>,
    store: Arc<RelayStore>,
    steps: WriterSteps<Arc<NodeDisk>>,
    belief: Belief,
    shared: Arc<SessionContext>,
    limits: Limits,
    rng: SimRandom,
    began_ms: u64,
    links: BTreeMap<ConnId, RelayLink>,
    raw: BTreeMap<(u8, RawId), RawLink>,
    calls: Calls,
    sweep: Option<RunningSweep>,
    swept_ms: Option<u64>,
    /// The time of the next step of the store, in milliseconds of the run; `None` if none is
    /// planned.
    step_ms: Option<u64>,
    /// The time at which links look for hints again, in milliseconds of the run; `None` if none is
    /// planned.
    listens_ms: Option<u64>,
}

type RunningSweep = std::pin::Pin<Box<dyn Future<Output = bool>>>;

impl Serving {
    #[allow(clippy::too_many_arguments, reason = "the parts of a process that starts")]
    pub(crate) fn new(
        (id, incarnation): (RelayId, u32),
        identity: Arc<RelayIdentity>,
        store: RelayStore,
        steps: WriterSteps<Arc<NodeDisk>>,
        belief: Belief,
        limits: &Limits,
        rng: SimRandom,
        sim: &Sim,
    ) -> Self {
        Self {
            id,
            incarnation,
            identity,
            store: Arc::new(store),
            steps,
            belief,
            shared: Arc::new(SessionContext::new(limits.clone(), None)),
            limits: limits.clone(),
            rng,
            began_ms: sim.now_ms,
            links: BTreeMap::new(),
            raw: BTreeMap::new(),
            calls: Calls::default(),
            sweep: None,
            swept_ms: None,
            step_ms: None,
            listens_ms: None,
        }
    }

    pub(crate) fn store(&self) -> &RelayStore {
        &self.store
    }

    pub(crate) fn has_stopped(&self) -> bool {
        self.store.census().stopped
    }

    /// Whether no job waits for the store and no upkeep is planned.
    pub(crate) fn is_quiet(&self) -> bool {
        self.step_ms.is_none() && !self.steps.has_queued()
    }

    pub(crate) fn now(&self, sim: &Sim) -> Now {
        let calendar = self.belief.calendar();
        let ms = sim.now_ms.saturating_sub(self.began_ms);
        now_of(sim.planted, Now { day: calendar.day, expires_from: calendar.expires_from, ms })
    }

    /// Accepts a connection, whose link begins with the handshake.
    pub(crate) fn accept(&mut self, conn: ConnId, sim: &mut Sim) {
        sim.network.accept(conn, self.incarnation);
        self.links.insert(conn, RelayLink::new(conn, sim.now_ms));
    }

    /// Handles a message of a client, and runs all links.
    pub(crate) fn on_message(
        &mut self,
        conn: ConnId,
        mut message: Vec<u8>,
        withheld: Option<Withheld>,
        sim: &mut Sim,
    ) -> Checked {
        let now = self.now(sim);
        let Some(link) = self.links.get_mut(&conn) else { return Ok(()) };
        let done = link.on_message(&mut message, &self.identity, &self.shared, now, &mut self.rng, sim);
        self.or_end(conn, done, sim)?;
        self.pump(withheld, sim)
    }

    pub(crate) fn on_closed(&mut self, conn: ConnId, withheld: Option<Withheld>, sim: &mut Sim) -> Checked {
        self.links.remove(&conn);
        self.pump(withheld, sim)
    }

    fn or_end(&mut self, conn: ConnId, done: Result<(), End>, sim: &mut Sim) -> Checked {
        let Err(end) = done else { return Ok(()) };
        self.links.remove(&conn);
        sim.close(conn, true);
        if end == End::Breach {
            return Err(Breach::new(
                Check::Protocol,
                format!("relay {} takes a client for hostile", self.id),
            ));
        }
        Ok(())
    }

    /// Does a step of the store if it is due: commits a group of jobs, does a part of the upkeep.
    /// Then runs all links.
    pub(crate) fn step(&mut self, withheld: Option<Withheld>, sim: &mut Sim) -> Checked {
        if self.step_ms.is_some_and(|at| at > sim.now_ms) {
            return Ok(());
        }
        let now = Duration::from_millis(sim.now_ms.saturating_sub(self.began_ms));
        let next = self.steps.step(now);
        self.step_ms = None;
        if let Some(next) = next {
            let ms = u64::try_from(next.as_millis()).unwrap_or(u64::MAX).saturating_add(self.began_ms);
            self.step_at(ms.max(sim.now_ms + 20), sim);
        }
        self.pump(withheld, sim)
    }

    /// Plans a look of the links for hints that they have missed so far.
    fn listen_soon(&mut self, sim: &mut Sim) {
        if self.listens_ms.is_none_or(|at| at <= sim.now_ms) {
            let at = sim.now_ms + 5 + sim.below(60);
            self.listens_ms = Some(at);
            sim.at(at, Event::Listen { relay: self.id, incarnation: self.incarnation });
        }
    }

    fn step_at(&mut self, ms: u64, sim: &mut Sim) {
        if self.step_ms.is_none_or(|at| ms < at) {
            self.step_ms = Some(ms);
            sim.at(ms, Event::StoreStep { relay: self.id, incarnation: self.incarnation });
        }
    }

    /// Looks at the clock and the links, begins to destroy what has expired, and plans the next
    /// look.
    pub(crate) fn tick(&mut self, day: Day, sim: &mut Sim) -> Checked {
        let _ = self.belief.look(day, sim.now_ms.saturating_sub(self.began_ms));
        let now = self.now(sim);
        let conns: Vec<ConnId> = self.links.keys().copied().collect();
        for conn in conns {
            let Some(link) = self.links.get_mut(&conn) else { continue };
            let done = link.on_tick(&self.limits, now, sim);
            self.or_end(conn, done, sim)?;
        }
        let is_due = |swept: u64| sim.now_ms.saturating_sub(swept) >= self.limits.sweep_every_ms;
        if self.sweep.is_none() && self.swept_ms.is_none_or(is_due) {
            self.swept_ms = Some(sim.now_ms);
            let (store, batch) = (Arc::clone(&self.store), self.limits.sweep_batch as usize);
            self.sweep = Some(Box::pin(async move { store.sweep(now, batch).await }));
        }
        sim.after(TICK_MS, Event::RelayTick { relay: self.id, incarnation: self.incarnation });
        self.pump(None, sim)
    }

    pub(crate) const fn incarnation(&self) -> u32 {
        self.incarnation
    }

    /// Handles items of a stranger over one of its links, which begins if there is none. Fails with
    /// [`Check::Protocol`] if the relay takes the stranger for hostile.
    pub(crate) fn raw_say(&mut self, id: (u8, RawId), items: Vec<Item>, sim: &mut Sim) -> Checked {
        let now = self.now(sim);
        let shared = &self.shared;
        let link =
            self.raw.entry(id).or_insert_with(|| RawLink::new(shared, id.0.wrapping_mul(4) + id.1, now));
        if !link.hear(items, now) {
            let what = format!("relay {} takes stranger {} for hostile", self.id, id.0);
            return Err(Breach::new(Check::Protocol, what));
        }
        self.pump(None, sim)
    }

    /// Takes the items that the relay has sent over a link of a stranger.
    pub(crate) fn raw_heard(&mut self, id: (u8, RawId)) -> Vec<Item> {
        self.raw.get_mut(&id).map(|link| std::mem::take(&mut link.said)).unwrap_or_default()
    }

    /// Ends a link of a stranger.
    pub(crate) fn raw_leave(&mut self, id: (u8, RawId)) {
        self.raw.remove(&id);
    }

    /// Runs the links of strangers. Those in `deaf` get no hints. Returns whether something
    /// happened.
    fn pump_raw(&mut self, deaf: &BTreeSet<(u8, RawId)>, now: Now, sim: &mut Sim) -> bool {
        let mut is_moved = false;
        for (id, link) in &mut self.raw {
            for outcome in poll_all(&mut link.calls) {
                is_moved = true;
                self.calls.note(&outcome);
                // A store that has stopped ends the relay.
                let _ = link.session.on_outcome(outcome, now, &mut link.out);
            }
            let hints = link.session.hints();
            let mut next = std::pin::pin!(hints.next());
            if !deaf.contains(id)
                && let Poll::Ready(news) = next.as_mut().poll(&mut Context::from_waker(Waker::noop()))
            {
                is_moved = true;
                link.session.on_news(news, now, &mut link.out);
            }
            for call in std::mem::take(&mut link.out.calls) {
                is_moved = true;
                let running = self.calls.run(call, &self.store, link.session.reader(), now, sim);
                link.calls.push(running);
            }
            link.said.append(&mut link.out.items);
        }
        is_moved
    }

    /// Runs all links and the sweep (the destruction of what has expired) until nothing happens any
    /// more.
    pub(crate) fn pump(&mut self, withheld: Option<Withheld>, sim: &mut Sim) -> Checked {
        let mut context = Context::from_waker(Waker::noop());
        if let Some(sweep) = &mut self.sweep
            && sweep.as_mut().poll(&mut context).is_ready()
        {
            self.sweep = None;
        }
        let now = self.now(sim);
        // Hints reach a link sometimes later.
        let conns: Vec<(ConnId, bool)> =
            self.links.keys().copied().map(|conn| (conn, sim.below(4) > 0)).collect();
        let deaf: BTreeSet<(u8, RawId)> = self.raw.keys().copied().filter(|_| sim.below(2) == 0).collect();
        if conns.iter().any(|(_, hears)| !hears) || !deaf.is_empty() {
            self.listen_soon(sim);
        }
        loop {
            let mut is_moved = self.pump_raw(&deaf, now, sim);
            for (conn, hears) in &conns {
                is_moved |= self.pump_link(*conn, *hears, now, withheld, sim)?;
            }
            if !is_moved {
                break;
            }
        }
        if self.steps.has_queued() && self.step_ms.is_none_or(|at| at > sim.now_ms + 20) {
            let at = sim.now_ms + 1 + sim.below(15);
            self.step_at(at, sim);
        }
        Ok(())
    }

    /// Runs one link, which looks for hints if `hears`. Returns whether something happened.
    fn pump_link(
        &mut self,
        conn: ConnId,
        hears: bool,
        now: Now,
        withheld: Option<Withheld>,
        sim: &mut Sim,
    ) -> Checked<bool> {
        let Some(up) = self.links.get_mut(&conn).and_then(RelayLink::up) else { return Ok(false) };
        let mut is_moved = false;
        let mut done = Ok(());
        for outcome in poll_all(&mut up.calls) {
            is_moved = true;
            self.calls.note(&outcome);
            done = done.and(up.on_outcome(outcome, now));
        }
        if hears {
            let hints = up.session.hints();
            let mut next = std::pin::pin!(hints.next());
            if let Poll::Ready(news) = next.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                is_moved = true;
                up.session.on_news(news, now, &mut up.out);
            }
        }
        for call in up.take_calls() {
            is_moved = true;
            let running = self.calls.run(call, &self.store, up.session.reader(), now, sim);
            up.calls.push(running);
        }
        let sealed = up.seal(|item| is_said(item, withheld));
        match (done, sealed) {
            (Ok(()), Ok(records)) => {
                for record in records {
                    sim.send(conn, record, false);
                }
            }
            (Err(end), _) | (_, Err(end)) => self.or_end(conn, Err(end), sim)?,
        }
        Ok(is_moved)
    }

    /// Ends all links of clients.
    pub(crate) fn end_links(&mut self, sim: &mut Sim) {
        note!(sim, "relay {} ends its links", self.id);
        for conn in std::mem::take(&mut self.links).into_keys() {
            sim.close(conn, true);
        }
    }
}

/// Takes out the results of the calls that are done, in the order in which they began.
fn poll_all(calls: &mut Vec<RunningCall>) -> Vec<Outcome> {
    let mut context = Context::from_waker(Waker::noop());
    let mut outcomes = Vec::new();
    calls.retain_mut(|call| match call.as_mut().poll(&mut context) {
        Poll::Ready(outcome) => {
            outcomes.push(outcome);
            false
        }
        Poll::Pending => true,
    });
    outcomes
}

/// Whether a relay that holds back this kind of items sends an item.
const fn is_said(item: &Item, withheld: Option<Withheld>) -> bool {
    match withheld {
        None => true,
        Some(Withheld::Deliveries) => !matches!(item, Item::Deliver(_)),
        Some(Withheld::Answers) => !matches!(item, Item::Answer(_)),
        Some(Withheld::Confirmations) => !matches!(item, Item::Acked(_) | Item::CaughtUp(_)),
        Some(Withheld::Everything) => matches!(item, Item::Hello(_)),
    }
}
