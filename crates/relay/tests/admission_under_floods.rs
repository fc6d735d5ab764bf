//! Floods of every kind at once against the real program: honest clients get in, from a network of
//! their own and from behind a proxy that names no client. `scripts/floods` plays more of each, at
//! the default limits.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout
)]

mod common;
#[path = "common/flood.rs"]
mod flood;

use common::{Relay, init};
use flood::{Flood, Play, Target, enter};
use std::net::IpAddr;
use std::time::Duration;

/// Maximum time in which an honest client must get a link, all attempts together. The goal is 2 s
/// on a machine that does nothing else; here the floods run on the same machine.
const WITHIN: Duration = Duration::from_secs(10);
/// Number of times that each of the two honest clients connects.
const TRIES: usize = 6;

/// Returns one address in each of `count` networks (/24): 203.0.N.1, with N from `first` on.
fn networks(first: u8, count: u8) -> Vec<IpAddr> {
    (first..first + count).map(|number| IpAddr::from([203, 0, number, 1])).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn honest_clients_get_in_beside_floods_of_every_kind() {
    let dir = tempfile::tempdir().unwrap();
    init(dir.path());
    // The rates are a fifth of the default ones, so that a flood that uses them up costs this machine little.
    let config = "proxies = [\"127.0.0.1\"]\nproxy_protocol = true\n[limits]\nhandshakes_per_s = 100\nhalf_open = 200\n";
    std::fs::write(dir.path().join("config.toml"), config).unwrap();
    let relay = Relay::serve(dir.path(), &[]);
    let target = Target { announces: true, ..Target::new(&relay.address) };
    let (eight, many) = (networks(1, 8), networks(100, 64));
    let floods = [
        (Play::HalfOpen, eight.clone(), 80),
        (Play::Upgrades, vec![], 50),
        (Play::Handshakes, many, 250),
        (Play::Invites, eight, 10),
        (Play::Invites, vec![], 10),
    ];
    let mut playing = tokio::task::JoinSet::new();
    for (play, from, per_s) in floods {
        let lasts = Duration::from_secs(60);
        let flood = Flood { play, target: target.clone(), from, per_s, lasts, holds: 1_000 };
        playing.spawn(flood.run(std::future::pending()));
    }
    // By then the floods have used up what was full at the start.
    tokio::time::sleep(Duration::from_secs(5)).await;
    for number in 0..TRIES {
        let own = Some(IpAddr::from([198, 51, 100, 1]));
        for (who, from) in [("of its own network", own), ("behind the proxy", None)] {
            let entered = Box::pin(enter(&target, from, Duration::from_millis(50), WITHIN)).await;
            println!("{who}, {number}: {:?}, {} attempts", entered.took, entered.attempts);
            assert!(entered.link.is_some(), "{who}, {number}");
        }
    }
    assert!(playing.try_join_next().is_none(), "the floods were going on");
    playing.shutdown().await;
    assert!(relay.stop());
}
