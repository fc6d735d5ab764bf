//! The client SDK over a real relay process: calls that apps rely on, and calls that apps get wrong.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../common/mod.rs"]
mod common;
mod meeting;
mod old;
mod relays;
mod sending;
mod vault;
mod waits;

use std::{fs, path::PathBuf, time::Duration};

use common::{PATIENCE, Relay};
use deaddrop_client::{
    BundleError, Client, ClientError, Config, Connectivity, ContactState, Event, EventKind, MAX_TEXT,
    MessageId, OpenError, PassphraseCost, Unlock, VaultRoom,
};
use tokio::time::{sleep, timeout};

/// Returns settings under which receipts and retries come soon, and a passphrase costs little: no
/// network watches the test.
fn config() -> Config {
    Config {
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
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let relay = relay_in(&folder, "relay");
        Self { folder, relay }
    }

    /// Creates a world whose relay has no limits on the speed of messages.
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
        config()
    }

    async fn person(&self, name: &str) -> Client {
        self.person_at(name, &self.relay.address).await
    }

    async fn person_at(&self, name: &str, relay: &str) -> Client {
        let relay = Some(relay.parse().unwrap());
        Client::create(self.home(name), Unlock::KeyFile, relay, self.config()).await.unwrap()
    }

    /// Opens a person's client. Tries again while another client has the vault open: one that was
    /// dropped a moment ago may still hold the lock.
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

    /// Makes Ada and Ben and connects them: Ben has accepted Ada's invite.
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

/// Waits for the first event of a kind, old events included. Panics after [`PATIENCE`].
async fn wait_for(client: &Client, is_wanted: impl Fn(&EventKind) -> bool) -> Event {
    wait_for_event(client, |event| is_wanted(&event.kind)).await
}

/// Waits until the receipt of a message shows that the contact's vault holds it.
async fn delivered(client: &Client, message: MessageId) {
    let is_it = |event: &Event| event.kind == EventKind::Delivered && event.message == Some(message);
    wait_for_event(client, is_it).await;
}

/// Waits for the first event for which `is_wanted` is true, old events included. Panics after
/// [`PATIENCE`].
async fn wait_for_event(client: &Client, is_wanted: impl Fn(&Event) -> bool) -> Event {
    let found = async {
        let mut after = 0;
        loop {
            let event = client.next_event(after).await.unwrap();
            after = event.number;
            if is_wanted(&event) {
                return event;
            }
        }
    };
    timeout(PATIENCE, found).await.unwrap_or_else(|_| {
        panic!("{:?} {:?}", client.events_after(0), client.status());
    })
}

/// Returns the first `count` texts from a contact, and waits for those that are not there yet.
/// Panics after twice [`PATIENCE`].
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

/// Waits until every text has its receipt and nothing waits to be sent. Panics after [`PATIENCE`].
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
