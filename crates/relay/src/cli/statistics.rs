//! `statistics`: shows the recorded days.

use super::moved;
use super::terminal::{Failure, say};
use crate::data_dir::DataDir;
use crate::inspect;
use clap::Args;
use std::path::PathBuf;
use std::process::ExitCode;

/// The arguments of `statistics`.
#[derive(Debug, Args)]
pub(super) struct StatisticsArguments {
    /// The relay's directory.
    #[arg(long)]
    data: PathBuf,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: StatisticsArguments) -> Result<ExitCode, Failure> {
    let StatisticsArguments { data, json } = arguments;
    let data = DataDir::at(data);
    if moved::say_if_moved(&data, json)? {
        return Ok(ExitCode::SUCCESS);
    }
    let report = inspect::statistics(&data.look()?);
    let text = if json { serde_json::to_string(&report).unwrap_or_default() } else { report.to_string() };
    say(text)?;
    Ok(ExitCode::SUCCESS)
}
