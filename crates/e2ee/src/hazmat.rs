//! Intermediate values for test vectors. Everything here is secret in earnest: never enable it in an app.
//!
//! Behind the additive feature `hazmat`. Names are those of the spec's chapters 02 to 05.

use crate::{
    bundle::PendingInvite,
    handshake,
    identity::{IdentityKeyPair, IdentitySeed},
    invite::InviteSecret,
    prekeys::{Kind, Prekeys},
    session::{
        NonceRule, Session,
        keys::{
            ChainKey, HeaderKey, MessageKey, Nonced, ResetSecret, RootKey, SessionSecret, TurnTranscript,
        },
        message,
    },
};
use alloc::{boxed::Box, vec::Vec};
use deaddrop_primitives::{aead, kem, x25519};

/// What derives from an [`InviteSecret`].
pub struct InviteTrace {
    /// `read`.
    pub read: [u8; 32],
    /// `k_bundle`.
    pub k_bundle: [u8; 32],
    /// `k_init`.
    pub k_init: [u8; 32],
    /// `psk`.
    pub psk: [u8; 32],
}

/// What the handshake computes, seen from the responder.
pub struct HandshakeTrace {
    /// E, ct_id, ct_pre, id_box.
    pub flight: Vec<u8>,
    /// `hbox` and `bbox` of turn 0.
    pub message: Vec<u8>,
    /// `T1`.
    pub t1: [u8; 32],
    /// `k_id`.
    pub k_id: [u8; 32],
    /// `c1`.
    pub c1: [u8; 32],
    /// `Id_A`.
    pub id_a: Vec<u8>,
    /// `T2`.
    pub t2: [u8; 32],
    /// `S`.
    pub s: [u8; 32],
}

/// What the session secret yields.
pub struct SessionTrace {
    /// `RK_0`.
    pub root: [u8; 32],
    /// `CK_0`.
    pub chain: [u8; 32],
    /// `HK_0`, `HK_1`, `HK_2`.
    pub headers: [[u8; 32]; 3],
    /// `RS_0`.
    pub reset: [u8; 32],
    /// `SID`.
    pub id: [u8; 16],
}

/// What one turn yields.
pub struct TurnTrace {
    /// `X_t`.
    pub transcript: [u8; 32],
    /// `RK_t`.
    pub root: [u8; 32],
    /// `CK_t`.
    pub chain: [u8; 32],
    /// `HK_{t+2}`.
    pub header: [u8; 32],
    /// `RS_t`.
    pub reset: [u8; 32],
}

/// The secrets of an own turn that was not answered yet.
pub struct SendingTrace {
    /// The secret of rk_t.
    pub ratchet: [u8; 32],
    /// The seed of ek_t.
    pub kem_seed: [u8; kem::SEED_LEN],
    /// The chain key of the next message.
    pub chain: [u8; 32],
    /// `HK_t`.
    pub header: [u8; 32],
    /// The next `n`.
    pub message_number: u32,
    /// The header without `n`.
    pub head: Vec<u8>,
}

/// Ed25519, X25519 and ML-KEM secrets of a seed.
#[must_use]
pub fn identity_secrets(seed: &[u8; 32]) -> ([u8; 32], [u8; 32], [u8; kem::SEED_LEN]) {
    let pair = IdentityKeyPair::from_seed(IdentitySeed::from_bytes(*seed));
    (crate::identity::signing_secret(pair.seed()), *pair.x25519.expose(), *pair.kem.expose_seed())
}

/// The keys of an invite.
#[must_use]
pub fn invite(secret: &[u8; 32]) -> InviteTrace {
    let keys = InviteSecret::from_bytes(*secret).keys();
    InviteTrace {
        read: *keys.read.expose(),
        k_bundle: *keys.bundle.expose(),
        k_init: *keys.initial.expose(),
        psk: *keys.psk.expose(),
    }
}

/// `k_init`, soft `psk` with a reset secret, and hard `psk`, of the hash of a reset bundle.
#[must_use]
pub fn reset(hash: &[u8; 32], secret: &[u8; 32]) -> ([u8; 32], [u8; 32], [u8; 32]) {
    crate::reset::trace(hash, secret)
}

/// A reset bundle: its hash, prekey secrets and body.
pub struct ResetBundleTrace {
    /// `h`.
    pub hash: [u8; 32],
    /// The X25519 prekey's secret.
    pub px: [u8; 32],
    /// The ML-KEM prekey's seed.
    pub pk: [u8; kem::SEED_LEN],
    /// What the contact gets.
    pub body: Vec<u8>,
    pending: crate::reset::PendingReset,
}

impl core::fmt::Debug for ResetBundleTrace {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("ResetBundleTrace(..)")
    }
}

