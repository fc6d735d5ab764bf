//! Content: what an envelope holds, typed and length-delimited (spec/06-envelope-and-content.md).
//!
//! Item = type u16, flags u8, length u24 (little-endian), body. Unknown items are skipped unless
//! they are critical or numbered. A *numbered* item has a number in a stream, which counts what one
//! person sends to another, so that a loss is seen. A *critical* item must not be ignored by a
//! receiver that does not know its type.

mod digest;
mod form;
mod message;
mod read;
mod write;

pub use digest::{ItemHash, StreamDigest};
pub use form::{
    MAX_ITEMS, MAX_ITEMS_TO_ENCODE, MAX_MEDIA_TYPE, MAX_NAME, MAX_PARTS, MAX_PLACE, MAX_SPARSE, MAX_TEXT,
    SHORT_DIGEST_LEN, TooLong,
};
pub use message::{Message, MessageId};
pub use read::{decode, decode_with_hashes};
pub use write::{encode, item_hash, set_place};

pub(crate) use read::{for_contact, is_first_content};
pub(crate) use write::{ERA_ITEM_LEN, add_era};

pub use crate::bundle::MAX_ADDRESS;
use crate::{
    attachment::{AttachmentHash, AttachmentKey},
    identity::IdentityHash,
};
use alloc::{string::String, vec::Vec};
use zeroize::{Zeroize, ZeroizeOnDrop};

/// The random name of a stream: the numbered items that one person sends to another. The sender
/// draws it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(pub [u8; 16]);

impl core::fmt::Debug for StreamId {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("StreamId(..)")
    }
}

/// One item of the plaintext of a message, which can hold several.
#[derive(PartialEq, Eq)]
#[non_exhaustive]
pub enum Content {
    /// The address of the mailbox in which the sender reads. First item of every InitialMessage.
    Hello {
        /// The encoded mailbox address.
        address: Vec<u8>,
    },
    /// A text of a person. The item is numbered.
    Text {
        /// Id of the item's stream.
        stream: StreamId,
        /// The number of the text in its stream, from 1.
        number: u64,
        /// The text.
        text: String,
    },
    /// A confirmation of the numbered items that have arrived: the sender of this item has stored
    /// them.
    DeliveryReceipt {
        /// Id of the confirmed stream, which the receiver of this item sends.
        stream: StreamId,
        /// The low-water mark: every number up to this one has arrived.
        low_water: u64,
        /// The numbers above the low-water mark that have arrived, ascending.
        sparse: Vec<u64>,
    },
    /// The address of a new mailbox, in which the sender reads from now on. The item is numbered.
    MailboxMove {
        /// Id of the item's stream.
        stream: StreamId,
        /// The number of the item in its stream, from 1.
        number: u64,
        /// The encoded mailbox address.
        address: Vec<u8>,
    },
    /// A file or picture, whose segments are stored elsewhere
    /// ([`Manifest`](crate::attachment::Manifest)). The item is numbered.
    Attachment {
        /// Id of the item's stream.
        stream: StreamId,
        /// The number of the item in its stream, from 1.
        number: u64,
        /// The key that opens the segments.
        key: AttachmentKey,
        /// The length of the attachment in bytes.
        length: u64,
        /// The hash of the attachment ([`Manifest::hash`](crate::attachment::Manifest::hash)).
        hash: AttachmentHash,
        /// The place where the segments are stored, in a form of the app's choice; at most
        /// [`MAX_PLACE`] bytes.
        place: Vec<u8>,
        /// The media type, such as `image/png`; at most [`MAX_MEDIA_TYPE`] bytes.
        media_type: String,
        /// The file's name; at most [`MAX_NAME`] bytes. Peer data: never use it as a path.
        name: String,
    },
    /// A numbered message of a person. It has an id of its own, so that it is shown once even if it
    /// arrives by several ways.
    Message {
        /// Id of the item's stream.
        stream: StreamId,
        /// The number of the item in its stream, from 1.
        number: u64,
        /// The version of the receiver's list of devices that the sender uses; 0 as long as there
        /// are no such lists.
        to_version: u64,
        /// The receiver's devices that the message is sealed to, as a bit mask. Bit 0 is the main
        /// device.
        to_mask: u16,
        /// The message.
        message: Message,
    },
    /// The identity of the person to whom the sending device belongs.
    Device {
        /// Hash of the identity of the person's main device.
        root: IdentityHash,
        /// The version of the person's list of devices; 0 as long as there are no such lists.
        list_version: u64,
    },
    /// The digest of a stream at the low-water mark of the receipt beside it. With it the sender of
    /// the stream checks that its peer holds the very items that it sent.
    StreamDigest {
        /// Id of the confirmed stream, which the receiver of this item sends.
        stream: StreamId,
        /// The receipt's low-water mark.
        number: u64,
        /// The first bytes of the [`StreamDigest`] at that number.
        digest: [u8; SHORT_DIGEST_LEN],
    },
    /// A number that stays empty, because the item that it was given to was withdrawn before it was
    /// sent.
    Void {
        /// Id of the item's stream.
        stream: StreamId,
        /// The empty number in the stream, from 1.
        number: u64,
    },
    /// A numbered item that this version does not know, or a message with a critical part that it
    /// does not know. The item still takes its number in the stream; if it is critical, keep it for
    /// a newer version.
    Unknown {
        /// Number of the item's type.
        kind: u16,
        /// The item's flags: bit 0 critical, bit 1 numbered (spec/06-envelope-and-content.md
        /// section 2).
        flags: u8,
        /// Id of the item's stream.
        stream: StreamId,
        /// The number of the item in its stream, from 1.
        number: u64,
        /// The whole body of the item, with the id of the stream and the number in front.
        body: Vec<u8>,
    },
    /// A bundle with which the receiver can begin a new session if the present one is lost. A
    /// [`Contact`](crate::contact::Contact) makes this item and reads it; an app only passes it on.
    ResetBundle {
        /// The body of a reset bundle. The body has no signature, so that it proves nothing to
        /// others.
        bundle: Vec<u8>,
    },
    /// The era of this session: a number in its contact, above those of the sessions that it
    /// supersedes. A [`Contact`](crate::contact::Contact) makes this item and reads it.
    SessionEra {
        /// The session's era.
        era: u32,
    },
}

