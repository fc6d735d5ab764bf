//! The promises that every run checks, and the breach of one.

/// A promise that every run checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Check {
    /// Every accepted text is shown, and every blob of a stranger that a relay has stored is there
    /// when the stranger empties the mailbox.
    Lost,
    /// After a vault was put back to an older copy, texts arrive, or the users are told that a step
    /// is needed.
    Deaf,
    /// Every text is shown once.
    Twice,
    /// Texts are shown in their order, or marked as late.
    Order,
    /// Only texts that were sent are shown, and only to the person to whom they were sent; and no
    /// client goes to a relay that is not of the run.
    Forged,
    /// The receiver's vault holds each text that is reported as delivered.
    FalselyDelivered,
    /// A vault opens again after a crash, and no call fails for another reason than the faults of the run.
    Vault,
    /// A relay's store opens again after a crash, and fails only if its disk was made to fail.
    Store,
    /// No relay takes a client or stranger of the run for hostile, and the links of invites are
    /// well-formed.
    Protocol,
    /// A mailbox holds no more than its quota.
    Quota,
    /// An ack under an older fence than the present one destroys nothing.
    Fence,
    /// All mailboxes and blobs are destroyed when the leases have ended.
    Expiry,
    /// Acked blobs are destroyed: none can be read on a relay's disk, or is delivered again.
    Residue,
    /// Relays hold no blobs at the end, unless a vault was put back.
    NotEmpty,
    /// A quiet system has no work due, and a system with work due makes progress.
    Stuck,
}

/// A broken promise.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{check:?}: {what}")]
pub struct Breach {
    /// The promise that was broken.
    pub check: Check,
    /// The details of the breach.
    pub what: String,
}

impl Breach {
    pub(crate) fn new(check: Check, what: impl Into<String>) -> Self {
        Self { check, what: what.into() }
    }
}

/// The result of something that can break a promise.
pub(crate) type Checked<T = ()> = Result<T, Breach>;
