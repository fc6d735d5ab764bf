//! The relay's whole path over loopback: put, durable, delivered, acked, destroyed; 4 KiB blobs, the real program.
//!
//! Prints, for a store on disk and in memory, the rate by the clock (clients and relay share the machine) and by the
//! processor time of the relay alone, which is the rate that one core can carry.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout
)]

#[path = "../tests/common/mod.rs"]
mod common;

use common::*;
use deaddrop_wire::item::*;
use deaddrop_wire::{Blob, Item, RelayAddress, SizeClass};
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::Semaphore;

const PAIRS: usize = 8;
const BLOBS: u32 = 3_000;
/// Blobs of one pair that are on their way: put and not destroyed yet. Fewer than a mailbox holds.
const WINDOW: usize = 128;
const ROUNDS: usize = 3;

#[tokio::main]
async fn main() {
    // `cargo test --benches` only wants to see it run.
    let blobs = if std::env::args().any(|arg| arg == "--bench") { BLOBS } else { 20 };
    for (name, more) in [("disk", &[][..]), ("memory", &["--volatile"][..])] {
        let mut results = Vec::new();
        for _ in 0..ROUNDS {
            let dir = tempfile::tempdir().unwrap();
            init(dir.path());
            let relay = Relay::serve(dir.path(), more);
            results.push(round(&relay, blobs).await);
            assert!(relay.stop());
        }
        results.sort_by(|a, b| a.0.total_cmp(&b.0));
        let (by_clock, by_core) = results[ROUNDS / 2];
        println!(
            "{name}: {by_clock:.0} blobs/s by the clock, {by_core:.0} blobs/s per core of the relay \
             (median of {ROUNDS} by the clock; {PAIRS} pairs, {blobs} blobs each)"
        );
    }
}

/// Runs one round. Returns the blobs per second by the clock, and by the relay's processor time.
async fn round(relay: &Relay, blobs: u32) -> (f64, f64) {
    let mut pairs = Vec::new();
    for number in 0..PAIRS {
        let mailbox = Mailbox::new();
        let mut reader = Client::connect(&relay.address, u8::try_from(number).unwrap() + 1).await;
        assert_eq!(reader.create(&mailbox).await, AnswerCode::Done);
        reader.subscribe(1, &mailbox.read).await;
        pairs.push((reader, mailbox));
    }
    let cpu = processor_seconds(relay.child.id());
    let begin = Instant::now();
    let mut tasks = Vec::new();
    for (reader, mailbox) in pairs {
        let address = relay.address.clone();
        let window = Arc::new(Semaphore::new(WINDOW));
        tasks.push(tokio::spawn(read(reader, Arc::clone(&window), blobs)));
        tasks.push(tokio::spawn(async move { put(&address, &mailbox, &window, blobs).await }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    let all = f64::from(blobs) * PAIRS as f64;
    (all / begin.elapsed().as_secs_f64(), all / (processor_seconds(relay.child.id()) - cpu))
}

async fn put(address: &RelayAddress, mailbox: &Mailbox, window: &Semaphore, blobs: u32) {
    let mut client = Client::connect(address, 0).await;
    let (mut sent, mut open) = (0, 0);
    while sent < blobs || open > 0 {
        let mut items = Vec::new();
        while sent < blobs
            && let Ok(permit) = window.try_acquire()
        {
            permit.forget();
            let mut bytes = vec![0x5a; SizeClass::Small.bytes()];
            bytes[..4].copy_from_slice(&sent.to_le_bytes());
            let send = mailbox.send.present(&client.relay);
            items.push(Put { req: sent, send, blob: Blob::new(bytes).unwrap() }.into());
            (sent, open) = (sent + 1, open + 1);
        }
        if !items.is_empty() {
            client.send(&items).await;
        }
        if open == 0 {
            // Everything is put, the reader is behind.
            drop(window.acquire().await.unwrap());
            continue;
        }
        let mut next = Some(client.next().await);
        while let Some(item) = next {
            if let Item::Answer(answer) = item {
                assert_eq!((answer.code, answer.retry_s), (AnswerCode::Done, 0));
                open -= 1;
            }
            next = client.inbox.pop_front();
        }
    }
}

async fn read(mut client: Client, window: Arc<Semaphore>, blobs: u32) {
    let (mut last, mut destroyed) = (0, 0);
    while destroyed < blobs {
        let before = last;
        let mut next = Some(client.next().await);
        while let Some(item) = next {
            match item {
                Item::Deliver(deliver) => last = deliver.tag,
                Item::Acked(acked) => {
                    // Confirmations of two acks may come the other way round; the later one covers both.
                    let upto = acked.acks[0].upto.max(destroyed);
                    window.add_permits((upto - destroyed) as usize);
                    destroyed = upto;
                }
                _ => {}
            }
            next = client.inbox.pop_front();
        }
        if last > before {
            client.send(&[Ack { acks: vec![AckEntry { sub: 1, upto: last, also: vec![] }] }.into()]).await;
        }
    }
}

/// Returns the processor time of a process so far; infinite where the system does not tell, so that rates come out as zero.
fn processor_seconds(id: u32) -> f64 {
    let Ok(stat) = std::fs::read_to_string(format!("/proc/{id}/stat")) else { return f64::INFINITY };
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks: f64 = [fields[11], fields[12]].iter().map(|field| field.parse::<f64>().unwrap()).sum();
    // Linux counts in hundredths on each architecture we know.
    ticks / 100.0
}
