//! Measures texts of 59 kB over slow lines: in both directions at once, between a person behind the line and one beside the relay.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout
)]

#[cfg(target_os = "linux")]
#[path = "../tests/slow/world.rs"]
mod world;

#[cfg(target_os = "linux")]
fn main() {
    use deaddrop_relay::Limits;
    use deaddrop_testkit::line::Rates;
    use std::time::Duration;
    use world::{World, exchange};

    let is_bench = std::env::args().any(|word| word == "--bench");
    let plan: &[(u32, u32, usize)] = match is_bench {
        true => &[(16_000, 8_000, 15), (2_000, 2_000, 1), (2_000, 2_000, 4)],
        false => &[(200_000, 200_000, 1)],
    };
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        for (up, down, count) in plan.iter().copied() {
            println!("{up} bytes/s up, {down} down");
            let world = World::new(Rates { up, down }, Limits::DEFAULT, |_| {}).await;
            exchange(&world, Duration::ZERO, (count, 59_000), Duration::from_secs(900)).await;
        }
    });
}

#[cfg(not(target_os = "linux"))]
fn main() {}
