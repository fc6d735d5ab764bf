//! The safety number, which two people compare to be sure of each other's identity
//! (spec/07-safety-number.md).
//!
//! Each half is made from one identity's hash alone by iterated hashing, as in Signal's numeric
//! fingerprints; the halves are shown in ascending order, so both people see the same.

use super::{hash::IdentityHash, words};
use crate::labels;
use alloc::{string::String, vec::Vec};
use deaddrop_primitives::hash::sha256;
use subtle::ConstantTimeEq;

/// Number of decimal digits of a safety number.
pub const DIGITS: usize = 60;
/// Number of words of a safety number.
pub const WORDS: usize = 18;

/// The number that two people compare to be sure of each other's identity. It is the same on both
/// sides. Chapter 07 of the spec states the cost of a forgery.
#[derive(Clone, PartialEq, Eq)]
pub struct SafetyNumber {
    halves: [[u8; 32]; 2],
}

impl SafetyNumber {
    /// Computes the safety number of two identities. Their order does not matter.
    #[must_use]
    pub fn new(one: &IdentityHash, other: &IdentityHash) -> Self {
        let mut halves = [half(one), half(other)];
        halves.sort_unstable();
        Self { halves }
    }

    /// Returns twelve groups of five digits with spaces between them.
    #[must_use]
    pub fn to_digits(&self) -> String {
        let mut digits = String::with_capacity(DIGITS + 11);
        self.halves.iter().for_each(|half| write_digits(half, &mut digits));
        digits
    }

    /// Returns eighteen words with blanks between them, nine for each half: easier to read aloud
    /// than digits (the first 99 bits of each half in the English list of BIP 39).
    #[must_use]
    pub fn to_words(&self) -> String {
        let [first, second] = self.halves.each_ref().map(|half| words::encode(half, WORDS / 2));
        [first.as_str(), second.as_str()].join(" ")
    }

    /// Whether `payload` is the [payload](Self::to_qr_payload) of the same two people. Compares in
    /// constant time.
    #[must_use]
    pub fn is_qr_payload(&self, payload: &[u8]) -> bool {
        self.to_qr_payload().as_slice().ct_eq(payload).into()
    }

    /// Returns 65 bytes for a QR code: the version, which is 1, then the two halves of 32 bytes,
    /// the smaller one first.
    #[must_use]
    pub fn to_qr_payload(&self) -> Vec<u8> {
        let mut bytes = Vec::from([1]);
        self.halves.iter().for_each(|half| bytes.extend_from_slice(half));
        bytes
    }
}

impl core::fmt::Debug for SafetyNumber {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("SafetyNumber(..)")
    }
}

/// One half of each safety number of an identity, shown as thirty digits or nine words.
#[derive(Clone, PartialEq, Eq)]
pub struct IdentityNumber([u8; 32]);

impl IdentityNumber {
    /// Computes the number of an identity.
    #[must_use]
    pub fn of(identity: &IdentityHash) -> Self {
        Self(half(identity))
    }

    /// Returns six groups of five digits with spaces between them.
    #[must_use]
    pub fn to_digits(&self) -> String {
        let mut digits = String::with_capacity(DIGITS / 2 + 5);
        write_digits(&self.0, &mut digits);
        digits
    }

    /// Returns nine words with blanks between them.
    #[must_use]
    pub fn to_words(&self) -> String {
        words::encode(&self.0, WORDS / 2).as_str().into()
    }
}

impl core::fmt::Debug for IdentityNumber {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("IdentityNumber(..)")
    }
}

/// Appends `half` as six groups of five digits, with spaces between them.
fn write_digits(half: &[u8; 32], digits: &mut String) {
    for chunk in half.as_chunks::<5>().0 {
        if !digits.is_empty() {
            digits.push(' ');
        }
        let [a, b, c, d, e] = chunk.map(u64::from);
        let number = (a << 32 | b << 24 | c << 16 | d << 8 | e) % 100_000;
        let _ = core::fmt::Write::write_fmt(digits, format_args!("{number:05}"));
    }
}

/// Number of SHA-256 computations for each half: 5,200, as in Signal. Finding a second identity
/// with the same digits costs this many times more.
const ITERATIONS: u32 = 5_200;

fn half(identity: &IdentityHash) -> [u8; 32] {
    let mut hash = sha256(&[labels::SAFETY_NUMBER, identity.as_bytes()]);
    for _ in 1..ITERATIONS {
        hash = sha256(&[labels::SAFETY_NUMBER, &hash, identity.as_bytes()]);
    }
    hash
}
