//! The engine: each call is one *step*, whose changes are stored as one vault batch
//! (spec/14-client.md section 3).
//!
//! A call changes memory and stores the change before it returns. If the vault has no room or is
//! busy, memory goes back to what the vault holds. After any other error the engine is *dead*: what
//! the disk holds is known only when the vault is opened again.

mod asked;
mod calendar;
mod contacts;
mod events;
mod inbox;
mod incoming;
mod invites;
mod load;
mod mailboxes;
mod manner;
mod missing;
mod moved_relays;
mod moving;
mod names;
mod needs;
mod outbox;
mod outgoing;
mod parked;
mod peer;
mod receipts;
mod relays;
mod reload;
mod sentinel;
mod sessions;
mod state;
mod step;

pub use contacts::{ContactAsks, ContactInfo, ContactState, UnreachableReason};

pub use calendar::is_same_day;
pub use inbox::BlobOutcome;
pub use invites::{Acceptance, InviteToEmpty, Publication};
pub use mailboxes::{MailboxName, OWN, OwnMailbox};
pub use moved_relays::LinkPurpose;
pub use needs::{MailboxNeeds, Need, TextsTo};
pub use outbox::{BlobLives, PutJob, SentPut};
pub use relays::Reach;
pub use state::Engine;

use crate::{
    error::VaultError,
    vault::{self, CalendarRow, ConfigRow, FormatRow, RelaysRow, Rows, Table, Vault, key, parts},
};
use deaddrop_e2ee::identity::IdentityKeyPair;
use deaddrop_wire::{Day, RelayAddress};
use peer::Peer;
use rand_core::CryptoRng;
use state::Sentinel;
use std::collections::{BTreeMap, BTreeSet};

/// Number of the row format of the vaults that this version makes (spec/14-client.md section 2.1).
const FORMAT: u32 = 2;
/// Number of blobs after a crash whose processing is counted in the vault before it begins, so that
/// a blob that stops the process each time is found. A relay has at most so many blobs under way:
/// the window that the client's Hello asks for.
const WATCHED_STARTS: u32 = 64;

impl<V: Vault, R: CryptoRng> Engine<V, R> {
    /// Makes a new person, with a new identity, in a vault that must be empty, which is not
    /// checked. `relay` is the relay on which mailboxes are to be made; `None`: none is set yet.
    /// `now` is in seconds since 1970-01-01; its day is the first that is believed, if it is
    /// [plausible](Day::is_plausible).
    ///
    /// # Errors
    /// Fails with the error of the vault.
    pub fn create(vault: V, mut rng: R, relay: Option<&RelayAddress>, now: u64) -> Result<Self, VaultError> {
        let identity = IdentityKeyPair::generate(&mut rng);
        let config = ConfigRow {
            seed: identity.seed().duplicate(),
            root: None,
            relay: relay.map(ToString::to_string),
            next_id: 1,
            event_floor: 1,
        };
        let vault = Rows::new(vault);
        let mut engine = Self {
            vault,
            config,
            relays: RelaysRow::default(),
            moved_relays: BTreeMap::new(),
            identity,
            contacts: BTreeMap::new(),
            events: BTreeSet::new(),
            next_event: 1,
            cursor: 0,
            shown: BTreeMap::new(),
            stale_tried: None,
            sentinel: Sentinel::default(),
            calendar: CalendarRow::begin(now),
            clock_tried: None,
            asks_nothing: false,
            rng,
            seen: BTreeSet::new(),
            watched_starts: 0,
            unsure: 0,
            dead: false,
        };
        let mut step = engine.step();
        step.config = true;
        let format = FormatRow { version: FORMAT, stage: 0, after: [0; 16] };
        step.changes.put(key(Table::Format, 0, 0), &format)?;
        step.changes.put(key(Table::Calendar, 0, 0), &engine.calendar)?;
        engine.mark_running(&mut step)?;
        engine.finish(step)?;
        Ok(engine)
    }

    /// Loads the person of a vault and begins the day `today`, without a look at the clock.
    ///
    /// # Errors
    /// Fails as [`open`](Self::open) does.
    #[cfg(any(test, feature = "hazmat"))]
    pub fn open_on_day(vault: V, rng: R, today: Day) -> Result<Self, VaultError> {
        let mut engine = Self::load(vault, rng)?;
        if_room(engine.begin_day(today))?;
        Ok(engine)
    }

    /// Loads the person of a vault, looks at the clock and begins the day that is believed.
    /// Converts a vault of an older format to the present one first. `now` is in seconds since
    /// 1970-01-01.
    ///
    /// # Errors
    /// Fails with [`VaultError::NewerVersion`] if a newer version has written the vault, with
    /// [`VaultError::Corrupt`] if a row is damaged or missing that every opening reads, or with
    /// another error of the vault. A vault without room opens.
    pub fn open(vault: V, rng: R, now: u64) -> Result<Self, VaultError> {
        let mut engine = Self::load(vault, rng)?;
        let today = engine.today(now, &[])?;
        if_room(engine.begin_day(today))?;
        Ok(engine)
    }

