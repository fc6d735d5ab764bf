//! The seal of a transfer file: a hybrid key agreement with the one-time key, and chunks that cannot
//! be cut off, reordered or repeated (spec/12-relay.md section 12.2).

use super::error::MoveError;
use super::transfer_key::{TransferKey, TransferSecret};
use crate::labels;
use deaddrop_primitives::{
    aead::{self, NONCE_LEN, TAG_LEN},
    hash::sha256,
    hkdf::extract,
    kem, secret_bytes, x25519,
};
use rand::CryptoRng;
use std::io::{BufRead, Read, Write};
use zeroize::Zeroizing;

/// The first bytes of a transfer file.
const MAGIC: &[u8; 4] = b"ddMF";
/// Number of bytes in front of the first chunk: magic, hash of the key, X25519 key, ciphertext.
pub(super) const HEAD_LEN: usize = 4 + 32 + x25519::KEY_LEN + kem::CIPHERTEXT_LEN;
/// Number of bytes of the plaintext of each chunk but the last, which has 1 to as many.
pub(super) const CHUNK: usize = 65_536;

secret_bytes! {
    /// The key of all chunks of one file.
    struct ChunkKey[32];
}

impl ChunkKey {
    /// Derives the key from both shared secrets and the head of the file. The head holds the hash of
    /// the transfer key, so both public keys and the URL enter, too.
    fn derive_from(point: &x25519::SharedSecret, encapsulated: &kem::SharedSecret, head: &[u8]) -> Self {
        let hash = sha256(&[labels::RELAY_MOVE_FILE, head]);
        let exp = extract(labels::RELAY_MOVE, &[point.expose(), encapsulated.expose()]).ready();
        Self::derive(&exp, &[labels::RELAY_MOVE_CHUNK, &hash])
    }
}

/// Returns the nonce of a chunk: its number, and whether it is the last one.
fn nonce(number: u64, is_last: bool) -> [u8; NONCE_LEN] {
    let mut nonce = [0; NONCE_LEN];
    if let Some((place, [.., last])) = nonce.split_first_chunk_mut::<8>() {
        *place = number.to_le_bytes();
        *last = is_last.into();
    }
    nonce
}

/// A transfer file that is being written.
pub(super) struct Sealer<W> {
    to: W,
    key: ChunkKey,
    number: u64,
    buffer: Zeroizing<Vec<u8>>,
}

