//! `serve`: runs the relay.

use super::moved;
use super::service_manager::{self, HandedSockets, ServiceState};
use super::signals::Signals;
use super::sockets::bind;
use super::terminal::{Failure, complain, read_config, say, system_random};
use super::{core_dump, open_files};
use crate::about::{About, StorePlace};
use crate::clock::Clock;
use crate::data_dir::{CreateToken, DataDir, Medium, RelayConfig};
use crate::kept::KeptStore;
use crate::moving::MovedMark;
use crate::proxy::{Proxies, ProxyName};
use crate::random::SystemRandom;
use crate::server::{Server, ServerEnd, answer_until};
use crate::session::SessionContext;
use crate::store::{Census, Store};
use clap::Args;
use deaddrop_link::RelayIdentity;
use deaddrop_tls::Reloader;
use deaddrop_wire::RelayAddress;
use serde_json::json;
use std::future::Future;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::SystemTime;

/// The arguments of `serve`.
#[derive(Debug, Args)]
pub(super) struct ServeArguments {
    /// The relay's directory.
    #[arg(long)]
    data: PathBuf,
    /// Address to listen on; port 0 takes a free port. Without it and without a unix socket:
    /// 127.0.0.1:7700.
    #[arg(long, value_name = "HOST:PORT")]
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
    /// Show metrics for Prometheus, and the pages /health and /ready, at this address of loopback
    /// or at unix:PATH.
    #[arg(long, value_name = "HOST:PORT|unix:PATH")]
    metrics: Option<String>,
    /// Print one JSON object when ready.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: ServeArguments) -> Result<ExitCode, Failure> {
    let data = DataDir::at(arguments.data);
    let mut settings = read_config(&data, arguments.config.as_deref())?;
    settings.listen = arguments.listen.or(settings.listen);
    #[cfg(unix)]
    {
        settings.unix = arguments.unix.or(settings.unix);
    }
    settings.tls_cert = arguments.tls_cert.or(settings.tls_cert);
    settings.tls_key = arguments.tls_key.or(settings.tls_key);
    settings.url = arguments.url.or(settings.url);
    settings.metrics = arguments.metrics.or(settings.metrics);
    settings.trust_clock |= arguments.trust_clock;
    settings.proxies.extend(arguments.proxies);
    let moved = moved::before_serving(&data)?;
    serve(&data, settings, moved, arguments.volatile, arguments.json)
}

/// Serves the relay, or only its new URL if it has moved.
fn serve(
    data: &DataDir,
    mut config: RelayConfig,
    moved: Option<MovedMark>,
    volatile: bool,
    json: bool,
) -> Result<ExitCode, Failure> {
    let sockets = HandedSockets::take()?;
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
    let ended = if volatile || moved.is_some() {
        let store = KeptStore::in_memory(limits, &mut rng);
        let subject =
            Subject { store: StorePlace::Memory, key: None, moved: moved.map(|mark| (data.clone(), mark)) };
        runtime.block_on(listen(async { Ok(store) }, identity, config, sockets, subject, json, rng))
    } else {
        let key = Some(data.store_key_place()?.medium);
        let subject = Subject { store: StorePlace::Disk, key, moved: None };
        let (data, mut random) = (data.clone(), system_random()?);
        let open = async {
            let opened = tokio::task::spawn_blocking(move || data.open(limits, &mut random)).await;
            let fault = "the store could not be opened: a fault of the program (see the log)";
            Ok(opened.map_err(|_| Failure::Say(fault.to_owned()))??)
        };
        runtime.block_on(listen(open, identity, config, sockets, subject, json, rng))
    };
    let Some(ended) = ended? else {
        // Opening a store can be broken off at any moment, as by a crash.
        runtime.shutdown_background();
        return Ok(ExitCode::SUCCESS);
    };
    match ended {
        ServerEnd::Asked => Ok(ExitCode::SUCCESS),
        ServerEnd::StoreFailed => Err(Failure::Say(
            "the relay has stopped, so that nothing more is promised: the disk failed, or a fault of the program was found (see the log); check the disk, then start again"
                .to_owned(),
        )),
    }
}

