//! Keys of a session, for test vectors.

use super::{
    ChangeSet, EncryptError, Session, Side,
    encrypt::NonceRule,
    keys::{ChainKey, HeaderKey, MessageKey, Nonced, RootKey, SessionSecret, TurnTranscript},
    message,
};
use crate::identity::IdentityKeyPair;
use alloc::vec::Vec;
use deaddrop_primitives::{kem, x25519};
use deaddrop_wire::Blob;
use rand_core::CryptoRng;

/// The keys that derive from the session secret, named as in spec/04-handshake.md.
pub struct SessionTrace {
    /// The value `RK_0`, the first root key.
    pub root: [u8; 32],
    /// The value `CK_0`, the chain key of turn 0.
    pub chain: [u8; 32],
    /// The values `HK_0`, `HK_1`, `HK_2`, the header keys of the first three turns.
    pub headers: [[u8; 32]; 3],
    /// The value `RS_0`, the reset secret of turn 0.
    pub reset: [u8; 32],
    /// The value `SID`, the id of the session.
    pub id: [u8; 16],
}

/// The keys of one turn, named as in spec/05-ratchet.md.
pub struct TurnTrace {
    /// The value `X_t`, the hash of the public part of the step to the turn.
    pub transcript: [u8; 32],
    /// The value `RK_t`, the root key.
    pub root: [u8; 32],
    /// The value `CK_t`, the chain key of the first message.
    pub chain: [u8; 32],
    /// The value `HK_{t+2}`, the header key of the turn after the next.
    pub header: [u8; 32],
    /// The value `RS_t`, the reset secret.
    pub reset: [u8; 32],
}

/// The secrets of an own turn that was not answered yet, named as in spec/05-ratchet.md.
pub struct SendingTrace {
    /// The secret key of rk_t, the turn's X25519 key.
    pub ratchet: [u8; 32],
    /// The seed of ek_t, the turn's ML-KEM key.
    pub kem_seed: [u8; kem::SEED_LEN],
    /// The chain key of the next message.
    pub chain: [u8; 32],
    /// The value `HK_t`, the header key of the turn.
    pub header: [u8; 32],
    /// The number `n` of the next message.
    pub message_number: u32,
    /// The header of the turn's messages without `n`.
    pub head: Vec<u8>,
}

/// Derives the first keys of a session from the session secret.
#[must_use]
pub fn session(secret: &[u8; 32]) -> SessionTrace {
    let keys = SessionSecret::from_bytes(*secret).keys();
    SessionTrace {
        root: *keys.root.expose(),
        chain: *keys.chain.expose(),
        headers: keys.headers.each_ref().map(|key| *key.expose()),
        reset: *keys.reset.expose(),
        id: keys.id.0,
    }
}

/// Derives the message key `mk_n` and the next chain key `CK'` from a chain key.
#[must_use]
pub fn chain_step(chain: &[u8; 32]) -> ([u8; 32], [u8; 32]) {
    let (message, next) = ChainKey::from_bytes(*chain).step();
    (*message.expose(), *next.expose())
}

/// Derives the body key `bk` from a message key and the nonce of the header box.
#[must_use]
pub fn body_key(message_key: &[u8; 32], nonce: &[u8; 12]) -> [u8; 32] {
    *MessageKey::from_bytes(*message_key).ready().body_key(nonce).expose()
}

/// Derives the nonces `r` and `r'` of a message from its key, 32 random bytes, the turn, `head`
/// (the turn's constants and `pn`), the message number, and the content.
#[must_use]
pub fn nonces(
    message_key: &[u8; 32],
    random: &[u8; 32],
    turn: u32,
    head: &[u8],
    message_number: u32,
    content: &[u8],
) -> ([u8; 12], [u8; 12]) {
    let message = Nonced { turn, head, message_number, content };
    let nonces = MessageKey::from_bytes(*message_key).ready().nonces(random, &message);
    (nonces.header, nonces.outer)
}

