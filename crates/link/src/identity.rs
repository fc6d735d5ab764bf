//! The long-term keys of a relay, from one seed (spec/10-link.md section 2).

use crate::labels;
use deaddrop_primitives::{hash::sha256, hkdf::extract, kem, secret_bytes, x25519};
use deaddrop_wire::Fingerprint;
use zeroize::Zeroizing;

/// Number of bytes of a relay's public identity: X25519 key, ML-KEM-768 encapsulation key.
pub(crate) const PUBLIC_LEN: usize = x25519::KEY_LEN + kem::ENCAPSULATION_KEY_LEN;

secret_bytes! {
    /// The seed from which a relay derives its keys. If the operator loses it, the relay's
    /// fingerprint is lost with it.
    pub struct RelaySeed[32];
}

/// The secret keys of a relay. With them a relay proves that its fingerprint is its own.
pub struct RelayIdentity {
    pub(crate) x25519: x25519::SecretKey,
    pub(crate) kem: kem::DecapsulationKey,
    public: Box<[u8; PUBLIC_LEN]>,
    fingerprint: Fingerprint,
}

impl RelayIdentity {
    /// Derives the keys from their seed.
    #[must_use]
    pub fn from_seed(seed: &RelaySeed) -> Self {
        let prk = extract(labels::RELAY_IDENTITY, &[seed.expose()]);
        let x25519 = Zeroizing::new(prk.expand(&[labels::RELAY_IDENTITY_X25519]));
        let kem = Zeroizing::new(prk.expand(&[labels::RELAY_IDENTITY_ML_KEM]));
        let x25519 = x25519::SecretKey::from_bytes(&x25519);
        let kem = kem::DecapsulationKey::from_seed(&kem);
        let mut public = Box::new([0; PUBLIC_LEN]);
        let (first, second) = public.split_at_mut(x25519::KEY_LEN);
        first.copy_from_slice(x25519.public_key().as_bytes());
        second.copy_from_slice(kem.encapsulation_key().as_bytes());
        let fingerprint = fingerprint(&public);
        Self { x25519, kem, public, fingerprint }
    }

    /// Returns the fingerprint, by which clients pin this relay.
    #[must_use]
    pub const fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }

    /// Returns the public keys: X25519 key 32, ML-KEM-768 encapsulation key 1,184.
    #[must_use]
    pub fn public_bytes(&self) -> &[u8; PUBLIC_LEN] {
        &self.public
    }
}

impl core::fmt::Debug for RelayIdentity {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("RelayIdentity(..)")
    }
}

/// Computes the fingerprint of a public identity.
pub(crate) fn fingerprint(public: &[u8; PUBLIC_LEN]) -> Fingerprint {
    Fingerprint::from_bytes(sha256(&[labels::RELAY_FINGERPRINT, public]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_seed_one_identity() {
        let identity = RelayIdentity::from_seed(&RelaySeed::from_bytes([1; 32]));
        let again = RelayIdentity::from_seed(&RelaySeed::from_bytes([1; 32]));
        let other = RelayIdentity::from_seed(&RelaySeed::from_bytes([2; 32]));
        assert_eq!(identity.public_bytes(), again.public_bytes());
        assert_eq!(identity.fingerprint(), again.fingerprint());
        assert_ne!(identity.fingerprint(), other.fingerprint());
        assert_eq!(format!("{identity:?}"), "RelayIdentity(..)");
    }
}