impl Content {
    /// Whether the item is critical: a receiver that does not know its type must keep it for a
    /// newer version.
    #[must_use]
    pub const fn is_critical(&self) -> bool {
        match self {
            Self::Hello { .. }
            | Self::Text { .. }
            | Self::MailboxMove { .. }
            | Self::Attachment { .. }
            | Self::Message { .. } => true,
            Self::Unknown { flags, .. } => *flags & form::CRITICAL != 0,
            Self::DeliveryReceipt { .. }
            | Self::ResetBundle { .. }
            | Self::SessionEra { .. }
            | Self::Device { .. }
            | Self::StreamDigest { .. }
            | Self::Void { .. } => false,
        }
    }

    /// Returns the stream and the number of an item that takes a place in a stream; `None` for all
    /// others.
    #[must_use]
    pub const fn place(&self) -> Option<(StreamId, u64)> {
        match self {
            Self::Text { stream, number, .. }
            | Self::MailboxMove { stream, number, .. }
            | Self::Attachment { stream, number, .. }
            | Self::Message { stream, number, .. }
            | Self::Void { stream, number }
            | Self::Unknown { stream, number, .. } => Some((*stream, *number)),
            Self::Hello { .. }
            | Self::DeliveryReceipt { .. }
            | Self::ResetBundle { .. }
            | Self::SessionEra { .. }
            | Self::Device { .. }
            | Self::StreamDigest { .. } => None,
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

/// The error of decoding content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ContentError {
    /// The bytes do not have the form of content: the peer's software is at fault.
    #[error("malformed content; the peer's software is at fault")]
    Malformed,
    /// The content has a critical item of a type that this version does not know. Keep it for a
    /// newer version.
    #[error("content for a newer version; update to read it")]
    NeedsNewerVersion,
}
