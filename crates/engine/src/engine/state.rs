//! The engine's state in memory.

use super::peer::Peer;
use crate::vault::{CalendarRow, ConfigRow, RelaysRow, Rows, SentinelRow};
use deaddrop_e2ee::identity::IdentityKeyPair;
use std::collections::{BTreeMap, BTreeSet};

/// One person's client: contacts, sessions, outbox, inbox, mailboxes and events, over a vault.
///
/// `V` is the storage, `R` the generator of random bytes. Use the operating system's generator: secret keys are made from it.
///
/// A call that changes something stores it in one atomic batch before it returns. If it fails with
/// [`VaultError::Full`](crate::VaultError::Full) or [`VaultError::Busy`](crate::VaultError::Busy), or with an error that refuses
/// the user's call, nothing has changed. After any other error of the vault the engine is [dead](Self::is_dead): every later call
/// fails with [`VaultError::Stopped`](crate::VaultError::Stopped) until the vault is opened again.
///
/// Times are `now`, in seconds since 1970-01-01 UTC, and `today`, the day that [`today`](Self::today) returned last.
pub struct Engine<V, R> {
    pub(super) vault: Rows<V>,
    pub(super) config: ConfigRow,
    pub(super) relays: RelaysRow,
    pub(super) identity: IdentityKeyPair,
    pub(super) contacts: BTreeMap<u32, Peer>,
    pub(super) events: BTreeSet<u64>,
    pub(super) next_event: u64,
    pub(super) cursor: u64,
    /// The number up to which each contact's events were shown. Contact 0 has the events that concern no contact.
    pub(super) shown: BTreeMap<u32, u64>,
    /// The time of the last retry of refused addresses, in seconds since 1970-01-01.
    pub(super) stale_tried: Option<u64>,
    pub(super) sentinel: Sentinel,
    pub(super) calendar: CalendarRow,
    /// The time at which the calendar last had no room in the vault, in seconds since 1970-01-01.
    pub(super) clock_tried: Option<u64>,
    /// Number of days by which the believed day may be ahead of the true one, because no own relay has confirmed it.
    pub(super) unsure: u32,
    /// Whether envelopes that waited for the user's decision are being read. They do not ask the user again.
    pub(super) asks_nothing: bool,
    pub(super) rng: R,
    /// Blobs whose processing has begun in this process and not ended.
    pub(super) seen: BTreeSet<[u8; 16]>,
    /// Number of blobs after a crash that are still counted before they are processed.
    pub(super) watched_starts: u32,
    pub(super) dead: bool,
}

/// The state of the sentinel mailboxes.
#[derive(Default)]
pub(super) struct Sentinel {
    pub(super) row: SentinelRow,
    /// Whether sessions have moved on since the vault was opened, or since the day began.
    pub(super) moved: bool,
    /// Whether a sentinel mailbox was made for these moves.
    pub(super) made: bool,
    /// Whether the relay has shown since the vault was opened if it has the newest sentinel mailbox.
    pub(super) looked_at: bool,
    /// Number of times in a row that a relay did not have the newest sentinel mailbox.
    pub(super) losses: u32,
}

impl Sentinel {
    pub(super) fn of(row: SentinelRow) -> Self {
        Self { row, ..Self::default() }
    }
}
