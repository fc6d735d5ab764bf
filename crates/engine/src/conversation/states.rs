//! The states of links, as the app is told.

use super::{moment::Moment, tls_fault::TlsFault};
use std::net::IpAddr;

/// The state of a relay on which own mailboxes lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Connectivity {
    /// The first attempt to connect is under way.
    Connecting,
    /// Connected, and still fetching what waited.
    Fetching,
    /// Connected; everything that waited has been read.
    CaughtUp,
    /// The relay cannot be reached; the client tries again by itself.
    Down,
    /// Another relay answers at the address. The client does not try again soon.
    WrongRelay,
    /// The relay answers, but speaks no version of the protocol that this build speaks: one of the two must be updated. The client tries again by itself.
    NoCommonVersion,
    /// No TLS connection was made, for this reason. The client does not try again soon.
    Tls(TlsFault),
    /// Connected; everything that waited has been read. The relay makes no new mailbox, because it wants a token that is not set.
    NeedsToken,
    /// The relay's name leads to a private network or to this machine, which the user has not allowed. The client tries again by
    /// itself.
    PrivateAddress,
    /// Connected, but another reader has taken over a mailbox: another copy of this vault. What waits in the mailbox is not read.
    /// The client tries again by itself.
    Displaced,
    /// Nothing is fetched from the relay: the vault has no room, or its disk is too slow. What lies there is safe, and is fetched
    /// as soon as there is room.
    VaultFull,
    /// Connected; everything that waited has been read. The relay does not make a mailbox that is wanted now. The client tries
    /// again by itself.
    Waiting,
}

impl Connectivity {
    /// Whether everything that lay at the relay has been read: a mailbox that is not made yet holds nothing.
    pub const fn is_read(self) -> bool {
        matches!(self, Self::CaughtUp | Self::NeedsToken | Self::Waiting)
    }

    /// Whether the state changes only after an action of the user, or not soon.
    pub const fn needs_user(self) -> bool {
        matches!(
            self,
            Self::WrongRelay
                | Self::NoCommonVersion
                | Self::Tls(_)
                | Self::PrivateAddress
                | Self::Displaced
                | Self::VaultFull
        )
    }
}

/// The state of the putting link of a contact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PutState {
    /// A link is being opened, and the attempt before it, if there was one, did not fail.
    Connecting,
    /// A link is open, or was open and was closed because it was idle.
    Open,
    /// The relay cannot be reached, or closes the link.
    Down,
    /// Another relay answers at the address.
    WrongRelay,
    /// The relay and this client speak no version in common.
    NoCommonVersion,
    /// No TLS connection was made.
    Tls(TlsFault),
    /// The address is not public and not allowed.
    Private(IpAddr),
    /// The relay asks to wait until this moment.
    Asked {
        /// Whether the mailbox is full; otherwise the relay is busy.
        is_full: bool,
        /// The end of the wait.
        until: Moment,
    },
}

/// The reason for which no link was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    /// Nothing answers at the address, or something that is not a relay.
    #[error("the relay cannot be reached")]
    Down,
    /// Another relay answers at the address.
    #[error("another relay answers at this address")]
    WrongRelay,
    /// The relay and this client speak no version in common.
    #[error("the relay and this client speak no version of the protocol in common")]
    NoCommonVersion,
    /// No TLS connection was made.
    #[error(transparent)]
    Tls(TlsFault),
    /// The relay's name leads to this address, which is not public and not allowed.
    #[error("the relay's name leads to an address that is not public and not allowed")]
    Private(IpAddr),
}
