//! ChaCha20-Poly1305 (RFC 8439 section 2.8) with a zero nonce and without associated data, for keys that seal once.
//!
//! Computes the same as the crate `chacha20poly1305`, from the same two primitives. That crate asks for the first block
//! of the keystream alone, and for each block of a short rest alone; with vector instructions each of these calls costs
//! as much as four blocks. A head of 80 bytes is sealed here in 0.4 of the time (`benches/commit.rs` measures the
//! whole).

use chacha20::ChaCha20;
use chacha20::cipher::{KeyIvInit, StreamCipher};
use poly1305::universal_hash::{KeyInit, UniversalHash};
use poly1305::{Block, Poly1305};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

/// Number of bytes of the keystream that one call of the cipher computes: four blocks, which vector
/// instructions compute in the time of one.
const CHUNK: usize = 256;
/// Number of bytes of the first block of the keystream. It holds the key of Poly1305 and encrypts
/// nothing.
const KEY_BLOCK: usize = 64;

/// Encrypts `buffer` in place and returns the tag. `key` must never seal anything else, because the
/// nonce is constant.
#[inline(never)]
pub(crate) fn seal(key: &[u8; 32], buffer: &mut [u8]) -> [u8; 16] {
    let mut stream = Stream::new(key);
    stream.apply(buffer);
    stream.tag(buffer)
}

/// Decrypts `buffer` in place and returns `true` if the tag is right. Otherwise `buffer` stays as it is.
#[inline(never)]
pub(crate) fn open(key: &[u8; 32], buffer: &mut [u8], tag: &[u8; 16]) -> bool {
    let mut stream = Stream::new(key);
    let is_right = stream.tag(buffer).ct_eq(tag).into();
    if is_right {
        stream.apply(buffer);
    }
    is_right
}

/// The keystream of one key, and the key of its tag.
struct Stream {
    cipher: ChaCha20,
    mac: Poly1305,
    /// The first four blocks of the keystream: the one with the key of Poly1305, and those for the
    /// beginning of the message. `apply` uses the array again for the end of the message.
    beginning: Zeroizing<[u8; CHUNK]>,
}

impl Stream {
    fn new(key: &[u8; 32]) -> Self {
        let mut cipher = ChaCha20::new(key.into(), &[0; 12].into());
        let mut beginning = Zeroizing::new([0; CHUNK]);
        cipher.apply_keystream(beginning.as_mut_slice());
        let key = beginning.first_chunk::<32>().copied().unwrap_or_default();
        Self { cipher, mac: Poly1305::new(&key.into()), beginning }
    }

    /// XORs the keystream into `buffer`. May be called only once, because it uses the keystream up.
    fn apply(&mut self, buffer: &mut [u8]) {
        let (first, rest) = buffer.split_at_mut(buffer.len().min(CHUNK - KEY_BLOCK));
        for (byte, key) in first.iter_mut().zip(self.beginning.iter().skip(KEY_BLOCK)) {
            *byte ^= key;
        }
        let (whole, tail) = rest.split_at_mut(rest.len() / CHUNK * CHUNK);
        self.cipher.apply_keystream(whole);
        if !tail.is_empty() {
            self.beginning.zeroize();
            self.cipher.apply_keystream(self.beginning.as_mut_slice());
            for (byte, key) in tail.iter_mut().zip(self.beginning.iter()) {
                *byte ^= key;
            }
        }
    }

    /// Returns the Poly1305 tag of a ciphertext: over its bytes, padded with zeros to 16, and its
    /// length.
    fn tag(&self, ciphertext: &[u8]) -> [u8; 16] {
        let mut mac = self.mac.clone();
        mac.update_padded(ciphertext);
        // Bytes of associated data, which there are none of, and of the ciphertext.
        let lengths = (ciphertext.len() as u128) << 64;
        mac.update(&[Block::from(lengths.to_le_bytes())]);
        mac.finalize().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chacha20poly1305::{AeadInOut, ChaCha20Poly1305, Tag};

    #[test]
    fn seals_and_opens_as_the_library_does() {
        let lengths = (0..1_300).chain([4_095, 4_096, 4_097, 65_536, 70_001]);
        for length in lengths {
            let key: [u8; 32] = std::array::from_fn(|n| u8::try_from((n * 7 + length) % 251).unwrap());
            let plain: Vec<u8> = (0..length).map(|n| u8::try_from(n % 253).unwrap()).collect();
            let (mut ours, mut theirs) = (plain.clone(), plain.clone());
            let tag = seal(&key, &mut ours);
            let library = ChaCha20Poly1305::new(&key.into());
            let want =
                library.encrypt_inout_detached(&[0; 12].into(), &[], theirs.as_mut_slice().into()).unwrap();
            assert_eq!((&ours, tag), (&theirs, want.into()), "{length} bytes");
            assert!(open(&key, &mut ours, &tag));
            assert_eq!(ours, plain);
            let opened = library.decrypt_inout_detached(
                &[0; 12].into(),
                &[],
                theirs.as_mut_slice().into(),
                &Tag::from(tag),
            );
            assert!(opened.is_ok());
        }
    }

    #[test]
    fn a_wrong_tag_leaves_the_buffer_as_it_is() {
        for length in [0, 1, 80, 200, 1_024] {
            let mut buffer = vec![3; length];
            let tag = seal(&[1; 32], &mut buffer);
            let sealed = buffer.clone();
            for bit in 0..128 {
                let mut wrong = tag;
                wrong[bit / 8] ^= 1 << (bit % 8);
                assert!(!open(&[1; 32], &mut buffer, &wrong));
                assert_eq!(buffer, sealed);
            }
            assert!(!open(&[2; 32], &mut buffer, &tag));
            for place in 0..length {
                buffer[place] ^= 1;
                assert!(!open(&[1; 32], &mut buffer, &tag));
                buffer[place] ^= 1;
            }
        }
    }
}
