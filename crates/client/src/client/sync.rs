//! The result of a call that waits: what was done and what is left (spec/14-client.md section 6.4).

use super::Client;
use crate::{
    engine::Engine,
    error::ClientError,
    net::{Dated, Moving},
};
use deaddrop_e2ee::content::MessageId;
use deaddrop_engine::{
    MailboxNeeds, Need,
    conversation::{Connectivity, Moment, PutState, TlsFault},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    time::Duration,
};

/// The result of [`Client::sync`]: what was read and sent, and what waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncReport {
    /// The state of each relay on which own mailboxes lie, by the relay's address.
    /// [`CaughtUp`](Connectivity::CaughtUp) means that everything that lay there was read in this
    /// call.
    pub relays: BTreeMap<String, Connectivity>,
    /// The contacts for which a text was stored at a relay in this call, or anything waits, sorted
    /// by name.
    pub contacts: Vec<ContactSync>,
}

impl SyncReport {
    /// Whether everything was read and sent. Items for a contact that has not accepted the invite
    /// yet, or with whom the session is lost, do not count.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.relays.values().all(|state| *state == Connectivity::CaughtUp)
            && self.contacts.iter().all(|contact| matches!(contact.why, None | Some(SendWait::NotAccepted)))
    }
}

/// The number of texts that a call has sent to one contact, and the texts that still wait for a
/// relay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContactSync {
    /// The contact's name.
    pub name: String,
    /// Number of texts that a relay has stored in this call.
    pub stored: u64,
    /// Ids of the texts that no relay has stored yet, oldest first.
    pub waiting: Vec<MessageId>,
    /// The reason for which something for the contact (texts, receipts, the answer to an invite) is
    /// not sent. `None`: nothing waits.
    pub why: Option<SendWait>,
}

/// The reason for which an item for a contact (a text, a receipt, the answer to an invite) is not
/// sent.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendWait {
    /// Nothing hinders the item: the time of the call ended before a relay had stored it.
    UnderWay,
    /// No link to the contact's relay is open yet, and no attempt has failed.
    Connecting,
    /// The line takes the item slowly, but makes progress.
    Sending,
    /// The contact has not accepted the invite yet, or the session with it is lost.
    NotAccepted,
    /// The relay of the contact cannot be reached. The client tries again by itself.
    RelayDown,
    /// Another relay answers at the address of the contact's relay. The client tries again by itself.
    WrongRelay,
    /// The contact's relay and this build speak no version of the protocol in common: one of the two must be updated.
    NoCommonVersion,
    /// No TLS connection to the contact's relay was made, because of this fault. The client tries
    /// again by itself.
    Tls(TlsFault),
    /// The contact's address leads to this IP address of a private network, or of this machine, which the user has not allowed: see
    /// [`Client::allow_private_address`].
    PrivateAddress(IpAddr),
    /// The contact's mailbox is full.
    MailboxFull {
        /// The time from the report until the item is tried again; sooner if the contact tells
        /// another address.
        retry_after: Duration,
    },
    /// The relay of the contact is busy.
    RelayBusy {
        /// The time from the report until the item is tried again.
        retry_after: Duration,
    },
    /// No known address of the contact takes messages. The client tries again by itself.
    NoAddress,
    /// An own mailbox has to be made first, and its relay makes none without a token: see
    /// [`Client::set_create_token`].
    NeedsToken {
        /// Address of the relay.
        relay: String,
    },
    /// An own mailbox has to be made first, and its relay has not made it yet.
    OwnMailbox {
        /// Address of the relay.
        relay: String,
        /// State of the links to the relay, which tells the reason.
        state: Connectivity,
    },
    /// The contact has to answer first: the client has sent as much without an answer as the protocol allows.
    NoAnswer,
}

