//! A server's own key: ECDSA over P-256 or P-384.

use p256::{
    ecdsa::signature::{SignatureEncoding, hazmat::RandomizedPrehashSigner},
    pkcs8::DecodePrivateKey,
};
use rand::rngs::SysRng;
use rustls::{
    Error, SignatureAlgorithm, SignatureScheme,
    crypto::KeyProvider,
    pki_types::PrivateKeyDer,
    sign::{Signer, SigningKey},
};
use sha2::Digest;
use std::sync::Arc;

/// A loader of private keys of P-256 and P-384 for rustls, from PKCS#8 (RFC 5958) or SEC 1 (RFC
/// 5915).
#[derive(Debug)]
pub(crate) struct EcKeys;

impl KeyProvider for EcKeys {
    fn load_private_key(&self, der: PrivateKeyDer<'static>) -> Result<Arc<dyn SigningKey>, Error> {
        let key = EcKey::from_der(&der).map_err(|fault| Error::General(fault.to_string()))?;
        Ok(Arc::new(key))
    }
}

/// The reason for which a private key is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyFault {
    /// The key is an RSA key.
    Rsa,
    /// The key is for another algorithm or another curve.
    Other,
    /// The key is not well-formed PKCS#8 or SEC 1.
    Malformed,
}

impl std::fmt::Display for KeyFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Rsa => "the private key is an RSA key; a key of P-256 or P-384 is needed",
            Self::Other => "the private key is of another kind; a key of P-256 or P-384 is needed",
            Self::Malformed => "the private key cannot be read",
        })
    }
}

/// A private key for signatures of ECDSA. It is wiped on drop.
pub(crate) enum EcKey {
    /// The key is a P-256 key, which signs with SHA-256.
    P256(Arc<p256::ecdsa::SigningKey>),
    /// The key is a P-384 key, which signs with SHA-384.
    P384(Arc<p384::ecdsa::SigningKey>),
}

impl EcKey {
    /// Reads a private key from PKCS#8 or SEC 1; fails with the reason for which it is refused.
    pub(crate) fn from_der(der: &PrivateKeyDer<'_>) -> Result<Self, KeyFault> {
        match der {
            PrivateKeyDer::Pkcs8(der) => Self::from_pkcs8(der.secret_pkcs8_der()),
            PrivateKeyDer::Sec1(der) => {
                let der = der.secret_sec1_der();
                if let Ok(key) = p256::SecretKey::from_sec1_der(der) {
                    return Ok(Self::P256(Arc::new(key.into())));
                }
                if let Ok(key) = p384::SecretKey::from_sec1_der(der) {
                    return Ok(Self::P384(Arc::new(key.into())));
                }
                let parsed = der::asn1::AnyRef::try_from(der);
                Err(parsed.map_or(KeyFault::Malformed, |_| KeyFault::Other))
            }
            PrivateKeyDer::Pkcs1(_) => Err(KeyFault::Rsa),
            _ => Err(KeyFault::Other),
        }
    }

    fn from_pkcs8(der: &[u8]) -> Result<Self, KeyFault> {
        if let Ok(key) = p256::SecretKey::from_pkcs8_der(der) {
            return Ok(Self::P256(Arc::new(key.into())));
        }
        if let Ok(key) = p384::SecretKey::from_pkcs8_der(der) {
            return Ok(Self::P384(Arc::new(key.into())));
        }
        let info = p256::pkcs8::PrivateKeyInfoRef::try_from(der).map_err(|_| KeyFault::Malformed)?;
        Err(if info.algorithm.oid == crate::x509::RSA { KeyFault::Rsa } else { KeyFault::Other })
    }

    /// Returns the public key as an uncompressed point, the form in which a certificate holds it.
    pub(crate) fn public_point(&self) -> Vec<u8> {
        match self {
            Self::P256(key) => key.verifying_key().to_sec1_point(false).as_bytes().to_vec(),
            Self::P384(key) => key.verifying_key().to_sec1_point(false).as_bytes().to_vec(),
        }
    }

    fn signature_scheme(&self) -> SignatureScheme {
        match self {
            Self::P256(_) => SignatureScheme::ECDSA_NISTP256_SHA256,
            Self::P384(_) => SignatureScheme::ECDSA_NISTP384_SHA384,
        }
    }

    fn share(&self) -> Self {
        match self {
            Self::P256(key) => Self::P256(Arc::clone(key)),
            Self::P384(key) => Self::P384(Arc::clone(key)),
        }
    }
}

impl std::fmt::Debug for EcKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("EcKey(..)")
    }
}

impl SigningKey for EcKey {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        offered.contains(&self.signature_scheme()).then(|| Box::new(self.share()) as Box<dyn Signer>)
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::ECDSA
    }
}

impl Signer for EcKey {
    /// Signs with a nonce that is derived as in RFC 6979, with fresh random bytes mixed in
    /// (hedged).
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        let refused = |_| Error::General("the private key gave no signature".to_owned());
        match self {
            Self::P256(key) => {
                let hash = sha2::Sha256::digest(message);
                let signature: p256::ecdsa::DerSignature =
                    key.sign_prehash_with_rng(&mut SysRng, &hash).map_err(refused)?;
                Ok(signature.to_vec())
            }
            Self::P384(key) => {
                let hash = sha2::Sha384::digest(message);
                let signature: p384::ecdsa::DerSignature =
                    key.sign_prehash_with_rng(&mut SysRng, &hash).map_err(refused)?;
                Ok(signature.to_vec())
            }
        }
    }

    fn scheme(&self) -> SignatureScheme {
        self.signature_scheme()
    }
}
