//! The signatures that are verified, with those that a peer may use in the handshake.

use super::rsa::{Pkcs1Sha256, Pkcs1Sha384, Pkcs1Sha512, PssSha256, PssSha384, PssSha512};
use deaddrop_primitives::ed25519;
use p256::ecdsa::signature::hazmat::PrehashVerifier;
use rustls::{
    SignatureScheme,
    crypto::WebPkiSupportedAlgorithms,
    pki_types::{AlgorithmIdentifier, InvalidSignature, SignatureVerificationAlgorithm, alg_id},
};
use sha2::Digest;

/// The signature algorithms that this crate verifies. Certificates may use each of them. In a
/// handshake (RFC 8446 section 4.2.3) the scheme names the curve: P-256 goes only with SHA-256 and
/// P-384 only with SHA-384; PKCS#1 v1.5 is not allowed there.
pub(super) static ALGORITHMS: WebPkiSupportedAlgorithms = WebPkiSupportedAlgorithms {
    all: &[
        &EcdsaP256Sha256,
        &EcdsaP256Sha384,
        &EcdsaP384Sha256,
        &EcdsaP384Sha384,
        &Ed25519,
        &PssSha256,
        &PssSha384,
        &PssSha512,
        &Pkcs1Sha256,
        &Pkcs1Sha384,
        &Pkcs1Sha512,
    ],
    mapping: &[
        (SignatureScheme::ECDSA_NISTP256_SHA256, &[&EcdsaP256Sha256, &EcdsaP384Sha256]),
        (SignatureScheme::ECDSA_NISTP384_SHA384, &[&EcdsaP384Sha384, &EcdsaP256Sha384]),
        (SignatureScheme::ED25519, &[&Ed25519]),
        (SignatureScheme::RSA_PSS_SHA256, &[&PssSha256]),
        (SignatureScheme::RSA_PSS_SHA384, &[&PssSha384]),
        (SignatureScheme::RSA_PSS_SHA512, &[&PssSha512]),
        (SignatureScheme::RSA_PKCS1_SHA256, &[&Pkcs1Sha256]),
        (SignatureScheme::RSA_PKCS1_SHA384, &[&Pkcs1Sha384]),
        (SignatureScheme::RSA_PKCS1_SHA512, &[&Pkcs1Sha512]),
    ],
};

macro_rules! ecdsa {
    ($($(#[$doc:meta])* $name:ident = $curve:ident, $digest:ty, $key:ident, $signature:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Debug)]
        pub(super) struct $name;

        impl SignatureVerificationAlgorithm for $name {
            fn verify_signature(&self, key: &[u8], message: &[u8], signature: &[u8]) -> Result<(), InvalidSignature> {
                // RFC 5480 section 2.2: uncompressed.
                if key.first() != Some(&4) {
                    return Err(InvalidSignature);
                }
                let key = $curve::ecdsa::VerifyingKey::from_sec1_bytes(key).map_err(|_| InvalidSignature)?;
                let signature = $curve::ecdsa::Signature::from_der(signature).map_err(|_| InvalidSignature)?;
                key.verify_prehash(&<$digest>::digest(message), &signature).map_err(|_| InvalidSignature)
            }

            fn public_key_alg_id(&self) -> AlgorithmIdentifier {
                alg_id::$key
            }

            fn signature_alg_id(&self) -> AlgorithmIdentifier {
                alg_id::$signature
            }
        }
    )*};
}

ecdsa! {
    /// The algorithm ECDSA over P-256 with SHA-256.
    EcdsaP256Sha256 = p256, sha2::Sha256, ECDSA_P256, ECDSA_SHA256;
    /// The algorithm ECDSA over P-256 with SHA-384.
    EcdsaP256Sha384 = p256, sha2::Sha384, ECDSA_P256, ECDSA_SHA384;
    /// The algorithm ECDSA over P-384 with SHA-256.
    EcdsaP384Sha256 = p384, sha2::Sha256, ECDSA_P384, ECDSA_SHA256;
    /// The algorithm ECDSA over P-384 with SHA-384.
    EcdsaP384Sha384 = p384, sha2::Sha384, ECDSA_P384, ECDSA_SHA384;
}

/// The algorithm Ed25519 (RFC 8410), verified by the strict rules of spec/00-words.md.
#[derive(Debug)]
pub(super) struct Ed25519;

impl SignatureVerificationAlgorithm for Ed25519 {
    fn verify_signature(&self, key: &[u8], message: &[u8], signature: &[u8]) -> Result<(), InvalidSignature> {
        let key = key.try_into().map_err(|_| InvalidSignature)?;
        let signature = signature.try_into().map_err(|_| InvalidSignature)?;
        ed25519::verify(key, message, signature).map_err(|_| InvalidSignature)
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::ED25519
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::ED25519
    }
}
