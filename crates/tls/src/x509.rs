//! The few fields of an X.509 certificate (RFC 5280 section 4.1) that errors and warnings need.
//! Whether a certificate is accepted is not decided here, but by webpki.

use der::{
    Decode, Reader, SliceReader, Tag,
    asn1::{AnyRef, BitStringRef, GeneralizedTime, ObjectIdentifier, UtcTime},
};

/// The object identifier of the key algorithm `rsaEncryption`.
pub(crate) const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");

/// The signature algorithms over broken hashes: RSA with MD5, and RSA, DSA and ECDSA with SHA-1.
const BROKEN_SIGNATURES: [ObjectIdentifier; 4] = [
    ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.4"),
    ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.5"),
    ObjectIdentifier::new_unwrap("1.2.840.10040.4.3"),
    ObjectIdentifier::new_unwrap("1.2.840.10045.4.1"),
];

/// The fields of a certificate that this crate reads.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fields<'a> {
    /// The algorithm with which the certificate is signed.
    signature_algorithm: ObjectIdentifier,
    /// The first second in which the certificate is valid, in Unix time.
    pub(crate) not_before: u64,
    /// The last second in which the certificate is valid, in Unix time.
    pub(crate) not_after: u64,
    /// The algorithm of the public key.
    key_algorithm: ObjectIdentifier,
    /// The public key: a point of a curve, or a DER-encoded `RSAPublicKey`.
    pub(crate) key: &'a [u8],
}

impl<'a> Fields<'a> {
    /// Reads a certificate; `None` if it is malformed, or if bytes follow it.
    pub(crate) fn parse(der: &'a [u8]) -> Option<Self> {
        let mut reader = SliceReader::new(der).ok()?;
        let fields = read(&mut reader).ok()?;
        reader.is_finished().then_some(fields)
    }

    /// Whether the signature hashes with SHA-1 or MD5.
    pub(crate) fn has_broken_signature(&self) -> bool {
        BROKEN_SIGNATURES.contains(&self.signature_algorithm)
    }

    /// Whether the key is an RSA key with fewer than 2,048 or more than 8,192 bits, or a malformed
    /// one.
    pub(crate) fn has_weak_key(&self) -> bool {
        use crate::provider::rsa::{MAX_BITS, MIN_BITS, bits, parse};
        self.key_algorithm == RSA
            && parse(self.key).is_none_or(|(modulus, _)| !(MIN_BITS..=MAX_BITS).contains(&bits(modulus)))
    }
}

fn read<'a>(reader: &mut SliceReader<'a>) -> der::Result<Fields<'a>> {
    reader.sequence(|certificate| {
        let (not_before, not_after, key_algorithm, key) = certificate.sequence(|body| {
            if Tag::peek(body)?.is_context_specific() {
                AnyRef::decode(body)?; // version
            }
            for _serial_algorithm_issuer in 0..3 {
                AnyRef::decode(body)?;
            }
            let (not_before, not_after) =
                body.sequence(|validity| Ok::<_, der::Error>((time(validity)?, time(validity)?)))?;
            AnyRef::decode(body)?; // subject
            let (algorithm, key) = body.sequence(|info| {
                let algorithm = info.sequence(identifier)?;
                Ok::<_, der::Error>((algorithm, BitStringRef::decode(info)?.raw_bytes()))
            })?;
            skip_rest(body)?;
            Ok::<_, der::Error>((not_before, not_after, algorithm, key))
        })?;
        let signature_algorithm = certificate.sequence(identifier)?;
        skip_rest(certificate)?;
        Ok(Fields { signature_algorithm, not_before, not_after, key_algorithm, key })
    })
}

/// Reads an `AlgorithmIdentifier` and returns its object identifier. The parameters are skipped.
fn identifier(reader: &mut SliceReader<'_>) -> der::Result<ObjectIdentifier> {
    let name = ObjectIdentifier::decode(reader)?;
    skip_rest(reader)?;
    Ok(name)
}

fn time(reader: &mut SliceReader<'_>) -> der::Result<u64> {
    let since_1970 = if Tag::peek(reader)? == Tag::UtcTime {
        UtcTime::decode(reader)?.to_unix_duration()
    } else {
        GeneralizedTime::decode(reader)?.to_unix_duration()
    };
    Ok(since_1970.as_secs())
}

fn skip_rest(reader: &mut SliceReader<'_>) -> der::Result<()> {
    while !reader.is_finished() {
        AnyRef::decode(reader)?;
    }
    Ok(())
}
