//! The port of a store (spec/12-relay.md section 4): every call takes a batch and returns one answer per entry, in order.
//!
//! A store answers only after the change is on stable storage. It checks the capability, then looks for a duplicate, then checks
//! the quota, all inside the commit, so that a retry is never told `Full`. A delivery is a look at the blobs that are not in
//! flight; there is no cursor. The reader of a mailbox holds a fence, and acks under an older fence do nothing. A database can
//! implement this trait with the fence in the mailbox's row.
//!
//! The feature `testing` brings the contract: checks that every store must pass.

mod census;
mod space;

pub use census::{Census, Health, Trouble};
pub use space::Space;

use crate::clock::Now;
use crate::hints::{Hints, SubscriptionEnd};
pub use crate::names::Handle;
use deaddrop_wire::item::{CreateFlags, LeaseClass, QuotaClass, SendGrant};
use deaddrop_wire::{Blob, ClientToken, MailboxId, OwnId, SendId};
use std::future::Future;
use std::sync::Arc;

/// A place for mailboxes. A caller may drop every future: the store finishes what it has begun.
pub trait Store: Send + Sync + 'static {
    /// Creates mailboxes. A repeated create finds the same mailbox. If the store remembers no calendar, it remembers that of `now` with the
    /// first mailbox.
    fn create(&self, new: Vec<NewMailbox>, now: Now) -> impl Future<Output = Vec<Verdict>> + Send;

    /// Changes mailboxes by the right of their owners.
    fn change(&self, changes: Vec<(OwnId, Change)>, now: Now) -> impl Future<Output = Vec<Verdict>> + Send;

    /// Stores blobs. Returns one verdict for each, in order. A blob that the mailbox still holds is not stored twice.
    fn put(&self, puts: Vec<(SendId, Blob)>, now: Now) -> impl Future<Output = Vec<Verdict>> + Send;

    /// Makes `reader` the only reader of these mailboxes; older fences end. The reader stays connected while the
    /// store can upgrade its hints. A claim counts as a use of the mailbox and renews its lease; a crash may undo both until an
    /// owner's change of the mailbox is answered.
    fn claim(
        &self,
        claims: Vec<Claim>,
        reader: &ConnectedReader,
        now: Now,
    ) -> impl Future<Output = Vec<Result<Claimed, NotClaimed>>> + Send;

    /// Gives claims back. A claim under an older fence is ignored.
    fn release(&self, claims: Vec<(Handle, Fence)>) -> impl Future<Output = ()> + Send;

    /// Returns the oldest blobs of a mailbox that are not in flight, with their bytes.
    fn peek(&self, peek: Peek, now: Now) -> impl Future<Output = Result<Peeked, Stale>> + Send;

    /// Destroys blobs, and answers when they are destroyed. Absent blobs count as destroyed.
    fn ack(
        &self,
        acks: Vec<(Handle, Fence, Vec<RecordId>)>,
        now: Now,
    ) -> impl Future<Output = Vec<Result<(), NotAcked>>> + Send;

    /// Starts the day of `now`: destroys at most `limit` expired blobs and mailboxes, and returns whether there may be more.
    fn sweep(&self, now: Now, limit: usize) -> impl Future<Output = bool> + Send;

    /// Returns the counts of the store, for limits and for the operator. They name nothing.
    fn census(&self) -> Census;
}

/// The result of a create, a change or a put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The change is done and durable.
    Done,
    /// The right does not exist, for whatever reason.
    Refused,
    /// The mailbox is full, or was full a short time ago.
    Full,
    /// Too many puts into this mailbox in a short time. The number is the seconds to wait.
    TooFast(u16),
    /// The store as a whole is at a limit, has no room, or must zero dead bytes first. Nothing has changed.
    Busy,
    /// The store has failed: the operation may or may not have happened. The process ends.
    Stopped,
}

