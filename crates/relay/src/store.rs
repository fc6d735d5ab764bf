//! What the rules ask of a store (spec/12-relay.md section 4): batches in, one answer per entry, in order.
//!
//! An answer comes only after what it says is on stable storage. Capability, then duplicate, then quota are decided
//! inside the commit, so that a retry is never told `Full`. Delivery is a look at what is there and not in flight,
//! never a cursor. Whoever reads holds a fence; acks under an older fence do nothing. Made so that a database can
//! implement it, with the fence in the mailbox's row.

mod census;
mod space;

pub use census::{Census, Health, Trouble};
pub use space::Space;

use crate::clock::Now;
use crate::hints::{Ended, Hints};
pub use crate::names::Handle;
use deaddrop_wire::item::{CreateFlags, LeaseClass, QuotaClass, SendGrant};
use deaddrop_wire::{Blob, ClientToken, MailboxId, OwnId, SendId};
use std::future::Future;
use std::sync::Arc;

/// A place for mailboxes. Every future may be dropped: what was begun happens nevertheless.
pub trait Store: Send + Sync + 'static {
    /// Makes mailboxes. The same create again is the same mailbox.
    fn create(&self, new: Vec<NewMailbox>, now: Now) -> impl Future<Output = Vec<Verdict>> + Send;

    /// Changes mailboxes by their owner's right.
    fn change(&self, changes: Vec<(OwnId, Change)>, now: Now) -> impl Future<Output = Vec<Verdict>> + Send;

    /// Leaves blobs. A blob that is still there is stored already.
    fn put(&self, puts: Vec<(SendId, Blob)>, now: Now) -> impl Future<Output = Vec<Verdict>> + Send;

    /// Makes `reader` the only reader of these mailboxes; older fences end. The reader stays connected while the
    /// store can upgrade its hints.
    fn claim(
        &self,
        claims: Vec<Claim>,
        reader: &Reader,
        now: Now,
    ) -> impl Future<Output = Vec<Result<Claimed, NotClaimed>>> + Send;

    /// Gives claims back.
    fn release(&self, claims: Vec<(Handle, Fence)>) -> impl Future<Output = ()> + Send;

    /// The oldest blobs of a mailbox that are not in flight, with their bytes.
    fn peek(&self, peek: Peek, now: Now) -> impl Future<Output = Result<Peeked, Stale>> + Send;

    /// Destroys blobs; answers after they are. Blobs that are not there are destroyed already.
    fn ack(
        &self,
        acks: Vec<(Handle, Fence, Vec<RecordId>)>,
        now: Now,
    ) -> impl Future<Output = Vec<Result<(), NotAcked>>> + Send;

    /// Begins the day: destroys at most `limit` expired blobs and mailboxes, and says whether there may be more.
    fn sweep(&self, now: Now, limit: usize) -> impl Future<Output = bool> + Send;

    /// Counts, for limits and for the operator. Names nothing.
    fn census(&self) -> Census;
}

/// How an operation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Done and durable.
    Done,
    /// No such right, for whatever reason.
    Refused,
    /// The mailbox is full, or was a moment ago.
    Full,
    /// Too many puts into this mailbox in a short time; there is room again after so many seconds.
    TooFast(u16),
    /// The store as a whole is at a limit, has no room, or must zero dead bytes first. Nothing has changed.
    Busy,
    /// The store has failed: what was asked for may or may not have happened. The process ends.
    Stopped,
}

/// A mailbox to be made. Classes are known ones.
#[derive(Clone, Debug)]
pub struct NewMailbox {
    /// Who may change it.
    pub own: OwnId,
    /// Who may read it.
    pub read: MailboxId,
    /// Who may put into it.
    pub sends: Vec<SendGrant>,
    /// How long it lives.
    pub lease: LeaseClass,
    /// How much it holds.
    pub quota: QuotaClass,
    /// Properties.
    pub flags: CreateFlags,
}

/// What an owner can ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// One more sender.
    Grant(SendGrant),
    /// One sender less.
    Revoke(SendId),
    /// The lease anew.
    Renew,
    /// Another reader.
    Rekey(MailboxId),
    /// The end.
    Delete,
}

/// Grows with each change of reader; what is done under an older one does nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fence(pub u64);

/// A blob in its mailbox, in the order of commits. Never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordId(pub u64);

/// Who reads.
#[derive(Clone, Debug)]
pub struct Reader {
    /// By which the same reader is known after a broken connection; zeros are nobody.
    pub token: ClientToken,
    /// Where hints go.
    pub hints: Arc<Hints>,
}

/// One mailbox to be read.
#[derive(Clone, Copy, Debug)]
pub struct Claim {
    /// Which.
    pub read: MailboxId,
    /// What the reader calls it; hints carry it.
    pub sub: u32,
}

/// A mailbox that is claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claimed {
    /// The store's name for it.
    pub handle: Handle,
    /// Under which this reader acts.
    pub fence: Fence,
    /// The newest blob that is there.
    pub newest: Option<RecordId>,
}

/// A mailbox was not claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotClaimed {
    /// No such right, for whatever reason.
    Refused,
    /// Another reader took it a moment ago.
    Contended,
}

/// What a reader has room for.
#[derive(Clone, Debug)]
pub struct Peek {
    /// Which mailbox.
    pub handle: Handle,
    /// Under which the reader acts.
    pub fence: Fence,
    /// The blobs that are not to be given again.
    pub in_flight: Vec<RecordId>,
    /// Maximum number of blobs. With 0 the answer says only which of `in_flight` are gone and whether there are more.
    pub blobs: usize,
    /// Maximum number of bytes of all blobs together.
    pub bytes: usize,
    /// The first blob is given although it has more than `bytes`.
    pub any_first: bool,
}

/// What is there.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Peeked {
    /// Oldest first. A blob for which there is no room is not overtaken.
    pub blobs: Vec<Stored>,
    /// Those of `in_flight` that are destroyed.
    pub gone: Vec<RecordId>,
    /// Whether there are more blobs that are not in flight and can be had at once.
    pub more: bool,
    /// Whether some blobs could not be read now. A later look may find them.
    pub unread: bool,
}

/// A blob that is there.
#[derive(Debug, PartialEq, Eq)]
pub struct Stored {
    /// Its name.
    pub record: RecordId,
    /// By which door it came.
    pub via: u8,
    /// The blob.
    pub blob: Blob,
}

/// The fence is not the mailbox's any more, for this reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stale(pub Ended);

/// Nothing was confirmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotAcked {
    /// The fence is not the mailbox's any more, for this reason; nothing was done.
    Stale(Ended),
    /// The store has failed.
    Stopped,
}