/// The data that a relay serves.
struct Subject {
    /// Place of the messages, for the relay's page.
    store: StorePlace,
    /// Place of the store key, for the relay's page; `None` without a store on the disk.
    key: Option<Medium>,
    /// Directory and mark of a relay that has moved, whose links are told the new URL alone; `None`
    /// if it has not.
    moved: Option<(DataDir, MovedMark)>,
}

/// Opens the sockets, answers "starting" until `open` has opened the store, and then serves until
/// the relay ends. Returns `None` if it was ordered to stop before the store was open.
async fn listen<S: Store>(
    open: impl Future<Output = Result<S, Failure>>,
    identity: RelayIdentity,
    config: &RelayConfig,
    sockets: HandedSockets,
    subject: Subject,
    json: bool,
    mut rng: SystemRandom,
) -> Result<Option<ServerEnd>, Failure> {
    let mut signals = Signals::listen()
        .map_err(|_| Failure::Say("the system gives no signals; raise its limits".to_owned()))?;
    let certificate = certificate(config)?;
    let mut listeners = if sockets.is_empty() { bind(config).await? } else { sockets.listen()? };
    if let Some(place) = &config.metrics {
        let made = listeners.add_metrics(place).await;
        made.map_err(|error| Failure::Say(format!("--metrics {place}: {}", with_source(&error))))?;
    }
    let metrics = listeners.metrics_address();
    service_manager::tell(ServiceState::Opening);
    let proxies = Proxies::new(config.proxies.clone(), config.proxy_protocol);
    let opened = tokio::select! {
        opened = answer_until(&listeners, certificate.as_ref(), &proxies, open) => opened,
        // Any other signal is an order for the time after the opening.
        () = signals.stopped() => {
            service_manager::tell(ServiceState::Stopping);
            tracing::info!("stopped before the store was open");
            return Ok(None);
        }
    };
    let store = opened.map_err(|error| Failure::Say(error.to_string()))??;
    let Subject { store: place, key, moved } = subject;
    let calendar = moved.as_ref().map(|(_, mark)| mark.calendar).or(store.census().calendar);
    let clock =
        Clock::start(calendar, config.trust_clock).map_err(|error| Failure::Say(error.to_string()))?;
    let contents = contents(&store.census());
    let mut shared =
        SessionContext::new(config.limits.clone(), config.create_token.as_ref().map(CreateToken::expose));
    let moved_to = moved.as_ref().map(|(_, mark)| mark.url.clone());
    if let Some((data, mark)) = moved {
        shared = shared.with_moved_to(mark.url);
        tokio::spawn(moved::watch(data, clock.clone()));
    }
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
    let about = About {
        address: Some(address.clone()),
        moved_to,
        contact: config.contact.clone(),
        store: place,
        key,
        ..About::new(&config.limits, config.create_token.is_some())
    };
    let mut server = server
        .with_path(address.path())
        .with_heartbeat(service_manager::heartbeat())
        .with_about(&about)
        .map_err(|error| Failure::Say(error.to_string()))?;
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
        // With port 0 only the system knows the port.
        say(json!({ "ready": address.to_string(), "metrics": metrics }))?;
    } else {
        say(format_args!("deaddrop-relay ready: {address}"))?;
    }
    let doors = match (local, &config.unix) {
        (Some(_), Some(_)) => "TCP and a unix socket",
        (Some(_), None) => "TCP",
        (None, _) => "a unix socket",
    };
    let tls = if address.is_tls() && config.tls_cert.is_some() { ", TLS" } else { "" };
    tracing::info!("version {} serves by {doors}{tls}; {contents}", env!("CARGO_PKG_VERSION"));
    service_manager::tell(ServiceState::Serving);
    let (sender, orders) = tokio::sync::mpsc::channel(1);
    tokio::spawn(service_manager::pass_orders(signals, sender));
    Ok(Some(server.run(orders).await))
}

/// Describes the store for the line of the start.
fn contents(census: &Census) -> String {
    let Census { mailboxes, blobs, space, .. } = census;
    match space {
        Some(space) => format!(
            "the store on the disk holds {mailboxes} mailboxes and {blobs} blobs, and uses {} % of its segments",
            space.percent_in_use()
        ),
        None => "the store is memory: no mailbox survives the process".to_owned(),
    }
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

/// Formats an error with that of the system behind it.
fn with_source(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {source}"))
}
