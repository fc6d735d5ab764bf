//! How the links of a client are doing, as its tasks see it. A caller that waits begins a *round*: a state that is older than the
//! round does not answer the caller.

use super::moved::Moved;
use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::{Mutex, MutexGuard, PoisonError},
};
use tokio::time::Instant;

/// How a relay that mailboxes lie on is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Connectivity {
    /// The first attempt to connect is under way.
    Connecting,
    /// Connected, and still fetching what waited.
    Fetching,
    /// Connected; everything that waited has been read.
    CaughtUp,
    /// It cannot be reached; tried again by itself.
    Down,
    /// Another relay answers at its address; not tried again soon.
    WrongRelay,
    /// The relay answers, but speaks no version of the protocol that this build speaks: one of the two must be updated. The client tries again by itself.
    NoCommonVersion,
    /// Its address needs TLS, which this build has not.
    NoTls,
    /// Connected; everything that waited has been read. The relay makes no new mailbox, because it wants a token that is not set.
    NeedsToken,
    /// Its name leads to a private network or to this machine, which the user has not allowed; tried again by itself.
    PrivateAddress,
    /// Connected, but another reader has taken over a mailbox: another copy of this vault. What waits in the mailbox is not read;
    /// tried again by itself.
    Displaced,
    /// Nothing is fetched there: the vault has no room, or its disk is too slow. What lies there is safe, and is fetched as soon as
    /// there is room: see [`ClientError::VaultFull`](crate::ClientError::VaultFull).
    VaultFull,
    /// Connected; everything that waited has been read. The relay does not make a mailbox that is wanted now; tried again by itself.
    Waiting,
}

impl Connectivity {
    /// Everything that lay at the relay has been read: a mailbox that is not made yet holds nothing.
    pub(crate) const fn is_read(self) -> bool {
        matches!(self, Self::CaughtUp | Self::NeedsToken | Self::Waiting)
    }

    /// The state does not change without the user, or not soon.
    pub(crate) const fn needs_user(self) -> bool {
        matches!(
            self,
            Self::WrongRelay
                | Self::NoCommonVersion
                | Self::NoTls
                | Self::PrivateAddress
                | Self::Displaced
                | Self::VaultFull
        )
    }
}

/// A state and the round in which it began to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Dated<T> {
    pub(crate) state: T,
    /// What led to the state began after this round did.
    pub(crate) round: u64,
}

/// How the putting link of a contact is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PutState {
    /// A link is being opened, and the attempt before it, if there was one, did not fail.
    Connecting,
    /// A link stands, or stood and was closed because it was idle.
    Open,
    /// The relay cannot be reached, or closes the link.
    Down,
    /// Another relay answers.
    WrongRelay,
    /// The relay and this client speak no version in common.
    NoCommonVersion,
    /// The address needs TLS.
    NoTls,
    /// The address is not public and not allowed.
    Private(IpAddr),
    /// The relay asks to wait until this moment.
    Asked {
        /// The mailbox is full; otherwise the relay is busy.
        is_full: bool,
        until: Instant,
    },
}

/// The states of all links.
#[derive(Default)]
pub(crate) struct Progress(Mutex<States>);

#[derive(Default)]
struct States {
    links: BTreeMap<String, Dated<Connectivity>>,
    /// By contact.
    putting: BTreeMap<u32, Dated<PutState>>,
    /// Contacts whose invite mailbox could not be emptied when it was last tried.
    not_emptied: BTreeSet<u32>,
    /// Whether putting links get on, by contact.
    moved_for: BTreeMap<u32, Moved>,
    /// Whether reading links get on, by relay.
    moved_at: BTreeMap<String, Moved>,
}

/// The links and errands that make progress now.
#[derive(Default)]
pub(crate) struct Moving {
    /// The contacts whose putting links do.
    pub(crate) contacts: BTreeSet<u32>,
    /// The relays whose reading links do.
    pub(crate) relays: BTreeSet<String>,
}

impl Progress {
    fn lock(&self) -> MutexGuard<'_, States> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether nothing is known of a relay yet.
    pub(super) fn is_new(&self, relay: &str) -> bool {
        !self.lock().links.contains_key(relay)
    }

    /// Returns whether anything changed.
    pub(super) fn set_link(&self, relay: &str, state: Connectivity, round: u64) -> bool {
        let dated = Dated { state, round };
        let mut states = self.lock();
        match states.links.get_mut(relay) {
            Some(known) => std::mem::replace(known, dated) != dated,
            None => states.links.insert(relay.to_owned(), dated).is_none(),
        }
    }

    pub(crate) fn links(&self) -> BTreeMap<String, Dated<Connectivity>> {
        self.lock().links.clone()
    }

    /// Returns whether anything changed.
    pub(super) fn set_putting(&self, contact: u32, state: PutState, round: u64) -> bool {
        let dated = Dated { state, round };
        self.lock().putting.insert(contact, dated) != Some(dated)
    }

    /// A link for a contact is being opened. What is known of a failure stays until the link stands. Returns whether anything changed.
    pub(super) fn note_connecting(&self, contact: u32, round: u64) -> bool {
        let mut states = self.lock();
        let is_failed =
            |dated: &Dated<PutState>| !matches!(dated.state, PutState::Open | PutState::Connecting);
        if states.putting.get(&contact).is_some_and(is_failed) {
            return false;
        }
        let dated = Dated { state: PutState::Connecting, round };
        states.putting.insert(contact, dated) != Some(dated)
    }

    /// Tells whether the putting links for a contact get on.
    pub(super) fn moved_for(&self, contact: u32) -> Moved {
        self.lock().moved_for.entry(contact).or_default().clone()
    }

    /// Tells whether the reading links of a relay get on.
    pub(super) fn moved_at(&self, relay: &str) -> Moved {
        self.lock().moved_at.entry(relay.to_owned()).or_default().clone()
    }

    pub(crate) fn moving(&self) -> Moving {
        let states = self.lock();
        let contacts = states.moved_for.iter().filter(|(_, moved)| moved.is_moving()).map(|(id, _)| *id);
        let relays = states.moved_at.iter().filter(|(_, moved)| moved.is_moving());
        Moving { contacts: contacts.collect(), relays: relays.map(|(relay, _)| relay.clone()).collect() }
    }

    pub(crate) fn putting(&self) -> BTreeMap<u32, Dated<PutState>> {
        self.lock().putting.clone()
    }

    /// The user has allowed another address: what was not connected to is not known to be refused any more.
    pub(super) fn forget_private(&self) {
        self.lock().putting.retain(|_, dated| !matches!(dated.state, PutState::Private(_)));
    }

    /// Returns whether anything changed.
    pub(super) fn set_emptied(&self, contact: u32, is_emptied: bool) -> bool {
        let mut states = self.lock();
        if is_emptied { states.not_emptied.remove(&contact) } else { states.not_emptied.insert(contact) }
    }

    /// Contacts whose invite mailbox could not be emptied when it was last tried.
    pub(crate) fn not_emptied(&self) -> BTreeSet<u32> {
        self.lock().not_emptied.clone()
    }
}
