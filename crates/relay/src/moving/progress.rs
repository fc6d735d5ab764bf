//! The progress of a long step of a move.

/// The progress of an export, an import or a destruction: bytes done, of about how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Number of bytes that are done.
    pub done: u64,
    /// Number of bytes in all, as estimated at the beginning.
    pub total: u64,
}
