//! The parts that everything in a run shares: the time, the queue of events, the network, the randomness, the history.

use crate::{
    ids::{ActorId, ConnId, PersonId, RelayId},
    network::Network,
    planted::Planted,
    random::SimRandom,
    trace::Trace,
};
use rand::RngExt;
use std::collections::BTreeMap;

/// Seconds since 1970-01-01 at which runs begin: 2026-12-01, at noon. Any date does.
pub(crate) const BEGIN_S: u64 = 1_796_126_400;

/// Something that happens at a time. The number `incarnation` tells for which process of a person
/// or relay, from 1.
#[derive(Debug)]
pub(crate) enum Event {
    /// The entry of the plan with this number begins.
    Plan(usize),
    /// The fault of the entry of the plan with this number ends.
    PlanEnd(usize),
    /// A conversation of a client has something to do.
    Wake { person: PersonId, incarnation: u32, actor: ActorId },
    /// The upkeep of a client's vault is due.
    VaultStep { person: PersonId, incarnation: u32 },
    /// A user and the app do what is next.
    User { person: PersonId, incarnation: u32 },
    /// A message reaches a client.
    ToClient { conn: ConnId, bytes: Vec<u8> },
    /// A client learns that a connection is over.
    ClosedToClient { conn: ConnId },
    /// A connection is open.
    Connected { conn: ConnId },
    /// A message reaches a relay.
    ToRelay { conn: ConnId, bytes: Vec<u8> },
    /// A relay learns that a connection is over.
    ClosedToRelay { conn: ConnId },
    /// The store of a relay writes what waits, and does its upkeep.
    StoreStep { relay: RelayId, incarnation: u32 },
    /// A relay looks at its clock and its links, and destroys what has expired.
    RelayTick { relay: RelayId, incarnation: u32 },
    /// The links of a relay look for hints: notes that a mailbox has something new.
    Listen { relay: RelayId, incarnation: u32 },
    /// A person's client starts.
    StartPerson(PersonId),
    /// A relay starts.
    StartRelay(RelayId),
    /// The stranger with this number visits its relay.
    Stranger(usize),
    /// The state of everything is checked.
    Look,
}

/// The parts that everything in a run shares.
pub(crate) struct Sim {
    /// Number of milliseconds since the run began.
    pub(crate) now_ms: u64,
    queue: BTreeMap<(u64, u64), Event>,
    last: u64,
    /// The next planned act of each user: the number of the client's process, and the time in
    /// milliseconds of the run.
    acts: BTreeMap<PersonId, (u32, u64)>,
    pub(crate) network: Network,
    pub(crate) rng: SimRandom,
    pub(crate) trace: Trace,
    pub(crate) planted: Option<Planted>,
    /// Whether faults happen. `false` at the end of a run.
    pub(crate) has_faults: bool,
}

impl Sim {
    pub(crate) fn new(seed: u64, planted: Option<Planted>, keeps_lines: bool) -> Self {
        Self {
            now_ms: 0,
            queue: BTreeMap::new(),
            last: 0,
            acts: BTreeMap::new(),
            network: Network::default(),
            rng: SimRandom::of(seed, 1),
            trace: Trace::new(keeps_lines),
            planted,
            has_faults: true,
        }
    }

    /// Plans an event for `ms` milliseconds from now.
    pub(crate) fn after(&mut self, ms: u64, event: Event) {
        self.at(self.now_ms.saturating_add(ms), event);
    }

    /// Plans an event for a time in milliseconds of the run, or for now if it is over.
    pub(crate) fn at(&mut self, ms: u64, event: Event) {
        self.last += 1;
        self.queue.insert((ms.max(self.now_ms), self.last), event);
    }

    /// Plans an act of a user for a time in milliseconds of the run, unless an earlier one is
    /// planned. The user plans the act after it.
    pub(crate) fn act_at(&mut self, ms: u64, person: PersonId, incarnation: u32) {
        let ms = ms.max(self.now_ms);
        let known = self.acts.get(&person).filter(|(life, _)| *life == incarnation);
        if known.is_none_or(|(_, at)| ms < *at) {
            self.acts.insert(person, (incarnation, ms));
            self.at(ms, Event::User { person, incarnation });
        }
    }

    /// Takes the planned act of a user if it is due now. Returns `false` if the user has acted
    /// before, or acts later.
    pub(crate) fn take_act(&mut self, person: PersonId, incarnation: u32) -> bool {
        let is_due = self.acts.get(&person) == Some(&(incarnation, self.now_ms));
        if is_due {
            self.acts.remove(&person);
        }
        is_due
    }

    /// Takes the next event, and moves the time of the run to it; `None` if there is none.
    pub(crate) fn next(&mut self) -> Option<Event> {
        let ((ms, _), event) = self.queue.pop_first()?;
        self.now_ms = ms;
        Some(event)
    }

    /// Returns the seconds since 1970-01-01 that a right clock shows.
    pub(crate) const fn true_s(&self) -> u64 {
        BEGIN_S + self.now_ms / 1_000
    }

    /// Returns a random number below a bound; 0 if the bound is 0.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.rng.random_range(0..bound.max(1))
    }

    /// Whether this planted fault is the one of the run, and strikes now: by chance, once in
    /// `one_in` times on average.
    pub(crate) fn strikes(&mut self, planted: Planted, one_in: u64) -> bool {
        self.planted == Some(planted) && self.below(one_in) == 0
    }
}

/// Adds a line to the history of a run, at the present time.
macro_rules! note {
    ($sim:expr, $($what:tt)*) => {{
        let now = $sim.now_ms;
        $sim.trace.note(now, format_args!($($what)*))
    }};
}
pub(crate) use note;
