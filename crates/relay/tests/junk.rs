//! Junk at every layer of a connection: bytes, requests, WebSocket frames, handshakes, records. It
//! ends its own connection and no other.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::*;
use deaddrop_link::{ClientHandshake, ClientStep};
use deaddrop_testkit::rng;
use deaddrop_wire::item::*;
use deaddrop_wire::{Features, Offer, RelayAddress, SizeClass, Version};
use futures_util::{SinkExt, StreamExt};
use rand::{Rng, RngExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_websockets::Message;

/// Returns random bytes. Their maximum number is drawn first: from 1 up to 270,000, which is more
/// than a record may have.
fn junk(random: &mut impl Rng) -> Vec<u8> {
    let most = [1, 16, 600, 5_000, 70_000, 270_000][random.random_range(0..6)];
    let mut bytes = vec![0; random.random_range(0..=most)];
    random.fill(&mut bytes[..]);
    bytes
}

/// Returns the bytes with one bit flipped, cut short, or with a zero appended.
fn broken(mut bytes: Vec<u8>, random: &mut impl Rng) -> Vec<u8> {
    match random.random_range(0..3) {
        0 => {
            let at = random.random_range(0..bytes.len());
            bytes[at] ^= 1 << random.random_range(0..8);
        }
        1 => bytes.truncate(random.random_range(0..bytes.len())),
        _ => bytes.push(0),
    }
    bytes
}

/// Sends `bytes` over a new connection and closes its own direction. Expects that the relay then
/// closes the connection.
async fn say(address: &RelayAddress, bytes: &[u8]) {
    let place = address.url().trim_start_matches("ws://").trim_end_matches('/').to_owned();
    let mut stream = TcpStream::connect(place).await.unwrap();
    let _ = stream.write_all(bytes).await;
    let _ = stream.shutdown().await;
    let mut heard = Vec::new();
    let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut heard)).await.expect("it is closed");
}

/// Sends `message`, and expects that the relay closes the connection, whatever it answers before.
async fn expect_end(ws: &mut Ws, message: Message) {
    let _ = ws.send(message).await;
    while let Some(Ok(_)) = tokio::time::timeout(PATIENCE, ws.next()).await.expect("it is closed") {}
}

#[tokio::test(flavor = "multi_thread")]
async fn junk_ends_its_own_connection_only() {
    const UPGRADE: &[u8] = b"GET /v1 HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    let random = &mut rng(1);
    let dir = tempfile::tempdir().unwrap();
    init(dir.path());
    let mut relay = Relay::serve(dir.path(), &[]);
    let mailbox = Mailbox::new();
    let mut reader = Client::connect(&relay.address, 1).await;
    assert_eq!(reader.create(&mailbox).await, AnswerCode::Done);
    reader.subscribe(1, &mailbox.read).await;

    for round in 1..=12 {
        // Bytes; a request and a frame that are almost right.
        say(&relay.address, &junk(random)).await;
        say(&relay.address, &broken(UPGRADE.to_vec(), random)).await;
        say(&relay.address, &[UPGRADE, &junk(random)].concat()).await;

        // No handshake.
        let mut ws = websocket(&relay.address).await.unwrap();
        expect_end(&mut ws, Message::binary(junk(random))).await;
        let mut ws = websocket(&relay.address).await.unwrap();
        expect_end(&mut ws, Message::text("hello".to_owned())).await;

        // A first message that is almost right; whether it is answered is for the link's tests.
        let (_, c1) = ClientHandshake::start(relay.address.fingerprint(), Offer::v1(), &mut rand::rng());
        let mut ws = websocket(&relay.address).await.unwrap();
        let _ = ws.send(Message::binary(broken(c1, random))).await;
        expect_end(&mut ws, Message::binary(junk(random))).await;

        // A second message that is.
        let (state, c1) = ClientHandshake::start(relay.address.fingerprint(), Offer::v1(), &mut rand::rng());
        let mut ws = websocket(&relay.address).await.unwrap();
        ws.send(Message::binary(c1)).await.unwrap();
        let s1 = ws.next().await.unwrap().unwrap();
        let step = state.on_message(s1.as_payload(), &hello(2), &mut rand::rng()).unwrap();
        let ClientStep::Finished(finished) = step else { panic!("a cookie without load") };
        expect_end(&mut ws, Message::binary(broken(finished.c2, random))).await;

        // Records.
        let mut client = Client::connect(&relay.address, 2).await;
        expect_end(&mut client.ws, Message::binary(junk(random))).await;
        let mut client = Client::connect(&relay.address, 2).await;
        let record = client.link.seal(&[Ping { nonce: 1 }.into()]).unwrap().remove(0);
        expect_end(&mut client.ws, Message::binary(broken(record.clone(), random))).await;
        let mut client = Client::connect(&relay.address, 2).await;
        expect_end(&mut client.ws, Message::binary(record)).await;

        // Meanwhile, elsewhere.
        let blob = blob(SizeClass::Small);
        assert_eq!(reader.put(&mailbox.send, blob.clone()).await, AnswerCode::Done);
        assert_eq!(reader.delivery().await.blob, blob);
        reader.ack(1, round).await;
    }
    assert!(relay.child.try_wait().unwrap().is_none(), "it still runs");
    assert!(relay.stop());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_without_a_common_version_is_told_and_left() {
    let dir = tempfile::tempdir().unwrap();
    init(dir.path());
    // A relay that waited for another C1 would wait longer than this test does.
    std::fs::write(dir.path().join("config.toml"), format!("{HURRIED}handshake_ms = 600000\n")).unwrap();
    let relay = Relay::serve(dir.path(), &[]);
    let offer = Offer::new(vec![Version(99)], Features(0)).unwrap();
    let (_, c1) = ClientHandshake::start(relay.address.fingerprint(), offer, &mut rand::rng());
    let mut ws = websocket(&relay.address).await.unwrap();
    ws.send(Message::binary(c1)).await.unwrap();
    let answer = ws.next().await.unwrap().unwrap();
    assert_eq!(answer.as_payload()[..4], *b"ddNV");
    let end = tokio::time::timeout(PATIENCE, ws.next()).await.expect("it is closed");
    assert!(end.is_none_or(|end| end.is_ok_and(|message| message.is_close())));
    assert!(relay.stop());
}
