//! The command line of `deaddrop-relay`. Standard output carries results, standard error what went
//! wrong and what to do about it.

mod bench;
mod core_dump;
mod day;
mod open_files;
mod selftest;
mod signals;
mod terminal;

use crate::clock::{Belief, Calendar, Clock, system_day};
use crate::data_dir::{CreateToken, DataDir, RelayConfig, StoreSize};
use crate::kept::KeptStore;
use crate::limits::Limits;
use crate::proxy::{Proxies, ProxyName};
use crate::random::SystemRandom;
use crate::server::{Listeners, Server, ServerEnd, answer_until};
use crate::session::SessionContext;
use crate::store::Store;
use crate::{inspect, logging};
use clap::{Parser, Subcommand};
use deaddrop_link::RelayIdentity;
use deaddrop_tls::Reloader;
use deaddrop_wire::RelayAddress;
use serde_json::json;
use signals::Signals;
use std::ffi::OsString;
use std::future::Future;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::SystemTime;
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
        /// Path of a unix socket to listen on, for a proxy on this machine.
        #[cfg(unix)]
        #[arg(long, value_name = "PATH")]
        unix: Option<PathBuf>,
        /// Path of the TLS certificate with its chain (PEM).
        #[arg(long, value_name = "FILE", requires = "tls_key")]
        tls_cert: Option<PathBuf>,
        /// Path of the certificate's key (PEM, P-256 or P-384).
        #[arg(long, value_name = "FILE", requires = "tls_cert")]
        tls_key: Option<PathBuf>,
        /// URL for clients, if it differs from the address that the relay listens on: wss://HOST/,
        /// or ws://HOST:PORT/ without TLS
        #[arg(long)]
        url: Option<String>,
        /// Keep everything in memory: no mailbox survives the process, and no blob is written to
        /// the disk.
        #[arg(long)]
        volatile: bool,
        /// Path of a configuration to use instead of the directory's own.
        #[arg(long)]
        config: Option<PathBuf>,
        /// Trust the system's clock, however far it is ahead of the stored day.
        #[arg(long)]
        trust_clock: bool,
        /// Address or network of a proxy that names the clients' addresses, or `unix` for the proxy
        /// at the unix socket. Can be repeated.
        #[arg(long = "proxy", value_name = "ADDR|unix")]
        proxies: Vec<ProxyName>,
        /// Print one JSON object when ready.
        #[arg(long)]
        json: bool,
    },
    /// Measure what this machine carries: a relay with an empty store of its own, under the load of
    /// clients on this machine.
    Bench(bench::BenchArguments),
    /// Test this machine: whether that which was acked is really gone from its disk.
    Selftest {
        #[command(subcommand)]
        command: selftest::SelftestCommand,
    },
    /// Show everything that an operator can know. Works while the relay serves.
    Inspect {
        /// The relay's directory.
        #[arg(long)]
        data: PathBuf,
        /// Show totals alone, without a line for each mailbox.
        #[arg(long)]
        summary: bool,
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
        Command::Init { data, segment_mib, max_mib, json } => {
            init(&DataDir::at(data), StoreSize { segment_mib, max_mib }, json)
        }
        Command::Serve {
            data,
            listen,
            #[cfg(unix)]
            unix,
            tls_cert,
            tls_key,
            url,
            volatile,
            config,
            trust_clock,
            proxies,
            json,
        } => {
            let data = DataDir::at(data);
            let mut settings = data.config(config.as_deref())?;
            settings.listen = listen.or(settings.listen);
            #[cfg(unix)]
            {
                settings.unix = unix.or(settings.unix);
            }
            settings.tls_cert = tls_cert.or(settings.tls_cert);
            settings.tls_key = tls_key.or(settings.tls_key);
            settings.url = url.or(settings.url);
            settings.trust_clock |= trust_clock;
            settings.proxies.extend(proxies);
            serve(&data, settings, volatile, json)
        }
        Command::Bench(arguments) => bench::run(arguments),
        Command::Inspect { data, summary, json } => {
            let report = look(&DataDir::at(data), summary)?.1;
            let text =
                if json { serde_json::to_string(&report).unwrap_or_default() } else { report.to_string() };
            say(text)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Day { command } => day::run(command),
        Command::Selftest { command } => selftest::run(command),
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

/// Reads the store without a lock, and returns its calendar and its report. The time of the last
/// write is read after the dead bytes are counted, so all of them were destroyed before that time.
fn look(data: &DataDir, summary: bool) -> Result<(Option<Calendar>, inspect::Report), Failure> {
    let mut random = system_random()?;
    let reader = data.look()?;
    let written = std::fs::metadata(data.store_path()).and_then(|file| file.modified()).ok();
    let order: Option<&mut dyn rand::CryptoRng> = if summary { None } else { Some(&mut random) };
    Ok((inspect::calendar(&reader), inspect::report(&reader, written, order)))
}

fn check(data: &DataDir, config: Option<PathBuf>, json: bool) -> Result<ExitCode, Failure> {
    if let Some(fault) = data.config_fault(config.as_deref())? {
        return Err(Failure::Say(fault));
    }
    let fingerprint = data.identity()?.fingerprint().to_string();
    let (calendar, report) = look(data, true)?;
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

fn serve(data: &DataDir, mut config: RelayConfig, volatile: bool, json: bool) -> Result<ExitCode, Failure> {
    if !core_dump::forbid() {
        complain(
            "the system does not let this program forbid core dumps: one would hold what the relay forgets",
        );
    }
    let asked = config.limits.connections;
    if let Some(files) = open_files::raise_limit()
        && let Some(places) = open_files::places(files).filter(|places| *places < asked)
    {
        complain(&format!(
            "the system allows {files} open files, too few for {asked} connections: the relay serves at most {places}; raise the \
             limit of open files, or lower `connections`",
        ));
        config.limits.connections = places;
    }
    let config = &config;
    let mut rng = system_random()?;
    let identity = data.identity()?;
    let limits = config.limits.clone();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|_| Failure::Say("the system gives no threads; raise its limit".to_owned()))?;
    let ended = if volatile {
        let store = KeptStore::in_memory(limits, &mut rng);
        runtime.block_on(listen(async { Ok(store) }, identity, config, json, rng))
    } else {
        let (data, mut random) = (data.clone(), system_random()?);
        let open = async {
            let opened = tokio::task::spawn_blocking(move || data.open(limits, &mut random)).await;
            let fault = "the store could not be opened: a fault of the program (see the log)";
            Ok(opened.map_err(|_| Failure::Say(fault.to_owned()))??)
        };
        runtime.block_on(listen(open, identity, config, json, rng))
    };
    match ended? {
        ServerEnd::Asked => Ok(ExitCode::SUCCESS),
        ServerEnd::StoreFailed => Err(Failure::Say(
            "the relay has stopped, so that nothing more is promised: the disk failed, or a fault of the program was found (see the log); check the disk, then start again"
                .to_owned(),
        )),
    }
}

/// Opens the sockets, answers "starting" until `open` has opened the store, and then serves until
/// the relay ends.
async fn listen<S: Store>(
    open: impl Future<Output = Result<S, Failure>>,
    identity: RelayIdentity,
    config: &RelayConfig,
    json: bool,
    mut rng: SystemRandom,
) -> Result<ServerEnd, Failure> {
    // A signal while the store is being opened is an order for the time after it.
    let mut signals = Signals::listen()
        .map_err(|_| Failure::Say("the system gives no signals; raise its limits".to_owned()))?;
    let certificate = certificate(config)?;
    let listeners = bind(config).await?;
    let proxies = Proxies::new(config.proxies.clone(), config.proxy_protocol);
    let opened = answer_until(&listeners, certificate.as_ref(), &proxies, open).await;
    let store = opened.map_err(|error| Failure::Say(error.to_string()))??;
    let clock = Clock::start(store.census().calendar, config.trust_clock)
        .map_err(|error| Failure::Say(error.to_string()))?;
    let shared =
        SessionContext::new(config.limits.clone(), config.create_token.as_ref().map(CreateToken::expose));
    let server = Server::new(listeners, store, identity, shared, clock, proxies, &mut rng);
    let local = server.address().ok();
    let url = match (&config.url, local) {
        (Some(url), _) => url.clone(),
        (None, Some(local)) => format!("{}://{local}/", if certificate.is_some() { "wss" } else { "ws" }),
        (None, None) => {
            return Err(Failure::Say(
                "clients need an address: give the one of the proxy, with --url wss://HOST/ or `url` in the configuration"
                    .to_owned(),
            ));
        }
    };
    let address = RelayAddress::new(*server.fingerprint(), &url).map_err(|_| {
        Failure::Say(
            "--url (or `url` in the configuration) is not one of a relay: wss://HOST/ or ws://HOST:PORT/"
                .to_owned(),
        )
    })?;
    let mut server = server.with_path(address.path());
    if certificate.is_some() && !address.is_tls() {
        complain(
            "the relay speaks TLS, and --url (or `url` in the configuration) does not say so: clients need wss://HOST/",
        );
    }
    if let Some(certificate) = certificate {
        server = server.with_tls(certificate).map_err(|error| Failure::Say(error.to_string()))?;
    }
    if config.url.is_none() && local.is_some_and(|local| local.ip().is_unspecified()) {
        complain(
            "clients cannot use this address: say by which name or number they come, with --url ws://HOST:PORT/ \
             or `url` in the configuration",
        );
    }
    if json {
        say(json!({ "ready": address.to_string() }))?;
    } else {
        say(format_args!("deaddrop-relay ready: {address}"))?;
    }
    let (sender, orders) = tokio::sync::mpsc::channel(1);
    tokio::spawn(async move { while sender.send(signals.next().await).await.is_ok() {} });
    Ok(server.run(orders).await)
}

/// Loads the TLS certificate and its key from the files that the configuration names; `None` if it
/// names none. Fails if it names one of the two files alone, or if they cannot be loaded.
fn certificate(config: &RelayConfig) -> Result<Option<Reloader>, Failure> {
    let (certificate, key) = match (&config.tls_cert, &config.tls_key) {
        (Some(certificate), Some(key)) => (certificate, key),
        (None, None) => return Ok(None),
        _ => {
            return Err(Failure::Say(
                "TLS needs a certificate and its key: give both --tls-cert and --tls-key (`tls_cert` and `tls_key` in the configuration), or neither"
                    .to_owned(),
            ));
        }
    };
    let now = SystemTime::now();
    let reloader = Reloader::load(certificate, key, now).map_err(|error| Failure::Say(error.to_string()))?;
    if let Some(warning) = reloader.current().warning(now) {
        complain(&format!("{}: {warning}", certificate.display()));
    }
    Ok(Some(reloader))
}

/// Opens the sockets that the configuration names: TCP on loopback if it names none.
async fn bind(config: &RelayConfig) -> Result<Listeners, Failure> {
    let tcp = match (&config.listen, &config.unix) {
        (Some(listen), _) => Some(listen.as_str()),
        (None, None) => Some("127.0.0.1:0"),
        (None, Some(_)) => None,
    };
    let mut listeners = match tcp {
        Some(place) => Listeners::bind(place).await.map_err(|error| {
            Failure::Say(format!(
                "cannot listen on {place}: {error}; choose another address or port with --listen"
            ))
        })?,
        None => Listeners::default(),
    };
    #[cfg(unix)]
    if let Some(path) = &config.unix {
        listeners.add_unix(path).map_err(|error| Failure::Say(format!("{}: {error}", path.display())))?;
    }
    #[cfg(not(unix))]
    if config.unix.is_some() {
        return Err(Failure::Say(
            "this system has no unix sockets; remove `unix` from the configuration".to_owned(),
        ));
    }
    Ok(listeners)
}

/// Returns a table of all limits with their defaults, in the order of [`Limits::TABLE`]: for each
/// limit one row of Markdown. Ranges and meanings are left out.
#[must_use]
pub fn limits_table() -> String {
    Limits::TABLE.iter().map(|row| format!("| `{}` | {} |\n", row.name, row.default)).collect()
}
