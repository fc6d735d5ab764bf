//! Two people and a real relay, one of the people behind a slow line: every blob arrives, and the links stay open.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout
)]
// The whole of 127.0.0.0/8 is this machine on Linux alone.
#![cfg(target_os = "linux")]

mod commands;
#[path = "../common/mod.rs"]
mod common;
mod world;

use std::time::{Duration, Instant};

use deaddrop_relay::Limits;
use deaddrop_testkit::line::Rates;
use tokio::time::{sleep, timeout};
use world::{PATIENCE, World, exchange, receive};

/// Sending a text takes more than twice as long as a put may wait for its answer, and longer than
/// the silence that ends a link at this relay.
#[tokio::test(flavor = "multi_thread")]
async fn long_texts_cross_a_slow_line_both_ways_over_links_that_stand() {
    let limits = Limits { stall_ms: 2_000, ping_min_s: 2, ping_max_s: 2, ..Limits::DEFAULT };
    let rates = Rates { up: 10_000, down: 10_000 };
    let world = World::new(rates, limits, |config| config.putter_idle = Duration::from_secs(3)).await;
    let rest = Duration::from_secs(4);
    let connections = exchange(&world, rest, (1, 59_000), Duration::from_secs(40)).await;
    assert!(connections <= 1, "{connections}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invite_over_a_slow_line_takes_as_long_as_its_connections_and_answers() {
    let rates = Rates { up: 8_000, down: 8_000 };
    let world = World::new(rates, Limits::DEFAULT, |config| config.patience = Duration::from_secs(2)).await;
    let ada = world.ada().await;
    ada.invite("Ben").await.unwrap();
    ada.close().await.unwrap();
}

/// A relay that ends a link after 5 s of silence. A reading link and a putting link are idle for
/// longer, so they have to send pings.
#[tokio::test(flavor = "multi_thread")]
async fn links_stand_at_a_relay_that_wants_to_hear_something_every_five_seconds() {
    let limits = Limits { ping_max_s: 2, ..Limits::DEFAULT };
    let world = World::new(Rates { up: 1_000_000, down: 1_000_000 }, limits, |_| {}).await;
    let (ada, ben) = world.pair().await;
    let before = world.line.connections();
    sleep(Duration::from_secs(8)).await;
    let after = ben.events_after(0).unwrap().last().unwrap().number;
    ada.send("Ben", "still here").await.unwrap();
    let heard = timeout(PATIENCE, receive(&ben, after, 1, Instant::now())).await.unwrap();
    assert_eq!(heard, ["still here"]);
    assert_eq!(world.line.connections(), before, "no link was lost");
    ada.close().await.unwrap();
    ben.close().await.unwrap();
}
