//! The engine: every step of a client as one vault batch, without sockets and without a clock (spec/14-client.md section 3).
//!
//! A method works out what changes, stores it, and only then lets memory follow. If storing fails the engine is dead: what the disk
//! holds is known only when the vault is opened again.

mod contacts;
mod inbox;
mod invites;
mod mailboxes;
mod missing;
mod outbox;
mod relays;
mod step;

pub use contacts::{ContactInfo, ContactState, UnreachableReason};

pub(crate) use invites::Publication;
pub(crate) use mailboxes::{MailboxName, OwnMailbox};
pub(crate) use outbox::{BlobLives, PutJob};
pub(crate) use relays::Reach;

use crate::{
    error::{OpenError, VaultError},
    event::Event,
    random::SystemRandom,
    vault::{
        AgainRow, BlockedRow, ConfigRow, ContactRow, EventRow, InviteRow, ItemRow, MissingRow, RelaysRow,
        Table, Vault, key, parts,
    },
};
use deaddrop_crypto::{IdentityKeyPair, LoadError, PendingInvite, Session, SkippedId};
use deaddrop_shred::{Disk, Shred};
use deaddrop_wire::{Day, RelayAddress};
use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    net::IpAddr,
};

/// The state of one person's client.
pub(crate) struct Engine<D: Disk + 'static> {
    vault: Vault<D>,
    config: ConfigRow,
    relays: RelaysRow,
    identity: IdentityKeyPair,
    contacts: BTreeMap<u32, Contact>,
    events: BTreeSet<u64>,
    next_event: u64,
    cursor: u64,
    /// The time of the last retry of refused addresses, in seconds since 1970-01-01.
    stale_tried: Option<u64>,
    rng: SystemRandom,
    /// Blobs whose processing has begun in this process and not ended.
    seen: HashSet<[u8; 16]>,
    /// After a crash the first blobs are counted before they are processed.
    watched_starts: u32,
    dead: bool,
}

/// How many blobs are watched after a crash.
const WATCHED_STARTS: u32 = 64;

/// One contact in memory.
struct Contact {
    row: ContactRow,
    session: Option<Session>,
    invite: Option<(InviteRow, PendingInvite)>,
    items: BTreeMap<u64, ItemRow>,
    /// Items that a receipt showed to be missing.
    missing: BTreeMap<u64, MissingRow>,
    /// The hour and the number of bytes that were sent again in it.
    again: Option<AgainRow>,
    /// A receipt of which a step had no room for all.
    confirmed: Option<(u64, Vec<u64>)>,
    /// The address, not public and not allowed, that its mailbox address leads to.
    blocked: Option<IpAddr>,
}

