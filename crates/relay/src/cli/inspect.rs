//! `inspect`: shows everything that an operator can know.

use super::moved;
use super::terminal::{Failure, read_config, say, system_random};
use crate::clock::Calendar;
use crate::data_dir::DataDir;
use crate::inspect;
use clap::Args;
use std::path::PathBuf;
use std::process::ExitCode;

/// The arguments of `inspect`.
#[derive(Debug, Args)]
pub(super) struct InspectArguments {
    /// The relay's directory.
    #[arg(long)]
    data: PathBuf,
    /// Show totals alone, without a line for each mailbox.
    #[arg(long)]
    summary: bool,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: InspectArguments) -> Result<ExitCode, Failure> {
    let InspectArguments { data, summary, json } = arguments;
    let data = DataDir::at(data);
    // A report on the old store would be taken for one on the relay.
    if moved::say_if_moved(&data, json)? {
        return Ok(ExitCode::SUCCESS);
    }
    let report = look(&data, summary)?.1;
    let text = if json { serde_json::to_string(&report).unwrap_or_default() } else { report.to_string() };
    say(text)?;
    Ok(ExitCode::SUCCESS)
}

/// Reads the store without a lock, and returns its calendar and its report. The time of the last
/// write is read after the dead bytes are counted, so all of them were destroyed before that time.
pub(super) fn look(data: &DataDir, summary: bool) -> Result<(Option<Calendar>, inspect::Report), Failure> {
    let mut random = system_random()?;
    read_config(data, None)?;
    let reader = data.look()?;
    let written = std::fs::metadata(data.store_path()).and_then(|file| file.modified()).ok();
    let order: Option<&mut dyn rand::CryptoRng> = if summary { None } else { Some(&mut random) };
    Ok((inspect::calendar(&reader), inspect::report(&reader, written, order)))
}
