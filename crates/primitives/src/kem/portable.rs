//! ML-KEM-768 from `ml-kem`: pure Rust with ordinary version requirements, so that it fits beside
//! any other crate.

use super::form::{CIPHERTEXT_LEN, ENCAPSULATION_KEY_LEN, SEED_LEN, SharedSecret};
use alloc::boxed::Box;
use ml_kem::{
    B32, Seed,
    kem::{Decapsulate, Key, KeyExport},
    ml_kem_768,
};
use zeroize::{Zeroize, ZeroizeOnDrop};

/// The name of the crate that provides ML-KEM in this back end.
pub(super) const PROVIDER: &str = "ml-kem";

/// Number of bytes of stack to overwrite after a call. Each kind of call ran in a thread with 56
/// KiB of stack; key generation failed with 48 KiB.
#[cfg_attr(feature = "libcrux", allow(dead_code, reason = "tests of both back ends only"))]
pub(super) const STACK: usize = 64 << 10;

/// A checked public key: its encoded form, and the provider's expanded one.
#[derive(Clone)]
pub(super) struct PublicKey {
    bytes: Box<[u8; ENCAPSULATION_KEY_LEN]>,
    key: Box<ml_kem_768::EncapsulationKey>,
}

impl PublicKey {
    /// Parses and checks a key. Returns `None` if a coefficient is not reduced.
    pub(super) fn from_bytes(bytes: &[u8; ENCAPSULATION_KEY_LEN]) -> Option<Self> {
        let key =
            ml_kem_768::EncapsulationKey::new(&Key::<ml_kem_768::EncapsulationKey>::from(*bytes)).ok()?;
        Some(Self { bytes: Box::new(*bytes), key: Box::new(key) })
    }

    pub(super) fn as_bytes(&self) -> &[u8; ENCAPSULATION_KEY_LEN] {
        &self.bytes
    }

    #[inline(never)]
    pub(super) fn encapsulate(&self, message: &[u8; 32]) -> ([u8; CIPHERTEXT_LEN], SharedSecret) {
        let mut message = B32::from(*message);
        let (ciphertext, mut shared) = self.key.encapsulate_deterministic(&message);
        let secret = SharedSecret::copy_of(shared.as_ref());
        shared.zeroize();
        message.zeroize();
        (ciphertext.into(), secret)
    }
}

/// An expanded secret key.
pub(super) struct SecretKey(Box<ml_kem_768::DecapsulationKey>);

impl SecretKey {
    #[inline(never)]
    pub(super) fn from_seed(seed: &[u8; SEED_LEN]) -> (Self, PublicKey) {
        let mut seed = Seed::from(*seed);
        let key = Box::new(ml_kem_768::DecapsulationKey::from_seed(seed));
        seed.zeroize();
        let public = key.encapsulation_key().clone();
        let public = PublicKey { bytes: Box::new(public.to_bytes().into()), key: Box::new(public) };
        (Self(key), public)
    }

    #[inline(never)]
    pub(super) fn decapsulate(&self, ciphertext: &[u8; CIPHERTEXT_LEN]) -> SharedSecret {
        let mut shared = self.0.decapsulate(&(*ciphertext).into());
        let secret = SharedSecret::copy_of(shared.as_ref());
        shared.zeroize();
        secret
    }
}

const fn wipes_itself<T: ZeroizeOnDrop>() {}
/// Fails to compile unless the provider wipes its key, which it does only with its feature
/// `zeroize`.
const _: () = wipes_itself::<ml_kem_768::DecapsulationKey>();

impl ZeroizeOnDrop for SecretKey {}