impl core::fmt::Display for SendWait {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::UnderWay => f.write_str("it takes longer than allowed"),
            Self::Connecting => f.write_str("no connection to the contact's relay stands yet"),
            Self::Sending => f.write_str("the line is slow, and there was not enough time"),
            Self::NotAccepted => f.write_str("the invite is not accepted yet, or the session is lost"),
            Self::RelayDown => f.write_str("the contact's relay cannot be reached"),
            Self::WrongRelay => f.write_str(
                "another relay answers at the address of the contact's relay (its fingerprint differs)",
            ),
            Self::NoCommonVersion => f.write_str(
                "the contact's relay and this program speak no version in common; one of the two must be updated",
            ),
            Self::Tls(fault) => fault.fmt(f),
            Self::PrivateAddress(address) => write!(
                f,
                "the contact's address leads to {address}, in a private network or on this machine; nothing was connected to, because only the user can allow that"
            ),
            Self::MailboxFull { retry_after } => {
                write!(f, "the contact's mailbox is full; it is tried again in {} s", retry_after.as_secs())
            }
            Self::RelayBusy { retry_after } => {
                write!(f, "the contact's relay is busy; it is tried again in {} s", retry_after.as_secs())
            }
            Self::NoAddress => f.write_str("no known address of the contact takes messages"),
            Self::NeedsToken { relay } => {
                write!(f, "the relay {relay} makes mailboxes only with a token from its operator")
            }
            Self::OwnMailbox { relay, state: Connectivity::Connecting } => {
                write!(f, "no connection to the relay {relay} stands yet, and it has made no mailbox for you yet")
            }
            Self::OwnMailbox { relay, .. } => write!(f, "the relay {relay} has made no mailbox for you yet"),
            Self::NoAnswer => f.write_str("the contact has to answer first"),
        }
    }
}

impl SendWait {
    /// Returns the error of a call that waited for this reason until its time was over.
    fn error(&self) -> ClientError {
        match self {
            Self::RelayDown | Self::OwnMailbox { state: Connectivity::Down, .. } => ClientError::RelayDown,
            Self::WrongRelay | Self::OwnMailbox { state: Connectivity::WrongRelay, .. } => {
                ClientError::WrongRelay
            }
            Self::NoCommonVersion | Self::OwnMailbox { state: Connectivity::NoCommonVersion, .. } => {
                ClientError::NoCommonVersion
            }
            Self::Tls(fault) | Self::OwnMailbox { state: Connectivity::Tls(fault), .. } => {
                ClientError::Tls(*fault)
            }
            Self::PrivateAddress(_) | Self::OwnMailbox { state: Connectivity::PrivateAddress, .. } => {
                ClientError::PrivateAddress
            }
            Self::OwnMailbox { state: Connectivity::VaultFull, .. } => ClientError::VaultFull,
            Self::NeedsToken { .. } => ClientError::NeedsToken,
            _ => ClientError::TimedOut,
        }
    }
}

/// The work that a call waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// Wait until everything that lies at the relays is read.
    Read,
    /// Wait until everything that lies at the relays with these addresses is read.
    ReadAt(BTreeSet<String>),
    /// Wait until everything that waits for contacts is sent: for all (`None`), or for the contact
    /// with this number.
    Send(Option<u32>),
    /// Wait until everything at the relays is read, and everything that waits for any contact is
    /// sent.
    All,
}

/// The rule for how long a call waits for a relay that fails now and may recover by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Persistence {
    /// The call waits for the relay until its deadline.
    Deadline,
    /// The call does not wait for a relay that is known to have failed. `is_silent` tells whether a
    /// relay counts as failed that has not answered yet: true after [`SILENCE`].
    FirstFailure { is_silent: bool },
}

/// Maximum time for a relay's first answer, for a call that stops at the first failure. One second,
/// because an app that closes is not to be held up.
pub(super) const SILENCE: Duration = Duration::from_secs(1);

