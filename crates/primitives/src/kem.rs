//! ML-KEM-768 (FIPS 203), from one of two providers behind one interface.
//!
//! The default is `ml-kem`. The additive feature `libcrux` overrides it with `libcrux-ml-kem`,
//! which is several times as fast and in large parts verified, but pins exact versions of its own
//! dependencies. Both give the same keys, ciphertexts and secrets. Secret keys are kept and stored
//! as their 64-byte seed `d || z`, never in an expanded form.

mod form;
#[cfg(feature = "libcrux")]
mod libcrux;
#[cfg(any(test, not(feature = "libcrux")))]
mod portable;
#[cfg(test)]
mod tests;

#[cfg(feature = "libcrux")]
use libcrux as back_end;
#[cfg(not(feature = "libcrux"))]
use portable as back_end;

pub use form::{CIPHERTEXT_LEN, ENCAPSULATION_KEY_LEN, SEED_LEN, SHARED_SECRET_LEN, SharedSecret};

use crate::secret::wipe_stack;
use alloc::boxed::Box;
use rand_core::CryptoRng;
use zeroize::{ZeroizeOnDrop, Zeroizing};

/// The name of the crate that provides ML-KEM in this build.
pub const PROVIDER: &str = back_end::PROVIDER;

/// The error of an encapsulation key that failed the modulus check of FIPS 203 section 7.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("ML-KEM key fails the modulus check")]
pub struct BadKey;

/// A public key of ML-KEM-768 that has passed the modulus check.
#[derive(Clone)]
pub struct EncapsulationKey(back_end::PublicKey);

impl EncapsulationKey {
    /// Parses and checks the 1,184-byte encoding (FIPS 203 section 7.2: length and modulus).
    ///
    /// # Errors
    /// Fails with [`BadKey`] when a coefficient is not reduced.
    pub fn from_bytes(bytes: &[u8; ENCAPSULATION_KEY_LEN]) -> Result<Self, BadKey> {
        back_end::PublicKey::from_bytes(bytes).map(Self).ok_or(BadKey)
    }

    /// Returns the 1,184-byte encoding.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; ENCAPSULATION_KEY_LEN] {
        self.0.as_bytes()
    }

    /// Encapsulates a shared secret to the key. Draws 32 bytes from `rng`. Returns the ciphertext
    /// for the key's owner, and the secret.
    ///
    /// The provider passes secrets by value, so the stack below the call is overwritten afterwards.
    #[must_use]
    pub fn encapsulate(&self, rng: &mut (impl CryptoRng + ?Sized)) -> ([u8; CIPHERTEXT_LEN], SharedSecret) {
        #[cfg(feature = "count")]
        crate::count::add(|counts| &mut counts.kem);
        let mut message = Zeroizing::new([0; 32]);
        rng.fill_bytes(message.as_mut());
        let result = self.0.encapsulate(&message);
        wipe_stack::<{ back_end::STACK }>();
        result
    }
}

impl PartialEq for EncapsulationKey {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for EncapsulationKey {}

impl core::fmt::Debug for EncapsulationKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("EncapsulationKey(..)")
    }
}

/// A secret key with its seed. It is boxed, so that moving it leaves no copy behind.
pub struct DecapsulationKey {
    key: back_end::SecretKey,
    seed: Box<Zeroizing<[u8; SEED_LEN]>>,
    public: EncapsulationKey,
}

impl DecapsulationKey {
    /// Generates a key. Draws the 64-byte seed from `rng`.
    #[must_use]
    pub fn generate(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        let mut seed = Zeroizing::new([0; SEED_LEN]);
        rng.fill_bytes(seed.as_mut());
        Self::from_seed(&seed)
    }

    /// Derives the key by `KeyGen_internal(d, z)` of FIPS 203, with `seed = d || z`.
    #[must_use]
    pub fn from_seed(seed: &[u8; SEED_LEN]) -> Self {
        #[cfg(feature = "count")]
        crate::count::add(|counts| &mut counts.kem);
        let (key, public) = back_end::SecretKey::from_seed(seed);
        wipe_stack::<{ back_end::STACK }>();
        let mut kept = Box::new(Zeroizing::new([0; SEED_LEN]));
        kept.copy_from_slice(seed);
        Self { key, seed: kept, public: EncapsulationKey(public) }
    }

    /// Returns the seed `d || z`.
    #[must_use]
    pub fn expose_seed(&self) -> &[u8; SEED_LEN] {
        &self.seed
    }

    /// Returns the public key.
    #[must_use]
    pub fn encapsulation_key(&self) -> &EncapsulationKey {
        &self.public
    }

    /// Decapsulates the shared secret. For a ciphertext that was not made for this key the secret
    /// is pseudorandom (implicit rejection), so the call never fails.
    #[must_use]
    pub fn decapsulate(&self, ciphertext: &[u8; CIPHERTEXT_LEN]) -> SharedSecret {
        #[cfg(feature = "count")]
        crate::count::add(|counts| &mut counts.kem);
        let secret = self.key.decapsulate(ciphertext);
        wipe_stack::<{ back_end::STACK }>();
        secret
    }
}

// The seed and the provider's key wipe themselves.
impl ZeroizeOnDrop for DecapsulationKey {}
crate::assert_secret!(DecapsulationKey);

impl core::fmt::Debug for DecapsulationKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("DecapsulationKey(..)")
    }
}
