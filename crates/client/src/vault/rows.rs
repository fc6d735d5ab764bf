//! The rows' shapes. Fields are only ever appended, with a new row version.
//!
//! What opens something wipes itself: keys and capabilities have the types of their roles, and bytes that hold one are
//! [`Zeroizing`]. No row that has such a field is `Clone`.

use super::secret;
use crate::event::EventKind;
use deaddrop_crypto::IdentitySeed;
use deaddrop_link::capability::{OwnCapability, ReadCapability, SendCapability};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use zeroize::Zeroizing;

#[derive(Serialize, Deserialize)]
pub(crate) struct ConfigRow {
    #[serde(with = "secret::array")]
    pub(crate) seed: IdentitySeed,
    pub(crate) relay: Option<String>,
    pub(crate) next_contact: u32,
    /// No event has a lower number any more.
    pub(crate) event_floor: u64,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct ContactRow {
    pub(crate) name: String,
    /// Known once a session stands.
    pub(crate) identity: Option<[u8; 32]>,
    pub(crate) verified: bool,
    pub(crate) established: bool,
    pub(crate) contested: bool,
    pub(crate) unreachable: bool,
    pub(crate) mailboxes: Vec<MailboxRow>,
    pub(crate) next_mailbox: u32,
    /// Oldest first.
    pub(crate) addresses: Vec<PeerAddress>,
    pub(crate) out_stream: [u8; 16],
    pub(crate) next_number: u64,
    pub(crate) in_stream: Option<[u8; 16]>,
    /// Every number up to here was received and given to the app.
    pub(crate) low_water: u64,
    /// Numbers above it that are held.
    pub(crate) sparse: BTreeSet<u64>,
    /// The peer does not know yet what was received.
    pub(crate) receipt_due: bool,
    /// The peer was not told yet where to write: only before its first answer.
    pub(crate) hello_due: bool,
    /// Blobs that are stored here and perhaps not yet destroyed at the relay: their first 16 bytes.
    pub(crate) unacked: Vec<[u8; 16]>,
    /// Blobs that opened under no key.
    pub(crate) junk: u64,
    /// The acceptor's side of an invite, until the invite mailbox is emptied.
    pub(crate) accepted_invite: Option<AcceptedInvite>,
}

/// An own mailbox.
#[derive(Serialize, Deserialize)]
pub(crate) struct MailboxRow {
    pub(crate) id: u32,
    pub(crate) relay: String,
    pub(crate) kind: MailboxKind,
    pub(crate) state: MailboxState,
    #[serde(with = "secret::array")]
    pub(crate) own: OwnCapability,
    #[serde(with = "secret::array")]
    pub(crate) read: ReadCapability,
    #[serde(with = "secret::array")]
    pub(crate) send: SendCapability,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum MailboxKind {
    /// Where an invite's first message is awaited.
    Landing,
    /// Known to one peer alone.
    Private,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum MailboxState {
    /// To be created.
    Wanted,
    /// Created; read it.
    Live,
    /// To be deleted.
    Retiring,
    /// The relay does not have it any more: to be created again with the same capabilities. Its address stays as it was told.
    Lost,
}

impl MailboxState {
    /// To be created, for the first time or again.
    pub(crate) const fn is_wanted(self) -> bool {
        matches!(self, Self::Wanted | Self::Lost)
    }
}

/// Where a peer reads.
#[derive(Serialize, Deserialize, PartialEq, Eq)]
pub(crate) struct PeerAddress {
    /// Holds the right to put there.
    #[serde(with = "secret::bytes")]
    pub(crate) encoded: Zeroizing<Vec<u8>>,
    /// A put was refused there; tried again when no other is left.
    pub(crate) stale: bool,
}

/// An outbox item: lives until its receipt.
#[derive(Serialize, Deserialize)]
pub(crate) struct ItemRow {
    pub(crate) kind: ItemKind,
    /// The encoded content without Hello; that of a move holds a capability.
    #[serde(with = "secret::bytes")]
    pub(crate) content: Zeroizing<Vec<u8>>,
    /// Sealed for one address; erased once a relay has it.
    pub(crate) sealed: Option<Sealed>,
    /// Once a relay has taken it: the day on which it is sent again if there is no receipt, because its blob has expired.
    pub(crate) again_on: Option<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum ItemKind {
    /// Hello or receipt: not numbered, never receipted.
    Control,
    Text,
    Move,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Sealed {
    #[serde(with = "secret::bytes")]
    pub(crate) address: Zeroizing<Vec<u8>>,
    pub(crate) envelope: Vec<u8>,
}

/// An item that a receipt showed to be missing.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(crate) struct MissingRow {
    /// How often it was sent again.
    pub(crate) tries: u8,
    /// The time of the next try, in seconds since 1970-01-01; 0: not scheduled yet.
    pub(crate) at: u64,
}

/// The bytes that were sent again to a contact in one hour.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(crate) struct AgainRow {
    /// Hours since 1970-01-01.
    pub(crate) hour: u64,
    pub(crate) bytes: u64,
}

#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct EventRow {
    pub(crate) day: u32,
    pub(crate) contact: String,
    pub(crate) kind: EventKind,
}

/// The inviter's side of an invite.
#[derive(Serialize, Deserialize)]
pub(crate) struct InviteRow {
    /// The crypto crate's snapshot.
    #[serde(with = "secret::bytes")]
    pub(crate) pending: Zeroizing<Vec<u8>>,
    pub(crate) relay: String,
    #[serde(with = "secret::array")]
    pub(crate) own: OwnCapability,
    #[serde(with = "secret::array")]
    pub(crate) send: SendCapability,
    /// The sealed bundle, until it lies in its mailbox.
    pub(crate) bundle: Option<Vec<u8>>,
}

/// The acceptor's side of an invite.
#[derive(Serialize, Deserialize)]
pub(crate) struct AcceptedInvite {
    pub(crate) relay: String,
    #[serde(with = "secret::array")]
    pub(crate) read: ReadCapability,
    /// The first message is stored at a relay: the invite may be acked.
    pub(crate) answered: bool,
}

#[cfg(test)]
mod tests;
