//! An identity on paper.

use deaddrop_crypto::IdentitySeed;

/// 24 words.
pub fn words(data: &[u8]) {
    let Ok(text) = core::str::from_utf8(data) else { return };
    if let Ok(seed) = IdentitySeed::from_words(text) {
        let words = seed.to_words();
        assert!(IdentitySeed::from_words(&words).expect("its own words") == seed);
        assert_eq!(text.split_whitespace().count(), 24);
        for (given, word) in text.split_whitespace().zip(words.split(' ')) {
            assert!(word.starts_with(&given.to_ascii_lowercase()), "other words");
        }
    }
    if let Some(seed) = data.first_chunk() {
        let words = IdentitySeed::from_bytes(*seed).to_words();
        assert_eq!(IdentitySeed::from_words(&words.to_uppercase()).expect("its own words").expose(), seed);
    }
}
