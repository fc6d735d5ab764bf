//! The engine: every step of a client as one vault batch, without sockets and without a clock (spec/14-client.md section 3).
//!
//! A method works out what changes, stores it, and only then lets memory follow. If storing fails the engine is dead: what the disk
//! holds is known only when the vault is opened again.

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
mod moving;
mod names;
mod needs;
mod outbox;
mod outgoing;
mod parked;
mod receipts;
mod relays;
mod reload;
mod sentinel;
mod sessions;
mod step;

pub use contacts::{ContactAsks, ContactInfo, ContactState, UnreachableReason};

pub(crate) use calendar::is_same_day;
pub(crate) use invites::{Acceptance, Publication};
pub(crate) use mailboxes::{MailboxName, OwnMailbox};
pub(crate) use needs::{MailboxNeeds, Need};
pub(crate) use outbox::{BlobLives, PutJob, SentPut};
pub(crate) use relays::Reach;
pub(crate) use sentinel::OWN;

use crate::{
    error::{OpenError, VaultError},
    random::SystemRandom,
    vault::{
        self, AgainRow, CalendarRow, ConfigRow, ConversationRow, DraftRow, FormatRow, InviteRow, ItemRow,
        MissingRow, PeerRow, PersonRow, RelaysRow, Table, Vault, key, parts,
    },
};
use asked::Asked;
use deaddrop_e2ee::{
    LoadError, contact::Hour, identity::IdentityKeyPair, invite::PendingInvite, session::SessionId,
};
use deaddrop_shred::{Disk, RecordKey, Shred};
use deaddrop_wire::{Day, RelayAddress};
use receipts::Receipt;
use sentinel::Sentinel;
use std::{
    collections::{BTreeMap, BTreeSet, HashSet, VecDeque},
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
    /// For each contact the number up to which its events were shown; 0: events that concern no contact.
    shown: BTreeMap<u32, u64>,
    /// The time of the last retry of refused addresses, in seconds since 1970-01-01.
    stale_tried: Option<u64>,
    sentinel: Sentinel,
    calendar: CalendarRow,
    /// Time at which the calendar last had no room in the vault, in seconds since 1970-01-01.
    clock_tried: Option<u64>,
    /// Days by which the believed day may be too far, as no own relay has confirmed it.
    unsure: u32,
    /// What was kept for the user's word is being read: nothing of it asks again.
    asks_nothing: bool,
    rng: SystemRandom,
    /// Blobs whose processing has begun in this process and not ended.
    seen: HashSet<[u8; 16]>,
    /// After a crash the first blobs are counted before they are processed.
    watched_starts: u32,
    dead: bool,
}

/// The format of the vaults that this version makes.
const FORMAT: u32 = 2;
/// How many blobs are watched after a crash.
const WATCHED_STARTS: u32 = 64;

/// One contact in memory: a person, the one device of it that is talked to, and the one conversation with it.
struct Contact {
    person: PersonRow,
    conversation: ConversationRow,
    row: PeerRow,
    /// Its sessions; `None` until somebody has used the invite.
    ratchet: Option<deaddrop_e2ee::contact::Contact>,
    invite: Option<(InviteRow, PendingInvite)>,
    /// Numbered items of the outgoing stream, and the control message.
    items: BTreeMap<u64, ItemRow>,
    /// What has no number yet, in its order.
    drafts: BTreeMap<u64, DraftRow>,
    /// Items that a receipt showed to be missing.
    missing: BTreeMap<u64, MissingRow>,
    /// The hour and the number of bytes that were sent again in it.
    again: Option<AgainRow>,
    /// How often an address was learnt, since the vault was opened.
    learnt: u64,
    /// How many texts a relay has stored for the first time, since the vault was opened.
    texts_stored: u64,
    /// The day on which the app was told of a trouble with the session that may heal by itself.
    healing_told: Option<Day>,
    /// Missing items are not looked at again before this time, in seconds since 1970-01-01.
    rests_until: u64,
    /// The newest private mailbox that the peer has used: older ones and the landing go once all have been read.
    uses_mailbox: Option<u32>,
    /// The day on which the peer was last told once more where its messages are awaited.
    told_again: Option<Day>,
    /// More would be sent again than an hour allows.
    holds_back: bool,
    /// Everything without a receipt may be lost, and is to be noted as missing.
    doubts_all: bool,
    /// A receipt of which a step had no room for all.
    confirmed: Option<Receipt>,
    /// The address, not public and not allowed, that its mailbox address leads to.
    blocked: Option<IpAddr>,
    /// Envelopes that wait for the user's word.
    asked: BTreeMap<u64, Asked>,
    /// Rows of messages that were shown, and of blobs that were put aside, oldest first.
    seen: VecDeque<RecordKey>,
    aside: VecDeque<RecordKey>,
    /// The number of contents that are kept for a newer version.
    parked: usize,
    /// Of what is held, slot and number of what will be kept so; `None`: not known yet.
    parks_later: Option<BTreeSet<(u8, u64)>>,
    /// The day on which unused sessions were last looked for after everything had been read.
    tidied_on: Option<Day>,
    /// The session that sends, as it was when the last message was read.
    sends_in: Option<SessionId>,
    /// The hour in which a reset was last tried.
    reset_tried: Option<Hour>,
}

