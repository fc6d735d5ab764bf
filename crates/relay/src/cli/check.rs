//! `check`: looks for all that is wrong with a relay's directory, its configuration and its machine.

mod finding;
mod keys;
mod machine;
mod network;
mod room;
mod volume;

use super::inspect::look;
use super::terminal::{Failure, complain, read_config, say};
use super::{day, moved, sockets};
use crate::clock::{Belief, system_day};
use crate::data_dir::{DataDir, RelayConfig};
use clap::Args;
use finding::{Finding, Level};
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

/// Returns the reasons for which the file system of a relay's directory does not keep its promises.
pub(super) fn file_system_warnings(data: &DataDir) -> Vec<String> {
    let findings = volume::check(data).into_iter().filter(|finding| finding.level != Level::Good);
    findings.map(|finding| finding.text).collect()
}

/// Checks all that can be checked while the relay serves or not, and prints one line for each
/// finding. Fails if one of them is a fault.
pub(super) fn run(arguments: CheckArguments) -> Result<ExitCode, Failure> {
    let CheckArguments { data, config, json } = arguments;
    let data = DataDir::at(data);
    let settings = read_config(&data, config.as_deref())?;
    if moved::say_if_moved(&data, json)? {
        return Ok(ExitCode::SUCCESS);
    }
    let fingerprint = data.identity()?.fingerprint().to_string();
    let (calendar, report) = look(&data, true)?;
    let mut findings = vec![
        Finding::good("identity", format!("the fingerprint is {fingerprint}")),
        Finding::good("configuration", "every line is understood"),
    ];
    findings.extend(room::check(&data, &settings, &report));
    findings.extend(volume::check(&data));
    findings.extend(keys::check(&data));
    findings.push(check_clock(&settings, calendar));
    findings.extend(machine::check(&settings));
    findings.extend(network::check(&settings, data.is_in_use()));
    let faults = findings.iter().filter(|finding| finding.level == Level::Fault).count();
    if json {
        say(json!({
            "fingerprint": fingerprint,
            "day": calendar.map(|calendar| calendar.day.to_string()),
            "store": data.store_path(),
            "filled": report.store,
            "store_key": data.store_key_place()?,
            "findings": findings,
        }))?;
    } else {
        for finding in &findings {
            say(finding)?;
        }
    }
    match faults {
        0 => Ok(ExitCode::SUCCESS),
        count => Ok(complain(&format!("{count} of the findings above must be mended"))),
    }
}

/// Compares the system's clock with the day that the store remembers, and tells whether a service
/// of the system keeps the clock right.
fn check_clock(settings: &RelayConfig, calendar: Option<crate::clock::Calendar>) -> Finding {
    let (system, trusted) = (system_day(), settings.trust_clock);
    let text = day::state(calendar, trusted).replace('\n', "; ");
    let text = format!("{text}; {}", machine::time_service());
    match Belief::begin(calendar, system, trusted) {
        Err(_) => Finding::fault("clock", text),
        Ok(belief) if belief.calendar().day != system => Finding::warning("clock", text),
        Ok(_) => Finding::good("clock", text),
    }
}
