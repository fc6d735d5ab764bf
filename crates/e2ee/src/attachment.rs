//! Attachments: long content in segments that are sealed one by one, so that memory stays constant,
//! any segment can be made or read again, and several at a time (spec/06-envelope-and-content.md
//! section 3).
//!
//! The manifest travels as content. The app decides where the segments are stored.

mod hash;
mod layout;

pub(crate) use hash::HASH_LEN;
pub use hash::{AttachmentHash, Incomplete, SegmentHash, SegmentHashes};
pub use layout::{
    AttachmentTooLong, MAX_ATTACHMENT, MAX_SEGMENTS, SEGMENT_LEN, SEGMENT_OVERHEAD, SegmentLayout,
};

use crate::{labels, padding::is_zero};
use alloc::vec::Vec;
use deaddrop_primitives::{
    aead::{self, NONCE_LEN, TAG_LEN},
    assert_secret, hkdf, secret_bytes,
};
use deaddrop_wire::Blob;
use rand_core::CryptoRng;
use zeroize::ZeroizeOnDrop;

secret_bytes! {
    /// The key under which all segments of one attachment are sealed. Every attachment has a key of
    /// its own.
    pub struct AttachmentKey[32];
}

/// The sender's part of an attachment: seals its segments for its recipients. Generate another
/// sealer for another set of recipients: the segments of the two have nothing in common.
pub struct AttachmentSealer {
    key: AttachmentKey,
    layout: SegmentLayout,
}

/// The recipient's part of an attachment: opens its segments, and checks that together they are the
/// attachment that was sent.
pub struct Manifest {
    key: AttachmentKey,
    layout: SegmentLayout,
    hash: AttachmentHash,
}

// The key wipes itself.
impl ZeroizeOnDrop for AttachmentSealer {}
assert_secret!(AttachmentSealer);
impl ZeroizeOnDrop for Manifest {}
assert_secret!(Manifest);

/// A sealed segment, and the hash of the bytes that were sealed.
#[derive(Debug)]
pub struct SealedSegment {
    /// The sealed bytes, which the recipient fetches: nonce, ciphertext with its padding, tag.
    pub blob: Blob,
    /// Hash of the segment's plaintext, to be inserted into the [`SegmentHashes`] for
    /// [`AttachmentSealer::finish`].
    pub hash: SegmentHash,
}

/// The plaintext of a segment, and its hash.
pub struct OpenedSegment<'a> {
    /// Bytes of the attachment that the segment holds, without padding.
    pub bytes: &'a [u8],
    /// Hash of `bytes`, to be inserted into the [`SegmentHashes`] for [`Manifest::verify`].
    pub hash: SegmentHash,
}

/// The error of sealing a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SegmentError {
    /// The attachment has no segment of this number.
    #[error("the attachment has fewer segments; ask for those below their number")]
    NoSuchSegment,
    /// The number of bytes is not the length of the segment's [`SegmentLayout::range`].
    #[error("these are not the bytes of this segment; give those that its range names")]
    WrongLength,
}

/// The error of a segment that was not opened: the segment belongs to another attachment or has
/// another number in this one, or its bytes were changed. Fetch the segment again: the passed
/// buffer cannot be used for a second attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not this segment of the attachment, or damaged; fetch it again")]
pub struct BadSegment;

/// The error of verifying an attachment as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The hash of at least one segment is missing: open all segments first.
    #[error("{}", Incomplete)]
    Incomplete,
    /// All segments opened, but their hashes do not give the hash in the manifest: the sender
    /// sealed several contents for one segment, so recipients of the manifest can see different
    /// files. Do not use the bytes.
    #[error("the segments are not the attachment that its manifest names; do not use it")]
    BadAttachment,
}