/// What came of an InitialMessage on a reset bundle.
pub enum ResetOutcome {
    /// A session, its first content, and the place of the proof that fitted (`None`: hard).
    Accepted(Box<Session>, Vec<u8>, Option<usize>),
    /// Proved by the identity alone, and the user has not agreed.
    Hard,
    /// By no proof that counts.
    Stale,
    /// A known session's handshake.
    Known,
    /// Refused.
    Refused(crate::AcceptError),
}

/// What a reset is accepted by.
#[derive(Clone, Copy, Debug)]
pub struct ResetRules<'a> {
    /// Reset secrets that count.
    pub proofs: &'a [[u8; 32]],
    /// The user has agreed to a hard reset.
    pub agreed: bool,
    /// Who the contact is.
    pub peer: &'a crate::IdentityHash,
    /// Sessions that are or were held.
    pub held: &'a [[u8; 16]],
    /// SHA-256 of the flights of the sessions that the bundle has begun before.
    pub begun: &'a [[u8; 32]],
}

/// Makes a reset bundle. Draws salt 32, X25519 prekey 32, ML-KEM prekey 64.
#[must_use]
pub fn create_reset_bundle(
    identity: &IdentityKeyPair,
    not_after: deaddrop_wire::Day,
    address: &[u8],
    rng: &mut impl rand_core::CryptoRng,
) -> Option<ResetBundleTrace> {
    let (pending, body) = crate::reset::PendingReset::create(identity, not_after, address, rng).ok()?;
    let (hash, px, pk) = pending.trace();
    Some(ResetBundleTrace { hash, px, pk, body, pending })
}

impl ResetBundleTrace {
    /// What the bundle's owner does with an envelope.
    #[must_use]
    pub fn attempt(
        &self,
        identity: &IdentityKeyPair,
        envelope: &[u8],
        rules: &ResetRules<'_>,
        today: deaddrop_wire::Day,
    ) -> ResetOutcome {
        use crate::reset::Attempt;
        let proofs: Vec<_> = rules.proofs.iter().map(|proof| ResetSecret::from_bytes(*proof)).collect();
        let proofs: Vec<&ResetSecret> = proofs.iter().collect();
        let is_held = |id: &crate::SessionId| rules.held.contains(&id.0);
        let mut pending = self.pending.begun(rules.begun);
        let rules = crate::reset::Rules { proofs: &proofs, agreed: rules.agreed, peer: rules.peer };
        if rules.agreed {
            // Nobody agrees to what was not asked.
            let asking = crate::reset::Rules { agreed: false, ..rules };
            let _ = pending.attempt(identity, envelope, &asking, is_held, today);
        }
        match pending.attempt(identity, envelope, &rules, is_held, today) {
            Ok(Attempt::Accepted { session, content, proof }) => {
                ResetOutcome::Accepted(session, content.to_vec(), proof)
            }
            Ok(Attempt::Hard { .. }) => ResetOutcome::Hard,
            Ok(Attempt::Stale) => ResetOutcome::Stale,
            Ok(Attempt::Known) => ResetOutcome::Known,
            Err(error) => ResetOutcome::Refused(error),
        }
    }
}

/// A reset bundle of the contact that passed every check.
#[derive(Debug)]
pub struct OpenedResetBundle {
    /// `h`.
    pub hash: [u8; 32],
    /// The encoded mailbox address; empty: the mailbox in use.
    pub address: Vec<u8>,
    /// The last day on which it can be used.
    pub not_after: deaddrop_wire::Day,
}

/// Checks a reset bundle as the contact of its maker does when it arrives.
///
/// # Errors
/// As for any bundle.
pub fn open_reset_bundle(
    body: &[u8],
    own: &crate::IdentityHash,
    peer: &crate::IdentityHash,
    today: deaddrop_wire::Day,
) -> Result<OpenedResetBundle, crate::BundleError> {
    let taken = crate::reset::PeerBundle::from_content(body, own, peer, today)?;
    let (hash, address, not_after) = taken.usable(own, peer, today)?.trace();
    Ok(OpenedResetBundle { hash, address, not_after })
}

/// Begins a session on a reset bundle, with a proof or without. Draws as [`Session::initiate`].
///
/// # Errors
/// As for any bundle.
pub fn initiate_reset(
    identity: &IdentityKeyPair,
    body: &[u8],
    peer: &crate::IdentityHash,
    proof: Option<&[u8; 32]>,
    today: deaddrop_wire::Day,
    rng: &mut impl rand_core::CryptoRng,
) -> Result<Session, crate::BundleError> {
    let own = identity.identity_key().hash();
    let bundle = crate::reset::PeerBundle::from_content(body, own, peer, today)?;
    let proof = proof.map(|proof| ResetSecret::from_bytes(*proof));
    let usable = bundle.usable(own, peer, today)?;
    usable.initiate(identity, proof.as_ref(), rng).map_err(|_| crate::BundleError::BadKey)
}

