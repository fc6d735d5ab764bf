//! A conversation written down: one line per message, `speaker TAB text`, texts taken byte for byte.

use std::{
    collections::HashMap,
    fs,
    io::{self, Read},
    path::Path,
};

/// Maximum number of bytes of a transcript, which is read into memory whole: 64 MiB, more than a
/// conversation of years.
pub const MAX_TRANSCRIPT_BYTES: u64 = 64 << 20;

/// One line of a transcript: one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The name of the speaker.
    pub speaker: String,
    /// The text, byte for byte as it follows the TAB.
    pub text: String,
}

/// The lines of a conversation in their order; at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transcript {
    lines: Vec<Line>,
}

/// The form of a line of a transcript, for the texts of errors.
const SHAPE: &str = "each line must be: speaker, TAB, text";

/// The reason for which a file was not read as a transcript.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TranscriptError {
    /// The file cannot be read.
    #[error("the transcript cannot be read")]
    Unreadable(#[source] io::Error),
    /// The file is larger than [`MAX_TRANSCRIPT_BYTES`].
    #[error("the transcript is larger than {} MiB", MAX_TRANSCRIPT_BYTES >> 20)]
    TooLarge,
    /// The file has no line.
    #[error("the transcript is empty; {shape}", shape = SHAPE)]
    Empty,
    /// The line of this number, from 1, is not UTF-8.
    #[error("line {0} is not UTF-8 text, so this is no transcript; {shape}", shape = SHAPE)]
    NotText(usize),
    /// The line of this number, from 1, has no TAB.
    #[error("line {0} has no TAB, so this is no transcript; {shape}", shape = SHAPE)]
    NoTab(usize),
    /// The line of this number, from 1, has nothing before its TAB.
    #[error("line {0} names no speaker before the TAB; {shape}", shape = SHAPE)]
    NoSpeaker(usize),
    /// The line of this number, from 1, has nothing after its TAB.
    #[error("line {0} has no text after the TAB; {shape}", shape = SHAPE)]
    NoText(usize),
    /// The text in the line of this number, from 1, is longer than a message may be.
    #[error("line {0} is longer than one message may be; split it")]
    TooLong(usize),
    /// No speaker has the name that was given with `--me`.
    #[error("no speaker in the transcript has the name given with --me; names count letter by letter")]
    NoSuchSpeaker,
}

impl Transcript {
    /// Reads a transcript from a file. Each of its texts may have up to `max_text` bytes.
    pub fn read(path: &Path, max_text: usize) -> Result<Self, TranscriptError> {
        let file = fs::File::open(path).map_err(TranscriptError::Unreadable)?;
        let mut bytes = Vec::new();
        file.take(MAX_TRANSCRIPT_BYTES + 1).read_to_end(&mut bytes).map_err(TranscriptError::Unreadable)?;
        if u64::try_from(bytes.len()).map_or(true, |len| len > MAX_TRANSCRIPT_BYTES) {
            return Err(TranscriptError::TooLarge);
        }
        Self::parse(&bytes, max_text)
    }

    /// Parses the bytes of a transcript. Each of its texts may have up to `max_text` bytes. The
    /// last line may lack its newline; a byte order mark and carriage returns at the ends of lines
    /// are not part of the conversation.
    pub fn parse(bytes: &[u8], max_text: usize) -> Result<Self, TranscriptError> {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        if bytes.is_empty() {
            return Err(TranscriptError::Empty);
        }
        let lines = bytes.split(|&byte| byte == b'\n').zip(1..);
        Ok(Self {
            lines: lines
                .map(|(line, number)| parse_line(line, number, max_text))
                .collect::<Result<_, _>>()?,
        })
    }

    /// Returns the lines in their order.
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// Returns the name of the speaker whose lines go to the first person: `asked` if it is given,
    /// else the speaker with the most lines (of several such, the first). Fails with
    /// [`TranscriptError::NoSuchSpeaker`] if no speaker has the given name.
    pub fn me(&self, asked: Option<&str>) -> Result<&str, TranscriptError> {
        if let Some(name) = asked {
            let found = self.lines.iter().map(|line| line.speaker.as_str()).find(|&speaker| speaker == name);
            return found.ok_or(TranscriptError::NoSuchSpeaker);
        }
        let mut counts = HashMap::<&str, usize>::new();
        for line in &self.lines {
            *counts.entry(&line.speaker).or_default() += 1;
        }
        let mut best: Option<(&str, usize)> = None;
        for line in &self.lines {
            let count = counts.get(line.speaker.as_str()).copied().unwrap_or_default();
            if best.is_none_or(|(_, most)| count > most) {
                best = Some((&line.speaker, count));
            }
        }
        best.map(|(name, _)| name).ok_or(TranscriptError::Empty)
    }
}