impl AttachmentSealer {
    /// Creates a sealer with a new key for an attachment of `length` bytes. Draws the key, 32
    /// bytes, from `rng`.
    ///
    /// # Errors
    /// Fails with [`AttachmentTooLong`].
    pub fn generate(length: u64, rng: &mut (impl CryptoRng + ?Sized)) -> Result<Self, AttachmentTooLong> {
        Self::new(AttachmentKey::generate(rng), length)
    }

    /// Creates a sealer for an attachment of `length` bytes whose key was stored. Bytes that are
    /// sealed again give the same segments as before.
    ///
    /// # Errors
    /// Fails with [`AttachmentTooLong`].
    pub fn new(key: AttachmentKey, length: u64) -> Result<Self, AttachmentTooLong> {
        Ok(Self { key, layout: SegmentLayout::new(length)? })
    }

    /// Returns the key of the attachment. Store it to continue sealing later with
    /// [`new`](Self::new).
    #[must_use]
    pub const fn key(&self) -> &AttachmentKey {
        &self.key
    }

    /// Returns the layout of the attachment's segments.
    #[must_use]
    pub const fn layout(&self) -> &SegmentLayout {
        &self.layout
    }

    /// Seals the bytes of segment number `segment`, counted from 0. The segments can be sealed in
    /// any order. The nonce derives from the key, the segment's number, the length of the
    /// attachment and the bytes: a segment that is sealed again is equal to the first, and two
    /// contents for one number share no key stream.
    ///
    /// # Errors
    /// Fails with [`SegmentError`].
    pub fn seal(&self, segment: u32, bytes: &[u8]) -> Result<SealedSegment, SegmentError> {
        let range = self.layout.range(segment).ok_or(SegmentError::NoSuchSegment)?;
        if range.end - range.start != bytes.len() as u64 {
            return Err(SegmentError::WrongLength);
        }
        let hash = SegmentHash::of(segment, bytes);
        let blob = self.seal_with(segment, bytes, &self.nonce(&hash))?;
        Ok(SealedSegment { blob, hash })
    }

    /// Returns the manifest, from the hashes that [`seal`](Self::seal) has returned for all
    /// segments.
    ///
    /// # Errors
    /// Fails with [`Incomplete`] if the hash of a segment is missing.
    pub fn finish(&self, hashes: &SegmentHashes) -> Result<Manifest, Incomplete> {
        let hash = hashes.whole(&self.layout)?;
        Ok(Manifest { key: self.key.duplicate(), layout: self.layout, hash })
    }

    fn nonce(&self, hash: &SegmentHash) -> [u8; NONCE_LEN] {
        let (segment, length) = (hash.segment().to_le_bytes(), self.layout.length().to_le_bytes());
        let info = [labels::ATTACHMENT_NONCE, &segment, &length, hash.as_bytes()];
        hkdf::expand(self.key.expose(), &info)
    }

    /// Pads `bytes`, whose number the caller has checked, with zeros to the segment's size class,
    /// and seals them under `nonce`.
    fn seal_with(&self, segment: u32, bytes: &[u8], nonce: &[u8; NONCE_LEN]) -> Result<Blob, SegmentError> {
        let class = self.layout.class(segment).ok_or(SegmentError::NoSuchSegment)?;
        let mut sealed = Vec::with_capacity(class.bytes());
        sealed.extend_from_slice(nonce);
        sealed.extend_from_slice(bytes);
        sealed.resize(class.bytes() - TAG_LEN, 0);
        let body = sealed.get_mut(NONCE_LEN..).ok_or(SegmentError::WrongLength)?;
        let tag = aead::seal_in_place(self.key.expose(), nonce, &self.layout.place(segment), body);
        sealed.extend_from_slice(&tag);
        Blob::new(sealed).map_err(|_| SegmentError::WrongLength)
    }

