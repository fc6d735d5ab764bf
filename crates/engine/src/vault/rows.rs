//! The fields of all rows (spec/14-client.md section 2). Fields are only ever appended, with a new
//! row version. A day is counted from 1970-01-01.
//!
//! All secrets wipe themselves: keys and capabilities have the types of their roles, and bytes that
//! hold one are [`Zeroizing`]. No row that has such a field is `Clone`.

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
    /// The identity of the user, if it is that of another device; `None`: this device's own, from
    /// the seed.
    pub(crate) root: Option<[u8; 32]>,
    pub(crate) relay: Option<String>,
    /// The number that the next person, peer or conversation gets. They share one counter.
    pub(crate) next_id: u32,
    /// The number below which all events were erased.
    pub(crate) event_floor: u64,
}

/// Another person, as the user knows it.
#[derive(Serialize, Deserialize)]
pub(crate) struct PersonRow {
    pub(crate) name: String,
    /// The hash of the person's identity, that of the main device; `None` until there is a session.
    pub(crate) root: Option<[u8; 32]>,
    pub(crate) main_peer: u32,
    pub(crate) conversation: u32,
    pub(crate) contested: bool,
}

/// A conversation with one person.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(crate) struct ConversationRow {
    pub(crate) person: u32,
    /// The highest clock of the messages that were sent, or received and believed. The next message
    /// gets a higher one.
    pub(crate) clock: u64,
    /// The highest clock of the messages that were received and given to the app, as far as it was
    /// believed.
    pub(crate) shown_clock: u64,
    /// The latest time, by its sender, of the messages that were received and given to the app, in
    /// seconds since 1970-01-01.
    pub(crate) shown_time: u64,
}

impl ConversationRow {
    /// Creates a conversation in which nothing was received.
    pub(crate) const fn new(person: u32, clock: u64) -> Self {
        Self { person, clock, shown_clock: 0, shown_time: 0 }
    }
}

/// One device of another person, as this device communicates with it. The e2ee crate's rows hold
/// its sessions.
#[derive(Serialize, Deserialize)]
pub(crate) struct PeerRow {
    pub(crate) person: u32,
    /// The hash of the device's identity; `None` until there is a session.
    pub(crate) leaf: Option<[u8; 32]>,
    pub(crate) kind: PeerKind,
    /// The slots of the sessions: the sub numbers in the keys of their rows.
    pub(crate) slots: Vec<SessionSlot>,
    pub(crate) established: bool,
    pub(crate) unreachable: bool,
    pub(crate) mailboxes: Vec<MailboxRow>,
    pub(crate) next_mailbox: u32,
    /// The addresses of the mailboxes into which this client puts messages for the peer, oldest
    /// first.
    pub(crate) addresses: Vec<PeerAddress>,
    pub(crate) outgoing: OutStream,
    /// The incoming streams, oldest first, at most [`MAX_IN_STREAMS`].
    pub(crate) incoming: Vec<InStream>,
    /// Whether a [`Content::Hello`](deaddrop_e2ee::content::Content::Hello) has to be sent: the
    /// peer was not told yet where to write. Only before its first answer.
    pub(crate) hello_due: bool,
    /// Whether a new session is to be begun by itself (a reset) as soon as that is possible.
    pub(crate) reset_due: bool,
    /// The day on which the app was last told of trouble with the session; 0: never, or not since a
    /// session was established.
    pub(crate) troubled_on: u32,
    /// Number of blobs in a row, at most 3, that no key opened although they came to a mailbox into
    /// which only the peer puts. After a restore from a copy the number is set to 2, so that the
    /// next such blob counts as the third.
    pub(crate) unread: u8,
    /// The first 16 bytes of each blob that was processed and that the relay has perhaps not
    /// destroyed yet.
    pub(crate) unacked: Vec<[u8; 16]>,
    /// Number of blobs that were given up: no key opened them, or what was opened was refused. Those
    /// that `unread` counts are among them.
    pub(crate) junk: u64,
    /// The data that the acceptor of the peer's invite keeps until the invite mailbox is emptied;
    /// `None` on the inviter's side, or afterwards.
    pub(crate) accepted_invite: Option<AcceptedInvite>,
}

