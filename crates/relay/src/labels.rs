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
/// Hashes a mailbox's handle to its slots in the tables of a day, in memory only.
pub(crate) const RELAY_SLOT: &[u8] = b"deaddrop/1 relay slot\0";
/// Name of an address prefix, in memory only.
pub(crate) const RELAY_PREFIX: &[u8] = b"deaddrop/1 relay prefix\0";
/// Salt of the extraction from both secrets of a transfer file.
pub(crate) const RELAY_MOVE: &[u8] = b"deaddrop/1 relay move\0";
/// Hashes a transfer key.
pub(crate) const RELAY_MOVE_KEY: &[u8] = b"deaddrop/1 relay move key\0";
/// Hashes the head of a transfer file.
pub(crate) const RELAY_MOVE_FILE: &[u8] = b"deaddrop/1 relay move file\0";
/// Derives the key of the chunks of a transfer file.
pub(crate) const RELAY_MOVE_CHUNK: &[u8] = b"deaddrop/1 relay move chunk\0";
/// Hashes the seed with the hash of a transfer key: the receipt of an import.
pub(crate) const RELAY_MOVE_RECEIPT: &[u8] = b"deaddrop/1 relay move receipt\0";
