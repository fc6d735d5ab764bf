//! The one-time key pair of a move: the new host keeps the private half, the old host seals to the
//! public one.

use super::error::MoveError;
use super::key_hash::KeyHash;
use crate::labels;
use data_encoding::BASE64URL_NOPAD;
use deaddrop_primitives::{assert_secret, hash::sha256, kem, x25519};
use deaddrop_wire::{RelayUrl, limits::MAX_URL};
use rand::CryptoRng;
use std::fmt;
use std::str::FromStr;
use zeroize::{ZeroizeOnDrop, Zeroizing};

/// The first bytes of a transfer key.
const MAGIC: &[u8; 4] = b"ddMK";
/// Number of bytes of the checksum at the end of a transfer key: the first of its hash.
const CHECK_LEN: usize = 10;
/// Number of bytes of a transfer key without URL and checksum.
const KEYS_LEN: usize = 4 + x25519::KEY_LEN + kem::ENCAPSULATION_KEY_LEN;
/// Maximum number of bytes of a transfer key.
const MAX_LEN: usize = KEYS_LEN + MAX_URL + CHECK_LEN;
/// First byte of the file of a transfer secret: the version of its form.
const VERSION: u8 = 1;
/// Maximum number of bytes of the file of a transfer secret.
pub(super) const MAX_SECRET_LEN: usize = 1 + x25519::KEY_LEN + kem::SEED_LEN + MAX_URL;

/// The public half of the one-time key pair of a move, with the URL at which the new host will serve.
///
/// The text is one line of base64url. The URL is in it, so that the old host sends clients to the
/// place for which the key was made. A checksum finds a line that was not copied whole. A person who
/// replaces the text on its way gets the whole relay, so its [hash](Self::hash) is compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransferKey {
    pub(super) x25519: x25519::PublicKey,
    pub(super) kem: kem::EncapsulationKey,
    url: RelayUrl,
}

/// The private half of the one-time key pair of a move.
pub struct TransferSecret {
    pub(super) x25519: x25519::SecretKey,
    pub(super) kem: kem::DecapsulationKey,
    url: RelayUrl,
}

// Both keys wipe themselves.
impl ZeroizeOnDrop for TransferSecret {}
assert_secret!(TransferSecret);

impl fmt::Debug for TransferSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TransferSecret(..)")
    }
}

impl TransferKey {
    /// Returns the URL at which the new host will serve.
    #[must_use]
    pub const fn url(&self) -> &RelayUrl {
        &self.url
    }

    /// Returns the hash of the key and its URL.
    #[must_use]
    pub fn hash(&self) -> KeyHash {
        KeyHash(sha256(&[labels::RELAY_MOVE_KEY, &self.to_bytes()]))
    }

    fn to_bytes(&self) -> Vec<u8> {
        [&MAGIC[..], self.x25519.as_bytes(), self.kem.as_bytes(), self.url.as_str().as_bytes()].concat()
    }

    /// Decodes the bytes of a key; `None` for all other bytes.
    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (bytes, check) = bytes.split_last_chunk::<CHECK_LEN>()?;
        let (magic, rest) = bytes.split_first_chunk::<4>()?;
        let (x25519, rest) = rest.split_first_chunk()?;
        let (kem, url) = rest.split_first_chunk()?;
        let hash = sha256(&[labels::RELAY_MOVE_KEY, bytes]);
        // the form of a transfer key, and its checksum.
        if magic != MAGIC || hash.first_chunk() != Some(check) {
            return None;
        }
        let url = parse_url(url)?;
        // its keys are valid.
        let x25519 = x25519::PublicKey::from_bytes(x25519).ok()?;
        let kem = kem::EncapsulationKey::from_bytes(kem).ok()?;
        Some(Self { x25519, kem, url })
    }
}

impl fmt::Display for TransferKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hash = self.hash();
        let check = hash.0.first_chunk::<CHECK_LEN>().unwrap_or(&[0; CHECK_LEN]);
        f.write_str(&BASE64URL_NOPAD.encode(&[&self.to_bytes()[..], check].concat()))
    }
}

impl FromStr for TransferKey {
    type Err = MoveError;

    fn from_str(text: &str) -> Result<Self, MoveError> {
        let text = text.trim();
        if text.len() > BASE64URL_NOPAD.encode_len(MAX_LEN) {
            return Err(MoveError::NotAKey);
        }
        let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).map_err(|_| MoveError::NotAKey)?;
        Self::from_bytes(&bytes).ok_or(MoveError::NotAKey)
    }
}

