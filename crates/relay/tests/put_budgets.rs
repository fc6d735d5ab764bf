//! A hostile address prefix that puts over many links as fast as it can, against the real relay:
//! all its links together get the budget of their prefix, each refusal tells when to come again,
//! and a client of another prefix puts all it wants.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::*;
use deaddrop_wire::item::{Answer, AnswerCode, Put};
use deaddrop_wire::{Item, RelayAddress, SizeClass};
use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

const LINKS: u32 = 32;
const AT_ONCE: u32 = 16;
/// Number of blobs of the smallest class that the hostile prefix may put: more than one mailbox
/// holds, and fewer than the mailboxes of all its links hold.
const BUDGET: u64 = 1_000;

/// Numbers of answers to the puts of all hostile links: Done, Busy with a `retry_s` of at least an
/// hour, and all others.
#[derive(Default)]
struct Counts {
    done: AtomicU64,
    busy: AtomicU64,
    other: AtomicU64,
}

/// Puts over the hostile link `number` without a pause until `stop` is set, and counts the answers.
async fn flood(
    relay: RelayAddress,
    number: u32,
    mailbox: Arc<Mailbox>,
    counts: Arc<Counts>,
    stop: Arc<AtomicBool>,
) {
    let mut client = Client::connect_from(&relay, &format!("198.51.100.{number}"), 1).await.unwrap();
    let blob = |req: u32| {
        let mut bytes = vec![0; SizeClass::Small.bytes()];
        bytes[..4].copy_from_slice(&req.to_le_bytes());
        deaddrop_wire::Blob::new(bytes).unwrap()
    };
    let mut first = 1;
    while !stop.load(Ordering::Relaxed) {
        let reqs = first..first + AT_ONCE;
        first = reqs.end;
        let send = || mailbox.send.present(&client.relay);
        let puts: Vec<Item> =
            reqs.clone().map(|req| Put { req, send: send(), blob: blob(req) }.into()).collect();
        client.send(&puts).await;
        for req in reqs {
            let of_this = |item: &Item| matches!(item, Item::Answer(answer) if answer.req == req);
            let count = match client.until(of_this).await {
                Item::Answer(Answer { code: AnswerCode::Done, .. }) => &counts.done,
                // A token a second: 4,096 are more than an hour away.
                Item::Answer(Answer { code: AnswerCode::Busy, retry_s: 3_600.., .. }) => &counts.busy,
                _ => &counts.other,
            };
            count.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_links_of_one_prefix_put_the_budget_of_one_prefix() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    init(&data);
    let limits = format!(
        "handshake_burst_per_prefix = 100\nput_bytes_per_s_per_prefix = 1\nput_bytes_burst_per_prefix = {}\n",
        BUDGET * 4_096
    );
    std::fs::write(data.join("config.toml"), format!("proxies = [\"127.0.0.1\"]\n{HURRIED}{limits}"))
        .unwrap();
    let log = dir.path().join("log");
    let relay = Relay::serve_with(&data, &[], File::create(&log).unwrap().into());
    // No header: it counts for the proxies, which have no budget of their own.
    let mut owner = Client::connect(&relay.address, 1).await;
    let (counts, stop) = (Arc::<Counts>::default(), Arc::<AtomicBool>::default());
    let mut flooders = tokio::task::JoinSet::new();
    for number in 1..=LINKS {
        let mailbox = Arc::new(Mailbox::new());
        assert_eq!(owner.create(&mailbox).await, AnswerCode::Done);
        let (relay, counts, stop) = (relay.address.clone(), Arc::clone(&counts), Arc::clone(&stop));
        flooders.spawn(flood(relay, number, mailbox, counts, stop));
    }
    let own = Mailbox::new();
    assert_eq!(owner.create(&own).await, AnswerCode::Done);
    while counts.busy.load(Ordering::Relaxed) + counts.other.load(Ordering::Relaxed) == 0 {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    let mut honest = Client::connect_from(&relay.address, "203.0.113.7", 2).await.unwrap();
    for number in 0..20 {
        let class = SizeClass::ALL[number % 3];
        assert_eq!(honest.put(&own.send, blob(class)).await, AnswerCode::Done, "put {number}");
    }
    assert_eq!(owner.put(&own.send, blob(SizeClass::Small)).await, AnswerCode::Done, "behind the proxy");
    // A link that begins now gets nothing new.
    let mut late = Client::connect_from(&relay.address, "198.51.100.200", 3).await.unwrap();
    assert_eq!(late.put(&own.send, blob(SizeClass::Small)).await, AnswerCode::Busy);
    stop.store(true, Ordering::Relaxed);
    while let Some(ended) = flooders.join_next().await {
        ended.unwrap();
    }
    let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
    assert_eq!((count(&counts.done), count(&counts.other)), (BUDGET, 0));
    assert!(count(&counts.busy) > 0);
    told(&log, "puts were refused: more bytes came than").await;
    assert!(relay.stop());
}
