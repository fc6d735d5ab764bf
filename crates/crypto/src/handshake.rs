//! The handshake: one InitialMessage from who accepts an invite to who made it (spec/04-handshake.md).
//!
//! Noise IK's order (es, s, ss) with an encapsulation to identity and prekey; the bundle's hash stands for the whole of the
//! responder's side, and the transcript is in every key.

use crate::{
    bundle::{PendingInvite, VerifiedBundle},
    content::{self, Content},
    identity::{IDENTITY_KEY_LEN, IdentityHash, IdentityKey, IdentityKeyPair},
    invite::{InitialKey, InviteSecret, Psk},
    labels,
    session::{
        ChangeSet, Session,
        keys::SessionSecret,
        message::{constants_len, open_header},
    },
};
use alloc::{boxed::Box, vec::Vec};
use deaddrop_primitives::{
    aead::{self, NONCE_LEN, TAG_LEN},
    hash::sha256,
    hkdf, kem, secret_bytes, x25519,
};
use deaddrop_wire::{Day, SizeClass};
use rand_core::CryptoRng;
use zeroize::Zeroizing;

/// E, ct_id, ct_pre, id_box: the same in every InitialMessage of a session.
pub(crate) const FLIGHT_LEN: usize = x25519::KEY_LEN + 2 * kem::CIPHERTEXT_LEN + IDENTITY_KEY_LEN + TAG_LEN;

const NONCE_0: [u8; NONCE_LEN] = [0; NONCE_LEN];

secret_bytes! {
    struct IdentityBoxKey[32];
}
secret_bytes! {
    struct HandshakeChainKey[32];
}

/// The four secrets of the first step.
struct FirstSecrets<'a> {
    dh_identity: &'a x25519::SharedSecret,
    dh_prekey: &'a x25519::SharedSecret,
    kem_identity: &'a kem::SharedSecret,
    kem_prekey: &'a kem::SharedSecret,
}

/// No session can be begun with this bundle: a key of it has low order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadBundleKey;

impl core::fmt::Display for BadBundleKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("the invite holds an invalid key; do not use it")
    }
}

impl core::error::Error for BadBundleKey {}

/// An InitialMessage was not accepted. Nothing was written; the invite stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AcceptError {
    /// Not made with this invite's link, or changed on its way: count it and ack it.
    Junk,
    /// The invite's last day has passed.
    Expired,
    /// Sent by oneself.
    Own,
    /// The sender is blocked.
    Blocked,
    /// The sender broke the protocol or sent an invalid key: its software is at fault.
    PeerMisbehaved,
}

impl core::fmt::Display for AcceptError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Junk => "not a first message for this invite; drop it",
            Self::Expired => "the invite has expired; make a new one",
            Self::Own => "a first message from oneself; drop it",
            Self::Blocked => "the sender is blocked; drop the message",
            Self::PeerMisbehaved => "the peer broke the protocol; drop the message",
        })
    }
}

impl core::error::Error for AcceptError {}

/// A session that an invite led to.
#[derive(Debug)]
pub struct Accepted {
    /// The session.
    pub session: Session,
    /// Who accepted the invite.
    pub peer: IdentityKey,
    /// The first content; it begins with [`Content::Hello`].
    pub content: Zeroizing<Vec<u8>>,
    /// What to store; the invite's secrets go in the same batch.
    pub changes: ChangeSet,
}

