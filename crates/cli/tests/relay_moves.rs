//! A relay that moves to another place while people talk, with real relays in this process. The old
//! host and the new one have the same identity.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use deaddrop_client::{Client, Config, Connectivity, EventKind, Unlock};
use deaddrop_link::{RelayIdentity, RelaySeed};
use deaddrop_relay::{
    Limits,
    clock::Clock,
    data_dir::{DataDir, StoreSize},
    kept::KeptStore,
    proxy::Proxies,
    server::{Order, Server, ServerEnd},
    session::SessionContext,
    store::Store,
};
use deaddrop_wire::{RelayAddress, RelayUrl};
use rand::{SeedableRng, rngs::StdRng};
use tempfile::TempDir;
use tokio::{net::TcpListener, sync::mpsc, task::JoinHandle, time::sleep};

const PATIENCE: Duration = Duration::from_secs(30);

fn limits() -> Limits {
    Limits { takeover_ms: 0, ..Limits::DEFAULT }
}

/// A host of a relay, and the program that serves there, if one does.
struct Host {
    address: RelayAddress,
    running: Option<(mpsc::Sender<Order>, JoinHandle<ServerEnd>)>,
}

impl Host {
    /// Finds a free port for a relay with this seed. Nothing serves there yet.
    async fn new(seed: u8) -> Self {
        let identity = RelayIdentity::from_seed(&RelaySeed::from_bytes([seed; 32]));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("ws://{}/", listener.local_addr().unwrap());
        Self { address: RelayAddress::new(*identity.fingerprint(), &url).unwrap(), running: None }
    }

    fn url(&self) -> RelayUrl {
        RelayUrl::new(self.address.url()).unwrap()
    }

    /// Serves the store in a folder, which is made if it does not exist.
    async fn serve(&mut self, seed: u8, folder: &Path) {
        let mut rng = StdRng::from_rng(&mut rand::rng());
        let data = DataDir::at(folder);
        if !folder.exists() {
            data.init(StoreSize { segment_mib: 1, max_mib: 64 }, &mut rng).unwrap();
        }
        let store = data.open(limits(), &mut rng).unwrap();
        self.run(seed, store, SessionContext::new(limits(), None)).await;
    }

    /// Serves the word that the relay has moved.
    async fn serve_moved(&mut self, seed: u8, to: RelayUrl) {
        let store = KeptStore::in_memory(limits(), &mut StdRng::from_rng(&mut rand::rng()));
        self.run(seed, store, SessionContext::new(limits(), None).with_moved_to(to)).await;
    }

    async fn run<S: Store>(&mut self, seed: u8, store: S, shared: SessionContext) {
        let mut rng = StdRng::from_rng(&mut rand::rng());
        let place = self.address.url()[5..].trim_end_matches('/');
        let listener = TcpListener::bind(place).await.unwrap();
        let identity = RelayIdentity::from_seed(&RelaySeed::from_bytes([seed; 32]));
        let clock = Clock::start(store.census().calendar, true).unwrap();
        let server = Server::new(listener, store, identity, shared, clock, Proxies::default(), &mut rng);
        let (stop, orders) = mpsc::channel(1);
        self.running = Some((stop, tokio::spawn(server.run(orders))));
    }

    async fn stop(&mut self) {
        let (stop, running) = self.running.take().unwrap();
        drop(stop);
        assert_eq!(running.await.unwrap(), ServerEnd::Asked);
    }
}

struct Person {
    home: PathBuf,
    client: Option<Client>,
}

fn config() -> Config {
    Config {
        receipt_delay: Duration::from_millis(1)..Duration::from_millis(20),
        backoff: Duration::from_millis(5)..Duration::from_millis(100),
        ..Config::default()
    }
}

impl Person {
    async fn create(folder: &TempDir, name: &str, relay: &Host) -> Self {
        let home = folder.path().join(name);
        let relay = Some(relay.address.clone());
        let client = Client::create(&home, Unlock::KeyFile, relay, config()).await.unwrap();
        Self { home, client: Some(client) }
    }