/// A piece of work that a call waits for and that is not done: a relay to read, an item to send, a
/// mailbox to make.
#[derive(Clone, Debug)]
pub(super) struct Pending {
    /// The error of the call if this work stays undone. `None`: the caller did not ask for this
    /// work, so the call succeeds without it.
    pub(super) error: Option<ClientError>,
    /// Whether the call does not wait for this work any more, because that does not help.
    pub(super) is_settled: bool,
    /// Whether bytes of this work move over a slow line, so that waiting longer helps.
    pub(super) is_moving: bool,
}

impl Pending {
    /// Creates a piece of work of which no bytes move.
    const fn still(error: Option<ClientError>, is_settled: bool) -> Self {
        Self { error, is_settled, is_moving: false }
    }
}

/// The states of all links at one moment. They tell why work is not done, and whether to wait for
/// it.
struct View {
    links: BTreeMap<String, Dated<Connectivity>>,
    putting: BTreeMap<u32, Dated<PutState>>,
    moving: Moving,
    /// The number of the round that the call began (see [`Dated`]). A state of an earlier round may
    /// be out of date.
    round: u64,
    now: Moment,
    persistence: Persistence,
}

impl View {
    fn of(client: &Client, round: u64, persistence: Persistence) -> Self {
        let progress = &client.shared.progress;
        Self {
            links: progress.links(),
            putting: progress.putting(),
            moving: progress.moving(),
            now: client.shared.moment(),
            round,
            persistence,
        }
    }

    fn is_persistent(&self) -> bool {
        self.persistence == Persistence::Deadline
    }

    /// Whether a relay counts as failed while it is still being connected to for the first time.
    fn is_silence_failure(&self) -> bool {
        self.persistence == Persistence::FirstFailure { is_silent: true }
    }

    /// Returns the state of a relay with own mailboxes, and whether the state is of this round or a
    /// later one. A relay without a known state counts as being connected to since before.
    fn link(&self, relay: &str) -> (Connectivity, bool) {
        self.links
            .get(relay)
            .map_or((Connectivity::Connecting, false), |link| (link.state, link.round >= self.round))
    }

    /// Whether reading at a relay may still bring messages: it is being connected to or read, or
    /// was read to the end before this round only.
    fn may_tell_more(&self, relay: &str) -> bool {
        match self.link(relay) {
            (Connectivity::Connecting | Connectivity::Fetching, _) => true,
            (Connectivity::CaughtUp, is_fresh) => !is_fresh,
            _ => false,
        }
    }

    /// Returns the reason for which an item for a contact waits, and whether waiting longer does not help.
    fn reason(&self, contact: u32, need: &Need) -> (SendWait, bool) {
        let fails_first = !self.is_persistent();
        match need {
            Need::Step => (SendWait::UnderWay, false),
            Need::Session => (SendWait::NotAccepted, true),
            Need::Address => (SendWait::NoAddress, fails_first),
            Need::Peer => (SendWait::NoAnswer, fails_first),
            Need::Mailbox(relay) => self.own_mailbox(relay),
            Need::Put => {
                let is_moving = self.moving.contacts.contains(&contact);
                let connecting = (SendWait::Connecting, self.is_silence_failure() && !is_moving);
                let Some(dated) = self.putting.get(&contact) else { return connecting };
                let is_known = fails_first || dated.round >= self.round;
                match dated.state {
                    PutState::Connecting => connecting,
                    PutState::Open if is_moving => (SendWait::Sending, false),
                    PutState::Open => (SendWait::UnderWay, false),
                    PutState::Down => (SendWait::RelayDown, fails_first),
                    PutState::WrongRelay => (SendWait::WrongRelay, is_known),
                    PutState::NoCommonVersion => (SendWait::NoCommonVersion, is_known),
                    PutState::Tls(fault) => (SendWait::Tls(fault), is_known),
                    PutState::Private(address) => (SendWait::PrivateAddress(address), is_known),
                    PutState::Asked { is_full, until } => {
                        let retry_after = until.since(self.now);
                        let reason = match is_full {
                            _ if retry_after.is_zero() => return (SendWait::UnderWay, false),
                            true => SendWait::MailboxFull { retry_after },
                            false => SendWait::RelayBusy { retry_after },
                        };
                        (reason, fails_first)
                    }
                }
            }
        }
    }

