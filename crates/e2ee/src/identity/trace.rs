//! Secret keys of an identity, for test vectors.

use super::{IdentityKeyPair, IdentitySeed};
use crate::labels;
use deaddrop_primitives::{hkdf, kem};

/// Returns the secrets of the Ed25519, the X25519 and the ML-KEM key that derive from the seed of
/// an identity.
#[must_use]
pub fn identity_secrets(seed: &[u8; 32]) -> ([u8; 32], [u8; 32], [u8; kem::SEED_LEN]) {
    let pair = IdentityKeyPair::from_seed(IdentitySeed::from_bytes(*seed));
    (signing_secret(pair.seed()), *pair.x25519.expose(), *pair.kem.expose_seed())
}

/// Derives the Ed25519 secret of a seed.
fn signing_secret(seed: &IdentitySeed) -> [u8; 32] {
    hkdf::extract(labels::IDENTITY, &[seed.expose()]).expand(&[labels::IDENTITY_ED25519])
}
