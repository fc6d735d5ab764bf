//! The shell: sockets, tasks, shutdown (spec/12-relay.md section 7). One task owns one connection; no task outlives
//! [`Server::run`].

mod http;
mod link;
mod rewound;

use crate::admission::Admission;
use crate::clock::Clock;
use crate::session::Shared;
use crate::store::Store;
use deaddrop_link::{CookieKey, RelayIdentity};
use deaddrop_wire::{Fingerprint, Offer};
use rand::CryptoRng;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

/// Bytes of one connection that wait in the system before the network takes them.
#[cfg(any(target_os = "linux", target_os = "android"))]
const UNSENT_IN_SYSTEM: u32 = 16_384;

/// What a running relay has.
pub struct Relay<S> {
    store: S,
    shared: Arc<Shared>,
    identity: RelayIdentity,
    offer: Offer,
    clock: Clock,
    cookies: CookieKey,
    admission: Arc<Admission>,
    /// Bytes held by all links.
    held: AtomicU64,
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
            held: AtomicU64::new(0),
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

    /// Serves until `asked` resolves or the store fails; then says goodbye to every link and waits for it, within
    /// the limits.
    pub async fn run(self, asked: impl Future<Output = ()>) -> Ended {
        let Self { relay, listener } = self;
        let mut links = JoinSet::new();
        let mut asked = std::pin::pin!(asked);
        let mut sweeping = std::pin::pin!(sweep(&relay));
        let ended = loop {
            tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((stream, address)) => admit(&relay, stream, address, &mut links),
                    // Out of descriptors, most likely: others will end.
                    Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
                },
                Some(_) = links.join_next() => {}
                () = &mut sweeping => {}
                () = relay.failed.notified() => break Ended::StoreFailed,
                () = &mut asked => break Ended::Asked,
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

fn admit<S: Store>(relay: &Arc<Relay<S>>, stream: TcpStream, address: SocketAddr, links: &mut JoinSet<()>) {
    let limits = &relay.shared.limits;
    let prefix = relay.admission.prefix(address.ip());
    let Some(connected) = relay.admission.connect(prefix, limits, relay.clock.now().ms) else {
        tracing::debug!("a connection too many");
        return;
    };
    // Small records matter more than full packets.
    let _ = stream.set_nodelay(true);
    // Bytes wait here, where they are counted, and not in the system: what a slow client takes is seen soon.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    let _ = socket2::SockRef::from(&stream).set_tcp_notsent_lowat(UNSENT_IN_SYSTEM);
    links.spawn(http::serve(Arc::clone(relay), stream, connected));
}

/// Looks at the day, lets go what is over, tells how much there is. Never ends.
async fn sweep<S: Store>(relay: &Relay<S>) {
    let limits = &relay.shared.limits;
    let batch = usize::try_from(limits.sweep_batch).unwrap_or(usize::MAX);
    loop {
        relay.clock.look();
        while relay.store.sweep(relay.clock.now(), batch).await {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        if relay.store.census().stopped {
            relay.failed.notify_one();
        }
        relay.tell();
        tokio::time::sleep(Duration::from_millis(limits.sweep_every_ms.max(10))).await;
    }
}

impl<S: Store> Relay<S> {
    fn tell(&self) {
        let census = self.store.census();
        let Counters { links, records_in, records_out, breaches } = &self.counters;
        tracing::info!(
            mailboxes = census.mailboxes,
            blobs = census.blobs,
            bytes = census.bytes,
            connections = self.admission.connections(),
            links = links.load(Ordering::Relaxed),
            records_in = records_in.load(Ordering::Relaxed),
            records_out = records_out.load(Ordering::Relaxed),
            breaches = breaches.load(Ordering::Relaxed),
            "so far"
        );
    }
}

impl<S> std::fmt::Debug for Relay<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Relay(..)")
    }
}