    /// Whether bytes that an item for a contact waits for move.
    fn is_moving(&self, contact: u32, need: &Need) -> bool {
        match need {
            Need::Put => {
                let state = self.putting.get(&contact).map(|dated| dated.state);
                matches!(state, None | Some(PutState::Connecting | PutState::Open))
                    && self.moving.contacts.contains(&contact)
            }
            Need::Mailbox(relay) => self.is_reading_link_moving(relay),
            _ => false,
        }
    }

    /// Whether bytes move over the reading link of a relay, or in the handshake of its first one.
    fn is_reading_link_moving(&self, relay: &str) -> bool {
        matches!(self.link(relay).0, Connectivity::Connecting | Connectivity::Fetching)
            && self.moving.relays.contains(relay)
    }

    fn own_mailbox(&self, relay: &str) -> (SendWait, bool) {
        let (state, is_fresh) = self.link(relay);
        let is_known = is_fresh || !self.is_persistent();
        let relay = relay.to_owned();
        match state {
            Connectivity::NeedsToken => (SendWait::NeedsToken { relay }, is_known),
            Connectivity::Connecting => (SendWait::OwnMailbox { relay, state }, self.is_silence_failure()),
            Connectivity::Fetching | Connectivity::CaughtUp => (SendWait::UnderWay, false),
            Connectivity::Down | Connectivity::Waiting => {
                (SendWait::OwnMailbox { relay, state }, !self.is_persistent())
            }
            _ => (SendWait::OwnMailbox { relay, state }, is_known && state.needs_user()),
        }
    }
}

impl Client {
    /// Returns the undone work of a scope. Work that the caller did not ask for is left out, unless
    /// the caller waits for it all the same; its `error` is `None` then.
    pub(super) fn pending(
        &self,
        scope: &Scope,
        round: u64,
        persistence: Persistence,
    ) -> Result<Vec<Pending>, ClientError> {
        let view = View::of(self, round, persistence);
        let mut pending = Vec::new();
        let only = match scope {
            Scope::Send(only) => *only,
            Scope::Read | Scope::ReadAt(_) | Scope::All => {
                let at = if let Scope::ReadAt(relays) = scope { Some(relays) } else { None };
                self.pending_reading(&view, at, &mut pending)?;
                if *scope != Scope::All {
                    return Ok(pending);
                }
                None
            }
        };
        let now = self.shared.now();
        let (needs, mailboxes) = self.shared.look(|engine| (engine.needs(), engine.mailbox_needs(now)))?;
        let needs = needs.iter().filter(|(id, _)| only.is_none_or(|only| only == **id));
        for (id, need) in needs {
            if *need == Need::Session {
                // That the contact has accepted the invite may lie at the relay.
                let relays = self.shared.look(|engine| engine.relays_of(*id))?;
                if relays.iter().any(|relay| view.may_tell_more(relay)) {
                    pending.push(Pending::still(None, false));
                }
                continue;
            }
            let (reason, is_settled) = view.reason(*id, need);
            let is_moving = view.is_moving(*id, need);
            pending.push(Pending { error: Some(reason.error()), is_settled, is_moving });
        }
        if only.is_none() {
            self.pending_mailboxes(&view, &mailboxes, &mut pending);
        }
        Ok(pending)
    }