impl Session {
    /// Begins a session as the one who accepts an invite. The first envelope comes from
    /// [`encrypt`](Session::encrypt); its content, and that of every message until an answer comes, begins with
    /// [`Content::Hello`].
    ///
    /// Draws from `rng`: ephemeral key 32, encapsulation to the identity 32, to the prekey 32, ratchet key 32, ML-KEM seed 64.
    ///
    /// # Errors
    /// [`BadBundleKey`].
    pub fn initiate(
        identity: &IdentityKeyPair,
        bundle: &VerifiedBundle,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<(Self, ChangeSet), BadBundleKey> {
        let ephemeral = x25519::SecretKey::generate(rng);
        let (ct_id, kem_identity) = bundle.identity.kem.encapsulate(rng);
        let (ct_pre, kem_prekey) = bundle.prekey_kem.encapsulate(rng);
        let ratchet = x25519::SecretKey::generate(rng);
        let ratchet_kem = kem::DecapsulationKey::generate(rng);
        let dh = |secret: &x25519::SecretKey, public| secret.diffie_hellman(public).map_err(|_| BadBundleKey);
        let first = FirstSecrets {
            dh_identity: &dh(&ephemeral, &bundle.identity.x25519)?,
            dh_prekey: &dh(&ephemeral, &bundle.prekey_x25519)?,
            kem_identity: &kem_identity,
            kem_prekey: &kem_prekey,
        };
        let mut flight = Vec::with_capacity(FLIGHT_LEN);
        flight.extend_from_slice(ephemeral.public_key().as_bytes());
        flight.extend_from_slice(&ct_id);
        flight.extend_from_slice(&ct_pre);
        let t1 = transcript_1(&bundle.secret, &flight);
        let (box_key, chain) = first_step(&bundle.keys.psk, &first, &t1);
        let own = identity.identity_key().as_bytes();
        flight.extend_from_slice(&aead::seal(box_key.expose(), &NONCE_0, &t1, own));
        let prekey_dh = dh(&identity.x25519, &bundle.prekey_x25519)?;
        let identity_dh = dh(&identity.x25519, &bundle.identity.x25519)?;
        let secret = second_step(&chain, &prekey_dh, &identity_dh, &transcript_2(&t1, own));
        let key = bundle.keys.initial.duplicate();
        let session =
            Self::begin_initiator(&bundle.identity, secret.keys(), ratchet, ratchet_kem, key, flight);
        let changes = session.first_changes(false);
        Ok((session, changes))
    }
}

impl PendingInvite {
    /// Accepts the first InitialMessage that came by this invite. On success the invite is used up.
    ///
    /// # Errors
    /// See [`AcceptError`]; the invite is as it was.
    pub fn accept(
        &self,
        identity: &IdentityKeyPair,
        envelope: &[u8],
        is_blocked: impl FnOnce(&IdentityHash) -> bool,
        today: Day,
    ) -> Result<Accepted, AcceptError> {
        use AcceptError::{Blocked, Expired, Junk, Own, PeerMisbehaved};
        if !matches!(SizeClass::of_len(envelope.len()), Some(SizeClass::Medium | SizeClass::Large)) {
            return Err(Junk); // C-40: an InitialMessage has 16 or 64 KiB.
        }
        let keys = self.secret.keys();
        // C-41: made by someone who knows the link; the only work for anyone else.
        let (flight, message) = open_initial(&keys.initial, envelope).ok_or(Junk)?;
        if self.not_after < today {
            return Err(Expired); // C-42: not past the invite's last day.
        }
        let first = self.open_flight(identity, &keys.psk, &flight)?;
        // C-45: the identity's keys are valid.
        let peer = IdentityKey::from_bytes(&first.initiator).map_err(|_| PeerMisbehaved)?;
        if peer.hash().is(identity.identity_key().hash()) {
            return Err(Own); // C-46: not oneself.
        }
        if is_blocked(peer.hash()) {
            return Err(Blocked); // C-47: not blocked.
        }
        let keys_of_session = self.session_secret(identity, &first, &peer)?.keys();
        // C-49: the header is authentic.
        let [header_key, ..] = &keys_of_session.headers;
        let header = open_header(header_key, 0, &message).ok_or(Junk)?;
        let constants = header.constants();
        if constants.len() != constants_len(0) || header.previous_chain_length() != 0 {
            return Err(PeerMisbehaved); // C-50: turn 0 follows nothing.
        }
        // C-51: the initiator's first ratchet keys are valid.
        let (ratchet, ratchet_kem) = constants.split_first_chunk().ok_or(PeerMisbehaved)?;
        let ratchet = x25519::PublicKey::from_bytes(ratchet).map_err(|_| PeerMisbehaved)?;
        let ratchet_kem = ratchet_kem.as_array().ok_or(PeerMisbehaved)?;
        let ratchet_kem = kem::EncapsulationKey::from_bytes(ratchet_kem).map_err(|_| PeerMisbehaved)?;
        let key = keys.initial;
        let hash = sha256(&[&flight]);
        let mut session = Session::begin_responder(&peer, keys_of_session, ratchet, ratchet_kem, key, hash);
        // The session is new: if the body does not open it is dropped with all it holds.
        let opened = session.decrypt(identity, envelope, today).map_err(|error| match error {
            crate::session::DecryptError::PeerMisbehaved => PeerMisbehaved,
            _ => Junk,
        })?;
        // C-52: the content begins with Hello.
        match content::decode(&opened.content).as_deref() {
            Ok([Content::Hello { .. }, ..]) => {}
            _ => return Err(PeerMisbehaved),
        }
        let changes = session.first_changes(true);
        Ok(Accepted { session, peer, content: opened.content, changes })
    }

