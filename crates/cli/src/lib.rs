//! The reference messenger of deaddrop on the command line, and its demonstration.
//!
//! A thin shell: rules of messaging are in `deaddrop-client`, rules of the relay in `deaddrop-relay`. Here are words, files,
//! terminals, and the counting of a replay.

pub mod args;
pub mod chat;
pub mod commands;
pub mod demo;
pub mod event;
pub mod failure;
mod first_line;
pub mod home;
pub mod marks;
pub mod output;
pub mod passphrase;
pub mod qr;
mod relay_command;
mod signals;
pub mod token;
pub mod transcript;
mod typed_lines;

use std::{ffi::OsString, process::ExitCode, time::Duration};

use clap::Parser;

use crate::{
    args::{Cli, Command},
    failure::Failure,
    output::Output,
};

/// Maximum time for background threads to end when a command is done: a pending read of standard
/// input must not hold the process.
const SHUTDOWN: Duration = Duration::from_millis(500);

/// Runs a command line, whose first argument is the program's name. Returns 0 on success, also if
/// the reader of the output has gone; 2 if the command line cannot be parsed; 1 on any other
/// failure. The hidden command `relay` has the exit codes of a relay.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args: Vec<OsString> = args.into_iter().collect();
    let cli = match Cli::try_parse_from(&args) {
        Ok(cli) => cli,
        Err(error) if error.use_stderr() && args.iter().any(|arg| arg == "--json") => {
            Output::new(true).fail(&Failure::usage(error.render()));
            return ExitCode::from(2);
        }
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(2) } else { ExitCode::SUCCESS };
        }
    };
    let output = Output::new(cli.common.json);
    // The relay makes a runtime of its own.
    if let Command::Relay(relay) = cli.command {
        return relay_command::run(relay);
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            output.note(format_args!("the runtime cannot be started: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let ended = runtime.block_on(command(output, cli));
    // A pending read of standard input must not hold the process.
    runtime.shutdown_timeout(SHUTDOWN);
    match ended {
        Ok(code) => code,
        Err(failure) if failure.reader_is_gone() => ExitCode::SUCCESS,
        Err(failure) => {
            output.fail(&failure);
            ExitCode::FAILURE
        }
    }
}

async fn command(output: Output, cli: Cli) -> Result<ExitCode, Failure> {
    let Cli { common, command } = cli;
    match command {
        Command::Demo(demo) => return Box::pin(demo::run(output, &demo)).await,
        Command::Chat(chat) => Box::pin(chat::run(output, &common, &chat)).await?,
        Command::Init(init) => commands::init(output, &common, &init).await?,
        Command::Invite(invite) => commands::invite(output, &common, &invite).await?,
        Command::Invites(invites) => commands::invites(output, &common, &invites).await?,
        Command::Withdraw(withdraw) => commands::withdraw(output, &common, &withdraw).await?,
        Command::Accept(accept) => commands::accept(output, &common, &accept).await?,
        Command::Agree(agree) => commands::agree(output, &common, &agree).await?,
        Command::BeginAgain(again) => commands::begin_again(output, &common, &again).await?,
        Command::Contacts => commands::contacts(output, &common).await?,
        Command::Send(send) => commands::send(output, &common, &send).await?,
        Command::Receive(receive) => commands::receive(output, &common, &receive).await?,
        Command::Sync(sync) => commands::sync(output, &common, &sync).await?,
        Command::Verify(verify) => commands::verify(output, &common, &verify).await?,
        Command::Status => commands::status(output, &common).await?,
        Command::Relays => commands::relays(output, &common).await?,
        Command::SetRelay(set) => commands::set_relay(output, &common, &set).await?,
        Command::VaultLimit(limit) => commands::vault_limit(output, &common, &limit).await?,
        Command::LeaveRelay(leave) => commands::leave_relay(output, &common, &leave).await?,
        Command::RelayAbout { relay } => commands::relay_about(output, &common, relay.as_deref()).await?,
        Command::RelayToken(token) => commands::relay_token(output, &common, &token).await?,
        Command::AllowPrivate(allow) => commands::allow_private(output, &common, &allow).await?,
        // Started without a runtime, above.
        Command::Relay(relay) => return Ok(relay_command::run(relay)),
    }
    Ok(ExitCode::SUCCESS)
}
