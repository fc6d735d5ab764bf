//! Parts that all commands share: failures, output, randomness.

use crate::data_dir::{DataDir, DataDirError, RelayConfig};
use crate::moving::MoveError;
use crate::random::{self, NoRandomness, SystemRandom};
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

/// The failure of a command, with its text for the operator.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// The relay's directory could not be used.
    #[error(transparent)]
    Directory(#[from] DataDirError),
    /// A step of a move could not be made.
    #[error(transparent)]
    Move(#[from] MoveError),
    /// Any other failure, with its text.
    #[error("{0}")]
    Say(String),
}

impl From<io::Error> for Failure {
    fn from(_: io::Error) -> Self {
        Self::Say("standard output is closed".to_owned())
    }
}

/// Prints an error to standard error, and returns the exit code for it.
pub(super) fn complain(text: &str) -> ExitCode {
    let _ = writeln!(io::stderr(), "deaddrop-relay: {text}");
    ExitCode::FAILURE
}

/// Prints a result to standard output.
pub(super) fn say(text: impl std::fmt::Display) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()
}

/// Returns the generator of the operating system. Fails if the system has no random bytes.
pub(super) fn system_random() -> Result<SystemRandom, Failure> {
    let refused = |NoRandomness| {
        Failure::Say("the operating system gives no random bytes; nothing is done without them".to_owned())
    };
    random::check().map(|()| SystemRandom).map_err(refused)
}

/// Reads the configuration of a relay: the file `instead`, or else the directory's own. A fault of
/// it is told with file, line and a suggestion.
pub(super) fn read_config(data: &DataDir, instead: Option<&Path>) -> Result<RelayConfig, Failure> {
    match data.config(instead) {
        Err(DataDirError::BadConfig) => {
            let fault = data.config_fault(instead)?;
            Err(fault.map_or(Failure::Directory(DataDirError::BadConfig), Failure::Say))
        }
        read => Ok(read?),
    }
}
