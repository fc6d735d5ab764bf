//! The layout of an attachment: its segments (spec/06-envelope-and-content.md section 3).

use crate::labels;
use alloc::vec::Vec;
use core::ops::Range;
use deaddrop_primitives::aead::{NONCE_LEN, TAG_LEN};
use deaddrop_wire::SizeClass;

/// Number of bytes that sealing adds to a segment: nonce 12, tag 16.
pub const SEGMENT_OVERHEAD: usize = NONCE_LEN + TAG_LEN;

/// Maximum number of bytes of the attachment in one segment. A segment holds fewer only if the
/// attachment ends in it or before it.
pub const SEGMENT_LEN: usize = SizeClass::Large.bytes() - SEGMENT_OVERHEAD;
/// Maximum number of segments of an attachment, 1,048,576.
pub const MAX_SEGMENTS: u32 = 1 << 20;
/// Maximum length of an attachment in bytes, 68,182,605,824: the largest one that, rounded up by
/// Padmé (see [`SegmentLayout::count`]), fits into [`MAX_SEGMENTS`].
pub const MAX_ATTACHMENT: u64 = padme_floor(SEGMENT_LEN as u64 * MAX_SEGMENTS as u64);

/// The error of an attachment that is longer than [`MAX_ATTACHMENT`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("attachment over {MAX_ATTACHMENT} bytes; send it in parts")]
pub struct AttachmentTooLong;

/// The division of an attachment of a known length into segments: their number, their sealed sizes
/// and the bytes that each holds.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SegmentLayout {
    length: u64,
}

impl SegmentLayout {
    /// Computes the layout of an attachment of `length` bytes.
    ///
    /// # Errors
    /// Fails with [`AttachmentTooLong`].
    pub fn new(length: u64) -> Result<Self, AttachmentTooLong> {
        if length > MAX_ATTACHMENT { Err(AttachmentTooLong) } else { Ok(Self { length }) }
    }

    /// Returns the length of the attachment in bytes.
    #[must_use]
    pub const fn length(&self) -> u64 {
        self.length
    }

    /// Returns the number of segments, at least one. The length is first rounded up by Padmé, which
    /// keeps only its leading bits, so that the number reveals little more than the order of
    /// magnitude.
    #[must_use]
    pub fn count(&self) -> u32 {
        let segments = padme(self.length).div_ceil(SEGMENT_LEN as u64).max(1);
        u32::try_from(segments).unwrap_or(u32::MAX)
    }

    /// Returns the size class of a sealed segment; `None` if there is no segment of this number.
    /// All segments but the last have the largest class.
    #[must_use]
    pub fn class(&self, segment: u32) -> Option<SizeClass> {
        let left = padme(self.length).saturating_sub(self.start(segment)?);
        let fits = |class: &SizeClass| class.bytes().saturating_sub(SEGMENT_OVERHEAD) as u64 >= left;
        Some(SizeClass::ALL.into_iter().find(fits).unwrap_or(SizeClass::Large))
    }

    /// Returns the range of the attachment's bytes that a segment holds; `None` if there is no
    /// segment of this number. The range is empty if the attachment ends before the segment: the
    /// segment holds padding alone.
    #[must_use]
    pub fn range(&self, segment: u32) -> Option<Range<u64>> {
        let start = self.start(segment)?;
        let end = start.saturating_add(SEGMENT_LEN as u64).min(self.length);
        Some(start.min(self.length)..end)
    }

    fn start(&self, segment: u32) -> Option<u64> {
        (segment < self.count()).then(|| u64::from(segment) * SEGMENT_LEN as u64)
    }

    /// Returns the associated data under which a segment is sealed: its number, the number of
    /// segments and the attachment's length. A segment therefore opens only at its own place in an
    /// attachment of this length.
    pub(super) fn place(&self, segment: u32) -> Vec<u8> {
        [labels::ATTACHMENT, &segment.to_le_bytes(), &self.count().to_le_bytes(), &self.length.to_le_bytes()]
            .concat()
    }
}

impl core::fmt::Debug for SegmentLayout {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("SegmentLayout(..)")
    }
}

/// Returns the length up to which `length` is padded. It is at most 12 % more, and reveals no more
/// than the order of magnitude and a few bits (Padmé: Nikitin and others, "Reducing Metadata
/// Leakage from Encrypted Files and Communication with PURBs", 2019, section 4.4).
const fn padme(length: u64) -> u64 {
    let mask = padme_mask(length);
    (length + mask) & !mask
}

/// Returns the largest length that Padmé leaves as it is and that is not above `most`.
const fn padme_floor(most: u64) -> u64 {
    most & !padme_mask(most)
}

const fn padme_mask(length: u64) -> u64 {
    if length < 2 {
        return 0;
    }
    let exponent = length.ilog2();
    let kept = exponent.ilog2() + 1;
    (1 << (exponent - kept)) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_is_as_the_spec_says() {
        assert_eq!(MAX_ATTACHMENT, 68_182_605_824);
        assert!(SegmentLayout::new(MAX_ATTACHMENT).unwrap().count() <= MAX_SEGMENTS);
        assert_eq!(SegmentLayout::new(MAX_ATTACHMENT + 1), Err(AttachmentTooLong));
    }

    // Figures of the paper's formula, worked out by hand.
    #[test]
    fn padme_pads_little() {
        for (length, padded) in [(0, 0), (1, 1), (9, 10), (100, 104), (1_000, 1_024), (1 << 30, 1 << 30)] {
            assert_eq!(padme(length), padded, "{length}");
        }
        for length in (1_u64..1 << 22).step_by(977).chain([MAX_ATTACHMENT, MAX_ATTACHMENT - 1]) {
            let padded = padme(length);
            assert!(padded >= length && (padded - length) * 100 <= length * 12, "{length}");
            assert_eq!(padme(padded), padded);
            assert!(padded <= MAX_ATTACHMENT);
        }
    }
}
