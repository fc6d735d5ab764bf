//! Records: one direction of a link, its key, its counter, its padding (spec/10-link.md section 5).

use crate::labels;
use deaddrop_primitives::{aead, hkdf::extract, secret_bytes};

/// The padded sizes of a record's plaintext in bytes, smallest first.
pub const PLAINTEXT_SIZES: [usize; 7] = [512, 4_608, 16_896, 66_048, 132_096, 198_144, 264_192];

/// Number of bytes of the first record, in the client's handshake message C2. Its Hello fits the
/// smallest plaintext.
pub(crate) const FIRST_RECORD_LEN: usize = PLAINTEXT_SIZES[0] + aead::TAG_LEN;

/// Maximum length of a record in bytes, with its tag.
pub const MAX_RECORD_LEN: usize = deaddrop_wire::limits::MAX_RECORD + aead::TAG_LEN;

/// Number of records that are sealed under one key before the next key derives from it.
pub(crate) const RECORDS_PER_KEY: u64 = 1 << 16;

const _: () = assert!(PLAINTEXT_SIZES[6] == deaddrop_wire::limits::MAX_RECORD);

secret_bytes! {
    /// The key of one direction of a link.
    pub(crate) struct RecordKey[32];
}

/// The key of a direction, with the number of its next record.
pub(crate) struct Direction {
    key: RecordKey,
    counter: u64,
}

/// The error of a direction that has carried 2^64 - 1 records, and of a plaintext that is longer
/// than a record.
pub(crate) struct Exhausted;

impl Direction {
    pub(crate) fn new(key: RecordKey) -> Self {
        Self { key, counter: 0 }
    }

    /// Returns the direction with the same key and the counter at 0.
    #[cfg(test)]
    pub(crate) fn restarted(self) -> Self {
        Self::new(self.key)
    }

    /// Pads `plaintext` to its size, encrypts it in place and appends the tag; fails if `plaintext`
    /// is longer than a record, or if the numbers of records are used up.
    pub(crate) fn seal(&mut self, plaintext: &mut Vec<u8>) -> Result<(), Exhausted> {
        let padded = padded(plaintext.len()).ok_or(Exhausted)?;
        let nonce = self.next_nonce()?;
        deaddrop_wire::reserve_wiping(plaintext, (padded + aead::TAG_LEN).saturating_sub(plaintext.len()));
        plaintext.resize(padded, 0);
        let tag = aead::seal_in_place(self.key.expose(), &nonce, &[], plaintext);
        plaintext.extend_from_slice(&tag);
        Ok(())
    }

    /// Decrypts a record in place and returns its padded plaintext; `None` if it is too short, if
    /// its tag does not verify, or if the numbers of records are used up.
    pub(crate) fn open<'a>(&mut self, record: &'a mut [u8]) -> Option<&'a mut [u8]> {
        let (ciphertext, tag) = record.split_last_chunk_mut::<{ aead::TAG_LEN }>()?;
        let nonce = self.next_nonce().ok()?;
        aead::open_in_place(self.key.expose(), &nonce, &[], ciphertext, tag).ok()?;
        Some(ciphertext)
    }

    /// Returns the next nonce; fails if the numbers of records are used up. Steps the key at every
    /// multiple of [`RECORDS_PER_KEY`] and wipes the old one.
    fn next_nonce(&mut self) -> Result<[u8; aead::NONCE_LEN], Exhausted> {
        let number = self.counter;
        self.counter = number.checked_add(1).ok_or(Exhausted)?;
        if number != 0 && number.is_multiple_of(RECORDS_PER_KEY) {
            let prk = extract(labels::LINK_REKEY, &[self.key.expose()]);
            self.key = RecordKey::derive(&prk.ready(), &[labels::LINK_REKEY]);
        }
        let mut nonce = [0; aead::NONCE_LEN];
        if let Some(place) = nonce.last_chunk_mut() {
            *place = number.to_le_bytes();
        }
        Ok(nonce)
    }
}

/// Returns the size in bytes to which a plaintext of `len` bytes is padded; `None` if it is too
/// long for a record.
pub(crate) fn padded(len: usize) -> Option<usize> {
    PLAINTEXT_SIZES.into_iter().find(|size| *size >= len)
}

/// Whether a record can have this length in bytes.
pub(crate) fn is_record_len(len: usize) -> bool {
    len.checked_sub(aead::TAG_LEN).is_some_and(|len| PLAINTEXT_SIZES.contains(&len))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> (Direction, Direction) {
        (Direction::new(RecordKey::from_bytes([9; 32])), Direction::new(RecordKey::from_bytes([9; 32])))
    }

    #[test]
    fn padding_takes_the_next_size() {
        assert_eq!(padded(0), Some(512));
        assert_eq!(padded(512), Some(512));
        assert_eq!(padded(513), Some(4_608));
        assert_eq!(padded(66_049), Some(132_096));
        assert_eq!(padded(264_192), Some(264_192));
        assert_eq!(padded(264_193), None);
        assert!(is_record_len(528) && is_record_len(MAX_RECORD_LEN));
        assert!(!is_record_len(0) && !is_record_len(15) && !is_record_len(16) && !is_record_len(527));
    }

    #[test]
    fn keys_step_and_both_sides_agree() {
        let (mut seal, mut open) = pair();
        let first = seal.key.duplicate();
        for number in 0..=2 * RECORDS_PER_KEY {
            // Only around the steps, for the sake of time.
            if number % RECORDS_PER_KEY > 2 && number % RECORDS_PER_KEY < RECORDS_PER_KEY - 2 {
                seal.counter += 1;
                open.counter += 1;
                continue;
            }
            let mut record = number.to_le_bytes().to_vec();
            assert!(seal.seal(&mut record).is_ok());
            assert_eq!(record.len(), 528);
            let plaintext = open.open(&mut record).unwrap();
            assert_eq!(plaintext[..8], number.to_le_bytes());
            assert!(plaintext[8..].iter().all(|byte| *byte == 0));
        }
        assert_ne!(seal.key, first);
        assert_eq!(seal.key, open.key);
    }

    #[test]
    fn the_counter_does_not_wrap() {
        let (mut seal, _) = pair();
        seal.counter = u64::MAX;
        assert!(seal.seal(&mut vec![1]).is_err());
    }
}
