//! The fields of all rows. Fields are only ever appended, with a new row version.
//!
//! All secrets wipe themselves: keys and capabilities have the types of their roles, and bytes that hold one are [`Zeroizing`].
//! No row that has such a field is `Clone`.

use super::secret;
use crate::event::EventKind;
use deaddrop_e2ee::{
    content::{ItemHash, StreamDigest},
    identity::IdentitySeed,
};
use deaddrop_link::capability::{OwnCapability, ReadCapability, SendCapability};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use zeroize::Zeroizing;

#[derive(Serialize, Deserialize)]
pub(crate) struct ConfigRow {
    /// The seed of this device's identity.
    #[serde(with = "secret::array")]
    pub(crate) seed: IdentitySeed,
    /// The person's identity, if another device's.
    pub(crate) root: Option<[u8; 32]>,
    pub(crate) relay: Option<String>,
    /// The next number of a person, peer or conversation. They share one counter.
    pub(crate) next_id: u32,
    /// The number below which there is no event any more.
    pub(crate) event_floor: u64,
}

/// Another person, as the user knows it.
#[derive(Serialize, Deserialize)]
pub(crate) struct PersonRow {
    pub(crate) name: String,
    /// The person's identity, that of the main device; known once there is a session.
    pub(crate) root: Option<[u8; 32]>,
    pub(crate) main_peer: u32,
    pub(crate) conversation: u32,
    pub(crate) contested: bool,
}

/// A conversation with one person, or in one group.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(crate) struct ConversationRow {
    pub(crate) person: u32,
    /// The highest clock of a message that was sent or believed.
    pub(crate) clock: u64,
    /// The highest clock of a message that was received and given to the app.
    pub(crate) shown_clock: u64,
    /// The latest time of such a message, in seconds since 1970-01-01.
    pub(crate) shown_time: u64,
}

impl ConversationRow {
    /// Creates a conversation in which nothing was received.
    pub(crate) const fn new(person: u32, clock: u64) -> Self {
        Self { person, clock, shown_clock: 0, shown_time: 0 }
    }
}

/// One device of another person, as this device talks to it. Its sessions are in the row of the e2ee crate's contact.
#[derive(Serialize, Deserialize)]
pub(crate) struct PeerRow {
    pub(crate) person: u32,
    /// The device's identity, known once there is a session.
    pub(crate) leaf: Option<[u8; 32]>,
    pub(crate) kind: PeerKind,
    /// The sub numbers under which the rows of the sessions lie.
    pub(crate) slots: Vec<SessionSlot>,
    pub(crate) established: bool,
    pub(crate) unreachable: bool,
    pub(crate) mailboxes: Vec<MailboxRow>,
    pub(crate) next_mailbox: u32,
    /// The addresses, oldest first.
    pub(crate) addresses: Vec<PeerAddress>,
    pub(crate) outgoing: OutStream,
    /// The incoming streams, at most [`MAX_IN_STREAMS`].
    pub(crate) incoming: Vec<InStream>,
    /// Whether the peer was not told yet where to write: only before its first answer.
    pub(crate) hello_due: bool,
    /// Whether the session is to be reset as soon as that is possible.
    pub(crate) reset_due: bool,
    /// The day on which trouble with the session was last told; 0: never.
    pub(crate) troubled_on: u32,
    /// Number of blobs in a row that opened under no key although they came to a mailbox to which only the peer puts. After a
    /// restore the number is high, as if there had been many.
    pub(crate) unread: u8,
    /// The first 16 bytes of each blob that is stored here and perhaps not yet destroyed at the relay.
    pub(crate) unacked: Vec<[u8; 16]>,
    /// Number of blobs that opened under no key.
    pub(crate) junk: u64,
    /// The acceptor's side of an invite, until the invite mailbox is emptied.
    pub(crate) accepted_invite: Option<AcceptedInvite>,
}

/// The person to whom the device of a peer belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum PeerKind {
    /// A contact's device.
    Contact,
}

/// The place of a session's rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SessionSlot {
    pub(crate) slot: u8,
    pub(crate) session: [u8; 16],
}

/// Maximum number of streams of a peer that are received at a time.
pub(crate) const MAX_IN_STREAMS: usize = 4;

