//! The order in which links to one address are opened. Handshakes that run at once share a slow
//! line, and all of them would run into their deadlines (spec/14-client.md section 6).

use deaddrop_wire::RelayAddress;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Maximum number of links that are being opened to one address at the same time (spec/14-client.md
/// section 6).
pub const MAX_OPENING: usize = 2;

/// The urgency of opening a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Haste {
    /// A user waits for the link. Its place in the queue is before all places of background work.
    Errand,
    /// Background work: no user waits for the link.
    Background,
}

/// A place in the queue of an address. A place has its *turn* when its link may be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(u64);

/// The queues of the links that are to be opened, one for each address of a relay.
#[derive(Debug, Default)]
pub struct TurnQueues {
    last: u64,
    queues: BTreeMap<String, TurnQueue>,
}

/// The queue of the links that are to be opened to one address. The address decides, not the
/// fingerprint alone: otherwise a contact could name another relay's fingerprint at an address that
/// never answers, and hold that relay's turns.
#[derive(Debug, Default)]
struct TurnQueue {
    /// The places that have their turn: their links are being opened.
    opening: BTreeSet<Ticket>,
    errands: VecDeque<Ticket>,
    others: VecDeque<Ticket>,
}

impl TurnQueues {
    /// Takes a place in the queue of an address. Returns the place, and whether it has its turn at
    /// once. Call [`leave`](Self::leave) when the link is open, or is not opened.
    pub fn enter(&mut self, relay: &RelayAddress, haste: Haste) -> (Ticket, bool) {
        self.last += 1;
        let ticket = Ticket(self.last);
        let queue = self.queues.entry(relay.to_string()).or_default();
        let is_turn = queue.opening.len() < MAX_OPENING;
        if is_turn {
            queue.opening.insert(ticket);
        } else {
            match haste {
                Haste::Errand => queue.errands.push_back(ticket),
                Haste::Background => queue.others.push_back(ticket),
            }
        }
        (ticket, is_turn)
    }

    /// Gives a place up, whether it has its turn or not. Returns the place that has its turn from
    /// now on because of that; `None` if there is none. Does nothing if the place was given up
    /// before.
    pub fn leave(&mut self, relay: &RelayAddress, ticket: Ticket) -> Option<Ticket> {
        let name = relay.to_string();
        let queue = self.queues.get_mut(&name)?;
        queue.errands.retain(|waiting| *waiting != ticket);
        queue.others.retain(|waiting| *waiting != ticket);
        let mut next = None;
        if queue.opening.remove(&ticket) {
            next = queue.errands.pop_front().or_else(|| queue.others.pop_front());
            queue.opening.extend(next);
        }
        if queue.opening.is_empty() {
            self.queues.remove(&name);
        }
        next
    }

    /// Returns the places that wait for their turn at an address, in the order of their turns.
    pub fn waiting(&self, relay: &RelayAddress) -> Vec<Ticket> {
        let queue = self.queues.get(&relay.to_string());
        queue.into_iter().flat_map(|queue| queue.errands.iter().chain(&queue.others)).copied().collect()
    }

    /// Whether no link waits or is being opened at any address.
    pub fn is_empty(&self) -> bool {
        self.queues.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn relay(port: u16) -> RelayAddress {
        let fingerprint = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
        format!("ws://relay.example:{port}/#{fingerprint}").parse().unwrap()
    }

    #[test]
    fn two_at_once_in_order_of_arrival_and_errands_first() {
        let (mut queues, here) = (TurnQueues::default(), relay(1));
        let mut enter = |haste| queues.enter(&here, haste);
        let (first, second) = (enter(Haste::Background), enter(Haste::Background));
        assert!(first.1 && second.1);
        let (third, fourth) = (enter(Haste::Background), enter(Haste::Background));
        let errand = enter(Haste::Errand);
        assert!(!third.1 && !fourth.1 && !errand.1);
        assert!(queues.enter(&relay(2), Haste::Background).1, "relays do not wait for each other");
        assert_eq!(queues.waiting(&here), [errand.0, third.0, fourth.0]);
        assert_eq!(queues.leave(&here, first.0), Some(errand.0));
        // One that gives up while it waits is passed over.
        assert_eq!(queues.leave(&here, third.0), None);
        assert_eq!(queues.leave(&here, errand.0), Some(fourth.0));
        assert_eq!(queues.leave(&here, errand.0), None, "it has left");
        assert_eq!((queues.leave(&here, fourth.0), queues.leave(&here, second.0)), (None, None));
        assert_eq!(queues.queues.len(), 1, "a queue that is not used takes no room");
    }
}
