//! The form of items: limits, type numbers, the item's head (spec/06-envelope-and-content.md
//! section 2).

/// Maximum length of a text, in bytes of UTF-8. A text of this length fits into the largest
/// envelope, even in an InitialMessage (60,767 bytes of content).
pub const MAX_TEXT: usize = 60_000;
/// Maximum number of entries of `sparse` in one delivery receipt.
pub const MAX_SPARSE: usize = 200;
/// Maximum length of the place of an attachment's segments, in bytes.
pub const MAX_PLACE: usize = 512;
/// Maximum length of a media type, in bytes.
pub const MAX_MEDIA_TYPE: usize = 127;
/// Maximum length of a file name, in bytes.
pub const MAX_NAME: usize = 255;
/// Maximum number of items in one content.
pub const MAX_ITEMS: usize = 64;
/// Maximum number of items that [`encode`](super::encode) takes. One place is reserved for the item
/// with its session's era, which the contact appends.
pub const MAX_ITEMS_TO_ENCODE: usize = MAX_ITEMS - 1;

/// Maximum number of parts of an encoded [`Message`](super::Message), known and unknown ones
/// together. Its text is one part, the only one that this version writes.
pub const MAX_PARTS: usize = 16;
/// Number of bytes of a stream's digest that an item
/// [`Content::StreamDigest`](super::Content::StreamDigest) carries.
pub const SHORT_DIGEST_LEN: usize = 16;

pub(super) const HEAD: usize = 6;
pub(super) const CRITICAL: u8 = 1;
pub(super) const NUMBERED: u8 = 2;
pub(super) const HELLO: u16 = 1;
pub(super) const TEXT: u16 = 2;
pub(super) const DELIVERY_RECEIPT: u16 = 3;
pub(super) const MAILBOX_MOVE: u16 = 4;
pub(super) const RESET_BUNDLE: u16 = 5;
pub(super) const SESSION_ERA: u16 = 6;
pub(super) const ATTACHMENT: u16 = 7;
pub(super) const MESSAGE: u16 = 8;
pub(super) const DEVICE: u16 = 9;
pub(super) const STREAM_DIGEST: u16 = 24;
pub(super) const VOID: u16 = 26;

/// The error of encoding content: a part exceeds its limit or does not have its form, or there are
/// too many items.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("text or list over its limit, or a list out of order; send it in parts")]
pub struct TooLong;

pub(super) fn bounded<T>(list: &[T], most: usize) -> Result<&[T], TooLong> {
    if list.len() <= most { Ok(list) } else { Err(TooLong) }
}

/// Splits the first item off: its type, flags and body, and the bytes after it; `None` if there is
/// no whole item.
pub(super) fn split(bytes: &[u8]) -> Option<(u16, u8, &[u8], &[u8])> {
    let (head, rest) = bytes.split_first_chunk::<HEAD>()?;
    let [k0, k1, flags, a, b, c] = *head;
    let len = usize::try_from(u32::from_le_bytes([a, b, c, 0])).ok()?;
    let (body, rest) = rest.split_at_checked(len)?;
    Some((u16::from_le_bytes([k0, k1]), flags, body, rest))
}
