//! The states of a client's links, as its tasks see them. A call that waits begins a *round*, a
//! number that grows by one: from then on each relay is asked again, and a state of an earlier
//! round is out of date for this call.

use super::moved::Moved;
use deaddrop_engine::conversation::{Connectivity, PutState};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

/// A state and its age, as the number of a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Dated<T> {
    pub(crate) state: T,
    /// The newest round that had begun before the events that led to the state.
    pub(crate) round: u64,
}

/// The states of all links, and the records of their progress.
#[derive(Default)]
pub(crate) struct Progress(Mutex<States>);

/// The states and records in a [`Progress`]. `links` holds those of reading links, by address.
#[derive(Default)]
struct States {
    links: BTreeMap<String, Dated<Connectivity>>,
    /// The states of sending to each contact, by the contact's number.
    putting: BTreeMap<u32, Dated<PutState>>,
    /// The numbers of the contacts whose invite mailbox could not be emptied at the last try.
    not_emptied: BTreeSet<u32>,
    /// The progress of links over which envelopes are put, by the contact's number.
    moved_for: BTreeMap<u32, Moved>,
    /// The progress of links over which own mailboxes are read, by the relay's address.
    moved_at: BTreeMap<String, Moved>,
}

/// The links that make progress now.
#[derive(Default)]
pub(crate) struct Moving {
    /// The numbers of the contacts whose putting links make progress.
    pub(crate) contacts: BTreeSet<u32>,
    /// The addresses of the relays whose reading links make progress.
    pub(crate) relays: BTreeSet<String>,
}

impl Progress {
    fn lock(&self) -> MutexGuard<'_, States> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether no state of a relay's reading link was set yet.
    pub(super) fn is_new(&self, relay: &str) -> bool {
        !self.lock().links.contains_key(relay)
    }

    /// Sets the state of a relay's reading link. Returns whether the state or its round changed.
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

    /// Sets the state of sending to a contact. Returns whether the state or its round changed.
    pub(super) fn set_putting(&self, contact: u32, state: PutState, round: u64) -> bool {
        let dated = Dated { state, round };
        self.lock().putting.insert(contact, dated) != Some(dated)
    }

    /// Sets the state of sending to a contact to [`PutState::Connecting`], unless the present state
    /// is a failure: a failure stays until a link is open. Returns whether the state or its round
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

    /// Returns the record of progress of the putting links for a contact. All calls return the same
    /// record.
    pub(super) fn moved_for(&self, contact: u32) -> Moved {
        self.lock().moved_for.entry(contact).or_default().clone()
    }

    /// Returns the record of progress of the reading links of a relay. All calls return the same
    /// record.
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

    /// Removes all states of sending that say that a private address was refused, because the user
    /// has allowed one more address.
    pub(super) fn forget_private(&self) {
        self.lock().putting.retain(|_, dated| !matches!(dated.state, PutState::Private(_)));
    }

    /// Notes whether the last try to empty the invite mailbox of a contact has succeeded. Returns
    /// whether that is news.
    pub(super) fn set_emptied(&self, contact: u32, is_emptied: bool) -> bool {
        let mut states = self.lock();
        if is_emptied { states.not_emptied.remove(&contact) } else { states.not_emptied.insert(contact) }
    }

    /// Returns the numbers of the contacts whose invite mailbox could not be emptied at the last
    /// try.
    pub(crate) fn not_emptied(&self) -> BTreeSet<u32> {
        self.lock().not_emptied.clone()
    }
}
