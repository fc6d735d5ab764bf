//! The command line of `deaddrop-relay`. Standard output carries results, standard error what went wrong and what to
//! do about it.

mod day;
mod signals;
mod terminal;

use crate::clock::{Belief, Calendar, Clock, system_day};
use crate::data_dir::{CreateToken, DataDir, RelayConfig, StoreSize};
use crate::kept::KeptStore;
use crate::limits::Limits;
use crate::proxy::{Network, Proxies};
use crate::random::SystemRandom;
use crate::server::{Server, ServerEnd};
use crate::session::SessionContext;
use crate::store::Store;
use crate::{inspect, logging};
use clap::{Parser, Subcommand};
use deaddrop_link::RelayIdentity;
use deaddrop_wire::RelayAddress;
use serde_json::json;
use signals::Signals;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use terminal::{Failure, complain, say, system_random};

/// A blind relay: keeps sealed messages for people who are away, and forgets them.
#[derive(Debug, Parser)]
#[command(name = "deaddrop-relay", version)]
struct Arguments {
    /// Level of the log: off, error, warn, info, debug, trace.
    #[arg(long, global = true, env = "RUST_LOG", hide_env_values = true)]
    log: Option<String>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a new relay: keys and an empty store.
    Init {
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
    },
    /// Serve until interrupted.
    Serve {
        /// The relay's directory.
        #[arg(long)]
        data: PathBuf,
        /// Address to listen on; port 0 takes a free port.
        #[arg(long)]
        listen: Option<String>,
        /// URL for clients, if it differs from the address that the relay listens on: ws://HOST:PORT/
        #[arg(long)]
        url: Option<String>,
        /// Keep everything in memory: no mailbox survives the process, and no blob is written to the disk.
        #[arg(long)]
        volatile: bool,
        /// Path of a configuration to use instead of the directory's own.
        #[arg(long)]
        config: Option<PathBuf>,
        /// Trust the system's clock, however far it is ahead of the stored day.
        #[arg(long)]
        trust_clock: bool,
        /// Address or network of a proxy that names the clients' addresses. Can be repeated.
        #[arg(long = "proxy", value_name = "ADDR")]
        proxies: Vec<Network>,
        /// Print one JSON object when ready.
        #[arg(long)]
        json: bool,
    },
    /// Show everything that an operator can know. Works while the relay serves.
    Inspect {
        /// The relay's directory.
        #[arg(long)]
        data: PathBuf,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Show or set the day by which leases and expiry are counted.
    Day {
        #[command(subcommand)]
        command: day::DayCommand,
    },
    /// Check a relay's directory, and say where its keys lie.
    Check {
        /// The relay's directory.
        #[arg(long)]
        data: PathBuf,
        /// Path of a configuration to use instead of the directory's own.
        #[arg(long)]
        config: Option<PathBuf>,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
}

/// Runs the program with these arguments, the program's name first.
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
        Command::Init { data, segment_mib, max_mib, json } => {
            init(&DataDir::at(data), StoreSize { segment_mib, max_mib }, json)
        }
        Command::Serve { data, listen, url, volatile, config, trust_clock, proxies, json } => {
            let data = DataDir::at(data);
            let mut settings = data.config(config.as_deref())?;
            settings.listen = listen.or(settings.listen);
            settings.url = url.or(settings.url);
            settings.trust_clock |= trust_clock;
            settings.proxies.extend(proxies);
            serve(&data, &settings, volatile, json)
        }
        Command::Inspect { data, json } => {
            let report = look(&DataDir::at(data))?.1;
            let text =
                if json { serde_json::to_string(&report).unwrap_or_default() } else { report.to_string() };
            say(text)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Day { command } => day::run(command),
        Command::Check { data, config, json } => check(&DataDir::at(data), config, json),
    }
}

fn init(data: &DataDir, size: StoreSize, json: bool) -> Result<ExitCode, Failure> {
    data.init(size, &mut system_random()?)?;
    let fingerprint = data.identity()?.fingerprint().to_string();
    if json {
        say(json!({ "fingerprint": fingerprint }))?;
    } else {
        say(format_args!(
            "made a relay with the fingerprint {fingerprint}\n\
             its store key lies beside the store: a person who takes this disk can open it like the running relay, minus \
             what has been destroyed"
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Everything that the store tells. Dead bytes were erased before the last write, whose time is asked after they were counted.
fn look(data: &DataDir) -> Result<(Option<Calendar>, inspect::Report), Failure> {
    let reader = data.look()?;
    let written = std::fs::metadata(data.store_path()).and_then(|file| file.modified()).ok();
    Ok((inspect::calendar(&reader), inspect::report(&reader, written)))
}

fn check(data: &DataDir, config: Option<PathBuf>, json: bool) -> Result<ExitCode, Failure> {
    if let Some(fault) = data.config_fault(config.as_deref())? {
        return Err(Failure::Say(fault));
    }
    let fingerprint = data.identity()?.fingerprint().to_string();
    let (calendar, report) = look(data)?;
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
    let key = data.store_key_path();
    if json {
        say(json!({
            "fingerprint": fingerprint,
            "day": calendar.map(|calendar| calendar.day.to_string()),
            "store": data.store_path(),
            "filled": filled,
            "store_key": key,
            "store_key_on_same_disk": true,
        }))?;
    } else {
        say(format_args!(
            "fingerprint: {fingerprint}\nconfiguration: good\nstore: opens: {filled}\n{day}\n\
             store key: in {}, on the disk of the store. A disk that is seized opens like the running relay, minus \
             what has been destroyed. To keep the key off the disk, put this file on another volume or in memory \
             and link to it; or serve with --volatile.",
            key.display(),
            day = day::state(calendar, trusted),
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn serve(data: &DataDir, config: &RelayConfig, volatile: bool, json: bool) -> Result<ExitCode, Failure> {
    let mut rng = system_random()?;
    let identity = data.identity()?;
    let limits = config.limits.clone();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|_| Failure::Say("the system gives no threads; raise its limit".to_owned()))?;
    let ended = if volatile {
        let store = KeptStore::in_memory(limits, &mut rng);
        runtime.block_on(listen(store, identity, config, json, rng))
    } else {
        let store = data.open(limits, &mut rng)?;
        runtime.block_on(listen(store, identity, config, json, rng))
    };
    match ended? {
        ServerEnd::Asked => Ok(ExitCode::SUCCESS),
        ServerEnd::StoreFailed => Err(Failure::Say(
            "the relay has stopped, so that nothing more is promised: the disk failed, or a fault of the program was found (see the log); check the disk, then start again"
                .to_owned(),
        )),
    }
}

async fn listen<S: Store>(
    store: S,
    identity: RelayIdentity,
    config: &RelayConfig,
    json: bool,
    mut rng: SystemRandom,
) -> Result<ServerEnd, Failure> {
    let wanted = config.listen.as_deref().unwrap_or("127.0.0.1:0");
    let listener = tokio::net::TcpListener::bind(wanted).await.map_err(|_| {
        Failure::Say("cannot listen there; is the address right, and is the port free?".to_owned())
    })?;
    let clock = Clock::start(store.census().calendar, config.trust_clock)
        .map_err(|error| Failure::Say(error.to_string()))?;
    let shared =
        SessionContext::new(config.limits.clone(), config.create_token.as_ref().map(CreateToken::expose));
    let proxies = Proxies::new(config.proxies.clone(), config.proxy_protocol);
    let server = Server::new(listener, store, identity, shared, clock, proxies, &mut rng);
    let local = server.address().map_err(|_| Failure::Say("the socket is gone".to_owned()))?;
    let url = config.url.clone().unwrap_or_else(|| format!("ws://{local}/"));
    let address = RelayAddress::new(*server.fingerprint(), &url).map_err(|_| {
        Failure::Say(
            "--url (or `url` in the configuration) is not one of a relay: ws://HOST:PORT/".to_owned(),
        )
    })?;
    if config.url.is_none() && local.ip().is_unspecified() {
        complain(
            "clients cannot use this address: say by which name or number they come, with --url ws://HOST:PORT/ \
             or `url` in the configuration",
        );
    }
    let mut signals = Signals::listen()
        .map_err(|_| Failure::Say("the system gives no signals; raise its limits".to_owned()))?;
    if json {
        say(json!({ "ready": address.to_string() }))?;
    } else {
        say(format_args!("deaddrop-relay ready: {address}"))?;
    }
    let (sender, orders) = tokio::sync::mpsc::channel(1);
    tokio::spawn(async move { while sender.send(signals.next().await).await.is_ok() {} });
    Ok(server.run(orders).await)
}

/// The limits and their defaults, as the specification lists them.
#[must_use]
pub fn limits_table() -> String {
    Limits::TABLE.iter().map(|row| format!("| `{}` | {} |\n", row.name, row.default)).collect()
}
