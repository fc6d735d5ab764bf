//! `init`: makes a new relay.

use super::check::file_system_warnings;
use super::terminal::{Failure, complain, say, system_random};
use crate::data_dir::{DataDir, StoreSize};
use clap::Args;
use serde_json::json;
use std::path::PathBuf;
use std::process::ExitCode;

/// The arguments of `init`.
#[derive(Debug, Args)]
pub(super) struct InitArguments {
    /// Path of a new or empty directory.
    #[arg(long)]
    data: PathBuf,
    /// MiB by which the store grows.
    #[arg(long, default_value_t = StoreSize::default().segment_mib, value_parser = clap::value_parser!(u32).range(1..=256))]
    segment_mib: u32,
    /// MiB to which the store may grow.
    #[arg(long, default_value_t = StoreSize::default().max_mib, value_parser = clap::value_parser!(u32).range(4..))]
    max_mib: u32,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: InitArguments) -> Result<ExitCode, Failure> {
    let InitArguments { data, segment_mib, max_mib, json } = arguments;
    let (data, size) = (DataDir::at(data), StoreSize { segment_mib, max_mib });
    data.init(size, &mut system_random()?)?;
    let fingerprint = data.identity()?.fingerprint().to_string();
    let warnings = file_system_warnings(&data);
    for warning in &warnings {
        complain(&format!("the file system of {}: {warning}", data.path().display()));
    }
    if json {
        say(json!({ "fingerprint": fingerprint, "warnings": warnings }))?;
    } else {
        say(format_args!(
            "made a relay with the fingerprint {fingerprint}\n\
             its store key lies beside the store: a person who takes this disk can open it like the running relay, minus \
             what has been destroyed"
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}
