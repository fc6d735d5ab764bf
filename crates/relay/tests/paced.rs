//! Links that send lists of requests as fast as they can, against the real relay: the relay reads them at the rate of entries, nothing
//! is refused, and a link of another network is answered meanwhile (spec/12-relay.md section 7.4).
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::*;
use deaddrop_wire::item::{Ping, Subscribe, Subscription};
use deaddrop_wire::{Item, PresentedRead};
use std::fs::File;
use std::process::Stdio;
use std::time::Duration;

/// The rates: two lists of 4,096 entries are more than a link may send at once, and three are more
/// than a prefix may. A list beyond that is answered, and then the link is not read until the test
/// ends.
const LIMITS: &str = "\
proxies = [\"127.0.0.1\"]
[limits]
entries_per_s = 1
entries_burst = 5000
entries_per_s_per_prefix = 1
entries_burst_per_prefix = 9000
";

fn absent(first: u32) -> Item {
    let mailboxes = (first..first + 4_096)
        .map(|sub| Subscription { sub, read: PresentedRead::from_bytes([7; 32]) })
        .collect();
    Subscribe { req: first, mailboxes }.into()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_asks_for_too_much_is_not_read_and_the_others_are() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    init(&data);
    std::fs::write(data.join("config.toml"), LIMITS).unwrap();
    let log = dir.path().join("log");
    let relay = Relay::serve_with(&data, &[], Stdio::from(File::create(&log).unwrap()));
    let mut hostile = Vec::new();
    for token in [1, 2, 3] {
        hostile.push(Client::connect_from(&relay.address, "198.51.100.7", token).await.unwrap());
    }
    for link in &mut hostile[..2] {
        link.send(&[absent(1)]).await;
        let answer = link.until(|item| matches!(item, Item::Subscribed(_))).await;
        assert!(matches!(answer, Item::Subscribed(subscribed) if subscribed.refused.len() == 4_096));
    }
    // A second list goes beyond the burst of its link, and a third one beyond that of the prefix.
    hostile[0].send(&[absent(10_000)]).await;
    hostile[2].send(&[absent(1)]).await;
    let mut honest = Client::connect_from(&relay.address, "203.0.113.7", 4).await.unwrap();
    for nonce in 0..1_000 {
        honest.send(&[Ping { nonce }.into()]).await;
        assert!(matches!(honest.next().await, Item::Pong(pong) if pong.nonce == nonce));
    }
    for late in [0, 2] {
        let answer = hostile[late].until(|item| matches!(item, Item::Subscribed(_)));
        let answer = tokio::time::timeout(Duration::from_secs(1), answer).await;
        assert!(answer.is_err(), "link {late} is not served: {answer:?}");
    }
    hostile[1].send(&[Ping { nonce: 10 }.into()]).await;
    assert!(
        matches!(hostile[1].until(|item| matches!(item, Item::Pong(_))).await, Item::Pong(_)),
        "a small request"
    );
    assert!(told(&log, "entries_per_s_per_prefix").await.contains("links were not read"));
    assert!(relay.stop());
}
