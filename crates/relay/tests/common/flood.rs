//! Floods against a relay, and an honest client beside them. Each flood is bounded in time and in
//! connections.
#![allow(dead_code, missing_docs, unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use deaddrop_link::capability::{OwnCapability, ReadCapability, SendCapability};
use deaddrop_link::{ClientHandshake, ClientStep, LinkSession, MAX_RECORD_LEN};
use deaddrop_websocket::{Progress, Socket, upgrade};
use deaddrop_wire::item::*;
use deaddrop_wire::{Blob, ClientToken, Fingerprint, Item, Offer, RelayAddress, SizeClass};
use rand::RngExt;
use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Instant, MissedTickBehavior, sleep, timeout};

/// Maximum time for which a flooder tries to bring one connection as far as its [`Play`] says.
const STEP: Duration = Duration::from_secs(5);
/// Position in C1 of the byte that says whether a cookie follows: behind the magic (4), the number
/// of versions (1), one version (2) and the features (8).
const HAS_COOKIE: usize = 4 + 1 + 2 + 8;

/// The relay that is flooded, and the way to reach it.
#[derive(Clone, Debug)]
pub struct Target {
    pub place: SocketAddr,
    pub fingerprint: Fingerprint,
    /// Whether a connection names its source in a header of the PROXY protocol, as a trusted proxy
    /// does. If not, it is made from the source address itself.
    pub announces: bool,
}

impl Target {
    /// Creates the target from a relay's address, whose host must be an IP address. `announces` is
    /// false.
    pub fn new(address: &RelayAddress) -> Self {
        let host = address.host().parse().expect("the host is an IP address");
        Self {
            place: SocketAddr::new(host, address.port()),
            fingerprint: *address.fingerprint(),
            announces: false,
        }
    }

