//! Clients whose clock is wrong, with real relays in this process.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use deaddrop_client::{BundleError, Client, ClientError, Config, EventKind, Unlock, WrongClock};
use deaddrop_link::{RelayIdentity, RelaySeed};
use deaddrop_relay::{
    Limits,
    clock::{Clock, TimeSource},
    kept::KeptStore,
    proxy::Proxies,
    server::{Order, Server},
    session::SessionContext,
};
use deaddrop_wire::{Day, RelayAddress};
use rand::{SeedableRng, rngs::StdRng};
use tempfile::TempDir;
use tokio::{net::TcpListener, sync::mpsc, time::sleep};

/// The true day, which clocks and relays that are right show.
const TODAY: Day = Day::from_number(20_785);
const YEAR: u32 = 365;
const PATIENCE: Duration = Duration::from_secs(20);

/// A relay's source of time, whose day the test sets.
struct SetDay {
    day: Arc<AtomicU32>,
    begun: Instant,
}

impl TimeSource for SetDay {
    fn day(&self) -> Day {
        Day::from_number(self.day.load(Ordering::SeqCst))
    }

    fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap()
    }
}

struct Relay {
    address: RelayAddress,
    day: Arc<AtomicU32>,
    stop: mpsc::Sender<Order>,
}

impl Relay {
    /// Starts a relay in memory whose clock shows this day.
    async fn start(day: Day) -> Self {
        let mut rng = StdRng::seed_from_u64(7);
        let limits = Limits { takeover_ms: 0, sweep_every_ms: 10, ..Limits::DEFAULT };
        let store = KeptStore::in_memory(limits.clone(), &mut rng);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let identity = RelayIdentity::from_seed(&RelaySeed::from_bytes([7; 32]));
        let day = Arc::new(AtomicU32::new(day.number()));
        let source = Arc::new(SetDay { day: Arc::clone(&day), begun: Instant::now() });
        let clock = Clock::start_with(source, None, true).unwrap();
        let (shared, proxies) = (SessionContext::new(limits, None), Proxies::default());
        let server = Server::new(listener, store, identity, shared, clock, proxies, &mut rng);
        let url = format!("ws://{}/", server.address().unwrap());
        let address = RelayAddress::new(*server.fingerprint(), &url).unwrap();
        let (stop, orders) = mpsc::channel(1);
        tokio::spawn(server.run(orders));
        Self { address, day, stop }
    }

    /// Sets the day of the relay's clock, and waits for 100 ms, in which the relay looks at it.
    async fn set_day(&self, day: Day) {
        self.day.store(day.number(), Ordering::SeqCst);
        sleep(Duration::from_millis(100)).await;
    }

    async fn stop(self) {
        drop(self.stop);
        while tokio::net::TcpStream::connect(self.address.url()[5..].trim_end_matches('/')).await.is_ok() {
            sleep(Duration::from_millis(5)).await;
        }
    }
}

/// A person with a clock that the test sets.
struct Person {
    home: PathBuf,
    /// The time that the person's clock shows, in seconds since 1970-01-01.
    clock: Arc<AtomicU64>,
    client: Option<Client>,
}

impl Person {
    async fn create(folder: &TempDir, name: &str, relay: Option<&Relay>, day: Day) -> Self {
        let clock = Arc::new(AtomicU64::new(day.unix_seconds() + 43_200));
        let home = folder.path().join(name);
        let address = relay.map(|relay| relay.address.clone());
        let client = Client::create(&home, Unlock::KeyFile, address, config(&clock)).await.unwrap();
        Self { home, clock, client: Some(client) }
    }

    fn client(&self) -> &Client {
        self.client.as_ref().unwrap()
    }

    /// Sets the clock to noon of a day, while the client runs.
    fn set_clock(&self, day: Day) {
        self.clock.store(day.unix_seconds() + 43_200, Ordering::SeqCst);
    }

    async fn close(&mut self) {
        self.client.take().unwrap().close().await.unwrap();
    }

