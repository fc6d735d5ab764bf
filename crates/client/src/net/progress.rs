//! The states of a client's links, as its tasks see them. A caller that waits begins a *round*: a state that is older than the
//! round does not answer the caller.

use super::moved::Moved;
use deaddrop_engine::conversation::{Connectivity, PutState};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

/// A state and the round in which it began to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Dated<T> {
    pub(crate) state: T,
    /// The round that had begun before the events that led to the state.
    pub(crate) round: u64,
}

/// The states of all links.
#[derive(Default)]
pub(crate) struct Progress(Mutex<States>);

#[derive(Default)]
struct States {
    links: BTreeMap<String, Dated<Connectivity>>,
    /// The states of putting, by contact.
    putting: BTreeMap<u32, Dated<PutState>>,
    /// The contacts whose invite mailbox could not be emptied at the last try.
    not_emptied: BTreeSet<u32>,
    /// The progress of putting links, by contact.
    moved_for: BTreeMap<u32, Moved>,
    /// The progress of reading links, by relay.
    moved_at: BTreeMap<String, Moved>,
}

/// The links and errands that make progress now.
#[derive(Default)]
pub(crate) struct Moving {
    /// The contacts whose putting links make progress.
    pub(crate) contacts: BTreeSet<u32>,
    /// The relays whose reading links make progress.
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

    /// Sets the state of a relay. Returns whether anything changed.
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

    /// Sets the state of putting to a contact. Returns whether anything changed.
    pub(super) fn set_putting(&self, contact: u32, state: PutState, round: u64) -> bool {
        let dated = Dated { state, round };
        self.lock().putting.insert(contact, dated) != Some(dated)
    }

    /// Notes that a link for a contact is being opened. A known failure stays until the link is open. Returns whether anything
    /// changed.
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

    /// Returns the record of progress of the putting links for a contact.
    pub(super) fn moved_for(&self, contact: u32) -> Moved {
        self.lock().moved_for.entry(contact).or_default().clone()
    }

    /// Returns the record of progress of the reading links of a relay.
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

    /// Forgets the refusals of private addresses, because the user has allowed another address.
    pub(super) fn forget_private(&self) {
        self.lock().putting.retain(|_, dated| !matches!(dated.state, PutState::Private(_)));
    }

    /// Sets whether the invite mailbox of a contact was emptied. Returns whether anything changed.
    pub(super) fn set_emptied(&self, contact: u32, is_emptied: bool) -> bool {
        let mut states = self.lock();
        if is_emptied { states.not_emptied.remove(&contact) } else { states.not_emptied.insert(contact) }
    }

    /// Returns the contacts whose invite mailbox could not be emptied at the last try.
    pub(crate) fn not_emptied(&self) -> BTreeSet<u32> {
        self.lock().not_emptied.clone()
    }
}
