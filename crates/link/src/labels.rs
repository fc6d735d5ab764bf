//! Every label of the link and of capabilities, as in spec/labels.md.

pub(crate) const CAPABILITY: &[u8] = b"deaddrop/1 capability\0";
pub(crate) const CAPABILITY_OWN: &[u8] = b"deaddrop/1 capability own\0";
pub(crate) const CAPABILITY_READ: &[u8] = b"deaddrop/1 capability read\0";
pub(crate) const CAPABILITY_SEND: &[u8] = b"deaddrop/1 capability send\0";
pub(crate) const OWN_ID: &[u8] = b"deaddrop/1 own id\0";
pub(crate) const MAILBOX_ID: &[u8] = b"deaddrop/1 mailbox id\0";
pub(crate) const SEND_ID: &[u8] = b"deaddrop/1 send id\0";

pub(crate) const CLIENT_TOKEN: &[u8] = b"deaddrop/1 client token\0";

pub(crate) const RELAY_IDENTITY: &[u8] = b"deaddrop/1 relay identity\0";
pub(crate) const RELAY_IDENTITY_X25519: &[u8] = b"deaddrop/1 relay identity x25519\0";
pub(crate) const RELAY_IDENTITY_ML_KEM: &[u8] = b"deaddrop/1 relay identity ml-kem-768\0";
pub(crate) const RELAY_FINGERPRINT: &[u8] = b"deaddrop/1 relay fingerprint\0";

pub(crate) const LINK: &[u8] = b"deaddrop/1 link\0";
pub(crate) const LINK_TRANSCRIPT_1: &[u8] = b"deaddrop/1 link transcript 1\0";
pub(crate) const LINK_TRANSCRIPT_2: &[u8] = b"deaddrop/1 link transcript 2\0";
pub(crate) const LINK_TRANSCRIPT_3: &[u8] = b"deaddrop/1 link transcript 3\0";
pub(crate) const LINK_STATIC: &[u8] = b"deaddrop/1 link static\0";
pub(crate) const LINK_CHAIN_1: &[u8] = b"deaddrop/1 link chain 1\0";
pub(crate) const LINK_CONFIRM: &[u8] = b"deaddrop/1 link confirm\0";
pub(crate) const LINK_CHAIN_2: &[u8] = b"deaddrop/1 link chain 2\0";
pub(crate) const LINK_CLIENT: &[u8] = b"deaddrop/1 link client\0";
pub(crate) const LINK_RELAY: &[u8] = b"deaddrop/1 link relay\0";
pub(crate) const LINK_REKEY: &[u8] = b"deaddrop/1 link rekey\0";
pub(crate) const LINK_COOKIE: &[u8] = b"deaddrop/1 link cookie\0";
