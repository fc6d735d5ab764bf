//! The hashes that commit a manifest to the bytes of its attachment
//! (spec/06-envelope-and-content.md section 3).
//!
//! The tag of a segment commits to nothing: a sender who knows the key can make two segments with
//! one tag. A collision-resistant hash in the manifest makes every recipient of one manifest see
//! the same bytes.

use super::SegmentLayout;
use crate::labels;
use alloc::{collections::BTreeMap, vec::Vec};
use deaddrop_primitives::hash::sha256;

/// Number of bytes of the hash of a segment and of an attachment (SHA-256).
pub(crate) const HASH_LEN: usize = 32;

/// The hash of the plaintext of one segment, with the segment's number. Sealing and opening both
/// return it, so the bytes need not be hashed a second time.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SegmentHash {
    segment: u32,
    hash: [u8; HASH_LEN],
}

impl SegmentHash {
    /// Restores a hash from the segment's number and the bytes of [`as_bytes`](Self::as_bytes).
    #[must_use]
    pub const fn from_parts(segment: u32, hash: [u8; HASH_LEN]) -> Self {
        Self { segment, hash }
    }

    pub(super) fn of(segment: u32, bytes: &[u8]) -> Self {
        Self { segment, hash: sha256(&[labels::ATTACHMENT_SEGMENT, bytes]) }
    }

    /// Returns the number of the segment, counted from 0.
    #[must_use]
    pub const fn segment(&self) -> u32 {
        self.segment
    }

    /// Returns the bytes of the hash.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; HASH_LEN] {
        &self.hash
    }
}

impl core::fmt::Debug for SegmentHash {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("SegmentHash(..)")
    }
}

/// The hash over the hashes of all segments, in the order of their numbers. The manifest contains
/// it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct AttachmentHash([u8; HASH_LEN]);

impl AttachmentHash {
    /// Restores the hash from the bytes in a
    /// [`Content::Attachment`](crate::content::Content::Attachment) that was received.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; HASH_LEN]) -> Self {
        Self(bytes)
    }

    /// Returns the bytes of the hash, for the field of
    /// [`Content::Attachment`](crate::content::Content::Attachment).
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; HASH_LEN] {
        &self.0
    }
}

impl core::fmt::Debug for AttachmentHash {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("AttachmentHash(..)")
    }
}

/// The error of a list that lacks the hash of at least one segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("segments of the attachment are missing; seal or open every one of them first")]
pub struct Incomplete;

/// A list of the hashes of an attachment's segments, collected in any order. It holds one entry for
/// each segment whose hash was [inserted](Self::insert).
#[derive(Default)]
pub struct SegmentHashes {
    hashes: BTreeMap<u32, [u8; HASH_LEN]>,
}

impl SegmentHashes {
    /// Creates an empty list.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the hash of one segment. A later hash of the same segment replaces the earlier one, so
    /// keep the bytes that came with the later one.
    pub fn insert(&mut self, hash: SegmentHash) {
        self.hashes.insert(hash.segment, hash.hash);
    }

    /// Returns the hash of the whole attachment; fails with [`Incomplete`] if the hash of a segment
    /// of `layout` is missing.
    pub(super) fn whole(&self, layout: &SegmentLayout) -> Result<AttachmentHash, Incomplete> {
        let of = |segment| self.hashes.get(&segment).map(<[u8; HASH_LEN]>::as_slice);
        let parts = core::iter::once(Some(labels::ATTACHMENT_HASH)).chain((0..layout.count()).map(of));
        let parts: Option<Vec<&[u8]>> = parts.collect();
        Ok(AttachmentHash(sha256(&parts.ok_or(Incomplete)?)))
    }
}

impl core::fmt::Debug for SegmentHashes {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("SegmentHashes(..)")
    }
}