    fn client(&self) -> &Client {
        self.client.as_ref().unwrap()
    }

    async fn reopen(&mut self) {
        self.client.take().unwrap().close().await.unwrap();
        self.client = Some(Client::open(&self.home, Unlock::KeyFile, config()).await.unwrap());
    }

    fn texts(&self) -> Vec<String> {
        let events = self.client().events_after(0).unwrap().into_iter();
        let text = |kind| match kind {
            EventKind::MessageReceived { text, .. } => Some(text),
            _ => None,
        };
        events.filter_map(|event| text(event.kind)).collect()
    }

    /// Returns the old and new addresses of the moves of relays that the app was told.
    fn moves(&self) -> Vec<(String, String)> {
        let events = self.client().events_after(0).unwrap().into_iter();
        let moved = |kind| match kind {
            EventKind::RelayMoved { old, new } => Some((old, new)),
            _ => None,
        };
        events.filter_map(|event| moved(event.kind)).collect()
    }

    fn relay(&self) -> RelayAddress {
        self.client().relay().unwrap().unwrap()
    }

    async fn until(&self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let begin = Instant::now();
        while !is_so(self) {
            assert!(begin.elapsed() < PATIENCE, "{what}: {:?}", self.texts());
            sleep(Duration::from_millis(5)).await;
        }
    }

    async fn until_texts(&self, count: usize) {
        self.until("texts", |person| person.texts().len() >= count).await;
    }
}

/// Two people with mailboxes at one relay, which has a folder, a seed and an old host.
struct World {
    folder: TempDir,
    old: Host,
    ada: Person,
    ben: Person,
}

const SEED: u8 = 7;