impl TransferSecret {
    /// Generates a key pair for a host that will serve at `url`.
    #[must_use]
    pub fn generate(url: RelayUrl, rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        let x25519 = x25519::SecretKey::generate(rng);
        Self { x25519, kem: kem::DecapsulationKey::generate(rng), url }
    }

    /// Returns the public half.
    #[must_use]
    pub fn key(&self) -> TransferKey {
        let (x25519, kem) = (*self.x25519.public_key(), self.kem.encapsulation_key().clone());
        TransferKey { x25519, kem, url: self.url.clone() }
    }

    /// Returns the bytes of the file of this secret.
    pub(super) fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_SECRET_LEN));
        bytes.push(VERSION);
        bytes.extend_from_slice(self.x25519.expose());
        bytes.extend_from_slice(self.kem.expose_seed());
        bytes.extend_from_slice(self.url.as_str().as_bytes());
        bytes
    }

    /// Decodes the file of a secret; `None` if it is damaged.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (&VERSION, rest) = bytes.split_first()? else { return None };
        let (x25519, rest) = rest.split_first_chunk()?;
        let (seed, url) = rest.split_first_chunk()?;
        let url = parse_url(url)?;
        let x25519 = x25519::SecretKey::from_bytes(x25519);
        Some(Self { x25519, kem: kem::DecapsulationKey::from_seed(seed), url })
    }
}

fn parse_url(bytes: &[u8]) -> Option<RelayUrl> {
    RelayUrl::new(std::str::from_utf8(bytes).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use deaddrop_testkit::rng;
    use proptest::prelude::*;

    const URL: &str = "wss://new.example/";

    fn secret(seed: u64) -> TransferSecret {
        TransferSecret::generate(RelayUrl::new(URL).unwrap(), &mut rng(seed))
    }

    #[test]
    fn a_key_is_one_line_and_comes_back() {
        let secret = secret(1);
        let key = secret.key();
        let text = key.to_string();
        assert_eq!(text.len(), ((1_220 + URL.len() + 10) * 4).div_ceil(3));
        assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'));
        assert_eq!(format!(" {text}\n").parse::<TransferKey>().unwrap(), key);
        assert_eq!(key.url().as_str(), URL);
        assert_eq!(TransferSecret::from_bytes(&secret.to_bytes()).unwrap().key(), key);
        assert_eq!(format!("{secret:?}"), "TransferSecret(..)");
        assert!(secret.to_bytes().len() <= MAX_SECRET_LEN);
    }

    #[test]
    fn a_key_that_was_changed_on_its_way_is_refused() {
        let text = secret(2).key().to_string();
        for at in (0..text.len()).step_by(7) {
            let mut changed = text.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            assert!(String::from_utf8(changed).unwrap().parse::<TransferKey>().is_err(), "{at}");
            assert!(text[..at].parse::<TransferKey>().is_err(), "{at}");
        }
        assert!(format!("{text}A").parse::<TransferKey>().is_err());
        assert!("A".repeat(1 << 20).parse::<TransferKey>().is_err());
    }

    #[test]
    fn a_key_whose_checksum_is_right_and_whose_parts_are_not_is_refused() {
        let good = secret(3).key().to_bytes();
        let parse = |bytes: &[u8]| {
            let hash = sha256(&[labels::RELAY_MOVE_KEY, bytes]);
            TransferKey::from_bytes(&[bytes, &hash[..CHECK_LEN]].concat())
        };
        assert!(parse(&good).is_some());
        let with = |at: usize, bytes: &[u8]| {
            let mut changed = good.clone();
            changed[at..at + bytes.len()].copy_from_slice(bytes);
            changed
        };
        assert!(parse(&with(0, b"x")).is_none(), "magic");
        assert!(parse(&with(4, &[0; 32])).is_none(), "a point of low order");
        assert!(parse(&with(36, &[0xff; 3])).is_none(), "a coefficient that is not reduced");
        assert!(parse(&with(KEYS_LEN, b"https")).is_none(), "the URL");
        assert!(parse(&good[..KEYS_LEN]).is_none(), "no URL");
    }

    proptest! {
        #[test]
        fn any_bytes_are_refused_or_come_back(bytes in proptest::collection::vec(any::<u8>(), 0..2_000)) {
            let text = BASE64URL_NOPAD.encode(&bytes);
            if let Ok(key) = text.parse::<TransferKey>() {
                prop_assert_eq!(key.to_string(), text);
            }
            if let Some(secret) = TransferSecret::from_bytes(&bytes) {
                prop_assert_eq!(&secret.to_bytes()[..], &bytes[..]);
            }
        }
    }
}
