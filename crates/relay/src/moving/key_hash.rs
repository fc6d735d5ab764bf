//! The hash of a transfer key, by which operators and files name it.

use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use std::fmt;

/// Number of bytes of a hash that a person compares.
const SHORT_LEN: usize = 10;

/// The hash of a transfer key. Its text is its first 80 bits as five groups of four digits, for a
/// person to compare.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct KeyHash(pub(super) [u8; 32]);

impl KeyHash {
    /// Whether `text` is the text of this hash, in small or large letters, with or without dashes.
    #[must_use]
    pub fn has_text(&self, text: &str) -> bool {
        ungroup(text).is_some_and(|short| self.0.first_chunk() == Some(&short))
    }

    /// Returns all 64 digits of the hash.
    #[must_use]
    pub fn to_hex(&self) -> String {
        HEXLOWER.encode(&self.0)
    }

    /// Parses the 64 digits of a hash; `None` for any other text.
    pub(super) fn from_hex(text: &str) -> Option<Self> {
        HEXLOWER.decode(text.as_bytes()).ok()?.try_into().ok().map(Self)
    }
}

impl fmt::Display for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&group(self.0.first_chunk().unwrap_or(&[0; SHORT_LEN])))
    }
}

impl fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyHash({self})")
    }
}

/// Formats 10 bytes as five groups of four hexadecimal digits.
pub(super) fn group(bytes: &[u8; SHORT_LEN]) -> String {
    let (pairs, _) = bytes.as_chunks::<2>();
    pairs.iter().map(|pair| HEXLOWER.encode(pair)).collect::<Vec<_>>().join("-")
}

/// Parses the text of [`group`], in small or large letters, with or without dashes and blanks;
/// `None` for any other text.
pub(super) fn ungroup(text: &str) -> Option<[u8; SHORT_LEN]> {
    let digits: String = text.chars().filter(|c| *c != '-' && !c.is_whitespace()).collect();
    HEXLOWER_PERMISSIVE.decode(digits.as_bytes()).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_known_by_its_text() {
        let hash = KeyHash(std::array::from_fn(|n| u8::try_from(n).unwrap() | 0xa0));
        assert_eq!(hash.to_string(), "a0a1-a2a3-a4a5-a6a7-a8a9");
        assert!(hash.has_text(" A0A1-a2a3-a4a5-a6a7-a8a9\n") && hash.has_text("a0a1a2a3a4a5a6a7a8a9"));
        for other in ["a0a1-a2a3-a4a5-a6a7-a8aa", "a0a1-a2a3-a4a5-a6a7", "", "a0a1-a2a3-a4a5-a6a7-a8a9-aaab"]
        {
            assert!(!hash.has_text(other), "{other}");
        }
        assert_eq!(KeyHash::from_hex(&hash.to_hex()), Some(hash));
        assert_eq!(KeyHash::from_hex("a0"), None);
    }
}