    /// Closes the client, and opens it again at noon of this day by its clock.
    async fn open_on(&mut self, day: Day) {
        self.open_at(day.unix_seconds() + 43_200).await;
    }

    /// Closes the client, and opens it again at this time by its clock, in seconds since
    /// 1970-01-01.
    async fn open_at(&mut self, now: u64) {
        if self.client.is_some() {
            self.close().await;
        }
        self.clock.store(now, Ordering::SeqCst);
        let client = Client::open(&self.home, Unlock::KeyFile, config(&self.clock)).await.unwrap();
        self.client = Some(client);
    }

    fn saw(&self, wanted: &EventKind) -> bool {
        self.client().events_after(0).unwrap().iter().any(|event| event.kind == *wanted)
    }

    async fn await_event(&self, wanted: &EventKind) {
        let begin = Instant::now();
        while !self.saw(wanted) {
            assert!(begin.elapsed() < PATIENCE, "{wanted:?} does not come");
            sleep(Duration::from_millis(5)).await;
        }
    }

    /// Sends a text to the contact `name`, and waits until `other`, who is that contact, has it.
    async fn tell(&self, name: &str, text: &str, other: &Self) {
        self.client().send(name, text).await.unwrap();
        other.await_event(&EventKind::MessageReceived { text: text.into(), late: false }).await;
    }
}

