//! One client shows two relays no equal bytes by which they could know it. The relays run in this
//! process, with stores that note the client tokens.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::{
    path::Path,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use deaddrop_client::{Client, Config, Unlock};
use deaddrop_link::{RelayIdentity, RelaySeed};
use deaddrop_relay::{
    Limits,
    clock::{Clock, Now},
    kept::{KeptStore, MemoryBacking},
    proxy::Proxies,
    server::{Order, Server},
    session::SessionContext,
    store::{
        Census, Change, Claim, Claimed, ConnectedReader, Fence, Handle, NewMailbox, NotAcked, NotClaimed,
        Peek, Peeked, RecordId, Stale, Store, Verdict,
    },
};
use deaddrop_wire::{Blob, OwnId, RelayAddress, SendId};
use rand::{SeedableRng, rngs::StdRng};
use tokio::{net::TcpListener, sync::mpsc, task::JoinHandle, time::sleep};

/// Client tokens in the order in which readers have shown them to one relay.
type Tokens = Arc<Mutex<Vec<[u8; 16]>>>;

/// A store in memory that notes the client token of each reader.
struct Watched {
    inner: KeptStore<MemoryBacking>,
    tokens: Tokens,
}

impl Store for Watched {
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
        self.tokens.lock().unwrap().push(*reader.token.as_bytes());
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
        self.inner.sweep(now, limit).await
    }

    fn census(&self) -> Census {
        self.inner.census()
    }
}

struct Relay {
    address: RelayAddress,
    seed: u8,
    tokens: Tokens,
    stop: Option<mpsc::Sender<Order>>,
    running: JoinHandle<()>,
}

impl Relay {
    async fn start(seed: u8) -> Self {
        Self::serve(seed, "127.0.0.1:0", Tokens::default()).await
    }

    async fn serve(seed: u8, listen: &str, tokens: Tokens) -> Self {
        let mut rng = StdRng::seed_from_u64(u64::from(seed));
        let limits = Limits::default();
        let inner = KeptStore::in_memory(limits.clone(), &mut rng);
        let store = Watched { inner, tokens: Arc::clone(&tokens) };
        let listener = TcpListener::bind(listen).await.unwrap();
        let identity = RelayIdentity::from_seed(&RelaySeed::from_bytes([seed; 32]));
        let clock = Clock::start(None, true).unwrap();
        let server = Server::new(
            listener,
            store,
            identity,
            SessionContext::new(limits, None),
            clock,
            Proxies::default(),
            &mut rng,
        );
        let url = format!("ws://{}/", server.address().unwrap());
        let address = RelayAddress::new(*server.fingerprint(), &url).unwrap();
        let (stop, orders) = mpsc::channel(1);
        let running = tokio::spawn(async move {
            server.run(orders).await;
        });
        Self { address, seed, tokens, stop: Some(stop), running }
    }

    /// Stops the relay, which loses all mailboxes, and starts it again at the same address.
    async fn restart(mut self) -> Self {
        drop(self.stop.take());
        self.running.await.unwrap();
        let listen = self.address.url().trim_start_matches("ws://").trim_end_matches('/').to_owned();
        Self::serve(self.seed, &listen, self.tokens).await
    }

    fn seen(&self) -> Vec<[u8; 16]> {
        self.tokens.lock().unwrap().clone()
    }

    /// Waits until readers have shown more than `seen` tokens in all. Returns the newest.
    async fn token_after(&self, seen: usize) -> [u8; 16] {
        let begin = Instant::now();
        loop {
            match self.seen().get(seen..) {
                Some([.., newest]) => return *newest,
                _ => assert!(begin.elapsed() < Duration::from_secs(30), "no reader has come"),
            }
            sleep(Duration::from_millis(5)).await;
        }
    }
}

fn config() -> Config {
    Config { backoff: Duration::from_millis(10)..Duration::from_millis(100), ..Config::default() }
}

async fn open(home: &Path) -> Client {
    Client::open(home, Unlock::KeyFile, config()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_relays_see_tokens_that_do_not_tell_that_they_are_one_clients() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("ada");
    let (one, two) = (Relay::start(1).await, Relay::start(2).await);
    let ada = Client::create(&home, Unlock::KeyFile, Some(one.address.clone()), config()).await.unwrap();
    // One client that reads at two relays: an invite's mailbox at each.
    ada.invite("Ben").await.unwrap();
    ada.set_relay(two.address.clone()).await.unwrap();
    ada.invite("Cara").await.unwrap();
    let (at_one, at_two) = (one.token_after(0).await, two.token_after(0).await);
    assert_ne!(at_one, [0; 16]);
    assert_ne!(at_two, [0; 16]);
    assert_ne!(at_one, at_two, "two relays that compare notes know that one client reads at both");

    // The same relay recognises the same client, so that a connection that broke without a word is replaced.
    let seen = one.seen().len();
    let one = one.restart().await;
    assert_eq!(one.token_after(seen).await, at_one);

    // After the next start nothing tells that it is the same client.
    ada.close().await.unwrap();
    let seen = (one.seen().len(), two.seen().len());
    let ada = open(&home).await;
    let again = (one.token_after(seen.0).await, two.token_after(seen.1).await);
    for token in [again.0, again.1] {
        assert!(![at_one, at_two, [0; 16]].contains(&token));
    }
    assert_ne!(again.0, again.1);
    ada.close().await.unwrap();
}
