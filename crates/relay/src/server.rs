//! The server: sockets, tasks, shutdown (spec/12-relay.md section 7). One task owns one connection;
//! no task outlives [`Server::run`].

mod arrival;
mod close_reason;
mod connection;
mod delegate_io;
mod heartbeat;
mod http;
mod link;
mod listeners;
mod metrics;
mod opened;
mod pages;
mod paths;
mod peeked_stream;
mod relay;
mod report;
mod request;
mod starting;
mod status;
mod stream;
mod tls;

pub use heartbeat::Heartbeat;
#[cfg(unix)]
pub use listeners::UnixSocketError;
pub use listeners::{Listeners, MetricsSocketError};
pub use starting::answer_until;

use crate::about::About;
use crate::admission::{Admission, Prefix};
use crate::clock::{Clock, Look};
use crate::proxy::Proxies;
use crate::session::{AboutTooLong, SessionContext};
use crate::store::Store;
use deaddrop_link::{CookieKey, RelayIdentity};
use deaddrop_wire::{Fingerprint, Offer};
use listeners::{ACCEPT_PAUSE, Peer};
use pages::Pages;
use paths::BasePath;
use rand::CryptoRng;
use relay::{Counters, Relay};
use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;
use stream::Stream;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;
use tokio::time::Instant;

/// An order of the operator to a running relay, sent through the channel of [`Server::run`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Order {
    /// Ask the client of every link to come back later, and end.
    Stop,
    /// Log the counters now.
    Report,
    /// Read the files of the TLS certificate and of its key again. The configuration is not read
    /// again. Without TLS the relay only logs that.
    Reload,
}

/// The reason for which a server ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ServerEnd {
    /// The operator ordered the relay to stop, or the sender of orders was dropped.
    Asked,
    /// The store has failed.
    StoreFailed,
}

/// A relay with its store and the sockets on which it listens. Serves nothing before
/// [`run`](Self::run).
#[derive(Debug)]
pub struct Server<S> {
    relay: Arc<Relay<S>>,
    listeners: Listeners,
    heartbeat: Heartbeat,
}

impl<S: Store> Server<S> {
    /// Makes a relay with this identity over this store. `shared` holds its limits, and `rng` draws
    /// the keys of cookies and of address prefixes.
    #[must_use]
    pub fn new(
        listeners: impl Into<Listeners>,
        store: S,
        identity: RelayIdentity,
        shared: SessionContext,
        clock: Clock,
        proxies: Proxies,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Self {
        let pages = Pages::new(&About::new(&shared.limits, shared.needs_token()));
        let relay = Relay {
            store,
            shared: Arc::new(shared),
            identity,
            offer: Offer::v1(),
            clock,
            cookies: CookieKey::generate(rng),
            admission: Arc::new(Admission::new(rng)),
            proxies,
            base: BasePath::default(),
            tls: None,
            memory: Arc::default(),
            counters: Counters::default(),
            pages,
            failed: Notify::new(),
            is_stopping: AtomicBool::new(false),
        };
        Self { relay: Arc::new(relay), listeners: listeners.into(), heartbeat: Heartbeat::default() }
    }

    /// Answers requests below `path`, too. This is the path of the relay's URL, for proxies that do
    /// not remove it; it begins and ends with `/`.
    #[must_use]
    pub fn with_path(mut self, path: &str) -> Self {
        if let Some(relay) = Arc::get_mut(&mut self.relay) {
            relay.base = BasePath::new(path);
        }
        self
    }

    /// Shows this description on the relay's pages, and to clients over their links. Without this
    /// call the pages show that of a relay in memory with the limits of the context.
    ///
    /// # Errors
    /// Fails with [`AboutTooLong`] when the JSON of the description is too long for a link, which
    /// no description is that this crate can make.
    pub fn with_about(mut self, about: &About) -> Result<Self, AboutTooLong> {
        if let Some(relay) = Arc::get_mut(&mut self.relay) {
            relay.pages = Pages::new(about);
            if let Some(shared) = Arc::get_mut(&mut relay.shared) {
                shared.set_about(&about.to_json())?;
            }
        }
        Ok(self)
    }

    /// Speaks TLS on the TCP socket, with this certificate. Connections to a unix socket have no
    /// TLS.
    ///
    /// # Errors
    /// Fails with [`TlsError`](deaddrop_tls::TlsError) when the certificate or its key cannot be
    /// used.
    pub fn with_tls(mut self, certificate: deaddrop_tls::Reloader) -> Result<Self, deaddrop_tls::TlsError> {
        let tls = tls::Tls::new(certificate)?;
        if let Some(relay) = Arc::get_mut(&mut self.relay) {
            relay.tls = Some(tls);
        }
        Ok(self)
    }

    /// Sends signs of life while it serves: as long as the sweep, which needs the store's writer, goes
    /// on.
    #[must_use]
    pub fn with_heartbeat(mut self, heartbeat: Heartbeat) -> Self {
        self.heartbeat = heartbeat;
        self
    }

    /// Returns the address of the TCP socket on which the relay listens.
    ///
    /// # Errors
    /// Fails with [`NotConnected`](std::io::ErrorKind::NotConnected) if the relay listens on a unix
    /// socket alone, and otherwise with the error of the system.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.listeners.tcp_address()
    }

    /// Returns the fingerprint by which clients know the relay.
    #[must_use]
    pub fn fingerprint(&self) -> &Fingerprint {
        self.relay.identity.fingerprint()
    }

