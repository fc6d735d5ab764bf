//! A connection between its opening and its handshake.

use super::connection::Connection;
use crate::admission::Connected;
use crate::memory::Held;
use deaddrop_websocket::Socket;

/// A connection that has become a WebSocket, with its place among the connections and its count of
/// memory. Pointers keep the tasks of idle links small.
pub(super) struct Opened {
    pub(super) socket: Box<Socket<Connection>>,
    pub(super) connected: Connected,
    pub(super) held: Held,
}
