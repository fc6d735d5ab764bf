//! OpenSSL and curl as the other side. A test whose program is missing is skipped, and prints that.
#![allow(
    missing_docs,
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod common;

use common::{NAME, fixture, server, trusting, within};
use deaddrop_tls::{CertificateError, TlsError, accept, connect};
use std::{net::SocketAddr, process::Stdio, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    process::{Child, Command},
};

/// Whether `program` runs with `argument` and succeeds. Prints that the test is skipped if it does
/// not.
fn has(program: &str, argument: &str) -> bool {
    let found = std::process::Command::new(program)
        .arg(argument)
        .output()
        .is_ok_and(|output| output.status.success());
    if !found {
        println!("SKIPPED: {program} is not here");
    }
    found
}

/// Whether OpenSSL knows X25519MLKEM768 (3.5 and later). Prints that the test is skipped if it does
/// not.
fn has_hybrid() -> bool {
    let list = std::process::Command::new("openssl").args(["list", "-tls-groups"]).output();
    let found = list.is_ok_and(|list| String::from_utf8_lossy(&list.stdout).contains("X25519MLKEM768"));
    if !found {
        println!("SKIPPED: this OpenSSL has no X25519MLKEM768");
    }
    found
}

/// Starts our server on one connection. It answers one HTTP request with 100,000 bytes and closes.
/// The task returns the suite and the group, or the error of the connection.
async fn serve_once() -> (SocketAddr, tokio::task::JoinHandle<Result<String, TlsError>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serve = tokio::spawn(async move {
        let (tcp, _) = listener.accept().await.unwrap();
        let mut stream = accept(tcp, server("p256.pem", "p256.key")).await?;
        let agreed = format!("{:?} {:?}", stream.suite().unwrap(), stream.group().unwrap());
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            request.push(stream.read_u8().await?);
        }
        let body = "x".repeat(100_000);
        let answer =
            format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len());
        stream.write_all(answer.as_bytes()).await?;
        stream.shutdown().await?;
        Ok(agreed)
    });
    (address, serve)
}