    /// Adds to `pending` the relays whose mailboxes are not read yet: of those in `at`, or of all
    /// relays if `at` is `None`.
    fn pending_reading(
        &self,
        view: &View,
        at: Option<&BTreeSet<String>>,
        pending: &mut Vec<Pending>,
    ) -> Result<(), ClientError> {
        let mut relays = self.shared.look(Engine::reading_relays)?;
        relays.retain(|relay| at.is_none_or(|at| at.contains(relay)));
        let (now, wait) = (self.shared.now(), self.shared.gap_wait());
        let mut read = BTreeSet::new();
        for relay in relays {
            let (state, is_fresh) = view.link(&relay);
            if is_fresh && state.is_read() {
                read.insert(relay);
                continue;
            }
            let error = match state {
                Connectivity::WrongRelay => ClientError::WrongRelay,
                Connectivity::NoCommonVersion => ClientError::NoCommonVersion,
                Connectivity::Tls(fault) => ClientError::Tls(fault),
                Connectivity::PrivateAddress => ClientError::PrivateAddress,
                Connectivity::Displaced => ClientError::Displaced,
                Connectivity::VaultFull => ClientError::VaultFull,
                Connectivity::Down => ClientError::RelayDown,
                _ => ClientError::TimedOut,
            };
            pending.push(Pending {
                error: Some(error),
                is_settled: is_fresh && state.needs_user(),
                is_moving: view.is_reading_link_moving(&relay),
            });
        }
        // What has waited long enough behind a missing message is given before the app goes.
        if self.shared.look(|engine| engine.gap_due(now, wait, &read))? == Some(0) {
            pending.push(Pending::still(Some(ClientError::TimedOut), false));
        }
        Ok(())
    }

    /// Adds to `pending` the own mailboxes that are to be made, deleted or emptied. No message
    /// waits for deleting and emptying: the call waits for them while their relay can be reached,
    /// and never fails because of them.
    fn pending_mailboxes(&self, view: &View, needs: &MailboxNeeds, pending: &mut Vec<Pending>) {
        for relay in &needs.make {
            let (reason, is_settled) = view.own_mailbox(relay);
            let is_moving = view.is_reading_link_moving(relay);
            pending.push(Pending { error: Some(reason.error()), is_settled, is_moving });
        }
        // A relay that is connected to for the first time may be reached in a moment.
        let may_be_reached = |relay: &String| match view.link(relay).0 {
            Connectivity::Connecting => !view.is_silence_failure(),
            state => matches!(state, Connectivity::Fetching | Connectivity::CaughtUp),
        };
        let not_emptied = self.shared.progress.not_emptied();
        let tidies = needs.delete.iter().any(may_be_reached)
            || needs.empty.iter().any(|contact| !not_emptied.contains(contact))
            || needs.own.as_ref().is_some_and(may_be_reached);
        if tidies {
            pending.push(Pending::still(None, false));
        }
    }

    /// Returns what was sent to each contact since the call began, and what waits. `before` holds
    /// the number of stored texts of each contact at that time. With `only`, returns this contact
    /// alone; else, all for which a text was stored since then or anything waits.
    pub(super) fn contacts_since(
        &self,
        before: &BTreeMap<u32, u64>,
        only: Option<u32>,
    ) -> Result<Vec<ContactSync>, ClientError> {
        let view = View::of(self, 0, Persistence::Deadline);
        let report = |engine: &Engine<_>| {
            let needs = engine.needs();
            let stored = engine.texts_stored();
            let ids = stored.keys().filter(|id| only.is_none_or(|only| only == **id));
            let mut contacts: Vec<ContactSync> = ids
                .filter_map(|id| {
                    let texts = engine.texts_to(*id);
                    let stored = texts.stored.saturating_sub(before.get(id).copied().unwrap_or(0));
                    let why = needs.get(id).map(|need| view.reason(*id, need).0);
                    let why = why.or_else(|| (!texts.waiting.is_empty()).then_some(SendWait::UnderWay));
                    (only.is_some() || stored > 0 || why.is_some()).then_some(ContactSync {
                        name: texts.name,
                        stored,
                        waiting: texts.waiting,
                        why,
                    })
                })
                .collect();
            contacts.sort_by(|a, b| a.name.cmp(&b.name));
            contacts
        };
        self.shared.look(report)
    }
}
