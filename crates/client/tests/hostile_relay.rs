//! A client that connects to a hostile relay: its memory stays bounded, whatever the relay sends and however little it reads.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout
)]
#![cfg(target_os = "linux")]

use deaddrop_client::{Client, Config, Unlock};
use deaddrop_link::{ClientHello, RelayHandshake, RelayIdentity, RelaySeed};
use deaddrop_websocket::{Progress, Role, Socket, accept};
use deaddrop_wire::{
    Blob, ClientToken, Item, Offer, RelayAddress,
    item::{Answer, AnswerCode, Deliver, Hello, Ping, RelayHello, Subscribed},
};
use std::time::Duration;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// Number of bytes after which a hostile relay stops: eight times the growth that is allowed, so
/// that a client that keeps what it gets fails.
const FLOOD_BYTES: usize = 256 << 20;
/// Maximum growth of the memory of this process, with the client in it, in KiB: 32 MiB.
const GROWTH_KIB: u64 = 32_768;

/// The bytes that a hostile relay sends without end, up to [`FLOOD_BYTES`].
#[derive(Clone, Copy, Debug, PartialEq)]
enum Play {
    /// The head of the response to the WebSocket upgrade, which never ends.
    EndlessHead,
    /// WebSocket frames after the upgrade that carry no message: the first byte of each, and the
    /// length of its payload.
    Frames(u8, usize),
    /// WebSocket frames, once the link is open, that carry no message: the first byte of each, and
    /// the length of its payload.
    FramesOnLink(u8, usize),
    /// Ping items in records of the link. The relay does not read the answers.
    PingItems,
}

fn identity() -> RelayIdentity {
    RelayIdentity::from_seed(&RelaySeed::from_bytes([7; 32]))
}

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

async fn message(socket: &mut Socket<&mut TcpStream>) -> Option<Vec<u8>> {
    loop {
        match socket.progress(true).await {
            Progress::Message(message) => return Some(message),
            Progress::Over(_) => return None,
            _ => {}
        }
    }
}

/// Sends `bytes` again and again and never reads, until the client leaves or [`FLOOD_BYTES`] were
/// sent.
async fn flood(stream: &mut TcpStream, bytes: &[u8]) {
    let many = bytes.repeat(65_536 / bytes.len() + 1);
    let mut sent = 0;
    while sent < FLOOD_BYTES && stream.write_all(&many).await.is_ok() {
        sent += many.len();
    }
    println!("{} KiB were sent", sent / 1_024);
}

async fn serve(mut stream: TcpStream, play: Play) -> Option<()> {
    let mut request = Vec::new();
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        stream.read_buf(&mut request).await.ok().filter(|n| *n > 0)?;
    }
    if play == Play::EndlessHead {
        stream.write_all(b"HTTP/1.1 101 Switching Protocols\r\n").await.ok()?;
        flood(&mut stream, b"X-More: and more\r\n").await;
        return Some(());
    }
    // The socket is a window: what it has read ahead is the client's and does not matter to a flood.
    let mut socket = accept(&mut stream, request, 300_000).await.ok()?;
    if let Play::Frames(first, len) = play {
        drop(socket);
        flood(&mut stream, &frame(first, len)).await;
        return Some(());
    }
    let (identity, offer) = (identity(), Offer::v1());
    let c1 = message(&mut socket).await?;
    let hello = ClientHello::parse(&c1).ok()?;
    let (handshake, s1) = RelayHandshake::answer(&identity, &offer, &hello, &mut rand::rng()).ok()?;
    socket.send(s1, 0);
    let c2 = message(&mut socket).await?;
    let (link, _) = handshake.on_c2(&identity, &c2).ok()?;
    let (mut seal, _) = link.split();
    for record in seal.seal(&[greeting()]).ok()? {
        socket.send(record, 0);
    }
    while socket.is_sending() {
        let _ = socket.progress(false).await;
    }
    drop(socket);
    match play {
        Play::FramesOnLink(first, len) => flood(&mut stream, &frame(first, len)).await,
        _ => {
            let mut socket = Socket::new(stream, Role::Server, 300_000, Vec::new());
            let pings: Vec<Item> = (0..1_000).map(|nonce| Ping { nonce }.into()).collect();
            let mut sent = 0;
            while sent < FLOOD_BYTES {
                for record in seal.seal(&pings).ok()? {
                    sent += record.len();
                    socket.send(record, 0);
                }
                while socket.is_sending() {
                    if let Progress::Over(_) = socket.progress(false).await {
                        return None;
                    }
                }
            }
        }
    }
    Some(())
}

fn greeting() -> Item {
    let relay = RelayHello {
        day: today(),
        max_subscriptions: 100,
        max_in_flight: 16,
        puts_per_s: 50,
        put_burst: 500,
        blob_days: 30,
        large_blob_days: 7,
        token_needed: false,
    };
    Hello {
        features: 0,
        ping_s: 45,
        window_blobs: 64,
        window_bytes: 1 << 20,
        client: ClientToken::from_bytes([0; 16]),
        relay: Some(relay),
    }
    .into()
}

