//! The caller's reports about a link.

use super::moment::Moment;
use crate::engine::BlobLives;
use deaddrop_wire::Day;
use std::net::IpAddr;

/// The state of a link's line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LineState {
    /// Whether something waits for the relay.
    pub is_sending: bool,
    /// Number of bytes that the line has taken.
    pub taken: u64,
    /// Number of bytes that came.
    pub read: u64,
    /// Number of bytes that the line takes in a few seconds: no more is queued at once, unless one item is longer.
    pub ahead: usize,
}

/// The time, and the state of the line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Situation {
    /// The present moment.
    pub now: Moment,
    /// The newest round that a caller of the client has begun.
    pub round: u64,
    /// The line, if a link stands.
    pub line: LineState,
}

/// A link that was opened, as far as a conversation needs to know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkInfo {
    /// The address that the relay was reached at.
    pub address: IpAddr,
    /// Time for which the relay keeps blobs.
    pub lives: BlobLives,
    /// The relay makes mailboxes only for those who show its token.
    pub needs_token: bool,
    /// The day that the relay says.
    pub day: Day,
}
