//! Names of 32 or 16 bytes: hashes of the secrets that clients present to a relay, the fingerprint
//! of a relay, and the token by which a relay recognises a client.

use serde::{Deserialize, Serialize};

macro_rules! public_bytes {
    ($(#[$meta:meta])* $name:ident, $len:literal) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub struct $name([u8; $len]);

        impl $name {
            /// The length in bytes.
            pub const LEN: usize = $len;

            /// Creates the value from its bytes.
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
    /// The hash of a [`PresentedOwn`](crate::PresentedOwn), by which a relay recognises the owner
    /// of a mailbox.
    OwnId, 32
}
public_bytes! {
    /// The hash of a [`PresentedRead`](crate::PresentedRead), by which a relay recognises the
    /// reader of a mailbox. It is the name of the mailbox on its relay.
    MailboxId, 32
}
public_bytes! {
    /// The hash of a [`PresentedSend`](crate::PresentedSend), by which a relay recognises one of
    /// the senders that may put into a mailbox.
    SendId, 32
}
public_bytes! {
    /// The hash of a relay's identity keys. It is part of every address, so that no certificate
    /// authority can impersonate the relay.
    Fingerprint, 32
}
public_bytes! {
    /// The token by which a relay recognises the same reader after a broken connection
    /// (spec/11-capabilities.md section 5). A client has a different one for each relay and after
    /// each start. Zeros name no client.
    ClientToken, 16
}

impl core::fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(&data_encoding::BASE64URL_NOPAD.encode(&self.0))
    }
}
