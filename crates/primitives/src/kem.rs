//! ML-KEM-768 (FIPS 203). The one place that knows which crate provides it.
//!
//! Secret keys are kept and stored as their 64-byte seed `d || z`, never in an expanded form.

use crate::secret::wipe_stack;
use alloc::boxed::Box;
use libcrux_ml_kem::mlkem768;
use rand_core::CryptoRng;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// Bytes of stack to write over after a call of the provider, which passes keys and secrets by value. One call of each kind ran in
/// a thread with 36 KiB of stack, and not with 32.
const STACK: usize = 48 << 10;

/// Bytes of a seed `d || z`.
pub const SEED_LEN: usize = 64;
/// Bytes of an encapsulation key.
pub const ENCAPSULATION_KEY_LEN: usize = 1_184;
/// Bytes of a ciphertext.
pub const CIPHERTEXT_LEN: usize = 1_088;
/// Bytes of a shared secret.
pub const SHARED_SECRET_LEN: usize = 32;

/// The encapsulation key failed the modulus check of FIPS 203 section 7.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadKey;

impl core::fmt::Display for BadKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("ML-KEM key fails the modulus check")
    }
}

impl core::error::Error for BadKey {}

crate::secret_bytes! {
    /// What encapsulation and decapsulation agree on.
    pub struct SharedSecret[SHARED_SECRET_LEN];
}

/// A checked public key.
#[derive(Clone)]
pub struct EncapsulationKey(Box<mlkem768::MlKem768PublicKey>);

impl EncapsulationKey {
    /// Parses and checks the 1,184-byte encoding (FIPS 203 section 7.2: length and modulus).
    ///
    /// # Errors
    /// [`BadKey`] when a coefficient is not reduced.
    pub fn from_bytes(bytes: &[u8; ENCAPSULATION_KEY_LEN]) -> Result<Self, BadKey> {
        let key = Box::new(mlkem768::MlKem768PublicKey::from(bytes));
        if !mlkem768::validate_public_key(&key) {
            return Err(BadKey);
        }
        Ok(Self(key))
    }

