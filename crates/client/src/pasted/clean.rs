//! Removes characters that mail programs and messengers add to a text, and decodes their encodings.

use core::ops::Deref;
use deaddrop_engine::is_invisible;
use zeroize::Zeroizing;

/// Entities of HTML, each with the character for which it is written in links or around them.
const ENTITIES: [(&str, &str); 8] = [
    ("&amp;", "&"),
    ("&#35;", "#"),
    ("&#x23;", "#"),
    ("&lt;", "<"),
    ("&gt;", ">"),
    ("&quot;", "\""),
    ("&#39;", "'"),
    ("&nbsp;", " "),
];
/// Number of times that percent-encoding is undone: a text that was forwarded may be encoded twice.
const PERCENT_PASSES: usize = 2;

/// A text without the changes that mail programs make. A link in it is unchanged, but may be broken
/// into several lines.
pub(super) struct Cleaned(Zeroizing<String>);

impl Deref for Cleaned {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl Cleaned {
    pub(super) fn of(text: &str) -> Self {
        let mut cleaned = without_soft_breaks(&without_quoting(&without_invisible(text)));
        for (entity, character) in ENTITIES {
            if cleaned.contains(entity) {
                cleaned = Zeroizing::new(cleaned.replace(entity, character));
            }
        }
        for _ in 0..PERCENT_PASSES {
            if !cleaned.contains('%') {
                break;
            }
            cleaned = without_percent(&cleaned);
        }
        Self(cleaned)
    }

    /// Returns the number of underscores before the position `start` of a link. They mark emphasis,
    /// so as many may follow the link.
    pub(super) fn emphasis(&self, start: usize) -> usize {
        let before = self.get(..start).unwrap_or_default();
        before.len() - before.trim_end_matches('_').len()
    }
}

/// Removes characters that are not visible, and replaces typographic hyphens by `-` and dashes by
/// `--`.
fn without_invisible(text: &str) -> Zeroizing<String> {
    // A dash of three bytes becomes two hyphens, so nothing grows.
    let mut plain = Zeroizing::new(String::with_capacity(text.len()));
    for c in text.chars() {
        match c {
            // Programs that correct what is typed make one dash of two hyphens, and a typographic hyphen of one.
            '\u{2013}' | '\u{2014}' => plain.push_str("--"),
            '\u{2010}' | '\u{2011}' | '\u{2212}' => plain.push('-'),
            // Line separators are white space.
            '\u{2028}' | '\u{2029}' => plain.push('\n'),
            c if is_invisible(c) => {}
            c => plain.push(c),
        }
    }
    plain
}

/// Removes all `>`, spaces and tabs at the beginning of each line: an answer quotes by them.
fn without_quoting(text: &str) -> Zeroizing<String> {
    let mut lines = Zeroizing::new(String::with_capacity(text.len()));
    for line in text.split_inclusive('\n') {
        lines.push_str(line.trim_start_matches(['>', ' ', '\t']));
    }
    lines
}

/// Removes the `=` that quoted-printable puts at the ends of lines, and decodes its codes for `=`
/// and `#`.
fn without_soft_breaks(text: &str) -> Zeroizing<String> {
    let mut joined = Zeroizing::new(String::with_capacity(text.len()));
    let mut is_encoded = false;
    for line in text.split_inclusive('\n') {
        match line.trim_end().strip_suffix('=') {
            Some(start) if line.ends_with('\n') => {
                joined.push_str(start);
                is_encoded = true;
            }
            _ => joined.push_str(line),
        }
    }
    if is_encoded { Zeroizing::new(joined.replace("=3D", "=").replace("=23", "#")) } else { joined }
}

/// Decodes percent-encoded bytes that are visible ASCII characters. No link holds a percent sign.
fn without_percent(text: &str) -> Zeroizing<String> {
    let mut decoded = Zeroizing::new(String::with_capacity(text.len()));
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('%') {
        decoded.push_str(before);
        let code = behind.get(..2).filter(|code| code.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let byte = code.and_then(|code| u8::from_str_radix(code, 16).ok()).filter(u8::is_ascii_graphic);
        match byte {
            Some(byte) => decoded.push(char::from(byte)),
            None => decoded.push('%'),
        }
        rest = if byte.is_some() { behind.get(2..).unwrap_or_default() } else { behind };
    }
    decoded.push_str(rest);
    decoded
}
