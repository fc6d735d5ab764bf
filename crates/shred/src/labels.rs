//! Labels of every key derivation in this crate (spec/labels.md).

/// The key that seals the data key, from the caller's key or passphrase.
pub(crate) const UNLOCK: &[u8] = b"deaddrop/1 shred unlock\0";
/// The key of one record's head.
pub(crate) const HEAD: &[u8] = b"deaddrop/1 shred head\0";
/// The key of one record's body.
pub(crate) const BODY: &[u8] = b"deaddrop/1 shred body\0";
/// The salt of one record.
pub(crate) const SALT: &[u8] = b"deaddrop/1 shred salt\0";
/// Key of the universal hash of the body in a salt.
pub(crate) const SALT_HASH: &[u8] = b"deaddrop/1 shred salt hash\0";
/// The check of a commit cell.
pub(crate) const CELL: &[u8] = b"deaddrop/1 shred cell\0";
/// The check of a segment header.
pub(crate) const SEGMENT: &[u8] = b"deaddrop/1 shred segment\0";