    /// Seals as [`seal`](Self::seal) does, but under the nonce that the caller passes, for test
    /// vectors.
    ///
    /// # Errors
    /// Fails as [`seal`](Self::seal) does.
    #[cfg(feature = "hazmat")]
    pub fn hazmat_seal(
        &self,
        segment: u32,
        bytes: &[u8],
        nonce: &[u8; NONCE_LEN],
    ) -> Result<SealedSegment, SegmentError> {
        let SealedSegment { hash, .. } = self.seal(segment, bytes)?;
        Ok(SealedSegment { blob: self.seal_with(segment, bytes, nonce)?, hash })
    }
}

impl Manifest {
    /// Creates the manifest from the fields of a
    /// [`Content::Attachment`](crate::content::Content::Attachment) that was received.
    ///
    /// # Errors
    /// Fails with [`AttachmentTooLong`].
    pub fn new(key: AttachmentKey, length: u64, hash: AttachmentHash) -> Result<Self, AttachmentTooLong> {
        Ok(Self { key, layout: SegmentLayout::new(length)?, hash })
    }

    /// Returns the key of the attachment, for the field of
    /// [`Content::Attachment`](crate::content::Content::Attachment).
    #[must_use]
    pub const fn key(&self) -> &AttachmentKey {
        &self.key
    }

    /// Returns the layout of the attachment's segments.
    #[must_use]
    pub const fn layout(&self) -> &SegmentLayout {
        &self.layout
    }

    /// Returns the hash of the whole attachment, for the field of
    /// [`Content::Attachment`](crate::content::Content::Attachment).
    #[must_use]
    pub const fn hash(&self) -> &AttachmentHash {
        &self.hash
    }

    /// Decrypts segment number `segment`, counted from 0, in its buffer, and returns its plaintext.
    /// One segment proves only that a holder of the key has sealed it; [`verify`](Self::verify)
    /// proves that all of them together are the attachment.
    ///
    /// # Errors
    /// Fails with [`BadSegment`]; also for a number that the attachment does not have.
    pub fn open<'a>(&self, segment: u32, sealed: &'a mut [u8]) -> Result<OpenedSegment<'a>, BadSegment> {
        let (range, class) = self.layout.range(segment).zip(self.layout.class(segment)).ok_or(BadSegment)?;
        if sealed.len() != class.bytes() {
            return Err(BadSegment); // C-60: a segment has the length of its class.
        }
        let (nonce, rest) = sealed.split_first_chunk_mut::<NONCE_LEN>().ok_or(BadSegment)?;
        let (body, tag) = rest.split_last_chunk_mut::<TAG_LEN>().ok_or(BadSegment)?;
        // C-61: it is this segment of this attachment.
        aead::open_in_place(self.key.expose(), nonce, &self.layout.place(segment), body, tag)
            .map_err(|_| BadSegment)?;
        let len = usize::try_from(range.end - range.start).map_err(|_| BadSegment)?;
        let (bytes, padding) = body.split_at_checked(len).ok_or(BadSegment)?;
        if !is_zero(padding) {
            return Err(BadSegment); // C-62: padding is zeros.
        }
        Ok(OpenedSegment { bytes, hash: SegmentHash::of(segment, bytes) })
    }

    /// Checks that the segments that were opened are together the attachment that was sent.
    /// `hashes` has the hashes that [`open`](Self::open) has returned for all of them. Do not use
    /// the file before this call has succeeded.
    ///
    /// # Errors
    /// Fails with [`VerifyError`].
    pub fn verify(&self, hashes: &SegmentHashes) -> Result<(), VerifyError> {
        let found = hashes.whole(&self.layout).map_err(|Incomplete| VerifyError::Incomplete)?;
        if found != self.hash {
            return Err(VerifyError::BadAttachment); // C-63: together they are what the manifest names.
        }
        Ok(())
    }
}

impl core::fmt::Debug for AttachmentSealer {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("AttachmentSealer(..)")
    }
}

impl core::fmt::Debug for Manifest {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Manifest(..)")
    }
}

impl core::fmt::Debug for OpenedSegment<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("OpenedSegment(..)")
    }
}

#[cfg(test)]
mod tests;