/// The kind of person to whom the device of a peer belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum PeerKind {
    /// A contact's device.
    Contact,
}

/// The slot of a session: the sub number in the keys of its rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SessionSlot {
    pub(crate) slot: u8,
    pub(crate) session: [u8; 16],
}

/// Maximum number of streams of a peer that are received at a time (spec/14-client.md section 3.1).
pub(crate) const MAX_IN_STREAMS: usize = 4;

/// The stream of items to a peer. Items get a number in it when they are encrypted.
#[derive(Serialize, Deserialize)]
pub(crate) struct OutStream {
    pub(crate) id: [u8; 16],
    /// The number that the next item gets.
    pub(crate) next: u64,
    /// The digest of all items with a number below `next`.
    #[serde(with = "secret::array")]
    pub(crate) digest: StreamDigest,
    /// The number up to which the peer has proved to hold the very items that were sent.
    pub(crate) confirmed: u64,
    /// The digest of all items up to `confirmed`.
    #[serde(with = "secret::array")]
    pub(crate) confirmed_digest: StreamDigest,
    /// Count of receipts in a row, at most 255, that confirmed nothing new although they named
    /// items above a missing one that was sent again at least twice. A receipt whose low-water mark
    /// is below `confirmed` counts as three.
    pub(crate) still: u8,
    /// The day on which a receipt has last caused a new stream; 0: never.
    pub(crate) drawn_on: u32,
    /// Whether the app was told that the peer's receipts do not match what was sent
    /// ([`EventKind::PeerDisagrees`]).
    pub(crate) disagrees: bool,
    /// Whether items of the stream before this one still wait to become drafts again.
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
    /// The sub number in the keys of the stream's held items, different for each stream of a peer.
    pub(crate) slot: u8,
    pub(crate) id: [u8; 16],
    /// The number up to which everything was received and given to the app.
    pub(crate) low_water: u64,
    /// The digest of all items up to the low-water mark; meaningless unless `has_digest` is set.
    #[serde(with = "secret::array")]
    pub(crate) digest: StreamDigest,
    /// Whether the digest is known; `false` for a stream of a vault of format 1.
    pub(crate) has_digest: bool,
    /// The numbers above the low-water mark of the items that have come and are held.
    pub(crate) sparse: BTreeSet<u64>,
    /// The number up to which all items that have come were given to the app, though some may be
    /// missing.
    pub(crate) shown: u64,
    /// The number after the highest item that was dropped, because too many were held or kept; 0:
    /// none was.
    pub(crate) beyond: u64,
    /// The time, in seconds since 1970-01-01, since which an item is known to wait behind a missing
    /// one and everything at one of the contact's relays has been read; `None`: no such wait is
    /// counted.
    pub(crate) waits_since: Option<u64>,
    /// The day on which an item of the stream last came.
    pub(crate) used_on: u32,
    /// Whether a receipt has to be sent: the peer does not know yet what was received.
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
    /// A landing mailbox: for the first messages of a person who uses an invite. Sentinel mailboxes
    /// have this kind, too.
    Landing,
    /// A private mailbox: for the messages of one contact, which alone knows its address.
    Private,
}

/// The state of an own mailbox at its relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MailboxState {
    /// The mailbox is to be created at the relay.
    Wanted,
    /// The mailbox is created and is read.
    Live,
    /// The mailbox is no longer used, and is to be deleted at the relay.
    Retiring,
    /// The relay does not have the mailbox any more. It is created again with the same
    /// capabilities, so that its address stays the same.
    Lost,
}

impl MailboxState {
    /// Whether the mailbox is to be created, for the first time or again.
    #[must_use]
    pub const fn is_wanted(self) -> bool {
        matches!(self, Self::Wanted | Self::Lost)
    }
}

