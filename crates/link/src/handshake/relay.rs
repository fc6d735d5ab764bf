//! The relay's side of the handshake.
//!
//! C1 is the client's first message, S1 the relay's answer, C2 the client's last message; the
//! module `handshake` says what each contains.

use super::{
    error::RelayHandshakeError,
    messages::{C2, ClientHello, s1_head},
    schedule::{ChainKey, stage_1, stage_2, stage_3, transcript_1, transcript_2, transcript_3},
};
use crate::{
    identity::RelayIdentity,
    session::{LinkSession, RecordError},
};
use deaddrop_primitives::{aead, kem, x25519};
use deaddrop_wire::{Features, Item, Offer, Received, Version, item::Hello};
use rand_core::CryptoRng;

const NONCE_0: [u8; aead::NONCE_LEN] = [0; aead::NONCE_LEN];

/// A relay that has sent S1 and waits for C2. It holds no key of the client and no message.
pub struct RelayHandshake {
    version: Version,
    features: Features,
    chain: ChainKey,
    h2: [u8; 32],
    confirmation: [u8; aead::TAG_LEN],
}

impl RelayHandshake {
    /// Answers a parsed C1. Returns the relay's state, and S1 to be sent. This is the first step
    /// that computes on keys: under load, ask for a cookie before it.
    ///
    /// # Errors
    /// Fails with [`RelayHandshakeError`].
    pub fn answer(
        identity: &RelayIdentity,
        offer: &Offer,
        hello: &ClientHello<'_>,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<(Self, Vec<u8>), RelayHandshakeError> {
        use RelayHandshakeError::{BadKey, NoCommonVersion};
        let version = offer.highest_common(&hello.offer).ok_or(NoCommonVersion)?; // K-02: a common version.
        // K-04: the client's keys are valid.
        let client_x25519 = x25519::PublicKey::from_bytes(hello.x25519).map_err(|_| BadKey)?;
        let client_kem = kem::EncapsulationKey::from_bytes(hello.kem).map_err(|_| BadKey)?;
        let identity_secret = identity.x25519.diffie_hellman(&client_x25519).map_err(|_| BadKey)?;
        let fresh = x25519::SecretKey::generate(rng);
        let ephemeral = fresh.diffie_hellman(&client_x25519).map_err(|_| BadKey)?;
        let (ciphertext, encapsulated) = client_kem.encapsulate(rng);

        let mut s1 = s1_head(version, offer.features(), fresh.public_key().as_bytes(), &ciphertext);
        let h1 = transcript_1(hello.bytes, &s1);
        let (static_key, chain) = stage_1(&ephemeral, &encapsulated, &h1);
        let static_box = aead::seal(static_key.expose(), &NONCE_0, &h1, identity.public_bytes());
        let h2 = transcript_2(&h1, &static_box);
        let (confirm_key, chain) = stage_2(&chain, &identity_secret, &h2);
        let confirmation = aead::seal_in_place(confirm_key.expose(), &NONCE_0, &h2, &mut []);
        s1.extend_from_slice(&static_box);
        s1.extend_from_slice(&confirmation);
        let features = offer.features().both(hello.offer.features());
        Ok((Self { version, features, chain, h2, confirmation }, s1))
    }

    /// Handles C2. Returns the link, and the client's Hello.
    ///
    /// # Errors
    /// Fails with [`RelayHandshakeError`].
    pub fn on_c2(
        self,
        identity: &RelayIdentity,
        message: &[u8],
    ) -> Result<(LinkSession, Hello), RelayHandshakeError> {
        use RelayHandshakeError::NotHelloAlone;
        let c2 = C2::parse(message).ok_or(RelayHandshakeError::NotAHandshake)?; // K-13: the form of C2.
        let secret = identity.kem.decapsulate(c2.ciphertext);
        let h3 = transcript_3(&self.h2, &self.confirmation, c2.head);
        let keys = stage_3(&self.chain, &secret, &h3);
        let mut session = LinkSession::new(keys.relay, keys.client, self.version, self.features);
        // K-14: the client pinned this relay, and both saw the same bytes.
        let received = session.open(c2.record).map_err(|error| match error {
            RecordError::Malformed(error) => RelayHandshakeError::Malformed(error),
            _ => RelayHandshakeError::Unauthentic,
        })?;
        // K-20: C2 holds one Hello and nothing else, not even an item of a later version.
        let Received { items, unsupported, skipped: 0 } = received else { return Err(NotHelloAlone) };
        match (items.as_slice(), unsupported.as_slice()) {
            ([Item::Hello(hello)], []) => Ok((session, *hello)),
            _ => Err(NotHelloAlone),
        }
    }
}

impl core::fmt::Debug for RelayHandshake {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("RelayHandshake(..)")
    }
}
