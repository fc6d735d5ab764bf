//! The network: connections that keep the order of messages, are slow, and break.

use crate::ids::{ActorId, ConnId, PersonId, RelayId};
use std::collections::{BTreeMap, BTreeSet};

/// A connection of a client to a relay.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Connection {
    pub(crate) person: PersonId,
    /// The number of the client's process among those of its person, from 1.
    pub(crate) incarnation: u32,
    pub(crate) actor: ActorId,
    pub(crate) relay: RelayId,
    /// The number of the relay's process among those of the relay; `None` until the relay has
    /// accepted the connection.
    pub(crate) relay_incarnation: Option<u32>,
    pub(crate) latency_ms: u64,
    /// The times of the last arrival at the client and at the relay, in milliseconds of the run: no
    /// later message arrives before.
    pub(crate) last_ms: (u64, u64),
    /// Whether nothing passes any more.
    pub(crate) is_cut: bool,
    /// Whether no end is told that the connection has broken: each finds out by waiting.
    pub(crate) is_silent: bool,
}

/// The connections, and the faults of the network.
#[derive(Default)]
pub(crate) struct Network {
    pub(crate) last: ConnId,
    pub(crate) connections: BTreeMap<ConnId, Connection>,
    /// For each person, the number of messages after which a connection breaks, and whether no end
    /// is told.
    pub(crate) cuts: BTreeMap<PersonId, (u64, bool)>,
    /// The additional latency in milliseconds of each message of a person.
    pub(crate) slow: BTreeMap<PersonId, u64>,
    /// The people whose new connections reach no relay.
    pub(crate) unreachable: BTreeSet<PersonId>,
}

impl Network {
    pub(crate) fn connection(&self, conn: ConnId) -> Option<&Connection> {
        self.connections.get(&conn)
    }

    /// Notes that a process of a relay has accepted a connection.
    pub(crate) fn accept(&mut self, conn: ConnId, incarnation: u32) {
        if let Some(connection) = self.connections.get_mut(&conn) {
            connection.relay_incarnation = Some(incarnation);
        }
    }

    /// Lets the next `messages` messages pass on the connections of a person, in both directions
    /// together, and breaks the connection of the message after them, which is lost. With
    /// `is_silent`, no end is told.
    pub(crate) fn cut_after(&mut self, person: PersonId, messages: u64, is_silent: bool) {
        self.cuts.insert(person, (messages, is_silent));
    }

    pub(crate) fn set_slow(&mut self, person: PersonId, ms: u64) {
        self.slow.insert(person, ms);
    }

    pub(crate) fn set_unreachable(&mut self, person: PersonId, is_unreachable: bool) {
        if is_unreachable {
            self.unreachable.insert(person);
        } else {
            self.unreachable.remove(&person);
        }
    }

    pub(crate) fn is_unreachable(&self, person: PersonId) -> bool {
        self.unreachable.contains(&person)
    }

    /// Ends all faults.
    pub(crate) fn heal(&mut self) {
        self.cuts.clear();
        self.slow.clear();
        self.unreachable.clear();
    }

    fn of(&self, is_of: impl Fn(&Connection) -> bool) -> Vec<ConnId> {
        self.connections.iter().filter(|(_, connection)| is_of(connection)).map(|(conn, _)| *conn).collect()
    }

    /// Returns the connections of a person.
    pub(crate) fn of_person(&self, person: PersonId) -> Vec<ConnId> {
        self.of(|connection| connection.person == person)
    }

    /// Returns the connections of a relay.
    pub(crate) fn of_relay(&self, relay: RelayId) -> Vec<ConnId> {
        self.of(|connection| connection.relay == relay)
    }
}
