//! The source of the vault's passphrase: a file, the environment, or a prompt, in this order.

use std::{env, fmt, path::Path};

use zeroize::Zeroizing;

use crate::{failure::Failure, first_line};

/// The environment variable that holds the passphrase.
pub const VARIABLE: &str = "DEADDROP_PASSPHRASE";
/// Maximum number of bytes of a passphrase: more than a person types or a password manager makes.
pub const MAX_PASSPHRASE_BYTES: usize = 4_096;

/// A passphrase: wiped on drop, never printed.
pub struct Passphrase(Zeroizing<String>);

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase(..)")
    }
}

impl Passphrase {
    /// Returns the passphrase as text. The caller must not print it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Reads the passphrase from the first line of `file` if it is given, else takes it from
    /// [`VARIABLE`], else asks the user. Fails if it is empty, too long or not UTF-8, if the user
    /// has typed two different ones, or if there is no terminal to ask.
    pub fn obtain(file: Option<&Path>, ask: Ask) -> Result<Self, Failure> {
        if let Some(path) = file {
            return Self::from_file(path);
        }
        match env::var(VARIABLE) {
            Ok(text) => return Self::checked(Zeroizing::new(text)),
            Err(env::VarError::NotUnicode(_)) => {
                return Err(Failure::new(format_args!("{VARIABLE} is not UTF-8 text")));
            }
            Err(env::VarError::NotPresent) => {}
        }
        let first = prompt("Passphrase of the vault: ")?;
        if ask == Ask::Twice && *first != *prompt("Once more: ")? {
            return Err(Failure::new("the two passphrases differ; nothing was made, try again"));
        }
        Self::checked(first)
    }

    fn from_file(path: &Path) -> Result<Self, Failure> {
        let unreadable = |why: &dyn fmt::Display| {
            Failure::new(format_args!("the passphrase file {} cannot be used: {why}", path.display()))
        };
        Self::checked(first_line::read(path, MAX_PASSPHRASE_BYTES).map_err(|error| unreadable(&error))?)
    }

    fn checked(text: Zeroizing<String>) -> Result<Self, Failure> {
        if text.is_empty() {
            return Err(Failure::new(
                "the passphrase is empty; choose one, or make a vault with init --no-passphrase",
            ));
        }
        if text.len() > MAX_PASSPHRASE_BYTES {
            return Err(Failure::new(format_args!(
                "the passphrase is longer than {MAX_PASSPHRASE_BYTES} bytes"
            )));
        }
        Ok(Self(text))
    }
}

/// Number of times that the user has to type a passphrase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// Once, to open a vault.
    Once,
    /// Twice, to make a vault: with a mistyped passphrase the vault could never be opened.
    Twice,
}

fn prompt(text: &str) -> Result<Zeroizing<String>, Failure> {
    rpassword::prompt_password(text).map(Zeroizing::new).map_err(|_| {
        Failure::new(format_args!(
            "no passphrase: set {VARIABLE}, give --passphrase-file FILE, or start it in a terminal to be asked"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn from(bytes: &[u8]) -> Result<String, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), bytes).unwrap();
        Passphrase::obtain(Some(file.path()), Ask::Once)
            .map(|passphrase| passphrase.expose().to_owned())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn the_first_line_of_a_file_is_the_passphrase() {
        assert_eq!(from(b"one two \r\nthree\n").unwrap(), "one two ");
        assert_eq!(from(b"x").unwrap(), "x");
        assert!(from(b"\nx").unwrap_err().contains("empty"));
        assert!(from(&[b'x'; 9_000]).unwrap_err().contains("longer"));
        assert!(from(b"\xff\xfe").is_err());
    }

    #[test]
    fn it_is_never_printed() {
        assert_eq!(
            format!("{:?}", Passphrase::checked(Zeroizing::new("secret".into())).unwrap()),
            "Passphrase(..)"
        );
    }
}
