//! Sizes of a store, fixed at its creation.

use crate::keys::PassphraseCost;

/// How a store is laid out. Fixed when the store is created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// Bytes of one segment: a multiple of 4,096 between [`MIN_SEGMENT_BYTES`] and [`MAX_SEGMENT_BYTES`].
    pub segment_bytes: u32,
    /// Slots (records) one segment can hold: a multiple of 32. Segment bytes divided by the usual size of a
    /// record is a good value.
    pub slots_per_segment: u32,
    /// Segments written out (as zeros) at creation, at least 1.
    pub initial_segments: u32,
    /// Segments the file may grow to, at least [`RESERVED_SEGMENTS`] + 1, at most [`MAX_SEGMENTS`].
    pub max_segments: u32,
    /// Two slot tables per segment, for media that can lose old sectors while writing new ones.
    pub mirror: bool,
    /// What one guess of the passphrase costs; unused with a key.
    pub passphrase_cost: PassphraseCost,
}

/// Smallest segment.
pub const MIN_SEGMENT_BYTES: u32 = 16 << 10;
/// Largest segment.
pub const MAX_SEGMENT_BYTES: u32 = 256 << 20;
/// Most segments.
pub const MAX_SEGMENTS: u32 = 65_536;
/// Segments that puts never fill, so that compaction always has room to work.
pub const RESERVED_SEGMENTS: u32 = 2;

impl Geometry {
    /// For a server: 64 MiB segments of records of about 4 KiB, up to 8 GiB.
    #[must_use]
    pub fn server() -> Self {
        Self {
            segment_bytes: 64 << 20,
            slots_per_segment: 16_384,
            initial_segments: 2,
            max_segments: 128,
            mirror: false,
            passphrase_cost: PassphraseCost::default(),
        }
    }

    /// For one person's data: 4 MiB segments of records of about 1 KiB, up to 4 GiB.
    #[must_use]
    pub fn vault() -> Self {
        Self {
            segment_bytes: 4 << 20,
            slots_per_segment: 4_096,
            initial_segments: 1,
            max_segments: 1_024,
            mirror: false,
            passphrase_cost: PassphraseCost::default(),
        }
    }

    /// Longest body a store of this geometry takes.
    #[must_use]
    pub fn max_body(&self) -> usize {
        todo!()
    }
}
