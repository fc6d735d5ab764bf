//! Why a command ended without doing what was asked, in words for the person at the terminal.

use std::{fmt, io};

/// What went wrong and what to do about it. Never holds a link, a key, a passphrase or a text.
#[derive(Debug)]
pub struct Failure {
    text: String,
    reader_gone: bool,
}

impl Failure {
    /// In words that end with what to do.
    pub fn new(text: impl fmt::Display) -> Self {
        Self { text: text.to_string(), reader_gone: false }
    }

    /// Nobody reads what we print any more (`deaddrop receive | head -1`): no reason to complain.
    pub fn reader_is_gone(&self) -> bool {
        self.reader_gone
    }

    /// Writing what was asked for did not work.
    pub fn output(error: &io::Error) -> Self {
        Self {
            text: format!("the output cannot be written: {error}"),
            reader_gone: error.kind() == io::ErrorKind::BrokenPipe,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Failure {}

impl From<deaddrop_client::OpenError> for Failure {
    fn from(error: deaddrop_client::OpenError) -> Self {
        Self::new(error)
    }
}

impl From<deaddrop_client::ClientError> for Failure {
    fn from(error: deaddrop_client::ClientError) -> Self {
        use deaddrop_client::ClientError::{NoRelay, UnknownContact};
        match error {
            NoRelay => Self::new("no relay is set; give one with --relay, as ws://HOST:PORT/#FINGERPRINT"),
            UnknownContact => Self::new(format_args!("{error}; `deaddrop contacts` shows all")),
            error => Self::new(error),
        }
    }
}
