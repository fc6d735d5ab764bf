//! The state that the conversations of a running client share: its engine, its clock, and the order in which links are opened.

use super::vault::PersonVault;
use crate::{
    breach::{Breach, Check, Checked},
    conversations::{Connectivity, Haste, Moment, Openings, StepError, Ticket, TurnQueues},
    disk::NodeDisk,
    ids::{ActorId, ConnId, PersonId},
    random::SimRandom,
    sim::{Event, Sim},
};
use deaddrop_engine::{Engine, EngineError, VaultError};
use deaddrop_link::ClientTokenSecret;
use deaddrop_shred::writer::WriterSteps;
use deaddrop_wire::{Day, RelayAddress};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

/// The engine of a person, over a simulated vault.
pub(crate) type SimEngine = Engine<PersonVault, SimRandom>;

/// The shortest and the longest time between two attempts to open a link.
pub(crate) const BACKOFF: std::ops::Range<Duration> = Duration::from_secs(1)..Duration::from_secs(300);
/// The time for which a client waits for an answer of a relay.
pub(crate) const PATIENCE: Duration = Duration::from_secs(15);
/// The time after which a putting link without puts closes.
pub(crate) const PUTTER_IDLE: Duration = Duration::from_secs(60);
/// The shortest and the longest time for which a receipt waits before it is sent.
pub(crate) const RECEIPT_DELAY: std::ops::Range<Duration> = Duration::from_secs(2)..Duration::from_secs(30);
/// Number of seconds for which a message that arrived waits for a missing one before it.
pub(crate) const GAP_WAIT_S: u64 = 30;
/// Number of milliseconds of a day.
const DAY_MS: u64 = 86_400_000;

/// The parts of a running client that its conversations share.
pub(crate) struct Shell {
    pub(crate) person: PersonId,
    pub(crate) incarnation: u32,
    pub(crate) engine: SimEngine,
    pub(crate) steps: WriterSteps<Arc<NodeDisk>>,
    pub(crate) opened_ms: u64,
    /// Number of seconds by which the clock of the machine is wrong.
    pub(crate) skew_s: i64,
    /// The generator of pauses and of other randomness that no secret depends on.
    pub(crate) rng: SimRandom,
    pub(crate) tokens: ClientTokenSecret,
    pub(crate) openings: Arc<Openings>,
    turns: TurnQueues,
    /// The places in queues whose turn has come and was not taken yet.
    given: BTreeSet<Ticket>,
    /// The days that own relays have said when a link opened, by connection, each with the time of
    /// the run in milliseconds.
    pub(crate) days: BTreeMap<ConnId, (Day, u64)>,
    /// The states of the reading links, by the relay's address.
    pub(crate) links: BTreeMap<String, Connectivity>,
    /// The relays of the run.
    pub(crate) relays: Vec<RelayAddress>,
    /// Number of changes so far that may give conversations something to do.
    pub(crate) changes: u64,
    /// Number of acts of the user so far that end the waits of conversations.
    pub(crate) retries: u64,
    /// Number of rounds so far. A round begins when the user asks to try everything now.
    pub(crate) round: u64,
    /// The seconds since 1970-01-01 that the machine showed at the last step.
    seen_s: u64,
}

/// The reason for which a step was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The vault refused the step.
    Vault(StepError),
    /// The engine refused the step.
    Engine(EngineError),
}

impl Refused {
    pub(crate) const fn of_vault(error: VaultError) -> Self {
        Self::Vault(if error.is_passing() { StepError::NoRoom } else { StepError::Stopped })
    }
}

impl From<VaultError> for Refused {
    fn from(error: VaultError) -> Self {
        Self::of_vault(error)
    }
}

impl From<EngineError> for Refused {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Vault(error) => Self::of_vault(error),
            error => Self::Engine(error),
        }
    }
}

impl Shell {
    pub(crate) fn new(
        (person, incarnation): (PersonId, u32),
        engine: SimEngine,
        steps: WriterSteps<Arc<NodeDisk>>,
        relays: Vec<RelayAddress>,
        mut rng: SimRandom,
        now_ms: u64,
    ) -> Self {
        Self {
            person,
            incarnation,
            engine,
            steps,
            opened_ms: now_ms,
            skew_s: 0,
            tokens: ClientTokenSecret::generate(&mut rng),
            rng,
            openings: Arc::default(),
            turns: TurnQueues::default(),
            given: BTreeSet::new(),
            days: BTreeMap::new(),
            links: BTreeMap::new(),
            relays,
            changes: 0,
            retries: 0,
            round: 0,
            seen_s: 0,
        }
    }

