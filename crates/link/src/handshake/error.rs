//! Errors of a handshake, by the next step of the caller.

use deaddrop_wire::DecodeError;

/// The client's handshake failed; nothing was sent but public keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClientHandshakeError {
    /// The peer is no relay, or the message was damaged: try again later.
    NotARelay,
    /// The relay speaks no version that this client speaks: one of the two needs an update.
    NoCommonVersion,
    /// Another relay answers at this address than the address names: do not use it.
    WrongRelay,
    /// The answer was changed on its way, or its sender holds not the keys that it shows: do not use it.
    Unauthentic,
    /// The relay asks for a cookie again and again: try again later.
    Overloaded,
    /// The Hello does not fit a record.
    HelloTooLong,
}

impl core::fmt::Display for ClientHandshakeError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::NotARelay => "no relay answers at this address; check it, or try again later",
            Self::NoCommonVersion => "relay and client share no version; update the older one",
            Self::WrongRelay => {
                "another relay answers at this address; its fingerprint differs, do not use it"
            }
            Self::Unauthentic => "the relay's answer was changed on its way; do not use this connection",
            Self::Overloaded => "the relay is overloaded; try again later",
            Self::HelloTooLong => "the Hello does not fit a record",
        })
    }
}

impl core::error::Error for ClientHandshakeError {}

/// The relay's side of a handshake failed: the connection is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RelayHandshakeError {
    /// The message is not a handshake message of deaddrop. Nothing was computed.
    NotAHandshake,
    /// No common version: send [`no_common_version`](crate::no_common_version), then close. Nothing was computed.
    NoCommonVersion,
    /// A public key of the client is not valid.
    BadKey,
    /// The client's first record does not open: it pinned another relay, or something was changed on the way.
    Unauthentic,
    /// The client itself sent what breaks the rules.
    Malformed(DecodeError),
    /// The record of C2 holds something else than one Hello.
    NotHelloAlone,
}

impl core::fmt::Display for RelayHandshakeError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::NotAHandshake => "not a handshake; close the connection",
            Self::NoCommonVersion => "no common version; say so and close the connection",
            Self::BadKey => "invalid public key; close the connection",
            Self::Unauthentic => "first record does not open; close the connection",
            Self::Malformed(_) => "malformed first record; close the connection",
            Self::NotHelloAlone => {
                "the first record holds something else than one Hello; close the connection"
            }
        })
    }
}

impl core::error::Error for RelayHandshakeError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Malformed(error) => Some(error),
            _ => None,
        }
    }
}
