//! Names of contacts: each has one stored spelling and only visible characters, and no two look
//! alike (spec/14-client.md section 5).

use crate::{error::EngineError, text::invisible_in};
use unicode_normalization::UnicodeNormalization;
use unicode_security::skeleton;

/// Maximum length of a name in characters (spec/14-client.md section 5).
pub(super) const MAX_NAME: usize = 64;

/// Returns the stored spelling of a name: in Unicode normalization form NFC, without white space at
/// the ends.
pub(super) fn canonical(name: &str) -> String {
    name.trim().nfc().collect()
}

/// Returns the stored spelling of a name. Fails with [`EngineError::BadName`] if the name is empty,
/// has more than [`MAX_NAME`] characters, or has a control character or one that cannot be seen.
pub(super) fn checked(name: &str) -> Result<String, EngineError> {
    let name = canonical(name);
    let count = name.chars().count();
    if count == 0
        || count > MAX_NAME
        || name.chars().any(char::is_control)
        || invisible_in(&name).next().is_some()
    {
        return Err(EngineError::BadName);
    }
    Ok(name)
}

/// Whether a person may mistake one name for the other: letters of another script or another case,
/// digits in place of letters, or invisible characters.
pub(super) fn is_look_alike(one: &str, other: &str) -> bool {
    let seen = |name: &str| -> String { name.chars().filter(|c| !crate::text::is_invisible(*c)).collect() };
    let (one, other) = (seen(one), seen(other));
    let lower = |name: &str| name.nfkc().flat_map(char::to_lowercase).collect::<String>();
    let upper = |name: &str| name.nfkc().flat_map(char::to_uppercase).collect::<String>();
    skeleton(&one).eq(skeleton(&other))
        || skeleton(&lower(&one)).eq(skeleton(&lower(&other)))
        || skeleton(&upper(&one)).eq(skeleton(&upper(&other)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_one_spelling() {
        assert_eq!(checked(" Ju\u{308}rgen\u{a0}").as_deref(), Ok("J\u{fc}rgen"));
        assert_eq!(checked("\u{212b}sa").as_deref(), Ok("\u{c5}sa"));
        for name in [
            "Ben",
            "Ben's mum",
            "\u{41c}\u{430}\u{448}\u{430}",
            "\u{2764}\u{fe0f}",
            "\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467}",
        ] {
            assert_eq!(checked(name).as_deref(), Ok(name));
        }
        let long = "e\u{301}".repeat(64);
        assert_eq!(checked(&long).map(|name| name.chars().count()), Ok(64), "counted in its one spelling");
    }

    #[test]
    fn what_is_not_seen_is_refused() {
        for name in [
            "",
            " ",
            "\u{3000}",
            "a\nb",
            "a\u{1b}b",
            "a\u{85}b",
            "be\u{200b}n",
            "ben\u{200d}",
            "\u{202e}neb",
            "ben\u{200e}",
            "be\u{ad}n",
            "\u{feff}ben",
            "ben\u{e0041}",
            "b\u{fe0f}en",
            "a\u{2028}b",
            "\u{3164}",
        ] {
            assert_eq!(checked(name), Err(EngineError::BadName), "{}", name.escape_unicode());
        }
        assert_eq!(checked(&"x".repeat(65)), Err(EngineError::BadName));
    }

    #[test]
    fn names_that_look_alike_are_told() {
        for (one, other) in [
            ("ben", "b\u{435}n"),
            ("ben", "Ben"),
            ("ben", "BEN"),
            ("Ilse", "llse"),
            ("paul", "pau1"),
            ("Bob", "B0b"),
            ("ben", "\u{ff42}\u{ff45}\u{ff4e}"),
            ("Stra\u{df}e", "STRA\u{1e9e}E"),
            ("\u{2764}", "\u{2764}\u{fe0f}"),
        ] {
            assert!(is_look_alike(one, other) && is_look_alike(other, one), "{one} {other}");
        }
        for (one, other) in
            [("ben", "bene"), ("ben", "dan"), ("J\u{fc}rgen", "Jurgen"), ("ada 1", "ada 2"), ("1", "2")]
        {
            assert!(!is_look_alike(one, other), "{one} {other}");
        }
    }
}
