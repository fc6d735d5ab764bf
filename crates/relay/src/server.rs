//! The shell: sockets, tasks, shutdown (spec/12-relay.md section 7). One task owns one connection; no task outlives
//! [`Server::run`].

mod arrival;
mod http;
mod link;
mod report;
mod rewound;

use crate::admission::{Admission, Prefix};
use crate::clock::{Clock, Look};
use crate::memory::Memory;
use crate::proxy::Proxies;
use crate::session::Shared;
use crate::store::Store;
use deaddrop_link::{CookieKey, RelayIdentity};
use deaddrop_wire::{Fingerprint, Offer};
use rand::CryptoRng;
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

/// What a running relay has.
pub struct Relay<S> {
    store: S,
    shared: Arc<Shared>,
    identity: RelayIdentity,
    offer: Offer,
    clock: Clock,
    cookies: CookieKey,
    admission: Arc<Admission>,
    proxies: Proxies,
    memory: Arc<Memory>,
    counters: Counters,
    /// The store has failed.
    failed: Notify,
    leaving: watch::Sender<bool>,
}

/// What a log line may say.
#[derive(Debug, Default)]
struct Counters {
    links: AtomicU64,
    records_in: AtomicU64,
    records_out: AtomicU64,
    breaches: AtomicU64,
    /// Connections that the system did not give, for want of descriptors or memory, and for other reasons.
    no_descriptors: AtomicU64,
    not_accepted: AtomicU64,
    /// Looks at a clock that was not believed.
    clock_refused: AtomicU64,
}

/// What a running relay is told by its operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Order {
    /// Say goodbye to all links and end.
    Stop,
    /// Log the counters now.
    Report,
    /// Read the configuration again. It is not done: nothing of it can change while a relay serves.
    Reload,
}

/// Why a server ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ended {
    /// It was asked to.
    Asked,
    /// Its store has failed.
    StoreFailed,
}

/// A relay on a socket.
#[derive(Debug)]
pub struct Server<S> {
    relay: Arc<Relay<S>>,
    listener: TcpListener,
}

impl<S: Store> Server<S> {
    /// A relay with this identity over this store.
    #[must_use]
    pub fn new(
        listener: TcpListener,
        store: S,
        identity: RelayIdentity,
        shared: Shared,
        clock: Clock,
        proxies: Proxies,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Self {
        let relay = Relay {
            store,
            shared: Arc::new(shared),
            identity,
            offer: Offer::v1(),
            clock,
            cookies: CookieKey::generate(rng),
            admission: Arc::new(Admission::new(rng)),
            proxies,
            memory: Arc::default(),
            counters: Counters::default(),
            failed: Notify::new(),
            leaving: watch::Sender::new(false),
        };
        Self { relay: Arc::new(relay), listener }
    }

    /// Where it listens.
    ///
    /// # Errors
    /// The system's.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// By which clients know it.
    #[must_use]
    pub fn fingerprint(&self) -> &Fingerprint {
        self.relay.identity.fingerprint()
    }

    /// Serves until `orders` gives [`Order::Stop`] or has no sender any more, or the store fails; then says goodbye to every link
    /// and waits for it, within the limits.
    pub async fn run(self, mut orders: mpsc::Receiver<Order>) -> Ended {
        let Self { relay, listener } = self;
        let mut links = JoinSet::new();
        let mut sweeping = std::pin::pin!(sweep(&relay));
        let mut watching = std::pin::pin!(report::watch(&relay));
        let ended = loop {
            tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((stream, address)) => {
                        admit(&relay, stream, address, &mut links);
                        // However fast they come, those that are over are not kept.
                        while links.try_join_next().is_some() {}
                    }
                    Err(error) => if relay.not_accepted(&error) {
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    },
                },
                Some(_) = links.join_next() => {}
                () = &mut sweeping => {}
                () = &mut watching => {}
                () = relay.failed.notified() => break Ended::StoreFailed,
                order = orders.recv() => match order.unwrap_or(Order::Stop) {
                    Order::Stop => break Ended::Asked,
                    Order::Report => relay.report(),
                    Order::Reload => {
                        tracing::warn!("nothing was read again: to change the configuration, start the relay again");
                    }
                },
            }
        };
        drop(listener);
        let _ = relay.leaving.send(true);
        tracing::info!(links = links.len(), "leaving");
        let patience = Duration::from_millis(relay.shared.limits.drain_ms.saturating_add(500));
        if ended == Ended::Asked {
            let drained = async { while links.join_next().await.is_some() {} };
            let _ = tokio::time::timeout(patience, drained).await;
        }
        links.shutdown().await;
        ended
    }
}

