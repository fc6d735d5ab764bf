//! The key schedule: the order in which the secrets enter (spec/10-link.md section 4).
//!
//! C1, S1 and C2 are the three messages of the handshake, H1 to H3 the hashes of its transcript. H1
//! covers C1 and the head of S1; H2 also the sealed identity; H3 also the confirmation tag and the
//! head of C2.

use crate::{labels, record::RecordKey};
use deaddrop_primitives::{hash::sha256, hkdf::extract, kem, secret_bytes, x25519};

secret_bytes! {
    /// The key that seals the relay's identity in S1.
    pub(super) struct StaticKey[32];
}
secret_bytes! {
    /// The key that makes the confirmation tag of S1.
    pub(super) struct ConfirmKey[32];
}
secret_bytes! {
    /// The key that carries all secrets so far to the next stage.
    pub(super) struct ChainKey[32];
}

pub(super) fn transcript_1(c1: &[u8], s1_head: &[u8]) -> [u8; 32] {
    sha256(&[labels::LINK_TRANSCRIPT_1, c1, s1_head])
}

pub(super) fn transcript_2(h1: &[u8; 32], static_box: &[u8]) -> [u8; 32] {
    sha256(&[labels::LINK_TRANSCRIPT_2, h1, static_box])
}

pub(super) fn transcript_3(h2: &[u8; 32], confirmation: &[u8], c2_head: &[u8]) -> [u8; 32] {
    sha256(&[labels::LINK_TRANSCRIPT_3, h2, confirmation, c2_head])
}

/// Computes the first stage, in which the X25519 and the ML-KEM secret of the fresh keys enter.
pub(super) fn stage_1(
    ephemeral: &x25519::SharedSecret,
    encapsulated: &kem::SharedSecret,
    h1: &[u8; 32],
) -> (StaticKey, ChainKey) {
    let exp = extract(labels::LINK, &[ephemeral.expose(), encapsulated.expose()]).ready();
    (StaticKey::derive(&exp, &[labels::LINK_STATIC, h1]), ChainKey::derive(&exp, &[labels::LINK_CHAIN_1, h1]))
}

/// Computes the second stage, in which the X25519 secret of the relay's identity enters.
pub(super) fn stage_2(
    chain: &ChainKey,
    identity: &x25519::SharedSecret,
    h2: &[u8; 32],
) -> (ConfirmKey, ChainKey) {
    let exp = extract(chain.expose(), &[identity.expose()]).ready();
    (
        ConfirmKey::derive(&exp, &[labels::LINK_CONFIRM, h2]),
        ChainKey::derive(&exp, &[labels::LINK_CHAIN_2, h2]),
    )
}

/// The first keys of both directions, under the name of the side that seals with them.
pub(super) struct RecordKeys {
    pub(super) client: RecordKey,
    pub(super) relay: RecordKey,
}

/// Computes the third stage, in which the ML-KEM secret of the relay's identity enters.
pub(super) fn stage_3(chain: &ChainKey, identity: &kem::SharedSecret, h3: &[u8; 32]) -> RecordKeys {
    let exp = extract(chain.expose(), &[identity.expose()]).ready();
    RecordKeys {
        client: RecordKey::derive(&exp, &[labels::LINK_CLIENT, h3]),
        relay: RecordKey::derive(&exp, &[labels::LINK_RELAY, h3]),
    }
}
