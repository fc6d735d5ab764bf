//! The caller's reports about a link.

use super::moment::Moment;
use crate::engine::BlobLives;
use deaddrop_wire::Day;
use std::net::IpAddr;

/// The state of a link's line, which is its connection and what is queued for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LineState {
    /// Whether bytes are queued for the relay.
    pub is_sending: bool,
    /// Number of bytes that the line has taken since the link was opened.
    pub taken: u64,
    /// Number of bytes that have come since the link was opened.
    pub read: u64,
    /// Number of bytes that the line takes in a few seconds. No more is queued at once, unless one item is longer.
    pub ahead: usize,
}

/// The time, and the state of the line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Situation {
    /// The present moment.
    pub now: Moment,
    /// The number of the newest round: the wish of a caller that everything is asked again (spec/14-client.md section 6.4).
    pub round: u64,
    /// The state of the line, if a link is open.
    pub line: LineState,
}

/// The facts about an opened link that a conversation needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkInfo {
    /// The address that the relay was reached at.
    pub address: IpAddr,
    /// The days for which the relay keeps blobs.
    pub lives: BlobLives,
    /// Whether the relay makes mailboxes only for clients that show its token.
    pub needs_token: bool,
    /// The day that the relay says.
    pub day: Day,
}
