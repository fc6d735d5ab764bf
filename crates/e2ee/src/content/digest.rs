//! Digests of streams (spec/06-envelope-and-content.md section 2.2).

use super::form::SHORT_DIGEST_LEN;
use crate::labels;
use alloc::boxed::Box;
use deaddrop_primitives::hash::sha256_of_secret;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// SHA-256 of the type and the whole body of one item. The hash is wiped on drop, because a short
/// text can be guessed from it, and boxed, so that moving it leaves no copy behind.
#[derive(Clone, PartialEq, Eq)]
pub struct ItemHash(Box<[u8; 32]>);

impl ItemHash {
    pub(super) fn of(kind: u16, body: &[u8]) -> Self {
        Self(Box::new(sha256_of_secret(&[&kind.to_le_bytes(), body])))
    }

    /// Restores a hash from stored bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Box::new(bytes))
    }

    /// Returns the bytes of the hash, to be stored.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// The digest of all items of a stream up to a number: each item's hash is chained to the digest
/// before it. The digest is wiped and boxed, as [`ItemHash`] is.
#[derive(Clone, PartialEq, Eq)]
pub struct StreamDigest(Box<[u8; 32]>);

impl StreamDigest {
    /// Returns the digest of a stream without items.
    #[must_use]
    pub fn empty() -> Self {
        Self(Box::new([0; 32]))
    }

    /// Returns the digest of the stream after one more item.
    #[must_use]
    pub fn then(&self, item: &ItemHash) -> Self {
        Self(Box::new(sha256_of_secret(&[labels::STREAM, self.0.as_slice(), item.0.as_slice()])))
    }

    /// Returns the first [`SHORT_DIGEST_LEN`] bytes, which a
    /// [`Content::StreamDigest`](crate::content::Content::StreamDigest) carries.
    #[must_use]
    pub fn short(&self) -> [u8; SHORT_DIGEST_LEN] {
        self.0.first_chunk().copied().unwrap_or_default()
    }

    /// Restores a digest from stored bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Box::new(bytes))
    }

    /// Returns the bytes of the digest, to be stored.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

macro_rules! wiped_and_silent {
    ($($name:ident),*) => {$(
        impl Drop for $name {
            fn drop(&mut self) {
                self.0.zeroize();
            }
        }

        impl ZeroizeOnDrop for $name {}

        impl core::fmt::Debug for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str(concat!(stringify!($name), "(..)"))
            }
        }
    )*};
}
wiped_and_silent!(ItemHash, StreamDigest);

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
