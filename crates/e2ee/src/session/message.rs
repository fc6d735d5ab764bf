//! One message: the header box and the body box (spec/05-ratchet.md section 2).

use super::keys::{HeaderKey, MessageKey, ReadyMessageKey};
use crate::{
    labels,
    padding::{pad, unpad},
};
use alloc::vec::Vec;
use deaddrop_primitives::{
    aead::{self, NONCE_LEN, TAG_LEN},
    kem, x25519,
};
use zeroize::{Zeroize, Zeroizing};

const NONCE_0: [u8; NONCE_LEN] = [0; NONCE_LEN];

/// Returns the number of bytes of a turn's constants: ratchet keys rk and ek, and the ciphertexts
/// that the turn carries.
pub(crate) const fn constants_len(turn: u32) -> usize {
    let ciphertexts = match turn {
        0 => 0,
        1 => 2,
        _ => 1,
    };
    x25519::KEY_LEN + kem::ENCAPSULATION_KEY_LEN + ciphertexts * kem::CIPHERTEXT_LEN
}

/// Returns the number of bytes of a turn's header box: nonce, constants, `pn` and `n`, tag.
pub(crate) const fn header_box_len(turn: u32) -> usize {
    NONCE_LEN + constants_len(turn) + 8 + TAG_LEN
}

/// A header that opened. Its fields are the peer's choice and are not checked yet.
pub(crate) struct Header {
    bytes: Vec<u8>,
    nonce: [u8; NONCE_LEN],
}

impl Header {
    /// Returns the turn's constants, which are the bytes in front of `pn` and `n`.
    pub(crate) fn constants(&self) -> &[u8] {
        self.bytes.get(..self.bytes.len().saturating_sub(8)).unwrap_or_default()
    }

    /// Returns `pn`, the number of messages of the sender's previous turn.
    pub(crate) fn previous_chain_length(&self) -> u32 {
        self.numbers().0
    }

    /// Returns `n`, the number of the message in its turn.
    pub(crate) fn message_number(&self) -> u32 {
        self.numbers().1
    }

    /// Returns `r`, the nonce of the header box.
    pub(crate) const fn nonce(&self) -> &[u8; NONCE_LEN] {
        &self.nonce
    }

    #[cfg(feature = "hazmat")]
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn numbers(&self) -> (u32, u32) {
        let [a, b, c, d, e, f, g, h] = self.bytes.last_chunk().copied().unwrap_or_default();
        (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h]))
    }
}

/// Seals content into a header box and a body box of together `len` bytes; `None` if the content
/// does not fit. `head` is the turn's constants followed by `pn`; `nonce` is that of the header
/// box.
pub(crate) fn seal(
    header_key: &HeaderKey,
    message_key: &ReadyMessageKey,
    head: &[u8],
    message_number: u32,
    content: &[u8],
    len: usize,
    nonce: &[u8; NONCE_LEN],
) -> Option<Vec<u8>> {
    let header_len = NONCE_LEN + head.len() + 4 + TAG_LEN;
    let body_len = len.checked_sub(header_len + TAG_LEN)?;
    if content.len() >= body_len {
        return None;
    }
    let mut bytes = Vec::with_capacity(len);
    bytes.extend_from_slice(nonce);
    bytes.extend_from_slice(head);
    bytes.extend_from_slice(&message_number.to_le_bytes());
    let header = bytes.get_mut(NONCE_LEN..)?;
    let tag = aead::seal_in_place(header_key.expose(), nonce, labels::HEADER, header);
    bytes.extend_from_slice(&tag);

    bytes.extend_from_slice(content);
    pad(&mut bytes, header_len + body_len)?;
    let (header_box, body) = bytes.split_at_mut_checked(header_len)?;
    let key = message_key.body_key(nonce);
    let tag = aead::seal_in_place(key.expose(), &NONCE_0, header_box, body);
    bytes.extend_from_slice(&tag);
    Some(bytes)
}

/// Opens the header box of a turn by one tag check; `None` if the message is too short or the tag
/// does not verify.
pub(crate) fn open_header(key: &HeaderKey, turn: u32, message: &[u8]) -> Option<Header> {
    let sealed = message.get(..header_box_len(turn))?;
    let (nonce, sealed) = sealed.split_first_chunk()?;
    let bytes = aead::open(key.expose(), nonce, labels::HEADER, sealed).ok()?;
    Some(Header { bytes, nonce: *nonce })
}

/// Opens the body behind a header that opened; `None` if its tag or its padding is wrong.
pub(crate) fn open_body(key: &MessageKey, header: &Header, message: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let header_len = NONCE_LEN + header.bytes.len() + TAG_LEN;
    let (header_box, body) = message.split_at_checked(header_len)?;
    let key = key.ready().body_key(&header.nonce);
    let mut padded = aead::open(key.expose(), &NONCE_0, header_box, body).ok()?;
    let content = unpad(&padded).map(|content| Zeroizing::new(content.to_vec()));
    // Of padding that was checked there is nothing to wipe.
    let wiped = content.as_ref().map_or(padded.len(), |content| content.len());
    if let Some(text) = padded.get_mut(..wiped) {
        text.zeroize();
    }
    content
}
