//! The network: connections that keep the order of messages, are slow, and break.

use crate::ids::{ActorId, ConnId, PersonId, RelayId};
use std::collections::{BTreeMap, BTreeSet};

/// A connection of a client to a relay.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Connection {
    pub(crate) person: PersonId,
    /// The life of the client.
    pub(crate) incarnation: u32,
    pub(crate) actor: ActorId,
    pub(crate) relay: RelayId,
    /// The life of the relay, once it has taken the connection.
    pub(crate) relay_incarnation: Option<u32>,
    pub(crate) latency_ms: u64,
    /// The time of the last arrival at the client, and at the relay.
    pub(crate) last_ms: (u64, u64),
    /// Nothing passes any more.
    pub(crate) is_cut: bool,
    /// No end learns it.
    pub(crate) is_silent: bool,
}

/// The connections, and the faults of the network.
#[derive(Default)]
pub(crate) struct Network {
    pub(crate) last: ConnId,
    pub(crate) connections: BTreeMap<ConnId, Connection>,
    /// The records after which the next connection of a person breaks.
    pub(crate) cuts: BTreeMap<PersonId, (u64, bool)>,
    /// More milliseconds for each message of a person.
    pub(crate) slow: BTreeMap<PersonId, u64>,
    /// Persons that reach no relay.
    pub(crate) unreachable: BTreeSet<PersonId>,
}

impl Network {
    pub(crate) fn connection(&self, conn: ConnId) -> Option<&Connection> {
        self.connections.get(&conn)
    }

    /// Takes a connection as that of a life of a relay.
    pub(crate) fn accept(&mut self, conn: ConnId, incarnation: u32) {
        if let Some(connection) = self.connections.get_mut(&conn) {
            connection.relay_incarnation = Some(incarnation);
        }
    }

    /// Breaks a connection of a person when so many more messages have passed. `is_silent`: no end is told.
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

    /// The connections of a person.
    pub(crate) fn of_person(&self, person: PersonId) -> Vec<ConnId> {
        self.of(|connection| connection.person == person)
    }

    /// The connections of a relay.
    pub(crate) fn of_relay(&self, relay: RelayId) -> Vec<ConnId> {
        self.of(|connection| connection.relay == relay)
    }
}
