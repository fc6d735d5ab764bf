//! Attachments: long content in segments that are sealed one by one, so that memory stays constant, any segment can be made
//! or read again, and several at a time (spec/06-envelope-and-content.md section 3).
//!
//! The manifest travels as content; segments lie wherever both sides agree. Not its concern: where that is.

use crate::{labels, padding::is_zero};
use alloc::vec::Vec;
use core::ops::Range;
use deaddrop_primitives::{
    aead::{self, NONCE_LEN, TAG_LEN},
    assert_secret, secret_bytes,
};
use deaddrop_wire::{Blob, SizeClass};
use rand_core::CryptoRng;
use zeroize::ZeroizeOnDrop;

/// Bytes that sealing adds to a segment: nonce 12, tag 16.
pub const SEGMENT_OVERHEAD: usize = NONCE_LEN + TAG_LEN;
/// Bytes of the attachment in every segment but the last.
pub const SEGMENT_LEN: usize = SizeClass::Large.bytes() - SEGMENT_OVERHEAD;
/// Most segments of an attachment.
pub const MAX_SEGMENTS: u32 = 1 << 20;
/// Longest attachment in bytes, 68,182,605,824: what Padmé makes of it fits [`MAX_SEGMENTS`].
pub const MAX_ATTACHMENT: u64 = padme_floor(SEGMENT_LEN as u64 * MAX_SEGMENTS as u64);

secret_bytes! {
    /// Opens one attachment; drawn for it alone.
    pub struct AttachmentKey[32];
}

/// Key and length of an attachment: all that is needed to seal and open its segments.
pub struct Manifest {
    key: AttachmentKey,
    length: u64,
}

// The key wipes itself.
impl ZeroizeOnDrop for Manifest {}
assert_secret!(Manifest);

/// No attachment has this length; see [`MAX_ATTACHMENT`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttachmentTooLong;

impl core::fmt::Display for AttachmentTooLong {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "attachment over {MAX_ATTACHMENT} bytes; send it in parts")
    }
}

impl core::error::Error for AttachmentTooLong {}

/// A segment was not sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SegmentError {
    /// The attachment has no segment of this number.
    NoSuchSegment,
    /// The bytes are not as many as [`Manifest::range`] says.
    WrongLength,
}

impl core::fmt::Display for SegmentError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::NoSuchSegment => "the attachment has fewer segments; ask for those below their number",
            Self::WrongLength => "these are not the bytes of this segment; give those that its range names",
        })
    }
}

impl core::error::Error for SegmentError {}

/// A segment was not opened: it is another attachment's, belongs elsewhere in this one, or was changed on its way. Fetch it
/// again; the bytes given are of no use any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadSegment;

impl core::fmt::Display for BadSegment {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("not this segment of the attachment, or damaged; fetch it again")
    }
}

impl core::error::Error for BadSegment {}

impl Manifest {
    /// An attachment of this many bytes. Draws its key, 32 bytes, from `rng`.
    ///
    /// # Errors
    /// [`AttachmentTooLong`].
    pub fn generate(length: u64, rng: &mut (impl CryptoRng + ?Sized)) -> Result<Self, AttachmentTooLong> {
        Self::new(AttachmentKey::generate(rng), length)
    }

    /// The manifest that came as content ([`Content::Attachment`](crate::Content::Attachment)).
    ///
    /// # Errors
    /// [`AttachmentTooLong`].
    pub fn new(key: AttachmentKey, length: u64) -> Result<Self, AttachmentTooLong> {
        if length > MAX_ATTACHMENT {
            return Err(AttachmentTooLong);
        }
        Ok(Self { key, length })
    }

    /// The key, for the content.
    #[must_use]
    pub const fn key(&self) -> &AttachmentKey {
        &self.key
    }

    /// Bytes of the attachment.
    #[must_use]
    pub const fn length(&self) -> u64 {
        self.length
    }

    /// How many segments it has, one at least. Tells its length only roughly (Padmé).
    #[must_use]
    pub fn segments(&self) -> u32 {
        let segments = padme(self.length).div_ceil(SEGMENT_LEN as u64).max(1);
        u32::try_from(segments).unwrap_or(u32::MAX)
    }

    /// The size class of a sealed segment: the largest but for the last one.
    #[must_use]
    pub fn class(&self, segment: u32) -> Option<SizeClass> {
        let left = padme(self.length).saturating_sub(self.start(segment)?);
        let fits = |class: &SizeClass| class.bytes().saturating_sub(SEGMENT_OVERHEAD) as u64 >= left;
        Some(SizeClass::ALL.into_iter().find(fits).unwrap_or(SizeClass::Large))
    }

    /// Which bytes of the attachment a segment holds; the last segments may hold padding alone.
    #[must_use]
    pub fn range(&self, segment: u32) -> Option<Range<u64>> {
        let start = self.start(segment)?;
        let end = start.saturating_add(SEGMENT_LEN as u64).min(self.length);
        Some(start.min(self.length)..end)
    }

