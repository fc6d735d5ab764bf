//! The command line of `deaddrop-relay`. Standard output carries results, standard error what went
//! wrong and what to do about it.

mod backup;
mod bench;
mod check;
mod core_dump;
mod day;
mod disclose;
mod export;
mod import;
mod init;
mod inspect;
mod key;
mod moved;
mod open_files;
mod selftest;
mod serve;
mod service_manager;
mod signals;
mod sockets;
mod statistics;
mod terminal;

use crate::logging;
use clap::{Parser, Subcommand};
use std::ffi::OsString;
use std::process::ExitCode;
use terminal::{Failure, complain};

/// A blind relay: keeps sealed messages for people who are away, and forgets them.
#[derive(Debug, Parser)]
#[command(name = "deaddrop-relay", version)]
struct Arguments {
    /// Level of the log: off, error, warn, info (the default), debug, trace.
    #[arg(long, global = true, env = "RUST_LOG", hide_env_values = true)]
    log: Option<String>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a new relay: keys and an empty store.
    Init(init::InitArguments),
    /// Serve until interrupted.
    Serve(serve::ServeArguments),
    /// Measure what this machine carries: a relay with an empty store of its own, under the load of
    /// clients on this machine.
    Bench(bench::BenchArguments),
    /// Test this machine: whether that which was acked is really gone from its disk.
    Selftest {
        #[command(subcommand)]
        command: selftest::SelftestCommand,
    },
    /// Show everything that an operator can know. Works while the relay serves.
    Inspect(inspect::InspectArguments),
    /// Say what is stored about a mailbox, or about all: the answer to a lawful request.
    Disclose(disclose::DiscloseArguments),
    /// Show where the relay's keys really lie, or change the store key.
    Key {
        #[command(subcommand)]
        command: key::KeyCommand,
    },
    /// Show how many mailboxes were used, by day, with the noise that hides each of them. Works while the
    /// relay serves.
    Statistics(statistics::StatisticsArguments),
    /// Show or set the day by which leases and expiry are counted.
    Day {
        #[command(subcommand)]
        command: day::DayCommand,
    },
    /// Check a relay's directory, and say where its keys lie.
    Check(check::CheckArguments),
    /// Move this relay to another host: seal it to the key of that host, and serve its new URL from
    /// then on.
    Export(export::ExportArguments),
    /// Move a relay to this host: make a key for it, and then take the file that `export` made.
    Import(import::ImportArguments),
    /// Say why a relay has no backup, and what to do instead.
    Backup(backup::BackupArguments),
}

/// Runs the program `deaddrop-relay` with these arguments, the first of which is the program's
/// name. Returns its exit code: 0 after success and after help, 2 if the arguments do not parse,
/// and 1 after every other failure.
pub fn run(args: impl Iterator<Item = OsString>) -> ExitCode {
    let arguments = match Arguments::try_parse_from(args) {
        Ok(arguments) => arguments,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    if !logging::begin(arguments.log.as_deref()) {
        return complain("--log (or RUST_LOG) is not a level; use off, error, warn, info, debug or trace");
    }
    match dispatch(arguments.command) {
        Ok(code) => code,
        Err(failure) => complain(&failure.to_string()),
    }
}

fn dispatch(command: Command) -> Result<ExitCode, Failure> {
    match command {
        Command::Init(arguments) => init::run(arguments),
        Command::Serve(arguments) => serve::run(arguments),
        Command::Bench(arguments) => bench::run(arguments),
        Command::Selftest { command } => selftest::run(command),
        Command::Inspect(arguments) => inspect::run(arguments),
        Command::Disclose(arguments) => disclose::run(arguments),
        Command::Key { command } => key::run(command),
        Command::Statistics(arguments) => statistics::run(arguments),
        Command::Day { command } => day::run(command),
        Command::Check(arguments) => check::run(arguments),
        Command::Export(arguments) => export::run(arguments),
        Command::Import(arguments) => import::run(arguments),
        Command::Backup(arguments) => backup::run(arguments),
    }
}
