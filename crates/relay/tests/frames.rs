//! Peers that send and never read, and peers on slow lines, against the real relay: memory stays
//! bounded, and an honest client is served.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout
)]
#![cfg(target_os = "linux")]

mod common;

use common::*;
use deaddrop_link::{ClientHandshake, ClientStep};
use deaddrop_wire::item::*;
use deaddrop_wire::{Blob, Item, Offer, SizeClass};
use futures_util::{SinkExt, StreamExt};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_websockets::{ClientBuilder, Message};

const UPGRADE: &[u8] = b"GET /v1 HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
/// Maximum number of bytes that one flood sends.
const FLOOD_BYTES: usize = 256 << 20;
/// Time after which a flood begins no further write, and maximum time of one write.
const FLOOD_TIME: Duration = Duration::from_secs(5);
/// Number of KiB by which the resident memory of the relay may grow under any flood. The allocator
/// keeps some memory that was freed, so it is not 0.
const GROWTH_KIB: u64 = 16_384;

/// Returns a frame as a client sends it, with a mask of zeros. `first` is its first byte: flags and
/// opcode.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match payload.len() {
        len @ 0..126 => bytes.push(0x80 | u8::try_from(len).unwrap()),
        len => {
            bytes.push(0x80 | 126);
            bytes.extend_from_slice(&u16::try_from(len).unwrap().to_be_bytes());
        }
    }
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend_from_slice(payload);
    bytes
}

/// Sends `once`, and then `again` repeatedly, without reading, until the relay ends the connection
/// or [`FLOOD_BYTES`] or [`FLOOD_TIME`] is reached. Returns the number of bytes that were sent
/// after `once`.
async fn flood(stream: &mut (impl tokio::io::AsyncWrite + Unpin), once: &[u8], again: &[u8]) -> usize {
    let many = again.repeat(65_536 / again.len() + 1);
    let mut sent = 0;
    let begun = Instant::now();
    if stream.write_all(once).await.is_err() {
        return 0;
    }
    while sent < FLOOD_BYTES && begun.elapsed() < FLOOD_TIME {
        match tokio::time::timeout(FLOOD_TIME, stream.write_all(&many)).await {
            Ok(Ok(())) => sent += many.len(),
            _ => break,
        }
    }
    sent
}