    async fn connect(&self, from: Option<IpAddr>) -> Option<TcpStream> {
        let socket = if self.place.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }.ok()?;
        if let Some(from) = from.filter(|_| !self.announces) {
            socket.bind(SocketAddr::new(from, 0)).ok()?;
        }
        let mut stream = socket.connect(self.place).await.ok()?;
        stream.set_nodelay(true).ok()?;
        if self.announces {
            let source =
                from.map_or_else(|| "UNKNOWN".to_owned(), |from| format!("TCP4 {from} 127.0.0.1 4660 80"));
            stream.write_all(format!("PROXY {source}\r\n").as_bytes()).await.ok()?;
        }
        Some(stream)
    }

    async fn upgrade(&self, from: Option<IpAddr>) -> Option<Socket<TcpStream>> {
        upgrade(self.connect(from).await?, &self.place.to_string(), "/", 4_096).await.ok()
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

/// A client's link to the target.
pub struct Link {
    socket: Socket<TcpStream>,
    session: LinkSession,
    relay: Fingerprint,
    req: u32,
}

/// The result of [`enter`]: the link (`None` if the time was over before), the number of attempts,
/// and the time that they took.
pub struct Entered {
    pub link: Option<Link>,
    pub attempts: u32,
    pub took: Duration,
}

/// Opens a link as an honest client does, for at most `patience`. It opens a second connection when
/// it is asked for a cookie. After a failed attempt it waits 0.5 to 1 s, after each further one up
/// to twice as long. `round_trip` is the simulated network delay of each of its requests.
pub async fn enter(
    target: &Target,
    from: Option<IpAddr>,
    round_trip: Duration,
    patience: Duration,
) -> Entered {
    let (begun, mut attempts, mut span_ms) = (Instant::now(), 0, 1_000);
    let entering = async {
        loop {
            attempts += 1;
            if let Some(link) = Link::open(target, from, round_trip).await {
                return link;
            }
            let wait = rand::rng().random_range(span_ms / 2..=span_ms);
            span_ms *= 2;
            sleep(Duration::from_millis(wait)).await;
        }
    };
    let link = timeout(patience, entering).await.ok();
    Entered { link, attempts, took: begun.elapsed() }
}

impl Link {
    /// Tries once to open a link. Returns `None` if the relay refuses it or closes a connection.
    pub async fn open(target: &Target, from: Option<IpAddr>, round_trip: Duration) -> Option<Self> {
        let (mut state, mut first) =
            ClientHandshake::start(&target.fingerprint, Offer::v1(), &mut rand::rng());
        let hello = Hello {
            features: 0,
            ping_s: 60,
            window_blobs: 64,
            window_bytes: 1 << 20,
            client: ClientToken::from_bytes([0; 16]),
            relay: None,
        };
        loop {
            sleep(round_trip).await;
            let mut socket = target.upgrade(from).await?;
            sleep(round_trip).await;
            socket.send(first, 0);
            let answer = message(&mut socket).await?;
            let step = state.on_message(&answer, &hello, &mut rand::rng()).ok()?;
            match step {
                ClientStep::Again(again, message) => (state, first) = (again, message),
                ClientStep::Finished(finished) => {
                    sleep(round_trip).await;
                    socket.send(finished.c2, 0);
                    socket.set_max_message(MAX_RECORD_LEN);
                    let record = message(&mut socket).await?;
                    let (session, received) = finished.link.on_first_record(&record).ok()?;
                    matches!(received.items.first(), Some(Item::Hello(_))).then_some(())?;
                    return Some(Self { socket, session, relay: target.fingerprint, req: 0 });
                }
            }
        }
    }

    /// Sends `items` and waits for the answer to the request `req`. Returns `None` if the link ends
    /// before. Subscribed counts as Done.
    async fn ask(&mut self, items: &[Item], req: u32) -> Option<AnswerCode> {
        for record in self.session.seal(items).ok()? {
            self.socket.send(record, 0);
        }
        loop {
            for item in self.session.open(&message(&mut self.socket).await?).ok()?.items {
                match item {
                    Item::Answer(answer) if answer.req == req => return Some(answer.code),
                    Item::Subscribed(done) if done.req == req => return Some(AnswerCode::Done),
                    _ => {}
                }
            }
        }
    }

    /// Makes a mailbox for one blob. Returns the answer with the capabilities to put into the
    /// mailbox and to read it; `None` if the link ends before.
    pub async fn create(&mut self) -> Option<(AnswerCode, SendCapability, ReadCapability)> {
        self.req += 1;
        let own = OwnCapability::generate(&mut rand::rng());
        let read = ReadCapability::generate(&mut rand::rng());
        let send = SendCapability::generate(&mut rand::rng());
        let create = Create {
            req: self.req,
            own: own.id(&self.relay),
            read: read.id(&self.relay),
            sends: vec![SendGrant { send: send.id(&self.relay), via: 0 }],
            lease: LeaseClass::Month,
            quota: QuotaClass::Single,
            flags: CreateFlags::NONE,
            token: vec![].into(),
        };
        let code = self.ask(&[create.into()], self.req).await?;
        Some((code, send, read))
    }

    async fn put(&mut self, send: &SendCapability) -> Option<AnswerCode> {
        self.req += 1;
        let mut bytes = vec![0; SizeClass::Small.bytes()];
        rand::rng().fill(&mut bytes[..]);
        let put = Put { req: self.req, send: send.present(&self.relay), blob: Blob::new(bytes).ok()? };
        self.ask(&[put.into()], self.req).await
    }

    /// Sends one list of requests and waits for its last answer. `kind` chooses the requests. Returns
    /// `None` if the link ends before.
    async fn ask_list(&mut self, kind: usize) -> Option<()> {
        if kind == 1 && self.req == 0 {
            let (AnswerCode::Done, _, read) = self.create().await? else { return None };
            self.subscribe(&read).await?;
        }
        self.req += 1;
        let req = self.req;
        let last = || Delete { req, own: OwnCapability::generate(&mut rand::rng()).present(&self.relay) };
        let items: Vec<Item> = match kind {
            0 => {
                let absent = ReadCapability::generate(&mut rand::rng());
                let mailboxes =
                    (100..4_196).map(|sub| Subscription { sub, read: absent.present(&self.relay) }).collect();
                vec![Subscribe { req, mailboxes }.into()]
            }
            1 => {
                let entry = || AckEntry { sub: 1, upto: 0, also: vec![] };
                let ack = || Ack { acks: (0..256).map(|_| entry()).collect() };
                (0..16).map(|_| ack().into()).chain([last().into()]).collect()
            }
            2 => (0..1_024).map(|_| last().into()).collect(),
            _ => (0..4_096).map(|nonce| Ping { nonce }.into()).chain([last().into()]).collect(),
        };
        self.ask(&items, req).await.map(|_| ())
    }

    async fn subscribe(&mut self, read: &ReadCapability) -> Option<AnswerCode> {
        self.req += 1;
        let mailboxes = vec![Subscription { sub: 1, read: read.present(&self.relay) }];
        self.ask(&[Subscribe { req: self.req, mailboxes }.into()], self.req).await
    }
}

/// A kind of flood: how far each of its connections goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Play {
    /// Connections that stop, in turn, before the head of an HTTP request, within it, after the
    /// upgrade to a WebSocket, or when the relay has answered C1 (with a cookie, if it asked for
    /// one) by S1.
    HalfOpen,
    /// Connections that become WebSockets and then send nothing.
    Upgrades,
    /// Connections that make the relay compute an S1 and then close.
    Handshakes,
    /// Links that make mailboxes for one blob and fill them until a create is refused, up to eight.
    /// Then they close, subscribe and stay, or stay idle.
    Invites,
    /// Links that send lists of requests without end, one list when the one before is answered:
    /// subscriptions to absent mailboxes, acks that confirm nothing, deletes of absent mailboxes, or
    /// pings.
    Requests,
}