fn config(clock: &Arc<AtomicU64>) -> Config {
    let clock = Arc::clone(clock);
    Config {
        now: Arc::new(move || clock.load(Ordering::SeqCst)),
        receipt_delay: Duration::from_millis(1)..Duration::from_millis(5),
        backoff: Duration::from_millis(5)..Duration::from_millis(100),
        ..Config::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_invite_outlives_starts_with_a_wrong_clock() {
    let folder = TempDir::new().unwrap();
    let relay = Relay::start(TODAY).await;
    let mut ada = Person::create(&folder, "ada", Some(&relay), TODAY).await;
    let link = ada.client().invite("Ben").await.unwrap();
    for wrong in [TODAY.plus(9), TODAY.plus(YEAR), Day::from_number(40_000), Day::from_number(0)] {
        ada.open_on(wrong).await;
        ada.client().wait_caught_up(PATIENCE).await.unwrap();
        let status = ada.client().status().unwrap();
        assert_eq!((status.clock.clock, status.clock.believed), (wrong, TODAY));
        assert_eq!(status.clock.disagreement().map(|(_, day)| day), Some(TODAY), "the user is told");
    }
    // The clock of a running client is set wrong and right again.
    ada.open_on(TODAY).await;
    ada.set_clock(TODAY.plus(YEAR));
    ada.client().set_cursor(1).await.unwrap();
    ada.set_clock(TODAY);
    ada.client().wait_caught_up(PATIENCE).await.unwrap();
    assert_eq!(ada.client().status().unwrap().clock.disagreement(), None);
    let ben = Person::create(&folder, "ben", Some(&relay), TODAY).await;
    ben.client().accept(&link, "Ada").await.unwrap();
    ben.tell("Ada", "hello", &ada).await;
    ada.tell("Ben", "hello yourself", &ben).await;
    assert!(!ada.saw(&EventKind::InviteExpired));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_link_is_given_out_by_a_wrong_clock() {
    let folder = TempDir::new().unwrap();
    let relay = Relay::start(TODAY).await;
    let ada = Person::create(&folder, "ada", Some(&relay), Day::from_number(0)).await;
    for wrong in [0, TODAY.number() - YEAR, TODAY.number() - 3, TODAY.number() + 3, TODAY.number() + YEAR] {
        let clock = Day::from_number(wrong);
        ada.set_clock(clock);
        let refused = ClientError::WrongClock(WrongClock { clock, relay: TODAY });
        assert_eq!(ada.client().invite("Ben").await, Err(refused));
        assert!(ada.client().contacts().unwrap().is_empty(), "a failed call changes nothing");
    }
    ada.set_clock(TODAY.plus(1));
    let link = ada.client().invite("Ben").await.unwrap();
    let ben = Person::create(&folder, "ben", Some(&relay), TODAY).await;
    ben.client().accept(&link, "Ada").await.unwrap();
    ben.tell("Ada", "hello", &ada).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invite_that_only_a_wrong_clock_calls_old_is_not_called_old() {
    let folder = TempDir::new().unwrap();
    let relay = Relay::start(TODAY).await;
    let ada = Person::create(&folder, "ada", Some(&relay), TODAY).await;
    let link = ada.client().invite("Ben").await.unwrap();
    let mut ben = Person::create(&folder, "ben", Some(&relay), TODAY.plus(YEAR)).await;
    let refused = ClientError::WrongClock(WrongClock { clock: TODAY.plus(YEAR), relay: TODAY });
    assert_eq!(ben.client().accept(&link, "Ada").await, Err(refused));
    ben.open_on(TODAY).await;
    ben.client().accept(&link, "Ada").await.unwrap();
    ben.tell("Ada", "hello", &ada).await;
    // His day was ahead: his relay agrees with his clock now, and it is taken back.
    assert_eq!(ben.client().status().unwrap().clock.believed, TODAY);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_lies_about_the_day_ends_no_invite() {
    let folder = TempDir::new().unwrap();
    let relay = Relay::start(TODAY).await;
    let mut ada = Person::create(&folder, "ada", Some(&relay), TODAY).await;
    ada.client().invite("Ben").await.unwrap();
    ada.close().await;
    relay.stop().await;
    let liar = Relay::start(TODAY.plus(YEAR)).await;
    ada.open_on(TODAY).await;
    ada.client().set_relay(liar.address.clone()).await.unwrap();
    let told = ada.client().invite("Cara").await;
    assert_eq!(told, Err(ClientError::WrongClock(WrongClock { clock: TODAY, relay: TODAY.plus(YEAR) })));
    let status = ada.client().status().unwrap();
    assert_eq!(status.clock.believed, TODAY);
    assert!(!ada.saw(&EventKind::InviteExpired));
    assert_eq!(ada.client().contacts().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invite_ends_with_its_last_day_once_the_relay_agrees() {
    let folder = TempDir::new().unwrap();
    let relay = Relay::start(TODAY).await;
    let mut ada = Person::create(&folder, "ada", Some(&relay), TODAY).await;
    let mut ben = Person::create(&folder, "ben", Some(&relay), TODAY).await;
    let link = ada.client().invite("Ben").await.unwrap();
    ada.client().send("Ben", "patience").await.unwrap();
    ada.close().await;
    let later = TODAY.plus(8);
    relay.set_day(later).await;
    ben.open_on(later).await;
    let expired = Err(ClientError::Bundle(BundleError::Expired));
    assert_eq!(ben.client().accept(&link, "Ada").await, expired);
    assert!(ben.client().contacts().unwrap().is_empty());
    ada.open_on(later).await;
    ada.await_event(&EventKind::InviteExpired).await;
    ada.client().flush(PATIENCE).await.unwrap();
    let link = ada.client().invite("Ben").await.unwrap();
    ben.client().accept(&link, "Ada").await.unwrap();
    ben.await_event(&EventKind::MessageReceived { text: "patience".into(), late: false }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_relay_nothing_ends_by_a_single_look() {
    let folder = TempDir::new().unwrap();
    let relay = Relay::start(TODAY).await;
    let mut ada = Person::create(&folder, "ada", Some(&relay), TODAY).await;
    ada.client().invite("Ben").await.unwrap();
    ada.close().await;
    relay.stop().await;
    for hour in 0..=24 {
        assert!(ada.client.is_none() || !ada.saw(&EventKind::InviteExpired), "{hour}");
        ada.open_at(TODAY.plus(30).unix_seconds() + hour * 3_600).await;
        // A step looks at the clock.
        ada.client().set_cursor(hour).await.unwrap();
    }
    ada.await_event(&EventKind::InviteExpired).await;
}
