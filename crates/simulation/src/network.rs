//! The network: connections that keep the order of messages, are slow, and break.

use crate::sim::{ActorId, ConnId, Event, PersonId, RelayId, Sim, note};
use std::collections::{BTreeMap, BTreeSet};

/// Milliseconds after which an end learns that a connection is over.
const NOTICE_MS: u64 = 20;

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
    latency_ms: u64,
    /// The time of the last arrival at the client, and at the relay.
    last_ms: (u64, u64),
    /// Nothing passes any more.
    is_cut: bool,
    /// No end learns it.
    is_silent: bool,
}

/// The connections, and the faults of the network.
#[derive(Default)]
pub(crate) struct Network {
    last: ConnId,
    connections: BTreeMap<ConnId, Connection>,
    /// The records after which the next connection of a person breaks.
    cuts: BTreeMap<PersonId, (u64, bool)>,
    /// More milliseconds for each message of a person.
    slow: BTreeMap<PersonId, u64>,
    /// Persons that reach no relay.
    unreachable: BTreeSet<PersonId>,
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

impl Sim {
    /// Opens a connection.
    pub(crate) fn connect(
        &mut self,
        person: PersonId,
        incarnation: u32,
        actor: ActorId,
        relay: RelayId,
    ) -> ConnId {
        self.network.last += 1;
        let conn = self.network.last;
        let latency_ms = 1 + self.below(40);
        let connection = Connection {
            person,
            incarnation,
            actor,
            relay,
            relay_incarnation: None,
            latency_ms,
            last_ms: (0, 0),
            is_cut: false,
            is_silent: false,
        };
        self.network.connections.insert(conn, connection);
        self.after(latency_ms, Event::Connected { conn });
        conn
    }

    /// Sends a message to the relay, or to the client.
    pub(crate) fn send(&mut self, conn: ConnId, bytes: Vec<u8>, to_relay: bool) {
        if self.is_lost(conn) {
            return;
        }
        let jitter = self.below(5);
        let Some(connection) = self.network.connections.get_mut(&conn) else { return };
        let slow = self.network.slow.get(&connection.person).copied().unwrap_or(0);
        let last = if to_relay { &mut connection.last_ms.1 } else { &mut connection.last_ms.0 };
        let at = (self.now_ms + connection.latency_ms + slow + jitter).max(*last);
        *last = at;
        let event = if to_relay { Event::ToRelay { conn, bytes } } else { Event::ToClient { conn, bytes } };
        self.at(at, event);
    }

    /// Whether a message on this connection is lost, and all that follows it.
    fn is_lost(&mut self, conn: ConnId) -> bool {
        let Some(connection) = self.network.connections.get(&conn).copied() else { return true };
        if connection.is_cut {
            return true;
        }
        let Some((left, is_silent)) = self.network.cuts.get_mut(&connection.person) else { return false };
        if *left > 0 {
            *left -= 1;
            return false;
        }
        let is_silent = *is_silent;
        self.network.cuts.remove(&connection.person);
        note!(self, "connection {conn} breaks{}", if is_silent { ", and nothing tells" } else { "" });
        if is_silent {
            if let Some(connection) = self.network.connections.get_mut(&conn) {
                (connection.is_cut, connection.is_silent) = (true, true);
            }
        } else {
            self.break_connection(conn);
        }
        true
    }

    /// Breaks a connection: what is under way arrives, and then both ends learn it.
    pub(crate) fn break_connection(&mut self, conn: ConnId) {
        self.close(conn, true);
        self.close(conn, false);
    }

    /// One end closes: the other learns it behind what is under way. `by_relay`: the relay closes.
    pub(crate) fn close(&mut self, conn: ConnId, by_relay: bool) {
        let Some(connection) = self.network.connections.get_mut(&conn) else { return };
        connection.is_cut = true;
        if connection.is_silent {
            return;
        }
        let (to_client, to_relay) = connection.last_ms;
        let at = self.now_ms + connection.latency_ms.max(NOTICE_MS);
        if by_relay {
            self.at(at.max(to_client), Event::ClosedToClient { conn });
        } else {
            self.at(at.max(to_relay), Event::ClosedToRelay { conn });
        }
    }
}
