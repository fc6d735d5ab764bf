//! The hash of an identity: the one name of a person (spec/02-identity.md).

use subtle::ConstantTimeEq;

/// The only name of a person: SHA-256 over all three public keys. Safety numbers are made from it.
///
/// `==` compares in constant time. The order is that of the bytes, and its comparison is not in
/// constant time.
#[derive(Clone, Copy, Eq, PartialOrd, Ord)]
pub struct IdentityHash([u8; 32]);

impl core::fmt::Debug for IdentityHash {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("IdentityHash(..)")
    }
}

impl IdentityHash {
    /// Returns the hash with these bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Returns the bytes of the hash.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl PartialEq for IdentityHash {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl core::hash::Hash for IdentityHash {
    fn hash<H: core::hash::Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}
