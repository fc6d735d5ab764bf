//! The provider from graviola, whose assembly needs instructions that not every processor has.

use rustls::{
    CipherSuite, SignatureScheme,
    crypto::{CryptoProvider, SupportedKxGroup, WebPkiSupportedAlgorithms},
    pki_types::{SignatureVerificationAlgorithm, alg_id},
};

/// Whether the processor has the instructions that graviola needs. On any other processor graviola
/// ends the process.
pub(super) fn is_supported() -> bool {
    #[cfg(target_arch = "x86_64")]
    return std::arch::is_x86_feature_detected!("aes")
        && std::arch::is_x86_feature_detected!("pclmulqdq")
        && std::arch::is_x86_feature_detected!("ssse3")
        && std::arch::is_x86_feature_detected!("avx")
        && std::arch::is_x86_feature_detected!("avx2")
        && std::arch::is_x86_feature_detected!("bmi1")
        && std::arch::is_x86_feature_detected!("bmi2")
        && std::arch::is_x86_feature_detected!("adx");
    #[cfg(target_arch = "aarch64")]
    return std::arch::is_aarch64_feature_detected!("neon")
        && std::arch::is_aarch64_feature_detected!("aes")
        && std::arch::is_aarch64_feature_detected!("pmull")
        && std::arch::is_aarch64_feature_detected!("sha2");
}

/// Returns a provider with the same suites, groups and signatures as `portable`, by graviola where
/// it has them. The suites of AES come first, because this processor has instructions for AES.
pub(super) fn provider(portable: CryptoProvider) -> CryptoProvider {
    let theirs = rustls_graviola::default_provider();
    let suites = [
        CipherSuite::TLS13_AES_128_GCM_SHA256,
        CipherSuite::TLS13_AES_256_GCM_SHA384,
        CipherSuite::TLS13_CHACHA20_POLY1305_SHA256,
    ];
    let suite = |name| theirs.cipher_suites.iter().find(|suite| suite.suite() == name).copied();
    let group = |ours: &&'static dyn SupportedKxGroup| {
        theirs.kx_groups.iter().find(|group| group.name() == ours.name()).copied().unwrap_or(*ours)
    };
    CryptoProvider {
        cipher_suites: suites.into_iter().filter_map(suite).collect(),
        kx_groups: portable.kx_groups.iter().map(group).collect(),
        signature_verification_algorithms: verification(
            portable.signature_verification_algorithms,
            theirs.signature_verification_algorithms,
        ),
        secure_random: portable.secure_random,
        key_provider: portable.key_provider,
    }
}

/// Returns the list `ours` of signature algorithms, with graviola's implementations where it has
/// them. Ed25519 keeps our implementation, which is stricter. Called once per process, so the list
/// may be leaked.
fn verification(
    ours: WebPkiSupportedAlgorithms,
    theirs: WebPkiSupportedAlgorithms,
) -> WebPkiSupportedAlgorithms {
    let pick = |our: &&'static dyn SignatureVerificationAlgorithm| {
        let same = |their: &&&'static dyn SignatureVerificationAlgorithm| {
            their.public_key_alg_id() == our.public_key_alg_id()
                && their.signature_alg_id() == our.signature_alg_id()
                && our.public_key_alg_id() != alg_id::ED25519
        };
        theirs.all.iter().find(same).copied().unwrap_or(*our)
    };
    let pick_all = |algorithms: &[&'static dyn SignatureVerificationAlgorithm]| -> Algorithms {
        Vec::leak(algorithms.iter().map(pick).collect())
    };
    let mapping: Vec<(SignatureScheme, Algorithms)> =
        ours.mapping.iter().map(|(scheme, algorithms)| (*scheme, pick_all(algorithms))).collect();
    WebPkiSupportedAlgorithms { all: pick_all(ours.all), mapping: Vec::leak(mapping) }
}

type Algorithms = &'static [&'static dyn SignatureVerificationAlgorithm];