fn parse_line(line: &[u8], number: usize, max_text: usize) -> Result<Line, TranscriptError> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let line = str::from_utf8(line).map_err(|_| TranscriptError::NotText(number))?;
    let (speaker, text) = line.split_once('\t').ok_or(TranscriptError::NoTab(number))?;
    if speaker.trim().is_empty() {
        return Err(TranscriptError::NoSpeaker(number));
    }
    if text.is_empty() {
        return Err(TranscriptError::NoText(number));
    }
    if text.len() > max_text {
        return Err(TranscriptError::TooLong(number));
    }
    Ok(Line { speaker: speaker.to_owned(), text: text.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Transcript, TranscriptError> {
        Transcript::parse(text.as_bytes(), 100)
    }

    #[test]
    fn lines_are_speaker_tab_text() {
        let talk = parse("Ada\thello\nBen\t to\tyou \nAda\t\u{1f980}").unwrap();
        let texts: Vec<_> =
            talk.lines().iter().map(|line| (line.speaker.as_str(), line.text.as_str())).collect();
        assert_eq!(texts, [("Ada", "hello"), ("Ben", " to\tyou "), ("Ada", "\u{1f980}")]);
        assert_eq!(parse("Ada\thello\r\n").unwrap().lines()[0].text, "hello");
        assert_eq!(parse("\u{feff}Ada\thello\n").unwrap().lines()[0].speaker, "Ada");
    }

    #[test]
    fn the_most_frequent_speaker_is_me_unless_told() {
        let talk = parse("A\t1\nB\t1\nB\t2\nC\t1\nC\t2\n").unwrap();
        assert_eq!(talk.me(None).unwrap(), "B");
        assert_eq!(talk.me(Some("C")).unwrap(), "C");
        assert!(matches!(talk.me(Some("c")), Err(TranscriptError::NoSuchSpeaker)));
    }

    #[test]
    fn what_is_no_transcript_is_told_by_line() {
        assert!(matches!(parse(""), Err(TranscriptError::Empty)));
        assert!(matches!(parse("\n"), Err(TranscriptError::Empty)));
        assert!(matches!(parse("A\tx\n\nA\ty\n"), Err(TranscriptError::NoTab(2))));
        assert!(matches!(parse("A\tx\nno tab here\n"), Err(TranscriptError::NoTab(2))));
        assert!(matches!(parse("A\tx\n \ty\n"), Err(TranscriptError::NoSpeaker(2))));
        assert!(matches!(parse("A\tx\nA\t\n"), Err(TranscriptError::NoText(2))));
        assert!(matches!(Transcript::parse(b"A\tx\nA\t\xff\n", 9), Err(TranscriptError::NotText(2))));
        assert!(matches!(Transcript::parse(b"A\tx\nA\t1234567890\n", 9), Err(TranscriptError::TooLong(2))));
        assert!(matches!(Transcript::parse(b"\x7fELF\0\0\0\n\xff\xfe", 9), Err(TranscriptError::NoTab(1))));
        assert!(parse("A\tx\nno tab\n").unwrap_err().to_string().starts_with("line 2 "));
    }

    #[test]
    fn any_bytes_give_an_answer() {
        use rand::{RngExt, SeedableRng};
        let mut rng = rand::rngs::StdRng::seed_from_u64(7);
        for _ in 0..2_000 {
            let mut bytes = vec![0_u8; rng.random_range(0..60)];
            for byte in &mut bytes {
                *byte =
                    *[b'\n', b'\t', b'\r', b'a', 0xc3, 0xa4, 0xff].get(rng.random_range(0..7_usize)).unwrap();
            }
            if let Ok(talk) = Transcript::parse(&bytes, 20) {
                assert!(talk.lines().iter().all(|line| !line.text.is_empty() && line.text.len() <= 20));
                talk.me(None).unwrap();
            }
        }
    }
}
