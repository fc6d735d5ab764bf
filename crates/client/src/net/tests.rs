//! Links to relays that follow a script: real sockets, virtual time.

use super::*;
use super::{
    moved::Moved,
    publish::{open_link, publish},
};
use crate::{
    Config, PrivateAddresses,
    engine::Engine,
    error::{ClientError, VaultError},
    home,
};
use deaddrop_e2ee::{
    content::{self, Content},
    identity::IdentityKeyPair,
    invite::{InviteLink, VerifiedBundle},
    session::Session,
};
use deaddrop_engine::{
    MailboxName,
    conversation::{ConnectError, Connectivity, PutState},
};
use deaddrop_link::{
    ClientHello, MailboxAddress, RelayHandshake, RelayIdentity, RelaySeed, capability::SendCapability,
};
use deaddrop_websocket::{Progress, Socket};
use deaddrop_wire::{
    Day, Item, Offer, RelayAddress,
    item::{Answer, AnswerCode, CaughtUp, GoAway, Hello, Pong, RelayHello, Subscribed},
};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    io::AsyncReadExt,
    net::{TcpListener, TcpStream},
    task::JoinHandle,
    time::{Instant, sleep},
};

mod closing;
mod errands;
mod moves;
mod numbers;
mod reading;
mod seam;
mod slow;
mod spans;
mod versions;

const TODAY: Day = Day::from_number(20_781);

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// The answer of a scripted relay to an item, and whether it closes the link then.
struct Reply {
    items: Vec<Item>,
    closes: bool,
}

fn say(items: Vec<Item>) -> Reply {
    Reply { items, closes: false }
}

fn close() -> Reply {
    Reply { items: Vec::new(), closes: true }
}

/// A script: its arguments are the number of a connection, from 0, and an item that came over it;
/// it returns the answer. The first item of each connection is the client's Hello.
type Script = dyn Fn(usize, &Item) -> Reply + Send + Sync;

/// An item that a relay got: the number of the connection, the time, and the item's kind (see
/// `kind`).
type Heard = (usize, Instant, &'static str);

/// A relay that answers by a script, and notes when connections and items came.
struct Scripted {
    address: RelayAddress,
    opened: Arc<Mutex<Vec<Instant>>>,
    heard: Arc<Mutex<Vec<Heard>>>,
    serving: JoinHandle<()>,
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Scripted {
    async fn start(script: impl Fn(usize, &Item) -> Reply + Send + Sync + 'static) -> Self {
        Self::with_hello(relay_hello(), script).await
    }

    async fn with_hello(
        hello: RelayHello,
        script: impl Fn(usize, &Item) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let identity = Arc::new(RelayIdentity::from_seed(&RelaySeed::from_bytes([7; 32])));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("ws://{}/", listener.local_addr().unwrap());
        let address = RelayAddress::new(*identity.fingerprint(), &url).unwrap();
        let (opened, heard) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(Vec::new())));
        let script: Arc<Script> = Arc::new(script);
        let (opens, hears) = (Arc::clone(&opened), Arc::clone(&heard));
        let serving = tokio::spawn(async move {
            for number in 0.. {
                let Ok((stream, _)) = listener.accept().await else { return };
                opens.lock().unwrap().push(Instant::now());
                let (identity, script) = (Arc::clone(&identity), Arc::clone(&script));
                let hears = Arc::clone(&hears);
                tokio::spawn(async move { serve(stream, &identity, hello, number, &*script, &hears).await });
            }
        });
        Self { address, opened, heard, serving }
    }

    fn connections(&self) -> usize {
        self.opened.lock().unwrap().len()
    }

    /// Returns the times at which items of a kind came, over all connections.
    fn heard(&self, wanted: &str) -> Vec<Instant> {
        let heard = self.heard.lock().unwrap();
        heard.iter().filter(|(_, _, kind)| *kind == wanted).map(|(_, at, _)| *at).collect()
    }
}

fn relay_hello() -> RelayHello {
    RelayHello {
        day: TODAY,
        max_subscriptions: 100,
        max_in_flight: 16,
        puts_per_s: 50,
        put_burst: 500,
        blob_days: 30,
        large_blob_days: 7,
        token_needed: false,
    }
}

async fn serve(
    mut stream: TcpStream,
    identity: &RelayIdentity,
    relay: RelayHello,
    number: usize,
    script: &Script,
    heard: &Mutex<Vec<Heard>>,
) -> Option<()> {
    // Virtual time does not wait for bytes that the system holds back.
    stream.set_nodelay(true).ok()?;
    let mut request = Vec::new();
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        stream.read_buf(&mut request).await.ok().filter(|n| *n > 0)?;
    }
    let mut socket = deaddrop_websocket::accept(stream, request, 300_000).await.ok()?;
    let c1 = message(&mut socket).await?;
    let c1 = ClientHello::parse(&c1).ok()?;
    let random = &mut crate::random::SystemRandom;
    let (handshake, s1) = RelayHandshake::answer(identity, &Offer::v1(), &c1, random).ok()?;
    socket.send(s1, 0);
    let c2 = message(&mut socket).await?;
    let (link, hello) = handshake.on_c2(identity, &c2).ok()?;
    let (mut seal, mut open) = link.split();
    let hello = Item::from(Hello { relay: Some(relay), ..hello });
    let mut replies = script(number, &hello);
    // The word of a move comes in one record with the relay's Hello.
    let is_moved = matches!(replies.items.first(), Some(Item::Moved(_)));
    replies.items.insert(0, hello);
    if is_moved {
        let greeting = std::mem::take(&mut replies.items);
        seal.seal(&greeting).ok()?.into_iter().for_each(|record| socket.send(record, 0));
    }
    loop {
        for item in replies.items.drain(..) {
            seal.seal(&[item]).ok()?.into_iter().for_each(|record| socket.send(record, 0));
        }
        if replies.closes {
            socket.close().await;
            return Some(());
        }
        let record = message(&mut socket).await?;
        for item in open.open(&record).ok()?.items {
            heard.lock().unwrap().push((number, Instant::now(), kind(&item)));
            let reply = script(number, &item);
            replies.items.extend(reply.items);
            replies.closes |= reply.closes;
        }
    }
}