/// The stream of items to a peer. Items get numbers in it when they are sealed.
#[derive(Serialize, Deserialize)]
pub(crate) struct OutStream {
    pub(crate) id: [u8; 16],
    /// The number of the next item.
    pub(crate) next: u64,
    /// The digest of all items below the next one.
    #[serde(with = "secret::array")]
    pub(crate) digest: StreamDigest,
    /// The number up to which the peer has proved to hold the very items that were sent.
    pub(crate) confirmed: u64,
    /// The digest of the confirmed items.
    #[serde(with = "secret::array")]
    pub(crate) confirmed_digest: StreamDigest,
    /// Number of receipts in a row that named items above a missing one, with the same low-water mark.
    pub(crate) still: u8,
    /// The day on which a receipt has last drawn a new stream; 0: never.
    pub(crate) drawn_on: u32,
    /// Whether the user was told that the peer's receipts do not fit to what was sent.
    pub(crate) disagrees: bool,
    /// Whether a new stream was drawn while items of the one before still wait to become drafts again.
    pub(crate) renumbers: bool,
}

impl OutStream {
    /// Creates a stream in which nothing was sent.
    pub(crate) fn new(id: [u8; 16]) -> Self {
        Self {
            id,
            next: 1,
            digest: StreamDigest::empty(),
            confirmed: 0,
            confirmed_digest: StreamDigest::empty(),
            still: 0,
            drawn_on: 0,
            disagrees: false,
            renumbers: false,
        }
    }
}

/// A stream of items from a peer.
#[derive(Serialize, Deserialize)]
pub(crate) struct InStream {
    /// The sub number under which its held rows lie.
    pub(crate) slot: u8,
    pub(crate) id: [u8; 16],
    /// The number up to which everything was received and given to the app.
    pub(crate) low_water: u64,
    /// The digest at the low-water mark; meaningless unless `has_digest` is set.
    #[serde(with = "secret::array")]
    pub(crate) digest: StreamDigest,
    /// Whether the digest is known; `false` for a stream of a vault of format 1.
    pub(crate) has_digest: bool,
    /// The numbers above the low-water mark that have come.
    pub(crate) sparse: BTreeSet<u64>,
    /// The number up to which all items that have come were given to the app.
    pub(crate) shown: u64,
    /// The number after the highest one that was dropped because too many were held; 0: none.
    pub(crate) beyond: u64,
    /// The time since which an item waits behind a missing number, in seconds since 1970-01-01. Counts only while everything that
    /// lay at the relay has been read.
    pub(crate) waits_since: Option<u64>,
    /// The day on which the stream was used last.
    pub(crate) used_on: u32,
    /// Whether the peer does not know yet what was received.
    pub(crate) receipt_due: bool,
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

/// The purpose of an own mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MailboxKind {
    /// A mailbox for the first message of an invite.
    Landing,
    /// A mailbox for the messages of one peer, which alone knows it.
    Private,
}

/// The state of an own mailbox at its relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MailboxState {
    /// The mailbox is not created at the relay yet.
    Wanted,
    /// The mailbox is created and is read.
    Live,
    /// The mailbox is no longer used. The relay is asked to delete it.
    Retiring,
    /// The relay does not have the mailbox any more. It is created again with the same capabilities, so that its address stays
    /// the same.
    Lost,
}

impl MailboxState {
    /// Whether the mailbox is to be created, for the first time or again.
    #[must_use]
    pub const fn is_wanted(self) -> bool {
        matches!(self, Self::Wanted | Self::Lost)
    }
}

/// A mailbox of a peer.
#[derive(Serialize, Deserialize, PartialEq, Eq)]
pub(crate) struct PeerAddress {
    /// The encoded address, which holds the right to put there.
    #[serde(with = "secret::bytes")]
    pub(crate) encoded: Zeroizing<Vec<u8>>,
    /// Whether a put was refused at this address. The address is tried again when no other is left.
    pub(crate) stale: bool,
}

/// A numbered item of the outbox, or the control message. It lives until its receipt.
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
    /// Whether a relay has stored the item at least once.
    pub(crate) stored_at_relay: bool,
    /// The message that the item carries.
    pub(crate) message: Option<[u8; 16]>,
    /// The digest of the stream with this item.
    #[serde(with = "secret::array")]
    pub(crate) digest: StreamDigest,
}

