//! Verification of RSA signatures (RFC 8017): PKCS#1 v1.5 for certificates, PSS for certificates
//! and handshakes. This crate never reads a private key of RSA.

use der::{Decode, Reader, SliceReader, asn1::UintRef};
use rsa::{BoxedUint, PublicKey, pkcs1v15::Pkcs1v15Sign, pss::Pss};
use rustls::pki_types::{AlgorithmIdentifier, InvalidSignature, SignatureVerificationAlgorithm, alg_id};
use sha2::Digest;

/// Minimum number of bits of an RSA modulus. Shorter ones are no longer safe.
pub(crate) const MIN_BITS: usize = 2_048;
/// Maximum number of bits of an RSA modulus, which bounds the time that a hostile certificate
/// costs.
pub(crate) const MAX_BITS: usize = 8_192;

/// Reads `RSAPublicKey` (RFC 8017 appendix A.1.1) as strict DER: the modulus and the exponent,
/// big-endian. Returns `None` for any other form.
pub(crate) fn parse(der: &[u8]) -> Option<(&[u8], &[u8])> {
    fn numbers<'a>(reader: &mut SliceReader<'a>) -> der::Result<(&'a [u8], &'a [u8])> {
        reader.sequence(|body| {
            let n = UintRef::decode(body)?;
            let e = UintRef::decode(body)?;
            Ok((n.as_bytes(), e.as_bytes()))
        })
    }
    let mut reader = SliceReader::new(der).ok()?;
    let numbers = numbers(&mut reader).ok()?;
    reader.is_finished().then_some(numbers)
}

/// Returns the number of bits of a big-endian number, without leading zeros.
pub(crate) fn bits(number: &[u8]) -> usize {
    let mut bytes = number.iter().skip_while(|byte| **byte == 0);
    let Some(first) = bytes.next() else { return 0 };
    let rest = bytes.count().saturating_mul(8);
    rest.saturating_add(usize::try_from(first.checked_ilog2().unwrap_or(0)).unwrap_or(0)).saturating_add(1)
}

/// Reads an `RSAPublicKey`; `None` if it is malformed, or its modulus has fewer than [`MIN_BITS`]
/// or more than [`MAX_BITS`] bits.
fn public_key(der: &[u8]) -> Option<PublicKey> {
    let (n, e) = parse(der)?;
    if !(MIN_BITS..=MAX_BITS).contains(&bits(n)) {
        return None;
    }
    let number = |bytes: &[u8]| BoxedUint::from_be_slice_vartime(bytes);
    PublicKey::new_with_size_limits(number(n), number(e), MIN_BITS..=MAX_BITS).ok()
}

macro_rules! algorithms {
    ($($(#[$doc:meta])* $name:ident = $scheme:expr, $digest:ty, $id:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Debug)]
        pub(super) struct $name;

        impl SignatureVerificationAlgorithm for $name {
            fn verify_signature(&self, key: &[u8], message: &[u8], signature: &[u8]) -> Result<(), InvalidSignature> {
                let key = public_key(key).ok_or(InvalidSignature)?;
                key.verify($scheme, &<$digest>::digest(message), signature).map_err(|_| InvalidSignature)
            }

            fn public_key_alg_id(&self) -> AlgorithmIdentifier {
                alg_id::RSA_ENCRYPTION
            }

            fn signature_alg_id(&self) -> AlgorithmIdentifier {
                alg_id::$id
            }
        }
    )*};
}

algorithms! {
    /// The algorithm PKCS#1 v1.5 with SHA-256.
    Pkcs1Sha256 = Pkcs1v15Sign::new::<sha2::Sha256>(), sha2::Sha256, RSA_PKCS1_SHA256;
    /// The algorithm PKCS#1 v1.5 with SHA-384.
    Pkcs1Sha384 = Pkcs1v15Sign::new::<sha2::Sha384>(), sha2::Sha384, RSA_PKCS1_SHA384;
    /// The algorithm PKCS#1 v1.5 with SHA-512.
    Pkcs1Sha512 = Pkcs1v15Sign::new::<sha2::Sha512>(), sha2::Sha512, RSA_PKCS1_SHA512;
    /// The algorithm PSS with SHA-256. The salt is as long as the hash (RFC 8446 section 4.2.3).
    PssSha256 = Pss::<sha2::Sha256>::new(), sha2::Sha256, RSA_PSS_SHA256;
    /// The algorithm PSS with SHA-384.
    PssSha384 = Pss::<sha2::Sha384>::new(), sha2::Sha384, RSA_PSS_SHA384;
    /// The algorithm PSS with SHA-512.
    PssSha512 = Pss::<sha2::Sha512>::new(), sha2::Sha512, RSA_PSS_SHA512;
}
