//! The source of a relay's token for new mailboxes: a file, the environment, or a prompt, in this order. Never an
//! argument, which every user of the machine can read in the list of processes.

use std::{env, fmt, path::Path};

use zeroize::Zeroizing;

use crate::{failure::Failure, first_line};

/// The environment variable that holds the token. It is read only by commands that name a relay, or
/// set the token of the user's own relay.
pub const VARIABLE: &str = "DEADDROP_RELAY_TOKEN";
/// Maximum number of bytes of a token (spec/14-client.md section 6.2).
const MAX_TOKEN_BYTES: usize = 256;

/// Reads the token from the first line of a file. Fails if it is empty or too long.
pub fn from_file(path: &Path) -> Result<Zeroizing<String>, Failure> {
    let unusable = |why: &dyn fmt::Display| {
        Failure::new(format_args!("the token file {} cannot be used: {why}", path.display()))
    };
    checked(first_line::read(path, MAX_TOKEN_BYTES).map_err(|error| unusable(&error))?)
}

/// Returns the token in [`VARIABLE`]; `None` if the variable is not set. Fails if the token is
/// empty or too long.
pub fn from_environment() -> Result<Option<Zeroizing<String>>, Failure> {
    match env::var(VARIABLE) {
        Ok(text) => checked(Zeroizing::new(text)).map(Some),
        Err(env::VarError::NotPresent) => Ok(None),
        Err(env::VarError::NotUnicode(_)) => Err(Failure::new(format_args!("{VARIABLE} is not UTF-8 text"))),
    }
}

/// Reads the token from the first line of `file` if it is given, else takes it from [`VARIABLE`],
/// else asks the user. Fails if it is empty or too long, or if there is no terminal to ask.
pub fn obtain(file: Option<&Path>) -> Result<Zeroizing<String>, Failure> {
    if let Some(path) = file {
        return from_file(path);
    }
    if let Some(token) = from_environment()? {
        return Ok(token);
    }
    let typed = rpassword::prompt_password("Token of the relay: ").map_err(|_| {
        Failure::new(format_args!(
            "no token: set {VARIABLE}, give --file FILE, or start it in a terminal to be asked"
        ))
    })?;
    checked(Zeroizing::new(typed))
}

fn checked(text: Zeroizing<String>) -> Result<Zeroizing<String>, Failure> {
    if text.is_empty() || text.len() > MAX_TOKEN_BYTES {
        return Err(Failure::new(format_args!("a relay's token has 1 to {MAX_TOKEN_BYTES} bytes")));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn the_first_line_of_a_file_is_the_token() {
        let from = |bytes: &[u8]| {
            let file = tempfile::NamedTempFile::new().unwrap();
            fs::write(file.path(), bytes).unwrap();
            from_file(file.path()).map(|token| token.to_string()).map_err(|error| error.to_string())
        };
        assert_eq!(from(b"one two \r\nthree\n").unwrap(), "one two ");
        assert_eq!(from(&[b'x'; 256]).unwrap().len(), 256);
        for bytes in [&b""[..], b"\nx", &[b'x'; 257], &[b'x'; 9_000]] {
            assert!(from(bytes).unwrap_err().contains("1 to 256 bytes"));
        }
        assert!(from(b"\xff\xfe").is_err());
    }
}
