//! X25519 (RFC 7748) and ECDH over P-256 (RFC 8446 section 4.2.8.2).

use super::random;
use deaddrop_primitives::x25519;
use p256::elliptic_curve::sec1::ToSec1Point;
use rustls::{
    Error, NamedGroup, PeerMisbehaved,
    crypto::{ActiveKeyExchange, SharedSecret, SupportedKxGroup},
};

/// The error of a peer's key share that has a wrong length or is no valid point.
pub(super) const BAD_SHARE: Error = Error::PeerMisbehaved(PeerMisbehaved::InvalidKeyShare);

/// The group X25519. A key share of the peer that is not canonical or has low order is refused.
#[derive(Debug)]
pub(super) struct X25519;

impl SupportedKxGroup for X25519 {
    fn start(&self) -> Result<Box<dyn ActiveKeyExchange>, Error> {
        Ok(Box::new(ActiveX25519::generate()?))
    }

    fn name(&self) -> NamedGroup {
        NamedGroup::X25519
    }
}

/// The X25519 key pair of one handshake.
pub(super) struct ActiveX25519(x25519::SecretKey);

impl ActiveX25519 {
    /// Draws a key pair from the random source of the operating system.
    pub(super) fn generate() -> Result<Self, Error> {
        Ok(Self(x25519::SecretKey::from_bytes(&*random::draw()?)))
    }

    /// Returns the public key, which the peer gets as our key share.
    pub(super) fn share(&self) -> &[u8; x25519::KEY_LEN] {
        self.0.public_key().as_bytes()
    }

    /// Computes the secret that both sides share; fails with [`BAD_SHARE`] if the peer's key share
    /// is invalid.
    pub(super) fn agree(&self, share: &[u8]) -> Result<x25519::SharedSecret, Error> {
        let share = share.try_into().map_err(|_| BAD_SHARE)?;
        let peer = x25519::PublicKey::from_bytes(share).map_err(|_| BAD_SHARE)?;
        self.0.diffie_hellman(&peer).map_err(|_| BAD_SHARE)
    }
}

#[cfg(test)]
impl From<x25519::SecretKey> for ActiveX25519 {
    fn from(secret: x25519::SecretKey) -> Self {
        Self(secret)
    }
}

impl ActiveKeyExchange for ActiveX25519 {
    fn complete(self: Box<Self>, share: &[u8]) -> Result<SharedSecret, Error> {
        Ok(SharedSecret::from(&self.agree(share)?.expose()[..]))
    }

    fn pub_key(&self) -> &[u8] {
        self.share()
    }

    fn group(&self) -> NamedGroup {
        NamedGroup::X25519
    }
}

/// The group P-256, for peers that have no X25519.
#[derive(Debug)]
pub(super) struct Secp256r1;

impl SupportedKxGroup for Secp256r1 {
    fn start(&self) -> Result<Box<dyn ActiveKeyExchange>, Error> {
        // A random 32 bytes are no scalar of P-256 once in 2^32.
        for _ in 0..4 {
            let bytes = random::draw::<32>()?;
            if let Ok(secret) = p256::SecretKey::from_slice(bytes.as_ref()) {
                let share = secret.public_key().to_sec1_point(false);
                return Ok(Box::new(ActiveSecp256r1 { secret, share: share.as_bytes().to_vec() }));
            }
        }
        Err(Error::FailedToGetRandomBytes)
    }

    fn name(&self) -> NamedGroup {
        NamedGroup::secp256r1
    }
}

/// The P-256 key pair of one handshake. The secret is wiped on drop.
struct ActiveSecp256r1 {
    secret: p256::SecretKey,
    share: Vec<u8>,
}

impl ActiveKeyExchange for ActiveSecp256r1 {
    fn complete(self: Box<Self>, share: &[u8]) -> Result<SharedSecret, Error> {
        let shared = agree_secp256r1(&self.secret, share).ok_or(BAD_SHARE)?;
        Ok(SharedSecret::from(&shared.raw_secret_bytes()[..]))
    }

    fn pub_key(&self) -> &[u8] {
        &self.share
    }

    fn group(&self) -> NamedGroup {
        NamedGroup::secp256r1
    }
}

/// Computes the shared secret, an x-coordinate; `None` if the peer's key share is not the
/// uncompressed form of a point on the curve: 65 bytes (RFC 8446 section 4.2.8.2).
pub(super) fn agree_secp256r1(secret: &p256::SecretKey, share: &[u8]) -> Option<p256::ecdh::SharedSecret> {
    if share.len() != 65 || share.first() != Some(&4) {
        return None;
    }
    let peer = p256::PublicKey::from_sec1_bytes(share).ok()?;
    Some(p256::ecdh::diffie_hellman(secret.to_nonzero_scalar(), peer.as_affine()))
}
