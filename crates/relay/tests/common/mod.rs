//! A small client for tests (one link, items in and out), and the real program of the relay as a
//! child process.
#![allow(dead_code, missing_docs, unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub mod process;

use deaddrop_link::capability::{OwnCapability, ReadCapability, SendCapability};
use deaddrop_link::{ClientHandshake, ClientStep, LinkSession};
use deaddrop_wire::item::*;
use deaddrop_wire::{Blob, ClientToken, Fingerprint, Item, Offer, RelayAddress, SizeClass};
use futures_util::{SinkExt, StreamExt};
use rand::RngExt;
use std::collections::VecDeque;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_websockets::{ClientBuilder, MaybeTlsStream, Message, WebSocketStream};

pub type Ws = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Maximum time for which a test waits for something that must happen. It is long, so that a slow
/// machine fails no test.
pub const PATIENCE: Duration = Duration::from_secs(60);

pub struct Client<T = MaybeTlsStream<TcpStream>> {
    pub ws: WebSocketStream<T>,
    pub link: LinkSession,
    pub inbox: VecDeque<Item>,
    pub relay: Fingerprint,
    pub req: u32,
}

pub fn hello(token: u8) -> Hello {
    Hello {
        features: 0,
        ping_s: 60,
        window_blobs: 64,
        window_bytes: 1 << 20,
        client: ClientToken::from_bytes([token; 16]),
        relay: None,
    }
}

pub async fn websocket(address: &RelayAddress) -> Option<Ws> {
    let url: http::Uri = address.url().parse().unwrap();
    let connected = tokio::time::timeout(PATIENCE, ClientBuilder::from_uri(url).connect()).await.ok()?;
    connected.ok().map(|(ws, _)| ws)
}

impl Client {
    /// Opens a link to the relay, with a client token of 16 bytes `token`. Returns `None` if the
    /// relay does not accept it.
    pub async fn try_connect(address: &RelayAddress, token: u8) -> Option<Self> {
        Self::try_over(websocket(address).await?, address, token).await
    }

    pub async fn connect(address: &RelayAddress, token: u8) -> Self {
        Self::try_connect(address, token).await.expect("the relay answers")
    }

