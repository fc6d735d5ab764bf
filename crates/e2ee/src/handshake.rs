//! The handshake: one InitialMessage from the person who accepts an invite to the one who made it
//! (spec/04-handshake.md).
//!
//! Noise IK's order (es, s, ss) with an encapsulation to identity and prekey; the bundle's hash
//! stands for the whole of the responder's side, and the transcript is in every key.

pub(crate) mod keys;
#[cfg(feature = "hazmat")]
pub(crate) mod trace;

use crate::{
    bundle::{
        PendingInvite, VerifiedBundle,
        body::{Bundle, Prekeys},
    },
    content,
    identity::{IDENTITY_KEY_LEN, IdentityHash, IdentityKey, IdentityKeyPair},
    session::{
        ChangeSet, DecryptError, Session,
        initial::{FLIGHT_LEN, InitialKey, OpenedInitial},
        keys::SessionSecret,
        message::open_header,
    },
};
use alloc::{boxed::Box, vec::Vec};
use deaddrop_primitives::{
    aead::{self, NONCE_LEN},
    kem, x25519,
};
use deaddrop_wire::{Day, SizeClass};
use keys::{FirstSecrets, HandshakeChainKey, IdentityBoxKey, Psk, second_step, transcript_1, transcript_2};
use rand_core::CryptoRng;
use zeroize::Zeroizing;

const NONCE_0: [u8; NONCE_LEN] = [0; NONCE_LEN];

/// The error of beginning a session with a bundle that holds a key of low order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the invite holds an invalid key; do not use it")]
pub struct BadBundleKey;

/// The error of an InitialMessage that was not accepted. Nothing changed, and the invite can still
/// be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AcceptError {
    /// The envelope was not made with this invite's link, or was changed on its way. Acknowledge
    /// it.
    #[error("not a first message for this invite; drop it")]
    Junk,
    /// The invite's last day has passed.
    #[error("the invite has expired; make a new one")]
    Expired,
    /// The user's own identity sent the message.
    #[error("a first message from oneself; drop it")]
    Own,
    /// The function `is_blocked` returned `true` for the sender.
    #[error("the sender is blocked; drop the message")]
    Blocked,
    /// The sender broke the protocol or sent an invalid key. Its software is at fault.
    #[error("the peer broke the protocol; drop the message")]
    PeerMisbehaved,
}

/// The result of accepting a first message: a session that began with an own invite.
pub struct Accepted {
    /// The new session.
    pub session: Session,
    /// Identity of the person who accepted the invite. Its keys are checked.
    pub peer: IdentityKey,
    /// The first content, encoded; [`Content::Hello`](crate::content::Content::Hello) is its first
    /// item of a known type.
    pub content: Zeroizing<Vec<u8>>,
    /// The changes to store. Remove the invite's secrets in the same batch.
    pub changes: ChangeSet,
}

impl core::fmt::Debug for Accepted {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Accepted").field("changes", &self.changes).finish_non_exhaustive()
    }
}

impl Session {
    /// Begins a session as the person who accepts an invite. Returns the session, and the change
    /// set with its first rows. The first envelope comes from [`encrypt`](Session::encrypt); its
    /// content, and that of every message until an answer comes, begins with
    /// [`Content::Hello`](crate::content::Content::Hello).
    ///
    /// Draws from `rng`: ephemeral key 32 bytes, encapsulation to the identity 32, to the prekey
    /// 32, ratchet key 32, ML-KEM seed 64.
    ///
    /// # Errors
    /// Fails with [`BadBundleKey`].
    pub fn initiate(
        identity: &IdentityKeyPair,
        bundle: &VerifiedBundle,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<(Self, ChangeSet), BadBundleKey> {
        let target = Target {
            bundle: &bundle.bundle,
            hash: bundle.secret.expose(),
            psk: &bundle.keys.psk,
            initial: bundle.keys.initial.duplicate(),
        };
        let session = target.initiate(identity, rng)?;
        let changes = session.first_changes(false);
        Ok((session, changes))
    }
}

impl PendingInvite {
    /// Accepts the first InitialMessage that came by this invite. On success the invite is used up.
    /// `is_blocked` tells whether the user has blocked the person of this identity.
    ///
    /// # Errors
    /// Fails with [`AcceptError`]; the invite is as it was.
    pub fn accept(
        &self,
        identity: &IdentityKeyPair,
        envelope: &[u8],
        is_blocked: impl FnOnce(&IdentityHash) -> bool,
        today: Day,
    ) -> Result<Accepted, AcceptError> {
        let keys = self.secret.keys();
        let awaiting = self.awaiting(identity);
        let initial = awaiting.open_outer(keys.initial, envelope, today)?;
        let flight = awaiting.open_flight(&initial.opened.flight)?;
        let first = flight.with_psk(&keys.psk).ok_or(AcceptError::Junk)?;
        let (session, peer, content) = awaiting.finish(first, initial, envelope, is_blocked, today)?;
        let changes = session.first_changes(true);
        Ok(Accepted { session, peer, content, changes })
    }