    /// The first step: up to the initiator's identity, which is not checked yet.
    fn open_flight(
        &self,
        identity: &IdentityKeyPair,
        psk: &Psk,
        flight: &[u8],
    ) -> Result<FirstStep, AcceptError> {
        use AcceptError::{Junk, PeerMisbehaved};
        let fields = Flight::parse(flight).ok_or(Junk)?;
        // C-43: E is canonical, and not of low order.
        let ephemeral = x25519::PublicKey::from_bytes(fields.ephemeral).map_err(|_| PeerMisbehaved)?;
        let dh = |secret: &x25519::SecretKey| secret.diffie_hellman(&ephemeral).map_err(|_| PeerMisbehaved);
        let secrets = FirstSecrets {
            dh_identity: &dh(&identity.x25519)?,
            dh_prekey: &dh(&self.prekey_x25519)?,
            kem_identity: &identity.kem.decapsulate(fields.ct_id),
            kem_prekey: &self.prekey_kem.decapsulate(fields.ct_pre),
        };
        let t1 = transcript_1(&self.secret, fields.public);
        let (box_key, chain) = first_step(psk, &secrets, &t1);
        // C-44: the identity was sealed to this bundle's owner.
        let opened = aead::open(box_key.expose(), &NONCE_0, &t1, fields.identity_box).map_err(|_| Junk)?;
        let initiator = Box::new(*opened.as_array().ok_or(Junk)?);
        Ok(FirstStep { t1, box_key, chain, initiator })
    }

