//! What is printed: text for people, or one JSON object per line; notes and errors on stderr.

use std::{
    fmt,
    io::{self, IsTerminal, Write},
};

use serde::Serialize;

use crate::failure::Failure;

/// Where a command prints to.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    json: bool,
}

impl Output {
    /// Text for people, or JSON.
    pub fn new(json: bool) -> Self {
        Self { json }
    }

    /// JSON was asked for.
    pub fn is_json(self) -> bool {
        self.json
    }

    /// A person sits in front of it.
    pub fn is_terminal(self) -> bool {
        !self.json && io::stdout().is_terminal()
    }

    /// Prints one thing: as text for people, or as one object on a line of its own.
    pub fn say(self, human: impl fmt::Display, object: &impl Serialize) -> Result<(), Failure> {
        if self.json { self.object(object) } else { self.text(human) }
    }

    /// Prints a line that only people want.
    pub fn text(self, human: impl fmt::Display) -> Result<(), Failure> {
        if self.json { Ok(()) } else { write_line(&mut io::stdout().lock(), &human.to_string()) }
    }

    /// Prints an object that only programs want. It leaves in one write, so that a reader of lines whose writer is killed
    /// sees the whole of it or knows that it is not whole.
    pub fn object(self, object: &impl Serialize) -> Result<(), Failure> {
        if !self.json {
            return Ok(());
        }
        let line = serde_json::to_string(object).map_err(Failure::new)?;
        write_line(&mut io::stdout().lock(), &line)
    }

    /// Tells a person something beside the output. A closed stderr is no reason to stop.
    pub fn note(self, text: impl fmt::Display) {
        let _ = write_line(&mut io::stderr().lock(), &text.to_string());
    }
}

fn write_line(to: &mut impl Write, line: &str) -> Result<(), Failure> {
    let mut bytes = Vec::with_capacity(line.len() + 1);
    bytes.extend_from_slice(line.as_bytes());
    bytes.push(b'\n');
    to.write_all(&bytes).and_then(|()| to.flush()).map_err(|error| Failure::output(&error))
}

/// Somebody else's text on our terminal: whatever would command the terminal, or reorder what stands around it, is shown as a
/// visible escape. JSON output carries texts as they are.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'a>(pub &'a str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write as _;
        for c in self.0.chars() {
            match c {
                '\n' => f.write_str("\n    ")?,
                '\t' => f.write_char(c)?,
                // Overrides and isolates of writing direction.
                '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => write!(f, "{}", c.escape_unicode())?,
                _ if c.is_control() => write!(f, "{}", c.escape_unicode())?,
                _ => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

/// A name as it is typed in a command: in quotes if a shell would take it apart.
#[derive(Debug, Clone, Copy)]
pub struct Typed<'a>(pub &'a str);

impl fmt::Display for Typed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '@');
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
    use super::{Shown, Typed};

    #[test]
    fn a_name_to_be_typed_is_one_word_of_a_shell() {
        assert_eq!(Typed("ben_2.x").to_string(), "ben_2.x");
        assert_eq!(Typed("J\u{fc}rgen").to_string(), "J\u{fc}rgen");
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
