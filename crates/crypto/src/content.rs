//! Content: what an envelope holds, typed and length-delimited (spec/06-envelope-and-content.md).
//!
//! Item = type u16, flags u8, length u24 (little-endian), body. Unknown items are skipped unless critical.

use crate::{
    attachment::{AttachmentKey, MAX_ATTACHMENT},
    prekeys::MAX_SIGNED,
};
use alloc::{string::String, vec::Vec};
use zeroize::Zeroize;

/// Longest text in bytes of UTF-8; fits the largest class in every kind of message.
pub const MAX_TEXT: usize = 60_000;
/// Longest mailbox address in bytes.
pub const MAX_ADDRESS: usize = 512;
/// Most numbers above the low-water mark in one receipt.
pub const MAX_SPARSE: usize = 200;
/// Longest place of an attachment's segments in bytes.
pub const MAX_PLACE: usize = 512;
/// Longest media type in bytes.
pub const MAX_MEDIA_TYPE: usize = 127;
/// Longest file name in bytes.
pub const MAX_NAME: usize = 255;
/// Most items in one content.
pub const MAX_ITEMS: usize = 64;

const HEAD: usize = 6;
const CRITICAL: u8 = 1;
const HELLO: u16 = 1;
const TEXT: u16 = 2;
const DELIVERY_RECEIPT: u16 = 3;
const MAILBOX_MOVE: u16 = 4;
const RESET_BUNDLE: u16 = 5;
const SESSION_ERA: u16 = 6;
const ATTACHMENT: u16 = 7;

/// Names one direction of one relationship; drawn at random by the sender.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(pub [u8; 16]);

impl core::fmt::Debug for StreamId {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("StreamId(..)")
    }
}

/// One item of content.
#[derive(PartialEq, Eq)]
#[non_exhaustive]
pub enum Content {
    /// Where the sender reads: the first item of every InitialMessage.
    Hello {
        /// The encoded mailbox address.
        address: Vec<u8>,
    },
    /// A text, numbered.
    Text {
        /// Direction of the relationship.
        stream: StreamId,
        /// Place in it, from 1.
        number: u64,
        /// The text.
        text: String,
    },
    /// What the sender of this receipt has durably received.
    DeliveryReceipt {
        /// The stream that is receipted.
        stream: StreamId,
        /// Every number up to here has arrived.
        low_water: u64,
        /// Numbers above it that have arrived, ascending.
        sparse: Vec<u64>,
    },
    /// The sender reads at another mailbox from now on, numbered.
    MailboxMove {
        /// Direction of the relationship.
        stream: StreamId,
        /// Place in it, from 1.
        number: u64,
        /// The encoded mailbox address.
        address: Vec<u8>,
    },
    /// A file or picture, numbered; its segments lie elsewhere ([`Manifest`](crate::Manifest)).
    Attachment {
        /// Direction of the relationship.
        stream: StreamId,
        /// Place in it, from 1.
        number: u64,
        /// Opens the segments.
        key: AttachmentKey,
        /// Bytes of the attachment.
        length: u64,
        /// Where the segments lie: up to the app, at most [`MAX_PLACE`] bytes.
        place: Vec<u8>,
        /// The media type, such as `image/png`; at most [`MAX_MEDIA_TYPE`] bytes.
        media_type: String,
        /// The file's name; at most [`MAX_NAME`] bytes. Peer data: never use it as a path.
        name: String,
    },
    /// With this the receiver can begin a new session when the present one is lost; a [`Contact`](crate::Contact) makes and
    /// takes it.
    ResetBundle {
        /// Body and signature.
        bundle: Vec<u8>,
    },
    /// Which sessions this one supersedes: those of a lower era. A [`Contact`](crate::Contact) makes and takes it.
    SessionEra {
        /// The session's era.
        era: u32,
    },
}

impl core::fmt::Debug for Content {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Hello { .. } => "Hello(..)",
            Self::Text { .. } => "Text(..)",
            Self::DeliveryReceipt { .. } => "DeliveryReceipt(..)",
            Self::MailboxMove { .. } => "MailboxMove(..)",
            Self::Attachment { .. } => "Attachment(..)",
            Self::ResetBundle { .. } => "ResetBundle(..)",
            Self::SessionEra { .. } => "SessionEra(..)",
        })
    }
}

impl Drop for Content {
    fn drop(&mut self) {
        match self {
            Self::Text { text, .. } => text.zeroize(),
            Self::Hello { address } | Self::MailboxMove { address, .. } => address.zeroize(),
            Self::Attachment { place, media_type, name, .. } => {
                place.zeroize();
                media_type.zeroize();
                name.zeroize();
            }
            Self::ResetBundle { bundle } => bundle.zeroize(),
            Self::DeliveryReceipt { .. } | Self::SessionEra { .. } => {}
        }
    }
}

