//! The keys of a session, one type for each role, and the steps between them (spec/05-ratchet.md).

use crate::labels;
use deaddrop_primitives::{
    aead::NONCE_LEN, hash::sha256, hkdf, kem, polyval::UniversalHashKey, secret_bytes, x25519,
};

secret_bytes! {
    /// The secret that the handshake yields. It lives only until the session's keys are derived.
    pub(crate) struct SessionSecret[32];
}
secret_bytes! {
    pub(crate) struct RootKey[32];
}
secret_bytes! {
    pub(crate) struct ChainKey[32];
}
secret_bytes! {
    pub(crate) struct HeaderKey[32];
}
secret_bytes! {
    pub(crate) struct MessageKey[32];
}
secret_bytes! {
    pub(crate) struct BodyKey[32];
}
secret_bytes! {
    /// The secret of one turn that proves knowledge of the turn in a later reset.
    pub(crate) struct ResetSecret[32];
}

/// The id of a session, the same on both sides. It reveals nothing about the session's keys.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub [u8; 16]);

impl core::fmt::Debug for SessionId {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("SessionId(..)")
    }
}

/// The first keys of a session, derived from the handshake's secret.
pub(crate) struct SessionKeys {
    pub(crate) root: RootKey,
    pub(crate) chain: ChainKey,
    pub(crate) headers: [HeaderKey; 3],
    pub(crate) reset: ResetSecret,
    pub(crate) id: SessionId,
}

impl SessionSecret {
    pub(crate) fn keys(&self) -> SessionKeys {
        let exp = hkdf::Expander::new(self.expose());
        let header = |label| HeaderKey::derive(&exp, &[label]);
        SessionKeys {
            root: RootKey::derive(&exp, &[labels::SESSION_ROOT]),
            chain: ChainKey::derive(&exp, &[labels::SESSION_CHAIN]),
            headers: [
                header(labels::SESSION_HEADER_0),
                header(labels::SESSION_HEADER_1),
                header(labels::SESSION_HEADER_2),
            ],
            reset: ResetSecret::derive(&exp, &[labels::SESSION_RESET]),
            id: SessionId(exp.expand(&[labels::SESSION_ID])),
        }
    }
}

impl ChainKey {
    /// Returns the key of the next message, and the chain key after it.
    pub(crate) fn step(&self) -> (MessageKey, Self) {
        let exp = hkdf::Expander::new(self.expose());
        (MessageKey::derive(&exp, &[labels::MESSAGE]), Self::derive(&exp, &[labels::CHAIN]))
    }
}

impl MessageKey {
    /// Computes the HMAC states of the key once, for the nonces and the body key of its message.
    pub(crate) fn ready(&self) -> ReadyMessageKey {
        ReadyMessageKey(hkdf::Expander::new(self.expose()))
    }
}

/// A message key with its HMAC states computed. The nonces and the body key of the message derive
/// from it.
pub(crate) struct ReadyMessageKey(hkdf::Expander);

impl ReadyMessageKey {
    /// Derives the body key. The nonce r of the header box enters it, so that a state that was put
    /// back to an older one does not use a body key twice.
    pub(crate) fn body_key(&self, nonce: &[u8; NONCE_LEN]) -> BodyKey {
        BodyKey::derive(&self.0, &[labels::BODY, nonce])
    }

    /// Derives the nonces r and r' of a message (spec/05-ratchet.md section 2).
    pub(crate) fn nonces(&self, random: &[u8; RANDOM_LEN], message: &Nonced<'_>) -> Nonces {
        let Nonced { turn, head, message_number, content } = *message;
        // From turn 1 on the constants are hashed into the turn's chain key, and with it into this key; `pn` is left. Turn 0's
        // chain key comes from the handshake, and its constants are in no other hash.
        let constants = if turn == 0 { 0 } else { head.len().saturating_sub(4) };
        let head = head.get(constants..).unwrap_or_default();
        let number = message_number.to_le_bytes();
        let hash = UniversalHashKey::derive(&self.0, &[labels::NONCE_HASH]).hash(content);
        let info = [labels::NONCE, random, head, &number, hash.as_slice()];
        let derived: [u8; 2 * NONCE_LEN] = self.0.expand(&info);
        let (header, outer) = derived.split_at(NONCE_LEN);
        let nonce = |half: &[u8]| half.first_chunk().copied().unwrap_or_default();
        Nonces { header: nonce(header), outer: nonce(outer) }
    }
}

/// Number of random bytes that enter the nonces of one message.
pub(crate) const RANDOM_LEN: usize = 32;

/// The values of one message that its nonces depend on, beside its key and random bytes.
#[derive(Clone, Copy)]
pub(crate) struct Nonced<'a> {
    pub(crate) turn: u32,
    /// The turn's constants (see `TurnTranscript`), then `pn`.
    pub(crate) head: &'a [u8],
    pub(crate) message_number: u32,
    pub(crate) content: &'a [u8],
}

/// The nonces of one message. They are sent in the clear.
pub(crate) struct Nonces {
    /// The nonce r of the header box, which also enters the body key.
    pub(crate) header: [u8; NONCE_LEN],
    /// The nonce r' of the outer box; used only in an InitialMessage.
    pub(crate) outer: [u8; NONCE_LEN],
}

/// The keys that derive on the step to a new turn.
pub(crate) struct TurnKeys {
    pub(crate) root: RootKey,
    pub(crate) chain: ChainKey,
    /// The header key of the turn after the next.
    pub(crate) header: HeaderKey,
    pub(crate) reset: ResetSecret,
}

/// The public part of the step to a turn: its number, the keys that it answers, and its own
/// constants.
pub(crate) struct TurnTranscript<'a> {
    pub(crate) turn: u32,
    pub(crate) previous_x25519: &'a x25519::PublicKey,
    pub(crate) previous_kem: &'a [u8; kem::ENCAPSULATION_KEY_LEN],
    /// The constants of the turn: ratchet keys rk_t and ek_t, ciphertext ct_t, and at turn 1 the
    /// ciphertext to the initiator's identity.
    pub(crate) constants: &'a [u8],
}

impl TurnTranscript<'_> {
    /// Returns the hash of all fields, `X_t` in the spec.
    pub(crate) fn hash(&self) -> [u8; 32] {
        sha256(&[
            labels::TURN,
            &self.turn.to_le_bytes(),
            self.previous_x25519.as_bytes(),
            self.previous_kem,
            self.constants,
        ])
    }
}

impl RootKey {
    /// Derives the keys of one turn from a Diffie-Hellman secret and a KEM secret; at turn 1 also
    /// from one that was encapsulated to the initiator's identity.
    pub(crate) fn turn(
        &self,
        transcript: &TurnTranscript<'_>,
        dh: &x25519::SharedSecret,
        shared: &kem::SharedSecret,
        identity: Option<&kem::SharedSecret>,
    ) -> TurnKeys {
        let hash = transcript.hash();
        let identity = identity.map_or(&[][..], |secret| secret.expose());
        let prk = hkdf::extract(self.expose(), &[dh.expose(), shared.expose(), identity]);
        let exp = prk.ready();
        TurnKeys {
            root: Self::derive(&exp, &[labels::TURN_ROOT, &hash]),
            chain: ChainKey::derive(&exp, &[labels::TURN_CHAIN, &hash]),
            header: HeaderKey::derive(&exp, &[labels::TURN_HEADER, &hash]),
            reset: ResetSecret::derive(&exp, &[labels::TURN_RESET, &hash]),
        }
    }
}
