//! Content: what an envelope holds, typed and length-delimited (spec/06-envelope-and-content.md).
//!
//! Item = type u16, flags u8, length u24 (little-endian), body. Unknown items are skipped unless they are critical or numbered.

mod digest;
mod message;
mod read;
mod write;

pub use digest::{ItemHash, StreamDigest};
pub use message::{Message, MessageId};
pub use read::{decode, decode_with_hashes};
pub use write::{encode, item_hash, set_place};

pub(crate) use read::{for_contact, is_first_content};
pub(crate) use write::{ERA_ITEM_LEN, add_era};

use crate::{
    attachment::{AttachmentHash, AttachmentKey},
    identity::IdentityHash,
};
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

/// Most parts of one message.
pub const MAX_PARTS: usize = 16;
/// Bytes of a [`StreamDigest`] that a [`Content::StreamDigest`] carries.
pub const SHORT_DIGEST_LEN: usize = 16;

const HEAD: usize = 6;
const CRITICAL: u8 = 1;
const NUMBERED: u8 = 2;
const HELLO: u16 = 1;
const TEXT: u16 = 2;
const DELIVERY_RECEIPT: u16 = 3;
const MAILBOX_MOVE: u16 = 4;
const RESET_BUNDLE: u16 = 5;
const SESSION_ERA: u16 = 6;
const ATTACHMENT: u16 = 7;
const MESSAGE: u16 = 8;
const DEVICE: u16 = 9;
const STREAM_DIGEST: u16 = 24;
const VOID: u16 = 26;

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
    /// What a person says, numbered: a text with a name of its own, so that it is shown once whatever way it comes.
    Message {
        /// Direction of the relationship.
        stream: StreamId,
        /// Place in it, from 1.
        number: u64,
        /// The receiver's list of devices that the sender goes by; 0 as long as there are no such lists.
        to_version: u64,
        /// The receiver's devices that the message is sealed to, bit 0 the main one.
        to_mask: u16,
        /// The message.
        message: Message,
    },
    /// Which person the sending device belongs to.
    Device {
        /// The identity of the person's main device.
        root: IdentityHash,
        /// The version of the person's list of devices; 0 as long as there are no such lists.
        list_version: u64,
    },
    /// The digest of a stream at the low-water mark of the receipt beside it: the sender sees whether its peer holds the very
    /// items that it sent.
    StreamDigest {
        /// The stream that is receipted.
        stream: StreamId,
        /// The receipt's low-water mark.
        number: u64,
        /// The first bytes of the [`StreamDigest`] at that number.
        digest: [u8; SHORT_DIGEST_LEN],
    },
    /// A number that stays empty, because what it was given to was withdrawn before it left.
    Void {
        /// Direction of the relationship.
        stream: StreamId,
        /// The empty place in it, from 1.
        number: u64,
    },
    /// A numbered item that this version does not know, or a message with a critical part that it does not know. It takes its
    /// number; if it is critical it is to be kept for a newer version.
    Unknown {
        /// The item's type.
        kind: u16,
        /// The item's flags.
        flags: u8,
        /// Direction of the relationship.
        stream: StreamId,
        /// Place in it, from 1.
        number: u64,
        /// The whole body, stream and number included.
        body: Vec<u8>,
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

impl Content {
    /// Whether a receiver that does not know the type keeps the item for a newer version.
    #[must_use]
    pub const fn is_critical(&self) -> bool {
        match self {
            Self::Hello { .. }
            | Self::Text { .. }
            | Self::MailboxMove { .. }
            | Self::Attachment { .. }
            | Self::Message { .. } => true,
            Self::Unknown { flags, .. } => *flags & CRITICAL != 0,
            Self::DeliveryReceipt { .. }
            | Self::ResetBundle { .. }
            | Self::SessionEra { .. }
            | Self::Device { .. }
            | Self::StreamDigest { .. }
            | Self::Void { .. } => false,
        }
    }
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
            Self::Message { .. } => "Message(..)",
            Self::Device { .. } => "Device(..)",
            Self::StreamDigest { .. } => "StreamDigest(..)",
            Self::Void { .. } => "Void(..)",
            Self::Unknown { .. } => "Unknown(..)",
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
            Self::Unknown { body, .. } => body.zeroize(),
            // A message wipes itself.
            Self::Message { .. }
            | Self::Device { .. }
            | Self::StreamDigest { .. }
            | Self::Void { .. }
            | Self::SessionEra { .. } => {}
        }
    }
}

impl ZeroizeOnDrop for Content {}
deaddrop_primitives::assert_secret!(Content);

/// Content cannot be encoded: a part is over its limit or does not have its form, or the items are too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong;

impl core::fmt::Display for TooLong {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("text or list over its limit, or a list out of order; send it in parts")
    }
}

impl core::error::Error for TooLong {}

fn bounded<T>(list: &[T], most: usize) -> Result<&[T], TooLong> {
    if list.len() <= most { Ok(list) } else { Err(TooLong) }
}

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