/// One flood: its kind, target, sources and rate. `lasts` is the time after which it ends.
#[derive(Clone, Debug)]
pub struct Flood {
    pub play: Play,
    pub target: Target,
    /// The source addresses of its connections, used in turn. If empty, the operating system
    /// chooses the address.
    pub from: Vec<IpAddr>,
    /// Number of connections begun per second.
    pub per_s: u32,
    pub lasts: Duration,
    /// Maximum number of connections that the flood holds open. Beyond it, the oldest is closed for
    /// a new one.
    pub holds: usize,
}

/// Numbers of connections of a flood.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Number of connections that were begun.
    pub begun: u64,
    /// Number of connections that came as far as the [`Play`] says.
    pub came_so_far: u64,
}

#[derive(Default)]
struct Shared {
    counts: Mutex<Counts>,
    cookies: Mutex<HashMap<Option<IpAddr>, Vec<u8>>>,
    held: Mutex<VecDeque<Held>>,
}

/// A connection that the flood keeps open.
#[allow(clippy::large_enum_variant)]
enum Held {
    Stream(TcpStream),
    Socket(Socket<TcpStream>),
    Link(Link),
    Busy(Busy),
}

/// A link that its own task uses. The task ends when this is dropped.
struct Busy(tokio::task::AbortHandle);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Flood {
    /// Runs the flood for the time `lasts`, or until `stop` resolves. All its connections are then
    /// closed.
    pub async fn run(self, stop: impl Future<Output = ()>) -> Counts {
        let flood = Arc::new(self);
        let shared = Arc::new(Shared::default());
        let end = Instant::now() + flood.lasts;
        let mut pace = tokio::time::interval(Duration::from_secs(1) / flood.per_s.max(1));
        pace.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let (_, c1) = ClientHandshake::start(&flood.target.fingerprint, Offer::v1(), &mut rand::rng());
        let c1 = Arc::new(c1);
        let mut number = 0;
        let mut tasks = tokio::task::JoinSet::new();
        let mut stop = std::pin::pin!(stop);
        while Instant::now() < end {
            tokio::select! {
                _ = pace.tick() => {}
                () = &mut stop => break,
            }
            let (flood, shared, c1) = (Arc::clone(&flood), Arc::clone(&shared), Arc::clone(&c1));
            tasks.spawn(async move {
                let playing = Box::pin(flood.play_one(number, &shared, &c1));
                if let Ok(Some(held)) = timeout(STEP, playing).await {
                    shared.counts.lock().unwrap().came_so_far += 1;
                    let mut all = shared.held.lock().unwrap();
                    all.push_back(held);
                    if all.len() > flood.holds {
                        all.pop_front();
                    }
                }
            });
            number += 1;
            while tasks.try_join_next().is_some() {}
        }
        tasks.shutdown().await;
        let mut counts = *shared.counts.lock().unwrap();
        counts.begun = number as u64;
        counts
    }

