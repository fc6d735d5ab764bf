//! The port of a store (spec/12-relay.md section 4): every call takes a batch and returns one
//! answer per entry, in order.
//!
//! A store answers only after the change is on stable storage. It checks the capability, then looks
//! for a duplicate, then checks the quota, all inside the commit, so that a retry is never told
//! `Full`. A delivery is a look at the blobs that are not in flight; there is no cursor. The reader
//! of a mailbox holds a fence, and acks under an older fence do nothing. A database can implement
//! this trait with the fence in the mailbox's row.
//!
//! The feature `testing` brings the contract: checks that every store must pass.

mod census;
mod commits;
mod space;

pub use census::{Census, Health, Trouble};
pub use commits::{CommitFigures, LATENCY_BOUNDS};
pub(crate) use commits::{Commits, OpenCommit};
pub use space::Space;

use crate::clock::Now;
use crate::hints::{Hints, SubscriptionEnd};
pub use crate::names::Handle;
use deaddrop_wire::item::{CreateFlags, LeaseClass, QuotaClass, SendGrant};
use deaddrop_wire::{Blob, ClientToken, MailboxId, OwnId, SendId};
use std::future::Future;
use std::sync::Arc;

/// A store of mailboxes. A caller may drop every future: the store finishes what it has begun.
pub trait Store: Send + Sync + 'static {
    /// Creates mailboxes. A repeated create (its owner and its reader are those of one mailbox,
    /// whatever else differs) finds that mailbox, changes nothing and is `Done`. If the store
    /// remembers no calendar, it remembers that of `now` with the first mailbox.
    fn create(&self, new: Vec<NewMailbox>, now: Now) -> impl Future<Output = Vec<Verdict>> + Send;

    /// Changes mailboxes, each by the right of its owner. A change to a state that the mailbox has
    /// already is `Done`.
    fn change(&self, changes: Vec<(OwnId, Change)>, now: Now) -> impl Future<Output = Vec<Verdict>> + Send;

    /// Stores blobs, each in the mailbox of its sender. Returns one verdict for each, in order. A
    /// blob that the mailbox still holds is not stored twice.
    fn put(&self, puts: Vec<(SendId, Blob)>, now: Now) -> impl Future<Output = Vec<Verdict>> + Send;

    /// Makes `reader` the only reader of these mailboxes: fences of earlier readers become invalid,
    /// and these readers are told. The reader stays connected while the store can upgrade its
    /// hints. A claim counts as a use of the mailbox and renews its lease like [`Change::Renew`],
    /// unless the lease is fixed; a crash may undo both until an owner's change of the mailbox is
    /// answered.
    fn claim(
        &self,
        claims: Vec<Claim>,
        reader: &ConnectedReader,
        now: Now,
    ) -> impl Future<Output = Vec<Result<Claimed, NotClaimed>>> + Send;

    /// Gives up claims: the mailboxes then have no reader. A fence that is no longer the mailbox's
    /// is ignored.
    fn release(&self, claims: Vec<(Handle, Fence)>) -> impl Future<Output = ()> + Send;

    /// Returns the oldest blobs of a mailbox that the reader has not got yet. Fails with [`Stale`]
    /// if the reader has lost the mailbox.
    fn peek(&self, peek: Peek, now: Now) -> impl Future<Output = Result<Peeked, Stale>> + Send;

    /// Destroys blobs, each list under the fence of its reader, and answers when they are
    /// destroyed. Blobs that do not exist count as destroyed. A list that destroys a blob is a use
    /// of the mailbox and renews its lease, as a claim does.
    fn ack(
        &self,
        acks: Vec<(Handle, Fence, Vec<RecordId>)>,
        now: Now,
    ) -> impl Future<Output = Vec<Result<(), NotAcked>>> + Send;

    /// Remembers the calendar of `now`, and destroys at most `limit` blobs and mailboxes that have
    /// expired by it; a mailbox goes with all its blobs, even if they exceed the limit. Returns
    /// whether there may be more, so that the caller sweeps again.
    fn sweep(&self, now: Now, limit: usize) -> impl Future<Output = bool> + Send;

    /// Returns the counts of the store, for limits and for the operator. They say nothing about a
    /// single mailbox.
    fn census(&self) -> Census;

    /// Returns the figures of the store's commits, for the operator. A store that keeps none
    /// returns zeros.
    fn commits(&self) -> CommitFigures {
        CommitFigures::default()
    }
}

/// The result of a create, a change or a put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The change is done and durable.
    Done,
    /// The owner or sender that the request names does not exist, whatever the reason, or an id
    /// that it gives belongs to another mailbox.
    Refused,
    /// The mailbox has no room for the blob or the sender, or had none for such a blob a short time
    /// ago.
    Full,
    /// Too many puts into this mailbox in a short time. The number is the seconds to wait.
    TooFast(u16),
    /// The store as a whole is at a limit, has no room, or must zero dead bytes first. Nothing has
    /// changed.
    Busy,
    /// The store has failed: the operation may or may not have happened. The caller ends the relay.
    Stopped,
}

