//! The receipt of an import, which lets the old host destroy its store.

use super::key_hash::{KeyHash, group, ungroup};
use crate::labels;
use deaddrop_link::RelaySeed;
use deaddrop_primitives::hash::sha256_of_secret;
use std::fmt;

/// The proof that an import is done: 80 bits that derive from the relay's seed and the transfer key.
///
/// The old host can compute it, too, and compares. Another host could not print it before it had
/// opened the transfer file. It protects from confusion (another relay, another move, an import that
/// has not ended), not from the operator.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Receipt([u8; 10]);

impl Receipt {
    /// Computes the receipt of the relay with this seed for an import by this key.
    pub(super) fn of(seed: &RelaySeed, key: &KeyHash) -> Self {
        let hash = sha256_of_secret(&[labels::RELAY_MOVE_RECEIPT, seed.expose(), &key.0]);
        Self(hash.first_chunk().copied().unwrap_or_default())
    }

    /// Whether `text` is the text of this receipt, in small or large letters, with or without
    /// dashes.
    #[must_use]
    pub fn has_text(&self, text: &str) -> bool {
        ungroup(text) == Some(self.0)
    }
}

impl fmt::Display for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&group(&self.0))
    }
}

impl fmt::Debug for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Receipt(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receipt_depends_on_relay_and_key() {
        let of = |seed, key| Receipt::of(&RelaySeed::from_bytes([seed; 32]), &KeyHash([key; 32]));
        assert_eq!(of(1, 2), of(1, 2));
        assert_ne!(of(1, 2), of(1, 3));
        assert_ne!(of(1, 2), of(2, 2));
        assert!(of(1, 2).has_text(&of(1, 2).to_string()) && !of(1, 2).has_text(&of(1, 3).to_string()));
    }
}