    async fn play_one(&self, number: usize, shared: &Shared, c1: &[u8]) -> Option<Held> {
        let from = match self.from.len() {
            0 => None,
            len => self.from.get(number % len).copied(),
        };
        // The kind changes with each round over the addresses, so that every address plays each kind.
        let kind = number / self.from.len().max(1) % 4;
        match (self.play, kind) {
            (Play::HalfOpen, 0) => self.target.connect(from).await.map(Held::Stream),
            (Play::HalfOpen, 1) => {
                let mut stream = self.target.connect(from).await?;
                stream.write_all(b"GET /v1 HTTP/1.1\r\nHost: a\r\nUpgrade: web").await.ok()?;
                Some(Held::Stream(stream))
            }
            (Play::Upgrades, _) | (Play::HalfOpen, 2) => self.target.upgrade(from).await.map(Held::Socket),
            (Play::HalfOpen, _) => self.handshake(from, shared, c1).await.map(Held::Socket),
            (Play::Handshakes, _) => {
                drop(self.handshake(from, shared, c1).await?);
                shared.counts.lock().unwrap().came_so_far += 1;
                None
            }
            (Play::Invites, kind) => self.invite(from, kind, shared).await,
            (Play::Requests, kind) => {
                let mut link = Link::open(&self.target, from, Duration::ZERO).await?;
                let asking = tokio::spawn(async move { while link.ask_list(kind).await.is_some() {} });
                Some(Held::Busy(Busy(asking.abort_handle())))
            }
        }
    }

    /// Makes the relay answer `c1` by S1, with the cookie that it gave to the address `from` if
    /// there is one. Returns `None` if it does not answer so. All connections send the same C1, so
    /// that the flooder pays less for it than the relay.
    async fn handshake(&self, from: Option<IpAddr>, shared: &Shared, c1: &[u8]) -> Option<Socket<TcpStream>> {
        let mut socket = self.target.upgrade(from).await?;
        let cookie = shared.cookies.lock().unwrap().get(&from).cloned();
        socket.send(cookie.map_or_else(|| c1.to_vec(), |cookie| with_cookie(c1, &cookie)), 0);
        let mut answer = message(&mut socket).await?;
        if let Some(cookie) = answer.strip_prefix(b"ddRT") {
            shared.cookies.lock().unwrap().insert(from, cookie.to_vec());
            socket.send(with_cookie(c1, cookie), 0);
            answer = message(&mut socket).await?;
        }
        answer.starts_with(b"ddS1").then_some(socket)
    }

    /// Opens a link and makes at most eight mailboxes, each with one blob, until a create is
    /// refused. `kind` says what the link does then; returns it if it stays open.
    async fn invite(&self, from: Option<IpAddr>, kind: usize, shared: &Shared) -> Option<Held> {
        let mut link = Link::open(&self.target, from, Duration::ZERO).await?;
        let mut read = None;
        for _ in 0..8 {
            let (code, send, of_mailbox) = link.create().await?;
            if code != AnswerCode::Done {
                break;
            }
            link.put(&send).await?;
            read = Some(of_mailbox);
        }
        match (kind, read) {
            // This link closes, as the short ones of honest clients do.
            (0, _) => {
                shared.counts.lock().unwrap().came_so_far += 1;
                None
            }
            (1, Some(read)) => {
                link.subscribe(&read).await?;
                Some(Held::Link(link))
            }
            _ => Some(Held::Link(link)),
        }
    }
}

/// Returns `c1`, which offers one version and has no cookie, with `cookie` in it.
fn with_cookie(c1: &[u8], cookie: &[u8]) -> Vec<u8> {
    let (before, keys) = c1.split_at(HAS_COOKIE);
    [before, &[1], cookie, keys.get(1..).unwrap_or_default()].concat()
}
