//! `bench`: what this machine carries.

use super::signals::Signals;
use super::terminal::{Failure, complain, say, system_random};
use crate::bench::{Report, measure, scratch_in};
use crate::data_dir::STORE;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// Options of `deaddrop-relay bench`: the folder to measure in, the length, and the form of the
/// report.
#[derive(Debug, clap::Args)]
pub(super) struct BenchArguments {
    /// Existing folder whose file system is measured. A new folder is made in it, and removed at
    /// the end. It can be a relay's directory: its files are not touched. The current folder,
    /// unless given.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Seconds that the measurement takes.
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=600))]
    seconds: u16,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: BenchArguments) -> Result<ExitCode, Failure> {
    system_random()?;
    let folder = arguments.data.unwrap_or_else(|| PathBuf::from("."));
    let shown = folder.canonicalize().unwrap_or_else(|_| folder.clone());
    if !folder.is_dir() {
        return Err(Failure::Say(format!("{}: no such folder; give another with --data", folder.display())));
    }
    let program = std::env::current_exe().map_err(|error| {
        Failure::Say(format!("this program does not find its own file, which the measurement runs: {error}"))
    })?;
    let (runtime, mut signals) = Signals::with_runtime()?;
    let scratch = scratch_in(&folder).map_err(|error| {
        Failure::Say(format!("{}: {error}; choose another folder with --data", shown.display()))
    })?;
    tell(&format!("measuring on the file system of {}, for {} s", shown.display(), arguments.seconds));
    if folder.join(STORE).exists() {
        tell(
            "a relay's store is in this folder: if the relay serves now, it and the measurement slow each other down",
        );
    }
    let measured = runtime.block_on(async {
        tokio::select! {
            biased;
            () = signals.interrupted() => None,
            report = measure(&program, &scratch, Duration::from_secs(arguments.seconds.into()), tell) => Some(report),
        }
    });
    drop(runtime);
    let path = scratch.path().to_owned();
    if let Err(error) = scratch.remove() {
        complain(&format!("{} was not removed, remove it: {error}", path.display()));
    }
    let report: Report = match measured {
        None => return Err(Failure::Say("interrupted; the measurement's folder is removed".to_owned())),
        Some(report) => report.map_err(|error| Failure::Say(format!("{}: {error}", shown.display())))?,
    };
    if arguments.json {
        say(serde_json::to_string(&report).unwrap_or_default())?;
    } else {
        say(report)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes a line about the progress to standard error.
fn tell(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}
