//! Public names of 32 bytes: hashes of secrets that are shown to a relay, and the fingerprint of a relay.

use serde::{Deserialize, Serialize};

macro_rules! public_bytes {
    ($(#[$meta:meta])* $name:ident, $len:literal) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub struct $name([u8; $len]);

        impl $name {
            /// The length in bytes.
            pub const LEN: usize = $len;

            /// Creates the name with these bytes.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; $len]) -> Self {
                Self(bytes)
            }

            /// Returns the bytes.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; $len] {
                &self.0
            }
        }

        /// Hides the bytes: identifiers stay out of logs.
        impl core::fmt::Debug for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str(concat!(stringify!($name), "(..)"))
            }
        }
    };
}

public_bytes! {
    /// The hash of a [`PresentedOwn`](crate::PresentedOwn), by which a relay recognises the owner.
    OwnId, 32
}
public_bytes! {
    /// The hash of a [`PresentedRead`](crate::PresentedRead), the name of a mailbox on its relay.
    MailboxId, 32
}
public_bytes! {
    /// The hash of a [`PresentedSend`](crate::PresentedSend), the right of a sender to put into a mailbox.
    SendId, 32
}
public_bytes! {
    /// The hash of a relay's identity keys. It is part of every address, so that no certificate authority can impersonate the
    /// relay.
    Fingerprint, 32
}
public_bytes! {
    /// The random bytes by which a relay recognises the same reader after a broken connection. They are kept in memory only, and
    /// links that shall not be linked have different ones.
    ClientToken, 16
}

impl core::fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(&data_encoding::BASE64URL_NOPAD.encode(&self.0))
    }
}
