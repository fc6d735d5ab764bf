//! The state of the file's length: the segment that is being added, and the end that is being cut off (S12).
//!
//! Rules S1 to S16 are the table at the end of spec/13-shred.md.

use crate::segment::Segment;

/// A segment that is being added. `written` counts the bytes of zeros that are written behind its header.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Growth {
    pub(super) number: u32,
    pub(super) written: u64,
}

/// The outcome of one step of growth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Grown {
    /// A segment was added, or some were taken back that were to be cut off.
    Added,
    /// A part of a segment was written.
    Partly,
    /// No segment can be added: the limit is reached, or the volume is full.
    No,
}

/// Segments at the end of the file that are given back to the file system. Nothing is put there any
/// more.
#[derive(Clone, Debug)]
pub(crate) struct Cut {
    pub(super) segments: Vec<Segment>,
    /// Number of the first commit at which no cell counts these segments any more: the file may be
    /// cut then.
    pub(super) ready_at: u64,
}