/// A mailbox to create. All its classes are known.
#[derive(Clone, Debug)]
pub struct NewMailbox {
    /// The right to change the mailbox.
    pub own: OwnId,
    /// The right to read the mailbox.
    pub read: MailboxId,
    /// The rights to put into the mailbox.
    pub sends: Vec<SendGrant>,
    /// The length of the lease.
    pub lease: LeaseClass,
    /// The maximum numbers of blobs and bytes.
    pub quota: QuotaClass,
    /// The properties of the mailbox.
    pub flags: CreateFlags,
}

/// A change of a mailbox by its owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Add a sender, or change the `via` of a known one.
    Grant(SendGrant),
    /// Remove a sender.
    Revoke(SendId),
    /// Renew the lease.
    Renew,
    /// Replace the right to read. The present reader is displaced.
    Rekey(MailboxId),
    /// Delete the mailbox with its blobs.
    Delete,
}

/// A number that grows with each change of reader. Requests under an older fence do nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fence(pub u64);

/// The number of a blob in its mailbox, in the order of commits. No number is used twice; after the process has ended, numbers of
/// volatile blobs may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordId(pub u64);

/// A reader with a connection.
#[derive(Clone, Debug)]
pub struct ConnectedReader {
    /// The token of the reader, the same on each of its connections. Zeros mean that the reader is not known again.
    pub token: ClientToken,
    /// The hints for this reader. It counts as connected while another owner of this `Arc` than the store exists.
    pub hints: Arc<Hints>,
}

/// A mailbox to claim.
#[derive(Clone, Copy, Debug)]
pub struct Claim {
    /// The right to read it.
    pub read: MailboxId,
    /// The number that the reader gave it. Hints carry this number.
    pub sub: u32,
}

/// A claimed mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claimed {
    /// The store's name for the mailbox.
    pub handle: Handle,
    /// The fence of this reader.
    pub fence: Fence,
    /// The newest blob in the mailbox.
    pub newest: Option<RecordId>,
}

/// The reason for which a mailbox was not claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotClaimed {
    /// The right does not exist, for whatever reason.
    Refused,
    /// Another reader took the mailbox a short time ago.
    Contended,
}

/// A look at a mailbox, with the room that the reader has.
#[derive(Clone, Debug)]
pub struct Peek {
    /// The mailbox.
    pub handle: Handle,
    /// The fence of the reader.
    pub fence: Fence,
    /// The blobs that the reader has already. They are not returned again.
    pub in_flight: Vec<RecordId>,
    /// Maximum number of blobs. With 0 the answer only names the destroyed ones of `in_flight`, and tells whether there are more.
    pub blobs: usize,
    /// Maximum number of bytes of all blobs together.
    pub bytes: usize,
    /// Whether the first blob is returned even if it has more than `bytes`.
    pub any_first: bool,
}

/// The result of a look.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Peeked {
    /// The blobs, oldest first. A blob that has no room also stops the younger ones; one that cannot be read does not.
    pub blobs: Vec<Stored>,
    /// The destroyed blobs of `in_flight`.
    pub gone: Vec<RecordId>,
    /// Whether there are more blobs that are not in flight. If there are and none is returned, the first of them has no room.
    pub more: bool,
    /// Whether some blobs could not be read now. Looks pass over them until one has found all others; the next look tries them again.
    pub unread: bool,
}

/// A blob in a mailbox.
#[derive(Debug, PartialEq, Eq)]
pub struct Stored {
    /// The number of the blob.
    pub record: RecordId,
    /// The `via` of the sender's grant, at the time of the put.
    pub via: u8,
    /// The blob.
    pub blob: Blob,
}

/// The fence is no longer the one of the mailbox, for this reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stale(pub SubscriptionEnd);

/// The reason for which an ack destroyed nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotAcked {
    /// The fence is no longer the one of the mailbox.
    Stale(SubscriptionEnd),
    /// The store has failed.
    Stopped,
}