/// An item to be sent that has no number yet.
#[derive(Serialize, Deserialize)]
pub(crate) struct DraftRow {
    pub(crate) kind: ItemKind,
    /// The encoded content, its stream and number zero.
    #[serde(with = "secret::bytes")]
    pub(crate) content: Zeroizing<Vec<u8>>,
    /// Whether a relay has stored the item, in an earlier stream.
    pub(crate) stored_at_relay: bool,
    pub(crate) message: Option<[u8; 16]>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum ItemKind {
    /// A Hello or a receipt: not numbered, never receipted.
    Control,
    Message,
    Move,
}

/// An item above the low-water mark of its stream.
#[derive(Serialize, Deserialize)]
pub(crate) struct HeldRow {
    /// The hash of the item, for the digest.
    #[serde(with = "secret::array")]
    pub(crate) hash: ItemHash,
    /// The encoded item; empty once it was given to the app.
    #[serde(with = "secret::bytes")]
    pub(crate) content: Zeroizing<Vec<u8>>,
}

/// A content that is kept for a newer version. The number of its key is that of the event that reports it.
#[derive(Serialize, Deserialize)]
pub(crate) struct ParkedRow {
    pub(crate) peer: u32,
    pub(crate) stream: [u8; 16],
    /// The number of the item; 0: a whole content, which took no number.
    pub(crate) number: u64,
    #[serde(with = "secret::bytes")]
    pub(crate) content: Zeroizing<Vec<u8>>,
}

/// A message that was given to the app. It is not given again, by whatever way it comes.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(crate) struct SeenRow {
    pub(crate) message: [u8; 16],
}

/// An envelope that needs the user's decision before it is read.
#[derive(Serialize, Deserialize)]
pub(crate) struct AskedRow {
    pub(crate) question: Question,
    /// The identity that asks to be the contact; zeros for a reset, which the contact asks for.
    pub(crate) identity: [u8; 32],
    pub(crate) mailbox: u32,
    pub(crate) envelope: Vec<u8>,
}

/// Own mailboxes that only show whether this vault is the newest. Each is deleted when the next is made.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct SentinelRow {
    /// The mailboxes, oldest first.
    pub(crate) mailboxes: Vec<MailboxRow>,
    pub(crate) next_mailbox: u32,
    /// The time at which the newest was wanted, in seconds since 1970-01-01.
    pub(crate) wanted_at: u64,
    /// The days on which the user was last told of a restore and of another reader; 0: never.
    pub(crate) restored_on: u32,
    pub(crate) displaced_on: u32,
    /// Number of times that a restore was told on that day.
    pub(crate) restored_times: u8,
}

/// The day that is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CalendarRow {
    /// The number of the day.
    pub(crate) day: u32,
    /// The wait of another day that the clock shows and that is not believed yet.
    pub(crate) waits: Option<ClockWait>,
}

/// The time for which the clock has kept to another day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ClockWait {
    /// The time of the look that was counted last, in seconds since 1970-01-01.
    pub(crate) looked_at: u64,
    /// Number of hours that were counted.
    pub(crate) hours: u8,
}

/// The question that the user is asked about a contact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Question {
    /// The contact wants to begin again and cannot prove that it knew the session.
    Reset,
    /// Another identity has used an invite that was meant for the contact.
    Identity,
}

/// The format of the vault, or the progress of the migration to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FormatRow {
    /// The format of the vault. The row is missing in format 1.
    pub(crate) version: u32,
    /// While the vault is brought from format 1 to 2: the step that is under way.
    pub(crate) stage: u32,
    /// The last row that the step has done.
    pub(crate) after: [u8; 16],
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
    /// Number of times that the item was sent again.
    pub(crate) tries: u8,
    /// The time of the next try, in seconds since 1970-01-01; 0: not scheduled yet.
    pub(crate) at: u64,
}

/// The bytes that were sent again to a contact in one hour of the machine's clock.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(crate) struct AgainRow {
    /// Number of hours since 1970-01-01.
    pub(crate) hour: u64,
    pub(crate) bytes: u64,
}

#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct EventRow {
    pub(crate) day: u32,
    /// The conversation that the event concerns; 0: none.
    pub(crate) conversation: u32,
    /// The person who caused the event; 0: this user.
    pub(crate) author: u32,
    /// The message that the event is about.
    pub(crate) message: Option<[u8; 16]>,
    pub(crate) kind: EventKind,
}

/// The inviter's side of an invite.
#[derive(Serialize, Deserialize)]
pub(crate) struct InviteRow {
    /// The e2ee crate's snapshot.
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
    /// Whether the first message is stored at a relay, so that the invite may be acked.
    pub(crate) stored_at_relay: bool,
}

#[cfg(test)]
mod tests;
