//! A relay seen from outside, sentence by sentence: spec/12-relay.md sections 5 and 7. What needs a
//! given moment or order is in `reading.rs`, `requests.rs` and `full.rs`.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::*;
use deaddrop_link::{ClientHandshake, ClientStep};
use deaddrop_wire::item::*;
use deaddrop_wire::{Day, Item, Offer, RelayAddress, RelayUrl, SizeClass};
use futures_util::{SinkExt, StreamExt};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_websockets::{ClientBuilder, Message};

const LIMITS: &str = "\
[limits]
ping_min_s = 7
ping_max_s = 9
window_blobs = 5
window_bytes = 70000
subscriptions = 3
in_flight_per_mailbox = 2
puts_per_s = 11
put_burst = 12
blob_days = 13
large_blob_days = 3
drain_ms = 1500
go_away_s = 44
";

fn relay_with(config: &str, more: &[&str]) -> (tempfile::TempDir, Relay) {
    let dir = tempfile::tempdir().unwrap();
    init(dir.path());
    std::fs::write(dir.path().join("config.toml"), config).unwrap();
    let relay = Relay::serve(dir.path(), more);
    (dir, relay)
}

/// Opens a link with `hello`, and returns the relay's Hello; `None` if the relay closes the
/// connection.
async fn greeted(address: &RelayAddress, hello: &Hello) -> Option<Hello> {
    let mut ws = websocket(address).await.unwrap();
    let (state, c1) = ClientHandshake::start(address.fingerprint(), Offer::v1(), &mut rand::rng());
    ws.send(Message::binary(c1)).await.unwrap();
    let s1 = ws.next().await.unwrap().unwrap();
    let step = state.on_message(s1.as_payload(), hello, &mut rand::rng()).unwrap();
    let ClientStep::Finished(finished) = step else { panic!("loopback is asked for a cookie") };
    ws.send(Message::binary(finished.c2)).await.unwrap();
    let record = tokio::time::timeout(PATIENCE, ws.next()).await.unwrap()?.ok().filter(Message::is_binary)?;
    let (_, received) = finished.link.on_first_record(record.as_payload()).unwrap();
    match received.items[..] {
        [Item::Hello(hello)] => Some(hello),
        ref other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn section_5_the_hello_of_a_relay() {
    let (_dir, relay) = relay_with(&format!("create_token = \"word\"\n{LIMITS}"), &[]);
    for (wish, ping_s) in [(0, 7), (7, 7), (8, 8), (9, 9), (u16::MAX, 9)] {
        let told = greeted(&relay.address, &Hello { ping_s: wish, ..hello(3) }).await.unwrap();
        assert_eq!(told.ping_s, ping_s, "a wish of {wish}");
        assert_eq!((told.features, told.window_blobs, told.window_bytes), (0, 5, 70_000));
        assert_eq!(told.client.as_bytes(), &[0; 16]);
        let of_relay = told.relay.unwrap();
        let today = deaddrop_relay::clock::system_day();
        assert!(of_relay.day == today || of_relay.day.plus(1) == today);
        let expected = RelayHello {
            day: of_relay.day,
            max_subscriptions: 3,
            max_in_flight: 2,
            puts_per_s: 11,
            put_burst: 12,
            blob_days: 13,
            large_blob_days: 3,
            token_needed: true,
        };
        assert_eq!(of_relay, expected);
    }
    //
    let of_relay = RelayHello {
        day: Day::from_number(20_000),
        max_subscriptions: 1,
        max_in_flight: 1,
        puts_per_s: 1,
        put_burst: 1,
        blob_days: 1,
        large_blob_days: 1,
        token_needed: false,
    };
    assert!(greeted(&relay.address, &Hello { relay: Some(of_relay), ..hello(3) }).await.is_none());
    assert!(relay.stop());
}

#[tokio::test]
async fn section_5_what_ends_a_link_and_what_does_not() {
    let (_dir, relay) = relay_with(LIMITS, &[]);
    let fingerprint = *relay.address.fingerprint();
    let mailbox = Mailbox::new();
    let mut owner = Client::connect(&relay.address, 1).await;
    assert_eq!(owner.create(&mailbox).await, AnswerCode::Done);
    let subscribe = |req: u32, subs: &[u32]| {
        let mailboxes =
            subs.iter().map(|sub| Subscription { sub: *sub, read: mailbox.read.present(&fingerprint) });
        Item::from(Subscribe { req, mailboxes: mailboxes.collect() })
    };
    let ack =
        |sub: u32, upto: u32, also: Vec<u32>| Item::from(Ack { acks: vec![AckEntry { sub, upto, also }] });
    let ends: Vec<(&str, Vec<Item>)> = vec![
        ("R-40", vec![hello(1).into()]),
        ("R-41", vec![Subscribed { req: 1, refused: vec![], contended: vec![] }.into()]),
        ("R-41", vec![Deliver { sub: 1, tag: 1, via: 0, blob: blob(SizeClass::Small) }.into()]),
        ("R-41", vec![CaughtUp { req: 1 }.into()]),
        ("R-41", vec![Displaced { sub: 1 }.into()]),
        ("R-41", vec![Gone { sub: 1 }.into()]),
        ("R-41", vec![Acked { acks: vec![] }.into()]),
        ("R-41", vec![GoAway { within_s: 1 }.into()]),
        ("R-41", vec![Moved { url: RelayUrl::new("ws://a/").unwrap() }.into()]),
        ("R-41", vec![AboutText { req: 1, json: "{}".into() }.into()]),
        ("R-41", vec![Answer { req: 1, code: AnswerCode::Done, retry_s: 0 }.into()]),
        ("R-47", vec![subscribe(1, &[1, 2, 3, 4])]),
        ("R-47", vec![subscribe(1, &[1, 2]), subscribe(2, &[3, 4])]),
        ("R-48", vec![subscribe(1, &[1, 1])]),
        ("R-48", vec![subscribe(1, &[1]), subscribe(2, &[1])]),
        ("R-50", vec![subscribe(1, &[1]), ack(1, 1, vec![])]),
    ];
    for (check, items) in ends {
        let mut client = Client::connect(&relay.address, 2).await;
        let text = format!("{check}: {items:?}");
        client.send(&items).await;
        while let Some(item) = client.try_next().await {
            assert!(!matches!(item, Item::Hello(_) | Item::Pong(_)), "{text}");
        }
    }
    let error = deaddrop_wire::item::Error { code: ErrorCode::Unsupported, kind: 9 };
    for items in [
        vec![],
        vec![Item::from(Pong { nonce: 5 })],
        vec![error.into()],
        vec![Window { blobs: 0, bytes: 0 }.into()],
        vec![ack(77, 7, vec![8])],
        vec![Ack { acks: vec![] }.into()],
        vec![Unsubscribe { req: 4, subs: vec![77] }.into()],
        vec![Subscribe { req: 4, mailboxes: vec![] }.into()],
    ] {
        let mut client = Client::connect(&relay.address, 2).await;
        client.send(&items).await;
        client.send(&[Ping { nonce: 99 }.into()]).await;
        client.until(|item| matches!(item, Item::Pong(Pong { nonce: 99 }))).await;
    }
    // A number can be used for another mailbox when its subscription has ended.
    owner.send(&[subscribe(5, &[9])]).await;
    owner.until(|item| matches!(item, Item::CaughtUp(CaughtUp { req: 5 }))).await;
    owner.send(&[Unsubscribe { req: 6, subs: vec![9] }.into(), subscribe(7, &[9])]).await;
    owner.until(|item| matches!(item, Item::CaughtUp(CaughtUp { req: 7 }))).await;
    assert!(relay.stop());
}

/// Records keep a link with a subscription, whatever they hold. Pings of the WebSocket do not keep
/// a link, nor do records without a subscription or a put.
#[tokio::test]
async fn section_5_silence_and_idleness() {
    let (_dir, relay) = relay_with("[limits]\nping_min_s = 2\nping_max_s = 2\nidle_ms = 8000\n", &[]);
    let mailbox = Mailbox::new();
    let mut reading = Client::connect(&relay.address, 1).await;
    assert_eq!(reading.create(&mailbox).await, AnswerCode::Done);
    reading.subscribe(1, &mailbox.read).await;
    let mut silent = Client::connect(&relay.address, 2).await;
    let mut idle = Client::connect(&relay.address, 3).await;
    let mut ends = Vec::new();
    while ends.len() < 2 {
        tokio::time::sleep(Duration::from_millis(300)).await;
        reading.send(&[Pong { nonce: 1 }.into()]).await;
        let _ = silent.ws.send(Message::ping(&b"are you there"[..])).await;
        let _ = idle.try_send(&[Pong { nonce: 1 }.into()]).await;
        for (name, client) in [("silent", &mut silent), ("idle", &mut idle)] {
            let next = tokio::time::timeout(Duration::from_millis(10), client.ws.next()).await;
            if !ends.contains(&name) && matches!(next, Ok(None | Some(Err(_)))) {
                ends.push(name);
            }
        }
    }
    assert_eq!(ends, ["silent", "idle"]);
    reading.send(&[Ping { nonce: 2 }.into()]).await;
    reading.until(|item| matches!(item, Item::Pong(Pong { nonce: 2 }))).await;
    assert!(relay.stop());
}

/// A relay that was told to stop serves its links until it closes them, and takes no new
/// connections.
#[tokio::test]
async fn section_5_a_relay_that_stops() {
    let (_dir, relay) = relay_with(LIMITS, &[]);
    let mut client = Client::connect(&relay.address, 1).await;
    let mailbox = Mailbox::new();
    assert_eq!(client.create(&mailbox).await, AnswerCode::Done);
    relay.signal("-TERM");
    let item = client.until(|item| matches!(item, Item::GoAway(_))).await;
    assert_eq!(item, GoAway { within_s: 44 }.into());
    assert!(TcpStream::connect(relay.place()).await.is_err());
    assert_eq!(client.put(&mailbox.send, blob(SizeClass::Small)).await, AnswerCode::Done);
    assert!(client.try_next().await.is_none(), "then it closes");
}

/// Sends a request over a new connection, and returns the status code of the answer; an empty text
/// if the relay closes without one.
async fn answered(relay: &Relay, request: &str) -> String {
    let mut stream = TcpStream::connect(relay.place()).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = vec![0; 65_536];
    let mut len = 0;
    while !answer[..len].windows(4).any(|end| end == b"\r\n\r\n") {
        match tokio::time::timeout(PATIENCE, stream.read(&mut answer[len..])).await.unwrap() {
            Ok(0) | Err(_) => return String::new(),
            Ok(n) => len += n,
        }
    }
    let text = String::from_utf8_lossy(&answer[..len]).into_owned();
    text.split(' ').nth(1).unwrap().to_owned()
}

#[tokio::test]
async fn section_7_requests() {
    let (_dir, relay) = relay_with("", &[]);
    let upgrade = |line: &str, headers: &[&str]| {
        let headers: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
        format!("{line}\r\n{headers}\r\n")
    };
    let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
    let all = ["Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13", key];
    let with = |at: usize, header: &'static str| {
        let mut headers = all;
        headers[at] = header;
        headers
    };
    let get = "GET / HTTP/1.1";
    let many: Vec<&str> = std::iter::repeat_n("X: y", 61).chain(all).collect();
    let cases: Vec<(&str, String)> = vec![
        ("101", upgrade(get, &all)),
        ("101", upgrade("GET /v1 HTTP/1.1", &all)),
        ("101", upgrade(get, &["uPGRADE: h2c, WebSocket", "connection: keep-alive, UPGRADE", all[2], key])),
        ("101", upgrade(get, &[all[0], all[1], all[2], key, "Origin: https://a.example", "Host: other"])),
        (
            "101",
            upgrade(
                get,
                &[
                    all[0],
                    all[1],
                    all[2],
                    key,
                    "Sec-WebSocket-Protocol: a",
                    "Sec-WebSocket-Extensions: permessage-deflate",
                ],
            ),
        ),
        ("101", upgrade(get, &many[1..])),
        ("400", upgrade(get, &many)),
        ("400", upgrade("GET / HTTP/1.0", &all)),
        ("400", upgrade(get, &with(1, "Connection: close"))),
        ("400", upgrade(get, &with(2, "Sec-WebSocket-Version: 12"))),
        ("400", upgrade(get, &with(3, "Sec-WebSocket-Key: AAAA"))),
        ("400", upgrade(get, &all[..3])),
        ("400", upgrade(get, &[all[0], all[1], all[2], key, key])),
        // Not at one of its paths, or not asking for a WebSocket: a page.
        ("404", upgrade("GET /v1 HTTP/1.1", &["Host: a"])),
        ("200", upgrade("GET /?a HTTP/1.1", &[all[0], all[1], all[2], key, "Host: a"])),
        ("404", upgrade("GET /V1 HTTP/1.1", &[all[0], all[1], all[2], key, "Host: a"])),
        ("200", upgrade("GET /i HTTP/1.1", &[all[0], all[1], all[2], key, "Host: a"])),
        // The absolute form is as good as the path in it.
        ("101", upgrade("GET http://a/ HTTP/1.1", &all)),
        ("101", upgrade("GET HTTPS://a.example:443/v1 HTTP/1.1", &all)),
        ("101", upgrade("GET http://a HTTP/1.1", &all)),
        ("400", upgrade("GET http://a/ HTTP/1.1", &all[..3])),
        ("200", upgrade("GET http://a/?b HTTP/1.1", &[all[0], all[1], all[2], key, "Host: a"])),
        ("200", upgrade("GET http://a/health HTTP/1.1", &["Host: a"])),
        ("200", upgrade("GET http://a HTTP/1.1", &["Host: a"])),
        ("404", upgrade("GET http://a/v1 HTTP/1.1", &["Host: a"])),
        ("404", upgrade("GET http://a/other HTTP/1.1", &["Host: a"])),
        ("404", upgrade("GET a:80 HTTP/1.1", &["Host: a"])),
        ("404", upgrade("GET * HTTP/1.1", &["Host: a"])),
        // What stands behind the head asks for nothing.
        ("200", upgrade(get, &["Host: a"]) + "Upgrade: websocket\r\n\r\n"),
        ("200", upgrade(get, &["Host: a"])),
        ("200", upgrade("HEAD / HTTP/1.1", &["Host: a"])),
        ("200", upgrade("GET /i HTTP/1.1", &["Host: a"])),
        ("200", upgrade("GET /health HTTP/1.1", &["Host: a"])),
        ("405", upgrade("POST / HTTP/1.1", &["Host: a"])),
        ("404", upgrade("GET /other HTTP/1.1", &["Host: a"])),
        // R-63, and what is no request.
        ("", upgrade(get, &[&format!("X: {}", "y".repeat(8_192))])),
        ("405", "get / HTTP/1.1\r\n\r\n".to_owned()),
        ("400", "\x16\x03\x01\x00\x05hello\r\n\r\n".to_owned()),
        ("", "\x16\x03\x01\x00\x05hello".to_owned()),
    ];
    for (status, request) in cases {
        assert_eq!(answered(&relay, &request).await, status, "{request}");
    }
    assert!(relay.stop());
}

/// Opens a WebSocket as from behind a proxy that names the address `address` in `X-Forwarded-For`.
async fn behind_proxy(relay: &Relay, address: &str) -> Ws {
    let uri: http::Uri = relay.address.url().parse().unwrap();
    let name = http::HeaderName::from_static("x-forwarded-for");
    let builder =
        ClientBuilder::from_uri(uri).add_header(name, http::HeaderValue::from_str(address).unwrap());
    builder.unwrap().connect().await.unwrap().0
}

async fn next(ws: &mut Ws) -> Option<Vec<u8>> {
    let message = tokio::time::timeout(PATIENCE, ws.next()).await.unwrap()?.ok()?;
    message.is_binary().then(|| message.as_payload().to_vec())
}

/// A cookie is accepted on the connection on which it was given and on others, but only from its
/// own address prefix. The relay sends at most two Retries on one connection.
#[tokio::test]
async fn section_7_3_cookies() {
    let (_dir, relay) = relay_with("[limits]\ncookie_above_per_s = 0\n", &["--proxy", "127.0.0.1"]);
    let start = || ClientHandshake::start(relay.address.fingerprint(), Offer::v1(), &mut rand::rng());
    let (state, c1) = start();
    let mut ws = behind_proxy(&relay, "203.0.113.9").await;
    ws.send(Message::binary(c1.clone())).await.unwrap();
    let retry = next(&mut ws).await.unwrap();
    assert_eq!((&retry[..4], retry.len()), (&b"ddRT"[..], 36));
    let step = state.on_message(&retry, &hello(1), &mut rand::rng()).unwrap();
    let ClientStep::Again(_, again) = step else { panic!("a Retry") };
    ws.send(Message::binary(again.clone())).await.unwrap();
    assert!(next(&mut ws).await.unwrap().starts_with(b"ddS1"), "the same connection");
    let mut other = behind_proxy(&relay, "203.0.113.200").await;
    other.send(Message::binary(again.clone())).await.unwrap();
    assert!(next(&mut other).await.unwrap().starts_with(b"ddS1"), "another connection of the prefix");
    for of_prefix in ["203.0.114.9", "2001:db8::1", "::ffff:203.0.114.9"] {
        let mut other = behind_proxy(&relay, of_prefix).await;
        for _ in 0..2 {
            other.send(Message::binary(again.clone())).await.unwrap();
            assert!(next(&mut other).await.unwrap().starts_with(b"ddRT"), "{of_prefix}");
        }
        assert!(next(&mut other).await.is_none(), "a third C1 is not read");
    }
    let mut mapped = behind_proxy(&relay, "::ffff:203.0.113.77").await;
    mapped.send(Message::binary(again)).await.unwrap();
    assert!(next(&mut mapped).await.unwrap().starts_with(b"ddS1"), "a mapped address is the IPv4 address");
    // The proxy itself, and loopback, are not asked.
    let mut ws = websocket(&relay.address).await.unwrap();
    ws.send(Message::binary(c1)).await.unwrap();
    assert!(next(&mut ws).await.unwrap().starts_with(b"ddS1"));
    assert!(relay.stop());
}
