//! Newtypes for secrets, one for each role: boxed, wiped on drop, not printed, compared in constant
//! time.

/// Writes zeros over `DEPTH` bytes of the stack below its caller, where calls that have returned
/// left their frames.
///
/// No call can wipe its own frame, and values that providers move leave copies. The function is a
/// precaution and proves nothing: a compiler may keep a copy outside of this range.
#[inline(never)]
pub fn wipe_stack<const DEPTH: usize>() {
    let mut frame = [0_u8; DEPTH];
    core::hint::black_box(&mut frame);
}

/// Declares a fixed-size secret: wiped on drop, never `Clone`, `Copy` or printed, compared in
/// constant time.
///
/// The bytes lie in a box: moving the value copies a pointer and leaves no copy of the bytes
/// behind. Fill it where it lies with `copy_of`, `derive` or `generate`; an array that is given by
/// value has been on the stack.
///
/// ```
/// deaddrop_primitives::secret_bytes! {
///     /// The key of something.
///     pub struct ThingKey[32];
/// }
/// let key = ThingKey::from_bytes([7; 32]);
/// assert_eq!(key.expose(), &[7; 32]);
/// assert_eq!(format!("{key:?}"), "ThingKey(..)");
/// ```
#[macro_export]
macro_rules! secret_bytes {
    ($(#[$meta:meta])* $vis:vis struct $name:ident[$len:expr];) => {
        $(#[$meta])*
        $vis struct $name($crate::Box<[u8; $len]>);

        #[allow(dead_code, unreachable_pub, reason = "not each role uses each constructor")]
        impl $name {
            /// The length of the secret in bytes.
            pub const LEN: usize = $len;

            /// Creates the secret from its bytes, and wipes the array. A caller that keeps a copy
            /// of the array wipes that copy itself.
            #[must_use]
            pub fn from_bytes(mut bytes: [u8; $len]) -> Self {
                let secret = Self::copy_of(&bytes);
                $crate::zeroize::Zeroize::zeroize(&mut bytes);
                secret
            }

            /// Copies the bytes into a box without a copy on the stack. The caller wipes its own
            /// bytes.
            #[must_use]
            pub fn copy_of(bytes: &[u8; $len]) -> Self {
                let mut secret = Self($crate::Box::new([0; $len]));
                secret.0.copy_from_slice(bytes);
                secret
            }

            /// Derives the secret by HKDF-Expand with the concatenation of `info`, directly into
            /// its box.
            #[must_use]
            pub fn derive(expander: &$crate::hkdf::Expander, info: &[&[u8]]) -> Self {
                let mut secret = Self($crate::Box::new([0; $len]));
                expander.expand_into(info, &mut secret.0);
                secret
            }

            /// Generates a secret. Draws its bytes from `rng`.
            #[must_use]
            pub fn generate(rng: &mut (impl $crate::rand_core::CryptoRng + ?Sized)) -> Self {
                let mut secret = Self($crate::Box::new([0; $len]));
                rng.fill_bytes(&mut secret.0[..]);
                secret
            }

            /// Returns the secret bytes. The name makes every use easy to find.
            #[must_use]
            pub fn expose(&self) -> &[u8; $len] {
                &self.0
            }

            /// Returns a second copy of the secret. The name makes every use easy to find.
            #[must_use]
            pub fn duplicate(&self) -> Self {
                Self::copy_of(&self.0)
            }
        }

        impl Drop for $name {
            fn drop(&mut self) {
                $crate::zeroize::Zeroize::zeroize(&mut self.0[..]);
            }
        }

        impl $crate::zeroize::ZeroizeOnDrop for $name {}

        impl core::fmt::Debug for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str(concat!(stringify!($name), "(..)"))
            }
        }

        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                bool::from($crate::subtle::ConstantTimeEq::ct_eq(&self.0[..], &other.0[..]))
            }
        }

        impl Eq for $name {}

        $crate::assert_secret!($name);
    };
}

/// Fails to compile unless the type is wiped on drop and is neither `Clone`, `Copy` nor `Display`.
///
/// ```compile_fail
/// #[derive(Clone)]
/// struct Leaky([u8; 32]);
/// impl Drop for Leaky {
///     fn drop(&mut self) {}
/// }
/// impl deaddrop_primitives::zeroize::ZeroizeOnDrop for Leaky {}
/// deaddrop_primitives::assert_secret!(Leaky);
/// ```
/// ```compile_fail
/// struct NotWiped([u8; 32]);
/// deaddrop_primitives::assert_secret!(NotWiped);
/// ```
#[macro_export]
macro_rules! assert_secret {
    ($name:ty) => {
        const _: () = {
            const fn wiped_on_drop<T: $crate::zeroize::ZeroizeOnDrop>() {}
            wiped_on_drop::<$name>();
            assert!(core::mem::needs_drop::<$name>());

            // The call below has exactly one candidate only as long as none of the forbidden traits is implemented.
            trait Forbidden<Marker> {
                const CHECK: () = ();
            }
            struct ByClone;
            struct ByDisplay;
            impl<T: ?Sized> Forbidden<()> for T {}
            impl<T: Clone> Forbidden<ByClone> for T {}
            impl<T: core::fmt::Display> Forbidden<ByDisplay> for T {}
            <$name as Forbidden<_>>::CHECK
        };
    };
}

// The types of this crate carry their marker because their providers wipe themselves; one that is built without its `zeroize`
// feature fails here.
const _: () = {
    const fn wiped_on_drop<T: zeroize::ZeroizeOnDrop>() {}
    wiped_on_drop::<x25519_dalek::StaticSecret>();
    wiped_on_drop::<ed25519_dalek::SigningKey>();
    wiped_on_drop::<chacha20poly1305::ChaCha20Poly1305>();
    wiped_on_drop::<sha2::Sha256>();
};

#[cfg(test)]
mod tests {
    use alloc::format;

    crate::secret_bytes! {
        /// A secret for the tests.
        struct Example[32];
    }

    #[test]
    fn says_nothing() {
        let secret = Example::from_bytes([0xab; 32]);
        assert_eq!(format!("{secret:?}"), "Example(..)");
        assert_eq!(secret, secret.duplicate());
        assert_ne!(secret, Example::from_bytes([0xac; 32]));
    }

    #[test]
    fn moving_it_moves_a_pointer() {
        let secret = Example::copy_of(&[0xab; 32]);
        let place = secret.expose().as_ptr();
        let moved = alloc::vec![secret];
        assert_eq!(moved[0].expose().as_ptr(), place);
        assert_eq!(core::mem::size_of::<Example>(), core::mem::size_of::<usize>());
    }
}
