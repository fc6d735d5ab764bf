//! Printing: text for people, or one JSON object per line; notes and errors on stderr.

use std::{
    fmt,
    io::{self, IsTerminal, Write},
};

use deaddrop_client::{invisible_in, is_invisible};
use serde::Serialize;
use serde_json::json;

use crate::failure::Failure;

/// The form in which a command prints: text for people, or JSON.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    json: bool,
}

impl Output {
    /// Returns the form JSON, or else text for people.
    pub fn new(json: bool) -> Self {
        Self { json }
    }

    /// Whether JSON was asked for.
    pub fn is_json(self) -> bool {
        self.json
    }

    /// Whether text is printed, and stdout is a terminal.
    pub fn is_terminal(self) -> bool {
        !self.json && io::stdout().is_terminal()
    }

    /// Prints one result: `human` as text for people, or `object` as JSON on a line of its own.
    pub fn say(self, human: impl fmt::Display, object: &impl Serialize) -> Result<(), Failure> {
        if self.json { self.object(object) } else { self.text(human) }
    }

    /// Prints a line of text for people; prints nothing in JSON.
    pub fn text(self, human: impl fmt::Display) -> Result<(), Failure> {
        if self.json {
            return Ok(());
        }
        write_line(&mut io::stdout().lock(), &visible(&human.to_string(), Layout::Kept))
    }

    /// Prints a JSON object on a line of its own; prints nothing as text. The line is written at
    /// once, so that a reader whose writer is killed gets a whole line or one without its end.
    pub fn object(self, object: &impl Serialize) -> Result<(), Failure> {
        if !self.json {
            return Ok(());
        }
        let line = serde_json::to_string(object).map_err(Failure::new)?;
        write_line(&mut io::stdout().lock(), &visible_json(&line))
    }

    /// Prints `text` as a note on stderr for people, or `object` on stdout as JSON.
    pub fn note_or_object(self, text: impl fmt::Display, object: &impl Serialize) -> Result<(), Failure> {
        if self.json {
            return self.object(object);
        }
        self.note(text);
        Ok(())
    }

    /// Prints a note on stderr: in words, or as a JSON object. A closed stderr is ignored.
    pub fn note(self, text: impl fmt::Display) {
        self.tell(&format!("deaddrop: {text}"), &json!({ "note": text.to_string() }));
    }

    /// Prints the reason for which a command has failed on stderr: in words, or as a JSON object.
    pub fn fail(self, failure: &Failure) {
        let object = json!({ "error": failure.code(), "message": failure.to_string() });
        self.tell(&format!("deaddrop: {failure}"), &object);
    }

    fn tell(self, text: &str, object: &serde_json::Value) {
        let line = if self.json { visible_json(&object.to_string()) } else { visible(text, Layout::Kept) };
        let _ = write_line(&mut io::stderr().lock(), &line);
    }
}

/// Returns a number with its noun: `1 message`, `2 messages`.
pub fn counted(number: impl Into<u64>, thing: &str) -> String {
    match number.into() {
        1 => format!("1 {thing}"),
        many => format!("{many} {thing}s"),
    }
}

fn write_line(to: &mut impl Write, line: &str) -> Result<(), Failure> {
    let mut bytes = Vec::with_capacity(line.len() + 1);
    bytes.extend_from_slice(line.as_bytes());
    bytes.push(b'\n');
    to.write_all(&bytes).and_then(|()| to.flush()).map_err(|error| Failure::output(&error))
}

/// The treatment of the line breaks of a text.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Layout {
    /// The line breaks are the program's own.
    Kept,
    /// Each further line is indented, so that it cannot be taken for a line of the program.
    Indented,
}

/// Replaces by visible escapes (such as `\u{202e}`) all characters that control a terminal, cannot
/// be seen, or change the order of the text around them.
fn visible(text: &str, layout: Layout) -> String {
    let mut invisible = invisible_in(text).map(|(at, _)| at).peekable();
    let mut visible = String::with_capacity(text.len());
    for (at, c) in text.char_indices() {
        let is_invisible = invisible.next_if_eq(&at).is_some();
        match c {
            '\n' if layout == Layout::Indented => visible.push_str("\n    "),
            '\n' | '\t' => visible.push(c),
            _ if is_invisible || c.is_control() => visible.extend(c.escape_unicode()),
            _ => visible.push(c),
        }
    }
    visible
}

