//! The state of compaction: the segment that is being emptied, and the pause after one that gained nothing (S9).
//!
//! Rules S1 to S16 are the table at the end of spec/13-shred.md.

use crate::segment::Stamp;

/// A segment that is being emptied.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Compaction {
    pub(super) segment: u32,
    pub(super) stamp: Stamp,
    /// Number of the first slot that was not looked at yet.
    pub(super) slot: u32,
    /// Number of bytes copied so far: bodies and slots.
    pub(super) copied: u64,
    /// Number of bytes for which there was room when the emptying began.
    pub(super) room: u64,
}

/// The pause after emptying a segment gained next to nothing: none is emptied again before more
/// records have died or were put.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gate {
    /// Number of bytes of records that must have died since the opening of the store to end the
    /// pause.
    pub(super) died_bytes: u64,
    /// Number of bytes of records that must have been put since the opening to end the pause, if
    /// not enough have died.
    pub(super) taken: u64,
}