    fn awaiting<'a>(&'a self, identity: &'a IdentityKeyPair) -> Awaiting<'a> {
        Awaiting { identity, hash: self.secret.expose(), prekeys: &self.prekeys }
    }
}

/// The initiator's input of the handshake: a bundle of the recipient, its hash, and the keys that
/// both sides have before.
pub(crate) struct Target<'a> {
    pub(crate) bundle: &'a Bundle,
    pub(crate) hash: &'a [u8; 32],
    pub(crate) psk: &'a Psk,
    pub(crate) initial: InitialKey,
}

impl Target<'_> {
    pub(crate) fn initiate(
        self,
        identity: &IdentityKeyPair,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Session, BadBundleKey> {
        let bundle = self.bundle;
        let ephemeral = x25519::SecretKey::generate(rng);
        let (ct_id, kem_identity) = bundle.identity.kem.encapsulate(rng);
        let (ct_pre, kem_prekey) = bundle.prekey_kem.encapsulate(rng);
        let ratchet = x25519::SecretKey::generate(rng);
        let ratchet_kem = kem::DecapsulationKey::generate(rng);
        let dh = |secret: &x25519::SecretKey, public| secret.diffie_hellman(public).map_err(|_| BadBundleKey);
        let secrets = FirstSecrets {
            dh_identity: dh(&ephemeral, &bundle.identity.x25519)?,
            dh_prekey: dh(&ephemeral, &bundle.prekey_x25519)?,
            kem_identity,
            kem_prekey,
        };
        let mut flight = Vec::with_capacity(FLIGHT_LEN);
        flight.extend_from_slice(ephemeral.public_key().as_bytes());
        flight.extend_from_slice(&ct_id);
        flight.extend_from_slice(&ct_pre);
        let t1 = transcript_1(self.hash, &flight);
        let (box_key, chain) = secrets.step(self.psk, &t1);
        let own = identity.identity_key().as_bytes();
        flight.extend_from_slice(&aead::seal(box_key.expose(), &NONCE_0, &t1, own));
        let prekey_dh = dh(&identity.x25519, &bundle.prekey_x25519)?;
        let identity_dh = dh(&identity.x25519, &bundle.identity.x25519)?;
        let secret = second_step(&chain, &prekey_dh, &identity_dh, &transcript_2(&t1, own));
        Ok(Session::begin_initiator(
            &bundle.identity,
            secret.keys(),
            ratchet,
            ratchet_kem,
            self.initial,
            flight,
        ))
    }
}

/// The responder's input of the handshake: its identity, and the secrets of one own bundle.
pub(crate) struct Awaiting<'a> {
    pub(crate) identity: &'a IdentityKeyPair,
    pub(crate) hash: &'a [u8; 32],
    pub(crate) prekeys: &'a Prekeys,
}

/// An InitialMessage whose outer box opened, with the key that opened it.
pub(crate) struct InitialMessage {
    key: InitialKey,
    pub(crate) opened: OpenedInitial,
}

