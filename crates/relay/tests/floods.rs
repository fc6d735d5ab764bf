//! Floods over real sockets against the real program: the flooder loses its own places, and an
//! honest client gets in.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout
)]

mod common;

use common::*;
use deaddrop_wire::RelayAddress;
use deaddrop_wire::item::{AnswerCode, Ping};
use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_websockets::{ClientBuilder, MaybeTlsStream};

/// Makes a data directory whose configuration has `settings`, and the default limits except
/// `limits`.
fn configure(data: &Path, settings: &str, limits: &str) {
    init(data);
    std::fs::write(data.join("config.toml"), format!("{settings}\n[limits]\n{limits}\n")).unwrap();
}

/// Opens `count` TCP connections that send nothing.
async fn silent(relay: &Relay, count: usize) -> Vec<TcpStream> {
    let mut streams = Vec::with_capacity(count);
    for _ in 0..count {
        streams.push(TcpStream::connect(relay.place()).await.unwrap());
    }
    streams
}

/// Opens a link as from behind a proxy that names the address `from` in the head, by
/// `X-Forwarded-For`. Returns `None` if the relay closes the connection.
async fn forwarded(address: &RelayAddress, from: &str) -> Option<Client> {
    let url: http::Uri = address.url().parse().unwrap();
    let header = http::HeaderName::from_static("x-forwarded-for");
    let builder = ClientBuilder::from_uri(url).add_header(header, from.parse().unwrap()).unwrap();
    let (ws, _) = builder.connect().await.ok()?;
    Client::try_over(ws, address, 1).await
}

/// Opens a link as from behind a proxy that sends `header`, of the PROXY protocol, in front of the
/// client's bytes. Returns `None` if the relay closes the connection.
async fn announced(relay: &Relay, header: &[u8]) -> Option<Client> {
    let mut stream = TcpStream::connect(relay.place()).await.unwrap();
    stream.write_all(header).await.ok()?;
    let url: http::Uri = relay.address.url().parse().unwrap();
    let (ws, _) = ClientBuilder::from_uri(url).connect_on(MaybeTlsStream::Plain(stream)).await.ok()?;
    Client::try_over(ws, &relay.address, 1).await
}

async fn is_alive(client: &mut Client) -> bool {
    client.try_send(&[Ping { nonce: 7 }.into()]).await.is_some() && client.try_next().await.is_some()
}

#[tokio::test(flavor = "multi_thread")]
async fn silent_connections_keep_no_honest_client_out() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    configure(&data, "", "half_open = 256");
    let log = dir.path().join("log");
    let relay = Relay::serve_with(&data, &[], File::create(&log).unwrap().into());
    let before = relay.memory_kib();
    let flood = silent(&relay, 300).await;
    let begun = Instant::now();
    let mut honest = Client::try_connect(&relay.address, 1).await.expect("an honest client gets in");
    let (waited, after) = (begun.elapsed(), relay.memory_kib());
    println!(
        "300 silent connections: an honest client waited {waited:?}; {before} KiB before, {after} KiB after"
    );
    assert_eq!(honest.create(&Mailbox::new()).await, AnswerCode::Done);
    let said = told(&log, "half-open connections gave their places to others").await;
    assert_eq!(said.matches("gave their places").count(), 1, "one line: {said}");
    assert!(!said.contains("127.0.0.1"), "{said}");
    drop(flood);
    assert!(relay.stop());
}

