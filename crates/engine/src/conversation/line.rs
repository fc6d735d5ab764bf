//! The caller's reports about a link.

use super::moment::Moment;
use crate::engine::BlobLives;
use deaddrop_wire::Day;
use std::net::IpAddr;

/// The state of a link's line: its connection, and the bytes that are queued for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LineState {
    /// Whether bytes are queued that the line has not taken yet.
    pub is_sending: bool,
    /// Number of bytes that the connection has taken from the queue so far, those of the handshake
    /// among them.
    pub taken: u64,
    /// Number of bytes that the connection has received from the relay so far, those of the
    /// handshake among them.
    pub read: u64,
    /// Number of bytes that the line takes in about 4 seconds, as far as was measured. A
    /// conversation queues no more at once, unless one item alone is longer.
    pub ahead: usize,
}

/// The inputs of a look: the time, the newest round, and the state of the line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Situation {
    /// The present moment.
    pub now: Moment,
    /// Number of the newest round. A round begins when a call of the app waits for all relays to
    /// answer once more, such as `sync` (spec/14-client.md section 6.4); 0: none has begun.
    pub round: u64,
    /// The state of the line; all zeros if no link is open.
    pub line: LineState,
}

/// The facts about an opened link that a conversation needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkInfo {
    /// IP address at which the relay was reached.
    pub address: IpAddr,
    /// Number of days for which the relay keeps blobs, by its [Hello](deaddrop_wire::item::Hello).
    pub lives: BlobLives,
    /// Whether the relay makes mailboxes only for clients that show its token.
    pub needs_token: bool,
    /// The present day by the relay's clock, from its Hello.
    pub day: Day,
}
