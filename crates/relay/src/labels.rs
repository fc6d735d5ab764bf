//! Every label of the relay, as in spec/labels.md.

/// Derives the key of the record store from the operator's store key.
pub(crate) const RELAY_STORE: &[u8] = b"deaddrop/1 relay store\0";
/// Derives the key of the index from the operator's store key.
pub(crate) const RELAY_INDEX: &[u8] = b"deaddrop/1 relay index\0";
/// Hashes the right of an owner, under the key of the index.
pub(crate) const RELAY_OWN: &[u8] = b"deaddrop/1 relay own\0";
/// Hashes the right of a reader, under the key of the index.
pub(crate) const RELAY_READ: &[u8] = b"deaddrop/1 relay read\0";
/// Hashes the right of a sender, under the key of the index.
pub(crate) const RELAY_SEND: &[u8] = b"deaddrop/1 relay send\0";
/// Hashes a blob with its mailbox, under the key of the index.
pub(crate) const RELAY_BLOB: &[u8] = b"deaddrop/1 relay blob\0";
/// Name of an address prefix, in memory only.
pub(crate) const RELAY_PREFIX: &[u8] = b"deaddrop/1 relay prefix\0";