    /// The second step, with the initiator's checked identity.
    fn session_secret(
        &self,
        identity: &IdentityKeyPair,
        first: &FirstStep,
        peer: &IdentityKey,
    ) -> Result<SessionSecret, AcceptError> {
        // C-48: no low order in the identity either.
        let dh = |secret: &x25519::SecretKey| {
            secret.diffie_hellman(&peer.x25519).map_err(|_| AcceptError::PeerMisbehaved)
        };
        let (prekey_dh, identity_dh) = (dh(&self.prekey_x25519)?, dh(&identity.x25519)?);
        Ok(second_step(&first.chain, &prekey_dh, &identity_dh, &transcript_2(&first.t1, peer.as_bytes())))
    }
}

/// What the first step yields.
struct FirstStep {
    t1: [u8; 32],
    #[cfg_attr(not(feature = "hazmat"), allow(dead_code, reason = "shown in traces only"))]
    box_key: IdentityBoxKey,
    chain: HandshakeChainKey,
    initiator: Box<[u8; IDENTITY_KEY_LEN]>,
}

/// Opens the outer box of an InitialMessage: the hash of its flight, and the message behind it.
pub(crate) fn split_initial(key: &InitialKey, envelope: &[u8]) -> Option<([u8; 32], Vec<u8>)> {
    open_initial(key, envelope).map(|(flight, message)| (sha256(&[&flight]), message))
}

/// Flight and message.
fn open_initial(key: &InitialKey, envelope: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let (nonce, sealed) = envelope.split_first_chunk()?;
    let mut flight = aead::open(key.expose(), nonce, labels::INITIAL, sealed).ok()?;
    let message = flight.get(FLIGHT_LEN..)?.to_vec();
    flight.truncate(FLIGHT_LEN);
    Some((flight, message))
}

/// All intermediate values, for vectors.
#[cfg(feature = "hazmat")]
pub(crate) fn trace(
    invite: &PendingInvite,
    identity: &IdentityKeyPair,
    envelope: &[u8],
) -> Option<crate::hazmat::HandshakeTrace> {
    let keys = invite.secret.keys();
    let (flight, message) = open_initial(&keys.initial, envelope)?;
    let first = invite.open_flight(identity, &keys.psk, &flight).ok()?;
    let peer = IdentityKey::from_bytes(&first.initiator).ok()?;
    let secret = invite.session_secret(identity, &first, &peer).ok()?;
    Some(crate::hazmat::HandshakeTrace {
        flight,
        message,
        t1: first.t1,
        k_id: *first.box_key.expose(),
        c1: *first.chain.expose(),
        id_a: first.initiator.to_vec(),
        t2: transcript_2(&first.t1, &first.initiator),
        s: *secret.expose(),
    })
}

/// The parts of a flight.
struct Flight<'a> {
    public: &'a [u8],
    ephemeral: &'a [u8; x25519::KEY_LEN],
    ct_id: &'a [u8; kem::CIPHERTEXT_LEN],
    ct_pre: &'a [u8; kem::CIPHERTEXT_LEN],
    identity_box: &'a [u8],
}

impl<'a> Flight<'a> {
    fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (ephemeral, rest) = bytes.split_first_chunk()?;
        let (ct_id, rest) = rest.split_first_chunk()?;
        let (ct_pre, identity_box) = rest.split_first_chunk()?;
        let public = bytes.get(..bytes.len().checked_sub(identity_box.len())?)?;
        Some(Self { public, ephemeral, ct_id, ct_pre, identity_box })
    }
}

/// `public` is E, ct_id and ct_pre.
fn transcript_1(secret: &InviteSecret, public: &[u8]) -> [u8; 32] {
    sha256(&[labels::HANDSHAKE_1, secret.expose(), public])
}

fn transcript_2(t1: &[u8; 32], initiator: &[u8; IDENTITY_KEY_LEN]) -> [u8; 32] {
    sha256(&[labels::HANDSHAKE_2, t1, initiator])
}

fn first_step(psk: &Psk, secrets: &FirstSecrets<'_>, t1: &[u8; 32]) -> (IdentityBoxKey, HandshakeChainKey) {
    let ikm: [&[u8]; 4] = [
        secrets.dh_identity.expose(),
        secrets.dh_prekey.expose(),
        secrets.kem_identity.expose(),
        secrets.kem_prekey.expose(),
    ];
    let prk = hkdf::extract(psk.expose(), &ikm);
    let exp = prk.ready();
    (
        IdentityBoxKey::from_bytes(exp.expand(&[labels::HANDSHAKE_IDENTITY, t1])),
        HandshakeChainKey::from_bytes(exp.expand(&[labels::HANDSHAKE_CHAIN, t1])),
    )
}

fn second_step(
    chain: &HandshakeChainKey,
    prekey_dh: &x25519::SharedSecret,
    identity_dh: &x25519::SharedSecret,
    t2: &[u8; 32],
) -> SessionSecret {
    let prk = hkdf::extract(chain.expose(), &[prekey_dh.expose(), identity_dh.expose()]);
    SessionSecret::from_bytes(prk.expand(&[labels::HANDSHAKE_SESSION, t2]))
}
