//! The 24 words in which an identity's seed is written down.

use deaddrop_e2ee::identity::{IdentitySeed, UnconfirmedIdentity};

/// Runs the target `words`: parses any text as 24 words, and writes any seed as words.
pub fn words(data: &[u8]) {
    let Ok(text) = core::str::from_utf8(data) else { return };
    let read = |text: &str| UnconfirmedIdentity::from_words(text).map(UnconfirmedIdentity::confirm);
    if let Ok(found) = read(text) {
        let words = found.seed().to_words();
        assert!(read(&words).expect("its own words").seed() == found.seed());
        assert_eq!(text.split_whitespace().count(), 24);
        for (given, word) in text.split_whitespace().zip(words.split(' ')) {
            assert!(word.starts_with(&given.to_ascii_lowercase()), "other words");
        }
    }
    if let Some(seed) = data.first_chunk() {
        let words = IdentitySeed::from_bytes(*seed).to_words();
        assert_eq!(read(&words.to_uppercase()).expect("its own words").seed().expose(), seed);
    }
}