    /// Returns the name of the person.
    pub(crate) fn name(&self) -> &'static str {
        name_of(self.person)
    }

    /// Returns the present moment of the client's monotonic clock, which begins at its start.
    pub(crate) const fn moment(&self, sim: &Sim) -> Moment {
        Moment::after_start(Duration::from_millis(sim.now_ms.saturating_sub(self.opened_ms)))
    }

    /// Returns the time of the run, in milliseconds, at a moment of the client.
    pub(crate) fn at_ms(&self, moment: Moment) -> u64 {
        let ms = moment.since_start().as_nanos().div_ceil(1_000_000);
        self.opened_ms.saturating_add(u64::try_from(ms).unwrap_or(u64::MAX))
    }

    /// Returns the seconds since 1970-01-01 that the machine shows, which may be wrong.
    pub(crate) const fn now_s(&self, sim: &Sim) -> u64 {
        sim.true_s().saturating_add_signed(self.skew_s)
    }

    /// Returns the seconds since 1970-01-01 that the machine showed at the last step.
    pub(crate) const fn true_s(&self) -> u64 {
        self.seen_s
    }

    /// Returns the days that the connected own relays would say now.
    pub(crate) fn relay_days(&self, sim: &Sim) -> Vec<Day> {
        let day = |(day, at): &(Day, u64)| {
            day.plus(u32::try_from(sim.now_ms.saturating_sub(*at) / DAY_MS).unwrap_or(u32::MAX))
        };
        self.days.values().map(day).collect()
    }

    /// Does a step of the engine, with the seconds that the machine shows and the day that the
    /// engine believes. A failure of the vault for good stops the engine. Wakes the conversations
    /// and, if the step was done, the user.
    pub(crate) fn step<T, E: Into<Refused>>(
        &mut self,
        sim: &mut Sim,
        step: impl FnOnce(&mut SimEngine, u64, Day) -> Result<T, E>,
    ) -> Result<T, Refused> {
        if self.engine.is_dead() {
            return Err(Refused::Vault(StepError::Stopped));
        }
        let (now, days) = (self.now_s(sim), self.relay_days(sim));
        let result = self.engine.today(now, &days).map_err(Refused::from);
        let result = result.and_then(|today| step(&mut self.engine, now, today).map_err(Into::into));
        if matches!(result, Err(Refused::Vault(StepError::Stopped))) {
            self.engine.stop();
        }
        self.seen_s = now;
        self.changes += 1;
        sim.after(1, Event::VaultStep { person: self.person, incarnation: self.incarnation });
        if result.is_ok() {
            sim.act_at(sim.now_ms + 1, self.person, self.incarnation);
        }
        result
    }

    /// Returns the number of the relay with the identity of this address. Fails with
    /// [`Check::Forged`] if there is none.
    pub(crate) fn relay_of(&self, address: &RelayAddress) -> Checked<usize> {
        let at = self.relays.iter().position(|known| known.fingerprint() == address.fingerprint());
        at.ok_or_else(|| Breach::new(Check::Forged, format!("a client goes to an unknown relay {address}")))
    }

    /// Takes a place in the queue of links to be opened to a relay. Returns the place, and whether
    /// its turn has come.
    pub(crate) fn enter(&mut self, relay: &RelayAddress, haste: Haste) -> (Ticket, bool) {
        self.turns.enter(relay, haste)
    }

    /// Takes the turn of a place. Returns `false` if the turn has not come, or was taken.
    pub(crate) fn take_turn(&mut self, ticket: Ticket) -> bool {
        self.given.remove(&ticket)
    }

    /// Gives up a place, so that the turn of the next one comes.
    pub(crate) fn leave(&mut self, relay: &RelayAddress, ticket: Ticket) {
        self.given.remove(&ticket);
        if let Some(next) = self.turns.leave(relay, ticket) {
            self.given.insert(next);
            self.changes += 1;
        }
    }
}

/// The names of the people, by number.
const NAMES: [&str; 6] = ["ada", "ben", "cleo", "dora", "emil", "fay"];

/// Returns the name of a person.
pub(crate) fn name_of(person: PersonId) -> &'static str {
    NAMES.get(person).copied().unwrap_or("somebody")
}

/// Returns the person of a name; `None` if no person has that name.
pub(crate) fn person_of(name: &str) -> Option<PersonId> {
    NAMES.iter().position(|known| *known == name)
}

/// The surroundings in which a conversation does a step: the run, the client, and the
/// conversation's number.
pub(crate) struct Place<'a> {
    pub(crate) sim: &'a mut Sim,
    pub(crate) shell: &'a mut Shell,
    pub(crate) actor: ActorId,
}
