//! Errors of a handshake, by the next step of the caller.
//!
//! C1 is the client's first message, S1 the relay's answer, C2 the client's last message; the
//! module `handshake` says what each contains.

use deaddrop_wire::DecodeError;

/// The error of the client's handshake. The client has sent nothing but its offer and public keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClientHandshakeError {
    /// The peer is no relay, or the message was damaged. Try again later.
    #[error("no relay answers at this address; check it, or try again later")]
    NotARelay,
    /// The relay speaks no version that this client speaks. One of the two needs an update.
    #[error("relay and client share no version; update the older one")]
    NoCommonVersion,
    /// Another relay answers at this address than the address names. Do not use it.
    #[error("another relay answers at this address; its fingerprint differs, do not use it")]
    WrongRelay,
    /// The answer was changed on its way, or its sender does not have the keys that it shows. Do
    /// not use it.
    #[error("the relay's answer was changed on its way; do not use this connection")]
    Unauthentic,
    /// The relay asked for a cookie a second time. Try again later.
    #[error("the relay is overloaded; try again later")]
    Overloaded,
    /// The Hello does not fit into a record.
    #[error("the Hello does not fit a record")]
    HelloTooLong,
}

/// The error of the relay's side of a handshake. Close the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RelayHandshakeError {
    /// The message is not a handshake message of deaddrop. No key was computed.
    #[error("not a handshake; close the connection")]
    NotAHandshake,
    /// The client offers no common version. Send [`no_common_version`](crate::no_common_version),
    /// then close. No key was computed.
    #[error("no common version; say so and close the connection")]
    NoCommonVersion,
    /// A public key of the client is not valid.
    #[error("invalid public key; close the connection")]
    BadKey,
    /// The client's first record does not open: the client pinned another relay, or a message was
    /// changed on its way.
    #[error("first record does not open; close the connection")]
    Unauthentic,
    /// The client's first record opened, but its items are malformed: the client's software is at
    /// fault.
    #[error("malformed first record; close the connection")]
    Malformed(#[from] DecodeError),
    /// The record of C2 holds something else than one Hello.
    #[error("the first record holds something else than one Hello; close the connection")]
    NotHelloAlone,
}
