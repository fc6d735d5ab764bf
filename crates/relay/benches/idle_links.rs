//! Memory of the relay for an idle link with a subscription: growth of the resident memory of the
//! real program, without TLS and with it. Linux alone.
//!
//! `cargo bench -p deaddrop-relay --bench idle_links -- LINKS` (10,000 unless told, and fewer if
//! the system allows fewer open files). Each link reads a mailbox of its own, which takes, delivers
//! and destroys one blob of 4 KiB over it. The same was done with each mailbox before, over a few
//! links that are closed, so the growth holds neither mailboxes nor memory that is allocated only
//! once. The memory of the system for sockets is not counted.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

#[path = "../tests/common/mod.rs"]
mod common;

use common::*;
use deaddrop_tls::rustls::ClientConfig;
use deaddrop_tls::{Roots, Verify, client_config, connect};
use deaddrop_wire::SizeClass;
use deaddrop_wire::item::*;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_websockets::ClientBuilder;

/// Number of tasks that open links at the same time, and of the links over which the mailboxes are
/// made. Any number does.
const AT_ONCE: usize = 32;
/// Number of open files, of this process or of the relay, that are kept free for other things than
/// links.
const OTHER_FILES: usize = 100;
/// Time between two measurements of the memory of the relay. It is at rest when they differ by at
/// most 16 KiB.
const REST: Duration = Duration::from_secs(3);

trait Io: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Io for T {}

type Link = Client<Box<dyn Io>>;

#[tokio::main]
async fn main() {
    let told = std::env::args().skip(1).find_map(|argument| argument.parse::<usize>().ok());
    // `cargo test --benches` only wants to see it run.
    let is_bench = std::env::args().any(|argument| argument == "--bench");
    let wanted = told.unwrap_or(if is_bench { 10_000 } else { 40 });
    let links = wanted.min(open_files().saturating_sub(OTHER_FILES)).max(1);
    if links < wanted {
        println!("the limit of open files allows {links} links, not {wanted}");
    }
    for with_tls in [false, true] {
        let name = if with_tls { "with TLS" } else { "without TLS" };
        let dir = tempfile::tempdir().unwrap();
        let relay = Arc::new(serve(&dir.path().join("data"), links, with_tls));
        let mailboxes: Arc<[Mailbox]> = (0..links).map(|_| Mailbox::new()).collect();
        drop(each(&relay, &mailboxes, AT_ONCE, true).await);
        let before = memory_at_rest(&relay).await;
        let held = each(&relay, &mailboxes, links, false).await;
        let idle = memory_at_rest(&relay).await;
        drop(held);
        let after = memory_at_rest(&relay).await;
        let per_link = |kib: u64| kib.saturating_sub(before) * 1_024 / links as u64;
        println!(
            "{name}: {} bytes for each of {links} idle links ({before} KiB before, {idle} KiB with them); {} after they left",
            per_link(idle),
            per_link(after),
        );
    }
}

fn serve(data: &Path, links: usize, with_tls: bool) -> Relay {
    let args = ["init", "--segment-mib", "16", "--max-mib", "2048", "--data"];
    assert!(program().args(args).arg(data).stdout(Stdio::null()).status().unwrap().success());
    // Clients that send no ping stay for 750 s.
    let more = format!(
        "connections = {}\nhandshakes_per_s = 1000000\ntls_handshakes_per_s = 1000000\ncookie_above_per_s = 1000000\nping_min_s = 300\n",
        links + AT_ONCE,
    );
    // All mailboxes are made at once, by loopback alone.
    let limits = HURRIED.replace("all_create_burst = 10000", "all_create_burst = 1000000");
    std::fs::write(data.join("config.toml"), format!("{limits}{more}")).unwrap();
    if with_tls {
        let (certificate, key) = (fixture("p256.pem"), fixture("p256.key"));
        let (certificate, key) = (certificate.to_str().unwrap(), key.to_str().unwrap());
        Relay::serve(data, &["--listen", "127.0.0.1:0", "--tls-cert", certificate, "--tls-key", key])
    } else {
        Relay::serve(data, &["--listen", "127.0.0.1:0"])
    }
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tls/tests/fixtures").join(name)
}

/// Passes one blob through each mailbox, over `links` links that take equal shares of the
/// mailboxes. Returns the links. With `is_first`, each mailbox is made before, and its subscription
/// is ended after.
async fn each(relay: &Arc<Relay>, mailboxes: &Arc<[Mailbox]>, links: usize, is_first: bool) -> Vec<Link> {
    let roots = Roots::load(&fixture("root.pem")).unwrap();
    let config = client_config(&Verify::Roots(roots)).unwrap();
    let mut tasks = Vec::new();
    for worker in 0..AT_ONCE {
        let (relay, mailboxes, config) = (Arc::clone(relay), Arc::clone(mailboxes), Arc::clone(&config));
        tasks.push(tokio::spawn(async move {
            let mut held = Vec::new();
            for link in (worker..links).step_by(AT_ONCE) {
                let mut client = open(&relay, Arc::clone(&config)).await;
                for mailbox in mailboxes.iter().skip(link).step_by(links) {
                    pass_blob(&mut client, mailbox, is_first).await;
                }
                held.push(client);
            }
            held
        }));
    }
    let mut held = Vec::with_capacity(links);
    for task in tasks {
        held.append(&mut task.await.unwrap());
    }
    held
}

async fn open(relay: &Relay, config: Arc<ClientConfig>) -> Link {
    let address = &relay.address;
    let tcp = TcpStream::connect((address.host(), address.port())).await.unwrap();
    tcp.set_nodelay(true).unwrap();
    let stream: Box<dyn Io> = if address.is_tls() {
        Box::new(connect(tcp, config, address.host()).await.unwrap())
    } else {
        Box::new(tcp)
    };
    let url: http::Uri = address.url().parse().unwrap();
    let (ws, _) = ClientBuilder::from_uri(url).connect_on(stream).await.unwrap();
    Client::try_over(ws, address, 0).await.expect("the relay answers")
}

/// Puts a blob into a mailbox, reads it and acks it. With `is_first`, makes the mailbox before and
/// unsubscribes after.
async fn pass_blob(client: &mut Link, mailbox: &Mailbox, is_first: bool) {
    if is_first {
        assert_eq!(client.create(mailbox).await, AnswerCode::Done);
    }
    client.subscribe(1, &mailbox.read).await;
    assert_eq!(client.put(&mailbox.send, blob(SizeClass::Small)).await, AnswerCode::Done);
    let tag = client.delivery().await.tag;
    client.ack(1, tag).await;
    if is_first {
        let req = client.next_req();
        client.send(&[Unsubscribe { req, subs: vec![1] }.into()]).await;
        assert_eq!(client.answer(req).await, AnswerCode::Done);
    }
}

/// Returns the resident memory of the relay in KiB as soon as it is at rest (see [`REST`]), or
/// after a minute.
async fn memory_at_rest(relay: &Relay) -> u64 {
    let mut last = relay.memory_kib();
    for _ in 0..20 {
        tokio::time::sleep(REST).await;
        let now = relay.memory_kib();
        if now.abs_diff(last) <= 16 {
            return now;
        }
        last = now;
    }
    last
}

/// Returns the number of files that this process may open, and the relay that it starts, each.
fn open_files() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(usize::MAX)
}
