//! A running client: its conversations, which take turns.

use super::{
    actor::{Actor, Ended, Next},
    arrived::Arrived,
    shell::{Place, Shell, SimEngine},
    supervisor::{Supervisor, Wanted},
};
use crate::{
    breach::Checked,
    ids::{ActorId, ConnId},
    sim::{Event, Sim},
};
use std::{collections::BTreeMap, time::Duration};

/// The number of the supervisor, which starts the conversations.
const SUPERVISOR: ActorId = 0;

/// A running client.
pub(crate) struct Running {
    pub(crate) shell: Shell,
    supervisor: Supervisor,
    actors: BTreeMap<ActorId, Box<dyn Actor>>,
    /// The time of the next step of each conversation, in milliseconds of the run.
    wakes: BTreeMap<ActorId, u64>,
    last: ActorId,
    /// The shell's counter `changes` when all conversations were woken last.
    changes: u64,
    retries: u64,
    /// The results of ended conversations that the user has not seen yet.
    pub(crate) ended: Vec<Ended>,
    /// The time of the next upkeep of the vault, in milliseconds of the run; `None` if none is
    /// planned.
    steps_ms: Option<u64>,
}

impl Running {
    pub(crate) fn new(mut shell: Shell, sim: &mut Sim) -> Self {
        let supervisor = Supervisor::new(&Place { sim, shell: &mut shell, actor: SUPERVISOR });
        let mut running = Self {
            shell,
            supervisor,
            actors: BTreeMap::new(),
            wakes: BTreeMap::new(),
            last: SUPERVISOR,
            changes: 0,
            retries: 0,
            ended: Vec::new(),
            steps_ms: None,
        };
        running.wake_at(SUPERVISOR, sim.now_ms, sim);
        running
    }

    pub(crate) fn into_engine(self) -> SimEngine {
        self.shell.engine
    }

    /// Lets a conversation continue at a time of the run, or earlier if that is planned already.
    fn wake_at(&mut self, actor: ActorId, ms: u64, sim: &mut Sim) {
        let (known, ms) = (self.wakes.get(&actor).copied(), ms.max(sim.now_ms));
        if known.is_none_or(|known| ms < known) {
            self.wakes.insert(actor, ms);
            let (person, incarnation) = (self.shell.person, self.shell.incarnation);
            sim.at(ms, Event::Wake { person, incarnation, actor });
        }
    }

    /// Starts a conversation, which does its first step within 3 ms.
    pub(crate) fn start(&mut self, actor: Box<dyn Actor>, sim: &mut Sim) {
        self.last += 1;
        self.actors.insert(self.last, actor);
        let at = sim.now_ms + sim.below(3);
        self.wake_at(self.last, at, sim);
    }

    /// Does the next step of a conversation, if it is planned for now, and plans the step after it.
    pub(crate) fn wake(&mut self, actor: ActorId, sim: &mut Sim) -> Checked {
        if self.wakes.get(&actor) != Some(&sim.now_ms) {
            return Ok(());
        }
        self.wakes.remove(&actor);
        let next = if actor == SUPERVISOR {
            let wanted = self.supervisor.wake(&mut Place { sim, shell: &mut self.shell, actor })?;
            match wanted {
                Wanted::Nothing(next) => next,
                Wanted::Start(actor) => {
                    self.start(actor, sim);
                    Next::Now
                }
            }
        } else {
            let Some(one) = self.actors.get_mut(&actor) else { return Ok(()) };
            one.wake(&mut Place { sim, shell: &mut self.shell, actor })?
        };
        match next {
            Next::Now => {
                let at = sim.now_ms + sim.below(3);
                self.wake_at(actor, at, sim);
            }
            Next::At(Some(ms)) => self.wake_at(actor, ms.max(sim.now_ms + 1), sim),
            Next::At(None) => {}
            Next::Ended(ended) => self.end(actor, ended, sim),
        }
        self.spread(sim);
        Ok(())
    }

    fn end(&mut self, actor: ActorId, ended: Ended, sim: &mut Sim) {
        self.actors.remove(&actor);
        let at = Place { sim, shell: &mut self.shell, actor };
        self.supervisor.note_end(&ended, &at);
        self.ended.push(ended);
        self.shell.changes += 1;
        let (person, incarnation) = (self.shell.person, self.shell.incarnation);
        sim.act_at(sim.now_ms + 1, person, incarnation);
    }

    /// Wakes all conversations within 5 ms if something has changed since the last call.
    pub(crate) fn spread(&mut self, sim: &mut Sim) {
        let now = (self.shell.changes, self.shell.retries);
        if (self.changes, self.retries) == now {
            return;
        }
        (self.changes, self.retries) = now;
        if sim.strikes(crate::planted::Planted::MissedWake, 1) {
            return;
        }
        let actors: Vec<ActorId> = self.actors.keys().copied().chain([SUPERVISOR]).collect();
        for actor in actors {
            let at = sim.now_ms + 1 + sim.below(4);
            self.wake_at(actor, at, sim);
        }
    }

    /// Hands an arrival over a connection to its conversation.
    pub(crate) fn on_network(&mut self, conn: ConnId, actor: ActorId, what: Arrived, sim: &mut Sim) {
        let Some(one) = self.actors.get_mut(&actor) else { return };
        match what {
            Arrived::Connected => {
                one.on_connected(conn, &mut Place { sim, shell: &mut self.shell, actor });
                return;
            }
            Arrived::Message(bytes) => one.on_message(conn, bytes),
            Arrived::Closed => one.on_closed(conn),
        }
        let at = sim.now_ms;
        self.wake_at(actor, at, sim);
    }
}

impl Running {
    /// Does the upkeep of the vault if it is due, and plans the next one.
    pub(crate) fn vault_step(&mut self, sim: &mut Sim) {
        if self.steps_ms.is_some_and(|at| at > sim.now_ms) {
            return;
        }
        let now = Duration::from_millis(sim.now_ms.saturating_sub(self.shell.opened_ms));
        let next = self.shell.steps.step(now);
        self.steps_ms = next.map(|next| {
            let ms = u64::try_from(next.as_millis()).unwrap_or(u64::MAX);
            (ms.saturating_add(self.shell.opened_ms)).max(sim.now_ms + 40)
        });
        if let Some(at) = self.steps_ms {
            let (person, incarnation) = (self.shell.person, self.shell.incarnation);
            sim.at(at, Event::VaultStep { person, incarnation });
        }
    }

    /// Ends all waits of the conversations and begins a new round, as when the user asks to try
    /// now.
    pub(crate) fn retry(&mut self, sim: &mut Sim) {
        self.shell.round += 1;
        self.shell.retries += 1;
        self.shell.changes += 1;
        self.spread(sim);
    }
}