    /// Serves until `orders` yields [`Order::Stop`] or has lost its sender, or the store fails.
    /// Then accepts nothing more. After an order, it asks the client of every link to come back
    /// later and closes what is left when `drain_ms` and half a second have passed, or at a second
    /// order to stop; after a failure, it closes all at once.
    pub async fn run(self, mut orders: mpsc::Receiver<Order>) -> ServerEnd {
        let Self { relay, mut listeners, heartbeat } = self;
        let mut links = JoinSet::new();
        // Answers questions of the operator until the last link has ended.
        let mut questions = JoinSet::new();
        if let Some(own) = listeners.take_metrics() {
            questions.spawn(metrics::serve(Arc::clone(&relay), own));
        }
        let mut sweeping = std::pin::pin!(sweep(&relay, heartbeat));
        let mut watching = std::pin::pin!(report::watch(&relay));
        let mut renewing = std::pin::pin!(tls::renew(relay.tls.as_ref()));
        let ended = loop {
            tokio::select! {
                accepted = listeners.accept() => match accepted {
                    Ok((stream, peer)) => {
                        admit(&relay, stream, peer, &mut links);
                        // Finished tasks are removed here too, because accepting may always be ready.
                        while links.try_join_next().is_some() {}
                    }
                    Err(error) => if relay.note_not_accepted(&error) {
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    },
                },
                Some(_) = links.join_next() => {}
                () = &mut sweeping => {}
                () = &mut watching => {}
                () = &mut renewing => {}
                () = relay.failed.notified() => break ServerEnd::StoreFailed,
                order = orders.recv() => match order.unwrap_or(Order::Stop) {
                    Order::Stop => break ServerEnd::Asked,
                    Order::Report => relay.report(),
                    Order::Reload => match &relay.tls {
                        Some(tls) => tls.wanted.notify_one(),
                        None => tracing::warn!("the configuration was not read again: to change it, restart the relay"),
                    },
                },
            }
        };
        drop(listeners);
        relay.is_stopping.store(true, Ordering::Relaxed);
        relay.admission.leave_all();
        let patience = Duration::from_millis(relay.shared.limits.drain_ms.saturating_add(500));
        if ended == ServerEnd::Asked {
            tracing::info!("stopping: {} connections are asked to come back later", links.len());
            let drained = async { while links.join_next().await.is_some() {} };
            tokio::select! {
                _ = tokio::time::timeout(patience, drained) => {}
                () = stop_again(&mut orders) => tracing::info!("ordered to stop again: the rest is not waited for"),
            }
        }
        let cut = links.len();
        links.shutdown().await;
        questions.shutdown().await;
        tracing::info!("stopped; {cut} connections were cut");
        ended
    }
}

/// Waits for an order to stop. Never resolves if the sender of orders is dropped.
async fn stop_again(orders: &mut mpsc::Receiver<Order>) {
    while let Some(order) = orders.recv().await {
        if order == Order::Stop {
            return;
        }
    }
    std::future::pending().await
}

fn admit<S: Store>(relay: &Arc<Relay<S>>, stream: Stream, peer: Peer, links: &mut JoinSet<()>) {
    let from_proxy = peer.is_proxy(&relay.proxies);
    let prefix = match peer {
        _ if from_proxy => Prefix::ANNOUNCED,
        Peer::Address(address) => relay.admission.prefix(address.ip()),
        #[cfg(unix)]
        Peer::Local => Prefix::SHARED,
    };
    let Some(connected) = relay.admission.connect(prefix, &relay.shared.limits) else {
        tracing::debug!("a connection was refused: a limit is reached");
        return arrival::refuse(&stream, relay.tls.is_some());
    };
    stream.tune();
    let signals = connected.signals();
    let mut serving = Box::pin(http::serve(Arc::clone(relay), stream, from_proxy, connected));
    // Written as a poll, because the state of a `select` would be held for each idle link.
    links.spawn(poll_fn(move |context| {
        if signals.poll_half_open(context).is_ready() {
            tracing::debug!("a half-open connection ended: its place was given to another");
            return Poll::Ready(());
        }
        serving.as_mut().poll(context)
    }));
}

/// Every `sweep_every_ms`: checks the clock, forgets old prefixes, destroys what has expired, logs
/// the counts, and signals a store that has failed. Never returns.
async fn sweep<S: Store>(relay: &Relay<S>, mut heartbeat: Heartbeat) {
    let limits = &relay.shared.limits;
    let batch = usize::try_from(limits.sweep_batch).unwrap_or(usize::MAX);
    loop {
        if relay.clock.look() != Look::Believed {
            relay.counters.clock_refused.fetch_add(1, Ordering::Relaxed);
        }
        let now_ms = relay.clock.now().ms;
        relay.admission.tidy(now_ms);
        relay.shared.tidy(now_ms);
        // The clock is looked at on time, also while expiry waits for the disk.
        let next = Instant::now() + Duration::from_millis(limits.sweep_every_ms.max(10));
        while relay.store.sweep(relay.clock.now(), batch).await && Instant::now() < next {
            heartbeat.beat();
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        if relay.store.census().stopped {
            relay.failed.notify_one();
        }
        tracing::debug!("{}", relay.counts());
        heartbeat.sleep_until(next.max(Instant::now() + Duration::from_millis(10))).await;
    }
}
