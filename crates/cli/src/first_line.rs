//! The first line of a file that holds a secret: a passphrase, a token.

use std::{fs, io, io::Read, path::Path};

use zeroize::Zeroizing;

/// Reads the first line of a file, without its end. Of a line of more than `max` bytes only some
/// bytes more than `max` are read and returned, by which the caller recognises it. The bytes behind
/// the line need not be text. Fails if the line is not UTF-8.
pub(crate) fn read(path: &Path, max: usize) -> io::Result<Zeroizing<String>> {
    // The line, one byte more, and its end. Nothing is left behind by growing.
    let enough = max.saturating_add(3);
    let mut bytes = Zeroizing::new(Vec::with_capacity(enough.saturating_add(64)));
    let limit = u64::try_from(enough).unwrap_or(u64::MAX);
    fs::File::open(path)?.take(limit).read_to_end(&mut bytes)?;
    let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    // A line that is too long may be cut in the middle of a character.
    let text = match str::from_utf8(line) {
        Ok(text) => text.to_owned(),
        Err(_) if line.len() > max => "x".repeat(line.len()),
        Err(_) => return Err(io::Error::new(io::ErrorKind::InvalidData, "its first line is not UTF-8 text")),
    };
    Ok(Zeroizing::new(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(bytes: &[u8]) -> io::Result<String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), bytes).unwrap();
        read(file.path(), 10).map(|line| line.to_string())
    }

    #[test]
    fn what_stands_behind_the_first_line_does_not_count() {
        assert_eq!(from(b"one two \r\nthree").unwrap(), "one two ");
        assert_eq!(from(b"one\n\xff\xff").unwrap(), "one");
        // The limit falls into a character of the second line.
        assert_eq!(from("ten \u{20ac}\n\u{20ac}\u{20ac}\u{20ac}".as_bytes()).unwrap(), "ten \u{20ac}");
        assert_eq!(from(b"").unwrap(), "");
        assert!(from(b"\xff\n").unwrap_err().to_string().contains("UTF-8"));
        assert!(from("\u{20ac}".repeat(9).as_bytes()).unwrap().len() > 10);
    }
}
