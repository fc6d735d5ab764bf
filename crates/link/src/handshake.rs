//! The handshake of a link: three messages that authenticate the relay by its fingerprint, and not
//! the client (spec/10-link.md sections 3 and 4).
//!
//! C1 carries the client's fresh keys. S1 carries the relay's fresh key and its identity, sealed,
//! with a proof of the X25519 half. C2 carries a ciphertext to the ML-KEM half and a record that
//! holds the client's Hello alone. A listener that records all messages and later steals the
//! relay's identity opens none of them.

mod client;
mod error;
mod messages;
mod relay;
mod schedule;

pub use client::{ClientFinished, ClientHandshake, ClientStep, UnprovenLink};
pub use error::{ClientHandshakeError, RelayHandshakeError};
pub use messages::{ClientHello, no_common_version, retry};
pub use relay::RelayHandshake;

#[cfg(test)]
mod tests;
