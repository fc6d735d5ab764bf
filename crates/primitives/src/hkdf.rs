//! HKDF-SHA-256 (RFC 5869): `extract` makes a pseudorandom key, `expand` derives from it.

use crate::secret::wipe_stack;
use alloc::boxed::Box;
use hkdf::{Hkdf, HkdfExtract};
use sha2::Sha256;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// Number of bytes of stack to overwrite after a call of the provider: HMAC leaves there the key
/// padded to a block, and each output.
const STACK: usize = 2 << 10;

crate::secret_bytes! {
    /// A pseudorandom key: the output of [`extract`], or a uniform 32-byte secret used as one.
    pub struct Prk[32];
}

/// Extracts a key from the concatenation of `ikm` (RFC 5869 section 2.2).
#[must_use]
pub fn extract(salt: &[u8], ikm: &[&[u8]]) -> Prk {
    #[cfg(feature = "count")]
    crate::count::add(|counts| &mut counts.kdf);
    let prk = extract_into_box(salt, ikm);
    wipe_stack::<STACK>();
    prk
}

#[inline(never)]
fn extract_into_box(salt: &[u8], ikm: &[&[u8]]) -> Prk {
    let mut extract = HkdfExtract::<Sha256>::new(Some(salt));
    for part in ikm {
        extract.input_ikm(part);
    }
    let (mut output, _) = extract.finalize();
    let prk = Prk::copy_of(output.as_ref());
    output.zeroize();
    prk
}

impl Prk {
    /// Expands the key with the concatenation of `info` (RFC 5869 section 2.3). `N` is at most
    /// 8,160 bytes, checked at compile time.
    #[must_use]
    pub fn expand<const N: usize>(&self, info: &[&[u8]]) -> [u8; N] {
        expand(self.expose(), info)
    }

    /// Computes the HMAC states of the key once, so that several expansions do not repeat that
    /// work.
    #[must_use]
    pub fn ready(&self) -> Expander {
        Expander::new(self.expose())
    }
}

/// Does the same as [`Prk::expand`] for a key that has a newtype of its own.
#[must_use]
pub fn expand<const N: usize>(prk: &[u8; 32], info: &[&[u8]]) -> [u8; N] {
    Expander::new(prk).expand(info)
}

/// A pseudorandom key with its HMAC states computed.
///
/// Both states and their block buffers wipe themselves on drop. They are boxed, so that moving the
/// expander leaves no copy of them.
pub struct Expander(Box<Hkdf<Sha256>>);

// `Hkdf` carries no marker; the hash states in it do (see `secret`).
impl ZeroizeOnDrop for Expander {}
crate::assert_secret!(Expander);

impl Expander {
    /// Computes the HMAC states of `prk`.
    #[must_use]
    pub fn new(prk: &[u8; 32]) -> Self {
        let expander = Self(ready(prk));
        wipe_stack::<STACK>();
        expander
    }

    /// Expands the key with the concatenation of `info` (RFC 5869 section 2.3). `N` is at most
    /// 8,160 bytes, checked at compile time.
    #[must_use]
    pub fn expand<const N: usize>(&self, info: &[&[u8]]) -> [u8; N] {
        let mut output = [0; N];
        self.expand_into(info, &mut output);
        output
    }

    /// Does the same as [`expand`](Self::expand), and writes the bytes into `output`, so that no
    /// copy of them is on the stack.
    #[expect(clippy::expect_used, reason = "the length is checked at compile time")]
    pub fn expand_into<const N: usize>(&self, info: &[&[u8]], output: &mut [u8; N]) {
        #[cfg(feature = "count")]
        crate::count::add(|counts| &mut counts.kdf);
        const { assert!(N <= 255 * 32, "HKDF-SHA-256 gives at most 8,160 bytes") };
        self.0.expand_multi_info(info, output).expect("length is within bounds");
        wipe_stack::<STACK>();
    }
}

#[inline(never)]
#[expect(clippy::expect_used, reason = "32 bytes are one hash length, the only requirement")]
fn ready(prk: &[u8; 32]) -> Box<Hkdf<Sha256>> {
    Box::new(Hkdf::from_prk(prk).expect("32 bytes are a full hash"))
}

impl core::fmt::Debug for Expander {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Expander(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::extract;

    // RFC 5869, test case 1.
    #[test]
    fn rfc_5869_case_1() {
        let salt = hex::decode("000102030405060708090a0b0c").unwrap();
        let info = hex::decode("f0f1f2f3f4f5f6f7f8f9").unwrap();
        let prk = extract(&salt, &[&[0x0b; 20], &[0x0b; 2]]);
        assert_eq!(
            hex::encode(prk.expose()),
            "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5"
        );
        let okm: [u8; 42] = prk.expand(&[&info]);
        let want = "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865";
        assert_eq!(hex::encode(okm), want);
        assert_eq!(prk.ready().expand::<42>(&[&info[..3], &info[3..]]), okm);
    }
}
