//! A flood from eight networks at once, in a network namespace of its own: what the relay needs,
//! and how long an honest client from a ninth network waits. Where there are no namespaces, the
//! test says so and ends.
#![cfg(target_os = "linux")]
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
use deaddrop_wire::SizeClass;
use deaddrop_wire::item::AnswerCode;
use std::net::{IpAddr, SocketAddr};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpSocket, TcpStream};
use tokio_websockets::{ClientBuilder, MaybeTlsStream};

/// The environment variable that tells this program that it was started inside the network
/// namespace.
const INSIDE: &str = "DEADDROP_TEST_INSIDE";
const FLOODERS: u8 = 8;
const HONEST: u8 = 9;
/// Time for which the flood runs before the honest client connects, and again beside it.
const LASTS: Duration = Duration::from_secs(3);

fn source(number: u8) -> IpAddr {
    IpAddr::from([198, 51, number, 1])
}

async fn connect(from: u8, to: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::new(source(from), 0))?;
    socket.connect(to).await
}

async fn client(from: u8, relay: &Relay, to: SocketAddr) -> Option<Client> {
    let stream = connect(from, to).await.ok()?;
    let url: http::Uri = relay.address.url().parse().unwrap();
    let (ws, _) = ClientBuilder::from_uri(url).connect_on(MaybeTlsStream::Plain(stream)).await.ok()?;
    Client::try_over(ws, &relay.address, from).await
}

#[test]
fn a_flood_from_eight_networks_keeps_no_ninth_out() {
    if std::env::var_os(INSIDE).is_some() {
        return tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(flood());
    }
    let script = (0..=HONEST).fold("ip link set lo up".to_owned(), |script, number| {
        format!("{script} && ip addr add {}/32 dev lo", source(number))
    });
    let made = Command::new("unshare").args(["--net", "sh", "-c", &script]).stderr(Stdio::null()).status();
    if !made.is_ok_and(|status| status.success()) {
        println!("skipped: no network namespaces here");
        return;
    }
    let test = std::env::current_exe().unwrap();
    let status = Command::new("unshare")
        .args(["--net", "sh", "-c", &format!("{script} && exec \"$@\""), "sh"])
        .arg(test)
        .args(["--exact", "a_flood_from_eight_networks_keeps_no_ninth_out", "--nocapture"])
        .env(INSIDE, "1")
        .status()
        .unwrap();
    assert!(status.success());
}

async fn flood() {
    let dir = tempfile::tempdir().unwrap();
    init(dir.path());
    std::fs::write(dir.path().join("config.toml"), "").unwrap();
    let relay = Relay::serve(dir.path(), &["--listen", &format!("{}:0", source(0))]);
    let to: SocketAddr = relay.place().parse().unwrap();
    let before = relay.memory_kib();
    static CONNECTIONS: AtomicU64 = AtomicU64::new(0);
    static CREATES: AtomicU64 = AtomicU64::new(0);
    let mut flooders = tokio::task::JoinSet::new();
    for number in 1..=FLOODERS {
        // Connections that say nothing, drip, or ask for a page and do not read it.
        flooders.spawn(async move {
            let mut held = std::collections::VecDeque::new();
            loop {
                if let Ok(mut stream) = connect(number, to).await {
                    CONNECTIONS.fetch_add(1, Ordering::Relaxed);
                    let said: &[u8] = [&b""[..], b"G", b"GET /i HTTP/1.1\r\nHost: a\r\n\r\n"][held.len() % 3];
                    let _ = stream.write_all(said).await;
                    held.push_back(stream);
                }
                if held.len() > 100 {
                    held.pop_front();
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        });
        // Links that create mailboxes as fast as they may.
        let (address, relay_place) = (relay.address.clone(), to);
        flooders.spawn(async move {
            loop {
                let Ok(stream) = connect(number, relay_place).await else { continue };
                let url: http::Uri = address.url().parse().unwrap();
                let connected = ClientBuilder::from_uri(url).connect_on(MaybeTlsStream::Plain(stream)).await;
                let Ok((ws, _)) = connected else { continue };
                let Some(mut client) = Client::try_over(ws, &address, number).await else { continue };
                for req in 1..100 {
                    if client.try_send(&[Mailbox::new().create(&client.relay, req)]).await.is_none()
                        || client.try_next().await.is_none()
                    {
                        break;
                    }
                    CREATES.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
    }
    tokio::time::sleep(LASTS).await;
    let begun = Instant::now();
    let mut waits = Vec::new();
    while begun.elapsed() < LASTS {
        let asked = Instant::now();
        let mut honest = client(HONEST, &relay, to).await.expect("an honest client gets in at the first try");
        let mailbox = Mailbox::new();
        assert_eq!(honest.create(&mailbox).await, AnswerCode::Done);
        assert_eq!(honest.put(&mailbox.send, blob(SizeClass::Small)).await, AnswerCode::Done);
        honest.subscribe(1, &mailbox.read).await;
        honest.delivery().await;
        waits.push(asked.elapsed());
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    waits.sort_unstable();
    println!(
        "{} connections and {} creates from eight networks in {:?}: an honest client was done after {:?} (median), {:?} \
         (longest of {}); {before} KiB before, {} KiB after",
        CONNECTIONS.load(Ordering::Relaxed),
        CREATES.load(Ordering::Relaxed),
        2 * LASTS,
        waits[waits.len() / 2],
        waits[waits.len() - 1],
        waits.len(),
        relay.memory_kib()
    );
    assert!(relay.memory_kib() < before + 65_536, "less than 64 MiB more");
    flooders.shutdown().await;
    assert!(relay.stop());
}
