//! The state of compaction: the segment that is being emptied, and the pause after one that gave nothing (S9).

use crate::segment::Stamp;

/// A segment that is being emptied.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Compaction {
    pub(super) segment: u32,
    pub(super) stamp: Stamp,
    /// The first slot that was not looked at yet.
    pub(super) slot: u32,
    /// Bytes copied so far, with their slots.
    pub(super) copied: u64,
    /// The room that there was before.
    pub(super) room: u64,
}

/// Emptying gained next to nothing: no segment is emptied again before more has died or was put.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gate {
    /// Bytes that must have died since the opening.
    pub(super) died_bytes: u64,
    /// Bytes that must have been put since the opening, if not enough have died.
    pub(super) taken: u64,
}
