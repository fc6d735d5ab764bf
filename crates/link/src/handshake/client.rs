//! The client's side of the handshake.
//!
//! C1 is the client's first message, S1 the relay's answer, C2 the client's last message; the
//! module `handshake` says what each contains.

use super::{
    error::ClientHandshakeError,
    messages::{MAGIC_C2, Reply, S1, c1},
    schedule::{stage_1, stage_2, stage_3, transcript_1, transcript_2, transcript_3},
};
use crate::{
    cookie::Cookie,
    identity::{PUBLIC_LEN, fingerprint},
    session::{LinkSession, RecordError},
};
use deaddrop_primitives::{aead, kem, x25519};
use deaddrop_wire::{Fingerprint, Offer, Received, item::Hello};
use rand_core::CryptoRng;

const NONCE_0: [u8; aead::NONCE_LEN] = [0; aead::NONCE_LEN];

/// A client that has sent C1 and waits for the relay's answer.
pub struct ClientHandshake {
    pinned: Fingerprint,
    offer: Offer,
    x25519: x25519::SecretKey,
    kem: kem::DecapsulationKey,
    c1: Vec<u8>,
    retried: bool,
}

/// The client's next step after the relay's answer to C1.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "short-lived, matched at once")]
pub enum ClientStep {
    /// The handshake is done on the client's side: send the message C2.
    Finished(ClientFinished),
    /// The relay asks for a cookie first. Send the second value, a new C1, on this connection or
    /// another one from the same address, and continue with the first.
    Again(ClientHandshake, Vec<u8>),
}

/// The client's last message of the handshake, and the link that follows it.
#[derive(Debug)]
pub struct ClientFinished {
    /// The message C2. Its record holds the client's Hello and nothing else.
    pub c2: Vec<u8>,
    /// The link, which sends nothing until the relay has answered.
    pub link: UnprovenLink,
}

/// A link whose relay has proven the X25519 half of its identity only. The relay's first record
/// proves the ML-KEM half too.
///
/// Nothing can be sealed before that: an attacker who has broken or stolen the X25519 half can
/// complete the handshake, and if it gets the ML-KEM half later, it opens everything that the
/// client sent to it until then.
#[derive(Debug)]
pub struct UnprovenLink(LinkSession);

impl UnprovenLink {
    /// Opens the relay's first record. Returns the proven link, and the items of the record.
    ///
    /// # Errors
    /// Fails with [`RecordError`]; the link is over.
    pub fn on_first_record(mut self, record: &[u8]) -> Result<(LinkSession, Received), RecordError> {
        let received = self.0.open(record)?;
        Ok((self.0, received))
    }

    /// Seals record 0 again, with any plaintext, for tests of the relay's refusals.
    #[cfg(test)]
    pub(super) fn reseal_first(self, plaintext: &[u8]) -> Vec<u8> {
        self.0.reseal_first(plaintext)
    }
}

impl ClientHandshake {
    /// Begins a handshake with the relay of the fingerprint `pinned`. Returns the client's state,
    /// and C1 to be sent.
    #[must_use]
    pub fn start(pinned: &Fingerprint, offer: Offer, rng: &mut (impl CryptoRng + ?Sized)) -> (Self, Vec<u8>) {
        let x25519 = x25519::SecretKey::generate(rng);
        let kem = kem::DecapsulationKey::generate(rng);
        let c1 = c1(&offer, None, x25519.public_key().as_bytes(), kem.encapsulation_key().as_bytes());
        (Self { pinned: *pinned, offer, x25519, kem, c1: c1.clone(), retried: false }, c1)
    }

