//! Characters that cannot be seen, or that mislead readers of the text around them.

/// Whether a character has no shape of its own, or changes the order or the shape of its
/// neighbours: marks and overrides of writing direction, zero-width characters, soft hyphens,
/// fillers, line and paragraph separators, variation selectors and tags. Names of contacts hold
/// none of them, except within emoji. A program that shows what others wrote should make them
/// visible.
#[must_use]
pub const fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
        | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// Returns the [invisible](is_invisible) characters of a text with their byte positions, without
/// those that join emoji to one picture or choose their colours.
pub fn invisible_in(text: &str) -> impl Iterator<Item = (usize, char)> {
    let mut before = None;
    text.char_indices().filter(move |(at, c)| {
        let after = || text.get(at + c.len_utf8()..).and_then(|rest| rest.chars().next());
        let is_part = match (*c, before) {
            ('\u{fe0f}', Some(before)) => is_emoji(before),
            ('\u{200d}', Some(before)) => {
                (is_emoji(before) || before == '\u{fe0f}') && after().is_some_and(is_emoji)
            }
            _ => false,
        };
        before = Some(*c);
        is_invisible(*c) && !is_part
    })
}

/// Whether a character is in a block of symbols or pictographs, which hold no letter or digit.
const fn is_emoji(c: char) -> bool {
    matches!(c, '\u{2190}'..='\u{27bf}' | '\u{2900}'..='\u{2bff}' | '\u{1f000}'..='\u{1faff}')
}

#[cfg(test)]
mod tests {
    use super::{invisible_in, is_invisible};

    #[test]
    fn only_emoji_are_joined() {
        let found = |text| invisible_in(text).map(|(at, _)| at).collect::<Vec<_>>();
        assert!(found("\u{2764}\u{fe0f}\u{200d}\u{1f525} \u{1f468}\u{1f3fd}\u{200d}\u{1f680}").is_empty());
        assert_eq!(found("a\u{200d}b"), [1]);
        assert_eq!(found("\u{1f468}\u{200d}b\u{1f468}\u{200d}"), [4, 12]);
        assert_eq!(found("\u{fe0f}a\u{fe0f}1\u{fe0f}"), [0, 4, 8]);
        assert_eq!(found("\u{2764}\u{fe0f}\u{fe0f}"), [6]);
    }

    #[test]
    fn letters_and_symbols_are_seen() {
        for c in "aZ9 -_.@\u{e4}\u{416}\u{5d0}\u{4e2d}\u{1f980}\u{301}\u{2014}".chars() {
            assert!(!is_invisible(c), "{}", c.escape_unicode());
        }
        for c in "\u{ad}\u{61c}\u{200b}\u{200d}\u{200e}\u{200f}\u{2028}\u{2029}\u{202e}\u{2060}\u{2066}\u{2069}\u{feff}\u{e0001}\u{e0041}\u{e007f}\u{fe0f}".chars() {
            assert!(is_invisible(c), "{}", c.escape_unicode());
        }
    }
}
