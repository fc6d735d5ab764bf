//! The engine's state in memory.

use super::peer::Peer;
use crate::vault::{CalendarRow, ConfigRow, MovedRelaysRow, RelaysRow, Rows, SentinelRow};
use deaddrop_e2ee::identity::IdentityKeyPair;
use std::collections::{BTreeMap, BTreeSet};

/// One person's client: contacts, sessions, outbox, inbox, mailboxes and events, over a vault.
///
/// `V` is the storage, `R` the generator of random bytes. Use the operating system's generator:
/// secret keys are made from it.
///
/// A call that changes something stores it in one atomic batch before it returns; work for several
/// contacts, or that one batch does not hold, takes several. If a call fails with
/// [`VaultError::Full`](crate::VaultError::Full) or [`VaultError::Busy`](crate::VaultError::Busy),
/// or with an error that refuses the user's call, the batch under way has changed nothing, and
/// those before it are stored. After any other error of the vault the engine is
/// [dead](Self::is_dead): every later call fails with
/// [`VaultError::Stopped`](crate::VaultError::Stopped) until the vault is opened again.
///
/// Times are `now`, in seconds since 1970-01-01 UTC, and `today`, the day that
/// [`today`](Self::today) returned last.
pub struct Engine<V, R> {
    pub(super) vault: Rows<V>,
    pub(super) config: ConfigRow,
    pub(super) relays: RelaysRow,
    /// The moves of relays that the links of each purpose have learnt, by the number of the contact
    /// to which they put; key 0 stands for the reading links.
    pub(super) moved_relays: BTreeMap<u32, MovedRelaysRow>,
    pub(super) identity: IdentityKeyPair,
    pub(super) contacts: BTreeMap<u32, Peer>,
    pub(super) events: BTreeSet<u64>,
    pub(super) next_event: u64,
    pub(super) cursor: u64,
    /// For each contact, the number up to which a simple app has shown its events. Key 0 stands for
    /// the events that concern no contact.
    pub(super) shown: BTreeMap<u32, u64>,
    /// The time at which refused addresses were last tried again, in seconds since 1970-01-01;
    /// `None`: never.
    pub(super) stale_tried: Option<u64>,
    pub(super) sentinel: Sentinel,
    pub(super) calendar: CalendarRow,
    /// The time at which the vault last had no room for the calendar row, in seconds since
    /// 1970-01-01; `None`: it always had since it was opened.
    pub(super) clock_tried: Option<u64>,
    /// Number of days, at most 2, by which the believed day may be ahead of the true one, because
    /// no own relay has confirmed it.
    pub(super) unsure: u32,
    /// Whether envelopes that waited for the user's decision are being read: they do not ask the
    /// user again.
    pub(super) asks_nothing: bool,
    pub(super) rng: R,
    /// The first 16 bytes of blobs whose processing has begun in this process and not ended.
    pub(super) seen: BTreeSet<[u8; 16]>,
    /// Number of blobs for which the start of processing is still counted in the vault, because the
    /// process before has crashed.
    pub(super) watched_starts: u32,
    pub(super) dead: bool,
}

/// The state of the sentinel mailboxes (see [`OWN`](super::OWN)).
#[derive(Default)]
pub(super) struct Sentinel {
    pub(super) row: SentinelRow,
    /// Whether a session has sent or read a message since the vault was opened or, if that is
    /// later, the day began; set also when a live sentinel mailbox is lost.
    pub(super) moved: bool,
    /// Whether a new sentinel mailbox was added since the vault was opened or, if that is later,
    /// the day began. No other is added before the next day, unless a live one is lost.
    pub(super) made: bool,
    /// Whether the relay has shown, since the vault was opened, whether it has the newest sentinel
    /// mailbox.
    pub(super) looked_at: bool,
    /// Number of times in a row that a relay did not have the newest sentinel mailbox.
    pub(super) losses: u32,
}

impl Sentinel {
    pub(super) fn of(row: SentinelRow) -> Self {
        Self { row, ..Self::default() }
    }
}
