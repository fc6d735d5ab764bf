//! The changes of a call. Store them as one atomic batch before anything is sent or acknowledged.

use super::skipped::{SkippedId, SkippedRow};
use alloc::vec::Vec;
use deaddrop_primitives::assert_secret;
use zeroize::{ZeroizeOnDrop, Zeroizing};

/// The changes of one call on a session. Store all of them in one batch, or none.
#[must_use = "a change that is not stored is lost"]
pub struct ChangeSet {
    /// The session's new snapshot, which replaces the old one. About 3 KiB, at most 4.2 KiB, and
    /// 3.4 KiB more while unanswered.
    pub session: Zeroizing<Vec<u8>>,
    /// The new reset secrets, which replace the old row; `None`: unchanged.
    pub reset_secrets: Option<Zeroizing<Vec<u8>>>,
    /// The rows of skipped keys to add.
    pub skipped_added: Vec<SkippedRow>,
    /// The ids of the rows of skipped keys to remove.
    pub skipped_removed: Vec<SkippedId>,
    /// Whether the secrets of the invite are used up, so that the row of the invite is to be
    /// removed: `true` only for a session that
    /// [`PendingInvite::accept`](crate::invite::PendingInvite::accept) has made.
    pub invite_consumed: bool,
}

/// A message that was read.
pub struct Opened {
    /// The encoded content; see [`crate::content::decode`].
    pub content: Zeroizing<Vec<u8>>,
    /// The changes to store together with the content.
    pub changes: ChangeSet,
}

// Rows and content wipe themselves.
impl ZeroizeOnDrop for ChangeSet {}
assert_secret!(ChangeSet);
impl ZeroizeOnDrop for Opened {}
assert_secret!(Opened);

impl core::fmt::Debug for ChangeSet {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("ChangeSet")
            .field("reset_secrets", &self.reset_secrets.is_some())
            .field("skipped_added", &self.skipped_added.len())
            .field("skipped_removed", &self.skipped_removed.len())
            .field("invite_consumed", &self.invite_consumed)
            .finish_non_exhaustive()
    }
}

impl core::fmt::Debug for Opened {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Opened").field("changes", &self.changes).finish_non_exhaustive()
    }
}
