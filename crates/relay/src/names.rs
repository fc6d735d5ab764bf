//! Names that the relay stores instead of ids (spec/12-relay.md section 3). The *index* is the
//! tables in which the relay looks mailboxes up by their rights.
//!
//! An id is a hash of the secret that a client presents. The relay does not store the id: the index
//! and the records hold a keyed hash of it, and each mailbox has a random handle.

use crate::labels;
use deaddrop_primitives::{hash::sha256, hkdf::expand, secret_bytes};
use deaddrop_shred::{MasterKey, RecordKey, Unlock};
use deaddrop_wire::{Blob, MailboxId, OwnId, SendId};
use rand::{CryptoRng, RngExt};

secret_bytes! {
    /// The operator's store key. The key of the record store and that of the index derive from it.
    pub struct StoreKey[32];
}

secret_bytes! {
    /// The key of the index, under which ids are hashed to names.
    pub(crate) struct IndexKey[32];
}

impl StoreKey {
    /// Derives the key that opens the record store.
    #[must_use]
    pub fn unlock(&self) -> Unlock {
        Unlock::Key(MasterKey::from_bytes(expand(self.expose(), &[labels::RELAY_STORE])))
    }

    /// Derives the key of the index.
    pub(crate) fn index_key(&self) -> IndexKey {
        IndexKey::from_bytes(expand(self.expose(), &[labels::RELAY_INDEX]))
    }
}

/// A keyed hash of the id of an owner, a reader or a sender.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Name(pub(crate) [u8; 16]);

impl std::fmt::Debug for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Name(..)")
    }
}

impl IndexKey {
    pub(crate) fn own(&self, id: &OwnId) -> Name {
        Name(self.hash(labels::RELAY_OWN, &[id.as_bytes()]))
    }

    pub(crate) fn read(&self, id: &MailboxId) -> Name {
        Name(self.hash(labels::RELAY_READ, &[id.as_bytes()]))
    }

    pub(crate) fn send(&self, id: &SendId) -> Name {
        Name(self.hash(labels::RELAY_SEND, &[id.as_bytes()]))
    }

    /// Returns the key of the record of this blob in this mailbox. The same blob in another mailbox
    /// has another key.
    pub(crate) fn blob(&self, handle: Handle, blob: &Blob) -> RecordKey {
        RecordKey(self.hash(labels::RELAY_BLOB, &[&handle.to_bytes(), blob.as_bytes()]))
    }

    fn hash(&self, label: &[u8], parts: &[&[u8]]) -> [u8; 16] {
        // Label, key and all parts but the last have fixed lengths.
        let [a, b] = [parts.first().copied().unwrap_or_default(), parts.get(1).copied().unwrap_or_default()];
        let hash = sha256(&[label, self.expose(), a, b]);
        hash.first_chunk().copied().unwrap_or_default()
    }
}

/// The store's name for a mailbox: 6 random bytes, unique among the mailboxes that exist. A handle
/// never leaves the relay.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Handle([u8; 6]);

impl Handle {
    /// Draws a random handle.
    #[must_use]
    pub fn random(rng: &mut impl CryptoRng) -> Self {
        Self(rng.random())
    }

    /// Returns the handle of these bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 6]) -> Self {
        Self(bytes)
    }

    /// Returns the bytes of the handle.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 6] {
        self.0
    }
}

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Handle(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_depend_on_key_role_and_mailbox() {
        let (a, b) = (StoreKey::from_bytes([1; 32]).index_key(), StoreKey::from_bytes([2; 32]).index_key());
        assert_ne!(a.own(&OwnId::from_bytes([3; 32])), b.own(&OwnId::from_bytes([3; 32])));
        assert_ne!(a.own(&OwnId::from_bytes([3; 32])), a.send(&SendId::from_bytes([3; 32])));
        let blob = Blob::new(vec![0; 4_096]).unwrap();
        let [one, two] = [Handle::from_bytes([1; 6]), Handle::from_bytes([2; 6])];
        assert_ne!(a.blob(one, &blob), a.blob(two, &blob));
        assert_eq!(format!("{one:?}{:?}", a.own(&OwnId::from_bytes([3; 32]))), "Handle(..)Name(..)");
    }
}
