//! Content: what an envelope holds, typed and length-delimited (spec/06-envelope-and-content.md).
//!
//! Item = type u16, flags u8, length u24 (little-endian), body. Unknown items are skipped unless critical.

mod read;
mod write;

pub use read::decode;
pub use write::encode;

pub(crate) use read::for_contact;
pub(crate) use write::{ERA_ITEM_LEN, add_era};

use crate::attachment::{AttachmentHash, AttachmentKey};
use alloc::{string::String, vec::Vec};
use zeroize::{Zeroize, ZeroizeOnDrop};

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
/// Most items that [`encode`] takes: one place is the contact's own, which appends its session's era.
pub const MAX_ITEMS_TO_ENCODE: usize = MAX_ITEMS - 1;

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
        /// The hash of the attachment ([`Manifest::hash`](crate::Manifest::hash)).
        hash: AttachmentHash,
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
        /// The body of a reset bundle. It has no signature, so that it proves nothing to others.
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
        // The key of an attachment wipes itself.
        match self {
            Self::Text { text, .. } => text.zeroize(),
            Self::Hello { address } | Self::MailboxMove { address, .. } => address.zeroize(),
            Self::Attachment { place, media_type, name, .. } => {
                place.zeroize();
                media_type.zeroize();
                name.zeroize();
            }
            Self::ResetBundle { bundle } => bundle.zeroize(),
            Self::DeliveryReceipt { sparse, .. } => sparse.zeroize(),
            Self::SessionEra { .. } => {}
        }
    }
}

impl ZeroizeOnDrop for Content {}
deaddrop_primitives::assert_secret!(Content);

/// Content cannot be encoded: a part is over its limit, or the items are too many.
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