/// Returns the kinds of frames that make work and carry little or no content: a name, the frame
/// that is sent first (or none), and the frame that is repeated.
fn kinds() -> Vec<(&'static str, Vec<u8>, Vec<u8>)> {
    let start = frame(0x02, &[]);
    vec![
        ("pings", vec![], frame(0x89, &[7; 125])),
        ("empty pings", vec![], frame(0x89, &[])),
        ("pongs", vec![], frame(0x8a, &[7; 125])),
        ("closes", vec![], frame(0x88, &[3, 232])),
        ("empty messages", vec![], frame(0x82, &[])),
        ("fragments", vec![], frame(0x02, &[7; 100])),
        ("empty continuations", start.clone(), frame(0x00, &[])),
        ("continuations", start, frame(0x00, &[7; 1_024])),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_floods_and_never_reads_costs_little_before_the_handshake() {
    let dir = tempfile::tempdir().unwrap();
    init(dir.path());
    let relay = Relay::serve(dir.path(), &[]);
    drop(Client::connect(&relay.address, 1).await);
    let before = relay.memory_kib();
    for (name, once, again) in kinds() {
        let mut stream = TcpStream::connect(relay.place()).await.unwrap();
        stream.write_all(UPGRADE).await.unwrap();
        let sent = flood(&mut stream, &once, &again).await;
        let now = relay.memory_kib();
        println!("{name}: {} KiB sent, {} KiB more resident", sent / 1_024, now.saturating_sub(before));
        assert!(now < before + GROWTH_KIB, "{name}: {before} KiB before, {now} KiB now");
        drop(Client::connect(&relay.address, 1).await);
    }
    assert!(relay.stop());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_floods_and_never_reads_costs_little_on_a_link() {
    let dir = tempfile::tempdir().unwrap();
    init(dir.path());
    let relay = Relay::serve(dir.path(), &[]);
    let mut honest = Client::connect(&relay.address, 1).await;
    let before = relay.memory_kib();
    for (name, once, again) in kinds() {
        let mut client = Client::connect(&relay.address, 2).await;
        let sent = flood(client.ws.get_mut(), &once, &again).await;
        let now = relay.memory_kib();
        println!("{name}: {} KiB sent, {} KiB more resident", sent / 1_024, now.saturating_sub(before));
        assert!(now < before + GROWTH_KIB, "{name}: {before} KiB before, {now} KiB now");
    }
    // The link's own pings in records are answered in records, as far as they are taken.
    let mut client = Client::connect(&relay.address, 2).await;
    let pings: Vec<_> = (0..500).map(|nonce| Ping { nonce }.into()).collect();
    let begun = Instant::now();
    let mut records = 0;
    while begun.elapsed() < FLOOD_TIME {
        let sent = tokio::time::timeout(Duration::from_secs(1), client.try_send(&pings)).await;
        let Ok(Some(())) = sent else { break };
        records += 1;
    }
    let now = relay.memory_kib();
    println!("pings in records: {records} records, {} KiB more resident", now.saturating_sub(before));
    assert!(now < before + GROWTH_KIB, "{before} KiB before, {now} KiB now");
    honest.send(&[Ping { nonce: 9 }.into()]).await;
    honest.until(|item| matches!(item, Item::Pong(_))).await;
    assert!(relay.stop());
}

/// Many links of one network each begin a message and do not end it. All together hold no more
/// memory than `buffer_bytes` allows. Other networks are served at once, and an honest client of
/// the same network once those links are ended.
#[tokio::test(flavor = "multi_thread")]
async fn messages_that_never_end_hold_what_the_limit_says() {
    let dir = tempfile::tempdir().unwrap();
    init(dir.path());
    let limits = "\nbuffer_bytes = 4194304\nstall_ms = 4000\nconnections_per_prefix = 500\n\
        handshakes_per_s_per_prefix = 500\nhandshake_burst_per_prefix = 500\n";
    let config = format!("proxies = [\"127.0.0.1\"]\n{HURRIED}{limits}");
    std::fs::write(dir.path().join("config.toml"), config).unwrap();
    let relay = Relay::serve(dir.path(), &[]);
    let mut owner = Client::connect(&relay.address, 1).await;
    let mailbox = Mailbox::new();
    assert_eq!(owner.create(&mailbox).await, AnswerCode::Done);
    let before = relay.memory_kib();
    let mut links = Vec::new();
    for _ in 0..120 {
        let mut client = Client::connect_from(&relay.address, "198.51.100.7", 2).await.unwrap();
        // A frame of 264,208 bytes, of which most comes.
        let mut bytes = vec![0x82, 0x80 | 127];
        bytes.extend_from_slice(&264_208_u64.to_be_bytes());
        bytes.resize(260_000, 0);
        let _ = tokio::time::timeout(Duration::from_millis(20), client.ws.get_mut().write_all(&bytes)).await;
        links.push(client);
    }
    let most = relay.memory_kib();
    // Without the bound they hold 30 MiB; with it 4 MiB, and 48 KiB for each link.
    println!("120 messages that do not end: {} KiB more resident", most.saturating_sub(before));
    assert!(most < before + 14_000, "{before} KiB before, {most} KiB now");
    let large = blob(SizeClass::Large);
    let elsewhere = Client::connect_from(&relay.address, "203.0.113.5", 3).await.unwrap();
    assert!(try_put(elsewhere, &mailbox, large).await, "another network goes on");
    let (begun, large) = (Instant::now(), blob(SizeClass::Large));
    loop {
        let beside = Client::connect_from(&relay.address, "198.51.100.9", 3).await.unwrap();
        if try_put(beside, &mailbox, large.clone()).await {
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "a large message never gets through");
    }
    println!("the same network stored a large message after {:?}", begun.elapsed());
    drop(links);
    assert!(relay.stop());
}

/// Puts `blob` over this link. Returns true if the put is done, false if the relay ended the link
/// or refused.
async fn try_put(mut client: Client, mailbox: &Mailbox, blob: Blob) -> bool {
    let send = mailbox.send.present(&client.relay);
    if client.try_send(&[Put { req: 1, send, blob }.into()]).await.is_none() {
        return false;
    }
    matches!(client.try_next().await, Some(Item::Answer(answer)) if answer.code == AnswerCode::Done)
}

/// Starts a forwarder to `relay` for one connection that lets `bytes_per_s` bytes through in each
/// direction, with small buffers, as a slow line does. Returns the address at which it listens.
async fn slow_line(relay: String, bytes_per_s: usize) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        let (near, _) = listener.accept().await.unwrap();
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4_096).unwrap();
        let far = socket.connect(relay.parse().unwrap()).await.unwrap();
        let (near_read, near_write) = near.into_split();
        let (far_read, far_write) = far.into_split();
        tokio::join!(crawl(near_read, far_write, bytes_per_s), crawl(far_read, near_write, bytes_per_s));
    });
    address
}

