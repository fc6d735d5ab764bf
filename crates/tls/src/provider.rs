//! The cryptography of TLS: suites, groups, signatures and randomness, as a provider for rustls.

mod aead;
mod agreement;
mod digest;
#[cfg(all(feature = "fast", any(target_arch = "x86_64", target_arch = "aarch64")))]
mod fast;
mod hybrid;
mod random;
pub(crate) mod rsa;
mod signature;
pub(crate) mod signing;

use rustls::{
    CipherSuite, SupportedCipherSuite, Tls13CipherSuite,
    crypto::{CipherSuiteCommon, CryptoProvider, SupportedKxGroup, tls13::HkdfUsingHmac},
};
use std::sync::{Arc, OnceLock};

/// Maximum number of records that one key of AES-GCM seals: RFC 8446 section 5.5 allows 2^24.5 of
/// full length. rustls changes the key before.
const AES_GCM_RECORDS: u64 = 1 << 24;

static CHACHA20_POLY1305: Tls13CipherSuite = Tls13CipherSuite {
    common: CipherSuiteCommon {
        suite: CipherSuite::TLS13_CHACHA20_POLY1305_SHA256,
        hash_provider: &digest::Sha256,
        confidentiality_limit: u64::MAX,
    },
    hkdf_provider: &HkdfUsingHmac(&digest::HmacSha256),
    aead_alg: &aead::ChaCha20Poly1305,
    quic: None,
};

static AES_128_GCM: Tls13CipherSuite = Tls13CipherSuite {
    common: CipherSuiteCommon {
        suite: CipherSuite::TLS13_AES_128_GCM_SHA256,
        hash_provider: &digest::Sha256,
        confidentiality_limit: AES_GCM_RECORDS,
    },
    hkdf_provider: &HkdfUsingHmac(&digest::HmacSha256),
    aead_alg: &aead::Aes128Gcm,
    quic: None,
};

static AES_256_GCM: Tls13CipherSuite = Tls13CipherSuite {
    common: CipherSuiteCommon {
        suite: CipherSuite::TLS13_AES_256_GCM_SHA384,
        hash_provider: &digest::Sha384,
        confidentiality_limit: AES_GCM_RECORDS,
    },
    hkdf_provider: &HkdfUsingHmac(&digest::HmacSha384),
    aead_alg: &aead::Aes256Gcm,
    quic: None,
};

/// Returns the provider that this crate uses: TLS 1.3 alone, in Rust alone.
///
/// - Suites, in this order: `CHACHA20_POLY1305_SHA256`, `AES_128_GCM_SHA256`, `AES_256_GCM_SHA384`
///   (RFC 8446 appendix B.4).
/// - Groups, in this order: X25519MLKEM768 (draft-ietf-tls-ecdhe-mlkem), X25519, secp256r1 (RFC
///   8446 section 4.2.8.2).
/// - Signatures: ECDSA over P-256 and P-384, RSA of 2,048 to 8,192 bits (PKCS#1 v1.5 and PSS),
///   Ed25519, with SHA-256, SHA-384 or SHA-512.
///
/// With the feature `fast`, and on a processor that graviola supports, suites, groups and the
/// verification of ECDSA and RSA come from graviola in place of the portable implementations; the
/// lists are the same, but AES comes first. [`is_fast`] tells whether graviola is used.
#[must_use]
pub fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    Arc::clone(PROVIDER.get_or_init(|| Arc::new(choose())))
}

/// Whether [`provider`] takes its algorithms from graviola: the feature `fast` is on, and this
/// processor has the instructions.
#[must_use]
pub fn is_fast() -> bool {
    #[cfg(all(feature = "fast", any(target_arch = "x86_64", target_arch = "aarch64")))]
    return fast::is_supported();
    #[cfg(not(all(feature = "fast", any(target_arch = "x86_64", target_arch = "aarch64"))))]
    false
}

fn choose() -> CryptoProvider {
    #[cfg(all(feature = "fast", any(target_arch = "x86_64", target_arch = "aarch64")))]
    if fast::is_supported() {
        return fast::provider(portable());
    }
    portable()
}

/// Returns the provider whose algorithms are all in portable Rust, without graviola.
#[must_use]
pub(crate) fn portable() -> CryptoProvider {
    CryptoProvider {
        cipher_suites: suites(),
        kx_groups: groups(),
        signature_verification_algorithms: signature::ALGORITHMS,
        secure_random: &random::System,
        key_provider: &signing::EcKeys,
    }
}

fn suites() -> Vec<SupportedCipherSuite> {
    [&CHACHA20_POLY1305, &AES_128_GCM, &AES_256_GCM].map(SupportedCipherSuite::Tls13).to_vec()
}

fn groups() -> Vec<&'static dyn SupportedKxGroup> {
    vec![&hybrid::X25519MlKem768, &agreement::X25519, &agreement::Secp256r1]
}

#[cfg(test)]
mod tests;
