//! The key schedule of the handshake, from its shared secrets to the session secret
//! (spec/04-handshake.md).

use crate::{identity::IDENTITY_KEY_LEN, labels, session::keys::SessionSecret};
use deaddrop_primitives::{hash::sha256, hkdf, kem, secret_bytes, x25519};

secret_bytes! {
    /// The pre-shared secret of a handshake, which both sides have before it: from the link of an
    /// invite, or from a reset bundle.
    pub(crate) struct Psk[32];
}
secret_bytes! {
    /// The key that seals the initiator's identity. It seals nothing else.
    pub(crate) struct IdentityBoxKey[32];
}
secret_bytes! {
    /// The result of the first step of the key schedule, and the salt of the second.
    pub(crate) struct HandshakeChainKey[32];
}

/// The inputs of the first step of the key schedule: two Diffie-Hellman results, two KEM secrets.
pub(super) struct FirstSecrets {
    pub(super) dh_identity: x25519::SharedSecret,
    pub(super) dh_prekey: x25519::SharedSecret,
    pub(super) kem_identity: kem::SharedSecret,
    pub(super) kem_prekey: kem::SharedSecret,
}

impl FirstSecrets {
    pub(super) fn step(&self, psk: &Psk, t1: &[u8; 32]) -> (IdentityBoxKey, HandshakeChainKey) {
        let ikm: [&[u8]; 4] = [
            self.dh_identity.expose(),
            self.dh_prekey.expose(),
            self.kem_identity.expose(),
            self.kem_prekey.expose(),
        ];
        let prk = hkdf::extract(psk.expose(), &ikm);
        let exp = prk.ready();
        (
            IdentityBoxKey::derive(&exp, &[labels::HANDSHAKE_IDENTITY, t1]),
            HandshakeChainKey::derive(&exp, &[labels::HANDSHAKE_CHAIN, t1]),
        )
    }
}

/// Returns the first transcript hash, `T1` in the spec. `hash` is that of the bundle; `public` is
/// the flight's ephemeral key E and its ciphertexts ct_id and ct_pre.
pub(super) fn transcript_1(hash: &[u8; 32], public: &[u8]) -> [u8; 32] {
    sha256(&[labels::HANDSHAKE_1, hash, public])
}

pub(super) fn transcript_2(t1: &[u8; 32], initiator: &[u8; IDENTITY_KEY_LEN]) -> [u8; 32] {
    sha256(&[labels::HANDSHAKE_2, t1, initiator])
}

pub(super) fn second_step(
    chain: &HandshakeChainKey,
    prekey_dh: &x25519::SharedSecret,
    identity_dh: &x25519::SharedSecret,
    t2: &[u8; 32],
) -> SessionSecret {
    let prk = hkdf::extract(chain.expose(), &[prekey_dh.expose(), identity_dh.expose()]);
    SessionSecret::derive(&prk.ready(), &[labels::HANDSHAKE_SESSION, t2])
}
