//! The source from which the relay takes a key (spec/12-relay.md section 9).

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use zeroize::Zeroizing;

/// Name of the environment variable by which systemd names the folder of a service's credentials.
pub const CREDENTIALS_DIRECTORY: &str = "CREDENTIALS_DIRECTORY";
/// Number of bytes of a key.
pub(super) const KEY_BYTES: usize = 32;

/// The source of a key, as `store_key` and `identity_key` of `config.toml` name it.
///
/// The text form is `file:PATH` (a relative path begins in the relay's directory), `credential:NAME`
/// or `env:NAME`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// A file of 32 bytes.
    File(PathBuf),
    /// A systemd credential of 32 bytes: the file of this name in `$CREDENTIALS_DIRECTORY`.
    Credential(String),
    /// An environment variable with 64 hexadecimal digits.
    Environment(String),
}

/// The error of a text that names no source of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a source of a key is `file:PATH`, `credential:NAME` or `env:NAME`")]
pub struct NotAKeySource;

/// The reason for which a key could not be read from its source. The text says what to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The file of the key is missing.
    #[error("the file of a key is missing; `deaddrop-relay key show --data DIR` says where it should be")]
    Absent,
    /// The system does not let this user read the key.
    #[error("this user may not read the file of a key; run the command as the user of the relay")]
    Denied,
    /// The key does not have 32 bytes.
    #[error("a key is damaged: it does not have 32 bytes; restore it")]
    BadLength,
    /// There is no folder of credentials, or it does not hold the credential.
    #[error(
        "the credential of a key is not there; run the command within the relay's unit, or give it the credential by \
         `systemd-run --pipe -p LoadCredentialEncrypted=NAME:FILE` (LoadCredential= if it is not encrypted)"
    )]
    NoCredential,
    /// The environment variable is not set.
    #[error("the environment variable of a key is not set")]
    NoVariable,
    /// The environment variable does not hold 64 hexadecimal digits.
    #[error("the environment variable of a key does not hold 64 hexadecimal digits")]
    BadVariable,
    /// The system refused to read the file.
    #[error("the file of a key cannot be read; check the disk")]
    Io,
}

impl KeySource {
    /// Returns the path of the key's file; `None` for an environment variable, and for a credential if
    /// there is no folder of credentials. `directory` is the relay's directory.
    #[must_use]
    pub fn path(&self, directory: &Path) -> Option<PathBuf> {
        match self {
            Self::File(path) => Some(directory.join(path)),
            Self::Credential(name) => {
                let folder = std::env::var_os(CREDENTIALS_DIRECTORY).filter(|folder| !folder.is_empty())?;
                Some(PathBuf::from(folder).join(name))
            }
            Self::Environment(_) => None,
        }
    }

    /// Reads the key.
    pub(super) fn read(&self, directory: &Path) -> Result<Zeroizing<[u8; KEY_BYTES]>, KeyError> {
        match self {
            Self::File(_) | Self::Credential(_) => {
                let path = self.path(directory).ok_or(KeyError::NoCredential)?;
                read_key_file(&path).map_err(|error| match (error, self) {
                    (KeyError::Absent, Self::Credential(_)) => KeyError::NoCredential,
                    (error, _) => error,
                })
            }
            Self::Environment(name) => {
                let text = std::env::var(name).map(Zeroizing::new).map_err(|error| match error {
                    std::env::VarError::NotPresent => KeyError::NoVariable,
                    std::env::VarError::NotUnicode(_) => KeyError::BadVariable,
                })?;
                // the variable has the digits of one key, and nothing else.
                parse_hex(text.trim()).ok_or(KeyError::BadVariable)
            }
        }
    }
}

/// Reads a key of 32 bytes from a file.
pub(super) fn read_key_file(path: &Path) -> Result<Zeroizing<[u8; KEY_BYTES]>, KeyError> {
    let mut file = File::open(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => KeyError::Absent,
        io::ErrorKind::PermissionDenied => KeyError::Denied,
        _ => KeyError::Io,
    })?;
    let mut bytes = Zeroizing::new([0; KEY_BYTES]);
    file.read_exact(bytes.as_mut_slice()).map_err(|_| KeyError::BadLength)?;
    // nothing trails a key.
    match file.read(&mut [0]).map_err(|_| KeyError::Io)? {
        0 => Ok(bytes),
        _ => Err(KeyError::BadLength),
    }
}

/// Decodes 64 hexadecimal digits; `None` for any other text.
pub(crate) fn parse_hex(text: &str) -> Option<Zeroizing<[u8; KEY_BYTES]>> {
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else { return None };
    if pairs.len() != KEY_BYTES {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let mut bytes = Zeroizing::new([0; KEY_BYTES]);
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Some(bytes)
}

impl FromStr for KeySource {
    type Err = NotAKeySource;

    fn from_str(text: &str) -> Result<Self, NotAKeySource> {
        let (kind, rest) = text.split_once(':').ok_or(NotAKeySource)?;
        // A name of a credential is the name of a file, and no path.
        let is_file_name = !rest.contains('/') && rest != "." && rest != "..";
        match kind {
            _ if rest.is_empty() || rest.contains('\0') => Err(NotAKeySource),
            "file" => Ok(Self::File(rest.into())),
            "credential" if is_file_name => Ok(Self::Credential(rest.to_owned())),
            "env" if !rest.contains('=') => Ok(Self::Environment(rest.to_owned())),
            _ => Err(NotAKeySource),
        }
    }
}

impl fmt::Display for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "file:{}", path.display()),
            Self::Credential(name) => write!(f, "credential:{name}"),
            Self::Environment(name) => write!(f, "env:{name}"),
        }
    }
}

impl Serialize for KeySource {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for KeySource {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // A text that names no source can be a key that was pasted here: the error does not show it.
        let text = Zeroizing::new(String::deserialize(deserializer)?);
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_have_one_text_each() {
        for text in ["file:/run/keys/store", "file:store.key", "credential:store-key", "env:STORE_KEY"] {
            assert_eq!(text.parse::<KeySource>().map(|source| source.to_string()).as_deref(), Ok(text));
        }
        for text in
            ["", "store.key", "file:", "credential:", "credential:a/b", "credential:..", "env:", "env:A=B"]
        {
            assert_eq!(text.parse::<KeySource>(), Err(NotAKeySource), "{text}");
        }
        assert!("file:a\0b".parse::<KeySource>().is_err());
    }

    #[test]
    fn a_key_has_64_digits_or_32_bytes() {
        let digits = "00ff".repeat(16);
        assert_eq!(*parse_hex(&digits).unwrap(), [[0, 0xff]; 16].concat()[..]);
        assert_eq!(parse_hex(&digits.to_uppercase()), parse_hex(&digits));
        for bad in ["", &digits[1..], &digits[2..], &format!("{digits}00"), &digits.replace("ff", "fg"), "é"]
        {
            assert_eq!(parse_hex(bad), None, "{bad}");
        }
        let folder = tempfile::tempdir().unwrap();
        let read = |bytes: &[u8]| {
            std::fs::write(folder.path().join("key"), bytes).unwrap();
            KeySource::File("key".into()).read(folder.path()).map(|key| *key)
        };
        assert_eq!(read(&[7; 32]), Ok([7; 32]));
        for length in [0, 31, 33, 64] {
            assert_eq!(read(&vec![7; length]), Err(KeyError::BadLength));
        }
        assert_eq!(KeySource::File("no".into()).read(folder.path()), Err(KeyError::Absent));
        assert_eq!(
            KeySource::Environment("DEADDROP_UNSET".into()).read(folder.path()),
            Err(KeyError::NoVariable)
        );
    }
}