async fn message(socket: &mut Socket<TcpStream>) -> Option<Vec<u8>> {
    loop {
        match socket.progress(true).await {
            Progress::Message(message) => return Some(message),
            Progress::Sent | Progress::Partial => {}
            Progress::Over(_) => return None,
        }
    }
}

fn kind(item: &Item) -> &'static str {
    match item {
        Item::Create(_) => "create",
        Item::Delete(_) => "delete",
        Item::Subscribe(_) => "subscribe",
        Item::Put(_) => "put",
        Item::Ping(_) => "ping",
        _ => "other",
    }
}

/// Returns the answer of a correct relay whose mailboxes are empty.
fn obey(item: &Item) -> Reply {
    say(match item {
        Item::Create(create) => vec![done(create.req)],
        Item::Delete(delete) => vec![done(delete.req)],
        Item::Put(put) => vec![done(put.req)],
        Item::Subscribe(subscribe) => vec![
            Subscribed { req: subscribe.req, refused: Vec::new(), contended: Vec::new() }.into(),
            CaughtUp { req: subscribe.req }.into(),
        ],
        Item::Ping(ping) => vec![Pong { nonce: ping.nonce }.into()],
        _ => Vec::new(),
    })
}

fn answer(req: u32, code: AnswerCode, retry_s: u16) -> Item {
    Answer { req, code, retry_s }.into()
}

fn done(req: u32) -> Item {
    answer(req, AnswerCode::Done, 0)
}

/// A client with own mailboxes at one relay, and a contact, Eve, whose mailbox is at another or the
/// same relay.
struct World {
    _folder: tempfile::TempDir,
    shared: Arc<Shared>,
}

impl Drop for World {
    fn drop(&mut self) {
        self.shared.closing.send_replace(true);
    }
}

impl World {
    /// Creates a client with own mailboxes at the relay `own`, and a contact at a new relay that
    /// behaves correctly, which is returned too.
    async fn at(own: &RelayAddress) -> (Scripted, Self) {
        let peer = Scripted::start(|_, item| obey(item)).await;
        let world = Self::new(own, &peer.address).await;
        (peer, world)
    }

    /// Creates a client with own mailboxes at the relay `own` and a contact at the relay `peer`.
    async fn new(own: &RelayAddress, peer: &RelayAddress) -> Self {
        Self::with_transport(own, peer, None).await
    }

    /// Does the same as [`new`](Self::new), over this transport; `None` stands for TCP.
    async fn with_transport(
        own: &RelayAddress,
        peer: &RelayAddress,
        transport: Option<Box<dyn transport::Transport>>,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let cost = deaddrop_shred::PassphraseCost::default();
        let store = home::create(folder.path(), &crate::Unlock::KeyFile, cost).unwrap();
        let engine = crate::engine::create_in(store, Some(own), 0).unwrap();
        let config = Config {
            now: Arc::new(|| u64::from(TODAY.number()) * 86_400),
            private_addresses: PrivateAddresses::Allow,
            ..Config::default()
        };
        let shared = match transport {
            Some(transport) => Shared::with_transport(engine, config, transport),
            None => Shared::new(engine, config),
        };
        let address = MailboxAddress { relay: peer.clone(), send: SendCapability::from_bytes([9; 32]) };
        let accepted = shared.step(move |engine, today| {
            let id = engine.begin_invite("Eve", today, 7).unwrap();
            let bundle = engine.publication(id).unwrap().bundle;
            engine.published(id).unwrap();
            let link: InviteLink = engine.link_text(id).unwrap().parse().unwrap();
            let random = &mut crate::random::SystemRandom;
            let eve = IdentityKeyPair::generate(random);
            let own = eve.identity_key().hash();
            let bundle = VerifiedBundle::open(link.secret(), &bundle, own, None, today).unwrap();
            let (mut session, _) = Session::initiate(&eve, &bundle, random).unwrap();
            let hello = Content::Hello { address: address.encode().to_vec() };
            let (envelope, _) = session.encrypt(&content::encode(&[hello]).unwrap(), random).unwrap();
            engine.delivered(MailboxName { contact: id, mailbox: 0 }, envelope.as_bytes(), today)?;
            Ok::<_, VaultError>(())
        });
        accepted.await.unwrap();
        Self { _folder: folder, shared }
    }

    fn supervise(&self) {
        tokio::spawn(supervise(Arc::clone(&self.shared)));
    }

    /// Sends a text to the contact as [`Client::send`](crate::Client::send) does.
    async fn send(&self, text: &str) {
        let text = text.to_owned();
        let send = move |engine: &mut Engine<_>, _| engine.send_text("Eve", &text, 0);
        self.shared.step_then(send, Shared::retry_now).await.unwrap();
    }

    fn link(&self, relay: &RelayAddress) -> Option<Connectivity> {
        self.shared.progress.links().get(&relay.to_string()).map(|link| link.state)
    }

    /// Waits until the client reports this state of a relay. Panics after a minute.
    async fn until(&self, relay: &RelayAddress, wanted: Connectivity) {
        let begin = Instant::now();
        while self.link(relay) != Some(wanted) {
            assert!(begin.elapsed() < seconds(60), "{:?}, not {wanted:?}", self.link(relay));
            sleep(Duration::from_millis(10)).await;
        }
    }
}