/// The address of a mailbox of a peer, into which this client puts.
#[derive(Serialize, Deserialize, PartialEq, Eq)]
pub(crate) struct PeerAddress {
    /// The encoded address, which holds the capability to put into the mailbox.
    #[serde(with = "secret::bytes")]
    pub(crate) encoded: Zeroizing<Vec<u8>>,
    /// Whether the relay has refused a put to this address. A refused address is tried again when
    /// no other is left.
    pub(crate) stale: bool,
}

/// A numbered item of the outbox, which is kept until its receipt, or the control message, which is
/// kept until a relay has stored it.
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
    /// The day on which the item is sent again if it has no receipt, because its blob has expired
    /// at the relay; `None` until a relay has stored the present envelope.
    pub(crate) again_on: Option<u32>,
    /// Whether a relay has stored an envelope of the item at least once.
    pub(crate) stored_at_relay: bool,
    /// The id of the message in the item; `None`: the item is no message.
    pub(crate) message: Option<[u8; 16]>,
    /// The digest of the stream up to this item.
    #[serde(with = "secret::array")]
    pub(crate) digest: StreamDigest,
}

/// An item to be sent that has no number in the stream yet.
#[derive(Serialize, Deserialize)]
pub(crate) struct DraftRow {
    pub(crate) kind: ItemKind,
    /// The encoded content, in which stream and number are zero.
    #[serde(with = "secret::bytes")]
    pub(crate) content: Zeroizing<Vec<u8>>,
    /// Whether a relay has stored an envelope of the item, in an earlier stream.
    pub(crate) stored_at_relay: bool,
    pub(crate) message: Option<[u8; 16]>,
}

/// The kind of an item of the outbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum ItemKind {
    /// A [`Content::Hello`](deaddrop_e2ee::content::Content::Hello) alone, or receipts: the item
    /// has no number and gets no receipt.
    Control,
    Message,
    Move,
}

/// A received item above the low-water mark of its stream.
#[derive(Serialize, Deserialize)]
pub(crate) struct HeldRow {
    /// The hash of the item, for the stream's digest.
    #[serde(with = "secret::array")]
    pub(crate) hash: ItemHash,
    /// The encoded item; empty once it was given to the app.
    #[serde(with = "secret::bytes")]
    pub(crate) content: Zeroizing<Vec<u8>>,
}

/// A content that is kept for a newer version of this program. The number in its key is that of the
/// event that reports it.
#[derive(Serialize, Deserialize)]
pub(crate) struct ParkedRow {
    pub(crate) peer: u32,
    pub(crate) stream: [u8; 16],
    /// The number of the item in its stream; 0: the row holds a whole content, which took no
    /// number.
    pub(crate) number: u64,
    #[serde(with = "secret::bytes")]
    pub(crate) content: Zeroizing<Vec<u8>>,
}

/// The id of a message that was given to the app. As long as the row exists, the message is not
/// given again, in whatever stream or session it comes.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(crate) struct SeenRow {
    pub(crate) message: [u8; 16],
}

/// An envelope that is read only after the user's decision.
#[derive(Serialize, Deserialize)]
pub(crate) struct AskedRow {
    pub(crate) question: Question,
    /// The hash of the identity that asks to be the contact; zeros if the contact asks for a reset.
    pub(crate) identity: [u8; 32],
    pub(crate) mailbox: u32,
    pub(crate) envelope: Vec<u8>,
}

/// The sentinel mailboxes, which only show whether this vault was put back from a copy. Each is
/// deleted when the next is made.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct SentinelRow {
    /// The sentinel mailboxes, oldest first.
    pub(crate) mailboxes: Vec<MailboxRow>,
    pub(crate) next_mailbox: u32,
    /// The time at which the newest sentinel mailbox was added, in seconds since 1970-01-01.
    pub(crate) wanted_at: u64,
    /// The day on which the app was last told of a restore; 0: never.
    pub(crate) restored_on: u32,
    /// The day on which the app was last told of another reader; 0: never.
    pub(crate) displaced_on: u32,
    /// Number of times that the app was told of a restore on the day `restored_on`.
    pub(crate) restored_times: u8,
}

