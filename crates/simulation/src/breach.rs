//! The promises that every run checks, and the breach of one.

/// A promise that every run checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Check {
    /// Every accepted text is shown.
    Lost,
    /// Texts arrive after a vault was put back, or the users are told that a step is needed.
    Deaf,
    /// Every text is shown once.
    Twice,
    /// Texts are shown in their order, or marked as late.
    Order,
    /// Only texts that were sent are shown, and to their receiver.
    Forged,
    /// The receiver's vault holds each text that is reported as delivered.
    FalselyDelivered,
    /// A vault opens again after a crash, and no call fails for another reason than the faults of the run.
    Vault,
    /// A relay's store opens again after a crash.
    Store,
    /// A relay breaks no rule of the protocol, and takes no client for hostile.
    Protocol,
    /// A mailbox holds no more than its quota.
    Quota,
    /// A mailbox is read by the reader with the present fence alone.
    Fence,
    /// Ended mailboxes and acked blobs are destroyed.
    Expiry,
    /// No acked blob can be read on a relay's disk.
    Residue,
    /// Relays are empty at the end.
    NotEmpty,
    /// A quiet system has no work due, and a system with work due makes progress.
    Stuck,
}

/// A broken promise.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{check:?}: {what}")]
pub struct Breach {
    /// The promise.
    pub check: Check,
    /// The details.
    pub what: String,
}

impl Breach {
    pub(crate) fn new(check: Check, what: impl Into<String>) -> Self {
        Self { check, what: what.into() }
    }
}

/// The result of something that is checked.
pub(crate) type Checked<T = ()> = Result<T, Breach>;
