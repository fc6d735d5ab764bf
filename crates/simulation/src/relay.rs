//! A relay of a run: a disk, and a process that may run on it.

mod link;
mod raw;
mod serving;

pub(crate) use raw::RawId;
pub(crate) use serving::Serving;

use crate::{
    breach::{Breach, Check, Checked},
    disk::DiskBay,
    ids::RelayId,
    plan::Withheld,
    planted::Planted,
    random::SimRandom,
    relay_parts::{Belief, KeptStore, Limits, Store, StoreKey},
    sim::{Event, Sim, note},
};
use deaddrop_link::{RelayIdentity, RelaySeed};
use deaddrop_shred::{Geometry, Shred, residue};
use deaddrop_wire::{Day, RelayAddress};
use std::sync::Arc;

/// A relay of a run.
pub(crate) struct Relay {
    pub(crate) id: RelayId,
    identity: Arc<RelayIdentity>,
    bay: DiskBay,
    seed: u64,
    limits: Limits,
    pub(crate) incarnation: u32,
    pub(crate) serving: Option<Serving>,
    skew_days: i64,
    /// The kind of items that the relay holds back; `None` if it sends all.
    pub(crate) withheld: Option<Withheld>,
}

fn key(id: RelayId) -> StoreKey {
    let [low, ..] = id.to_le_bytes();
    StoreKey::from_bytes([low.wrapping_add(100); 32])
}

fn geometry() -> Geometry {
    Geometry {
        segment_bytes: 128 << 10,
        slots_per_segment: 32,
        initial_segments: 1,
        max_segments: 128,
        ..Geometry::server()
    }
}

impl Relay {
    /// Makes a relay that has no store yet. Its identity depends on its number alone.
    pub(crate) fn new(id: RelayId, seed: u64) -> Self {
        let [low, ..] = id.to_le_bytes();
        let identity = RelayIdentity::from_seed(&RelaySeed::from_bytes([low.wrapping_add(1); 32]));
        let limits = Limits { ping_min_s: 120, sweep_every_ms: 60_000, ..Limits::DEFAULT };
        Self {
            id,
            identity: Arc::new(identity),
            bay: DiskBay::default(),
            seed,
            limits,
            incarnation: 0,
            serving: None,
            skew_days: 0,
            withheld: None,
        }
    }

    /// Returns the address under which clients know the relay.
    pub(crate) fn address(&self) -> Checked<RelayAddress> {
        let text = format!("ws://relay{}.example:4000/#{}", self.id, self.identity.fingerprint());
        text.parse().map_err(|_| Breach::new(Check::Protocol, format!("{text} is no address")))
    }

    fn rng(&self, use_of: u64) -> SimRandom {
        SimRandom::of(
            self.seed,
            10_000_000 + 100_000 * use_of + 1_000 * self.id as u64 + u64::from(self.incarnation),
        )
    }

    /// Returns the day that the machine's clock shows, which may be wrong.
    fn system_day(&self, sim: &Sim) -> Day {
        let days = i64::try_from(sim.true_s() / 86_400).unwrap_or(0) + self.skew_days;
        Day::from_number(u32::try_from(days).unwrap_or(0))
    }

    /// Starts a process of the relay, unless one runs: makes the store, or opens it, and begins to
    /// serve. Fails with [`Check::Store`] if the store does not open.
    pub(crate) fn start(&mut self, sim: &mut Sim) -> Checked {
        if self.serving.is_some() {
            return Ok(());
        }
        self.incarnation += 1;
        let (disk, mut rng) = (self.bay.disk(), self.rng(0));
        let key = key(self.id);
        let failed =
            |what: String| Breach::new(Check::Store, format!("relay {} cannot open: {what}", self.id));
        let shred = if self.incarnation == 1 {
            Shred::create(disk, &geometry(), &key.unlock(), &mut rng)
                .map_err(|error| failed(error.to_string()))?
        } else {
            Shred::open(disk, &key.unlock(), &mut rng).map_err(|error| failed(error.to_string()))?
        };
        let opened = KeptStore::over_steps(shred, &key, self.limits.clone(), &mut rng, self.rng(1));
        let (store, steps) = opened.map_err(|error| failed(error.to_string()))?;
        let stored = store.census().calendar;
        let Ok(belief) = Belief::begin(stored, self.system_day(sim), false) else {
            return Err(failed("no day is believed".to_owned()));
        };
        note!(sim, "relay {} starts for the {}. time", self.id, self.incarnation);
        if sim.planted == Some(Planted::UnsyncedStore) {
            self.bay.lie();
        }
        let identity = Arc::clone(&self.identity);
        let serving = Serving::new(
            (self.id, self.incarnation),
            identity,
            store,
            steps,
            belief,
            &self.limits,
            self.rng(2),
            sim,
        );
        self.serving = Some(serving);
        sim.after(1, Event::StoreStep { relay: self.id, incarnation: self.incarnation });
        sim.after(0, Event::RelayTick { relay: self.id, incarnation: self.incarnation });
        Ok(())
    }