/// Pause after the system has refused to give a connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

/// The answer to a connection that gets no place.
const NO_PLACE: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 30\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

fn admit<S: Store>(relay: &Arc<Relay<S>>, stream: TcpStream, address: SocketAddr, links: &mut JoinSet<()>) {
    let from_proxy = relay.proxies.contains(address.ip());
    let prefix = if from_proxy { Prefix::SHARED } else { relay.admission.prefix(address.ip()) };
    let Some(connected) = relay.admission.connect(prefix, &relay.shared.limits) else {
        tracing::debug!("a connection too many");
        return refuse(stream);
    };
    // Small records matter more than full packets.
    let _ = stream.set_nodelay(true);
    // Bytes wait here, where they are counted, and not in the system: what a slow client takes is seen soon.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    let _ = socket2::SockRef::from(&stream).set_tcp_notsent_lowat(deaddrop_websocket::UNSENT_IN_SYSTEM);
    let evicted = connected.evicted_half_open();
    let serving = Box::pin(http::serve(Arc::clone(relay), stream, from_proxy, connected));
    links.spawn(async move {
        tokio::select! {
            () = serving => {}
            () = evicted => tracing::debug!("a half-open connection gave its place to another"),
        }
    });
}

/// Tells a newcomer that it gets no place. Never waits: the socket takes the answer at once or not at all.
fn refuse(stream: TcpStream) {
    let Ok(mut stream) = stream.into_std() else { return };
    // What has come and is not read would turn the end into a reset, and the peer's system might drop the answer for it.
    let _ = stream.read(&mut [0; rewound::MAX_HEAD]);
    let _ = stream.write(NO_PLACE);
}

/// Looks at the day, lets go what is over, tells how much there is. Never ends.
async fn sweep<S: Store>(relay: &Relay<S>) {
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
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        if relay.store.census().stopped {
            relay.failed.notify_one();
        }
        tracing::info!("{}", relay.counts());
        tokio::time::sleep_until(next.max(Instant::now() + Duration::from_millis(10))).await;
    }
}

impl<S> Relay<S> {
    /// The system did not give a connection. When it has run out of something, a connection that can be spared ends.
    /// Returns whether to wait: not after a peer that broke off, or peers could stop all others by breaking off.
    fn not_accepted(&self, error: &io::Error) -> bool {
        use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
        if is_out_of_descriptors(error) {
            self.counters.no_descriptors.fetch_add(1, Ordering::Relaxed);
            self.admission.give_one_up();
        } else {
            self.counters.not_accepted.fetch_add(1, Ordering::Relaxed);
        }
        !matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted)
    }
}

/// Whether the system has no descriptors or no memory for another connection.
fn is_out_of_descriptors(error: &io::Error) -> bool {
    // ENOMEM, ENFILE, EMFILE, ENOBUFS: numbers of Linux and the BSDs (ENOBUFS differs).
    error.kind() == io::ErrorKind::OutOfMemory
        || matches!(error.raw_os_error(), Some(12 | 23 | 24 | 55 | 105))
}

impl<S> std::fmt::Debug for Relay<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Relay(..)")
    }
}
