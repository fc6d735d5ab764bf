//! A relay that speaks TLS itself, as a real program (spec/10-link.md section 10, spec/12-relay.md
//! section 7).
#![cfg(unix)]
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::*;
use deaddrop_tls::{Roots, TlsError, TlsStream, Verify, client_config, connect};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tls/tests/fixtures").join(name)
}

/// Starts a relay that speaks TLS with this certificate and key, and the configuration `settings`.
/// Returns it and the path of its log.
fn serve(data: &Path, certificate: &Path, key: &Path, settings: &str) -> (Relay, PathBuf) {
    init(data);
    fs::write(data.join("config.toml"), settings).unwrap();
    let log = data.with_extension("log");
    let (certificate, key) = (certificate.to_str().unwrap(), key.to_str().unwrap());
    let more = ["--listen", "127.0.0.1:0", "--tls-cert", certificate, "--tls-key", key];
    (Relay::serve_with(data, &more, File::create(&log).unwrap().into()), log)
}

fn place(relay: &Relay) -> &str {
    relay.address.url().strip_prefix("wss://").unwrap().trim_end_matches('/')
}

/// Opens a TCP connection, sends `announced` (what a proxy sends in front, or nothing), and makes
/// the TLS handshake.
async fn tls(relay: &Relay, announced: &[u8]) -> Result<TlsStream<TcpStream>, TlsError> {
    let mut stream = TcpStream::connect(place(relay)).await.unwrap();
    stream.write_all(announced).await.unwrap();
    let config = client_config(&Verify::Roots(Roots::load(&fixture("root.pem")).unwrap())).unwrap();
    tokio::time::timeout(PATIENCE, connect(stream, config, "127.0.0.1")).await.unwrap()
}

async fn ask(mut stream: impl AsyncReadExt + AsyncWriteExt + Unpin, head: &str) -> String {
    stream.write_all(format!("{head}\r\n\r\n").as_bytes()).await.unwrap();
    stream.flush().await.unwrap();
    let mut answer = vec![0; 12];
    let read = tokio::time::timeout(PATIENCE, stream.read_exact(&mut answer)).await.unwrap();
    read.map(|_| String::from_utf8_lossy(&answer).into_owned()).unwrap_or_default()
}

const UPGRADE: &str = "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";

#[tokio::test]
async fn pages_and_websockets_come_over_tls_and_the_unix_socket_stays_plain() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("relay.sock");
    let settings = format!("unix = {socket:?}");
    let (relay, _) = serve(&dir.path().join("data"), &fixture("p256.pem"), &fixture("p256.key"), &settings);
    assert!(relay.address.is_tls());
    for (head, status) in [("GET /health HTTP/1.1\r\nHost: a", "200"), (UPGRADE, "101")] {
        let answer = ask(tls(&relay, b"").await.unwrap(), head).await;
        assert_eq!(answer, format!("HTTP/1.1 {status}"));
        let answer = ask(tokio::net::UnixStream::connect(&socket).await.unwrap(), head).await;
        assert_eq!(answer, format!("HTTP/1.1 {status}"), "the unix socket");
    }
    // A request without TLS gets an alert, not a page.
    let mut plain = TcpStream::connect(place(&relay)).await.unwrap();
    plain.write_all(UPGRADE.as_bytes()).await.unwrap();
    plain.write_all(b"\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(PATIENCE, plain.read_to_end(&mut answer)).await.unwrap();
    assert_eq!(answer.first(), Some(&21), "{answer:?}");
}

#[tokio::test]
async fn a_renewed_certificate_is_used_once_both_files_fit() {
    let dir = tempfile::tempdir().unwrap();
    let (certificate, key) = (dir.path().join("relay.pem"), dir.path().join("relay.key"));
    fs::copy(fixture("p256.pem"), &certificate).unwrap();
    fs::copy(fixture("p256.key"), &key).unwrap();
    let (relay, log) = serve(&dir.path().join("data"), &certificate, &key, "");
    relay.signal("-HUP");
    told(&log, "the TLS certificate has not changed").await;
    fs::copy(fixture("renewed.pem"), &certificate).unwrap();
    relay.signal("-HUP");
    told(&log, "the former TLS certificate stays in use").await;
    assert_eq!(ask(tls(&relay, b"").await.unwrap(), UPGRADE).await, "HTTP/1.1 101");
    fs::copy(fixture("renewed.key"), &key).unwrap();
    relay.signal("-HUP");
    told(&log, "the TLS certificate was read again").await;
    assert_eq!(ask(tls(&relay, b"").await.unwrap(), UPGRADE).await, "HTTP/1.1 101");
    assert!(relay.stop());
}

#[tokio::test]
async fn a_network_with_too_many_tls_handshakes_is_refused_before_it_costs_anything() {
    let dir = tempfile::tempdir().unwrap();
    let settings = "proxies = [\"127.0.0.1\"]\nproxy_protocol = true\n[limits]\n\
        tls_handshake_burst_per_prefix = 2\ntls_handshakes_per_s_per_prefix = 1\nnotice_every_ms = 0\n";
    let (relay, log) = serve(&dir.path().join("data"), &fixture("p256.pem"), &fixture("p256.key"), settings);
    let header = |address: &str| format!("PROXY TCP4 {address} 192.0.2.1 4000 443\r\n");
    let mut refused = 0;
    for _ in 0..20 {
        match tls(&relay, header("203.0.113.7").as_bytes()).await {
            Ok(_) => {}
            Err(TlsError::Refused(_) | TlsError::Io(_) | TlsError::Closed) => refused += 1,
            Err(other) => panic!("{other}"),
        }
    }
    assert!(refused > 0);
    told(&log, "TLS handshakes were refused").await;
    let other = tls(&relay, header("198.51.100.7").as_bytes()).await.expect("another network gets in");
    assert_eq!(ask(other, UPGRADE).await, "HTTP/1.1 101");
}

#[test]
fn a_certificate_that_cannot_be_used_is_refused_with_the_remedy() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    init(&data);
    let fault = |more: &[PathBuf], settings: &str| {
        fs::write(data.join("config.toml"), settings).unwrap();
        let mut command = program();
        command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(&data);
        if let [certificate, key] = more {
            command.arg("--tls-cert").arg(certificate).arg("--tls-key").arg(key);
        }
        let output = command.stdin(Stdio::null()).output().unwrap();
        assert!(!output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    let rsa = fault(&[fixture("rsa.pem"), fixture("rsa.key")], "");
    assert!(rsa.contains("RSA") && rsa.contains("openssl"), "{rsa}");
    let other = fault(&[fixture("p256.pem"), fixture("renewed.key")], "");
    assert!(other.contains("renewed.key") || other.contains("p256.pem"), "{other}");
    let missing = fault(&[dir.path().join("absent.pem"), fixture("p256.key")], "");
    assert!(missing.contains("absent.pem"), "{missing}");
    let half = fault(&[], "tls_cert = \"relay.pem\"");
    assert!(half.contains("or neither"), "{half}");
}
