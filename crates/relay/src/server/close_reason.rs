//! The reasons for which a link ends, as the log names them.

use std::fmt;

/// The reason for which a link ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CloseReason {
    /// The client closed the connection, or it broke.
    ClientLeft,
    /// The client broke the rules.
    Breach,
    /// The store has failed.
    StoreFailed,
    /// The keys of the link have sealed as many records as they may.
    KeysExhausted,
    /// The relay stops.
    RelayStops,
    /// The place of the link was given to another connection.
    Evicted,
    /// The client neither subscribed nor put for too long.
    Idle,
    /// The client sent nothing for several ping intervals.
    Silent,
    /// The client takes too little of what waits for it.
    SendingStalled,
    /// The client sends too little of a message that it has begun.
    ReceivingStalled,
    /// The client holds memory that other networks need.
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
