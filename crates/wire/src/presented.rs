//! Secrets that the holder of a capability presents to one relay (spec/11-capabilities.md). They are worthless at any other relay.
//! Their bytes have no structure here. They are boxed, so that moving an item leaves no copy.

use alloc::boxed::Box;
use zeroize::{Zeroize, ZeroizeOnDrop};

macro_rules! presented {
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        #[derive(Zeroize, ZeroizeOnDrop)]
        pub struct $name(Box<[u8; 32]>);

        impl $name {
            /// Length in bytes.
            pub const LEN: usize = 32;

            /// Takes the bytes, and wipes the array that it was given.
            #[must_use]
            pub fn from_bytes(mut bytes: [u8; 32]) -> Self {
                let presented = Self::copy_of(&bytes);
                bytes.zeroize();
                presented
            }

            /// Copies the bytes into a box, past the stack. The caller wipes what it copied from.
            #[must_use]
            pub fn copy_of(bytes: &[u8; 32]) -> Self {
                Self::fill_with(|place| place.copy_from_slice(bytes))
            }

            /// Has the bytes written where they will lie.
            #[must_use]
            pub fn fill_with(fill: impl FnOnce(&mut [u8; 32])) -> Self {
                let mut presented = Self(Box::new([0; 32]));
                fill(&mut presented.0);
                presented
            }

            /// The bytes, named so that every use can be found.
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

        /// Looks at every byte, whatever differs.
        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                self.0.iter().zip(&*other.0).fold(0, |differ, (a, b)| core::hint::black_box(differ | (a ^ b))) == 0
            }
        }

        impl Eq for $name {}
    };
}

presented! {
    /// The secret that the owner of a mailbox presents.
    PresentedOwn
}
presented! {
    /// The secret that the reader of a mailbox presents.
    PresentedRead
}
presented! {
    /// The secret that a sender presents.
    PresentedSend
}