/// Opens the header of a message of turn `turn` and returns its bytes; `None` if the message is too
/// short or the tag does not verify.
#[must_use]
pub fn open_header(header_key: &[u8; 32], turn: u32, message: &[u8]) -> Option<Vec<u8>> {
    let header = message::open_header(&HeaderKey::from_bytes(*header_key), turn, message)?;
    Some(header.as_bytes().to_vec())
}

/// Computes the keys of one turn as its receiver does: from the root key of the turn before, the
/// receiver's own secrets of that turn, the constants of the new turn and, at turn 1, the
/// initiator's identity. Returns `None` if a constant is missing or not valid.
#[must_use]
pub fn receive_turn(
    root: &[u8; 32],
    turn: u32,
    own_ratchet: &[u8; 32],
    own_kem_seed: &[u8; kem::SEED_LEN],
    constants: &[u8],
    identity: Option<&IdentityKeyPair>,
) -> Option<TurnTrace> {
    let own = x25519::SecretKey::from_bytes(own_ratchet);
    let own_kem = kem::DecapsulationKey::from_seed(own_kem_seed);
    let (ratchet, rest) = constants.split_first_chunk()?;
    let (_kem, rest) = rest.split_first_chunk::<{ kem::ENCAPSULATION_KEY_LEN }>()?;
    let (ciphertext, rest) = rest.split_first_chunk()?;
    let dh = own.diffie_hellman(&x25519::PublicKey::from_bytes(ratchet).ok()?).ok()?;
    let shared = own_kem.decapsulate(ciphertext);
    let for_identity = match (rest.first_chunk(), identity) {
        (Some(ciphertext), Some(identity)) => Some(identity.kem.decapsulate(ciphertext)),
        _ => None,
    };
    let transcript = TurnTranscript {
        turn,
        previous_x25519: own.public_key(),
        previous_kem: own_kem.encapsulation_key().as_bytes(),
        constants,
    };
    let keys = RootKey::from_bytes(*root).turn(&transcript, &dh, &shared, for_identity.as_ref());
    Some(TurnTrace {
        transcript: transcript.hash(),
        root: *keys.root.expose(),
        chain: *keys.chain.expose(),
        header: *keys.header.expose(),
        reset: *keys.reset.expose(),
    })
}

impl Session {
    /// Does the same as [`encrypt`](Session::encrypt), with r and, for an InitialMessage, r' drawn
    /// from `rng` as they are, 12 bytes each.
    ///
    /// # Errors
    /// Fails as [`encrypt`](Session::encrypt) does.
    pub fn hazmat_encrypt(
        &mut self,
        content: &[u8],
        rng: &mut impl CryptoRng,
    ) -> Result<(Blob, ChangeSet), EncryptError> {
        self.encrypt_by(NonceRule::Drawn, content, rng)
    }

    /// Returns the secrets of the newest turn; `None` if that turn is the peer's.
    #[must_use]
    pub fn hazmat_sending(&self) -> Option<SendingTrace> {
        match &self.side {
            Side::Sent(chain) => Some(SendingTrace {
                ratchet: *chain.ratchet.expose(),
                kem_seed: *chain.kem.expose_seed(),
                chain: *chain.chain.expose(),
                header: *chain.header.expose(),
                message_number: chain.message_number,
                head: chain.head.clone(),
            }),
            Side::Received(_) => None,
        }
    }

    /// Returns the reset secret `RS` of the newest received turn; `None` if none was received.
    #[must_use]
    pub fn hazmat_received_reset(&self) -> Option<[u8; 32]> {
        self.resets().received().map(|secret| *secret.expose())
    }

    /// Returns the reset secrets `RS` of the two newest sent turns, newest first.
    #[must_use]
    pub fn hazmat_sent_resets(&self) -> Vec<[u8; 32]> {
        self.resets().sent().map(|secret| *secret.expose()).collect()
    }

    /// Returns the root key `RK` of the newest turn.
    #[must_use]
    pub fn hazmat_root(&self) -> [u8; 32] {
        *self.root.expose()
    }
}

impl core::fmt::Debug for SessionTrace {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("SessionTrace(..)")
    }
}

impl core::fmt::Debug for TurnTrace {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("TurnTrace(..)")
    }
}

impl core::fmt::Debug for SendingTrace {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("SendingTrace(..)")
    }
}