async fn s_client(address: SocketAddr, more: &[&str]) -> String {
    let mut client = Command::new("openssl")
        .args(["s_client", "-connect", &address.to_string(), "-servername", NAME, "-ign_eof"])
        .args(["-verify_return_error", "-verify_hostname", NAME, "-CAfile"])
        .arg(fixture("root.pem"))
        .args(more)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut stdin = client.stdin.take().unwrap();
    // It may have left already.
    let _ = stdin.write_all(b"GET / HTTP/1.1\r\n\r\n").await;
    let output = within(client.wait_with_output()).await.unwrap();
    drop(stdin);
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[tokio::test]
async fn openssl_connects_to_our_server() {
    if !has("openssl", "version") {
        return;
    }
    let mut cases = vec![
        (
            vec!["-ciphersuites", "TLS_CHACHA20_POLY1305_SHA256", "-groups", "X25519"],
            "TLS13_CHACHA20_POLY1305_SHA256 X25519",
        ),
        (
            vec!["-ciphersuites", "TLS_AES_128_GCM_SHA256", "-groups", "P-256"],
            "TLS13_AES_128_GCM_SHA256 secp256r1",
        ),
        (
            vec!["-ciphersuites", "TLS_AES_256_GCM_SHA384", "-groups", "P-384:X25519"],
            "TLS13_AES_256_GCM_SHA384 X25519",
        ),
    ];
    if has_hybrid() {
        cases.push((
            vec!["-ciphersuites", "TLS_AES_256_GCM_SHA384", "-groups", "X25519MLKEM768"],
            "TLS13_AES_256_GCM_SHA384 X25519MLKEM768",
        ));
    }
    for (arguments, agreed) in cases {
        let (address, serve) = serve_once().await;
        let text = s_client(address, &arguments).await;
        assert!(text.contains("Verify return code: 0 (ok)"), "{text}");
        assert!(text.contains(&"x".repeat(10_000)), "{text}");
        assert_eq!(within(serve).await.unwrap().unwrap(), agreed);
        assert!(
            !text.contains("NEW_SESSION_TICKET") && !text.contains("Post-Handshake New Session Ticket"),
            "{text}"
        );
    }
    // TLS 1.2 is not spoken.
    let (address, serve) = serve_once().await;
    let text = s_client(address, &["-tls1_2"]).await;
    assert!(text.contains("alert protocol version"), "{text}");
    assert!(matches!(within(serve).await.unwrap().unwrap_err(), TlsError::NothingInCommon));
}

#[tokio::test]
async fn curl_connects_to_our_server() {
    if !has("curl", "--version") {
        return;
    }
    let (address, serve) = serve_once().await;
    let url = format!("https://{NAME}:{}/", address.port());
    let curl = Command::new("curl")
        .args(["--silent", "--show-error", "--tlsv1.3", "--noproxy", "*", "--resolve"])
        .arg(format!("{NAME}:{}:127.0.0.1", address.port()))
        .arg("--cacert")
        .arg(fixture("root.pem"))
        .arg(url)
        .kill_on_drop(true)
        .output();
    let output = within(curl).await.unwrap();
    if String::from_utf8_lossy(&output.stderr).contains("TLS 1.3") {
        println!("SKIPPED: this curl has no TLS 1.3");
        return;
    }
    assert_eq!(output.stdout.len(), 100_000, "{}", String::from_utf8_lossy(&output.stderr));
    within(serve).await.unwrap().unwrap();
}

/// Starts a server of OpenSSL on a free port. Returns the process and the port. It answers an HTTP
/// request with a page about the connection.
async fn s_server(certificate: &str, key: &str, more: &[&str]) -> (Child, u16) {
    // OpenSSL cannot choose a free port and tell which.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let child = Command::new("openssl")
        .args(["s_server", "-accept", &format!("127.0.0.1:{port}"), "-www", "-quiet", "-cert"])
        .arg(fixture(certificate))
        .arg("-key")
        .arg(fixture(key))
        .args(more)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    for _ in 0..200 {
        if TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
            return (child, port);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("openssl s_server does not listen");
}

#[tokio::test]
async fn our_client_connects_to_openssl() {
    if !has("openssl", "version") {
        return;
    }
    let mut cases = vec![
        ("p256.pem", "p256.key", vec!["-groups", "X25519"], "X25519"),
        ("p384.pem", "p384.key", vec!["-groups", "P-256"], "secp256r1"),
        ("rsa.pem", "rsa.key", vec!["-groups", "P-384:P-256"], "secp256r1"),
        ("ed25519.pem", "ed25519.key", vec!["-ciphersuites", "TLS_AES_128_GCM_SHA256"], "X25519"),
        (
            "rsa.pem",
            "rsa.key",
            vec!["-ciphersuites", "TLS_AES_256_GCM_SHA384", "-num_tickets", "8"],
            "X25519",
        ),
    ];
    if has_hybrid() {
        cases.push(("p256.pem", "p256.key", vec!["-groups", "X25519MLKEM768"], "X25519MLKEM768"));
        cases.retain(|case| case.2.contains(&"-groups"));
    }
    for (certificate, key, arguments, group) in cases {
        let (mut child, port) = s_server(certificate, key, &arguments).await;
        let tcp = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let mut stream = within(connect(tcp, trusting("root.pem"), NAME)).await.unwrap();
        assert_eq!(format!("{:?}", stream.group().unwrap()), group);
        stream.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        let mut page = Vec::new();
        // Whether it ends the connection properly is its affair.
        let _ = within(stream.read_to_end(&mut page)).await;
        let page = String::from_utf8_lossy(&page);
        assert!(page.contains("TLSv1.3"), "{page}");
        child.kill().await.unwrap();
    }
}

#[tokio::test]
async fn our_client_refuses_openssl_with_a_weak_key_or_an_old_version() {
    if !has("openssl", "version") {
        return;
    }
    let (mut child, port) = s_server("p256.pem", "p256.key", &["-tls1_2"]).await;
    let tcp = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let client = trusting("root.pem");
    let error = within(connect(tcp, Arc::clone(&client), NAME)).await.unwrap_err();
    assert!(matches!(error, TlsError::NothingInCommon), "{error:?}");
    child.kill().await.unwrap();
    let (mut child, port) = s_server("expired.pem", "p256.key", &[]).await;
    let tcp = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let error = within(connect(tcp, client, NAME)).await.unwrap_err();
    assert!(matches!(error, TlsError::Certificate(CertificateError::Expired)), "{error:?}");
    child.kill().await.unwrap();
}
