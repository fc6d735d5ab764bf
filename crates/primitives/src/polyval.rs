//! POLYVAL (RFC 8452 section 3): a universal hash, fast on long inputs.
//!
//! This hash is no MAC and does not resist collisions: its output must stay secret. Feed it to a
//! pseudorandom function.

use crate::secret::wipe_stack;
use ::polyval::{
    Block, Polyval,
    universal_hash::{KeyInit, UniversalHash},
};
use alloc::boxed::Box;
use zeroize::Zeroizing;

/// Number of bytes of stack to overwrite after a call of the provider, which leaves powers of the
/// key and blocks of the input there.
const STACK: usize = 2 << 10;

/// Number of bytes of a universal hash.
pub const HASH_LEN: usize = 16;

crate::secret_bytes! {
    /// The key of a universal hash, uniform and secret.
    pub struct UniversalHashKey[16];
}

impl UniversalHashKey {
    /// Computes POLYVAL over `bytes`, padded with zeros to a block, and a block with their length:
    /// zero u64, then the number of bits as u64 (RFC 8452 section 4 without additional data). Two
    /// different inputs of at most `n` blocks have equal hashes with a chance of `(n + 1) / 2^128`,
    /// over the choice of the key.
    #[must_use]
    pub fn hash(&self, bytes: &[u8]) -> Zeroizing<[u8; HASH_LEN]> {
        let hash = self.compute(bytes);
        wipe_stack::<STACK>();
        hash
    }

    #[inline(never)]
    fn compute(&self, bytes: &[u8]) -> Zeroizing<[u8; HASH_LEN]> {
        let mut state = Box::new(<Polyval as KeyInit>::new(self.expose().into()));
        state.update_padded(bytes);
        let bits = u128::try_from(bytes.len()).unwrap_or(u128::MAX).wrapping_mul(8);
        state.update(&[Block::from((bits << 64).to_le_bytes())]);
        Zeroizing::new((*state).finalize().into())
    }
}

#[cfg(test)]
mod tests {
    use super::UniversalHashKey;

    fn key() -> UniversalHashKey {
        UniversalHashKey::copy_of(
            &hex::decode("25629347589242761d31f826ba4b757b").unwrap().try_into().unwrap(),
        )
    }

    // RFC 8452 appendix A gives POLYVAL(H, X_1, X_2). The second block here is the length of the first.
    #[test]
    fn one_block_and_its_length() {
        let bytes = hex::decode("4f4f95668c83dfb6401762bb2d01a262").unwrap();
        let length = [0, 0, 0, 0, 0, 0, 0, 0, 128, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(*key().hash(&bytes), bit_by_bit(&[bytes.try_into().unwrap(), length]));
    }

    #[test]
    fn rfc_8452_appendix_a() {
        let blocks = ["4f4f95668c83dfb6401762bb2d01a262", "d1a24ddd2721d006bbe45f20d3c9f362"];
        let blocks = blocks.map(|block| hex::decode(block).unwrap().try_into().unwrap());
        assert_eq!(hex::encode(bit_by_bit(&blocks)), "f7a3b47b846119fae5b7866cf5e5b77e");
    }

    #[test]
    fn padding_and_length_tell_inputs_apart() {
        for len in [0, 1, 15, 16, 17, 63, 64, 65, 300] {
            let bytes: alloc::vec::Vec<u8> = (0..len).map(|n: u16| n.to_le_bytes()[0]).collect();
            let mut blocks: alloc::vec::Vec<[u8; 16]> = bytes
                .chunks(16)
                .map(|chunk| core::array::from_fn(|i| chunk.get(i).copied().unwrap_or_default()))
                .collect();
            let mut length = [0; 16];
            length[8..10].copy_from_slice(&(len * 8).to_le_bytes());
            blocks.push(length);
            assert_eq!(*key().hash(&bytes), bit_by_bit(&blocks), "{len} bytes");
        }
        assert_ne!(key().hash(b""), key().hash(&[0]));
        assert_ne!(key().hash(&[0; 16]), key().hash(&[0; 17]));
    }

    /// Computes the hash by the definition of RFC 8452 section 3, a bit at a time.
    fn bit_by_bit(blocks: &[[u8; 16]]) -> [u8; 16] {
        let h = u128::from_le_bytes(*key().expose());
        let sum = blocks.iter().fold(0, |sum, block| dot(sum ^ u128::from_le_bytes(*block), h));
        sum.to_le_bytes()
    }

    /// Returns `a * b * x^-128` modulo `x^128 + x^127 + x^126 + x^121 + 1`.
    fn dot(a: u128, b: u128) -> u128 {
        // Each step divides by x: a zero constant term shifts away, a one is cancelled by adding the modulus first.
        (0..128).fold(0, |sum, bit| {
            let sum = if (a >> bit) & 1 == 1 { sum ^ b } else { sum };
            if sum & 1 == 1 { (sum >> 1) ^ (0xe1 << 120) } else { sum >> 1 }
        })
    }
}
