//! SHA-256 (FIPS 180-4) over concatenated parts.

use crate::secret::wipe_stack;
use sha2::{Digest, Sha256};

/// Bytes of stack to write over after hashing: the provider leaves there the last block of what was hashed.
const STACK: usize = 2 << 10;

/// [`sha256`] for parts that are secret: nothing of them is left on the stack.
#[must_use]
pub fn sha256_of_secret(parts: &[&[u8]]) -> [u8; 32] {
    let hash = sha256(parts);
    wipe_stack::<STACK>();
    hash
}

/// SHA-256 of the concatenation of `parts`. The caller sees to it that every part but one has a fixed length.
#[must_use]
#[inline(never)]
pub fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part);
    }
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::{sha256, sha256_of_secret};

    // FIPS 180-4 example "abc".
    #[test]
    fn abc() {
        let want = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(hex::encode(sha256(&[b"a", b"", b"bc"])), want);
        assert_eq!(hex::encode(sha256_of_secret(&[b"abc"])), want);
    }
}
