//! Real relays in this process: each on a socket of loopback, with a store on the disk, by the
//! simulated time.

use std::{
    fs,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use deaddrop_relay::{
    Limits,
    clock::{Clock, Now, TimeSource},
    data_dir::{DataDir, IDENTITY_KEY, StoreSize},
    kept::{KeptStore, ShredBacking},
    proxy::Proxies,
    server::{Order, Server, ServerEnd},
    session::SessionContext,
    store::{
        Census, Change, Claim, Claimed, ConnectedReader, Fence, Handle, NewMailbox, NotAcked, NotClaimed,
        Peek, Peeked, RecordId, Stale, Store, Verdict,
    },
};
use deaddrop_wire::{Blob, OwnId, RelayAddress, SendId};
use rand::{SeedableRng, rngs::StdRng};
use tokio::{
    net::{TcpListener, TcpSocket},
    sync::mpsc,
    task::JoinHandle,
    time::sleep,
};

use super::time::SimulatedTime;

/// The store of a relay. It notes the last day on which everything that had expired was destroyed.
struct Swept {
    inner: KeptStore<ShredBacking>,
    day: Arc<AtomicU32>,
}

impl Store for Swept {
    async fn create(&self, new: Vec<NewMailbox>, now: Now) -> Vec<Verdict> {
        self.inner.create(new, now).await
    }

    async fn change(&self, changes: Vec<(OwnId, Change)>, now: Now) -> Vec<Verdict> {
        self.inner.change(changes, now).await
    }

    async fn put(&self, puts: Vec<(SendId, Blob)>, now: Now) -> Vec<Verdict> {
        self.inner.put(puts, now).await
    }

    async fn claim(
        &self,
        claims: Vec<Claim>,
        reader: &ConnectedReader,
        now: Now,
    ) -> Vec<Result<Claimed, NotClaimed>> {
        self.inner.claim(claims, reader, now).await
    }

    async fn release(&self, claims: Vec<(Handle, Fence)>) {
        self.inner.release(claims).await;
    }

    async fn peek(&self, peek: Peek, now: Now) -> Result<Peeked, Stale> {
        self.inner.peek(peek, now).await
    }

    async fn ack(&self, acks: Vec<(Handle, Fence, Vec<RecordId>)>, now: Now) -> Vec<Result<(), NotAcked>> {
        self.inner.ack(acks, now).await
    }

    async fn sweep(&self, now: Now, limit: usize) -> bool {
        let more = self.inner.sweep(now, limit).await;
        if !more {
            self.day.store(now.day.number(), Ordering::SeqCst);
        }
        more
    }

    fn census(&self) -> Census {
        self.inner.census()
    }
}

/// A relay with its data in a folder, which runs or has ended.
pub struct Relay {
    folder: PathBuf,
    time: SimulatedTime,
    pub address: RelayAddress,
    swept: Arc<AtomicU32>,
    running: Option<(mpsc::Sender<Order>, JoinHandle<ServerEnd>)>,
    /// The bound port of a relay that has ended, so that nothing else answers there.
    port: Option<TcpSocket>,
}

/// Returns the default limits of a relay, except those that would make the test wait in real time.
fn limits() -> Limits {
    Limits { sweep_every_ms: 20, takeover_ms: 0, full_pause_ms: 0, ..Limits::DEFAULT }
}

impl Relay {
    /// Makes a relay in a folder that does not exist yet, and serves it.
    pub async fn start(folder: PathBuf, time: &SimulatedTime) -> Self {
        let mut rng: StdRng = StdRng::from_rng(&mut rand::rng());
        let data = DataDir::at(&folder);
        data.init(StoreSize { segment_mib: 1, max_mib: 64 }, &mut rng).unwrap();
        let identity = data.identity().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("ws://{}/", listener.local_addr().unwrap());
        let mut relay = Self {
            folder,
            time: time.clone(),
            address: RelayAddress::new(*identity.fingerprint(), &url).unwrap(),
            swept: Arc::default(),
            running: None,
            port: None,
        };
        relay.serve(listener);
        relay
    }

    fn serve(&mut self, listener: TcpListener) {
        let mut rng: StdRng = StdRng::from_rng(&mut rand::rng());
        let data = DataDir::at(&self.folder);
        let store = Swept { inner: data.open(limits(), &mut rng).unwrap(), day: Arc::clone(&self.swept) };
        let time = Arc::new(self.time.clone());
        let clock = Clock::start_with(time, store.census().calendar, false).unwrap();
        let identity = data.identity().unwrap();
        let shared = SessionContext::new(limits(), None);
        let server = Server::new(listener, store, identity, shared, clock, Proxies::default(), &mut rng);
        assert_eq!(server.fingerprint(), self.address.fingerprint());
        let (stop, orders) = mpsc::channel(1);
        self.running = Some((stop, tokio::spawn(server.run(orders))));
    }

    async fn stop(&mut self) {
        let Some((stop, running)) = self.running.take() else { return };
        drop(stop);
        assert_eq!(running.await.unwrap(), ServerEnd::Asked);
    }

    /// Stops the relay for good. Its port stays reserved, and refuses connections.
    pub async fn end(&mut self) {
        self.stop().await;
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind(self.listen().parse().unwrap()).unwrap();
        self.port = Some(socket);
    }

    /// Destroys the relay's disk: the relay comes back at the same address, with the same identity, and with an empty
    /// store.
    pub async fn lose_everything(&mut self) {
        let key = fs::read(self.folder.join(IDENTITY_KEY)).unwrap();
        self.stop().await;
        fs::remove_dir_all(&self.folder).unwrap();
        let mut rng = StdRng::from_rng(&mut rand::rng());
        DataDir::at(&self.folder).init(StoreSize { segment_mib: 1, max_mib: 64 }, &mut rng).unwrap();
        fs::write(self.folder.join(IDENTITY_KEY), key).unwrap();
        self.serve(TcpListener::bind(self.listen()).await.unwrap());
    }

    /// Waits until the relay has seen the present day of the simulation and has destroyed what
    /// expired. Does nothing if the relay has ended.
    pub async fn reach_today(&self) {
        let begin = Instant::now();
        while self.running.is_some()
            && self.swept.load(Ordering::SeqCst) != TimeSource::day(&self.time).number()
        {
            assert!(begin.elapsed() < Duration::from_secs(20), "the relay does not believe the day");
            sleep(Duration::from_millis(5)).await;
        }
    }

    fn listen(&self) -> &str {
        self.address.url().trim_start_matches("ws://").trim_end_matches('/')
    }
}
