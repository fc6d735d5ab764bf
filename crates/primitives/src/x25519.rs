//! X25519 (RFC 7748) that refuses non-canonical points and all-zero results.

use crate::secret::wipe_stack;
use alloc::boxed::Box;
use rand_core::CryptoRng;
use subtle::ConstantTimeEq;
use x25519_dalek::StaticSecret;
use zeroize::ZeroizeOnDrop;

/// Number of bytes of stack to overwrite after a call of the provider, which passes secrets by
/// value.
const STACK: usize = 8 << 10;

/// Number of bytes of a secret or public key, and of a shared secret.
pub const KEY_LEN: usize = 32;

/// The error of a public key, or of a result of Diffie-Hellman, that was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadPoint {
    /// The encoding is not the one canonical encoding of its u-coordinate (u >= p, or the top bit
    /// is set).
    #[error("public key is not canonically encoded")]
    NotCanonical,
    /// The point has low order: the shared secret with any key is all zero (RFC 7748 section 6.1).
    #[error("public key has low order")]
    LowOrder,
}

/// A public key in its canonical encoding, not of low order.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PublicKey([u8; KEY_LEN]);

impl PublicKey {
    /// Parses the 32-byte encoding.
    ///
    /// # Errors
    /// Fails with [`BadPoint`].
    pub fn from_bytes(bytes: &[u8; KEY_LEN]) -> Result<Self, BadPoint> {
        if !is_canonical(bytes) {
            return Err(BadPoint::NotCanonical);
        }
        if LOW_ORDER.contains(bytes) {
            return Err(BadPoint::LowOrder);
        }
        Ok(Self(*bytes))
    }

    /// Returns the 32-byte encoding.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; KEY_LEN] {
        &self.0
    }
}

impl core::fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("PublicKey(..)")
    }
}

crate::secret_bytes! {
    /// The result of one Diffie-Hellman, which is never all zero.
    pub struct SharedSecret[KEY_LEN];
}

/// A secret key with its public key computed once. It is boxed, so that moving it leaves no copy
/// behind.
pub struct SecretKey {
    secret: Box<StaticSecret>,
    public: PublicKey,
}

impl SecretKey {
    /// Generates a key. Draws 32 bytes from `rng`.
    #[must_use]
    pub fn generate(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        let mut bytes = zeroize::Zeroizing::new([0; KEY_LEN]);
        rng.fill_bytes(bytes.as_mut());
        Self::from_bytes(&bytes)
    }

    /// Creates the key with these bytes. Any 32 bytes are a secret key (RFC 7748 section 5 clamps
    /// them at use).
    #[must_use]
    pub fn from_bytes(bytes: &[u8; KEY_LEN]) -> Self {
        let key = expand(bytes);
        wipe_stack::<STACK>();
        key
    }

    /// Returns the 32 secret bytes, unclamped.
    #[must_use]
    pub fn expose(&self) -> &[u8; KEY_LEN] {
        self.secret.as_bytes()
    }

    /// Returns the public key.
    #[must_use]
    pub fn public_key(&self) -> &PublicKey {
        &self.public
    }

    /// Computes the shared secret with `peer`.
    ///
    /// # Errors
    /// Fails with [`BadPoint::LowOrder`] when the result is all zero. No public key that was parsed
    /// leads to that.
    pub fn diffie_hellman(&self, peer: &PublicKey) -> Result<SharedSecret, BadPoint> {
        #[cfg(feature = "count")]
        crate::count::add(|counts| &mut counts.diffie_hellman);
        let shared = agree(&self.secret, peer);
        wipe_stack::<STACK>();
        shared
    }
}

#[inline(never)]
fn expand(bytes: &[u8; KEY_LEN]) -> SecretKey {
    let secret = Box::new(StaticSecret::from(*bytes));
    let public = PublicKey(x25519_dalek::PublicKey::from(&*secret).to_bytes());
    SecretKey { secret, public }
}

#[inline(never)]
fn agree(secret: &StaticSecret, peer: &PublicKey) -> Result<SharedSecret, BadPoint> {
    let shared = secret.diffie_hellman(&x25519_dalek::PublicKey::from(peer.0));
    if bool::from(shared.as_bytes().ct_eq(&[0; KEY_LEN])) {
        return Err(BadPoint::LowOrder);
    }
    Ok(SharedSecret::copy_of(shared.as_bytes()))
}

impl ZeroizeOnDrop for SecretKey {}
crate::assert_secret!(SecretKey);

impl core::fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("SecretKey(..)")
    }
}

/// The u-coordinates of all points of order 1, 2, 4 and 8 on the curve and its twist, in their
/// canonical encodings: 0, 1, two of order 8, and p - 1 (D. J. Bernstein, "Curve25519: new
/// Diffie-Hellman speed records", and RFC 7748 section 6.1).
const LOW_ORDER: [[u8; KEY_LEN]; 5] = [
    [0; KEY_LEN],
    [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    [
        0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4, 0x6a, 0xda,
        0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00,
    ],
    [
        0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1, 0x55, 0x9c, 0x83, 0xef, 0x5b, 0x04,
        0x44, 0x5c, 0xc4, 0x58, 0x1c, 0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f, 0x11, 0x57,
    ],
    [
        0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f,
    ],
];

/// Whether u < 2^255 - 19, little-endian. The data is public, so the time need not be constant.
fn is_canonical(bytes: &[u8; KEY_LEN]) -> bool {
    let [first, middle @ .., last] = bytes;
    *last < 0x7f || (*last == 0x7f && (middle.iter().any(|b| *b != 0xff) || *first < 0xed))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unhex(text: &str) -> [u8; 32] {
        hex::decode(text).unwrap().try_into().unwrap()
    }

    // RFC 7748, section 6.1.
    #[test]
    fn rfc_7748() {
        let b =
            SecretKey::from_bytes(&unhex("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb"));
        let want = unhex("de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f");
        assert_eq!(b.public_key().as_bytes(), &want);
        let a = unhex("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a");
        let shared = b.diffie_hellman(&PublicKey::from_bytes(&a).unwrap()).unwrap();
        let want = unhex("4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742");
        assert_eq!(shared.expose(), &want);
    }

    #[test]
    fn only_the_canonical_encoding_is_taken() {
        let mut p = [0xff; 32];
        p[31] = 0x7f;
        // p - 1 is canonical, and of low order.
        for (first, canonical) in [(0x00, true), (0xeb, true), (0xed, false), (0xee, false), (0xff, false)] {
            p[0] = first;
            assert_eq!(PublicKey::from_bytes(&p).is_ok(), canonical, "{first:x}");
        }
        let mut top_bit = [9; 32];
        top_bit[31] = 0x80;
        assert_eq!(PublicKey::from_bytes(&top_bit), Err(BadPoint::NotCanonical));
    }

    #[test]
    fn low_order_is_refused() {
        let texts = [
            "0000000000000000000000000000000000000000000000000000000000000000",
            "0100000000000000000000000000000000000000000000000000000000000000",
            "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
            "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
            "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        ];
        let secret = SecretKey::from_bytes(&[0x42; 32]);
        for text in texts {
            let point = unhex(text);
            assert_eq!(PublicKey::from_bytes(&point), Err(BadPoint::LowOrder));
            // The list is right: each comes to zero with any key.
            assert_eq!(secret.diffie_hellman(&PublicKey(point)), Err(BadPoint::LowOrder));
        }
    }
}
