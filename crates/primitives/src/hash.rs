//! SHA-256 (FIPS 180-4) over concatenated parts.

use crate::secret::wipe_stack;
use sha2::{Digest, Sha256};

/// Number of bytes of stack to overwrite after hashing, because the provider leaves the last block
/// of the input there.
const STACK: usize = 2 << 10;

/// Does the same as [`sha256`] for secret parts, and leaves none of them on the stack.
#[must_use]
pub fn sha256_of_secret(parts: &[&[u8]]) -> [u8; 32] {
    let hash = sha256(parts);
    wipe_stack::<STACK>();
    hash
}

/// Returns SHA-256 of the concatenation of `parts`. The caller ensures that every part but one has
/// a fixed length, so that different parts never give the same input.
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