async fn crawl(
    mut from: impl tokio::io::AsyncRead + Unpin,
    mut to: impl tokio::io::AsyncWrite + Unpin,
    bytes_per_s: usize,
) {
    let mut piece = vec![0; bytes_per_s / 10];
    while let Ok(n) = from.read(&mut piece).await {
        if n == 0 || to.write_all(&piece[..n]).await.is_err() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// A link over a line of 2 KB/s lives although both directions are full for longer than any time
/// limit of the relay: a large blob is delivered, a large put is answered, and so is a ping.
#[tokio::test(flavor = "multi_thread")]
async fn a_slow_line_that_is_full_in_both_directions_stays_alive() {
    let dir = tempfile::tempdir().unwrap();
    init(dir.path());
    // One record takes longer than this: what moves within it is enough.
    let limits = "\nping_min_s = 5\nping_max_s = 5\n";
    std::fs::write(dir.path().join("config.toml"), format!("{HURRIED}{limits}")).unwrap();
    let relay = Relay::serve(dir.path(), &[]);
    let mut owner = Client::connect(&relay.address, 1).await;
    let (inbox, outbox) = (Mailbox::new(), Mailbox::new());
    assert_eq!(owner.create(&inbox).await, AnswerCode::Done);
    assert_eq!(owner.create(&outbox).await, AnswerCode::Done);
    assert_eq!(owner.put(&inbox.send, blob(SizeClass::Large)).await, AnswerCode::Done);

    let line = slow_line(relay.place(), 2_048).await;
    let stream = TcpStream::connect(&line).await.unwrap();
    let builder = ClientBuilder::new().uri(&format!("ws://{line}/")).unwrap();
    let (mut ws, _) = builder.connect_on(stream).await.unwrap();
    let (state, c1) = ClientHandshake::start(relay.address.fingerprint(), Offer::v1(), &mut rand::rng());
    ws.send(Message::binary(c1)).await.unwrap();
    let s1 = ws.next().await.unwrap().unwrap();
    let ClientStep::Finished(finished) =
        state.on_message(s1.as_payload(), &hello(2), &mut rand::rng()).unwrap()
    else {
        panic!("a cookie without load")
    };
    ws.send(Message::binary(finished.c2)).await.unwrap();
    let record = ws.next().await.unwrap().unwrap();
    let (link, _) = finished.link.on_first_record(record.as_payload()).unwrap();
    let (mut seal, mut open) = link.split();
    let fingerprint = *relay.address.fingerprint();
    let mut records = seal
        .seal(&[Subscribe {
            req: 1,
            mailboxes: vec![Subscription { sub: 1, read: inbox.read.present(&fingerprint) }],
        }
        .into()])
        .unwrap();
    let send = outbox.send.present(&fingerprint);
    records.extend(seal.seal(&[Put { req: 2, send, blob: blob(SizeClass::Large) }.into()]).unwrap());
    records.extend(seal.seal(&[Ping { nonce: 77 }.into()]).unwrap());
    let (mut sink, mut source) = ws.split();
    let sending = async {
        for record in records {
            sink.send(Message::binary(record)).await.unwrap();
        }
        loop {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let ping = seal.seal(&[Ping { nonce: 78 }.into()]).unwrap().remove(0);
            sink.send(Message::binary(ping)).await.unwrap();
        }
    };
    let begun = Instant::now();
    let receiving = async {
        let (mut delivered, mut done, mut ponged) = (0, 0, false);
        while delivered < 1 || done < 1 || !ponged {
            let message = source.next().await.expect("the link lives").expect("the link lives");
            for item in open.open(message.as_payload()).unwrap().items {
                match item {
                    Item::Deliver(_) => delivered += 1,
                    Item::Answer(answer) => {
                        assert_eq!(answer.code, AnswerCode::Done);
                        done += 1;
                    }
                    Item::Pong(_) => ponged = true,
                    _ => {}
                }
            }
        }
    };
    tokio::select! { () = sending => {} () = receiving => {} }
    println!("both directions were full for {:?}", begun.elapsed());
    assert!(begun.elapsed() > Duration::from_secs(25), "the line was slow");
    assert!(relay.stop());
}