    /// Lets days pass without links. Fails with [`Check::Expiry`] if a mailbox or a blob is left
    /// then.
    pub(crate) fn let_days_pass(&mut self, days: u32, sim: &mut Sim) -> Checked {
        for _ in 0..days {
            sim.now_ms += 86_400_000;
            let day = self.system_day(sim);
            let Some(serving) = &mut self.serving else { return Ok(()) };
            serving.end_links(sim);
            serving.tick(day, sim)?;
            for _ in 0..50 {
                sim.now_ms += 1_000;
                serving.step(None, sim)?;
                if serving.is_quiet() {
                    break;
                }
            }
        }
        let census = self.serving.as_ref().map(|serving| serving.store().census()).unwrap_or_default();
        if census.mailboxes > 0 || census.blobs > 0 {
            let what = format!(
                "relay {} keeps {} mailboxes and {} blobs without end",
                self.id, census.mailboxes, census.blobs
            );
            return Err(Breach::new(Check::Expiry, what));
        }
        Ok(())
    }

    /// Cuts the power of the relay, which starts again after `down_ms` milliseconds.
    pub(crate) fn kill(&mut self, sim: &mut Sim, down_ms: u64) {
        if self.serving.take().is_some() {
            note!(sim, "relay {} is killed", self.id);
            for conn in sim.network.of_relay(self.id) {
                sim.close(conn, true);
            }
        }
        let mut rng = sim.rng.clone();
        self.bay.cut_power(&mut rng);
        sim.after(down_ms + 1, Event::StartRelay(self.id));
    }

    pub(crate) fn kill_after(&self, writes: u64) {
        self.bay.fail_after(writes);
    }

    pub(crate) fn set_room(&self, more: Option<usize>) {
        self.bay.set_room(more);
    }

    pub(crate) const fn set_skew(&mut self, days: i64) {
        self.skew_days = days;
    }

    /// Kills a relay whose store has failed, and starts it again. Fails with [`Check::Store`] if no
    /// failure of the disk was asked for.
    pub(crate) fn look_for_death(&mut self, sim: &mut Sim) -> Checked {
        if !self.serving.as_ref().is_some_and(Serving::has_stopped) {
            return Ok(());
        }
        if !self.bay.is_failing() {
            return Err(Breach::new(
                Check::Store,
                format!("the store of relay {} has failed by itself", self.id),
            ));
        }
        let down = sim.below(20_000);
        self.kill(sim, down);
        Ok(())
    }

    /// Looks at the clock and the links, and begins to destroy what has expired. Does nothing if
    /// the relay does not run.
    pub(crate) fn tick(&mut self, sim: &mut Sim) -> Checked {
        let day = self.system_day(sim);
        match &mut self.serving {
            Some(serving) => serving.tick(day, sim),
            None => Ok(()),
        }
    }

    /// Restarts the relay if its disk was made to fail, on a disk that does not fail. Called when
    /// the faults have ended.
    pub(crate) fn recover(&mut self, sim: &mut Sim) {
        if self.bay.is_failing() {
            self.kill(sim, 1_000);
        }
    }

    pub(crate) fn of_life(&mut self, incarnation: u32) -> Option<&mut Serving> {
        self.serving.as_mut().filter(|_| incarnation == self.incarnation)
    }

    /// Checks a copy of the disk for records that can be read and do not exist any more. Checks
    /// nothing if the store has work to do or may fail. Fails with [`Check::Residue`].
    pub(crate) fn check_residue(&self) -> Checked {
        let Some(serving) = &self.serving else { return Ok(()) };
        // A store that has failed does no upkeep.
        if !serving.is_quiet() || self.bay.is_failing() {
            return Ok(());
        }
        let census = serving.store().census();
        let there = census.mailboxes
            + census.blobs
            + u64::from(census.calendar.is_some())
            + u64::from(census.has_statistics);
        let found = residue::scan(&self.bay.copy(), &key(self.id).unlock())
            .map_err(|error| Breach::new(Check::Residue, format!("relay {}: {error}", self.id)))?;
        if found.bodies > there {
            let what =
                format!("{} records of relay {} can be read, and {there} are there", found.bodies, self.id);
            return Err(Breach::new(Check::Residue, what));
        }
        Ok(())
    }
}
