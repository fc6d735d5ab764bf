//! The sizes of a store, which are fixed at its creation except the maximum number of segments, and the layout of the
//! file (spec/13-shred.md, "Layout").

use crate::bytes::{PAGE, page_up, size};
use crate::keys::PassphraseCost;
use crate::record::MAX_BODY;

/// The layout of a store. It is fixed when the store is created, except `max_segments`:
/// [`set_max_segments`](crate::Shred::set_max_segments) changes that until the store is closed,
/// [`change_max_segments`](crate::Shred::change_max_segments) for good; and except
/// `passphrase_cost`, which [`change_unlock`](crate::Shred::change_unlock) changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// Number of bytes of one segment: a multiple of 4,096 between [`MIN_SEGMENT_BYTES`] and
    /// [`MAX_SEGMENT_BYTES`].
    pub segment_bytes: u32,
    /// Number of slots (records) of one segment: a multiple of 32, at least 32. The slot tables
    /// (128 bytes a slot) must leave room for bodies. Segment bytes divided by the usual size of a
    /// record is a good value.
    pub slots_per_segment: u32,
    /// Number of segments written out (as zeros) at creation: at least 1, at most `max_segments` -
    /// [`RESERVED_SEGMENTS`]. With 1, the first put waits until a second is written, because a
    /// store keeps room to copy records to.
    pub initial_segments: u32,
    /// Number of segments to which the file may grow, at least [`RESERVED_SEGMENTS`] + 1, at most [`MAX_SEGMENTS`].
    pub max_segments: u32,
    /// Whether each segment has two slot tables, for media that can lose old sectors while writing new ones.
    pub mirror: bool,
    /// The cost of one guess of the passphrase. Not used with a key.
    pub passphrase_cost: PassphraseCost,
}

/// Number of bytes of a slot. Four slots fill a sector exactly, so that a torn write never halves
/// one.
pub(crate) const SLOT: usize = 128;
/// Minimum number of bytes of a segment that the format allows.
pub const MIN_SEGMENT_BYTES: u32 = 16 << 10;
/// Maximum number of bytes of a segment that the format allows.
pub const MAX_SEGMENT_BYTES: u32 = 256 << 20;
/// Maximum number of segments that the format allows.
pub const MAX_SEGMENTS: u32 = 65_536;
/// Number of segments that puts never fill, so that compaction (copying the last live records out
/// of mostly dead segments) always has room to work (S12).
pub const RESERVED_SEGMENTS: u32 = 2;

impl Geometry {
    /// Returns the layout for a server: 64 MiB segments of records of about 4 KiB, up to 8 GiB.
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

    /// Returns the layout for one person's data: 4 MiB segments of records of about 1 KiB, up to 4 GiB.
    #[must_use]
    pub fn vault() -> Self {
        Self {
            segment_bytes: 4 << 20,
            slots_per_segment: 4_096,
            initial_segments: 2,
            max_segments: 1_024,
            mirror: false,
            passphrase_cost: PassphraseCost::default(),
        }
    }

    /// Returns the maximum number of bytes of a body in a store of this geometry; 0 when the geometry is out of bounds.
    #[must_use]
    pub fn max_body(&self) -> usize {
        self.layout().map_or(0, |layout| layout.max_body())
    }

    /// Returns the layout, or `None` when the geometry is out of bounds.
    pub(crate) fn layout(&self) -> Option<Layout> {
        let layout = Layout {
            segment_bytes: self.segment_bytes,
            slots: self.slots_per_segment,
            max_segments: self.max_segments,
            mirror: self.mirror,
        };
        let initial = 1..=self.max_segments.saturating_sub(RESERVED_SEGMENTS);
        (layout.is_bounded() && initial.contains(&self.initial_segments)).then_some(layout)
    }
}

/// Number of bytes of one copy of the superblock. There are two copies.
pub(crate) const SUPERBLOCK: u64 = PAGE as u64;
/// Number of commit cells, which commits use in turn (S2).
pub(crate) const CELLS: u64 = 8;
/// Offset of the first cell on the disk.
pub(crate) const CELLS_AT: u64 = 2 * SUPERBLOCK;
/// Offset of the first segment on the disk.
pub(crate) const SEGMENTS_AT: u64 = CELLS_AT + CELLS * PAGE as u64;
/// Number of bytes of a segment header, which repeats itself in each of its sectors.
pub(crate) const HEADER: u32 = 4_096;

/// The part of the geometry that the superblock holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(crate) segment_bytes: u32,
    pub(crate) slots: u32,
    pub(crate) max_segments: u32,
    pub(crate) mirror: bool,
}

/// The position of a slot: the number of its segment in the file, and of the slot in the segment,
/// both from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct SlotAt {
    pub(crate) segment: u32,
    pub(crate) slot: u32,
}

