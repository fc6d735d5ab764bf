//! Links of one address prefix that never read what the relay answers, against the real relay:
//! together they hold what `buffer_bytes` says, and a prefix within its share goes on
//! (spec/12-relay.md section 5).
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
use deaddrop_wire::item::{Answer, AnswerCode, Ping, Put};
use deaddrop_wire::{Item, RelayAddress, SizeClass};
use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio::io::AsyncWriteExt;

const HOARDERS: u32 = 32;
/// The limits of the relay: all links together may hold 2 MiB of buffers, and one link alone 4 MiB
/// of answers, so that only the first limit is reached.
const LIMITS: &str = "\
buffer_bytes = 2097152
link_buffer_bytes = 4194304
stall_ms = 4000
handshake_burst_per_prefix = 1000
handshakes_per_s_per_prefix = 1000
entries_burst = 100000000
entries_burst_per_prefix = 100000000
all_entries_burst = 100000000
";
/// Number of KiB by which the resident memory of the relay may grow. Without `buffer_bytes` the 32
/// hoarders make it hold 128 MiB.
const GROWTH_KIB: u64 = 49_152;

/// Sends pings without end and reads no answer. When the relay ends the link, opens the next one.
/// Counts in `stuck` how often the relay took no bytes for a second.
async fn hoard(relay: RelayAddress, number: u32, stuck: Arc<AtomicU32>) {
    let pings: Vec<Item> = (0..500).map(|nonce| Ping { nonce }.into()).collect();
    loop {
        let Some(mut client) = Client::connect_from(&relay, &format!("198.51.100.{number}"), 1).await else {
            continue;
        };
        loop {
            let asking = client.try_send(&pings);
            let mut asking = std::pin::pin!(asking);
            let sent = match tokio::time::timeout(Duration::from_secs(1), &mut asking).await {
                Ok(sent) => sent,
                Err(_) => {
                    stuck.fetch_add(1, Ordering::Relaxed);
                    asking.await
                }
            };
            if sent.is_none() {
                break;
            }
        }
    }
}

/// The result of sending a record slowly.
#[derive(Debug, PartialEq, Eq)]
enum End {
    /// The relay ended the link before the record was whole, or before its puts were done.
    Closed,
    /// The relay took the whole record, and its puts were done.
    Done,
}

/// Sends a record with three large puts in pieces: 120,000 bytes at once, 2,000 in each half second
/// for 10 s (more than twice `stall_ms`), and then the rest.
async fn send_slowly(mut client: Client, mailbox: &Mailbox) -> End {
    let puts: Vec<Item> = (1..=3)
        .map(|req| {
            let send = mailbox.send.present(&client.relay);
            Put { req, send, blob: blob(SizeClass::Large) }.into()
        })
        .collect();
    let record = client.link.seal(&puts).unwrap().remove(0);
    let mut frame = vec![0x82, 0x80 | 127];
    frame.extend_from_slice(&(record.len() as u64).to_be_bytes());
    frame.extend_from_slice(&[0; 4]);
    frame.extend_from_slice(&record);
    let (first, mut rest) = frame.split_at(120_000);
    if client.ws.get_mut().write_all(first).await.is_err() {
        return End::Closed;
    }
    for _ in 0..20 {
        let (piece, after) = rest.split_at(2_000);
        rest = after;
        let closed = tokio::time::timeout(Duration::from_millis(500), client.try_next()).await;
        if closed.is_ok_and(|item| item.is_none()) || client.ws.get_mut().write_all(piece).await.is_err() {
            return End::Closed;
        }
    }
    if client.ws.get_mut().write_all(rest).await.is_err() {
        return End::Closed;
    }
    for _ in 0..3 {
        match client.try_next().await {
            Some(Item::Answer(Answer { code: AnswerCode::Done, .. })) => {}
            None => return End::Closed,
            other => panic!("{other:?}"),
        }
    }
    End::Done
}

#[tokio::test(flavor = "multi_thread")]
async fn links_that_never_read_hold_the_share_of_their_prefix_and_no_more() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    init(&data);
    let config = format!("proxies = [\"127.0.0.1\"]\n{HURRIED}{LIMITS}");
    std::fs::write(data.join("config.toml"), config).unwrap();
    let log = dir.path().join("log");
    let mut command = program();
    command
        .env("RUST_LOG", "debug")
        .args(["serve", "--listen", "127.0.0.1:0", "--data"])
        .arg(&data)
        .stderr(File::create(&log).unwrap());
    let relay = Relay::start(command);
    let mut owner = Client::connect(&relay.address, 1).await;
    let mailbox = Mailbox::new();
    assert_eq!(owner.create(&mailbox).await, AnswerCode::Done);
    let before = relay.memory_kib();
    let stuck = Arc::<AtomicU32>::default();
    let mut hoarders = tokio::task::JoinSet::new();
    for number in 1..=HOARDERS {
        hoarders.spawn(hoard(relay.address.clone(), number, Arc::clone(&stuck)));
    }
    while stuck.load(Ordering::Relaxed) < HOARDERS {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let most = relay.memory_kib();
    println!("{HOARDERS} links that never read: {} KiB more resident", most.saturating_sub(before));
    assert!(most < before + GROWTH_KIB, "{before} KiB before, {most} KiB now");
    // Both links hold as much as each other. Only the one whose prefix holds too much is ended.
    let beside = Client::connect_from(&relay.address, "198.51.100.200", 2).await.unwrap();
    let elsewhere = Client::connect_from(&relay.address, "203.0.113.7", 3).await.unwrap();
    let (beside, elsewhere) = tokio::join!(send_slowly(beside, &mailbox), send_slowly(elsewhere, &mailbox));
    assert_eq!((beside, elsewhere), (End::Closed, End::Done));
    told(&log, "the link holds memory that others need").await;
    hoarders.shutdown().await;
    assert!(relay.stop());
}