impl<D: Disk + 'static> Engine<D> {
    /// Makes a new person in an empty store. `now` in seconds since 1970-01-01.
    pub(crate) fn create(store: Shred<D>, relay: Option<&RelayAddress>, now: u64) -> Result<Self, OpenError> {
        let mut rng = SystemRandom;
        let identity = IdentityKeyPair::generate(&mut rng);
        let config = ConfigRow {
            seed: identity.seed().duplicate(),
            root: None,
            relay: relay.map(ToString::to_string),
            next_id: 1,
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
            shown: BTreeMap::new(),
            stale_tried: None,
            sentinel: Sentinel::default(),
            calendar: CalendarRow::begin(now),
            clock_tried: None,
            asks_nothing: false,
            rng,
            seen: HashSet::new(),
            watched_starts: 0,
            unsure: 0,
            dead: false,
        };
        let mut step = engine.step();
        step.config = true;
        let format = FormatRow { version: FORMAT, stage: 0, after: [0; 16] };
        step.changes.put(key(Table::Format, 0, 0), &format).map_err(open_error)?;
        step.changes.put(key(Table::Calendar, 0, 0), &engine.calendar).map_err(open_error)?;
        engine.mark_running(&mut step).map_err(open_error)?;
        engine.finish(step).map_err(open_error)?;
        Ok(engine)
    }

    /// Loads a person and begins the day.
    #[cfg(any(test, feature = "hazmat"))]
    pub(crate) fn open(store: Shred<D>, today: Day) -> Result<Self, OpenError> {
        let mut engine = Self::load(store)?;
        if_room(engine.begin_day(today))?;
        Ok(engine)
    }

    /// Loads a person, looks at the clock and begins the day that is believed. `now` in seconds since 1970-01-01.
    pub(crate) fn open_now(store: Shred<D>, now: u64) -> Result<Self, OpenError> {
        let mut engine = Self::load(store)?;
        let today = engine.today(now, &[]).map_err(open_error)?;
        if_room(engine.begin_day(today))?;
        Ok(engine)
    }

    /// Loads a person.
    fn load(store: Shred<D>) -> Result<Self, OpenError> {
        let vault = Vault::start(store).map_err(open_error)?;
        vault::migrate(&vault, &mut SystemRandom).map_err(open_error)?;
        let config: ConfigRow =
            vault.read(&key(Table::Config, 0, 0)).map_err(open_error)?.ok_or(OpenError::Corrupt)?;
        let identity = IdentityKeyPair::from_seed(config.seed.duplicate());
        let relays = vault.read(&key(Table::Relays, 0, 0)).map_err(open_error)?.unwrap_or_default();
        let cursor = vault.read(&key(Table::Cursor, 0, 0)).map_err(open_error)?.unwrap_or(0);
        let shown = load::shown(&vault)?;
        let stale_tried = vault.read(&key(Table::StaleTried, 0, 0)).map_err(open_error)?;
        let sentinel = vault.read(&key(Table::Sentinel, 0, 0)).map_err(open_error)?;
        let calendar = vault.read(&key(Table::Calendar, 0, 0)).map_err(open_error)?;
        let contacts = load::contacts(&vault)?;
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
            shown,
            stale_tried,
            sentinel: Sentinel::of(sentinel.unwrap_or_default()),
            calendar: calendar.unwrap_or(CalendarRow::unknown()),
            clock_tried: None,
            asks_nothing: false,
            rng,
            seen: HashSet::new(),
            watched_starts: if crashed { WATCHED_STARTS } else { 0 },
            unsure: 0,
            dead: false,
        };
        let left_over = load::left_over(&engine.vault, &engine.contacts);
        engine.vault.erase(&left_over).map_err(open_error)?;
        let mut step = engine.step();
        engine.mark_running(&mut step).map_err(open_error)?;
        if_room(engine.finish(step))?;
        if_room(engine.resume_move())?;
        if_room(engine.want_private_mailboxes())?;
        Ok(engine)
    }

    /// Stands as long as the vault is open: whoever finds it at opening comes after a crash.
    fn mark_running(&self, step: &mut step::Step) -> Result<(), VaultError> {
        step.changes.put(key(Table::Running, 0, 0), &true)
    }

    /// Once a day, and at opening: what is too old goes, and what was never receipted is sent again.
    pub(crate) fn begin_day(&mut self, today: Day) -> Result<(), VaultError> {
        let mut step = self.step();
        step.changes.erase_later(self.vault.expired(today).into_iter());
        self.finish(step)?;
        let vault = &self.vault;
        self.contacts.values_mut().for_each(|contact| contact.seen.retain(|row| vault.has(row)));
        self.begin_sentinel_day();
        for id in self.contact_ids() {
            let mut step = self.step();
            self.tidy(&mut step, id, false, today)?;
            self.resend_old(&mut step, id, today);
            self.finish(step)?;
            self.go_on(id, today)?;
        }
        self.end_invites(today)
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

    /// Finishes what is under way and lets go of the store.
    pub(crate) fn close(mut self) -> Result<(), VaultError> {
        let mut step = self.step();
        step.changes.erase(key(Table::Running, 0, 0));
        self.finish(step)?;
        self.vault.close()
    }
}

/// A vault without room opens: how else could room be made? What is not done now is done later.
fn if_room(done: Result<(), VaultError>) -> Result<(), OpenError> {
    match done {
        Err(error) if !error.is_passing() => Err(open_error(error)),
        _ => Ok(()),
    }
}

fn load_error(error: LoadError) -> OpenError {
    match error {
        LoadError::NewerVersion => OpenError::NewerVersion,
        _ => OpenError::Corrupt,
    }
}

fn open_error(error: VaultError) -> OpenError {
    match error {
        VaultError::Corrupt => OpenError::Corrupt,
        VaultError::NewerVersion => OpenError::NewerVersion,
        VaultError::Full => OpenError::DiskFull,
        _ => OpenError::Io,
    }
}

#[cfg(test)]
mod tests;
