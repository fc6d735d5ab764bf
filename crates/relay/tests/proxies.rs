//! The relay behind proxies: a unix socket, paths with and without their prefix, a lost Upgrade
//! (spec/12-relay.md section 7).
#![cfg(unix)]
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::*;
use deaddrop_link::ClientHandshake;
use deaddrop_wire::{Offer, RelayAddress};
use futures_util::{SinkExt, StreamExt};
use std::fs::File;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use tokio::net::UnixStream;
use tokio_websockets::{ClientBuilder, Message};

/// Sends C1 over the unix socket, with `from` as the address of the client in `X-Forwarded-For`.
/// Returns the first four bytes of the answer, which name its kind.
async fn first_answer(socket: &Path, address: &RelayAddress, from: &str) -> Vec<u8> {
    let stream = UnixStream::connect(socket).await.unwrap();
    let header = http::HeaderName::from_static("x-forwarded-for");
    let url: http::Uri = "ws://relay.example/".parse().unwrap();
    let builder = ClientBuilder::from_uri(url).add_header(header, from.parse().unwrap()).unwrap();
    let (mut ws, _) = builder.connect_on(stream).await.unwrap();
    let (_, c1) = ClientHandshake::start(address.fingerprint(), Offer::v1(), &mut rand::rng());
    ws.send(Message::binary(c1)).await.unwrap();
    let answer = tokio::time::timeout(PATIENCE, ws.next()).await.unwrap().unwrap().unwrap();
    answer.as_payload()[..4].to_vec()
}

fn serve(data: &Path, socket: &Path, more: &[&str]) -> Relay {
    init(data);
    std::fs::write(data.join("config.toml"), "[limits]\ncookie_above_per_s = 0\n").unwrap();
    let socket = socket.to_str().unwrap();
    let mut args = vec!["--unix", socket, "--url", "ws://relay.example/"];
    args.extend(more);
    Relay::serve(data, &args)
}

#[tokio::test]
async fn a_unix_socket_serves_links_and_its_proxy_names_clients_only_if_it_is_configured() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("relay.sock");
    for (more, expected) in [(&[][..], b"ddS1"), (&["--proxy", "unix"], b"ddRT")] {
        let data = dir.path().join(more.len().to_string());
        let relay = serve(&data, &socket, more);
        // A client with a prefix is asked for a cookie here; one of the proxy itself is not.
        assert_eq!(first_answer(&socket, &relay.address, "203.0.113.7").await, expected, "{more:?}");
        assert_eq!(first_answer(&socket, &relay.address, "unknown").await, b"ddS1", "{more:?}");
        assert!(relay.stop());
        assert!(!socket.exists());
    }
}

/// Sends a request with the head `head`. Returns the status (code and reason) and the body of the
/// answer.
fn ask(place: &str, head: &str) -> (String, String) {
    let mut stream = TcpStream::connect(place).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(format!("{head}\r\n\r\n").as_bytes()).unwrap();
    let mut answer = Vec::new();
    let mut part = [0; 512];
    // A WebSocket stays open behind its head.
    while !answer.starts_with(b"HTTP/1.1 101") || !answer.ends_with(b"\r\n\r\n") {
        match stream.read(&mut part).unwrap() {
            0 => break,
            n => answer.extend_from_slice(&part[..n]),
        }
    }
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.lines().next().unwrap()["HTTP/1.1 ".len()..].to_owned(), body.to_owned())
}

const UPGRADE: &str = "Host: relay.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";

#[tokio::test]
async fn a_path_is_understood_with_the_prefix_of_the_url_and_without() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    init(&data);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let place = listener.local_addr().unwrap().to_string();
    drop(listener);
    let url = "ws://relay.example/chat/";
    let relay = Relay::serve(&data, &["--listen", &place, "--url", url]);
    assert_eq!(relay.address.url(), url);
    for prefix in ["", "/chat"] {
        for path in ["/", "/v1"] {
            let head = format!("GET {prefix}{path} HTTP/1.1\r\n{UPGRADE}");
            assert!(ask(&place, &head).0.starts_with("101"), "{prefix}{path}");
        }
        for (method, path, status) in [
            ("GET", "/", "200"),
            ("GET", "/i", "200"),
            ("GET", "/health?a", "200"),
            ("HEAD", "/health", "200"),
            ("GET", "/ready", "200"),
            ("GET", "/about.json", "200"),
            ("HEAD", "/about.json", "200"),
            ("DELETE", "/ready", "405"),
            ("GET", "/metrics", "404"),
            ("POST", "/", "405"),
            ("GET", "/v1", "404"),
            ("GET", "/chatter", "404"),
        ] {
            let (answer, body) = ask(&place, &format!("{method} {prefix}{path} HTTP/1.1\r\nHost: a"));
            assert!(answer.starts_with(status), "{method} {prefix}{path}: {answer}");
            assert_eq!(body.is_empty(), method != "GET" || status != "200", "{method} {prefix}{path}");
        }
    }
}

#[tokio::test]
async fn a_websocket_without_its_upgrade_is_told_what_the_proxy_must_do() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    init(&data);
    let log = dir.path().join("log");
    let relay = Relay::serve_with(&data, &[], File::create(&log).unwrap().into());
    // The request of nginx without any settings for WebSockets.
    let head = "GET / HTTP/1.0\r\nHost: a\r\nConnection: close\r\nSec-WebSocket-Version: 13\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
    for _ in 0..3 {
        let (status, body) = ask(&relay.place(), head);
        assert!(status.starts_with("426") && body.contains("the proxy in front"), "{status} {body}");
    }
    let said = told(&log, "the proxy in front must pass Upgrade").await;
    assert_eq!(said.matches("WebSockets came without").count(), 1, "{said}");
}
