//! Bytes as words that people can write down and read to each other: BIP 39's coding and its
//! English list (spec/02-identity.md section 2).

use alloc::{string::String, vec::Vec};
use deaddrop_primitives::hash::sha256_of_secret;
use zeroize::{Zeroize, Zeroizing};

/// Number of words in the list. Each word stands for 11 bits.
const LIST_LEN: usize = 2_048;
const BITS: usize = 11;

/// The list of BIP 39, sorted. The first four letters are different for any two words.
static LIST: [&str; LIST_LEN] = list(include_str!("words.txt"));

/// The error of reading an identity's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WordsError {
    /// The text does not have 24 words.
    #[error("24 words are needed; write down all of them")]
    Count,
    /// The word at this place, counted from 1, is neither in the list nor a word of the list that
    /// was cut to four letters or more. The first such word is reported, before the number of words
    /// is checked.
    #[error("word {0} is not in the list; look for a slip of the pen")]
    Unknown(usize),
    /// The checksum does not match: a word is wrong, or two have changed places.
    #[error("the words do not fit together; one is wrong, or two are exchanged")]
    Checksum,
}

/// Returns the first `words` words of `bytes`, 11 bits each, with blanks between them.
pub(crate) fn encode(bytes: &[u8], words: usize) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(words * 9));
    for place in 0..words {
        let word = LIST.get(eleven_bits(bytes, place * BITS)).copied().unwrap_or_default();
        if place > 0 {
            text.push(' ');
        }
        text.push_str(word);
    }
    text
}

/// Returns 24 words for 32 bytes: their 256 bits, and the first 8 bits of their SHA-256 as a
/// checksum.
pub(crate) fn encode_32(bytes: &[u8; 32]) -> Zeroizing<String> {
    let [check, ..] = sha256_of_secret(&[bytes]);
    let mut all = Zeroizing::new([0; 33]);
    all.iter_mut().zip(bytes.iter().chain([&check])).for_each(|(place, byte)| *place = *byte);
    encode(all.as_slice(), 24)
}

/// Decodes the words of [`encode_32`]. Upper case, several blanks, and words cut to four letters or
/// more are accepted.
pub(crate) fn decode_32(text: &str) -> Result<Zeroizing<[u8; 32]>, WordsError> {
    let mut bits = Zeroizing::new([0_u8; 33]);
    let mut count = 0;
    for word in text.split_whitespace() {
        let index = find(word).ok_or(WordsError::Unknown(count + 1))?;
        for bit in 0..BITS {
            let at = count * BITS + bit;
            if index >> (BITS - 1 - bit) & 1 == 1
                && let Some(byte) = bits.get_mut(at / 8)
            {
                *byte |= 0x80 >> (at % 8);
            }
        }
        count += 1;
    }
    if count != 24 {
        return Err(WordsError::Count);
    }
    let mut bytes = Zeroizing::new([0; 32]);
    bytes.iter_mut().zip(bits.iter()).for_each(|(place, byte)| *place = *byte);
    let [check, ..] = sha256_of_secret(&[bytes.as_slice()]);
    if bits.last() != Some(&check) {
        return Err(WordsError::Checksum);
    }
    Ok(bytes)
}

/// Finds the index of a word in the list, or of the only word that begins with at least four given
/// letters; `None` if there is none.
fn find(word: &str) -> Option<usize> {
    let mut letters: Vec<u8> = word.bytes().map(|byte| byte.to_ascii_lowercase()).collect();
    let from = LIST.partition_point(|entry| entry.as_bytes() < letters.as_slice());
    let found = LIST.get(from).is_some_and(|entry| {
        let entry = entry.as_bytes();
        entry == letters || letters.len() >= 4 && entry.starts_with(&letters)
    });
    letters.zeroize();
    found.then_some(from)
}

/// Returns eleven bits of `bytes` from bit `at` on, the most significant first. Bits beyond the end
/// are zeros.
fn eleven_bits(bytes: &[u8], at: usize) -> usize {
    let byte = |index: usize| usize::from(bytes.get(at / 8 + index).copied().unwrap_or_default());
    (byte(0) << 16 | byte(1) << 8 | byte(2)) >> (24 - BITS - at % 8) & (LIST_LEN - 1)
}

const fn list(text: &'static str) -> [&'static str; LIST_LEN] {
    let mut words = [""; LIST_LEN];
    let mut rest = text.as_bytes();
    let mut index = 0;
    while index < LIST_LEN {
        let mut end = 0;
        while let Some((_, tail)) = rest.split_at_checked(end)
            && let Some((byte, _)) = tail.split_first()
            && *byte != b'\n'
        {
            end += 1;
        }
        let Some((word, tail)) = rest.split_at_checked(end) else { break };
        let (Ok(word), Some((_, tail))) = (core::str::from_utf8(word), tail.split_first()) else { break };
        #[expect(clippy::indexing_slicing, reason = "the loop's bound is the array's length")]
        {
            words[index] = word;
        }
        rest = tail;
        index += 1;
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_whole() {
        assert_eq!((LIST[0], LIST[1], LIST[2_047]), ("abandon", "ability", "zoo"));
        assert!(LIST.windows(2).all(|pair| pair[0] < pair[1]));
        assert!(LIST.iter().all(|word| (3..=8).contains(&word.len())));
    }

    // The 256-bit test vectors of BIP 39 with all bits 0, 1, and the pattern 7f.
    #[test]
    fn bip_39_vectors() {
        let all = |word: &str, last: &str| [&[word; 23][..], &[last]].concat().join(" ");
        assert_eq!(*encode_32(&[0; 32]), all("abandon", "art"));
        assert_eq!(*encode_32(&[0xff; 32]), all("zoo", "vote"));
        let pattern = "legal winner thank year wave sausage worth useful";
        let seven = [pattern, pattern, "legal winner thank year wave sausage worth title"].join(" ");
        assert_eq!(*encode_32(&[0x7f; 32]), seven);
    }

    #[test]
    fn comes_back_and_slips_are_seen() {
        let bytes: [u8; 32] = core::array::from_fn(|i| u8::try_from(i * 37 % 251).unwrap());
        let text = encode_32(&bytes);
        assert_eq!(*decode_32(&text).unwrap(), bytes);
        let short: Vec<_> = text.split(' ').map(|word| &word[..word.len().min(4)]).collect();
        assert_eq!(*decode_32(&short.join("  ").to_uppercase()).unwrap(), bytes);
        let mut words: Vec<_> = text.split(' ').collect();
        assert_eq!(decode_32(&words[..23].join(" ")), Err(WordsError::Count));
        assert_eq!(decode_32(&[&words[..], &["zoo"]].concat().join(" ")), Err(WordsError::Count));
        words.swap(3, 4);
        assert_eq!(decode_32(&words.join(" ")), Err(WordsError::Checksum));
        words[6] = "zoos";
        assert_eq!(decode_32(&words.join(" ")), Err(WordsError::Unknown(7)));
        assert_eq!(decode_32(""), Err(WordsError::Count));
    }
}
