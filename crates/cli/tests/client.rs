//! The client SDK over a real relay process: what apps rely on, and what they do wrong.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::{
    fs,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use common::{PATIENCE, Relay};
use deaddrop_client::{
    BundleError, Client, ClientError, Config, Connectivity, ContactState, Day, Event, EventKind, MAX_TEXT,
    OpenError, PassphraseCost, Unlock,
};
use tokio::time::{sleep, timeout};

const TODAY: u32 = 20_781;

/// No wait for the sake of a network's eyes; and a day that the test turns.
fn config(day: &Arc<AtomicU32>) -> Config {
    let day = Arc::clone(day);
    Config {
        today: Arc::new(move || Day::from_number(day.load(Ordering::SeqCst))),
        receipt_delay: Duration::from_millis(20)..Duration::from_millis(100),
        backoff: Duration::from_millis(20)..Duration::from_millis(500),
        patience: Duration::from_secs(20),
        passphrase_cost: PassphraseCost { memory_kib: 32, passes: 1, lanes: 4 },
        ..Config::default()
    }
}

/// A folder with a relay, and people in it.
struct World {
    folder: tempfile::TempDir,
    relay: Relay,
    day: Arc<AtomicU32>,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let relay = relay_in(&folder, "relay");
        Self { folder, relay, day: Arc::new(AtomicU32::new(TODAY)) }
    }

    /// With a relay that takes messages as fast as they come.
    fn hasty() -> Self {
        let mut world = Self::new();
        world.relay.kill();
        world.relay.is_hasty = true;
        world.relay.serve();
        world
    }

    fn home(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn config(&self) -> Config {
        config(&self.day)
    }

    async fn person(&self, name: &str) -> Client {
        self.person_at(name, &self.relay.address).await
    }

    async fn person_at(&self, name: &str, relay: &str) -> Client {
        let relay = Some(relay.parse().unwrap());
        Client::create(self.home(name), Unlock::KeyFile, relay, self.config()).await.unwrap()
    }

    /// Opens; a client that was dropped a moment ago may still hold the lock.
    async fn open(&self, name: &str) -> Client {
        let opened = async {
            loop {
                match Client::open(self.home(name), Unlock::KeyFile, self.config()).await {
                    Ok(client) => return client,
                    Err(OpenError::InUse) => sleep(Duration::from_millis(20)).await,
                    Err(error) => panic!("{error}"),
                }
            }
        };
        timeout(PATIENCE, opened).await.unwrap()
    }

    /// Ada and Ben, who can talk.
    async fn pair(&self) -> (Client, Client) {
        let (ada, ben) = (self.person("ada").await, self.person("ben").await);
        let link = ada.invite("Ben").await.unwrap();
        ben.accept(&link, "Ada").await.unwrap();
        (ada, ben)
    }
}

fn relay_in(folder: &tempfile::TempDir, name: &str) -> Relay {
    let folder = folder.path().join(name);
    fs::create_dir(&folder).unwrap();
    Relay::start(&folder)
}

/// Waits for the first event of a kind.
async fn wait_for(client: &Client, is_wanted: impl Fn(&EventKind) -> bool) -> Event {
    let found = async {
        let mut after = 0;
        loop {
            let event = client.next_event(after).await.unwrap();
            after = event.number;
            if is_wanted(&event.kind) {
                return event;
            }
        }
    };
    timeout(PATIENCE, found).await.unwrap_or_else(|_| {
        panic!("{:?} {:?}", client.events_after(0), client.status());
    })
}

/// The first so many texts from a contact.
async fn texts(client: &Client, from: &str, count: usize) -> Vec<String> {
    let mut texts = Vec::new();
    let all = async {
        let mut after = 0;
        while texts.len() < count {
            let event = client.next_event(after).await.unwrap();
            after = event.number;
            if let EventKind::MessageReceived { text, .. } = event.kind
                && event.contact == from
            {
                texts.push(text);
            }
        }
    };
    if timeout(PATIENCE * 2, all).await.is_err() {
        panic!("{} of {count} texts: {:?}", texts.len(), client.status());
    }
    texts
}

