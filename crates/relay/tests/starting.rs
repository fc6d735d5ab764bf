//! The port is open while the store is being opened, and each request is answered that the relay is
//! starting (spec/12-relay.md section 7).
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;
#[cfg(unix)]
#[path = "common/many_mailboxes.rs"]
mod many_mailboxes;

use common::PATIENCE;
use deaddrop_relay::proxy::{Network, Proxies, ProxyName};
use deaddrop_relay::server::{Listeners, answer_until};
#[cfg(unix)]
use deaddrop_relay::{
    Limits,
    clock::{Now, system_day},
    data_dir::DataDir,
};
use deaddrop_tls::{Reloader, Roots, Verify, client_config, connect};
#[cfg(unix)]
use many_mailboxes::create_mailboxes;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::SystemTime;
#[cfg(unix)]
use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
    time::Duration,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tls/tests/fixtures").join(name)
}

/// Opens a port that answers as while the store is being opened, until a number is sent through the
/// returned sender. The task then ends with the number. `is_tls` says whether the port speaks TLS.
async fn start(is_tls: bool, proxies: Proxies) -> (SocketAddr, oneshot::Sender<u32>, JoinHandle<u32>) {
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    let (open, opened) = oneshot::channel();
    let certificate = is_tls
        .then(|| Reloader::load(&fixture("p256.pem"), &fixture("p256.key"), SystemTime::now()).unwrap());
    let starting = tokio::spawn(async move {
        let listeners = Listeners::from(socket);
        answer_until(&listeners, certificate.as_ref(), &proxies, opened).await.unwrap().unwrap()
    });
    (address, open, starting)
}

async fn ask(stream: impl AsyncReadExt + AsyncWriteExt + Unpin, announced: &[u8]) -> String {
    ask_for("GET /", stream, announced).await
}

async fn ask_for(
    page: &str,
    mut stream: impl AsyncReadExt + AsyncWriteExt + Unpin,
    announced: &[u8],
) -> String {
    stream.write_all(announced).await.unwrap();
    let head = format!("{page} HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_string(&mut answer)).await;
    read.expect("the connection ends").map(|_| answer).unwrap_or_default()
}

fn says_starting(answer: &str) -> bool {
    answer.starts_with("HTTP/1.1 503")
        && answer.contains("Retry-After: 2")
        && answer.ends_with("\r\n\r\nstarting\n")
}

#[tokio::test]
async fn clients_are_told_to_come_again_until_the_store_is_open() {
    let (address, open, starting) = start(false, Proxies::default()).await;
    for _ in 0..3 {
        let answer = ask(TcpStream::connect(address).await.unwrap(), b"").await;
        assert!(says_starting(&answer), "{answer}");
    }
    open.send(7).unwrap();
    assert_eq!(starting.await.unwrap(), 7);
}

#[tokio::test]
async fn they_are_told_over_tls_and_behind_a_proxy() {
    let network = "127.0.0.1".parse::<Network>().unwrap();
    let proxies = Proxies::new(vec![ProxyName::Network(network)], true);
    let announced = b"PROXY TCP4 192.0.2.1 192.0.2.2 5 6\r\n";
    let (address, _open, _) = start(false, proxies.clone()).await;
    let answer = ask(TcpStream::connect(address).await.unwrap(), announced).await;
    assert!(says_starting(&answer), "{answer}");

    let (address, _open, _) = start(true, Proxies::default()).await;
    let config = client_config(&Verify::Roots(Roots::load(&fixture("root.pem")).unwrap())).unwrap();
    let stream = TcpStream::connect(address).await.unwrap();
    let stream = connect(stream, config, "127.0.0.1").await.unwrap();
    let answer = ask(stream, b"").await;
    assert!(says_starting(&answer), "{answer}");
}

/// The process lives while its store is opened, and takes nothing: on the port for clients and on
/// the socket for metrics.
#[tokio::test]
async fn it_lives_and_is_not_ready() {
    let mut listeners = Listeners::bind("127.0.0.1:0").await.unwrap();
    listeners.add_metrics("127.0.0.1:0").await.unwrap();
    let own = listeners.metrics_address().unwrap();
    let (address, _open, _) = start(false, Proxies::default()).await;
    let (open, opened) = oneshot::channel::<u32>();
    let certificate = Reloader::load(&fixture("p256.pem"), &fixture("p256.key"), SystemTime::now()).unwrap();
    let network = "127.0.0.1".parse::<Network>().unwrap();
    let proxies = Proxies::new(vec![ProxyName::Network(network)], true);
    // TLS and proxies are for clients alone.
    let starting = tokio::spawn(async move {
        answer_until(&listeners, Some(&certificate), &proxies, opened).await.unwrap().unwrap()
    });
    for address in [address, own] {
        for page in ["GET /health", "GET /chat/health?a", "GET http://a/health"] {
            let answer = ask_for(page, TcpStream::connect(address).await.unwrap(), b"").await;
            assert!(
                answer.starts_with("HTTP/1.1 200") && answer.ends_with("\r\n\r\nok\n"),
                "{page}: {answer}"
            );
        }
        let answer = ask_for("HEAD /health", TcpStream::connect(address).await.unwrap(), b"").await;
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("\r\n\r\n"), "{answer}");
        for page in ["GET /ready", "GET /metrics", "POST /health", "GET /healthy"] {
            let answer = ask_for(page, TcpStream::connect(address).await.unwrap(), b"").await;
            assert!(says_starting(&answer), "{page}: {answer}");
        }
    }
    open.send(3).unwrap();
    assert_eq!(starting.await.unwrap(), 3);
}

