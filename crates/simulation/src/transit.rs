//! The opening of connections, their messages, and their end.

use crate::{
    ids::{ActorId, ConnId, PersonId, RelayId},
    network::Connection,
    sim::{Event, Sim, note},
};

/// Minimum number of milliseconds after which an end learns that the other has closed the
/// connection.
const NOTICE_MS: u64 = 20;

impl Sim {
    /// Opens a connection of a client's conversation to a relay. Returns its number at once; the
    /// connection is open later.
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

    /// Sends a message to the relay, or with `to_relay` false to the client. Does nothing if the
    /// connection is over.
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

    /// Whether a message on this connection is lost, with all later ones, because the connection is
    /// over or breaks now.
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

    /// Breaks a connection: messages under way arrive, and then both ends learn it.
    pub(crate) fn break_connection(&mut self, conn: ConnId) {
        self.close(conn, true);
        self.close(conn, false);
    }

    /// Closes a connection by one end: with `by_relay` by the relay, otherwise by the client. The
    /// other end learns it behind the messages under way, or not at all if the connection has
    /// broken silently.
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
