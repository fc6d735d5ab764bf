//! The handshake of a link: three messages, the relay known by its fingerprint, the client by nothing
//! (spec/10-link.md sections 3 and 4).
//!
//! C1 carries the client's fresh keys, S1 the relay's fresh key, its identity sealed and proven, C2 a ciphertext to
//! that identity and the first record. Whoever records it all learns nothing from any long-term key later.

mod client;
mod error;
mod messages;
mod relay;
mod schedule;

pub use client::{ClientFinished, ClientHandshake, ClientStep};
pub use error::{ClientHandshakeError, RelayHandshakeError};
pub use messages::{ClientHello, no_common_version, retry};
pub use relay::RelayHandshake;

#[cfg(test)]
mod tests;
