//! `selftest`: tests of this machine that an operator can make.

use super::signals::Signals;
use super::terminal::{Failure, complain, read_config, say, system_random};
use crate::data_dir::{CONFIG, DataDir};
use crate::limits::Limits;
use crate::selftest::{ResidueOptions, find_residue, scratch_in};
use clap::Subcommand;
use std::error::Error;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

/// The tests.
#[derive(Debug, Subcommand)]
pub(super) enum SelftestCommand {
    /// Destroy canaries in a scratch store, and search the raw file for what is left. Makes a new
    /// folder, removes it at the end, and touches no other file. Fails if something is left.
    Residue {
        /// Existing folder whose file system is tested, such as the relay's directory.
        #[arg(long, value_name = "DIR")]
        data: PathBuf,
        /// Search the block device below the file system, too. Needs root. Takes
        /// as long as the device is read once or twice.
        #[arg(long)]
        device: bool,
        /// Seconds after which the sealed bytes must be gone (`dead_bytes_s` of the scratch store).
        /// As in the configuration of DIR, or 300, unless given.
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
        dead_bytes_s: Option<u32>,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
}

/// Writes a line about the progress to standard error.
fn tell(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

pub(super) fn run(command: SelftestCommand) -> Result<ExitCode, Failure> {
    let SelftestCommand::Residue { data, device, dead_bytes_s, json } = command;
    system_random()?;
    if !data.is_dir() {
        return Err(Failure::Say(format!("{}: no such folder; give another with --data", data.display())));
    }
    let dead_bytes_s = match dead_bytes_s {
        Some(given) => given,
        None if data.join(CONFIG).is_file() => read_config(&DataDir::at(&data), None)?.limits.dead_bytes_s,
        None => Limits::DEFAULT.dead_bytes_s,
    };
    let wait = Duration::from_secs(dead_bytes_s.into());
    let options = ResidueOptions { dead_bytes_s, wait, device };
    let (runtime, mut signals) = Signals::with_runtime()?;
    let explain = |error: &dyn Error| {
        let source = error.source().map(|source| format!(": {source}")).unwrap_or_default();
        Failure::Say(format!("{}: {error}{source}", data.display()))
    };
    let scratch = Arc::new(scratch_in(&data).map_err(|error| explain(&error))?);
    let path = scratch.path().to_owned();
    // A task of its own, because a search of the device does not wait for anything.
    let testing = runtime.spawn(async move { find_residue(&scratch, options, tell).await });
    let tested = runtime.block_on(async {
        tokio::select! {
            () = signals.interrupted() => None,
            tested = testing => Some(tested),
        }
    });
    if let Err(error) = std::fs::remove_dir_all(&path)
        && error.kind() != io::ErrorKind::NotFound
    {
        complain(&format!("{} was not removed, remove it: {error}", path.display()));
    }
    let Some(tested) = tested else {
        complain("interrupted; the folder of the test is removed");
        // A search that is under way would be waited for.
        runtime.shutdown_background();
        return Ok(ExitCode::FAILURE);
    };
    let fault = "the test ended by a fault of the program (see the log)";
    let report = tested.map_err(|_| Failure::Say(fault.to_owned()))?.map_err(|error| explain(&error))?;
    if json {
        say(serde_json::to_string(&report).unwrap_or_default())?;
    } else {
        say(&report)?;
    }
    Ok(if report.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