#[tokio::test(flavor = "multi_thread")]
async fn links_that_do_nothing_give_way_and_readers_stay() {
    let dir = tempfile::tempdir().unwrap();
    configure(dir.path(), "", "connections = 20");
    let relay = Relay::serve(dir.path(), &[]);
    let mailbox = Mailbox::new();
    let mut reader = Client::connect(&relay.address, 1).await;
    assert_eq!(reader.create(&mailbox).await, AnswerCode::Done);
    reader.subscribe(1, &mailbox.read).await;
    let mut flood = Vec::new();
    for _ in 0..40 {
        flood.push(Client::try_connect(&relay.address, 2).await.expect("each takes the place of another"));
    }
    let mut honest = Client::try_connect(&relay.address, 3).await.expect("an honest client gets in");
    assert_eq!(honest.put(&mailbox.send, blob(deaddrop_wire::SizeClass::Small)).await, AnswerCode::Done);
    reader.delivery().await;
    assert!(flood[0].try_next().await.is_none(), "the first of the flood is gone");
    assert!(is_alive(&mut flood[39]).await, "the last one is not");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_network_cannot_use_up_the_creates_of_all() {
    const LIMITS: &str = "creates_per_s = 1000\ncreate_burst = 1000\ncreates_per_min_per_prefix = 1\n\
        create_burst_per_prefix = 16\nall_creates_per_s = 1\nall_create_burst = 48\n";
    let dir = tempfile::tempdir().unwrap();
    configure(dir.path(), "proxies = [\"127.0.0.1\"]", LIMITS);
    let relay = Relay::serve(dir.path(), &[]);
    // Six loops, each from a network of its own.
    for number in 0..6 {
        let mut flooder = forwarded(&relay.address, &format!("203.0.{number}.9")).await.unwrap();
        let mut made = 0;
        while flooder.create(&Mailbox::new()).await == AnswerCode::Done {
            made += 1;
            assert!(made < 100, "it is stopped");
        }
    }
    let mut honest = forwarded(&relay.address, "198.51.100.1, 127.0.0.1").await.unwrap();
    assert_eq!(honest.create(&Mailbox::new()).await, AnswerCode::Done);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_proxy_says_counts_only_if_it_is_configured() {
    let limits = "connections_per_prefix = 2";
    let subscribed = async |relay: &Relay, from: &str| {
        let mut client = forwarded(&relay.address, from).await?;
        let mailbox = Mailbox::new();
        client.create(&mailbox).await;
        client.subscribe(1, &mailbox.read).await;
        Some(client)
    };
    let three = async |relay: &Relay| {
        let mut clients = Vec::new();
        for number in 1..=2 {
            clients.push(subscribed(relay, &format!("203.0.113.{number}")).await.unwrap());
        }
        let third = forwarded(&relay.address, "203.0.113.3").await;
        let other = forwarded(&relay.address, "198.51.100.1").await;
        (third.is_some(), other.is_some(), clients)
    };
    let dir = tempfile::tempdir().unwrap();
    configure(dir.path(), "proxies = [\"10.0.0.0/8\"]", limits);
    let relay = Relay::serve(dir.path(), &["--proxy", "127.0.0.1"]);
    let (third, other, clients) = three(&relay).await;
    assert!(!third && other, "its network has its two");
    drop((clients, relay));
    let relay = Relay::serve(dir.path(), &[]);
    let (third, other, clients) = three(&relay).await;
    assert!(third && other, "any client can write a header");
    drop((clients, relay));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_proxy_protocol_is_spoken_where_it_is_configured() {
    let dir = tempfile::tempdir().unwrap();
    configure(dir.path(), "proxies = [\"127.0.0.1\"]\nproxy_protocol = true", "");
    let relay = Relay::serve(dir.path(), &[]);
    let binary = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xcb\0\x71\x07\x7f\0\0\x01\x12\x34\0\x50";
    let local = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";
    for header in [&b"PROXY TCP4 203.0.113.7 127.0.0.1 4660 80\r\n"[..], b"PROXY UNKNOWN\r\n", binary, local]
    {
        let mut client = announced(&relay, header).await.expect("it is served");
        assert!(is_alive(&mut client).await);
    }
    for header in [&b""[..], b"PROXY TCP4 203.0.113.7\r\n", b"PROXY TCP4 a b 1 2\r\n", &binary[..20]] {
        assert!(announced(&relay, header).await.is_none(), "{}", header.escape_ascii());
    }
    drop(relay);
    std::fs::write(dir.path().join("config.toml"), "").unwrap();
    let relay = Relay::serve(dir.path(), &[]);
    assert!(announced(&relay, binary).await.is_none(), "no proxy is configured");
    assert!(announced(&relay, b"").await.is_some());
}

/// Sends `request` over a new connection, and returns all bytes that come until its end. The
/// connection must end without a reset, which a client may take for a network failure.
async fn heard(relay: &Relay, request: &str) -> String {
    let mut stream = TcpStream::connect(relay.place()).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    tokio::time::timeout(Duration::from_secs(20), stream.read_to_string(&mut answer)).await.unwrap().unwrap();
    answer
}

/// A newcomer for whom the relay has no place gets the same answer, 503, by whatever header the
/// proxy named its network.
#[tokio::test(flavor = "multi_thread")]
async fn a_newcomer_without_a_place_is_told_so() {
    let full = "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 30\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    let requests = |address: &str| {
        let key = "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
        let head = format!("Host: a\r\nX-Forwarded-For: {address}\r\n");
        [
            format!("GET /v1 HTTP/1.1\r\n{head}Upgrade: websocket\r\nConnection: Upgrade\r\n{key}\r\n"),
            format!("GET / HTTP/1.1\r\n{head}\r\n"),
            format!("GET /health HTTP/1.1\r\n{head}\r\n"),
        ]
    };
    let dir = tempfile::tempdir().unwrap();
    for speaks_proxy_protocol in [false, true] {
        std::fs::remove_dir_all(dir.path()).unwrap();
        let settings = format!("proxies = [\"127.0.0.1\"]\nproxy_protocol = {speaks_proxy_protocol}");
        configure(dir.path(), &settings, "connections_per_prefix = 1");
        let relay = Relay::serve(dir.path(), &[]);
        let announcement = |address: &str| match speaks_proxy_protocol {
            true => format!("PROXY TCP4 {address} 127.0.0.1 4660 80\r\n"),
            false => String::new(),
        };
        let mut reader = match speaks_proxy_protocol {
            true => announced(&relay, announcement("203.0.113.1").as_bytes()).await.unwrap(),
            false => forwarded(&relay.address, "203.0.113.1").await.unwrap(),
        };
        let mailbox = Mailbox::new();
        assert_eq!(reader.create(&mailbox).await, AnswerCode::Done);
        reader.subscribe(1, &mailbox.read).await;
        for request in requests("203.0.113.2") {
            let request = announcement("203.0.113.2") + &request;
            assert_eq!(heard(&relay, &request).await, full, "{request}");
        }
        let [_, page, health] = requests("198.51.100.1");
        for request in [page, health] {
            let answer = heard(&relay, &(announcement("198.51.100.1") + &request)).await;
            assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        }
        assert!(is_alive(&mut reader).await);
    }
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn a_relay_without_descriptors_lets_an_honest_client_in() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    init(&data);
    let log = dir.path().join("log");
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -n 64; exec \"$@\"", "sh", env!("CARGO_BIN_EXE_deaddrop-relay")]);
    command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(&data).env_remove("RUST_LOG");
    command.stderr(Stdio::from(File::create(&log).unwrap()));
    let relay = Relay::start(command);
    let flood = silent(&relay, 120).await;
    let begun = Instant::now();
    let mut honest = None;
    while honest.is_none() {
        assert!(begun.elapsed() < PATIENCE, "an honest client gets in");
        honest = Client::try_connect(&relay.address, 1).await;
    }
    println!("64 descriptors, 120 silent connections: an honest client waited {:?}", begun.elapsed());
    assert!(is_alive(&mut honest.unwrap()).await);
    let said = told(&log, "raise the limit of open files").await;
    assert_eq!(said.matches("raise the limit").count(), 1, "{said}");
    // It does not spin: what it waits for costs no time.
    let ticks = || common::process::processor_ticks(relay.child.id()).unwrap();
    let before = ticks();
    tokio::time::sleep(Duration::from_secs(2)).await;
    println!("{} hundredths of a second of processor in 2 seconds", ticks() - before);
    assert!(ticks() - before < 100);
    drop(flood);
    assert!(relay.stop());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_client_keeps_its_place_beside_a_flood_from_another_network() {
    let dir = tempfile::tempdir().unwrap();
    configure(dir.path(), "proxies = [\"127.0.0.1\"]\nproxy_protocol = true", "half_open = 256");
    let relay = Relay::serve(dir.path(), &[]);
    let mut slow = TcpStream::connect(relay.place()).await.unwrap();
    slow.write_all(b"PROXY TCP4 198.51.100.1 127.0.0.1 4660 80\r\n").await.unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
    let mut flood = silent(&relay, 300).await;
    for stream in &mut flood {
        let _ = stream.write_all(b"PROXY TCP4 203.0.113.7 127.0.0.1 4660 80\r\n").await;
    }
    flood.extend(silent(&relay, 300).await);
    let url: http::Uri = relay.address.url().parse().unwrap();
    let (ws, _) = ClientBuilder::from_uri(url).connect_on(MaybeTlsStream::Plain(slow)).await.unwrap();
    let mut slow = Client::try_over(ws, &relay.address, 1).await.expect("it kept its place");
    assert!(is_alive(&mut slow).await);
    drop(flood);
}
