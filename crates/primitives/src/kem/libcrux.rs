//! ML-KEM-768 from `libcrux-ml-kem`: fast and largely verified. Overrides the portable back end
//! under the feature `libcrux`.

use super::form::{CIPHERTEXT_LEN, ENCAPSULATION_KEY_LEN, SEED_LEN, SharedSecret};
use alloc::boxed::Box;
use libcrux_ml_kem::mlkem768;
use zeroize::Zeroize;

/// The name of the crate that provides ML-KEM in this back end.
pub(super) const PROVIDER: &str = "libcrux-ml-kem";

/// Number of bytes of stack to overwrite after a call. Each kind of call ran in a thread with 36
/// KiB of stack, and failed with 32 KiB.
pub(super) const STACK: usize = 48 << 10;

/// A checked public key in its encoded form.
#[derive(Clone)]
pub(super) struct PublicKey(Box<mlkem768::MlKem768PublicKey>);

impl PublicKey {
    /// Parses and checks a key. Returns `None` if a coefficient is not reduced.
    pub(super) fn from_bytes(bytes: &[u8; ENCAPSULATION_KEY_LEN]) -> Option<Self> {
        let key = Box::new(mlkem768::MlKem768PublicKey::from(bytes));
        mlkem768::validate_public_key(&key).then_some(Self(key))
    }

    pub(super) fn as_bytes(&self) -> &[u8; ENCAPSULATION_KEY_LEN] {
        self.0.as_slice()
    }

    #[inline(never)]
    pub(super) fn encapsulate(&self, message: &[u8; 32]) -> ([u8; CIPHERTEXT_LEN], SharedSecret) {
        let (ciphertext, mut shared) = mlkem768::encapsulate(&self.0, *message);
        let secret = SharedSecret::copy_of(&shared);
        shared.zeroize();
        (ciphertext.into(), secret)
    }
}

/// An expanded secret key. The provider's key does not wipe itself, so this type does.
pub(super) struct SecretKey(Box<mlkem768::MlKem768PrivateKey>);

impl SecretKey {
    #[inline(never)]
    pub(super) fn from_seed(seed: &[u8; SEED_LEN]) -> (Self, PublicKey) {
        let mut key = Box::new(mlkem768::MlKem768PrivateKey::default());
        let pair = mlkem768::generate_key_pair(*seed);
        key[0..].copy_from_slice(pair.sk());
        (Self(key), PublicKey(Box::new(pair.pk().into())))
    }

    #[inline(never)]
    pub(super) fn decapsulate(&self, ciphertext: &[u8; CIPHERTEXT_LEN]) -> SharedSecret {
        let mut shared = mlkem768::decapsulate(&self.0, &ciphertext.into());
        let secret = SharedSecret::copy_of(&shared);
        shared.zeroize();
        secret
    }

    fn wipe(&mut self) {
        self.0[0..].zeroize();
    }
}

impl Drop for SecretKey {
    fn drop(&mut self) {
        self.wipe();
    }
}

impl zeroize::ZeroizeOnDrop for SecretKey {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wiping_leaves_zeros() {
        let (mut secret, _) = SecretKey::from_seed(&[7; SEED_LEN]);
        assert_ne!(secret.0.as_slice(), &[0; 2_400]);
        secret.wipe();
        assert_eq!(secret.0.as_slice(), &[0; 2_400]);
    }
}
