//! Digests of streams (spec/06-envelope-and-content.md section 2.2).

use super::SHORT_DIGEST_LEN;
use crate::labels;
use deaddrop_primitives::hash::sha256_of_secret;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// The hash of one item: its type and its whole body. Wiped, because a short text can be guessed from it.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct ItemHash([u8; 32]);

impl ItemHash {
    pub(super) fn of(kind: u16, body: &[u8]) -> Self {
        Self(sha256_of_secret(&[&kind.to_le_bytes(), body]))
    }

    /// From stored bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes, to be stored.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// The digest of all items of a stream up to a number: each item's hash is chained to the digest before it.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct StreamDigest([u8; 32]);

impl StreamDigest {
    /// Of a stream without items.
    #[must_use]
    pub const fn empty() -> Self {
        Self([0; 32])
    }

    /// The digest with one more item.
    #[must_use]
    pub fn then(&self, item: &ItemHash) -> Self {
        Self(sha256_of_secret(&[labels::STREAM, &self.0, &item.0]))
    }

    /// What a [`Content::StreamDigest`](crate::Content::StreamDigest) carries.
    #[must_use]
    pub fn short(&self) -> [u8; SHORT_DIGEST_LEN] {
        self.0.first_chunk().copied().unwrap_or_default()
    }

    /// From stored bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes, to be stored.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

macro_rules! silent {
    ($($name:ident),*) => {$(
        impl core::fmt::Debug for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str(concat!(stringify!($name), "(..)"))
            }
        }
    )*};
}
silent!(ItemHash, StreamDigest);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_depends_on_every_item_and_on_their_order() {
        let (one, two) = (ItemHash::of(8, b"one"), ItemHash::of(8, b"two"));
        assert_ne!(one, ItemHash::of(7, b"one"));
        let digest =
            |items: &[&ItemHash]| items.iter().fold(StreamDigest::empty(), |digest, item| digest.then(item));
        let both = digest(&[&one, &two]);
        for other in [digest(&[]), digest(&[&one]), digest(&[&two]), digest(&[&two, &one])] {
            assert_ne!(both, other);
            assert_ne!(both.short(), other.short());
        }
        assert_eq!(StreamDigest::from_bytes(*both.as_bytes()), both);
        assert_eq!(ItemHash::from_bytes(*one.as_bytes()), one);
    }
}
