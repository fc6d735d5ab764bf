//! The rows of a vault of format 1 that format 2 changes (spec/14-client.md section 2.1). Only the
//! migration reads them.

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
    /// The number below which all events were erased.
    pub(crate) event_floor: u64,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct ContactRow {
    pub(crate) name: String,
    /// The hash of the person's identity; `None` until there is a session.
    pub(crate) identity: Option<[u8; 32]>,
    pub(crate) verified: bool,
    pub(crate) established: bool,
    pub(crate) contested: bool,
    pub(crate) unreachable: bool,
    pub(crate) mailboxes: Vec<MailboxRow>,
    pub(crate) next_mailbox: u32,
    /// The addresses of the mailboxes into which this client puts messages for the contact, oldest
    /// first.
    pub(crate) addresses: Vec<PeerAddress>,
    pub(crate) out_stream: [u8; 16],
    pub(crate) next_number: u64,
    pub(crate) in_stream: Option<[u8; 16]>,
    /// The number up to which everything was received and given to the app.
    pub(crate) low_water: u64,
    /// The numbers above the low-water mark of the items that have come and are held.
    pub(crate) sparse: BTreeSet<u64>,
    /// Whether a receipt has to be sent: the peer does not know yet what was received.
    pub(crate) receipt_due: bool,
    /// Whether a [`Content::Hello`](deaddrop_e2ee::content::Content::Hello) has to be sent: the
    /// peer was not told yet where to write. Only before its first answer.
    pub(crate) hello_due: bool,
    /// The first 16 bytes of each blob that was processed and that the relay has perhaps not
    /// destroyed yet.
    pub(crate) unacked: Vec<[u8; 16]>,
    /// Number of blobs that no key opened, or that could not be read.
    pub(crate) junk: u64,
    /// The data that the acceptor of the contact's invite keeps until the invite mailbox is
    /// emptied; `None` on the inviter's side, or afterwards.
    pub(crate) accepted_invite: Option<AcceptedInvite>,
}

/// A numbered item of the outbox, which is kept until its receipt, or the control message.
#[derive(Serialize, Deserialize)]
pub(crate) struct ItemRow {
    pub(crate) kind: ItemKind,
    /// The encoded content, without a [`Content::Hello`](deaddrop_e2ee::content::Content::Hello)
    /// before it; empty if there is nothing else. That of a move holds the capability to put into
    /// an own mailbox.
    #[serde(with = "secret::bytes")]
    pub(crate) content: Zeroizing<Vec<u8>>,
    /// The item encrypted for one address; `None` before it is encrypted, and once a relay has
    /// stored it.
    pub(crate) sealed: Option<Sealed>,
    /// The day (counted from 1970-01-01) on which the item is sent again if it has no receipt,
    /// because its blob has expired at the relay; `None` until a relay has stored the envelope.
    pub(crate) again_on: Option<u32>,
}

/// The kind of an item of the outbox, in format 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum ItemKind {
    /// A [`Content::Hello`](deaddrop_e2ee::content::Content::Hello) or a receipt: it has no number
    /// and gets no receipt.
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

/// The kinds of events of format 1.
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
