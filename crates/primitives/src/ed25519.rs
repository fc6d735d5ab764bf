//! Ed25519 (RFC 8032) with strict verification: no low-order keys, no non-canonical signatures, no
//! malleability.

use crate::secret::wipe_stack;
use alloc::boxed::Box;
use ed25519_dalek::{Signer, SigningKey, VerifyingKey};
use zeroize::ZeroizeOnDrop;

/// Number of bytes of stack to overwrite after a call of the provider, which passes secrets by
/// value.
const STACK: usize = 8 << 10;

/// Number of bytes of a secret or public key.
pub const KEY_LEN: usize = 32;
/// Number of bytes of a signature.
pub const SIGNATURE_LEN: usize = 64;

/// The error of a public key or a signature that was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("signature does not verify")]
pub struct BadSignature;

/// A signing key with its public key computed once; boxed, so that moving it leaves no copy behind.
pub struct SecretKey(Box<SigningKey>);

impl SecretKey {
    /// Creates the key with these bytes. Any 32 bytes are a secret key.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; KEY_LEN]) -> Self {
        let key = Self(expand(bytes));
        wipe_stack::<STACK>();
        key
    }

    /// Returns the 32-byte encoding of the public key.
    #[must_use]
    pub fn public_key(&self) -> [u8; KEY_LEN] {
        self.0.verifying_key().to_bytes()
    }

    /// Signs `message`, which the caller has made by joining a label and the text to sign.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> [u8; SIGNATURE_LEN] {
        let signature = sign(&self.0, message);
        wipe_stack::<STACK>();
        signature
    }
}

#[inline(never)]
fn expand(bytes: &[u8; KEY_LEN]) -> Box<SigningKey> {
    Box::new(SigningKey::from_bytes(bytes))
}

#[inline(never)]
fn sign(key: &SigningKey, message: &[u8]) -> [u8; SIGNATURE_LEN] {
    key.sign(message).to_bytes()
}

impl ZeroizeOnDrop for SecretKey {}
crate::assert_secret!(SecretKey);

impl core::fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("SecretKey(..)")
    }
}

/// Verifies a signature strictly: also refuses a public key or an R of low order, an R that is not
/// canonical, and an s that is not below the group order. A public key whose y is not reduced is
/// not refused for that.
///
/// # Errors
/// Fails with [`BadSignature`] for a bad key, a bad encoding or a wrong signature.
pub fn verify(
    public_key: &[u8; KEY_LEN],
    message: &[u8],
    signature: &[u8; SIGNATURE_LEN],
) -> Result<(), BadSignature> {
    let verified = verify_strict(public_key, message, signature);
    // A bundle that is signed is a secret of two people, and the hash leaves its last block on the stack.
    wipe_stack::<STACK>();
    verified
}

#[inline(never)]
fn verify_strict(
    public_key: &[u8; KEY_LEN],
    message: &[u8],
    signature: &[u8; SIGNATURE_LEN],
) -> Result<(), BadSignature> {
    let key = VerifyingKey::from_bytes(public_key).map_err(|_| BadSignature)?;
    key.verify_strict(message, &ed25519_dalek::Signature::from_bytes(signature)).map_err(|_| BadSignature)
}

#[cfg(test)]
mod tests {
    use super::*;

    // RFC 8032, section 7.1, test 2.
    #[test]
    fn rfc_8032() {
        let unhex = |text: &str| hex::decode(text).unwrap();
        let secret = unhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb");
        let secret = SecretKey::from_bytes(&secret.try_into().unwrap());
        let public = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c";
        assert_eq!(hex::encode(secret.public_key()), public);
        let signature = secret.sign(&[0x72]);
        assert_eq!(
            hex::encode(signature),
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da\
             085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
        );
        assert_eq!(verify(&secret.public_key(), &[0x72], &signature), Ok(()));
        assert_eq!(verify(&secret.public_key(), &[0x73], &signature), Err(BadSignature));
    }

    // Of the y below 19, these are points of no low order. Their secret keys are unknown, so no signature by them can be shown to verify.
    #[test]
    fn a_key_that_is_not_reduced_is_the_reduced_point_under_bytes_of_its_own() {
        let mut points = 0;
        for y in 0..19 {
            let (mut reduced, mut whole) = ([0; 32], [0xff; 32]);
            reduced[0] = y;
            // y + p, p being 2^255 - 19.
            (whole[0], whole[31]) = (0xed + y, 0x7f);
            let Ok(key) = VerifyingKey::from_bytes(&whole) else {
                assert!(VerifyingKey::from_bytes(&reduced).is_err(), "{y}");
                continue;
            };
            assert_eq!(key.to_edwards(), VerifyingKey::from_bytes(&reduced).unwrap().to_edwards(), "{y}");
            assert_eq!(key.to_bytes(), whole);
            points += u32::from(!key.is_weak());
        }
        assert_eq!(points, 10);
    }

    #[test]
    fn a_key_of_low_order_verifies_nothing() {
        let mut identity = [0; 32];
        identity[0] = 1;
        let mut signature = [0; 64];
        signature[0] = 1;
        assert_eq!(verify(&identity, b"anything", &signature), Err(BadSignature));
    }
}
