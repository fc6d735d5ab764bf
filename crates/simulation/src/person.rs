//! A person: a disk, a client that may run on it, a user, and an app.

mod actor;
mod app;
mod arrived;
mod driver;
mod errand;
mod errands;
mod inbound;
mod running;
mod shell;
mod slot;
mod supervisor;
mod user;
mod vault;

pub(crate) use app::Handed;
pub(crate) use arrived::Arrived;
pub(crate) use running::Running;
pub(crate) use shell::{name_of, person_of};
pub(crate) use user::{User, Wish};

use crate::{
    breach::{Breach, Check, Checked},
    disk::DiskBay,
    ids::{ConnId, PersonId},
    planted::Planted,
    random::SimRandom,
    sim::{Event, Sim, note},
};
use deaddrop_client::testing::SteppedVault;
use deaddrop_engine::{ContactState, Engine, UnreachableReason, VaultError};
use deaddrop_shred::{Geometry, MasterKey, Shred, Unlock};
use deaddrop_wire::RelayAddress;
use shell::Shell;
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};
use vault::PersonVault;

/// A person of a run.
pub(crate) struct Person {
    pub(crate) id: PersonId,
    bay: DiskBay,
    relays: Vec<RelayAddress>,
    /// Index of the relay on which mailboxes are made. If it is `None`, the engine chooses the
    /// relay of the first invite that is accepted.
    home: Option<usize>,
    seed: u64,
    pub(crate) incarnation: u32,
    pub(crate) running: Option<Running>,
    pub(crate) user: User,
    skew_s: i64,
    /// A copy of the vault: its bytes, its time in milliseconds of the run, and the names of the
    /// contacts in it.
    copy: Option<(Vec<u8>, u64, Vec<String>)>,
    /// The time at which the vault was put back to the copy last, in milliseconds of the run;
    /// `None` if it never was.
    pub(crate) put_back_ms: Option<u64>,
    /// Whether the vault was put back to a copy from before a move to another relay, so that it
    /// does not know where its contacts send.
    pub(crate) has_lost_move: bool,
    /// The time at which the user moved to another relay last, in milliseconds of the run; 0 if
    /// never.
    pub(crate) moved_ms: u64,
    writes: Arc<AtomicU64>,
}

fn unlock() -> Unlock {
    Unlock::Key(MasterKey::from_bytes([7; 32]))
}

fn geometry() -> Geometry {
    Geometry {
        segment_bytes: 256 << 10,
        slots_per_segment: 256,
        initial_segments: 1,
        max_segments: 64,
        ..Geometry::vault()
    }
}

impl Person {
    /// Makes a person who has no client yet.
    pub(crate) fn new(id: PersonId, seed: u64, relays: Vec<RelayAddress>, home: Option<usize>) -> Self {
        let user = User { has_store: id.is_multiple_of(2), ..User::default() };
        Self {
            id,
            bay: DiskBay::default(),
            relays,
            home,
            seed,
            incarnation: 0,
            running: None,
            user,
            skew_s: 0,
            copy: None,
            put_back_ms: None,
            has_lost_move: false,
            moved_ms: 0,
            writes: Arc::default(),
        }
    }

    fn rng(&self, use_of: u64) -> SimRandom {
        SimRandom::of(
            self.seed,
            1_000 + 100_000 * use_of + 1_000 * self.id as u64 + u64::from(self.incarnation),
        )
    }

