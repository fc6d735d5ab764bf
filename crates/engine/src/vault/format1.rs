//! The rows of a vault of format 1 that format 2 changes (spec/14-client.md section 2.1). Only the migration reads them.

use super::{
    rows::{AcceptedInvite, MailboxRow, PeerAddress, Sealed},
    secret,
};
use deaddrop_e2ee::identity::IdentitySeed;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use zeroize::Zeroizing;

#[derive(Serialize, Deserialize)]
pub(crate) struct ConfigRow {
    #[serde(with = "secret::array")]
    pub(crate) seed: IdentitySeed,
    pub(crate) relay: Option<String>,
    pub(crate) next_contact: u32,
    /// The number below which there is no event any more.
    pub(crate) event_floor: u64,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct ContactRow {
    pub(crate) name: String,
    /// The person's identity, known once there is a session.
    pub(crate) identity: Option<[u8; 32]>,
    pub(crate) verified: bool,
    pub(crate) established: bool,
    pub(crate) contested: bool,
    pub(crate) unreachable: bool,
    pub(crate) mailboxes: Vec<MailboxRow>,
    pub(crate) next_mailbox: u32,
    /// The addresses, oldest first.
    pub(crate) addresses: Vec<PeerAddress>,
    pub(crate) out_stream: [u8; 16],
    pub(crate) next_number: u64,
    pub(crate) in_stream: Option<[u8; 16]>,
    /// The number up to which everything was received and given to the app.
    pub(crate) low_water: u64,
    /// Numbers above the low-water mark that are held.
    pub(crate) sparse: BTreeSet<u64>,
    /// Whether the peer does not know yet what was received.
    pub(crate) receipt_due: bool,
    /// Whether the peer was not told yet where to write: only before its first answer.
    pub(crate) hello_due: bool,
    /// The first 16 bytes of each blob that is stored here and perhaps not yet destroyed at the relay.
    pub(crate) unacked: Vec<[u8; 16]>,
    /// Number of blobs that opened under no key.
    pub(crate) junk: u64,
    /// The acceptor's side of an invite, until the invite mailbox is emptied.
    pub(crate) accepted_invite: Option<AcceptedInvite>,
}

/// An outbox item, which lives until its receipt.
#[derive(Serialize, Deserialize)]
pub(crate) struct ItemRow {
    pub(crate) kind: ItemKind,
    /// The encoded content without Hello; that of a move holds a capability.
    #[serde(with = "secret::bytes")]
    pub(crate) content: Zeroizing<Vec<u8>>,
    /// The envelope for one address; erased once a relay has it.
    pub(crate) sealed: Option<Sealed>,
    /// The day on which the item is sent again without a receipt, because its blob has expired; `None` until a relay has stored
    /// it.
    pub(crate) again_on: Option<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum ItemKind {
    /// A Hello or a receipt: not numbered, never receipted.
    Control,
    Text,
    Move,
}

#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct EventRow {
    pub(crate) day: u32,
    pub(crate) contact: String,
    pub(crate) kind: EventKind,
}

/// The kinds of event of format 1.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum EventKind {
    MessageReceived { number: u64, text: String },
    Delivered { number: u64 },
    Established,
    InviteAccepted,
    InviteContested,
    Unreachable,
    NeedsNewerVersion,
    InviteExpired,
    PrivateAddress { address: std::net::IpAddr },
}
