//! The states of links, as the app is told.

use super::{moment::Moment, tls_fault::TlsFault};
use std::net::IpAddr;

/// The state of the conversation with a relay on which own mailboxes lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Connectivity {
    /// An attempt to connect is under way, and none before it has failed.
    Connecting,
    /// Connected. Not everything that waited at the relay has been read yet.
    Fetching,
    /// Connected. Everything that waited at the relay has been read.
    CaughtUp,
    /// The relay cannot be reached, or has closed the link. The client tries again by itself.
    Down,
    /// Another relay than the pinned one answers at the address. The client tries again only after
    /// some minutes.
    WrongRelay,
    /// The relay answers, but speaks no version of the protocol that this build speaks: one of the
    /// two must be updated. The client tries again by itself.
    NoCommonVersion,
    /// No TLS connection was made, for this reason. The client tries again only after some minutes.
    Tls(TlsFault),
    /// Connected. Everything that waited at the relay has been read. The relay makes no new
    /// mailbox, because it wants a token that is not set.
    NeedsToken,
    /// The relay's name leads to a private network or to this machine, which the user has not
    /// allowed. The client tries again by itself.
    PrivateAddress,
    /// Connected, but another reader, such as another copy of this vault, has taken over a mailbox.
    /// This client does not read that mailbox now. It tries again by itself.
    Displaced,
    /// Nothing is fetched from the relay, because the vault has no room or its disk is too slow.
    /// The messages there are safe, and are fetched as soon as there is room.
    VaultFull,
    /// Connected. Everything that waited at the relay has been read. The relay has not made a
    /// mailbox yet that is wanted. The client tries again by itself.
    Waiting,
}

impl Connectivity {
    /// Whether everything that lay at the relay has been read. A mailbox that is not made yet holds
    /// nothing, so that it does not count.
    pub const fn is_read(self) -> bool {
        matches!(self, Self::CaughtUp | Self::NeedsToken | Self::Waiting)
    }

    /// Whether messages of the relay are not read, and that does not change soon without an action
    /// of the user. `false` for [`NeedsToken`](Self::NeedsToken), in which everything is read.
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

/// The state of the conversation that puts into the mailboxes of one contact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PutState {
    /// An attempt to connect is under way, and the one before it, if there was one, did not fail.
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
    /// The relay's name leads to this IP address, which is not public and which the user has not
    /// allowed.
    Private(IpAddr),
    /// The relay has asked to wait before the next put.
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
    /// Nothing answers at the address, something answers that is not a relay, or the connection was
    /// lost.
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
    /// The relay's name leads to this IP address, which is not public and which the user has not
    /// allowed.
    #[error("the relay's name leads to an address that is not public and not allowed")]
    Private(IpAddr),
}