/// Replaces the characters that [`visible`] replaces by JSON escapes, `\u` and four hexadecimal
/// digits. In a line of JSON they are in strings only.
fn visible_json(line: &str) -> String {
    let mut visible = String::with_capacity(line.len());
    for c in line.chars() {
        if is_invisible(c) || c.is_control() {
            for unit in c.encode_utf16(&mut [0; 2]) {
                visible.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            visible.push(c);
        }
    }
    visible
}

/// The text of another person, to be printed on this terminal: characters that would control the
/// terminal, cannot be seen, or change the order of the text around them are shown as visible
/// escapes.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'a>(pub &'a str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&visible(self.0, Layout::Indented))
    }
}

/// A name or a path, to be printed as it is typed in a command: in quotes if a shell would split or
/// change it.
#[derive(Debug, Clone, Copy)]
pub struct Typed<'a>(pub &'a str);

impl fmt::Display for Typed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '@' | '/');
        if self.0.chars().all(is_plain) && !self.0.is_empty() && !self.0.starts_with('-') {
            return f.write_str(self.0);
        }
        // A name that begins with `-` would be taken for an option.
        let dashes = if self.0.starts_with('-') { "-- " } else { "" };
        write!(f, "{dashes}'{}'", Shown(&self.0.replace('\'', r"'\''")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All kinds of characters that are escaped: marks of direction, separators, zero widths, the
    /// byte order mark, controls, tags.
    const HIDDEN: &str = "\u{200e}\u{200f}\u{61c}\u{202a}\u{202b}\u{202c}\u{202d}\u{202e}\u{2066}\u{2067}\u{2068}\u{2069}\u{2028}\u{2029}\u{200b}\u{200c}\u{200d}\u{2060}\u{feff}\u{ad}\u{0}\u{7}\u{1b}\u{7f}\u{80}\u{9b}\u{9f}\u{e0001}\u{e0041}\u{e007f}";

    #[test]
    fn what_is_not_seen_is_escaped_one_by_one() {
        for c in HIDDEN.chars() {
            let escaped = format!("a{}b", c.escape_unicode());
            assert_eq!(Shown(&format!("a{c}b")).to_string(), escaped);
            assert_eq!(visible(&format!("a{c}b"), Layout::Kept), escaped);
        }
        let family = "\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467} \u{2764}\u{fe0f}";
        assert_eq!(Shown(family).to_string(), family, "pictures stay whole");
        assert_eq!(Shown("x\u{200d}y").to_string(), "x\\u{200d}y");
    }

    #[test]
    fn json_stays_json_and_is_ascii_where_it_matters() {
        let text = format!("\\{HIDDEN}\"\u{1f468}\u{200d}\u{1f469}\n\u{e4}");
        let line = visible_json(&serde_json::to_string(&[&text]).unwrap());
        assert!(line.chars().all(|c| !is_invisible(c) && !c.is_control()), "{line}");
        assert!(
            line.contains("\\u200e") && line.contains("\\udb40\\udc41") && line.contains('\u{e4}'),
            "{line}"
        );
        assert_eq!(serde_json::from_str::<Vec<String>>(&line).unwrap(), [text]);
    }

    #[test]
    fn a_name_to_be_typed_is_one_word_of_a_shell() {
        assert_eq!(Typed("ben_2.x").to_string(), "ben_2.x");
        assert_eq!(Typed("J\u{fc}rgen").to_string(), "J\u{fc}rgen");
        assert_eq!(Typed("/srv/ada").to_string(), "/srv/ada");
        assert_eq!(Typed("big ben").to_string(), "'big ben'");
        assert_eq!(Typed("$HOME'").to_string(), r"'$HOME'\'''");
        assert_eq!(Typed("-x").to_string(), "-- '-x'");
    }

    #[test]
    fn a_text_cannot_command_the_terminal() {
        assert_eq!(Shown("plain \u{e4}\u{1f980}\t.").to_string(), "plain \u{e4}\u{1f980}\t.");
        assert_eq!(Shown("\u{1b}[2J").to_string(), "\\u{1b}[2J");
        assert_eq!(Shown("a\u{202e}b\u{9b}c\rd").to_string(), "a\\u{202e}b\\u{9b}c\\u{d}d");
        assert_eq!(Shown("one\nben: two").to_string(), "one\n    ben: two");
    }
}
