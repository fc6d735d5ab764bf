//! `check`: looks for all that is wrong with a relay's directory and its machine.

use super::day;
use super::inspect::look;
use super::moved;
use super::terminal::{Failure, say};
use crate::clock::{Belief, system_day};
use crate::data_dir::DataDir;
use clap::Args;
use serde_json::json;
use std::path::PathBuf;
use std::process::ExitCode;

/// The arguments of `check`.
#[derive(Debug, Args)]
pub(super) struct CheckArguments {
    /// The relay's directory.
    #[arg(long)]
    data: PathBuf,
    /// Path of a configuration to use instead of the directory's own.
    #[arg(long)]
    config: Option<PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: CheckArguments) -> Result<ExitCode, Failure> {
    let CheckArguments { data, config, json } = arguments;
    let data = DataDir::at(data);
    if let Some(fault) = data.config_fault(config.as_deref())? {
        return Err(Failure::Say(fault));
    }
    if moved::say_if_moved(&data, json)? {
        return Ok(ExitCode::SUCCESS);
    }
    let fingerprint = data.identity()?.fingerprint().to_string();
    let (calendar, report) = look(&data, true)?;
    let filled = report.store;
    let damaged = filled.damaged;
    let trusted = data.config(config.as_deref())?.trust_clock;
    if let Err(error) = Belief::begin(calendar, system_day(), trusted) {
        return Err(Failure::Say(error.to_string()));
    }
    if damaged > 0 {
        return Err(Failure::Say(format!(
            "{damaged} records of the store are damaged, and what they held is lost; check the disk. All others are \
             not affected: the relay can go on"
        )));
    }
    let key = data.store_key_place()?;
    if json {
        say(json!({
            "fingerprint": fingerprint,
            "day": calendar.map(|calendar| calendar.day.to_string()),
            "store": data.store_path(),
            "filled": filled,
            "store_key": key,
        }))?;
    } else {
        say(format_args!(
            "fingerprint: {fingerprint}\nconfiguration: good\nstore: opens: {filled}\n{day}\n\
             store key: {}, {}: {}",
            key.source,
            key.medium.text(),
            key.medium.consequence(),
            day = day::state(calendar, trusted),
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}
