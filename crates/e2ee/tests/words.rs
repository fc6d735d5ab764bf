//! An identity on paper, with mistakes in its words.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use deaddrop_e2ee::identity::{IdentityKeyPair, SafetyNumber, UnconfirmedIdentity, WordsError};
use deaddrop_testkit::rng;
use std::collections::BTreeSet;

const LIST: &str = include_str!("../src/identity/words.txt");

#[test]
fn one_slip_in_256_passes_the_checksum_and_shows_another_number() {
    let own = IdentityKeyPair::generate(&mut rng(24));
    let text = own.seed().to_words();
    let words: Vec<&str> = text.split(' ').collect();
    let mut numbers = BTreeSet::from([own.identity_key().number().to_digits()]);
    let (mut slips, mut passed) = (0, 0);
    for place in 0..words.len() {
        for word in LIST.lines().filter(|word| *word != words[place]) {
            let mut slip = words.clone();
            slip[place] = word;
            slips += 1;
            match UnconfirmedIdentity::from_words(&slip.join(" ")) {
                Ok(found) => {
                    passed += 1;
                    assert!(
                        numbers.insert(found.number().to_digits()),
                        "a slip shows the number of another identity"
                    );
                }
                Err(WordsError::Checksum) => {}
                Err(error) => panic!("{error}"),
            }
        }
    }
    assert_eq!(slips, 24 * 2_047);
    // 192 are to be expected; five standard deviations are 69.
    assert!((123..=261).contains(&passed), "{passed} of {slips}");
}

#[test]
fn the_number_of_an_identity_is_a_half_of_its_safety_numbers() {
    let rng = &mut rng(1);
    let (one, other) = (IdentityKeyPair::generate(rng), IdentityKeyPair::generate(rng));
    let numbers = [&one, &other].map(|pair| pair.identity_key().number());
    let safety = SafetyNumber::new(one.identity_key().hash(), other.identity_key().hash());
    let mut digits = numbers.each_ref().map(|number| number.to_digits());
    assert!(digits.iter().all(|digits| digits.len() == 35 && safety.to_digits().contains(digits.as_str())));
    assert_ne!(digits[0], digits[1]);
    if !safety.to_digits().starts_with(&digits[0]) {
        digits.reverse();
    }
    assert_eq!(safety.to_digits(), digits.join(" "));
    let words = numbers.map(|number| number.to_words());
    assert!(
        words.iter().all(|words| words.split(' ').count() == 9 && safety.to_words().contains(words.as_str()))
    );
}

#[test]
fn what_was_confirmed_is_the_same_identity() {
    let own = IdentityKeyPair::generate(&mut rng(2));
    let found = UnconfirmedIdentity::from_words(&own.seed().to_words().to_uppercase()).unwrap();
    assert_eq!(found.number().to_digits(), own.identity_key().number().to_digits());
    assert_eq!(found.confirm().seed(), own.seed());
}