/// A mailbox to create. Its classes and flags are known ones: the caller has checked them.
#[derive(Clone, Debug)]
pub struct NewMailbox {
    /// Id of the right to change the mailbox.
    pub own: OwnId,
    /// Id of the right to read the mailbox.
    pub read: MailboxId,
    /// Ids of the rights to put into the mailbox, each with its `via`. Of several with the same id
    /// the first counts.
    pub sends: Vec<SendGrant>,
    /// Class that says the length of the lease.
    pub lease: LeaseClass,
    /// Class that says the maximum numbers of blobs and of bytes.
    pub quota: QuotaClass,
    /// Flags: whether reading leaves the lease as it is, and whether blobs are kept in memory only.
    pub flags: CreateFlags,
}

/// A change of a mailbox by its owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Add a sender, or change the `via` of one that the mailbox has.
    Grant(SendGrant),
    /// Remove a sender. Nothing changes if the mailbox has no such sender.
    Revoke(SendId),
    /// Renew the lease if less than half of it is left: move its last day by whole weeks until a
    /// full lease from today is covered. Otherwise nothing changes. This is no use of the mailbox.
    Renew,
    /// Replace the right to read by the one with this id. The present reader is displaced. Nothing
    /// changes if this is the present right.
    Rekey(MailboxId),
    /// Delete the mailbox with its blobs.
    Delete,
}

/// A number of a mailbox that grows with each claim, release and rekey. A request under an older
/// fence has no effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fence(pub u64);

/// Number of a blob, in the order of commits. In one mailbox no number is used twice, except that
/// numbers of volatile blobs may be used again after a restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordId(pub u64);

/// A reader with a connection, as it claims mailboxes.
#[derive(Clone, Debug)]
pub struct ConnectedReader {
    /// Token of the reader, the same on each of its connections. With zeros, a store takes the
    /// reader for a different one on each connection.
    pub token: ClientToken,
    /// Channel of hints to this reader. The reader counts as connected while an owner of this `Arc`
    /// other than the store exists.
    pub hints: Arc<Hints>,
}

/// A mailbox to claim.
#[derive(Clone, Copy, Debug)]
pub struct Claim {
    /// Id of the right to read the mailbox.
    pub read: MailboxId,
    /// Number of the reader's subscription. Hints about the mailbox carry this number.
    pub sub: u32,
}

/// A mailbox that a reader has claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claimed {
    /// The store's name for the mailbox.
    pub handle: Handle,
    /// Fence of this claim.
    pub fence: Fence,
    /// Number of the newest blob in the mailbox; `None` if it holds none. Blobs that are being
    /// destroyed do not count.
    pub newest: Option<RecordId>,
}

/// The reason for which a reader did not get a mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotClaimed {
    /// The right to read does not exist, whatever the reason.
    Refused,
    /// A connected reader with another token (or with zeros) holds the mailbox, and the mailbox was
    /// taken from a connected reader less than `takeover_ms` ago.
    Contended,
}

/// A request for blobs of a mailbox (a *look*), with the room that the reader has for them.
#[derive(Clone, Debug)]
pub struct Peek {
    /// The store's name for the mailbox.
    pub handle: Handle,
    /// Fence of the reader's claim.
    pub fence: Fence,
    /// Numbers of the blobs that the reader has already. They are not returned again.
    pub in_flight: Vec<RecordId>,
    /// Maximum number of blobs. With 0 the answer only names the destroyed ones of `in_flight`, and
    /// tells whether there are more.
    pub blobs: usize,
    /// Maximum number of bytes of all blobs together.
    pub bytes: usize,
    /// Whether the first blob is returned even if it has more than `bytes`.
    pub any_first: bool,
}

/// The result of a look.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Peeked {
    /// Blobs, oldest first. A blob that does not fit also stops the younger ones; one that cannot
    /// be read does not.
    pub blobs: Vec<Stored>,
    /// Numbers of the blobs of [`Peek::in_flight`] that are destroyed.
    pub gone: Vec<RecordId>,
    /// Whether there are more blobs that the reader has not got. Blobs that could not be read do
    /// not count. If `true` and `blobs` is empty, the first of them does not fit.
    pub more: bool,
    /// Whether some blobs could not be read now. Further looks pass over these until a look has
    /// found all others; the next look tries them again.
    pub unread: bool,
}

/// A blob in a mailbox.
#[derive(Debug, PartialEq, Eq)]
pub struct Stored {
    /// Number of the blob.
    pub record: RecordId,
    /// The `via` of the sender's grant (the owner's number for this sender) at the time of the put.
    pub via: u8,
    /// The blob.
    pub blob: Blob,
}

/// The error of a fence that is no longer the mailbox's, with the reason for which its reader has
/// lost the mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stale(pub SubscriptionEnd);

/// The reason for which a store does not confirm an ack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotAcked {
    /// The fence is no longer the mailbox's, for this reason. Nothing was destroyed.
    Stale(SubscriptionEnd),
    /// The store has failed: the blobs may or may not be destroyed.
    Stopped,
}
