//! Public 32-byte names: hashes of what is shown to a relay, and the fingerprint of a relay.

use serde::{Deserialize, Serialize};

macro_rules! public_bytes {
    ($(#[$meta:meta])* $name:ident, $len:literal) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub struct $name([u8; $len]);

        impl $name {
            /// Length in bytes.
            pub const LEN: usize = $len;

            /// Wraps the bytes.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; $len]) -> Self {
                Self(bytes)
            }

            /// The bytes.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; $len] {
                &self.0
            }
        }

        /// Names no mailbox and no relay: identifiers stay out of logs.
        impl core::fmt::Debug for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str(concat!(stringify!($name), "(..)"))
            }
        }
    };
}

public_bytes! {
    /// Hash of a [`PresentedOwn`](crate::PresentedOwn): how a relay recognises the owner.
    OwnId, 32
}
public_bytes! {
    /// Hash of a [`PresentedRead`](crate::PresentedRead): the name of a mailbox on its relay.
    MailboxId, 32
}
public_bytes! {
    /// Hash of a [`PresentedSend`](crate::PresentedSend): the right of a sender to put into a mailbox.
    SendId, 32
}
public_bytes! {
    /// Hash of a relay's identity keys; part of every address, so that no certificate authority can stand between.
    Fingerprint, 32
}
public_bytes! {
    /// Random bytes by which a relay recognises the same reader after a broken connection. Kept in memory only,
    /// never shared between links that shall not be linked.
    ClientToken, 16
}

impl core::fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(&data_encoding::BASE64URL_NOPAD.encode(&self.0))
    }
}