impl<W: Write> Sealer<W> {
    /// Begins a file that is sealed to `key`.
    pub(super) fn begin(
        mut to: W,
        key: &TransferKey,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Self, MoveError> {
        let fresh = x25519::SecretKey::generate(rng);
        let point = fresh.diffie_hellman(&key.x25519).map_err(|_| MoveError::NotAKey)?;
        let (ciphertext, encapsulated) = key.kem.encapsulate(rng);
        let head = [&MAGIC[..], &key.hash().0, fresh.public_key().as_bytes(), &ciphertext].concat();
        to.write_all(&head)?;
        let key = ChunkKey::derive_from(&point, &encapsulated, &head);
        // One allocation for all chunks, so that no copy of a chunk is left behind.
        Ok(Self { to, key, number: 0, buffer: Zeroizing::new(Vec::with_capacity(CHUNK + TAG_LEN)) })
    }

    /// Adds bytes to the file.
    pub(super) fn write(&mut self, mut bytes: &[u8]) -> Result<(), MoveError> {
        while !bytes.is_empty() {
            if self.buffer.len() == CHUNK {
                self.seal(false)?;
            }
            let room = CHUNK.saturating_sub(self.buffer.len()).min(bytes.len());
            let (now, rest) = bytes.split_at(room);
            self.buffer.extend_from_slice(now);
            bytes = rest;
        }
        Ok(())
    }

    /// Seals the last chunk. Returns the place to which the file was written; it is not synced.
    pub(super) fn finish(mut self) -> Result<W, MoveError> {
        self.seal(true)?;
        Ok(self.to)
    }

    fn seal(&mut self, is_last: bool) -> Result<(), MoveError> {
        let tag = aead::seal_in_place(self.key.expose(), &nonce(self.number, is_last), &[], &mut self.buffer);
        self.to.write_all(&self.buffer)?;
        self.to.write_all(&tag)?;
        self.buffer.clear();
        self.number += 1;
        Ok(())
    }
}

/// A transfer file that is being read. Gives no byte of a chunk that was not verified.
pub(super) struct Opener<R> {
    from: R,
    key: ChunkKey,
    number: u64,
    is_last: bool,
    buffer: Zeroizing<Vec<u8>>,
    /// Number of bytes of `buffer` that were given out.
    given: usize,
}

impl<R: BufRead> Opener<R> {
    /// Reads the head of a file, and opens its first chunk.
    pub(super) fn begin(mut from: R, secret: &TransferSecret) -> Result<Self, MoveError> {
        let mut head = [0; HEAD_LEN];
        from.read_exact(&mut head).map_err(cut_off)?;
        let (magic, rest) = head.split_first_chunk::<4>().ok_or(MoveError::NotATransferFile)?;
        if magic != MAGIC {
            return Err(MoveError::NotATransferFile); // the form of a transfer file.
        }
        let (hash, rest) = rest.split_first_chunk::<32>().ok_or(MoveError::NotATransferFile)?;
        if *hash != secret.key().hash().0 {
            return Err(MoveError::OtherKey); // the file is sealed to this key.
        }
        let (point, ciphertext) = rest.split_first_chunk().ok_or(MoveError::NotATransferFile)?;
        let ciphertext = ciphertext.try_into().map_err(|_| MoveError::NotATransferFile)?;
        // the fresh key of the file is valid.
        let point = x25519::PublicKey::from_bytes(point).map_err(|_| MoveError::Damaged)?;
        let point = secret.x25519.diffie_hellman(&point).map_err(|_| MoveError::Damaged)?;
        let key = ChunkKey::derive_from(&point, &secret.kem.decapsulate(ciphertext), &head);
        let buffer = Zeroizing::new(Vec::with_capacity(CHUNK + TAG_LEN));
        let mut opener = Self { from, key, number: 0, is_last: false, buffer, given: 0 };
        opener.open_next()?;
        Ok(opener)
    }

    /// Fills `bytes`. Fails with `Malformed` if the contents of the whole file end before.
    pub(super) fn fill(&mut self, mut bytes: &mut [u8]) -> Result<(), MoveError> {
        while !bytes.is_empty() {
            if self.given == self.buffer.len() {
                if self.is_last {
                    return Err(MoveError::Malformed);
                }
                self.open_next()?;
            }
            let rest = self.buffer.get(self.given..).unwrap_or_default();
            let now = rest.len().min(bytes.len());
            let (to, later) = bytes.split_at_mut(now);
            to.copy_from_slice(rest.get(..now).unwrap_or_default());
            self.given += now;
            bytes = later;
        }
        Ok(())
    }

    /// Whether all bytes of the whole file were given out.
    pub(super) fn is_over(&self) -> bool {
        self.is_last && self.given == self.buffer.len()
    }

    fn open_next(&mut self) -> Result<(), MoveError> {
        self.buffer.clear();
        self.given = 0;
        let most = (CHUNK + TAG_LEN) as u64;
        (&mut self.from).take(most).read_to_end(&mut self.buffer)?;
        self.is_last = self.from.fill_buf()?.is_empty();
        let tag = self.buffer.last_chunk::<TAG_LEN>().copied().ok_or(MoveError::Damaged)?;
        let length = self.buffer.len().saturating_sub(TAG_LEN);
        self.buffer.truncate(length);
        let opened = aead::open_in_place(
            self.key.expose(),
            &nonce(self.number, self.is_last),
            &[],
            &mut self.buffer,
            &tag,
        );
        // each chunk opens at its place, and the last one alone says that it is the last.
        if opened.is_err() || length == 0 {
            self.buffer.clear();
            return Err(MoveError::Damaged);
        }
        self.number += 1;
        Ok(())
    }
}

fn cut_off(error: std::io::Error) -> MoveError {
    match error.kind() {
        std::io::ErrorKind::UnexpectedEof => MoveError::NotATransferFile,
        _ => error.into(),
    }
}

#[cfg(test)]
mod tests;
