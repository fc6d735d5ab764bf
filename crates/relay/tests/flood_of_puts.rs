//! A hostile address that puts and acks as fast as it can, against a small store: others get their
//! puts in, and no refusal lasts.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::*;
use deaddrop_wire::item::{Ack, AckEntry, AnswerCode, Put};
use deaddrop_wire::{Item, RelayAddress, SizeClass};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Number of blobs that the flood must get accepted: several times what the store can hold (8 MiB,
/// fewer than 2,048 blobs), so that all its space is used again.
const FLOOD: u64 = 8_000;
const AT_ONCE: usize = 64;

/// Opens a link, and reads and acks the blobs of `mailbox` without end.
async fn read(address: RelayAddress, mailbox: Arc<Mailbox>) {
    let mut client = Client::connect(&address, 7).await;
    client.subscribe(1, &mailbox.read).await;
    loop {
        let tag = client.delivery().await.tag;
        client.send(&[Ack { acks: vec![AckEntry { sub: 1, upto: tag, also: vec![] }] }.into()]).await;
        client.inbox.retain(|item| matches!(item, Item::Deliver(_)));
    }
}

/// Opens a link, and puts into `mailbox` without a pause and without end. Counts the accepted blobs
/// in `taken`.
async fn flood(address: RelayAddress, mailbox: Arc<Mailbox>, taken: Arc<AtomicU64>) {
    let mut client = Client::connect(&address, 8).await;
    loop {
        let send = || mailbox.send.present(&client.relay);
        let first = client.req + 1;
        let puts: Vec<Item> = (first..)
            .take(AT_ONCE)
            .map(|req| Put { req, send: send(), blob: blob(SizeClass::Small) }.into())
            .collect();
        client.req += u32::try_from(AT_ONCE).unwrap();
        client.send(&puts).await;
        for req in first..=client.req {
            if client.answer(req).await == AnswerCode::Done {
                taken.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_puts_and_acks_keeps_no_client_out_for_long() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let args = ["init", "--segment-mib", "1", "--max-mib", "8", "--data"];
    assert!(program().args(args).arg(&data).stdout(std::process::Stdio::null()).status().unwrap().success());
    std::fs::write(data.join("config.toml"), format!("{HURRIED}\ndead_bytes_s = 2\n")).unwrap();
    let relay = Relay::serve(&data, &[]);
    let mut client = Client::connect(&relay.address, 1).await;
    let (hostile, own) = (Arc::new(Mailbox::new()), Mailbox::new());
    assert_eq!(client.create(&hostile).await, AnswerCode::Done);
    assert_eq!(client.create(&own).await, AnswerCode::Done);
    let taken = Arc::new(AtomicU64::new(0));
    let reading = tokio::spawn(read(relay.address.clone(), Arc::clone(&hostile)));
    let flooding = tokio::spawn(flood(relay.address.clone(), Arc::clone(&hostile), Arc::clone(&taken)));
    let (mut put, mut refused) = (0, 0);
    while taken.load(Ordering::Relaxed) < FLOOD || put < 20 {
        assert!(!reading.is_finished() && !flooding.is_finished(), "the links stand");
        let begun = Instant::now();
        while client.put(&own.send, blob(SizeClass::Medium)).await != AnswerCode::Done {
            refused += 1;
            assert!(begun.elapsed() < Duration::from_secs(20), "{put} puts, and then none for 20 s");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        put += 1;
        if put % 16 == 0 {
            let mut reader = Client::connect(&relay.address, 2).await;
            reader.subscribe(1, &own.read).await;
            for tag in 1..=16 {
                reader.delivery().await;
                reader.ack(1, tag).await;
            }
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    flooding.abort();
    reading.abort();
    // The limit is not reached by others' patience: most puts are taken at once.
    assert!(refused <= put, "{refused} refusals of {put} puts");
    let length = std::fs::metadata(data.join("store.shred")).unwrap().len();
    assert!(length <= 40_960 + (8 << 20), "{length}");
    assert!(relay.stop());
}