    pub(crate) fn name(&self) -> &'static str {
        name_of(self.id)
    }

    /// Starts a process of the client, unless one runs: makes the vault, or opens it. If a full
    /// disk keeps it from opening, it is tried again after 5 seconds. Fails with [`Check::Vault`]
    /// if the vault does not open for another reason.
    pub(crate) fn start(&mut self, sim: &mut Sim) -> Checked {
        if self.running.is_some() {
            return Ok(());
        }
        self.incarnation += 1;
        let (disk, mut rng) = (self.bay.disk(), self.rng(0));
        let is_new = self.incarnation == 1;
        let failed =
            |what: String| Breach::new(Check::Vault, format!("{} cannot open: {what}", name_of(self.id)));
        let store = if is_new {
            Shred::create(disk, &geometry(), &unlock(), &mut rng)
                .map_err(|error| failed(error.to_string()))?
        } else {
            Shred::open(disk, &unlock(), &mut rng).map_err(|error| failed(error.to_string()))?
        };
        let started = SteppedVault::start(store, &geometry(), self.rng(1));
        let (vault, steps) = started.ok_or_else(|| failed("no steps".to_owned()))?;
        let vault = PersonVault::new(vault, sim.planted, self.rng(2), Arc::clone(&self.writes));
        let now = sim.true_s().saturating_add_signed(self.skew_s);
        let engine = if is_new {
            let home = self.home.and_then(|home| self.relays.get(home));
            Engine::create(vault, self.rng(3), home, now)
        } else {
            Engine::open(vault, self.rng(3), now)
        };
        let engine = match engine {
            Ok(engine) => engine,
            Err(VaultError::Full | VaultError::Busy) => {
                sim.after(5_000, Event::StartPerson(self.id));
                return Ok(());
            }
            Err(error) => return Err(failed(error.to_string())),
        };
        note!(sim, "{} starts for the {}. time", self.name(), self.incarnation);
        if sim.planted == Some(Planted::UnsyncedVault) {
            self.bay.lie();
        }
        let who = (self.id, self.incarnation);
        let mut shell = Shell::new(who, engine, steps, self.relays.clone(), self.rng(4), sim.now_ms);
        shell.skew_s = self.skew_s;
        self.running = Some(Running::new(shell, sim));
        self.user.unmarked = None;
        self.user.looked = 0;
        if let Some(wish) = self.user.errand.take() {
            self.user.want(sim.now_ms + 1_000, wish);
        }
        self.app_starts();
        sim.after(10, Event::VaultStep { person: self.id, incarnation: self.incarnation });
        sim.act_at(sim.now_ms + 10, self.id, self.incarnation);
        Ok(())
    }

    /// Cuts the power of the client, which starts again after `down_ms` milliseconds.
    pub(crate) fn kill(&mut self, sim: &mut Sim, down_ms: u64) {
        if self.running.take().is_some() {
            note!(sim, "{} is killed", self.name());
            for conn in sim.network.of_person(self.id) {
                sim.close(conn, false);
            }
        }
        let mut rng = sim.rng.clone();
        self.bay.cut_power(&mut rng);
        sim.after(down_ms + 1, Event::StartPerson(self.id));
    }

    /// Makes the disk fail after this many writes and syncs, as if the power were cut in the middle
    /// of a step.
    pub(crate) fn kill_after(&self, writes: u64) {
        self.bay.fail_after(writes);
    }

    /// Closes the client in good order, and starts it again after `down_ms` milliseconds. Does nothing if the client does not run.
    ///
    /// Fails if the vault cannot be closed, unless the vault is full or busy, the engine was dead before, or the disk was made to
    /// fail.
    pub(crate) fn close(&mut self, sim: &mut Sim, down_ms: u64) -> Checked {
        let Some(running) = self.running.take() else { return Ok(()) };
        note!(sim, "{} closes", self.name());
        for conn in sim.network.of_person(self.id) {
            sim.close(conn, false);
        }
        let is_dead = running.shell.engine.is_dead();
        match running.into_engine().close() {
            Ok(()) | Err(VaultError::Full | VaultError::Busy) => {}
            Err(_) if is_dead => {}
            Err(error) if self.bay.is_failing() => note!(sim, "{}: {error}", self.name()),
            Err(error) => {
                return Err(Breach::new(Check::Vault, format!("{} cannot close: {error}", self.name())));
            }
        }
        if self.bay.is_failing() || is_dead {
            let mut rng = sim.rng.clone();
            self.bay.cut_power(&mut rng);
        }
        sim.after(down_ms + 1, Event::StartPerson(self.id));
        Ok(())
    }

    /// Kills a client whose vault has failed, and starts it again. Fails with [`Check::Vault`] if
    /// no failure of the disk was asked for.
    pub(crate) fn look_for_death(&mut self, sim: &mut Sim) -> Checked {
        if !self.running.as_ref().is_some_and(|running| running.shell.engine.is_dead()) {
            return Ok(());
        }
        if !self.bay.is_failing() {
            return Err(Breach::new(
                Check::Vault,
                format!("the vault of {} has failed by itself", self.name()),
            ));
        }
        let down = sim.below(20_000);
        self.kill(sim, down);
        Ok(())
    }

    pub(crate) fn set_room(&self, more: Option<usize>) {
        self.bay.set_room(more);
    }

    pub(crate) fn set_skew(&mut self, days: i64) {
        self.skew_s = days * 86_400;
        if let Some(running) = &mut self.running {
            running.shell.skew_s = self.skew_s;
            running.shell.changes += 1;
        }
    }

    /// Returns the names of all contacts; `None` if one of them is not established, or if the client does not run.
    fn established(&self) -> Option<Vec<String>> {
        let list = self.running.as_ref()?.shell.engine.contact_list();
        let is_established = list.iter().all(|contact| contact.state == ContactState::Established);
        is_established.then(|| list.into_iter().map(|contact| contact.name).collect())
    }

    /// Whether a relay has refused the item that was last sent to another person.
    pub(crate) fn is_refused(&self, other: PersonId) -> bool {
        let info = self.running.as_ref().and_then(|one| one.shell.engine.contact_info(name_of(other)));
        info.is_some_and(|info| info.unreachable == Some(UnreachableReason::Refused))
    }

    /// Copies the vault as it is on the disk, if the client has contacts and all of them are
    /// established.
    pub(crate) fn make_copy(&mut self, sim: &mut Sim) {
        if let Some(contacts) = self.established()
            && !contacts.is_empty()
        {
            note!(sim, "the vault of {} is copied", self.name());
            self.copy = Some((self.bay.durable(), sim.now_ms, contacts));
        }
    }

    /// Puts the last copy of the vault back and uses the copy up, if the client runs, all of its
    /// contacts are established, and the copy has just these contacts. Returns whether it did.
    pub(crate) fn put_back(&mut self, sim: &mut Sim, down_ms: u64) -> bool {
        let Some(contacts) = self.established() else { return false };
        let Some((bytes, copied_ms, _)) = self.copy.take_if(|(_, _, known)| *known == contacts) else {
            return false;
        };
        note!(sim, "the vault of {} is put back", self.name());
        self.kill(sim, down_ms);
        self.bay.replace(bytes);
        self.user.is_put_back = true;
        self.user.has_old_vault = true;
        self.has_lost_move |= self.moved_ms > copied_ms;
        self.user.told.clear();
        self.user.steps.clear();
        self.put_back_ms = Some(sim.now_ms);
        true
    }

    /// Returns the number of batches and erasures that all clients of the person gave to the vault,
    /// stored or not.
    pub(crate) fn stored(&self) -> u64 {
        self.writes.load(Ordering::Relaxed)
    }

    /// Restarts the client if its disk was made to fail, on a disk that does not fail. Called when
    /// the faults have ended.
    pub(crate) fn recover(&mut self, sim: &mut Sim) {
        if self.bay.is_failing() {
            self.kill(sim, 1_000);
        }
    }

    /// Returns the running client if its process has this number; `None` otherwise.
    pub(crate) fn of_life(&mut self, incarnation: u32) -> Option<&mut Running> {
        self.running.as_mut().filter(|_| incarnation == self.incarnation)
    }

    /// Handles an arrival over a connection. Ignores arrivals for an earlier process.
    pub(crate) fn on_network(&mut self, conn: ConnId, what: Arrived, sim: &mut Sim) -> Checked {
        let Some(connection) = sim.network.connection(conn).copied() else { return Ok(()) };
        let Some(running) = self.of_life(connection.incarnation) else { return Ok(()) };
        running.on_network(conn, connection.actor, what, sim);
        Ok(())
    }
}