impl World {
    async fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let mut old = Host::new(SEED).await;
        old.serve(SEED, &folder.path().join("relay")).await;
        let (ada, ben) =
            (Person::create(&folder, "ada", &old).await, Person::create(&folder, "ben", &old).await);
        let link = ada.client().invite("Ben").await.unwrap();
        ben.client().accept(&link, "Ada").await.unwrap();
        let world = Self { folder, old, ada, ben };
        world.say(0).await;
        world.ada.until_texts(1).await;
        world.ben.until_texts(1).await;
        world
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("relay")
    }

    /// Lets both people send the text with this number.
    async fn say(&self, number: usize) {
        self.ada.client().send("Ben", &format!("a{number}")).await.unwrap();
        self.ben.client().send("Ada", &format!("b{number}")).await.unwrap();
    }

    /// Waits until both people have `count` texts of the other one, and checks that none came twice
    /// or out of order.
    async fn check(&self, count: usize) {
        for (person, letter) in [(&self.ada, 'b'), (&self.ben, 'a')] {
            person.until_texts(count).await;
            let wanted: Vec<String> = (0..count).map(|number| format!("{letter}{number}")).collect();
            assert_eq!(person.texts(), wanted);
        }
    }

    async fn until_at(&self, place: &Host) {
        for person in [&self.ada, &self.ben] {
            person.until("the new place", |person| person.relay() == place.address).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_moves_in_the_middle_of_a_talk() {
    let mut world = World::new().await;
    let (old, mut new) = (world.old.address.clone(), Host::new(SEED).await);
    let invite = world.ada.client().invite("Cay").await.unwrap();
    world.say(1).await;
    world.old.stop().await;
    world.say(2).await;
    world.old.serve_moved(SEED, new.url()).await;
    world.say(3).await;
    // The new host is down at first, and nothing changes.
    sleep(Duration::from_millis(300)).await;
    assert_eq!((world.ada.relay(), world.ada.moves().len()), (old.clone(), 0));
    world.ada.reopen().await;
    new.serve(SEED, &world.data()).await;
    world.until_at(&new).await;
    world.say(4).await;
    world.check(5).await;
    let moved = [(old.to_string(), new.address.to_string())];
    assert_eq!((world.ada.moves(), world.ben.moves()), (moved.to_vec(), moved.to_vec()));
    // A question, too.
    let about = world.ada.client().ask_about(&old).await.unwrap();
    assert!(about.contains(r#""version":""#), "{about}");
    // An invite from before the move leads to the new place.
    let mut elsewhere = Host::new(9).await;
    elsewhere.serve(9, &world.folder.path().join("other")).await;
    let cay = Person::create(&world.folder, "cay", &elsewhere).await;
    cay.client().accept(&invite, "Ada").await.unwrap();
    cay.client().send("Ada", "b5").await.unwrap();
    world.ada.until_texts(6).await;
    // The old host is switched off, after each contact was told the new address.
    world.ada.client().flush(PATIENCE).await.unwrap();
    world.ben.client().flush(PATIENCE).await.unwrap();
    world.old.stop().await;
    world.ada.reopen().await;
    world.ben.reopen().await;
    world.ben.client().send("Ada", "b6").await.unwrap();
    cay.client().send("Ada", "b7").await.unwrap();
    world.ada.until_texts(8).await;
    world.ada.client().send("Ben", "a5").await.unwrap();
    world.ada.client().send("Cay", "hello").await.unwrap();
    world.ben.until_texts(6).await;
    cay.until_texts(1).await;
    let link = world.ada.client().invite("Dan").await.unwrap();
    assert!(link.contains(new.address.url().trim_start_matches("ws://").trim_end_matches('/')), "{link}");
    assert_eq!((world.ada.moves().len(), world.ben.moves().len()), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_relay_at_the_new_place_gets_nothing() {
    let mut world = World::new().await;
    let (old, mut new) = (world.old.address.clone(), Host::new(SEED).await);
    let mut liar = Host { address: new.address.clone(), running: None };
    liar.serve(8, &world.folder.path().join("liar")).await;
    world.old.stop().await;
    world.old.serve_moved(SEED, new.url()).await;
    world.say(1).await;
    world
        .ada
        .until("another fingerprint", |ada| {
            let relays = ada.client().status().unwrap().relays;
            relays.get(&old.to_string()) == Some(&Connectivity::WrongRelay)
        })
        .await;
    assert_eq!((world.ada.relay(), world.ada.moves().len()), (old, 0));
    liar.stop().await;
    new.serve(SEED, &world.data()).await;
    // The wait after another fingerprint is long.
    world.ada.reopen().await;
    world.ben.reopen().await;
    world.until_at(&new).await;
    world.check(2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn moves_in_a_circle_change_nothing_and_a_chain_is_followed() {
    let mut world = World::new().await;
    let old = world.old.address.clone();
    world.old.stop().await;
    // To itself.
    world.old.serve_moved(SEED, world.old.url()).await;
    world.say(1).await;
    sleep(Duration::from_millis(200)).await;
    assert_eq!((world.ada.relay(), world.ada.moves().len()), (old.clone(), 0));
    // To one that sends it back.
    let (mut middle, mut last) = (Host::new(SEED).await, Host::new(SEED).await);
    world.old.stop().await;
    world.old.serve_moved(SEED, middle.url()).await;
    middle.serve_moved(SEED, world.old.url()).await;
    sleep(Duration::from_millis(200)).await;
    assert_eq!((world.ada.relay(), world.ada.moves().len()), (old.clone(), 0));
    middle.stop().await;
    middle.serve_moved(SEED, last.url()).await;
    last.serve(SEED, &world.data()).await;
    world.until_at(&last).await;
    world.check(2).await;
    assert_eq!(world.ada.moves(), [(old.to_string(), last.address.to_string())]);
    // The relay goes back to its first place: believed on the next day alone, and served at once.
    world.old.stop().await;
    middle.stop().await;
    last.stop().await;
    last.serve_moved(SEED, world.old.url()).await;
    world.old.serve(SEED, &world.data()).await;
    world.say(2).await;
    world.check(3).await;
    assert_eq!((world.ada.relay(), world.ada.moves().len()), (last.address.clone(), 1));
}