    /// The 1,184-byte encoding.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; ENCAPSULATION_KEY_LEN] {
        self.0.as_slice()
    }

    /// Draws 32 bytes from `rng`; gives the ciphertext for the key's owner and the shared secret.
    #[must_use]
    pub fn encapsulate(&self, rng: &mut (impl CryptoRng + ?Sized)) -> ([u8; CIPHERTEXT_LEN], SharedSecret) {
        #[cfg(feature = "count")]
        crate::count::add(|counts| &mut counts.kem);
        let mut message = Zeroizing::new([0; 32]);
        rng.fill_bytes(message.as_mut());
        let result = encapsulate(&self.0, &message);
        wipe_stack::<STACK>();
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

/// A secret key with its seed; boxed, so that moving it leaves no copy behind.
pub struct DecapsulationKey {
    key: Box<mlkem768::MlKem768PrivateKey>,
    seed: Box<Zeroizing<[u8; SEED_LEN]>>,
    public: EncapsulationKey,
}

impl DecapsulationKey {
    /// Draws the 64-byte seed from `rng`.
    #[must_use]
    pub fn generate(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        let mut seed = Zeroizing::new([0; SEED_LEN]);
        rng.fill_bytes(seed.as_mut());
        Self::from_seed(&seed)
    }

    /// FIPS 203 `KeyGen_internal(d, z)` with `seed = d || z`.
    #[must_use]
    pub fn from_seed(seed: &[u8; SEED_LEN]) -> Self {
        #[cfg(feature = "count")]
        crate::count::add(|counts| &mut counts.kem);
        let mut key = Box::new(mlkem768::MlKem768PrivateKey::default());
        let public = expand(seed, &mut key);
        wipe_stack::<STACK>();
        let mut kept = Box::new(Zeroizing::new([0; SEED_LEN]));
        kept.copy_from_slice(seed);
        Self { key, seed: kept, public }
    }

    /// The seed `d || z`.
    #[must_use]
    pub fn expose_seed(&self) -> &[u8; SEED_LEN] {
        &self.seed
    }

    /// The public key.
    #[must_use]
    pub fn encapsulation_key(&self) -> &EncapsulationKey {
        &self.public
    }

    /// Never fails visibly: for a foreign ciphertext the secret is pseudorandom (implicit rejection).
    #[must_use]
    pub fn decapsulate(&self, ciphertext: &[u8; CIPHERTEXT_LEN]) -> SharedSecret {
        #[cfg(feature = "count")]
        crate::count::add(|counts| &mut counts.kem);
        let secret = decapsulate(&self.key, ciphertext);
        wipe_stack::<STACK>();
        secret
    }
}

/// The key pair of a seed. Copies that the provider makes lie below this call; the caller wipes them.
#[inline(never)]
fn expand(seed: &[u8; SEED_LEN], key: &mut mlkem768::MlKem768PrivateKey) -> EncapsulationKey {
    let pair = mlkem768::generate_key_pair(*seed);
    key[0..].copy_from_slice(pair.sk());
    EncapsulationKey(Box::new(pair.pk().into()))
}

#[inline(never)]
fn encapsulate(
    key: &mlkem768::MlKem768PublicKey,
    message: &[u8; 32],
) -> ([u8; CIPHERTEXT_LEN], SharedSecret) {
    let (ciphertext, mut shared) = mlkem768::encapsulate(key, *message);
    let secret = SharedSecret::copy_of(&shared);
    shared.zeroize();
    (ciphertext.into(), secret)
}

#[inline(never)]
fn decapsulate(key: &mlkem768::MlKem768PrivateKey, ciphertext: &[u8; CIPHERTEXT_LEN]) -> SharedSecret {
    let mut shared = mlkem768::decapsulate(key, &ciphertext.into());
    let secret = SharedSecret::copy_of(&shared);
    shared.zeroize();
    secret
}

/// The provider's key does not wipe itself.
fn wipe(key: &mut mlkem768::MlKem768PrivateKey) {
    key[0..].zeroize();
}

impl Drop for DecapsulationKey {
    fn drop(&mut self) {
        wipe(&mut self.key);
    }
}

impl ZeroizeOnDrop for DecapsulationKey {}
crate::assert_secret!(DecapsulationKey);

impl core::fmt::Debug for DecapsulationKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("DecapsulationKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};

    #[test]
    fn agrees_and_rejects_implicitly() {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let secret = DecapsulationKey::generate(&mut rng);
        let public = EncapsulationKey::from_bytes(secret.encapsulation_key().as_bytes()).unwrap();
        let (mut ciphertext, shared) = public.encapsulate(&mut rng);
        assert_eq!(secret.decapsulate(&ciphertext), shared);
        assert_eq!(DecapsulationKey::from_seed(secret.expose_seed()).decapsulate(&ciphertext), shared);
        ciphertext[7] ^= 1;
        assert_ne!(secret.decapsulate(&ciphertext), shared);
    }

    #[test]
    fn wiping_leaves_zeros() {
        let mut secret = DecapsulationKey::from_seed(&[7; SEED_LEN]);
        assert_ne!(secret.key.as_slice(), &[0; 2_400]);
        wipe(&mut secret.key);
        assert_eq!(secret.key.as_slice(), &[0; 2_400]);
    }

    #[test]
    fn an_unreduced_coefficient_is_refused() {
        let mut rng = ChaCha20Rng::seed_from_u64(2);
        let mut bytes = *DecapsulationKey::generate(&mut rng).encapsulation_key().as_bytes();
        // The first 12-bit coefficient becomes 3,329 = q.
        bytes[0] = 0x01;
        bytes[1] = (bytes[1] & 0xf0) | 0x0d;
        assert_eq!(EncapsulationKey::from_bytes(&bytes), Err(BadKey));
        bytes[0] = 0x00;
        assert!(EncapsulationKey::from_bytes(&bytes).is_ok());
    }
}
