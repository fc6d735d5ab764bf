//! The identity of a person: three keys from one seed, and the one hash that names them
//! (spec/02-identity.md).

mod hash;
mod recovery;
mod safety_number;
#[cfg(feature = "hazmat")]
pub(crate) mod trace;
mod words;

pub use hash::IdentityHash;
pub use recovery::UnconfirmedIdentity;
pub use safety_number::{DIGITS, IdentityNumber, SafetyNumber, WORDS};
pub use words::WordsError;

use crate::labels;
use alloc::{boxed::Box, string::String};
use deaddrop_primitives::{assert_secret, ed25519, hash::sha256, hkdf, kem, secret_bytes, x25519};
use rand_core::CryptoRng;
use zeroize::{ZeroizeOnDrop, Zeroizing};

/// Number of bytes of a public identity: Ed25519 32, X25519 32, ML-KEM-768 1,184.
pub const IDENTITY_KEY_LEN: usize = ed25519::KEY_LEN + x25519::KEY_LEN + kem::ENCAPSULATION_KEY_LEN;

secret_bytes! {
    /// The seed of an identity. The three secret keys derive from it, so it is all that a person
    /// must keep.
    pub struct IdentitySeed[32];
}

secret_bytes! {
    /// The seed of the Ed25519 or of the X25519 secret key of an identity.
    struct KeySeed[32];
}
secret_bytes! {
    /// The seed of the ML-KEM key of an identity.
    struct KemSeed[kem::SEED_LEN];
}

impl IdentitySeed {
    /// Returns the seed as 24 words (BIP 39, English), for paper. A person who has them has this
    /// identity.
    ///
    /// Let the user write [`IdentityKey::number`] beside them: [`UnconfirmedIdentity`], which reads
    /// the words, shows it again.
    #[must_use]
    pub fn to_words(&self) -> Zeroizing<String> {
        words::encode_32(self.expose())
    }
}

/// The public identity of a person, its keys checked.
#[derive(Clone)]
pub struct IdentityKey {
    bytes: Box<[u8; IDENTITY_KEY_LEN]>,
    pub(crate) x25519: x25519::PublicKey,
    pub(crate) kem: kem::EncapsulationKey,
    hash: IdentityHash,
}

/// The error of an identity with a key that is not valid. Do not use the identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the identity holds an invalid key; do not use it")]
pub struct BadIdentity;

impl IdentityKey {
    /// Parses the 1,248-byte encoding and checks its X25519 and ML-KEM keys. The Ed25519 key is
    /// checked when it verifies a signature.
    ///
    /// # Errors
    /// Fails with [`BadIdentity`] if the X25519 key is not canonical or has low order, or
    /// if the ML-KEM key fails the modulus check.
    pub fn from_bytes(bytes: &[u8; IDENTITY_KEY_LEN]) -> Result<Self, BadIdentity> {
        let (_, rest) = bytes.split_first_chunk::<{ ed25519::KEY_LEN }>().ok_or(BadIdentity)?;
        let (x25519, kem) = rest.split_first_chunk().ok_or(BadIdentity)?;
        let x25519 = x25519::PublicKey::from_bytes(x25519).map_err(|_| BadIdentity)?;
        let kem = kem::EncapsulationKey::from_bytes(kem.as_array().ok_or(BadIdentity)?);
        let hash = IdentityHash::from_bytes(sha256(&[labels::IDENTITY, bytes]));
        Ok(Self { bytes: Box::new(*bytes), x25519, kem: kem.map_err(|_| BadIdentity)?, hash })
    }

    /// Returns the 1,248-byte encoding.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; IDENTITY_KEY_LEN] {
        &self.bytes
    }

    /// Returns the hash of the identity, which is the name of the person.
    #[must_use]
    pub const fn hash(&self) -> &IdentityHash {
        &self.hash
    }

    /// Returns the number by which people recognise this identity: one half of each of its safety
    /// numbers.
    #[must_use]
    pub fn number(&self) -> IdentityNumber {
        IdentityNumber::of(&self.hash)
    }
}

impl PartialEq for IdentityKey {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash
    }
}

impl Eq for IdentityKey {}

impl core::fmt::Debug for IdentityKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("IdentityKey(..)")
    }
}

/// The secret keys of a person's identity, with their seed and the public keys.
pub struct IdentityKeyPair {
    seed: IdentitySeed,
    pub(crate) ed25519: ed25519::SecretKey,
    pub(crate) x25519: x25519::SecretKey,
    pub(crate) kem: kem::DecapsulationKey,
    public: IdentityKey,
}

impl IdentityKeyPair {
    /// Generates an identity. Draws the 32-byte seed from `rng`.
    #[must_use]
    pub fn generate(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        Self::from_seed(IdentitySeed::generate(rng))
    }

    /// Derives all keys from the seed.
    #[must_use]
    pub fn from_seed(seed: IdentitySeed) -> Self {
        let expander = hkdf::extract(labels::IDENTITY, &[seed.expose()]).ready();
        let ed = KeySeed::derive(&expander, &[labels::IDENTITY_ED25519]);
        let x = KeySeed::derive(&expander, &[labels::IDENTITY_X25519]);
        let k = KemSeed::derive(&expander, &[labels::IDENTITY_ML_KEM_768]);
        let ed25519 = ed25519::SecretKey::from_bytes(ed.expose());
        let x25519 = x25519::SecretKey::from_bytes(x.expose());
        let kem = kem::DecapsulationKey::from_seed(k.expose());
        let mut bytes = [0; IDENTITY_KEY_LEN];
        let parts = [
            &ed25519.public_key()[..],
            &x25519.public_key().as_bytes()[..],
            &kem.encapsulation_key().as_bytes()[..],
        ];
        for (place, byte) in bytes.iter_mut().zip(parts.into_iter().flatten()) {
            *place = *byte;
        }
        let public = IdentityKey {
            hash: IdentityHash::from_bytes(sha256(&[labels::IDENTITY, &bytes])),
            bytes: Box::new(bytes),
            x25519: *x25519.public_key(),
            kem: kem.encapsulation_key().clone(),
        };
        Self { seed, ed25519, x25519, kem, public }
    }

    /// Returns the seed, to be stored.
    #[must_use]
    pub const fn seed(&self) -> &IdentitySeed {
        &self.seed
    }

    /// Returns the public identity.
    #[must_use]
    pub const fn identity_key(&self) -> &IdentityKey {
        &self.public
    }
}

// Seed and secret keys wipe themselves.
impl ZeroizeOnDrop for IdentityKeyPair {}
assert_secret!(IdentityKeyPair);

impl core::fmt::Debug for IdentityKeyPair {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("IdentityKeyPair(..)")
    }
}
