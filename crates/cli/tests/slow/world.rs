//! A relay in this process, a line to it, and two people: Ada behind the line, Ben beside the relay.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use deaddrop_client::{
    Client, Config, EventKind, PassphraseCost, PrivateAddresses, Resolve, Resolving, Unlock,
};
use deaddrop_relay::{
    Limits,
    clock::Clock,
    data_dir::{DataDir, StoreSize},
    proxy::Proxies,
    server::{Order, Server},
    session::SessionContext,
    store::Store,
};
use deaddrop_testkit::line::{Line, Rates};
use deaddrop_wire::RelayAddress;
use rand::{SeedableRng, rngs::StdRng};
use tokio::{
    net::TcpListener,
    sync::mpsc,
    time::{sleep, timeout},
};

/// IP address at which the relay listens. The line to it begins at [`LINE`], with the same port.
const RELAY: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 1);
const LINE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// Maximum time of a step that does not measure the slow line. A step that takes longer hangs, and
/// the test fails.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// A resolver that resolves every host name to this IP address.
struct Leads(IpAddr);

impl Resolve for Leads {
    fn resolve<'a>(&'a self, _: &'a str) -> Resolving<'a> {
        Box::pin(async { Ok::<_, io::Error>(vec![self.0]) })
    }
}

pub struct World {
    adjust: fn(&mut Config),
    folder: tempfile::TempDir,
    address: RelayAddress,
    pub line: Line,
    _running: mpsc::Sender<Order>,
}

impl World {
    pub async fn new(rates: Rates, limits: Limits, adjust: fn(&mut Config)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut rng: StdRng = StdRng::from_rng(&mut rand::rng());
        let data = DataDir::at(folder.path().join("relay"));
        data.init(StoreSize { segment_mib: 4, max_mib: 256 }, &mut rng).unwrap();
        let identity = data.identity().unwrap();
        let listener = TcpListener::bind((RELAY, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let url = format!("ws://relay.example:{port}/");
        let address = RelayAddress::new(*identity.fingerprint(), &url).unwrap();
        let store = data.open(limits.clone(), &mut rng).unwrap();
        let clock = Clock::start(store.census().calendar, false).unwrap();
        let shared = SessionContext::new(limits, None);
        let server = Server::new(listener, store, identity, shared, clock, Proxies::default(), &mut rng);
        let (running, orders) = mpsc::channel(1);
        tokio::spawn(server.run(orders));
        let line = Line::start(SocketAddr::from((LINE, port)), SocketAddr::from((RELAY, port)), rates);
        Self { adjust, folder, address, line, _running: running }
    }

    fn home(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Makes a person whose connections to the relay go to the IP address `by`: the relay itself,
    /// or the line.
    async fn person(&self, name: &str, by: Ipv4Addr) -> Client {
        let mut config = Config {
            receipt_delay: Duration::from_millis(20)..Duration::from_millis(100),
            passphrase_cost: PassphraseCost { memory_kib: 32, passes: 1, lanes: 4 },
            private_addresses: PrivateAddresses::Allow,
            resolver: Arc::new(Leads(by.into())),
            ..Config::default()
        };
        (self.adjust)(&mut config);
        Client::create(self.home(name), Unlock::KeyFile, Some(self.address.clone()), config).await.unwrap()
    }

    /// Makes Ada, who reaches the relay over the line.
    pub async fn ada(&self) -> Client {
        self.person("ada", LINE).await
    }

    /// Makes Ada, who reaches the relay over the line, and Ben, who reaches it directly. They have
    /// talked: each knows the other's private mailbox, and nothing waits.
    pub async fn pair(&self) -> (Client, Client) {
        let (ada, ben) = (self.ada().await, self.person("ben", RELAY).await);
        let link = ada.invite("Ben").await.unwrap();
        ben.accept(&link, "Ada").await.unwrap();
        for _ in 0..2 {
            ben.send("Ada", "hello").await.unwrap();
            ada.send("Ben", "hello").await.unwrap();
            settled(&ada).await;
            settled(&ben).await;
        }
        (ada, ben)
    }
}

/// Waits until every text has its receipt and nothing waits to be sent. Panics after [`PATIENCE`].
pub async fn settled(client: &Client) {
    let begun = Instant::now();
    loop {
        let status = client.status().unwrap();
        if (status.unsent, status.unreceipted) == (0, 0) {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "{status:?}");
        sleep(Duration::from_millis(20)).await;
    }
}

/// Waits for the next `count` texts after the event number `after`, and returns them in their
/// order. Prints the time of each since `begun`.
pub async fn receive(client: &Client, mut after: u64, count: usize, begun: Instant) -> Vec<String> {
    let mut texts = Vec::new();
    while texts.len() < count {
        let event = client.next_event(after).await.unwrap();
        after = event.number;
        if let EventKind::MessageReceived { text, .. } = event.kind {
            println!("{:>6.1} s: text {} of {count}", begun.elapsed().as_secs_f64(), texts.len() + 1);
            texts.push(text);
        }
    }
    texts
}

/// Lets Ada and Ben send each other `count` texts of `length` bytes at the same time, and checks
/// that all arrive in order within `patience`. Before that, both are idle for `rest`: putting links
/// may end in it, so that all texts wait for a new link together. Returns the number of connections
/// that Ada's line carried for the texts.
pub async fn exchange(
    world: &World,
    rest: Duration,
    (count, length): (usize, usize),
    patience: Duration,
) -> usize {
    let (ada, ben) = world.pair().await;
    sleep(rest).await;
    let before = world.line.connections();
    let newest = |client: &Client| client.events_after(0).unwrap().last().unwrap().number;
    let after = (newest(&ada), newest(&ben));
    let begun = Instant::now();
    let expected = |who: &str| -> Vec<String> {
        (0..count).map(|n| format!("{who} {n:04}{}", "x".repeat(length - 8))).collect()
    };
    for (mine, yours) in expected("ada").iter().zip(&expected("ben")) {
        ada.send("Ben", mine).await.unwrap();
        ben.send("Ada", yours).await.unwrap();
    }
    let both =
        async { tokio::join!(receive(&ada, after.0, count, begun), receive(&ben, after.1, count, begun)) };
    let Ok((at_ada, at_ben)) = timeout(patience, both).await else {
        panic!("{} connections; {:?} {:?}", world.line.connections() - before, ada.status(), ben.status());
    };
    assert!(at_ada == expected("ben") && at_ben == expected("ada"), "all of them, in order");
    println!("{count} texts of {length} bytes each way took {:?}", begun.elapsed());
    let connections = world.line.connections() - before;
    println!("{connections} connections");
    ada.close().await.unwrap();
    ben.close().await.unwrap();
    connections
}