    /// Opens a link as from behind a proxy that names the address `from` in `X-Forwarded-For`.
    /// Returns `None` if the relay closes the connection.
    pub async fn connect_from(relay: &RelayAddress, from: &str, token: u8) -> Option<Self> {
        let url: http::Uri = relay.url().parse().unwrap();
        let header = http::HeaderName::from_static("x-forwarded-for");
        let builder = ClientBuilder::from_uri(url).add_header(header, from.parse().unwrap()).unwrap();
        let (ws, _) = builder.connect().await.ok()?;
        Self::try_over(ws, relay, token).await
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> Client<T> {
    /// Makes the handshake of the link over an open WebSocket. Returns `None` if the relay closes
    /// it, or does not answer within [`PATIENCE`].
    pub async fn try_over(mut ws: WebSocketStream<T>, address: &RelayAddress, token: u8) -> Option<Self> {
        let (state, c1) = ClientHandshake::start(address.fingerprint(), Offer::v1(), &mut rand::rng());
        ws.send(Message::binary(c1)).await.ok()?;
        let s1 = tokio::time::timeout(PATIENCE, ws.next()).await.ok()??.ok()?;
        let hello = hello(token);
        let mut step = state.on_message(s1.as_payload(), &hello, &mut rand::rng()).ok()?;
        if let ClientStep::Again(state, again) = step {
            ws.send(Message::binary(again)).await.ok()?;
            let s1 = tokio::time::timeout(PATIENCE, ws.next()).await.ok()??.ok()?;
            step = state.on_message(s1.as_payload(), &hello, &mut rand::rng()).ok()?;
        }
        let ClientStep::Finished(finished) = step else { panic!("a cookie twice") };
        ws.send(Message::binary(finished.c2)).await.ok()?;
        let record =
            tokio::time::timeout(PATIENCE, ws.next()).await.ok()??.ok().filter(Message::is_binary)?;
        let (link, received) = finished.link.on_first_record(record.as_payload()).unwrap();
        let mut inbox = VecDeque::from(received.items);
        match inbox.pop_front() {
            Some(Item::Hello(hello)) => assert!(hello.relay.is_some()),
            other => panic!("{other:?} instead of a greeting"),
        }
        Some(Self { ws, link, inbox, relay: *address.fingerprint(), req: 0 })
    }

    pub async fn try_send(&mut self, items: &[Item]) -> Option<()> {
        for record in self.link.seal(items).unwrap() {
            self.ws.feed(Message::binary(record)).await.ok()?;
        }
        self.ws.flush().await.ok()
    }

    pub async fn send(&mut self, items: &[Item]) {
        self.try_send(items).await.expect("the link stands");
    }

    /// Returns the next item that the relay sends; `None` when the link has ended. Panics if
    /// nothing comes within [`PATIENCE`].
    pub async fn try_next(&mut self) -> Option<Item> {
        loop {
            if let Some(item) = self.inbox.pop_front() {
                return Some(item);
            }
            let message =
                tokio::time::timeout(PATIENCE, self.ws.next()).await.expect("something comes")?.ok()?;
            if message.is_binary() {
                self.inbox.extend(self.link.open(message.as_payload()).unwrap().items);
            }
        }
    }

    pub async fn next(&mut self) -> Item {
        self.try_next().await.expect("the link stands")
    }

    /// Returns the next item for which `wanted` is true. The items before it stay in the inbox for
    /// later calls.
    pub async fn until(&mut self, wanted: impl Fn(&Item) -> bool) -> Item {
        let mut aside = VecDeque::new();
        loop {
            let item = self.next().await;
            if wanted(&item) {
                aside.append(&mut self.inbox);
                self.inbox = aside;
                return item;
            }
            aside.push_back(item);
        }
    }

    pub fn next_req(&mut self) -> u32 {
        self.req += 1;
        self.req
    }

    pub async fn answer(&mut self, req: u32) -> AnswerCode {
        let item = self.until(|item| matches!(item, Item::Answer(answer) if answer.req == req)).await;
        let Item::Answer(answer) = item else { unreachable!() };
        answer.code
    }

    pub async fn create(&mut self, mailbox: &Mailbox) -> AnswerCode {
        let req = self.next_req();
        self.send(&[mailbox.create(&self.relay, req)]).await;
        self.answer(req).await
    }

    pub async fn put(&mut self, send: &SendCapability, blob: Blob) -> AnswerCode {
        let req = self.next_req();
        let send = send.present(&self.relay);
        self.send(&[Put { req, send, blob }.into()]).await;
        self.answer(req).await
    }

    pub async fn subscribe(&mut self, sub: u32, read: &ReadCapability) -> Subscribed {
        let req = self.next_req();
        let read = read.present(&self.relay);
        self.send(&[Subscribe { req, mailboxes: vec![Subscription { sub, read }] }.into()]).await;
        let item = self.until(|item| matches!(item, Item::Subscribed(done) if done.req == req)).await;
        let Item::Subscribed(done) = item else { unreachable!() };
        done
    }

    pub async fn delivery(&mut self) -> Deliver {
        let item = self.until(|item| matches!(item, Item::Deliver(_))).await;
        let Item::Deliver(deliver) = item else { unreachable!() };
        deliver
    }

    pub async fn ack(&mut self, sub: u32, upto: u32) {
        let acks = vec![AckEntry { sub, upto, also: vec![] }];
        self.send(&[Ack { acks: acks.clone() }.into()]).await;
        self.until(|item| matches!(item, Item::Acked(acked) if acked.acks == acks)).await;
    }
}

/// The three capabilities of a mailbox: to own it, to read it, and to put into it.
pub struct Mailbox {
    pub own: OwnCapability,
    pub read: ReadCapability,
    pub send: SendCapability,
}

impl Mailbox {
    pub fn new() -> Self {
        let mut rng = rand::rng();
        Self {
            own: OwnCapability::generate(&mut rng),
            read: ReadCapability::generate(&mut rng),
            send: SendCapability::generate(&mut rng),
        }
    }

    pub fn create(&self, relay: &Fingerprint, req: u32) -> Item {
        let send = SendGrant { send: self.send.id(relay), via: 7 };
        Item::Create(Create {
            req,
            own: self.own.id(relay),
            read: self.read.id(relay),
            sends: vec![send],
            lease: LeaseClass::Month,
            quota: QuotaClass::Many,
            flags: CreateFlags::NONE,
            token: vec![].into(),
        })
    }
}

pub fn blob(class: SizeClass) -> Blob {
    let mut bytes = vec![0; class.bytes()];
    rand::rng().fill(&mut bytes[..]);
    Blob::new(bytes).unwrap()
}

/// The real program, serving as a child process. It is killed on drop.
pub struct Relay {
    pub child: Child,
    pub address: RelayAddress,
}

pub fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_deaddrop-relay"));
    command.env_remove("RUST_LOG");
    command
}

/// A configuration whose rates and pauses are so lax that no test waits for them.
pub const HURRIED: &str = "\
[limits]
puts_per_s = 60000
put_burst = 60000
put_bytes_per_s = 1000000000
put_bytes_burst = 1000000000
all_put_bytes_per_s = 4000000000
all_put_bytes_burst = 4000000000
mailbox_puts_per_s = 100000
mailbox_put_burst = 100000
creates_per_s = 1000
create_burst = 10000
all_creates_per_s = 1000
all_create_burst = 10000
full_pause_ms = 0
takeover_ms = 0
";

pub fn init(data: &Path) {
    let status = program()
        .args(["init", "--segment-mib", "1", "--max-mib", "512", "--data"])
        .arg(data)
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success());
    std::fs::write(data.join("config.toml"), HURRIED).unwrap();
}

