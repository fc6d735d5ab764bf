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
use crate::clock::{Belief, Calendar, system_day};
use crate::data_dir::{DataDir, DataDirError, RelayConfig};
use crate::inspect::StoreReport;
use clap::Args;
use finding::{Finding, Level};
use serde_json::{Value, json};
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
    let settings = match read_config(&data, config.as_deref()) {
        Err(fault @ (Failure::Say(_) | Failure::Directory(DataDirError::BadConfig))) if json => {
            let text = fault.to_string().lines().map(str::trim).collect::<Vec<_>>().join(" ");
            let findings = [Finding::fault("configuration", text)];
            say(object(&data, None, None, None, &findings))?;
            return Ok(complain("the finding above must be mended"));
        }
        read => read?,
    };
    if moved::say_if_moved(&data, json)? {
        return Ok(ExitCode::SUCCESS);
    }
    // Without the folder of credentials the rest is checked.
    let fingerprint = if keys::needs_credentials(&data.identity_key_place()?) {
        None
    } else {
        Some(data.identity()?.fingerprint().to_string())
    };
    let looked =
        if keys::needs_credentials(&data.store_key_place()?) { None } else { Some(look(&data, true)?) };
    let mut findings = Vec::new();
    findings.extend(
        fingerprint.as_ref().map(|text| Finding::good("identity", format!("the fingerprint is {text}"))),
    );
    findings.push(Finding::good("configuration", "every line is understood"));
    if let Some((_, report)) = &looked {
        findings.extend(room::check(&data, &settings, report));
    }
    findings.extend(volume::check(&data));
    findings.extend(keys::check(&data));
    if let Some((calendar, _)) = &looked {
        findings.push(check_clock(&settings, *calendar, machine::time_service()));
    }
    findings.extend(machine::check(&settings));
    findings.extend(network::check(&settings, data.is_in_use()));
    let faults = findings.iter().filter(|finding| finding.level == Level::Fault).count();
    if json {
        let (day, store) = looked.map(|(calendar, report)| (calendar, report.store)).unzip();
        let day = day.flatten().map(|calendar| calendar.day.to_string());
        say(object(&data, fingerprint, day, store, &findings))?;
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

/// Returns the findings as the object that `--json` prints.
fn object(
    data: &DataDir,
    fingerprint: Option<String>,
    day: Option<String>,
    filled: Option<StoreReport>,
    findings: &[Finding],
) -> Value {
    json!({
        "fingerprint": fingerprint,
        "day": day,
        "store": data.store_path(),
        "filled": filled,
        "store_key": data.store_key_place().ok(),
        "findings": findings,
    })
}

/// Compares the system's clock with the day that the store remembers, and tells whether a service
/// of the system keeps the clock right, which the caller has found out.
fn check_clock(
    settings: &RelayConfig,
    calendar: Option<Calendar>,
    (is_kept_right, service): (bool, &str),
) -> Finding {
    let (system, trusted) = (system_day(), settings.trust_clock);
    let text = day::state(calendar, trusted).replace('\n', "; ");
    let text = format!("{text}; {service}");
    match Belief::begin(calendar, system, trusted) {
        Err(_) => Finding::fault("clock", text),
        Ok(belief) if belief.calendar().day != system || !is_kept_right => Finding::warning("clock", text),
        Ok(_) => Finding::good("clock", text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_no_service_keeps_right_is_a_warning() {
        let level = |is_kept_right| {
            check_clock(&RelayConfig::default(), None, (is_kept_right, "a word about the service"))
        };
        assert_eq!((level(true).level, level(false).level), (Level::Good, Level::Warning));
        assert!(level(false).text.ends_with("; a word about the service"), "{}", level(false));
    }
}