fn frame(first: u8, len: usize) -> Vec<u8> {
    let mut bytes = vec![first, u8::try_from(len).unwrap()];
    bytes.resize(2 + len, 7);
    bytes
}

/// Answers Create, Put and Subscribe, then delivers up to 20,000 blobs and confirms no Ack. Returns
/// the number of blobs that were delivered until the client left; `None` if it left before the link
/// was open, or sent something that cannot be read.
async fn deliver_without_end(mut stream: TcpStream) -> Option<usize> {
    let mut request = Vec::new();
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        stream.read_buf(&mut request).await.ok().filter(|n| *n > 0)?;
    }
    let mut socket = accept(&mut stream, request, 300_000).await.ok()?;
    let identity = identity();
    let c1 = message(&mut socket).await?;
    let hello = ClientHello::parse(&c1).ok()?;
    let (handshake, s1) = RelayHandshake::answer(&identity, &Offer::v1(), &hello, &mut rand::rng()).ok()?;
    socket.send(s1, 0);
    let c2 = message(&mut socket).await?;
    let (link, _) = handshake.on_c2(&identity, &c2).ok()?;
    let (mut seal, mut open) = link.split();
    let mut items = vec![greeting()];
    let (mut sub, mut tag) = (None, 0);
    loop {
        items.drain(..).try_for_each(|item| {
            seal.seal(&[item]).ok()?.into_iter().for_each(|record| socket.send(record, 0));
            Some(())
        })?;
        match socket.progress(true).await {
            Progress::Message(record) => {
                for item in open.open(&record).ok()?.items {
                    let req = match item {
                        Item::Create(create) => create.req,
                        Item::Put(put) => put.req,
                        Item::Subscribe(subscribe) => {
                            sub = subscribe.mailboxes.first().map(|mailbox| mailbox.sub);
                            let (req, refused, contended) = (subscribe.req, Vec::new(), Vec::new());
                            items.push(Subscribed { req, refused, contended }.into());
                            continue;
                        }
                        _ => continue,
                    };
                    items.push(Answer { req, code: AnswerCode::Done, retry_s: 0 }.into());
                }
            }
            Progress::Sent | Progress::Partial => {}
            _ => return Some(tag),
        }
        if let Some(sub) = sub.filter(|_| tag < 20_000 && !socket.is_sending()) {
            tag += 1;
            let mut bytes = vec![0; 4_096];
            bytes[..4].copy_from_slice(&u32::try_from(tag).unwrap().to_le_bytes());
            let blob = Blob::new(bytes).unwrap();
            items.push(Deliver { sub, tag: u32::try_from(tag).unwrap(), via: 0, blob }.into());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_delivers_and_confirms_nothing_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    let address = RelayAddress::new(*identity().fingerprint(), &url).unwrap();
    let (told, mut taken) = tokio::sync::mpsc::unbounded_channel();
    let relay = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let told = told.clone();
            tokio::spawn(async move {
                if let Some(count) = deliver_without_end(stream).await.filter(|count| *count > 0) {
                    let _ = told.send(count);
                }
            });
        }
    });
    let client = Client::create(folder.path().join("a"), Unlock::KeyFile, Some(address), Config::default())
        .await
        .unwrap();
    client.invite("friend").await.unwrap();
    let count = tokio::time::timeout(Duration::from_secs(120), taken.recv()).await.unwrap().unwrap();
    println!("the client left after {count} deliveries");
    assert!((64..6_000).contains(&count), "{count}");
    client.close().await.unwrap();
    relay.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_floods_and_never_reads_costs_a_client_little() {
    let folder = tempfile::tempdir().unwrap();
    for (n, play) in [
        Play::EndlessHead,
        Play::Frames(0x89, 125),
        Play::Frames(0x89, 0),
        Play::Frames(0x8a, 125),
        Play::Frames(0x00, 125),
        Play::Frames(0x02, 125),
        Play::FramesOnLink(0x89, 125),
        Play::FramesOnLink(0x8a, 0),
        Play::FramesOnLink(0x82, 0),
        Play::PingItems,
    ]
    .into_iter()
    .enumerate()
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("ws://{}/", listener.local_addr().unwrap());
        let address = RelayAddress::new(*identity().fingerprint(), &url).unwrap();
        let relay = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, play));
            }
        });
        let config = Config { patience: Duration::from_secs(4), ..Config::default() };
        let home = folder.path().join(n.to_string());
        let client = Client::create(&home, Unlock::KeyFile, Some(address), config).await.unwrap();
        let before = resident_kib();
        // An invite asks the relay for mailboxes, over a link of its own.
        assert!(client.invite("friend").await.is_err(), "{play:?}");
        let more = resident_kib().saturating_sub(before);
        println!("{play:?}: {more} KiB more resident");
        assert!(more < GROWTH_KIB, "{play:?}: {more} KiB");
        client.close().await.unwrap();
        relay.abort();
    }
}

/// Returns the day of the system's clock, for the relay's Hello: a client makes no invite with a
/// relay of another day.
fn today() -> deaddrop_wire::Day {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    deaddrop_wire::Day::of_unix_seconds(since.as_secs())
}