impl Relay {
    pub fn serve(data: &Path, more: &[&str]) -> Self {
        Self::serve_with(data, more, Stdio::inherit())
    }

    /// Serves at a free port of loopback, unless `more` says otherwise.
    pub fn serve_with(data: &Path, more: &[&str], stderr: Stdio) -> Self {
        let mut command = program();
        command.args(["serve", "--data"]).arg(data).args(more).stderr(stderr);
        if !more.iter().any(|argument| ["--listen", "--unix"].contains(argument)) {
            command.args(["--listen", "127.0.0.1:0"]);
        }
        Self::start(command)
    }

    /// Runs a command of the program that serves, and waits until it prints that it is ready.
    pub fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address =
            line.trim().strip_prefix("deaddrop-relay ready: ").expect("it gets ready").parse().unwrap();
        Self { child, address }
    }

    /// Kills the process by SIGKILL.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([name, &id]).status().unwrap().success());
    }

    /// Ends the process by SIGTERM. Returns whether its exit status was success.
    pub fn stop(mut self) -> bool {
        self.signal("-TERM");
        self.child.wait().unwrap().success()
    }

    /// Returns the resident memory of the process in KiB; 0 on systems without `/proc`.
    pub fn memory_kib(&self) -> u64 {
        process::memory_kib(self.child.id())
    }

    /// Returns the address at which the relay listens, as `HOST:PORT`.
    pub fn place(&self) -> String {
        self.address.url().trim_start_matches("ws://").trim_end_matches('/').to_owned()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until the file `log` contains `text`, and returns its content. Panics after 60 s.
pub async fn told(log: &Path, text: &str) -> String {
    for _ in 0..600 {
        let said = std::fs::read_to_string(log).unwrap();
        if said.contains(text) {
            return said;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{text} is not told: {}", std::fs::read_to_string(log).unwrap());
}

/// Returns the number of record bodies in the store of the data directory that can still be
/// decrypted with its key, live or dead.
pub fn residue(data: &Path) -> u64 {
    let dir = deaddrop_relay::data_dir::DataDir::at(data);
    let disk = deaddrop_shred::FileDisk::open_read_only(dir.store_path()).unwrap();
    deaddrop_shred::residue::scan(&disk, &dir.store_key().unwrap().unlock()).unwrap().bodies
}