    /// Seals the bytes of one segment, in any order, as often as wanted. Draws the nonce, 12 bytes, from `rng`.
    ///
    /// # Errors
    /// See [`SegmentError`].
    pub fn seal(
        &self,
        segment: u32,
        bytes: &[u8],
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Blob, SegmentError> {
        let (range, class) =
            self.range(segment).zip(self.class(segment)).ok_or(SegmentError::NoSuchSegment)?;
        if range.end - range.start != bytes.len() as u64 {
            return Err(SegmentError::WrongLength);
        }
        let mut nonce = [0; NONCE_LEN];
        rng.fill_bytes(&mut nonce);
        let mut sealed = Vec::with_capacity(class.bytes());
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(bytes);
        sealed.resize(class.bytes() - TAG_LEN, 0);
        let body = sealed.get_mut(NONCE_LEN..).ok_or(SegmentError::WrongLength)?;
        let tag = aead::seal_in_place(self.key.expose(), &nonce, &self.place(segment), body);
        sealed.extend_from_slice(&tag);
        Blob::new(sealed).map_err(|_| SegmentError::WrongLength)
    }

    /// Opens one segment where it lies, and gives its bytes of the attachment.
    ///
    /// # Errors
    /// [`BadSegment`]; also for a segment that the attachment does not have.
    pub fn open<'a>(&self, segment: u32, sealed: &'a mut [u8]) -> Result<&'a [u8], BadSegment> {
        let (range, class) = self.range(segment).zip(self.class(segment)).ok_or(BadSegment)?;
        if sealed.len() != class.bytes() {
            return Err(BadSegment); // C-60: a segment has the length of its class.
        }
        let (nonce, rest) = sealed.split_first_chunk_mut::<NONCE_LEN>().ok_or(BadSegment)?;
        let (body, tag) = rest.split_last_chunk_mut::<TAG_LEN>().ok_or(BadSegment)?;
        // C-61: it is this segment of this attachment.
        aead::open_in_place(self.key.expose(), nonce, &self.place(segment), body, tag)
            .map_err(|_| BadSegment)?;
        let len = usize::try_from(range.end - range.start).map_err(|_| BadSegment)?;
        let (bytes, padding) = body.split_at_checked(len).ok_or(BadSegment)?;
        if !is_zero(padding) {
            return Err(BadSegment); // C-62: padding is zeros.
        }
        Ok(bytes)
    }

    fn start(&self, segment: u32) -> Option<u64> {
        (segment < self.segments()).then(|| u64::from(segment) * SEGMENT_LEN as u64)
    }

    /// Associated data: which segment of how many, and the true length; so neither order nor end can be changed.
    fn place(&self, segment: u32) -> Vec<u8> {
        [
            labels::ATTACHMENT,
            &segment.to_le_bytes(),
            &self.segments().to_le_bytes(),
            &self.length.to_le_bytes(),
        ]
        .concat()
    }
}

impl core::fmt::Debug for Manifest {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Manifest(..)")
    }
}

/// The length up to which `length` is padded: at most 12 % more, and it tells no more than the order of magnitude and a few
/// bits (Padmé: Nikitin and others, "Reducing Metadata Leakage from Encrypted Files and Communication with PURBs", 2019,
/// section 4.4).
const fn padme(length: u64) -> u64 {
    let mask = padme_mask(length);
    (length + mask) & !mask
}

/// The largest length that Padmé leaves as it is and that is not above `most`.
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
    use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};

    #[test]
    fn the_longest_is_as_the_spec_says() {
        assert_eq!(MAX_ATTACHMENT, 68_182_605_824);
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

    #[test]
    fn every_length_comes_back() {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let edges = [0, 1, 2, 4_067, 4_068, 4_069, 16_355, 16_356, 16_357, 65_507, 65_508, 65_509, 131_016];
        for length in edges.into_iter().chain([200_000, 262_033]) {
            let bytes: Vec<u8> = (0..length).map(|i| u8::try_from(i % 251).unwrap()).collect();
            let manifest = Manifest::generate(length as u64, &mut rng).unwrap();
            let mut read = Vec::new();
            for segment in 0..manifest.segments() {
                let range = manifest.range(segment).unwrap();
                let part = &bytes[range.start.try_into().unwrap()..range.end.try_into().unwrap()];
                let mut sealed = manifest.seal(segment, part, &mut rng).unwrap().into_bytes();
                assert_eq!(sealed.len(), manifest.class(segment).unwrap().bytes());
                read.extend_from_slice(manifest.open(segment, &mut sealed).unwrap());
            }
            assert_eq!(read, bytes, "{length}");
            assert_eq!(manifest.range(manifest.segments()), None);
            assert!(manifest.seal(manifest.segments(), &[], &mut rng).is_err());
        }
        assert_eq!(Manifest::generate(MAX_ATTACHMENT + 1, &mut rng).err(), Some(AttachmentTooLong));
        assert!(Manifest::generate(MAX_ATTACHMENT, &mut rng).unwrap().segments() <= MAX_SEGMENTS);
    }
}
