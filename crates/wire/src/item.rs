//! Items, the messages between a client and a relay (spec/09-wire.md section 5).

mod about;
mod codes;
mod control;
mod encoding;
mod mailbox;
mod queue;
mod unsupported;

pub use about::{About, AboutText, Moved};
pub use codes::{AnswerCode, CreateFlags, ErrorCode, LeaseClass, QuotaClass};
pub use control::{Answer, Error, GoAway, Hello, Ping, Pong, RelayHello, Window};
pub use mailbox::{Create, Delete, Grant, Rekey, Renew, Revoke, SendGrant};
pub use queue::{
    Ack, AckEntry, Acked, CaughtUp, Deliver, Displaced, Gone, Put, Subscribe, Subscribed, Subscription,
    Unsubscribe,
};
pub use unsupported::Unsupported;

use crate::codec::{BodyReader, BodyWriter, DecodeError, EncodeError};
use encoding::Encoding;

/// The result of decoding the body of an item that is well-formed.
pub(crate) enum Body {
    Item(Item),
    /// The type is known, but this version cannot serve the item.
    Unsupported(Unsupported),
    /// The type is not among [`Item::KINDS`]; the body was not read.
    Unknown,
}

macro_rules! items {
    ($($(#[$meta:meta])* $name:ident = $kind:literal, critical: $critical:literal;)*) => {
        /// An item: one message between a client and a relay, by its type.
        #[derive(Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum Item {
            $($(#[$meta])* $name($name),)*
        }

        impl Item {
            /// Every known type number, ascending.
            pub const KINDS: &[u16] = &[$($kind),*];

            /// Returns the number of the item's type on the wire.
            #[must_use]
            pub const fn kind(&self) -> u16 {
                match self {
                    $(Self::$name(_) => $kind,)*
                }
            }

            /// Whether the item is sent as critical: a receiver that does not know its type must
            /// answer with [`Error`].
            #[must_use]
            pub const fn is_critical(&self) -> bool {
                match self {
                    $(Self::$name(_) => $critical,)*
                }
            }

            pub(crate) fn encode_body(&self, writer: &mut BodyWriter<'_>) -> Result<(), EncodeError> {
                match self {
                    $(Self::$name(body) => body.encode(writer),)*
                }
            }

            pub(crate) fn decode_body(kind: u16, mut reader: BodyReader<'_, '_>) -> Result<Body, DecodeError> {
                match kind {
                    $($kind => Ok(match $name::decode_or_report(&mut reader)? {
                        Ok(body) => Body::Item(Self::$name(body)),
                        Err(unsupported) => Body::Unsupported(unsupported),
                    }),)*
                    _ => Ok(Body::Unknown),
                }
            }
        }

        $(
            impl From<$name> for Item {
                fn from(body: $name) -> Self {
                    Self::$name(body)
                }
            }

            impl $name {
                /// Number of this type of item on the wire.
                pub const KIND: u16 = $kind;
            }
        )*
    };
}

items! {
    /// The first item of each side, with its limits.
    Hello = 0x01, critical: true;
    /// The client asks to make a mailbox.
    Create = 0x10, critical: true;
    /// The client asks to let one more sender put into a mailbox.
    Grant = 0x11, critical: true;
    /// The client asks to remove the right of one sender of a mailbox.
    Revoke = 0x12, critical: true;
    /// The client asks to renew the lease of a mailbox.
    Renew = 0x13, critical: true;
    /// The client asks to delete a mailbox with all blobs in it.
    Delete = 0x14, critical: true;
    /// The client asks to replace the read capability of a mailbox.
    Rekey = 0x15, critical: true;
    /// The client puts a blob into a mailbox.
    Put = 0x20, critical: true;
    /// The client asks for the blobs of mailboxes.
    Subscribe = 0x30, critical: true;
    /// The client ends subscriptions.
    Unsubscribe = 0x31, critical: true;
    /// The relay answers `Subscribe`.
    Subscribed = 0x32, critical: false;
    /// The relay delivers a blob.
    Deliver = 0x40, critical: false;
    /// The client has stored blobs, and the relay may destroy them.
    Ack = 0x41, critical: true;
    /// The relay tells that no blob that was stored at the time of a `Subscribe` waits any more.
    CaughtUp = 0x42, critical: false;
    /// The relay tells that another reader has taken the mailbox of a subscription over.
    Displaced = 0x43, critical: false;
    /// The relay tells that the mailbox of a subscription was deleted, or its lease ended.
    Gone = 0x44, critical: false;
    /// The relay has destroyed the blobs that an `Ack` named.
    Acked = 0x45, critical: false;
    /// Either side asks for a `Pong`.
    Ping = 0x50, critical: false;
    /// Either side answers `Ping`.
    Pong = 0x51, critical: false;
    /// The relay is about to close the link, and asks the client to come back later.
    GoAway = 0x52, critical: false;
    /// The client sets a new window for deliveries.
    Window = 0x53, critical: true;
    /// The relay serves its clients at another URL from now on.
    Moved = 0x54, critical: false;
    /// The client asks for the relay's description of itself.
    About = 0x55, critical: true;
    /// The relay answers `About`.
    AboutText = 0x56, critical: false;
    /// Either side did not process a critical item, because its type is unknown.
    Error = 0x5e, critical: false;
    /// The relay ends one request of the client, and tells the outcome.
    Answer = 0x5f, critical: false;
}

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) use tests::samples;
