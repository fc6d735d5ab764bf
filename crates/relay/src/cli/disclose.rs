//! `disclose`: answers a lawful request from the directory of a stopped relay.

use super::terminal::{Failure, say};
use crate::data_dir::{DataDir, DataDirError, parse_hex};
use crate::disclose::{AskedBytes, Request, disclose, export_blobs};
use clap::{ArgGroup, Args};
use deaddrop_shred::OpenError;
use std::io::{self, IsTerminal, Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use zeroize::Zeroizing;

/// Maximum number of bytes that are read from standard input: 64 digits, and room for line ends.
const MAX_INPUT: usize = 256;

/// The arguments of `disclose`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("subject").required(true))]
pub(super) struct DiscloseArguments {
    /// The relay's directory. The relay must not be serving.
    #[arg(long)]
    data: PathBuf,
    /// Tell all that is stored.
    #[arg(long, group = "subject")]
    all: bool,
    /// Tell about the mailbox with an id (of its owner, its reader or a sender). `-`: the 64
    /// hexadecimal digits of the id are read from standard input.
    #[arg(long, group = "subject", value_name = "-", allow_hyphen_values = true)]
    mailbox: Option<String>,
    /// Tell about the mailbox to which a right leads, as it is presented to this relay, or as the
    /// secret that a client keeps. `-`: its 64 hexadecimal digits are read from standard input.
    #[arg(long, group = "subject", value_name = "-", allow_hyphen_values = true)]
    capability: Option<String>,
    /// Path of a new folder, into which the sealed bytes of each blob are written.
    #[arg(long, value_name = "FOLDER")]
    blobs: Option<PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: DiscloseArguments) -> Result<ExitCode, Failure> {
    let DiscloseArguments { data, all: _, mailbox, capability, blobs, json } = arguments;
    let request = match (mailbox, capability) {
        (Some(place), _) => Request::Mailbox(digits(&Zeroizing::new(place))?),
        (None, Some(place)) => Request::Capability(digits(&Zeroizing::new(place))?),
        (None, None) => Request::All,
    };
    let (mut answer, reader) = disclose(&DataDir::at(data), &request).map_err(|error| match error {
        DataDirError::Open(OpenError::InUse) => Failure::Say(
            "the relay serves this directory: stop it, then ask again. What it holds in memory besides is listed in the answer"
                .to_owned(),
        ),
        error => error.into(),
    })?;
    if let Some(folder) = blobs {
        export_blobs(&mut answer, &reader, &folder).map_err(|error| Failure::Say(error.to_string()))?;
    }
    let text = if json { serde_json::to_string(&answer).unwrap_or_default() } else { answer.to_string() };
    say(text.trim_end())?;
    Ok(ExitCode::SUCCESS)
}

/// Reads 64 hexadecimal digits from standard input. `place` must be `-`: an argument would be in the
/// history of the shell and in the list of processes.
fn digits(place: &str) -> Result<AskedBytes, Failure> {
    if place != "-" {
        return Err(Failure::Say(
            "the digits are read from standard input, so that no history and no list of processes shows them: give `-`".to_owned(),
        ));
    }
    let mut input = io::stdin();
    if input.is_terminal() {
        let _ = write!(io::stderr(), "64 hexadecimal digits, then Enter and Ctrl-D: ");
    }
    let mut text = Zeroizing::new([0; MAX_INPUT]);
    let mut length = 0;
    while let Some(rest) = text.get_mut(length..).filter(|rest| !rest.is_empty()) {
        match input.read(rest).map_err(|_| Failure::Say("standard input cannot be read".to_owned()))? {
            0 => break,
            read => length += read,
        }
    }
    let text = text.get(..length).and_then(|text| std::str::from_utf8(text).ok()).unwrap_or_default();
    let bytes = parse_hex(text.trim());
    bytes.map(|bytes| AskedBytes::from_bytes(*bytes)).ok_or_else(|| {
        Failure::Say("standard input does not hold 64 hexadecimal digits and nothing else".to_owned())
    })
}
