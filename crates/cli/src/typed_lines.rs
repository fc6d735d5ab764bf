//! Lines of standard input, as bytes. A line that is not UTF-8, or too long, is reported by its
//! number, and the lines behind it are read all the same.

use std::io;

use deaddrop_client::MAX_TEXT;
use tokio::{
    io::{AsyncBufRead, AsyncBufReadExt, BufReader},
    sync::mpsc,
};

use crate::failure::Failure;

/// Maximum number of lines that are read before the vault has taken them: the reader of a long
/// input waits then.
const TYPED_AHEAD: usize = 64;
/// Maximum number of bytes of a line that are kept: those of the longest text, and the `/` that is
/// typed before a text that begins with `/`.
const MAX_LINE: usize = MAX_TEXT + 1;

/// A line of the input, without its line end.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum TypedLine {
    /// A line of UTF-8 with at most [`MAX_LINE`] bytes: a command or a text. A text that does not
    /// begin with `/` can be one byte longer than may be sent.
    Text(String),
    /// A line that cannot be sent: its number, from 1, and the reason.
    Unusable(u64, Unusable),
}

/// The reason for which a line cannot be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unusable {
    /// The line is not UTF-8.
    NotText,
    /// The line has more than [`MAX_LINE`] bytes.
    TooLong,
}

impl Unusable {
    /// Returns the reason in words for people.
    pub(crate) const fn human(self) -> &'static str {
        match self {
            Self::NotText => "it is not UTF-8 text",
            Self::TooLong => "it is longer than 60,000 bytes; send it in parts",
        }
    }

    /// Returns the reason as a word in JSON.
    pub(crate) const fn code(self) -> &'static str {
        match self {
            Self::NotText => "not_utf8",
            Self::TooLong => "text_too_long",
        }
    }
}

/// A reader of lines that keeps no more of a line than [`MAX_LINE`] bytes.
struct LineReader<R> {
    input: R,
    number: u64,
    line: Vec<u8>,
}

impl<R: AsyncBufRead + Unpin> LineReader<R> {
    fn new(input: R) -> Self {
        Self { input, number: 0, line: Vec::new() }
    }

    /// Reads the next line; `None` at the end of the input. The last line may lack its newline.
    async fn next(&mut self) -> io::Result<Option<TypedLine>> {
        self.line.clear();
        self.number += 1;
        let (mut is_empty, mut is_too_long) = (true, false);
        loop {
            let bytes = self.input.fill_buf().await?;
            if bytes.is_empty() {
                if is_empty {
                    return Ok(None);
                }
                break;
            }
            is_empty = false;
            let end = bytes.iter().position(|byte| *byte == b'\n');
            let part = bytes.get(..end.unwrap_or(bytes.len())).unwrap_or_default();
            // One byte more than fits, and a carriage return.
            let room = (MAX_LINE + 2).saturating_sub(self.line.len());
            is_too_long |= part.len() > room;
            self.line.extend_from_slice(part.get(..room).unwrap_or(part));
            let used = part.len() + usize::from(end.is_some());
            self.input.consume(used);
            if end.is_some() {
                break;
            }
        }
        let line = self.line.strip_suffix(b"\r").unwrap_or(&self.line);
        if is_too_long || line.len() > MAX_LINE {
            return Ok(Some(TypedLine::Unusable(self.number, Unusable::TooLong)));
        }
        Ok(Some(match str::from_utf8(line) {
            Ok(text) => TypedLine::Text(text.to_owned()),
            Err(_) => TypedLine::Unusable(self.number, Unusable::NotText),
        }))
    }
}

/// Reads the lines of standard input in a task of its own, and sends them over the returned
/// channel, which ends with the input, or with the failure of an input that cannot be read.
pub(crate) fn typed_lines() -> mpsc::Receiver<Result<TypedLine, Failure>> {
    let (to, typed) = mpsc::channel(TYPED_AHEAD);
    tokio::spawn(async move {
        let mut lines = LineReader::new(BufReader::new(tokio::io::stdin()));
        loop {
            let line = match lines.next().await {
                Ok(Some(line)) => Ok(line),
                Ok(None) => return,
                Err(error) => Err(Failure::new(format_args!("standard input cannot be read: {error}"))),
            };
            let failed = line.is_err();
            if to.send(line).await.is_err() || failed {
                return;
            }
        }
    });
    typed
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncReadExt;

    async fn all(input: &[u8]) -> Vec<TypedLine> {
        let mut lines = LineReader::new(BufReader::with_capacity(7, input));
        let mut all = Vec::new();
        while let Some(line) = lines.next().await.unwrap() {
            all.push(line);
        }
        all
    }

    #[tokio::test]
    async fn lines_behind_one_that_is_no_text_still_count() {
        let text = |text: &str| TypedLine::Text(text.to_owned());
        let refused = |number| TypedLine::Unusable(number, Unusable::NotText);
        assert_eq!(
            all(b"one\r\n\xff\xfe\n\nzero \0 byte\nlast \xc3\xa4").await,
            [text("one"), refused(2), text(""), text("zero \0 byte"), text("last \u{e4}")]
        );
        assert_eq!(all(b"\xc3").await, [refused(1)], "cut in the middle of a character");
        assert!(all(b"").await.is_empty());
    }

    #[tokio::test]
    async fn a_line_without_end_is_told_and_takes_no_memory() {
        let long = tokio::io::repeat(b'x').take(64 << 20);
        let mut lines = LineReader::new(BufReader::new(long.chain(&b"\nnext"[..])));
        assert_eq!(lines.next().await.unwrap(), Some(TypedLine::Unusable(1, Unusable::TooLong)));
        assert!(lines.line.capacity() <= 4 * MAX_LINE, "{}", lines.line.capacity());
        assert_eq!(lines.next().await.unwrap(), Some(TypedLine::Text("next".to_owned())));
        for (len, is_text) in [(MAX_LINE, true), (MAX_LINE + 1, false), (MAX_LINE + 2, false)] {
            let line = [&vec![b'x'; len][..], b"\r\n"].concat();
            assert_eq!(matches!(all(&line).await[..], [TypedLine::Text(_)]), is_text, "{len}");
        }
    }
}
