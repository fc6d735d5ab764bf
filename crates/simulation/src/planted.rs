//! Faults that a run can have on purpose. Each is a small wrapper of the simulation around a vault, a disk, a store or a link; no product
//! code knows them. A simulation that does not find them is worth nothing.

use std::fmt;

/// A planted fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Planted {
    /// A client acks a delivery before its vault has stored it.
    AckBeforeCommit,
    /// A client counts the put of a receipt as done and does not send it.
    LostReceipt,
    /// A vault loses the row of the peer, which holds the next number, when an item gets its
    /// number.
    ReusedNumber,
    /// A relay takes an ack under an older fence for one under the present fence.
    ForgottenFence,
    /// A relay destroys a blob when it is delivered, not when it is acked.
    EraseBeforeAck,
    /// A vault loses the row of an event, and the client confirms its text.
    ReceiptWithoutText,
    /// A relay answers a put before the blob is on stable storage.
    AnswerBeforeDurable,
    /// A vault loses the mark up to which events were shown.
    ShownTwice,
    /// A relay makes mailboxes with a larger quota than asked for.
    UncountedQuota,
    /// A relay's expiry pauses without end.
    IgnoredExpiry,
    /// A relay confirms an ack of a blob that it has kept.
    KeptAfterAck,
    /// A client takes each answer to a put for a success.
    RefusalForDone,
    /// The disk of a vault says that it has synced, and has not.
    UnsyncedVault,
    /// The disk of a relay says that it has synced, and has not.
    UnsyncedStore,
    /// Conversations of a client are not woken when something has changed.
    MissedWake,
}

impl Planted {
    /// All planted faults.
    pub const ALL: [Self; 15] = [
        Self::AckBeforeCommit,
        Self::LostReceipt,
        Self::ReusedNumber,
        Self::ForgottenFence,
        Self::EraseBeforeAck,
        Self::ReceiptWithoutText,
        Self::AnswerBeforeDurable,
        Self::ShownTwice,
        Self::UncountedQuota,
        Self::IgnoredExpiry,
        Self::KeptAfterAck,
        Self::RefusalForDone,
        Self::UnsyncedVault,
        Self::UnsyncedStore,
        Self::MissedWake,
    ];

    /// Returns the fault with this name, as it is printed; `None` if there is none.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|planted| planted.to_string() == name)
    }
}

impl fmt::Display for Planted {
    /// Writes the name in lower case with hyphens.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, letter) in format!("{self:?}").char_indices() {
            if letter.is_uppercase() && at > 0 {
                f.write_str("-")?;
            }
            write!(f, "{}", letter.to_ascii_lowercase())?;
        }
        Ok(())
    }
}