impl<D: Disk + 'static> Engine<D> {
    /// Makes a new person in an empty store.
    pub(crate) fn create(store: Shred<D>, relay: Option<&RelayAddress>) -> Result<Self, OpenError> {
        let mut rng = SystemRandom;
        let identity = IdentityKeyPair::generate(&mut rng);
        let config = ConfigRow {
            seed: identity.seed().duplicate(),
            relay: relay.map(ToString::to_string),
            next_contact: 1,
            event_floor: 1,
        };
        let vault = Vault::start(store).map_err(open_error)?;
        let mut engine = Self {
            vault,
            config,
            relays: RelaysRow::default(),
            identity,
            contacts: BTreeMap::new(),
            events: BTreeSet::new(),
            next_event: 1,
            cursor: 0,
            stale_tried: None,
            rng,
            seen: HashSet::new(),
            watched_starts: 0,
            dead: false,
        };
        let mut step = engine.step();
        step.config = true;
        engine.mark_running(&mut step).map_err(open_error)?;
        engine.finish(step).map_err(open_error)?;
        Ok(engine)
    }

    /// Loads a person.
    pub(crate) fn open(store: Shred<D>, today: Day) -> Result<Self, OpenError> {
        let vault = Vault::start(store).map_err(open_error)?;
        let config: ConfigRow =
            vault.read(&key(Table::Config, 0, 0)).map_err(open_error)?.ok_or(OpenError::Corrupt)?;
        let identity = IdentityKeyPair::from_seed(config.seed.duplicate());
        let relays = vault.read(&key(Table::Relays, 0, 0)).map_err(open_error)?.unwrap_or_default();
        let cursor = vault.read(&key(Table::Cursor, 0, 0)).map_err(open_error)?.unwrap_or(0);
        let stale_tried = vault.read(&key(Table::StaleTried, 0, 0)).map_err(open_error)?;
        let mut contacts = BTreeMap::new();
        for id in vault.keys(Table::Contact).iter().map(|key| parts(key).0) {
            contacts.insert(id, Contact::load(&vault, id)?);
        }
        for item in vault.keys(Table::Item) {
            let (contact, number) = parts(&item);
            let row = vault.read(&item).map_err(open_error)?.ok_or(OpenError::Corrupt)?;
            if let Some(contact) = contacts.get_mut(&contact) {
                contact.items.insert(number, row);
            }
        }
        for missing in vault.keys(Table::Missing) {
            let (contact, number) = parts(&missing);
            let row = vault.read(&missing).map_err(open_error)?.ok_or(OpenError::Corrupt)?;
            if let Some(contact) = contacts.get_mut(&contact) {
                contact.missing.insert(number, row);
            }
        }
        let events: BTreeSet<u64> = vault.keys(Table::Event).iter().map(|key| parts(key).1).collect();
        let next_event = events.last().map_or(config.event_floor, |last| config.event_floor.max(last + 1));
        let rng = SystemRandom;
        let crashed = vault.read::<bool>(&key(Table::Running, 0, 0)).map_err(open_error)?.unwrap_or(false);
        let mut engine = Self {
            vault,
            config,
            relays,
            identity,
            contacts,
            events,
            next_event,
            cursor,
            stale_tried,
            rng,
            seen: HashSet::new(),
            watched_starts: if crashed { WATCHED_STARTS } else { 0 },
            dead: false,
        };
        let mut step = engine.step();
        engine.mark_running(&mut step).map_err(open_error)?;
        engine.finish(step).map_err(open_error)?;
        engine.begin_day(today).map_err(open_error)?;
        Ok(engine)
    }

    /// Stands as long as the vault is open: whoever finds it at opening comes after a crash.
    fn mark_running(&self, step: &mut step::Step) -> Result<(), VaultError> {
        step.changes.put(key(Table::Running, 0, 0), &true)
    }

    /// Once a day, and at opening: what is too old goes, what was never receipted is sent anew.
    pub(crate) fn begin_day(&mut self, today: Day) -> Result<(), VaultError> {
        for id in self.contact_ids() {
            let mut step = self.step();
            self.expire(&mut step, id, today);
            self.expire_invite(&mut step, id, today)?;
            self.resend_old(&mut step, id, today);
            self.finish(step)?;
            self.go_on(id, today)?;
        }
        Ok(())
    }

    /// Rows that a damaged disk has cost.
    pub(crate) fn damaged(&self) -> u64 {
        self.vault.damaged()
    }

    /// Own relay, if one is set.
    pub(crate) fn relay(&self) -> Option<RelayAddress> {
        self.config.relay.as_ref()?.parse().ok()
    }

    /// Sets the relay on which new mailboxes are made.
    pub(crate) fn set_relay(&mut self, relay: &RelayAddress) -> Result<(), VaultError> {
        let mut step = self.step();
        self.name_relay(&mut step, relay)?;
        self.config.relay = Some(relay.to_string());
        step.config = true;
        self.finish(step)
    }

    /// Events after a number, oldest first, at most `most`.
    pub(crate) fn events_after(&self, after: u64, most: usize) -> Result<Vec<Event>, VaultError> {
        let mut events = Vec::new();
        for number in self.events.range(after.saturating_add(1)..).take(most) {
            let Some(row) = self.vault.read::<EventRow>(&key(Table::Event, 0, *number))? else { continue };
            events.push(Event {
                number: *number,
                day: Day::from_number(row.day),
                contact: row.contact,
                kind: row.kind,
            });
        }
        Ok(events)
    }

    /// The vault failed: no step is taken any more.
    pub(crate) const fn is_dead(&self) -> bool {
        self.dead
    }

    /// The number of the newest event, 0 if there never was one.
    pub(crate) const fn last_event(&self) -> u64 {
        self.next_event.saturating_sub(1)
    }

    /// How far a simple app has shown events.
    pub(crate) const fn cursor(&self) -> u64 {
        self.cursor
    }

    /// Remembers how far a simple app has shown events.
    pub(crate) fn set_cursor(&mut self, cursor: u64) -> Result<(), VaultError> {
        let mut step = self.step();
        step.changes.put(key(Table::Cursor, 0, 0), &cursor)?;
        self.finish(step)?;
        self.cursor = cursor;
        Ok(())
    }

    /// Erases events below a number.
    pub(crate) fn forget_events_before(&mut self, number: u64) -> Result<(), VaultError> {
        const AT_ONCE: usize = 200;
        loop {
            let old: Vec<u64> = self.events.range(..number).take(AT_ONCE).copied().collect();
            let Some(last) = old.last() else { return Ok(()) };
            let mut step = self.step();
            self.config.event_floor = self.config.event_floor.max(last + 1);
            step.config = true;
            old.iter().for_each(|number| step.changes.erase(key(Table::Event, 0, *number)));
            self.finish(step)?;
            old.iter().for_each(|number| {
                self.events.remove(number);
            });
        }
    }

    /// Finishes what is under way and lets go of the store.
    pub(crate) fn close(mut self) -> Result<(), VaultError> {
        let mut step = self.step();
        step.changes.erase(key(Table::Running, 0, 0));
        self.finish(step)?;
        self.vault.close()
    }
}

