//! The requests of a conversation to a store, and their results. `req` is the number that the
//! client gave its request, `sub` the client's number of a subscription.

use crate::clock::Now;
use crate::store::{
    Change, Claim, Claimed, ConnectedReader, Fence, Handle, NewMailbox, NotAcked, NotClaimed, Peek, Peeked,
    RecordId, Stale, Store, Verdict,
};
use deaddrop_wire::item::AckEntry;
use deaddrop_wire::{Blob, OwnId, SendId};

/// The puts of one record of the client: number of the request, id of the sender, blob.
pub(super) type Puts = Vec<(u32, SendId, Blob)>;

/// A request to the store.
#[derive(Debug)]
#[allow(missing_docs, reason = "fields are those of the store's operations")]
pub enum Call {
    /// Create a mailbox.
    Create { req: u32, new: NewMailbox },
    /// Change a mailbox by the right of its owner `own`.
    Change { req: u32, own: OwnId, change: Change },
    /// Store blobs: for each put the number of the request, the id of the sender, and the blob.
    Put(Vec<(u32, SendId, Blob)>),
    /// Become the reader of mailboxes. `request` is the session's own number of the client's
    /// `Subscribe`.
    Claim { request: u64, claims: Vec<Claim> },
    /// Stop being the reader of mailboxes.
    Release(Vec<(Handle, Fence)>),
    /// Look for blobs in the mailbox of the subscription `sub`.
    Peek { sub: u32, peek: Peek },
    /// Destroy blobs that the client has acked.
    Ack(Vec<Acking>),
}

/// One entry of a client's `Ack`, with the store's names for what it acks.
#[derive(Debug)]
pub struct Acking {
    /// The entry, as the client sent it.
    pub entry: AckEntry,
    /// The store's name for the mailbox.
    pub handle: Handle,
    /// The fence of the claim by which this link reads the mailbox.
    pub fence: Fence,
    /// Numbers of the blobs to destroy.
    pub records: Vec<RecordId>,
    /// Whether the entry is passed to the store, so that its result waits for the store. If not, it
    /// names no blob that is not destroyed already, and its result is `Ok`.
    pub waits: bool,
}

/// The result of a [`Call`]: one variant for each kind, but one for creates and changes together.
/// Lists have one entry for each entry of the call, in its order.
#[derive(Debug)]
#[allow(missing_docs, reason = "fields are those of the store's answers")]
pub enum Outcome {
    /// The number and the verdict of a create or a change.
    Answered(Vec<(u32, Verdict)>),
    /// The number and the verdict of each put. `bytes` is the sum of the lengths of the blobs.
    Put { answers: Vec<(u32, Verdict)>, bytes: u64 },
    /// The results of claims, each with the number of its subscription.
    Claimed { request: u64, claimed: Vec<(u32, Result<Claimed, NotClaimed>)> },
    /// The result of a look under the fence `fence`.
    Peeked { sub: u32, fence: Fence, peeked: Result<Peeked, Stale> },
    /// The entries of an ack, each with its result.
    Acked(Vec<(Acking, Result<(), NotAcked>)>),
    /// The claims were given back.
    Released,
}

/// Number of bytes of memory that a create or a change counts for while it waits for the store
/// (spec/12-relay.md section 5). Its capabilities and answer take less.
const CHANGE_BYTES: u64 = 1_024;
/// Number of bytes of memory that a claim counts for while it waits for the store (spec/12-relay.md
/// section 5).
const CLAIM_BYTES: u64 = 128;

/// Bytes that an entry of an ack counts for while the store works on it: its copy there, its job and its callback.
const ACK_BYTES: usize = 512;

impl Acking {
    /// Returns the bytes of memory that the entry takes while it waits, with the copy of `records`
    /// that the store gets.
    fn bytes(&self) -> u64 {
        let records = 2 * self.records.len() * size_of::<RecordId>();
        let at_store = if self.waits { ACK_BYTES } else { 0 };
        (size_of::<Self>() + self.entry.also.len() * size_of::<u32>() + records + at_store) as u64
    }
}

impl Call {
    /// Returns the bytes of memory that the call counts for while it waits for the store. Blobs of
    /// puts are not included: the session counts them when it accepts each put.
    pub(super) fn bytes(&self) -> u64 {
        match self {
            Self::Create { .. } | Self::Change { .. } => CHANGE_BYTES,
            Self::Claim { claims, .. } => claims.len() as u64 * CLAIM_BYTES,
            Self::Ack(acking) => acking.iter().map(Acking::bytes).sum(),
            Self::Put(_) | Self::Release(_) | Self::Peek { .. } => 0,
        }
    }

    /// Runs the call on the store, for the link whose reader is `reader`, and returns its outcome.
    pub async fn run<S: Store>(self, store: &S, reader: &ConnectedReader, now: Now) -> Outcome {
        match self {
            Self::Create { req, new } => answered(req, store.create(vec![new], now).await),
            Self::Change { req, own, change } => answered(req, store.change(vec![(own, change)], now).await),
            Self::Put(puts) => {
                let bytes = puts.iter().map(|(_, _, blob)| blob.as_bytes().len() as u64).sum();
                let reqs: Vec<u32> = puts.iter().map(|(req, _, _)| *req).collect();
                let puts = puts.into_iter().map(|(_, send, blob)| (send, blob)).collect();
                let verdicts = store.put(puts, now).await;
                Outcome::Put { answers: reqs.into_iter().zip(verdicts).collect(), bytes }
            }
            Self::Claim { request, claims } => {
                let subs: Vec<u32> = claims.iter().map(|claim| claim.sub).collect();
                let claimed = store.claim(claims, reader, now).await;
                Outcome::Claimed { request, claimed: subs.into_iter().zip(claimed).collect() }
            }
            Self::Release(claims) => {
                store.release(claims).await;
                Outcome::Released
            }
            Self::Peek { sub, peek } => {
                let fence = peek.fence;
                Outcome::Peeked { sub, fence, peeked: store.peek(peek, now).await }
            }
            Self::Ack(acking) => {
                let waiting = acking.iter().filter(|one| one.waits);
                let acks: Vec<_> = waiting.map(|one| (one.handle, one.fence, one.records.clone())).collect();
                let mut results =
                    if acks.is_empty() { Vec::new() } else { store.ack(acks, now).await }.into_iter();
                let stopped = Err(NotAcked::Stopped);
                let result =
                    |one: &Acking| if one.waits { results.next().unwrap_or(stopped) } else { Ok(()) };
                let results: Vec<_> = acking.iter().map(result).collect();
                Outcome::Acked(acking.into_iter().zip(results).collect())
            }
        }
    }
}

impl Outcome {
    /// Returns the number that [`Call::bytes`] returned for the call of this outcome.
    pub(super) fn bytes(&self) -> u64 {
        match self {
            Self::Answered(answers) => answers.len() as u64 * CHANGE_BYTES,
            Self::Claimed { claimed, .. } => claimed.len() as u64 * CLAIM_BYTES,
            Self::Acked(acked) => acked.iter().map(|(acking, _)| acking.bytes()).sum(),
            Self::Put { .. } | Self::Peeked { .. } | Self::Released => 0,
        }
    }
}

fn answered(req: u32, verdicts: Vec<Verdict>) -> Outcome {
    Outcome::Answered(verdicts.into_iter().map(|verdict| (req, verdict)).collect())
}