/// Everything that was sent is receipted.
async fn settled(client: &Client) {
    let begin = std::time::Instant::now();
    loop {
        let status = client.status().unwrap();
        if (status.unsent, status.unreceipted) == (0, 0) {
            return;
        }
        assert!(begin.elapsed() < PATIENCE, "{status:?}");
        sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_offline_gets_it_on_landing_and_the_sender_gets_the_receipt() {
    let world = World::new();
    let (ada, ben) = world.pair().await;
    wait_for(&ada, |kind| *kind == EventKind::InviteAccepted).await;
    ada.close().await.unwrap();
    let numbers = [ben.send("Ada", "one").await.unwrap(), ben.send("Ada", "two").await.unwrap()];
    ben.flush(PATIENCE).await.unwrap();
    assert_eq!(ben.status().unwrap().unreceipted, 2);
    ben.close().await.unwrap();

    let ada = world.open("ada").await;
    assert_eq!(texts(&ada, "Ben", 2).await, ["one", "two"]);
    ada.wait_caught_up(PATIENCE).await.unwrap();
    ada.flush(PATIENCE).await.unwrap();
    let seen = ada.events_after(0).unwrap();
    ada.close().await.unwrap();

    let ben = world.open("ben").await;
    for number in numbers {
        wait_for(&ben, |kind| *kind == EventKind::Delivered { number }).await;
    }
    settled(&ben).await;
    // Nothing is given twice, and what was given stays until it is forgotten.
    let ada = world.open("ada").await;
    ada.wait_caught_up(PATIENCE).await.unwrap();
    assert_eq!(ada.events_after(0).unwrap()[..seen.len()], seen);
    assert_eq!(texts(&ada, "Ben", 2).await, ["one", "two"]);
    ada.forget_events_before(u64::MAX).await.unwrap();
    assert!(ada.events_after(0).unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_restarts_in_the_middle_loses_and_repeats_nothing() {
    let mut world = World::hasty();
    let (ada, ben) = world.pair().await;
    let expected: Vec<String> = (0..60).map(|n| format!("text {n}")).collect();
    for (n, text) in expected.iter().enumerate() {
        ben.send("Ada", text).await.unwrap();
        if n % 20 == 10 {
            world.relay.kill();
            world.relay.serve();
        }
    }
    assert_eq!(texts(&ada, "Ben", 60).await, expected);
    settled(&ben).await;
    assert_eq!(texts(&ada, "Ben", 60).await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_is_down_stops_only_what_needs_it() {
    let mut world = World::new();
    let (ada, ben) = (world.person("ada").await, world.person("ben").await);
    world.relay.kill();
    assert_eq!(ada.invite("Ben").await, Err(ClientError::RelayDown));
    // Nothing was given out, and the same name goes on.
    world.relay.serve();
    let link = ada.invite("Ben").await.unwrap();
    assert_eq!(ada.invite("Ben").await, Err(ClientError::NameTaken));

    world.relay.kill();
    assert_eq!(ben.accept(&link, "Ada").await, Err(ClientError::RelayDown));
    assert!(ben.contacts().unwrap().is_empty());
    world.relay.serve();
    ben.accept(&link, "Ada").await.unwrap();
    wait_for(&ada, |kind| *kind == EventKind::InviteAccepted).await;

    world.relay.kill();
    let number = ben.send("Ada", "when it is back").await.unwrap();
    assert_eq!(ben.flush(Duration::from_secs(2)).await, Err(ClientError::RelayDown));
    assert_eq!(ben.wait_caught_up(Duration::from_secs(1)).await, Err(ClientError::RelayDown));
    assert!(ben.status().unwrap().relays.values().all(|state| *state == Connectivity::Down));
    world.relay.serve();
    assert_eq!(texts(&ada, "Ben", 1).await, ["when it is back"]);
    wait_for(&ben, |kind| *kind == EventKind::Delivered { number }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invite_that_two_use_at_once_is_contested() {
    let world = World::new();
    // The guests' own relay is down: both have read the bundle before either can answer.
    let mut other = relay_in(&world.folder, "other");
    let ada = world.person("ada").await;
    let (ben, eve) =
        (world.person_at("ben", &other.address).await, world.person_at("eve", &other.address).await);
    other.kill();
    let link = ada.invite("Ben").await.unwrap();
    ada.close().await.unwrap();
    let accepted = tokio::join!(ben.accept(&link, "Ada"), eve.accept(&link, "Ada"));
    assert_eq!(accepted, (Ok(()), Ok(())));
    other.serve();
    tokio::try_join!(ben.flush(PATIENCE), eve.flush(PATIENCE)).unwrap();

    let ada = world.open("ada").await;
    wait_for(&ada, |kind| *kind == EventKind::InviteContested).await;
    let contacts = ada.contacts().unwrap();
    assert!(contacts.len() == 1 && contacts[0].contested && !contacts[0].verified, "{contacts:?}");
    // One of them is the contact, and the safety number tells which.
    let number = ada.safety_number("Ben").unwrap();
    let same = [&ben, &eve].map(|guest| guest.safety_number("Ada").unwrap() == number);
    assert!(same[0] != same[1]);
    // Who comes later finds the invite used.
    let late = world.person("late").await;
    assert_eq!(late.accept(&link, "Ada").await, Err(ClientError::InviteUsed));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invite_ends_with_its_last_day() {
    let world = World::new();
    let (ada, ben) = (world.person("ada").await, world.person("ben").await);
    let link = ada.invite("Ben").await.unwrap();
    ada.send("Ben", "patience").await.unwrap();
    world.day.store(TODAY + 8, Ordering::SeqCst);
    assert_eq!(ben.accept(&link, "Ada").await, Err(ClientError::Bundle(BundleError::Expired)));
    assert!(ben.contacts().unwrap().is_empty());
    ada.close().await.unwrap();
    let ada = world.open("ada").await;
    wait_for(&ada, |kind| *kind == EventKind::InviteExpired).await;
    ada.flush(PATIENCE).await.unwrap();
    let link = ada.invite("Ben").await.unwrap();
    ben.accept(&link, "Ada").await.unwrap();
    assert_eq!(texts(&ben, "Ada", 1).await, ["patience"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn links_that_cannot_be_used_say_why() {
    let world = World::new();
    let (ada, ben) = world.pair().await;
    ada.send("Ben", "answered").await.unwrap();
    assert_eq!(texts(&ben, "Ada", 1).await, ["answered"]);
    for link in ["", "hello", "deaddrop:ws://x/i#", "https://example.org/i#AAAA"] {
        assert!(matches!(ben.accept(link, "x").await, Err(ClientError::Link(_))), "{link}");
    }
    let link = ada.invite("Cara").await.unwrap();
    assert!(matches!(ben.accept(&link[..link.len() - 3], "x").await, Err(ClientError::Link(_))));
    assert_eq!(ada.accept(&link, "me").await, Err(ClientError::Bundle(BundleError::Own)));
    assert_eq!(ben.accept(&link, "Ada again").await, Err(ClientError::AlreadyContact));
    assert_eq!(ben.accept(&link, "Ada").await, Err(ClientError::NameTaken));
    for name in ["", " x", "a\nb", &"n".repeat(65)] {
        assert_eq!(ada.invite(name).await, Err(ClientError::BadName));
    }
    // It was looked at and not used up.
    let cara = world.person("cara").await;
    cara.accept(&link, "Ada").await.unwrap();
    cara.send("Ada", "still good").await.unwrap();
    assert_eq!(texts(&ada, "Cara", 1).await, ["still good"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_with_another_fingerprint_gets_nothing() {
    let world = World::new();
    let url = world.relay.address.split('#').next().unwrap();
    let other = format!("{url}#AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8");
    let ada = world.person_at("ada", &other).await;
    assert_eq!(ada.invite("Ben").await, Err(ClientError::WrongRelay));
    assert_eq!(ada.wait_caught_up(PATIENCE).await, Err(ClientError::WrongRelay));
    assert_eq!(world.relay.inspect()["mailboxes"], 0, "{}", world.relay.inspect());
    let tls = "wss://relay.example/#AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
    assert_eq!(ada.set_relay(tls.parse().unwrap()).await, Err(ClientError::NoTls));
    let nobody = Client::create(world.home("nobody"), Unlock::KeyFile, None, world.config()).await.unwrap();
    assert_eq!(nobody.invite("Ben").await, Err(ClientError::NoRelay));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vault_opens_for_its_own_key_once_at_a_time() {
    let world = World::new();
    let passphrase = |text: &str| Unlock::Passphrase(text.to_owned().into());
    let home = world.home("ada");
    let open = |unlock| Client::open(home.clone(), unlock, world.config());
    assert_eq!(open(Unlock::KeyFile).await.unwrap_err(), OpenError::Absent);
    let dear = PassphraseCost { passes: 17, ..PassphraseCost::default() };
    let refused = Config { passphrase_cost: dear, ..world.config() };
    let refused = Client::create(&home, passphrase("correct horse"), None, refused).await;
    assert_eq!(refused.unwrap_err(), OpenError::BadCost);
    assert!(!home.exists());
    let ada = Client::create(&home, passphrase("correct horse"), None, world.config()).await.unwrap();
    // The vault keeps its cost, whatever an app says later.
    assert_eq!(fs::read(home.join("vault")).unwrap()[60..72], [32, 1, 4].map(u32::to_le_bytes).concat());
    assert_eq!(open(passphrase("correct horse")).await.unwrap_err(), OpenError::InUse);
    ada.close().await.unwrap();
    let before = fs::read(home.join("vault")).unwrap();
    assert_eq!(open(passphrase("wrong horse")).await.unwrap_err(), OpenError::WrongPassphrase);
    assert_eq!(open(passphrase("")).await.unwrap_err(), OpenError::WrongPassphrase);
    assert_eq!(open(Unlock::KeyFile).await.unwrap_err(), OpenError::KeyFileMissing);
    let again = Client::create(&home, passphrase("correct horse"), None, world.config()).await;
    assert_eq!(again.unwrap_err(), OpenError::Exists);
    let again = Client::create(&home, passphrase("wrong horse"), None, world.config()).await;
    assert_eq!(again.unwrap_err(), OpenError::Exists);
    assert!(fs::read(home.join("vault")).unwrap() == before, "nothing was changed");
    assert!(!home.join("vault.key").exists());
    open(passphrase("correct horse")).await.unwrap().close().await.unwrap();
    // What is no vault is not touched either.
    fs::write(home.join("vault"), b"something else").unwrap();
    assert_eq!(open(passphrase("correct horse")).await.unwrap_err(), OpenError::Corrupt);
    assert_eq!(fs::read(home.join("vault")).unwrap(), b"something else");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_is_at_most_the_longest() {
    let world = World::new();
    let (ada, ben) = world.pair().await;
    let longest = "\u{e4}".repeat(MAX_TEXT / 2);
    assert_eq!(ben.send("Ada", &format!("{longest}x")).await, Err(ClientError::TextTooLong));
    assert_eq!(ben.send("Nobody", "x").await, Err(ClientError::UnknownContact));
    // The first message carries the most besides the text.
    ben.send("Ada", &longest).await.unwrap();
    ben.send("Ada", "").await.unwrap();
    assert!(texts(&ada, "Ben", 2).await == [longest.clone(), String::new()]);
    ada.send("Ben", &longest).await.unwrap();
    assert!(texts(&ben, "Ada", 1).await == [longest]);
}

#[tokio::test(flavor = "multi_thread")]
async fn mailboxes_move_to_the_relay_that_is_set() {
    let world = World::new();
    let mut other = relay_in(&world.folder, "other");
    let (ada, ben) = (world.person("ada").await, world.person("ben").await);
    let link = ada.invite("Ben").await.unwrap();
    ada.set_relay(other.address.parse().unwrap()).await.unwrap();
    ben.accept(&link, "Ada").await.unwrap();
    ben.send("Ada", "to the landing").await.unwrap();
    assert_eq!(texts(&ada, "Ben", 1).await, ["to the landing"]);
    ada.send("Ben", "I have moved").await.unwrap();
    texts(&ben, "Ada", 1).await;
    settled(&ada).await;
    ben.send("Ada", "to the new mailbox").await.unwrap();
    assert_eq!(texts(&ada, "Ben", 2).await[1], "to the new mailbox");
    settled(&ben).await;
    ada.flush(PATIENCE).await.unwrap();
    // The landing is gone with its relay's part in this; the old relay can go, too, as far as Ada is concerned.
    let relays: Vec<String> = ada.status().unwrap().relays.into_keys().collect();
    assert_eq!(relays, [other.address.clone()]);
    other.kill();
    ben.send("Ada", "later").await.unwrap();
    other.serve();
    assert_eq!(texts(&ada, "Ben", 3).await[2], "later");
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_goes_on_after_each_step_of_meeting() {
    let mut world = World::new();
    for polite in [true, false] {
        let (a, b) = (format!("ada {polite}"), format!("ben {polite}"));
        let again = async |client: Client, name: &str| {
            if polite {
                client.close().await.unwrap();
            } else {
                drop(client);
            }
            world.open(name).await
        };
        let ada = again(world.person(&a).await, &a).await;
        let link = ada.invite("Ben").await.unwrap();
        let ada = again(ada, &a).await;
        let ben = again(world.person(&b).await, &b).await;
        ben.accept(&link, "Ada").await.unwrap();
        let ben = again(ben, &b).await;
        wait_for(&ada, |kind| *kind == EventKind::InviteAccepted).await;
        let ada = again(ada, &a).await;
        ada.send("Ben", "one").await.unwrap();
        let ada = again(ada, &a).await;
        assert_eq!(texts(&ben, "Ada", 1).await, ["one"]);
        let ben = again(ben, &b).await;
        ben.send("Ada", "two").await.unwrap();
        let ben = again(ben, &b).await;
        assert_eq!(texts(&ada, "Ben", 1).await, ["two"]);
        let ada = again(ada, &a).await;
        tokio::join!(settled(&ada), settled(&ben));
        for client in [&ada, &ben] {
            wait_for(client, |kind| *kind == EventKind::Established).await;
            assert_eq!(client.contacts().unwrap()[0].state, ContactState::Established);
            client.flush(PATIENCE).await.unwrap();
        }
        ada.close().await.unwrap();
        ben.close().await.unwrap();
    }
    world.relay.kill();
    // Two private mailboxes a pair; landings and invites are gone or empty.
    assert_eq!(world.relay.inspect()["blobs"], 0, "{}", world.relay.inspect());
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_for_an_event_can_be_given_up_and_taken_up() {
    let world = World::new();
    let (ada, ben) = world.pair().await;
    let first = wait_for(&ada, |kind| *kind == EventKind::InviteAccepted).await;
    for n in 0..20 {
        let wait = Duration::from_millis(n % 7);
        assert!(timeout(wait, ada.next_event(first.number + 9)).await.is_err());
    }
    for n in 0..10 {
        ben.send("Ada", &format!("text {n}")).await.unwrap();
    }
    let (mut after, mut got) = (0, Vec::new());
    while got.len() < 10 {
        if let Ok(event) = timeout(Duration::from_millis(3), ada.next_event(after)).await {
            let event = event.unwrap();
            assert!(event.number > after);
            after = event.number;
            if let EventKind::MessageReceived { number, text } = event.kind {
                got.push((number, text));
            }
        }
    }
    let numbers: Vec<u64> = got.iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers, (1..=10).collect::<Vec<_>>());
    // Two who wait get the same event.
    let both = async { tokio::join!(ada.next_event(after), ada.next_event(after)) };
    let (both, _) = tokio::join!(both, async {
        sleep(Duration::from_millis(50)).await;
        ben.send("Ada", "last").await.unwrap()
    });
    assert_eq!(both.0, both.1);
}

#[tokio::test(flavor = "multi_thread")]
async fn eight_contacts_at_once() {
    let world = World::new();
    let ada = world.person("ada").await;
    let mut guests = Vec::new();
    for n in 0..8 {
        let name = format!("guest {n}");
        let link = ada.invite(&name).await.unwrap();
        let guest = world.person(&name).await;
        guest.accept(&link, "Ada").await.unwrap();
        guests.push((name, guest));
    }
    for round in 0..5 {
        for (name, guest) in &guests {
            guest.send("Ada", &format!("{round} from {name}")).await.unwrap();
            ada.send(name, &format!("{round} to {name}")).await.unwrap();
        }
    }
    for (name, guest) in &guests {
        let from: Vec<String> = (0..5).map(|round| format!("{round} from {name}")).collect();
        let to: Vec<String> = (0..5).map(|round| format!("{round} to {name}")).collect();
        assert_eq!(texts(&ada, name, 5).await, from);
        assert_eq!(texts(guest, "Ada", 5).await, to);
        settled(guest).await;
    }
    settled(&ada).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn both_sides_send_two_hundred_at_once() {
    let world = World::hasty();
    let (ada, ben) = world.pair().await;
    let all = |who: &str| (0..200).map(|n| format!("{who} {n}")).collect::<Vec<String>>();
    let say = async |client: &Client, to: &str, who: &str| {
        for text in all(who) {
            client.send(to, &text).await.unwrap();
        }
    };
    tokio::join!(say(&ada, "Ben", "ada"), say(&ben, "Ada", "ben"));
    let (at_ada, at_ben) = tokio::join!(texts(&ada, "Ben", 200), texts(&ben, "Ada", 200));
    assert_eq!(at_ada, all("ben"));
    assert_eq!(at_ben, all("ada"));
    tokio::join!(settled(&ada), settled(&ben));
    let delivered = |client: &Client| {
        let events = client.events_after(0).unwrap();
        events.iter().filter(|event| matches!(event.kind, EventKind::Delivered { .. })).count()
    };
    assert_eq!((delivered(&ada), delivered(&ben)), (200, 200));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_landing_is_left_for_the_private_mailbox() {
    let world = World::new();
    let (ada, ben) = (world.person("ada").await, world.person("ben").await);
    let link = ada.invite("Ben").await.unwrap();
    ada.close().await.unwrap();
    ben.accept(&link, "Ada").await.unwrap();
    let expected: Vec<String> = (0..12).map(|n| format!("text {n}")).collect();
    for text in &expected {
        ben.send("Ada", text).await.unwrap();
    }
    // A landing takes four.
    assert_eq!(ben.flush(Duration::from_secs(1)).await, Err(ClientError::TimedOut));
    assert!(ben.status().unwrap().unsent >= 8);
    let ada = world.open("ada").await;
    ada.send("Ben", "I am here").await.unwrap();
    assert_eq!(texts(&ada, "Ben", 12).await, expected);
    tokio::join!(settled(&ada), settled(&ben));
}