impl Awaiting<'_> {
    /// Opens the outer box of an envelope, by one tag check. A sender who does not know the bundle
    /// can cause no other work.
    pub(crate) fn open_outer(
        &self,
        key: InitialKey,
        envelope: &[u8],
        today: Day,
    ) -> Result<InitialMessage, AcceptError> {
        use AcceptError::{Expired, Junk};
        if !matches!(SizeClass::of_len(envelope.len()), Some(SizeClass::Medium | SizeClass::Large)) {
            return Err(Junk); // C-40: an InitialMessage has 16 or 64 KiB.
        }
        // C-41: made by someone who knows the bundle.
        let opened = OpenedInitial::open(&key, envelope).ok_or(Junk)?;
        if self.prekeys.not_after < today {
            return Err(Expired); // C-42: not past the bundle's last day.
        }
        Ok(InitialMessage { key, opened })
    }

    /// Computes the Diffie-Hellman and KEM secrets of a flight. They do not depend on the
    /// pre-shared secret ([`Psk`]), so that several of these can be tried afterwards.
    pub(crate) fn open_flight<'b>(&self, flight: &'b [u8]) -> Result<OpenFlight<'b>, AcceptError> {
        use AcceptError::{Junk, PeerMisbehaved};
        let fields = Flight::parse(flight).ok_or(Junk)?;
        // C-43: E is valid.
        let ephemeral = x25519::PublicKey::from_bytes(fields.ephemeral).map_err(|_| PeerMisbehaved)?;
        let dh = |secret: &x25519::SecretKey| secret.diffie_hellman(&ephemeral).map_err(|_| PeerMisbehaved);
        let secrets = FirstSecrets {
            dh_identity: dh(&self.identity.x25519)?,
            dh_prekey: dh(&self.prekeys.x25519)?,
            kem_identity: self.identity.kem.decapsulate(fields.ct_id),
            kem_prekey: self.prekeys.kem.decapsulate(fields.ct_pre),
        };
        let t1 = transcript_1(self.hash, fields.public);
        Ok(OpenFlight { t1, secrets, identity_box: fields.identity_box })
    }

    /// Checks the initiator's identity, begins the session and opens the first content. Returns the
    /// three.
    pub(crate) fn finish(
        &self,
        first: FirstStep,
        initial: InitialMessage,
        envelope: &[u8],
        is_blocked: impl FnOnce(&IdentityHash) -> bool,
        today: Day,
    ) -> Result<(Session, IdentityKey, Zeroizing<Vec<u8>>), AcceptError> {
        use AcceptError::{Blocked, Junk, Own, PeerMisbehaved};
        // C-45: the identity's keys are valid.
        let peer = IdentityKey::from_bytes(&first.initiator).map_err(|_| PeerMisbehaved)?;
        if peer.hash() == self.identity.identity_key().hash() {
            return Err(Own); // C-46: not oneself.
        }
        if is_blocked(peer.hash()) {
            return Err(Blocked); // C-47: not blocked.
        }
        let keys = self.session_secret(&first, &peer)?.keys();
        // C-49: the header is authentic.
        let [header_key, ..] = &keys.headers;
        let header = open_header(header_key, 0, &initial.opened.message).ok_or(Junk)?;
        if header.previous_chain_length() != 0 {
            return Err(PeerMisbehaved); // C-50: turn 0 follows nothing.
        }
        // C-51: the initiator's first ratchet keys are valid.
        let (ratchet, ratchet_kem) = header.constants().split_first_chunk().ok_or(PeerMisbehaved)?;
        let ratchet = x25519::PublicKey::from_bytes(ratchet).map_err(|_| PeerMisbehaved)?;
        let ratchet_kem = ratchet_kem.as_array().ok_or(PeerMisbehaved)?;
        let ratchet_kem = kem::EncapsulationKey::from_bytes(ratchet_kem).map_err(|_| PeerMisbehaved)?;
        let hash = initial.opened.flight_hash();
        let mut session = Session::begin_responder(&peer, keys, ratchet, ratchet_kem, initial.key, hash);
        // The session is new: if the body does not open it is dropped with all it holds.
        let opened = session.decrypt(self.identity, envelope, today).map_err(|error| match error {
            DecryptError::PeerMisbehaved => PeerMisbehaved,
            _ => Junk,
        })?;
        if !content::is_first_content(&opened.content) {
            return Err(PeerMisbehaved); // C-52: the content begins with Hello.
        }
        Ok((session, peer, opened.content))
    }

    /// Computes the session secret in the second step of the key schedule, with the initiator's
    /// checked identity.
    fn session_secret(&self, first: &FirstStep, peer: &IdentityKey) -> Result<SessionSecret, AcceptError> {
        // C-48: no low order in the identity either.
        let dh = |secret: &x25519::SecretKey| {
            secret.diffie_hellman(&peer.x25519).map_err(|_| AcceptError::PeerMisbehaved)
        };
        let (prekey_dh, identity_dh) = (dh(&self.prekeys.x25519)?, dh(&self.identity.x25519)?);
        Ok(second_step(&first.chain, &prekey_dh, &identity_dh, &transcript_2(&first.t1, peer.as_bytes())))
    }
}

/// A flight with the results of its Diffie-Hellman and KEM work. Several pre-shared secrets can be
/// tried on it at the cost of one key derivation each.
pub(crate) struct OpenFlight<'a> {
    t1: [u8; 32],
    secrets: FirstSecrets,
    identity_box: &'a [u8],
}

impl OpenFlight<'_> {
    /// Computes the first step of the key schedule with `psk`, and opens the box with the
    /// initiator's identity, which is not checked yet; `None` if the box does not open, because the
    /// initiator used another `psk` or another bundle.
    pub(crate) fn with_psk(&self, psk: &Psk) -> Option<FirstStep> {
        let (box_key, chain) = self.secrets.step(psk, &self.t1);
        // C-44: the identity was sealed to this bundle's owner, with what was shared beforehand.
        let opened = aead::open(box_key.expose(), &NONCE_0, &self.t1, self.identity_box).ok()?;
        let initiator = Box::new(*opened.as_array()?);
        Some(FirstStep { t1: self.t1, box_key, chain, initiator })
    }
}

/// The result of the first step of the key schedule: transcript hash, keys, and the initiator's
/// identity, which is not checked yet.
pub(crate) struct FirstStep {
    t1: [u8; 32],
    #[cfg_attr(not(feature = "hazmat"), allow(dead_code, reason = "traces show it"))]
    box_key: IdentityBoxKey,
    chain: HandshakeChainKey,
    initiator: Box<[u8; IDENTITY_KEY_LEN]>,
}

/// The fields of a flight. `public` is everything in front of the box with the identity.
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