/// Signs and seals any body as a bundle: the secret of its link, and the blob.
#[must_use]
pub fn seal_bundle(signer: &IdentityKeyPair, body: &[u8], nonce: &[u8; 12]) -> Option<([u8; 32], Vec<u8>)> {
    crate::bundle::seal_body(signer, body, Some(nonce)).map(|(secret, blob)| (*secret.expose(), blob))
}

/// What the handshake computes for an InitialMessage; `None` when it does not get as far as `S`.
#[must_use]
pub fn handshake(
    invite: &PendingInvite,
    identity: &IdentityKeyPair,
    envelope: &[u8],
) -> Option<HandshakeTrace> {
    handshake::trace(invite, identity, envelope)
}

/// The first keys of a session.
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

/// `mk_n` and `CK'` of a chain key.
#[must_use]
pub fn chain_step(chain: &[u8; 32]) -> ([u8; 32], [u8; 32]) {
    let (message, next) = ChainKey::from_bytes(*chain).step();
    (*message.expose(), *next.expose())
}

/// `bk` of a message key and a nonce.
#[must_use]
pub fn body_key(message_key: &[u8; 32], nonce: &[u8; 12]) -> [u8; 32] {
    *MessageKey::from_bytes(*message_key).ready().body_key(nonce).expose()
}

/// `r` and `r'` of a message: from its key, 32 random bytes, the turn, constants and `pn`, `n`, and the content.
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

/// The nonce of an invite's sealed bundle.
#[must_use]
pub fn invite_nonce(secret: &[u8; 32]) -> [u8; 12] {
    InviteSecret::from_bytes(*secret).keys().nonce
}

/// [`PendingInvite::create`] with a nonce of 12 bytes that is drawn last.
///
/// # Errors
/// As there.
pub fn create_invite(
    identity: &IdentityKeyPair,
    not_after: deaddrop_wire::Day,
    address: &[u8],
    rng: &mut impl rand_core::CryptoRng,
) -> Result<(PendingInvite, Vec<u8>), crate::AddressTooLong> {
    let (prekeys, body) = Prekeys::generate(Kind::Invite, identity, not_after, address, rng)?;
    let mut nonce = [0; aead::NONCE_LEN];
    rng.fill_bytes(&mut nonce);
    let (secret, blob) =
        crate::bundle::seal_body(identity, &body, Some(&nonce)).ok_or(crate::AddressTooLong)?;
    Ok((PendingInvite { secret, prekeys }, blob))
}

/// The header of a message of this turn.
#[must_use]
pub fn open_header(header_key: &[u8; 32], turn: u32, message: &[u8]) -> Option<Vec<u8>> {
    let header = message::open_header(&HeaderKey::from_bytes(*header_key), turn, message)?;
    Some(header.as_bytes().to_vec())
}

/// One turn, computed by its receiver: secrets of the turn before, constants of the new one, and at turn 1 the
/// initiator's identity.
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
    /// [`encrypt`](Session::encrypt) with r and, for an InitialMessage, r' drawn from `rng` as they are, 12 bytes each.
    ///
    /// # Errors
    /// As there.
    pub fn hazmat_encrypt(
        &mut self,
        content: &[u8],
        rng: &mut impl rand_core::CryptoRng,
    ) -> Result<(crate::Blob, crate::ChangeSet), crate::EncryptError> {
        self.encrypt_by(NonceRule::Drawn, content, rng)
    }

    /// The secrets of the newest turn, if it is an own one.
    #[must_use]
    pub fn hazmat_sending(&self) -> Option<SendingTrace> {
        self.sending_trace()
    }

    /// `RS` of the newest received turn, if there was one.
    #[must_use]
    pub fn hazmat_received_reset(&self) -> Option<[u8; 32]> {
        self.resets().received().map(|secret| *secret.expose())
    }

    /// `RS` of the two newest sent turns, newest first.
    #[must_use]
    pub fn hazmat_sent_resets(&self) -> Vec<[u8; 32]> {
        self.resets().sent().map(|secret| *secret.expose()).collect()
    }

    /// `RK` of the newest turn.
    #[must_use]
    pub fn hazmat_root(&self) -> [u8; 32] {
        self.root_trace()
    }
}

/// What is open here is open to who asks for it by name, and not in a log.
macro_rules! silent {
    ($($name:ident)*) => {
        $(impl core::fmt::Debug for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str(concat!(stringify!($name), "(..)"))
            }
        })*
    };
}
silent! { InviteTrace HandshakeTrace SessionTrace TurnTrace SendingTrace ResetOutcome }
