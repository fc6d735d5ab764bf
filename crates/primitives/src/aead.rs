//! ChaCha20-Poly1305 (RFC 8439) with the tag behind the ciphertext.

use crate::secret::wipe_stack;
use alloc::vec::Vec;
use chacha20poly1305::{AeadInOut, ChaCha20Poly1305, KeyInit, Tag};

/// Number of bytes of stack to overwrite after a call of the provider, which leaves the cipher's
/// state and blocks of plaintext there.
const STACK: usize = 2 << 10;

/// Number of bytes that sealing adds: the tag.
pub const TAG_LEN: usize = 16;
/// Number of bytes of a key.
pub const KEY_LEN: usize = 32;
/// Number of bytes of a nonce.
pub const NONCE_LEN: usize = 12;

/// The error of a tag that did not verify: wrong key, nonce or associated data, or changed bytes.
/// The buffer holds no plaintext.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("authentication failed")]
pub struct Invalid;

/// Seals `plaintext`, and authenticates `ad` (associated data) with it. Returns the ciphertext and
/// the tag, [`TAG_LEN`] bytes more than `plaintext`.
#[must_use]
pub fn seal(key: &[u8; KEY_LEN], nonce: &[u8; NONCE_LEN], ad: &[u8], plaintext: &[u8]) -> Vec<u8> {
    let mut sealed = Vec::with_capacity(plaintext.len().saturating_add(TAG_LEN));
    sealed.extend_from_slice(plaintext);
    let tag = seal_in_place(key, nonce, ad, &mut sealed);
    sealed.extend_from_slice(&tag);
    sealed
}

/// Opens the bytes of [`seal`], and returns the plaintext. Key, nonce and `ad` must be those of the
/// sealing.
///
/// # Errors
/// Fails with [`Invalid`] when the tag does not verify or there is no room for one.
pub fn open(
    key: &[u8; KEY_LEN],
    nonce: &[u8; NONCE_LEN],
    ad: &[u8],
    sealed: &[u8],
) -> Result<Vec<u8>, Invalid> {
    let (ciphertext, tag) = sealed.split_last_chunk::<TAG_LEN>().ok_or(Invalid)?;
    let mut plaintext = ciphertext.to_vec();
    open_in_place(key, nonce, ad, &mut plaintext, tag)?;
    Ok(plaintext)
}

/// Encrypts `buffer` in place, and authenticates `ad` (associated data) with it. Returns the tag.
#[must_use]
#[expect(clippy::expect_used, reason = "fails only beyond 256 GiB, which no buffer of ours reaches")]
pub fn seal_in_place(
    key: &[u8; KEY_LEN],
    nonce: &[u8; NONCE_LEN],
    ad: &[u8],
    buffer: &mut [u8],
) -> [u8; TAG_LEN] {
    #[cfg(feature = "count")]
    crate::count::add(|counts| &mut counts.seals);
    let tag = encrypt(key, nonce, ad, buffer).expect("length is within RFC 8439's bound");
    wipe_stack::<STACK>();
    tag.into()
}

#[inline(never)]
fn encrypt(key: &[u8; KEY_LEN], nonce: &[u8; NONCE_LEN], ad: &[u8], buffer: &mut [u8]) -> Option<Tag> {
    ChaCha20Poly1305::new(key.into()).encrypt_inout_detached(nonce.into(), ad, buffer.into()).ok()
}

/// Decrypts `buffer` in place if `tag` verifies.
///
/// # Errors
/// Fails with [`Invalid`] when the tag does not verify; the buffer is left as it was.
pub fn open_in_place(
    key: &[u8; KEY_LEN],
    nonce: &[u8; NONCE_LEN],
    ad: &[u8],
    buffer: &mut [u8],
    tag: &[u8; TAG_LEN],
) -> Result<(), Invalid> {
    #[cfg(feature = "count")]
    crate::count::add(|counts| &mut counts.opens);
    let opened = decrypt(key, nonce, ad, buffer, tag);
    wipe_stack::<STACK>();
    opened.ok_or(Invalid)
}

#[inline(never)]
fn decrypt(
    key: &[u8; KEY_LEN],
    nonce: &[u8; NONCE_LEN],
    ad: &[u8],
    buffer: &mut [u8],
    tag: &[u8; TAG_LEN],
) -> Option<()> {
    let cipher = ChaCha20Poly1305::new(key.into());
    cipher.decrypt_inout_detached(nonce.into(), ad, buffer.into(), &Tag::from(*tag)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    // RFC 8439, section 2.8.2.
    #[test]
    fn rfc_8439() {
        let key: [u8; 32] = core::array::from_fn(|i| 0x80 + u8::try_from(i).unwrap());
        let nonce = [7, 0, 0, 0, 0x40, 0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47];
        let ad = hex::decode("50515253c0c1c2c3c4c5c6c7").unwrap();
        let text: &[u8] =
            b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the \
future, sunscreen would be it.";
        let sealed = seal(&key, &nonce, &ad, text);
        assert!(hex::encode(&sealed).starts_with("d31a8d34648e60db7b86afbc53ef7ec2"));
        assert!(hex::encode(&sealed).ends_with("1ae10b594f09e26a7e902ecbd0600691"));
        assert_eq!(open(&key, &nonce, &ad, &sealed).unwrap(), text);
    }

    #[test]
    fn every_flip_is_refused_and_changes_nothing() {
        let sealed = seal(&[1; 32], &[2; 12], b"ad", b"text");
        for i in 0..sealed.len() * 8 {
            let mut bad = sealed.clone();
            bad[i / 8] ^= 1 << (i % 8);
            assert_eq!(open(&[1; 32], &[2; 12], b"ad", &bad), Err(Invalid));
            let (body, tag) = bad.split_at_mut(4);
            let before = body.to_vec();
            let tag: [u8; 16] = (&*tag).try_into().unwrap();
            assert_eq!(open_in_place(&[1; 32], &[2; 12], b"ad", body, &tag), Err(Invalid));
            assert_eq!(body, before);
        }
        assert_eq!(open(&[1; 32], &[2; 12], b"ad", &sealed[..15]), Err(Invalid));
        assert_eq!(open(&[1; 32], &[2; 12], b"da", &sealed), Err(Invalid));
    }
}