/// Content cannot be encoded: a part is over its limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong;

impl core::fmt::Display for TooLong {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("text or list over its limit; send it in parts")
    }
}

impl core::error::Error for TooLong {}

/// Content was not understood; see the variants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ContentError {
    /// Breaks the form: the peer's fault.
    Malformed,
    /// Holds a critical item of a type that this version does not know: keep it for a newer version.
    NeedsNewerVersion,
}

impl core::fmt::Display for ContentError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Malformed => "malformed content; the peer's software is at fault",
            Self::NeedsNewerVersion => "content for a newer version; update to read it",
        })
    }
}

impl core::error::Error for ContentError {}

/// Encodes items in their order.
///
/// # Errors
/// [`TooLong`].
pub fn encode(items: &[Content]) -> Result<Vec<u8>, TooLong> {
    if items.len() > MAX_ITEMS {
        return Err(TooLong);
    }
    let mut bytes = Vec::new();
    for item in items {
        let mut body = Vec::new();
        let (kind, flags) = match item {
            Content::Hello { address } => {
                body.extend_from_slice(bounded(address, MAX_ADDRESS)?);
                (HELLO, CRITICAL)
            }
            Content::Text { stream, number, text } => {
                numbered(&mut body, stream, *number);
                body.extend_from_slice(bounded(text.as_bytes(), MAX_TEXT)?);
                (TEXT, CRITICAL)
            }
            Content::DeliveryReceipt { stream, low_water, sparse } => {
                numbered(&mut body, stream, *low_water);
                for number in bounded(sparse, MAX_SPARSE)? {
                    body.extend_from_slice(&number.to_le_bytes());
                }
                (DELIVERY_RECEIPT, 0)
            }
            Content::MailboxMove { stream, number, address } => {
                numbered(&mut body, stream, *number);
                body.extend_from_slice(bounded(address, MAX_ADDRESS)?);
                (MAILBOX_MOVE, CRITICAL)
            }
            Content::ResetBundle { bundle } => {
                body.extend_from_slice(bounded(bundle, MAX_SIGNED)?);
                (RESET_BUNDLE, 0)
            }
            Content::Attachment { stream, number, key, length, place, media_type, name } => {
                numbered(&mut body, stream, *number);
                body.extend_from_slice(key.expose());
                body.extend_from_slice(&length.to_le_bytes());
                let place = bounded(place, MAX_PLACE)?;
                let media_type = bounded(media_type.as_bytes(), MAX_MEDIA_TYPE)?;
                body.extend_from_slice(&u16::try_from(place.len()).map_err(|_| TooLong)?.to_le_bytes());
                body.extend_from_slice(place);
                body.push(u8::try_from(media_type.len()).map_err(|_| TooLong)?);
                body.extend_from_slice(media_type);
                body.extend_from_slice(bounded(name.as_bytes(), MAX_NAME)?);
                (ATTACHMENT, CRITICAL)
            }
            Content::SessionEra { era } => {
                body.extend_from_slice(&era.to_le_bytes());
                (SESSION_ERA, 0)
            }
        };
        push(&mut bytes, kind, flags, &body)?;
        body.zeroize();
    }
    Ok(bytes)
}

/// Decodes what [`encode`] made, or a newer version's; unknown items that are not critical are left out.
///
/// # Errors
/// See [`ContentError`].
pub fn decode(mut bytes: &[u8]) -> Result<Vec<Content>, ContentError> {
    use ContentError::{Malformed, NeedsNewerVersion};
    let mut items = Vec::new();
    let mut count = 0;
    while !bytes.is_empty() {
        count += 1;
        // C-30: items are whole, and few.
        let (kind, flags, body, rest) = split(bytes).filter(|_| count <= MAX_ITEMS).ok_or(Malformed)?;
        bytes = rest;
        match kind {
            HELLO..=ATTACHMENT => {
                items.push(item(kind, body).ok_or(Malformed)?); // C-31: known items keep their form and limits.
            }
            _ if flags & CRITICAL != 0 => return Err(NeedsNewerVersion), // C-32: critical items are known.
            _ => {}
        }
    }
    Ok(items)
}

/// What a content says to the contact itself, without reading the rest: nothing of it is copied but a bundle.
pub(crate) struct ForContact<'a> {
    pub(crate) bundle: Option<&'a [u8]>,
    pub(crate) era: Option<u32>,
}

/// The last item of each kind counts; malformed content says nothing.
pub(crate) fn for_contact(mut bytes: &[u8]) -> ForContact<'_> {
    let mut found = ForContact { bundle: None, era: None };
    while !bytes.is_empty() {
        let Some((kind, _, body, rest)) = split(bytes) else {
            return ForContact { bundle: None, era: None };
        };
        bytes = rest;
        match kind {
            RESET_BUNDLE if body.len() <= MAX_SIGNED => found.bundle = Some(body),
            SESSION_ERA => found.era = body.as_array().map(|era| u32::from_le_bytes(*era)).or(found.era),
            _ => {}
        }
    }
    found
}

