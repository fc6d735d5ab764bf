//! The reasons for which a link ends, as the log names them.

use std::fmt;

/// The reason for which a link ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CloseReason {
    /// The client closed the connection, or the connection broke.
    ClientLeft,
    /// The client broke the rules.
    Breach,
    /// The store has failed.
    StoreFailed,
    /// The keys of the link have sealed as many records as they may.
    KeysExhausted,
    /// The relay was ordered to stop, and the time for its links (`drain_ms`) is over.
    RelayStops,
    /// The place of the link among the limited number of connections was given to another
    /// connection.
    Evicted,
    /// The link had neither a subscription nor a put for `idle_ms`.
    Idle,
    /// No whole record came from the client for 2.5 ping intervals in which no bytes waited to be
    /// sent to it and none of its messages was incomplete.
    Silent,
    /// The client took too few of the bytes that wait for it within twice `stall_ms`.
    SendingStalled,
    /// The client sent too few bytes of a message that it has begun within `stall_ms`.
    ReceivingStalled,
    /// The client did not complete a large message within `stall_ms`, while its network held more
    /// than its share of the memory for links.
    OverMemoryShare,
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ClientLeft => "the client left",
            Self::Breach => "the client broke the rules",
            Self::StoreFailed => "the store failed",
            Self::KeysExhausted => "the keys of the link are used up",
            Self::RelayStops => "the relay stops",
            Self::Evicted => "its place was given to another connection",
            Self::Idle => "the link was idle",
            Self::Silent => "the client fell silent",
            Self::SendingStalled => "the client takes too little",
            Self::ReceivingStalled => "the client sends too little of a message",
            Self::OverMemoryShare => "the link holds memory that others need",
        })
    }
}