#[tokio::test]
async fn silent_connections_keep_no_one_from_an_answer() {
    let (address, open, starting) = start(false, Proxies::default()).await;
    let mut silent = Vec::new();
    for _ in 0..200 {
        silent.push(TcpStream::connect(address).await.unwrap());
    }
    let answer = ask(TcpStream::connect(address).await.unwrap(), b"").await;
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    for stream in &mut silent {
        let ended = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut Vec::new())).await;
        ended.expect("a connection that asks for nothing ends").ok();
    }
    let answer = ask(TcpStream::connect(address).await.unwrap(), b"").await;
    assert!(says_starting(&answer), "{answer}");
    open.send(1).unwrap();
    starting.await.unwrap();
}

/// Makes a data directory whose store has `mailboxes` mailboxes, so that it takes a while to open.
#[cfg(unix)]
async fn fill(data: &Path, mailboxes: u64) {
    let rng = &mut rand::rng();
    common::init(data);
    let limits = Limits { mailboxes: 2 * mailboxes, ..Limits::DEFAULT };
    let store = DataDir::at(data).open(limits, rng).unwrap();
    create_mailboxes(&store, mailboxes, Now::new(system_day(), 0)).await;
}

/// Silent connections of clients take no place of the socket for metrics, nor the other way round.
#[tokio::test]
async fn clients_and_the_socket_for_metrics_have_places_of_their_own() {
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    let mut listeners = Listeners::from(socket);
    listeners.add_metrics("127.0.0.1:0").await.unwrap();
    let own = listeners.metrics_address().unwrap();
    let (open, opened) = oneshot::channel::<u32>();
    let starting = tokio::spawn(async move {
        answer_until(&listeners, None, &Proxies::default(), opened).await.unwrap().unwrap()
    });
    // The ninth is closed without an answer. Connections of one socket are accepted in their order.
    let mut held = Vec::new();
    for _ in 0..8 {
        held.push(TcpStream::connect(own).await.unwrap());
    }
    let refused = ask_for("GET /health", TcpStream::connect(own).await.unwrap(), b"").await;
    assert_eq!(refused, "");
    assert!(says_starting(&ask(TcpStream::connect(address).await.unwrap(), b"").await));
    drop(held);
    let mut held = Vec::new();
    for _ in 0..64 {
        held.push(TcpStream::connect(address).await.unwrap());
    }
    let refused = ask(TcpStream::connect(address).await.unwrap(), b"").await;
    assert!(!says_starting(&refused), "{refused}");
    let answer = ask_for("GET /health", TcpStream::connect(own).await.unwrap(), b"").await;
    assert!(answer.ends_with("\r\n\r\nok\n"), "{answer}");
    open.send(5).unwrap();
    assert_eq!(starting.await.unwrap(), 5);
}

/// Starts a relay whose store key comes from a pipe, so that its store is not opened before a key is
/// written there. Returns when its port is open.
#[cfg(unix)]
fn serve_and_wait_for_the_key(dir: &Path) -> std::process::Child {
    let (data, socket) = (dir.join("data"), dir.join("socket"));
    common::init(&data);
    std::fs::remove_file(data.join("store.key")).unwrap();
    assert!(Command::new("mkfifo").arg(data.join("store.key")).status().unwrap().success());
    let mut command = common::program();
    command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(&data).arg("--unix").arg(&socket);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    while !socket.exists() {
        assert!(child.try_wait().unwrap().is_none(), "it serves");
        std::thread::sleep(Duration::from_millis(1));
    }
    child
}

#[cfg(unix)]
#[test]
fn an_order_to_stop_ends_a_relay_that_opens_its_store() {
    for signal in ["-TERM", "-INT"] {
        let dir = tempfile::tempdir().unwrap();
        let mut child = serve_and_wait_for_the_key(dir.path());
        assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
        let begun = std::time::Instant::now();
        while child.try_wait().unwrap().is_none() {
            if begun.elapsed() > PATIENCE {
                child.kill().unwrap();
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        assert!(child.wait().unwrap().success(), "{signal}");
        let mut said = String::new();
        std::io::Read::read_to_string(&mut child.stdout.take().unwrap(), &mut said).unwrap();
        assert_eq!(said, "", "{signal}: it was never ready");
        assert!(!dir.path().join("socket").exists(), "{signal}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn other_signals_while_the_store_is_opened_are_orders_for_later() {
    let dir = tempfile::tempdir().unwrap();
    let (data, socket) = (dir.path().join("data"), dir.path().join("socket"));
    fill(&data, 10_000).await;
    for signal in ["-HUP", "-USR1"] {
        let mut command = common::program();
        command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(&data).arg("--unix").arg(&socket);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        while !socket.exists() {
            assert!(child.try_wait().unwrap().is_none(), "it serves");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let id = child.id().to_string();
        let send = |signal: &str| Command::new("kill").args([signal, &id]).status().unwrap();
        assert!(send(signal).success());
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(line.starts_with("deaddrop-relay ready: "), "{signal}: {line}");
        assert!(child.try_wait().unwrap().is_none(), "{signal}: it serves");
        assert!(send("-TERM").success());
        assert!(child.wait().unwrap().success(), "{signal}");
        let _ = std::fs::remove_file(&socket);
    }
}