    /// Handles the relay's answer to C1. `hello` is sent in C2; [`UnprovenLink`] explains why C2
    /// can hold nothing else.
    ///
    /// # Errors
    /// Fails with [`ClientHandshakeError`].
    pub fn on_message(
        self,
        message: &[u8],
        hello: &Hello,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<ClientStep, ClientHandshakeError> {
        // K-05: the form of an answer.
        match Reply::parse(message).ok_or(ClientHandshakeError::NotARelay)? {
            Reply::S1(s1) => self.on_s1(&s1, hello, rng).map(ClientStep::Finished),
            Reply::Retry(cookie) => self.on_retry(&cookie),
            Reply::NoCommonVersion => Err(ClientHandshakeError::NoCommonVersion), // K-03: a common version.
        }
    }

    fn on_s1(
        self,
        s1: &S1<'_>,
        hello: &Hello,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<ClientFinished, ClientHandshakeError> {
        use ClientHandshakeError::{NotARelay, Unauthentic, WrongRelay};
        if !self.offer.versions().contains(&s1.version) {
            return Err(NotARelay); // K-06: the relay picks among what was offered.
        }
        // K-07: the relay's fresh key is valid.
        let fresh = x25519::PublicKey::from_bytes(s1.x25519).map_err(|_| NotARelay)?;
        let ephemeral = self.x25519.diffie_hellman(&fresh).map_err(|_| NotARelay)?;
        let encapsulated = self.kem.decapsulate(s1.ciphertext);
        let h1 = transcript_1(&self.c1, s1.head);
        let (static_key, chain) = stage_1(&ephemeral, &encapsulated, &h1);
        // K-08: the peer that answered this C1 sealed the identity.
        let public =
            aead::open(static_key.expose(), &NONCE_0, &h1, s1.static_box).map_err(|_| Unauthentic)?;
        let public: &[u8; PUBLIC_LEN] = public.as_slice().try_into().map_err(|_| Unauthentic)?;
        if fingerprint(public) != self.pinned {
            return Err(WrongRelay); // K-09: the identity is the pinned one.
        }
        // K-10: its keys are valid.
        let (identity_x25519, identity_kem) = public.split_first_chunk().ok_or(WrongRelay)?;
        let identity_x25519 = x25519::PublicKey::from_bytes(identity_x25519).map_err(|_| WrongRelay)?;
        let identity_kem = identity_kem.try_into().map_err(|_| WrongRelay)?;
        let identity_kem = kem::EncapsulationKey::from_bytes(identity_kem).map_err(|_| WrongRelay)?;
        let identity = self.x25519.diffie_hellman(&identity_x25519).map_err(|_| WrongRelay)?;
        let h2 = transcript_2(&h1, s1.static_box);
        let (confirm_key, chain) = stage_2(&chain, &identity, &h2);
        // K-11: the peer that answers holds the X25519 key of the identity.
        aead::open(confirm_key.expose(), &NONCE_0, &h2, s1.confirmation).map_err(|_| Unauthentic)?;

        let (ciphertext, secret) = identity_kem.encapsulate(rng);
        let mut c2 = [&MAGIC_C2[..], &ciphertext].concat();
        let h3 = transcript_3(&h2, s1.confirmation, &c2);
        let keys = stage_3(&chain, &secret, &h3);
        let features = self.offer.features().both(s1.features);
        let mut session = LinkSession::new(keys.client, keys.relay, s1.version, features);
        let record = session.seal_hello(hello).map_err(|_| ClientHandshakeError::HelloTooLong)?;
        c2.extend_from_slice(&record);
        Ok(ClientFinished { c2, link: UnprovenLink(session) })
    }

    /// Makes a new C1 with the same keys and the cookie. Only this C1 enters the transcript. Fails
    /// with [`ClientHandshakeError::Overloaded`] if the client has retried before.
    fn on_retry(mut self, cookie: &Cookie) -> Result<ClientStep, ClientHandshakeError> {
        if self.retried {
            return Err(ClientHandshakeError::Overloaded); // K-12: one retry a handshake.
        }
        self.retried = true;
        let (x25519, kem) = (self.x25519.public_key().as_bytes(), self.kem.encapsulation_key().as_bytes());
        self.c1 = c1(&self.offer, Some(cookie), x25519, kem);
        let c1 = self.c1.clone();
        Ok(ClientStep::Again(self, c1))
    }
}

impl core::fmt::Debug for ClientHandshake {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("ClientHandshake(..)")
    }
}