/// The day that the client believes to be the present one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CalendarRow {
    /// The day, counted from 1970-01-01.
    pub(crate) day: u32,
    /// The wait for another day that the clock shows and that is not believed yet; `None`: there is
    /// none, because the clock agrees, shows an impossible day, or is denied by own relays.
    pub(crate) waits: Option<ClockWait>,
}

/// The wait for a day that the clock shows and that is too far from the believed one: the clock has
/// to keep to it for 24 hours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ClockWait {
    /// The time of the last look at the clock that was counted, in seconds since 1970-01-01, by
    /// that clock.
    pub(crate) looked_at: u64,
    /// Number of hours for which the clock was seen to keep to the other day: looks that came at
    /// least an hour after the one before.
    pub(crate) hours: u8,
}

/// The question about a contact that the user is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Question {
    /// Whether to begin a new session: the contact asks for one, and cannot prove that it knew the
    /// old one.
    Reset,
    /// Whether the contact has a new identity: an unknown one has used an invite that was made for
    /// the contact.
    Identity,
}

/// The format of the vault, and the progress of the migration from format 1 to 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FormatRow {
    /// The format of the vault: 2, or 1 while it is migrated. A vault without this row has format
    /// 1.
    pub(crate) version: u32,
    /// The index of the migration's stage that is under way; 0 otherwise.
    pub(crate) stage: u32,
    /// The key of the last row that this stage has converted; zeros if there is none, or no
    /// migration is under way.
    pub(crate) after: [u8; 16],
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Sealed {
    #[serde(with = "secret::bytes")]
    pub(crate) address: Zeroizing<Vec<u8>>,
    pub(crate) envelope: Vec<u8>,
}

/// A note that a receipt showed an item of the outbox to be missing.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(crate) struct MissingRow {
    /// Number of times that the item was sent again.
    pub(crate) tries: u8,
    /// The time of the next try, in seconds since 1970-01-01; 0: not scheduled yet.
    pub(crate) at: u64,
}

/// The amount of bytes of envelopes that were sent again to a contact in one hour of the machine's
/// clock, because their items are missing or a new stream repeats them.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(crate) struct AgainRow {
    /// The hour: number of hours since 1970-01-01.
    pub(crate) hour: u64,
    pub(crate) bytes: u64,
}

#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct EventRow {
    pub(crate) day: u32,
    /// The number of the conversation, which is that of the contact, that the event concerns; 0:
    /// none.
    pub(crate) conversation: u32,
    /// The number of the person who caused the event; 0: this user.
    pub(crate) author: u32,
    /// The id of the message that the event is about; `None`: it is about none.
    pub(crate) message: Option<[u8; 16]>,
    pub(crate) kind: EventKind,
}

/// The data that the inviter keeps of an open invite.
#[derive(Serialize, Deserialize)]
pub(crate) struct InviteRow {
    /// The snapshot of the e2ee crate's `PendingInvite`, which holds the invite's secrets.
    #[serde(with = "secret::bytes")]
    pub(crate) pending: Zeroizing<Vec<u8>>,
    pub(crate) relay: String,
    #[serde(with = "secret::array")]
    pub(crate) own: OwnCapability,
    #[serde(with = "secret::array")]
    pub(crate) send: SendCapability,
    /// The sealed bundle; `None` once the invite is published.
    pub(crate) bundle: Option<Vec<u8>>,
}

/// The data that the acceptor of an invite keeps until the invite mailbox is emptied.
#[derive(Serialize, Deserialize)]
pub(crate) struct AcceptedInvite {
    pub(crate) relay: String,
    #[serde(with = "secret::array")]
    pub(crate) read: ReadCapability,
    /// Whether a relay has stored the first message to the inviter, so that the invite mailbox may
    /// be emptied.
    pub(crate) stored_at_relay: bool,
}

#[cfg(test)]
mod tests;