impl Contact {
    fn load<D: Disk + 'static>(vault: &Vault<D>, id: u32) -> Result<Self, OpenError> {
        let row = vault.read(&key(Table::Contact, id, 0)).map_err(open_error)?.ok_or(OpenError::Corrupt)?;
        let session = match vault.read_bytes(&key(Table::Session, id, 0)).map_err(open_error)? {
            None => None,
            Some(snapshot) => Some(load_session(vault, id, &snapshot)?),
        };
        let invite = match vault.read::<InviteRow>(&key(Table::Invite, id, 0)).map_err(open_error)? {
            None => None,
            Some(row) => {
                let pending = PendingInvite::from_bytes(&row.pending).map_err(load_error)?;
                Some((row, pending))
            }
        };
        let blocked = vault.read::<BlockedRow>(&key(Table::Blocked, id, 0)).map_err(open_error)?;
        let blocked = blocked.map(|row| row.address);
        let again = vault.read(&key(Table::Again, id, 0)).map_err(open_error)?;
        let (items, missing) = (BTreeMap::new(), BTreeMap::new());
        Ok(Self { row, session, invite, items, missing, again, confirmed: None, blocked })
    }
}

fn load_session<D: Disk + 'static>(vault: &Vault<D>, id: u32, snapshot: &[u8]) -> Result<Session, OpenError> {
    let resets =
        vault.read_bytes(&key(Table::Resets, id, 0)).map_err(open_error)?.ok_or(OpenError::Corrupt)?;
    let mut skipped = Vec::new();
    for row in vault.keys(Table::Skipped) {
        let (contact, number) = parts(&row);
        if contact == id {
            let bytes = vault.read_bytes(&row).map_err(open_error)?.ok_or(OpenError::Corrupt)?;
            skipped.push((skipped_id(number), bytes));
        }
    }
    let rows = skipped.iter().map(|(id, bytes)| (*id, bytes.as_slice()));
    Session::load(snapshot, &resets, rows).map_err(load_error)
}

fn load_error(error: LoadError) -> OpenError {
    match error {
        LoadError::NewerVersion => OpenError::NewerVersion,
        _ => OpenError::Corrupt,
    }
}

const fn skipped_number(id: SkippedId) -> u64 {
    ((id.turn as u64) << 32) | id.message_number as u64
}

#[expect(clippy::cast_possible_truncation, reason = "takes apart what skipped_number put together")]
const fn skipped_id(number: u64) -> SkippedId {
    SkippedId { turn: (number >> 32) as u32, message_number: number as u32 }
}

fn open_error(error: VaultError) -> OpenError {
    match error {
        VaultError::Corrupt => OpenError::Corrupt,
        VaultError::NewerVersion => OpenError::NewerVersion,
        _ => OpenError::Io,
    }
}

#[cfg(test)]
mod tests;
