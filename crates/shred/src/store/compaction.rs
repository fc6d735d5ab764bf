//! The state of compaction: the segment that is being emptied, and the pause after one that gained nothing (S9).

use crate::segment::Stamp;

/// A segment that is being emptied.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Compaction {
    pub(super) segment: u32,
    pub(super) stamp: Stamp,
    /// The first slot that was not looked at yet.
    pub(super) slot: u32,
    /// Number of bytes copied so far, with their slots.
    pub(super) copied: u64,
    /// Number of bytes of room before.
    pub(super) room: u64,
}

/// The pause after emptying gained next to nothing: no segment is emptied again before more has died or was put.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gate {
    /// Number of bytes that must have died since the opening.
    pub(super) died_bytes: u64,
    /// Number of bytes that must have been put since the opening, if not enough have died.
    pub(super) taken: u64,
}