/// Bytes that [`add_era`] adds.
pub(crate) const ERA_ITEM_LEN: usize = HEAD + 4;

/// Appends the item to a content.
pub(crate) fn add_era(content: &mut Vec<u8>, era: u32) {
    content.extend_from_slice(&SESSION_ERA.to_le_bytes());
    content.extend_from_slice(&[0, 4, 0, 0]);
    content.extend_from_slice(&era.to_le_bytes());
}

fn bounded<T>(list: &[T], most: usize) -> Result<&[T], TooLong> {
    if list.len() <= most { Ok(list) } else { Err(TooLong) }
}

fn numbered(body: &mut Vec<u8>, stream: &StreamId, number: u64) {
    body.extend_from_slice(&stream.0);
    body.extend_from_slice(&number.to_le_bytes());
}

fn push(bytes: &mut Vec<u8>, kind: u16, flags: u8, body: &[u8]) -> Result<(), TooLong> {
    let [a, b, c, 0] = u32::try_from(body.len()).map_err(|_| TooLong)?.to_le_bytes() else {
        return Err(TooLong);
    };
    bytes.extend_from_slice(&kind.to_le_bytes());
    bytes.extend_from_slice(&[flags, a, b, c]);
    bytes.extend_from_slice(body);
    Ok(())
}

fn split(bytes: &[u8]) -> Option<(u16, u8, &[u8], &[u8])> {
    let (head, rest) = bytes.split_first_chunk::<HEAD>()?;
    let [k0, k1, flags, a, b, c] = *head;
    let len = usize::try_from(u32::from_le_bytes([a, b, c, 0])).ok()?;
    let (body, rest) = rest.split_at_checked(len)?;
    Some((u16::from_le_bytes([k0, k1]), flags, body, rest))
}

fn item(kind: u16, body: &[u8]) -> Option<Content> {
    if kind == HELLO {
        return (body.len() <= MAX_ADDRESS).then(|| Content::Hello { address: body.to_vec() });
    }
    if kind == RESET_BUNDLE {
        return (body.len() <= MAX_SIGNED).then(|| Content::ResetBundle { bundle: body.to_vec() });
    }
    if kind == SESSION_ERA {
        return body.as_array().map(|era| Content::SessionEra { era: u32::from_le_bytes(*era) });
    }
    let (stream, rest) = body.split_first_chunk()?;
    let stream = StreamId(*stream);
    let (number, rest) = rest.split_first_chunk()?;
    let number = u64::from_le_bytes(*number);
    match kind {
        TEXT if number > 0 && rest.len() <= MAX_TEXT => {
            Some(Content::Text { stream, number, text: String::from_utf8(rest.to_vec()).ok()? })
        }
        ATTACHMENT if number > 0 => attachment(stream, number, rest),
        MAILBOX_MOVE if number > 0 && rest.len() <= MAX_ADDRESS => {
            Some(Content::MailboxMove { stream, number, address: rest.to_vec() })
        }
        DELIVERY_RECEIPT if rest.len() <= 8 * MAX_SPARSE => {
            let (numbers, odd) = rest.as_chunks::<8>();
            let sparse: Vec<u64> = numbers.iter().map(|bytes| u64::from_le_bytes(*bytes)).collect();
            let mut before = number;
            let ascending = sparse.iter().all(|next| core::mem::replace(&mut before, *next) < *next);
            (odd.is_empty() && ascending).then_some(Content::DeliveryReceipt {
                stream,
                low_water: number,
                sparse,
            })
        }
        _ => None,
    }
}

fn attachment(stream: StreamId, number: u64, body: &[u8]) -> Option<Content> {
    let (key, rest) = body.split_first_chunk()?;
    let (length, rest) = rest.split_first_chunk()?;
    let (place_len, rest) = rest.split_first_chunk()?;
    let (place, rest) = rest.split_at_checked(usize::from(u16::from_le_bytes(*place_len)))?;
    let (type_len, rest) = rest.split_first()?;
    let (media_type, name) = rest.split_at_checked(usize::from(*type_len))?;
    let length = u64::from_le_bytes(*length);
    let bounded = place.len() <= MAX_PLACE && media_type.len() <= MAX_MEDIA_TYPE && name.len() <= MAX_NAME;
    if !bounded || length > MAX_ATTACHMENT {
        return None;
    }
    Some(Content::Attachment {
        stream,
        number,
        key: AttachmentKey::from_bytes(*key),
        length,
        place: place.to_vec(),
        media_type: String::from_utf8(media_type.to_vec()).ok()?,
        name: String::from_utf8(name.to_vec()).ok()?,
    })
}