/// A run of bytes in the body area of one segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Extent {
    pub(crate) segment: u32,
    /// Offset of the first byte from the start of the segment.
    pub(crate) offset: u32,
    pub(crate) length: u32,
}

impl Extent {
    pub(crate) const fn end(&self) -> u32 {
        self.offset.saturating_add(self.length)
    }
}

/// A record that is erased or replaced: the place of its slot, and the offset (from the start of
/// the segment) and length of its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DeadRecord {
    pub(crate) at: SlotAt,
    pub(crate) offset: u32,
    pub(crate) length: u32,
}

impl DeadRecord {
    pub(crate) const fn body(&self) -> Extent {
        Extent { segment: self.at.segment, offset: self.offset, length: self.length }
    }
}

impl Layout {
    pub(crate) fn is_bounded(&self) -> bool {
        (MIN_SEGMENT_BYTES..=MAX_SEGMENT_BYTES).contains(&self.segment_bytes)
            && self.segment_bytes.is_multiple_of(4_096)
            && self.slots > 0
            && self.slots.is_multiple_of(32)
            && self.slots <= self.segment_bytes / 128
            && self.body_start() < self.segment_bytes
            && (RESERVED_SEGMENTS + 1..=MAX_SEGMENTS).contains(&self.max_segments)
    }

    /// Returns the number of slot tables of a segment.
    pub(crate) fn tables(&self) -> u32 {
        if self.mirror { 2 } else { 1 }
    }

    pub(crate) fn table_bytes(&self) -> u32 {
        self.slots * 128
    }

    /// Returns the offset of the body area from the start of the segment: a page boundary.
    pub(crate) fn body_start(&self) -> u32 {
        page_up(HEADER + self.tables() * self.table_bytes())
    }

    /// Returns the number of bytes of bodies that a segment has room for.
    pub(crate) fn body_room(&self) -> u64 {
        u64::from(self.segment_bytes - self.body_start())
    }

    pub(crate) fn max_body(&self) -> usize {
        MAX_BODY.min(size(self.segment_bytes - self.body_start()))
    }

    pub(crate) fn segment_at(&self, segment: u32) -> u64 {
        SEGMENTS_AT + u64::from(segment) * u64::from(self.segment_bytes)
    }

    pub(crate) fn table_at(&self, segment: u32, table: u32) -> u64 {
        self.segment_at(segment) + u64::from(HEADER) + u64::from(table) * u64::from(self.table_bytes())
    }

    pub(crate) fn slot_at(&self, at: SlotAt, table: u32) -> u64 {
        self.table_at(at.segment, table) + u64::from(at.slot) * SLOT as u64
    }

    pub(crate) fn body_at(&self, segment: u32, offset: u32) -> u64 {
        self.segment_at(segment) + u64::from(offset)
    }

    /// Whether a body with this offset (from the start of the segment) and length lies inside the
    /// body area.
    pub(crate) fn holds(&self, offset: u32, length: u32) -> bool {
        offset >= self.body_start() && offset.checked_add(length).is_some_and(|end| end <= self.segment_bytes)
    }

    /// Returns the number of whole segments in a file of this length. It may be above
    /// `max_segments`, because that limit can be lowered.
    pub(crate) fn segments_in(&self, length: u64) -> u32 {
        let whole = length.saturating_sub(SEGMENTS_AT) / u64::from(self.segment_bytes);
        u32::try_from(whole).unwrap_or(u32::MAX).min(MAX_SEGMENTS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presets_are_bounded() {
        for geometry in [Geometry::server(), Geometry::vault()] {
            assert_eq!(geometry.max_body(), MAX_BODY);
            assert!(Geometry { mirror: true, ..geometry }.layout().is_some());
        }
    }

    #[test]
    fn bad_geometries_are_refused() {
        let ok = Geometry::vault();
        for bad in [
            Geometry { segment_bytes: 8 << 10, ..ok },
            Geometry { segment_bytes: (4 << 20) + 1, ..ok },
            Geometry { segment_bytes: 512 << 20, ..ok },
            Geometry { slots_per_segment: 0, ..ok },
            Geometry { slots_per_segment: 33, ..ok },
            Geometry { slots_per_segment: 1 << 20, ..ok },
            Geometry { slots_per_segment: u32::MAX - 31, ..ok },
            Geometry { initial_segments: 0, ..ok },
            Geometry { initial_segments: 1_023, ..ok },
            Geometry { max_segments: 2, ..ok },
            Geometry { max_segments: u32::MAX, ..ok },
        ] {
            assert_eq!(bad.max_body(), 0, "{bad:?}");
        }
    }
}