    /// Loads a person from the rows of a vault, marks the vault as open, and continues what a crash
    /// has cut short.
    fn load(vault: V, mut rng: R) -> Result<Self, VaultError> {
        let mut vault = Rows::new(vault);
        vault::migrate(&mut vault, &mut rng)?;
        let config: ConfigRow = vault.read(&key(Table::Config, 0, 0))?.ok_or(VaultError::Corrupt)?;
        let identity = IdentityKeyPair::from_seed(config.seed.duplicate());
        let relays = vault.read(&key(Table::Relays, 0, 0))?.unwrap_or_default();
        let moved_relays = load::moved_relays(&vault)?;
        let cursor = vault.read(&key(Table::Cursor, 0, 0))?.unwrap_or(0);
        let shown = load::shown(&vault)?;
        let stale_tried = vault.read(&key(Table::StaleTried, 0, 0))?;
        let sentinel = vault.read(&key(Table::Sentinel, 0, 0))?;
        let calendar = vault.read(&key(Table::Calendar, 0, 0))?;
        let contacts = load::contacts(&vault)?;
        let events: BTreeSet<u64> = vault.keys(Table::Event).iter().map(|key| parts(key).1).collect();
        let next_event = events.last().map_or(config.event_floor, |last| config.event_floor.max(last + 1));
        let crashed = vault.read::<bool>(&key(Table::Running, 0, 0))?.unwrap_or(false);
        let mut engine = Self {
            vault,
            config,
            relays,
            moved_relays,
            identity,
            contacts,
            events,
            next_event,
            cursor,
            shown,
            stale_tried,
            sentinel: Sentinel::of(sentinel.unwrap_or_default()),
            calendar: calendar.unwrap_or(CalendarRow::unknown()),
            clock_tried: None,
            asks_nothing: false,
            rng,
            seen: BTreeSet::new(),
            watched_starts: if crashed { WATCHED_STARTS } else { 0 },
            unsure: 0,
            dead: false,
        };
        let left_over = load::left_over(&engine.vault, &engine.contacts);
        engine.vault.erase(&left_over)?;
        let mut step = engine.step();
        engine.mark_running(&mut step)?;
        if_room(engine.finish(step))?;
        if_room(engine.rename_relays())?;
        if_room(engine.resume_move())?;
        if_room(engine.want_private_mailboxes())?;
        Ok(engine)
    }

    /// Adds to the step the row that marks the vault as open. If an opening finds this row, the
    /// vault was not [closed](Self::close) before.
    fn mark_running(&self, step: &mut step::Step) -> Result<(), VaultError> {
        step.changes.put(key(Table::Running, 0, 0), &true)
    }

    /// Begins a day: erases rows whose last day is over, drops old keys of sessions, ends invites
    /// whose last day has passed, and encrypts items again that have no receipt and whose blob has
    /// expired at the relay. [`open`](Self::open) does so for its day; after that the caller does
    /// when the believed day has changed.
    ///
    /// # Errors
    /// Fails with the error of the vault. A part of the work may be done then; after
    /// [`VaultError::Full`] or [`VaultError::Busy`] the call can be repeated.
    pub fn begin_day(&mut self, today: Day) -> Result<(), VaultError> {
        let mut step = self.step();
        step.changes.erase_later(self.vault.expired(today).into_iter());
        self.finish(step)?;
        let vault = &self.vault;
        self.contacts.values_mut().for_each(|contact| contact.seen.retain(|row| vault.has(row)));
        self.begin_sentinel_day();
        // A vault that had no room may have cut the renaming of relays short.
        self.rename_relays()?;
        for id in self.contact_ids() {
            let mut step = self.step();
            self.tidy(&mut step, id, false, today)?;
            self.resend_old(&mut step, id, today);
            self.finish(step)?;
            self.drain_backlog(id, today)?;
        }
        self.end_invites(today)
    }

    /// Returns the number of rows that are lost because the disk is damaged.
    pub fn damaged(&self) -> u64 {
        self.vault.damaged()
    }

    /// Returns the relay on which new mailboxes are made; `None` if none is set.
    pub fn relay(&self) -> Option<RelayAddress> {
        self.config.relay.as_ref()?.parse().ok()
    }

    /// Sets the relay on which new mailboxes are made. Mailboxes at the relay before stay there:
    /// [`move_to_relay`](Self::move_to_relay) moves contacts.
    ///
    /// # Errors
    /// Fails with the error of the vault.
    pub fn set_relay(&mut self, relay: &RelayAddress) -> Result<(), VaultError> {
        let mut step = self.step();
        self.name_relay(&mut step, relay)?;
        self.config.relay = Some(relay.to_string());
        step.config = true;
        self.finish(step)
    }

    /// Marks the vault as closed in good order and closes it. An engine that is dropped instead
    /// counts as crashed at the next opening.
    ///
    /// # Errors
    /// Fails with the error of the vault.
    pub fn close(mut self) -> Result<(), VaultError> {
        let mut step = self.step();
        step.changes.erase(key(Table::Running, 0, 0));
        self.finish(step)?;
        self.vault.close()
    }
}

/// Turns the errors [`VaultError::Full`] and [`VaultError::Busy`] into success, because only an
/// open vault can make room. The work that failed is done later.
fn if_room(done: Result<(), VaultError>) -> Result<(), VaultError> {
    match done {
        Err(error) if !error.is_passing() => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
