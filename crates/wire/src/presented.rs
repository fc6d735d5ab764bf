//! Secrets that the holder of a capability presents to one relay (spec/11-capabilities.md). They
//! are worthless at any other relay. Here the bytes have no structure. The secrets are boxed, so
//! that moving an item leaves no copy.

use alloc::boxed::Box;
use zeroize::{Zeroize, ZeroizeOnDrop};

macro_rules! presented {
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        #[derive(Zeroize, ZeroizeOnDrop)]
        pub struct $name(Box<[u8; 32]>);

        impl $name {
            /// The length in bytes.
            pub const LEN: usize = 32;

            /// Creates the secret from its bytes, and wipes the array.
            #[must_use]
            pub fn from_bytes(mut bytes: [u8; 32]) -> Self {
                let presented = Self::copy_of(&bytes);
                bytes.zeroize();
                presented
            }

            /// Copies the bytes into a box without a copy on the stack. The caller wipes its own
            /// bytes.
            #[must_use]
            pub fn copy_of(bytes: &[u8; 32]) -> Self {
                Self::fill_with(|place| place.copy_from_slice(bytes))
            }

            /// Creates the secret by calling `fill`, which writes the bytes over zeros, in their
            /// final place.
            #[must_use]
            pub fn fill_with(fill: impl FnOnce(&mut [u8; 32])) -> Self {
                let mut presented = Self(Box::new([0; 32]));
                fill(&mut presented.0);
                presented
            }

            /// Returns the secret bytes. The method has a rare name, so that a search finds every
            /// use.
            #[must_use]
            pub fn expose(&self) -> &[u8; 32] {
                &self.0
            }
        }

        impl core::fmt::Debug for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str(concat!(stringify!($name), "(..)"))
            }
        }

        /// Compares every byte, so that the time does not depend on the bytes.
        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                self.0.iter().zip(&*other.0).fold(0, |differ, (a, b)| core::hint::black_box(differ | (a ^ b))) == 0
            }
        }

        impl Eq for $name {}
    };
}

presented! {
    /// The secret that the owner of a mailbox presents to its relay to change or delete the
    /// mailbox.
    PresentedOwn
}
presented! {
    /// The secret that the reader of a mailbox presents to its relay to get the blobs.
    PresentedRead
}
presented! {
    /// The secret that a sender presents to a relay to put blobs into a mailbox.
    PresentedSend
}
