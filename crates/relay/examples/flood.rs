//! Floods a relay of one's own, or measures how long an honest client waits beside a flood. `scripts/floods` runs it.
//!
//! `flood half-open|upgrades|handshakes|invites|requests --to ADDRESS --per-s N --seconds N [--from IP]...` plays one flood.
//! `flood honest --to ADDRESS --pid PID [--from IP] --name TEXT` prints one row of the table, and fails when an admission takes more
//! than 2 s.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

#[path = "../tests/common/flood.rs"]
mod flood;
#[path = "../tests/common/process.rs"]
mod process;

use clap::{Parser, ValueEnum};
use deaddrop_wire::RelayAddress;
use deaddrop_wire::item::AnswerCode;
use flood::{Flood, Play, Target, enter};
use std::net::IpAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Longest time that an honest client may wait.
const WITHIN: Duration = Duration::from_secs(2);
/// Time after which an honest client is said to be kept out.
const PATIENCE: Duration = Duration::from_secs(15);
/// Time between the beginnings of two honest tries.
const SPACING: Duration = Duration::from_millis(700);

/// Floods a relay, or measures how long an honest client waits.
#[derive(Debug, Parser)]
struct Arguments {
    kind: Kind,
    /// The relay's address.
    #[arg(long)]
    to: RelayAddress,
    /// Source addresses, in turn.
    #[arg(long)]
    from: Vec<IpAddr>,
    /// Connections that a flood begins in a second.
    #[arg(long, default_value_t = 100)]
    per_s: u32,
    /// Seconds of the flood.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Connections that a flood holds.
    #[arg(long, default_value_t = 4_000)]
    holds: usize,
    /// Honest tries.
    #[arg(long, default_value_t = 45)]
    tries: u32,
    /// Milliseconds of a round trip on the honest client's line.
    #[arg(long, default_value_t = 100)]
    round_trip_ms: u64,
    /// The relay's process.
    #[arg(long)]
    pid: Option<u32>,
    /// Name of the row.
    #[arg(long, default_value = "honest")]
    name: String,
    /// Resident memory of the relay before the flood, in KiB.
    #[arg(long, default_value_t = 0)]
    before_kib: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kind {
    HalfOpen,
    Upgrades,
    Handshakes,
    Invites,
    Requests,
    Honest,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let target = Target::new(&arguments.to);
    let play = match arguments.kind {
        Kind::HalfOpen => Play::HalfOpen,
        Kind::Upgrades => Play::Upgrades,
        Kind::Handshakes => Play::Handshakes,
        Kind::Invites => Play::Invites,
        Kind::Requests => Play::Requests,
        Kind::Honest => return Box::pin(measure(arguments, target)).await,
    };
    let flood = Flood {
        play,
        target,
        from: arguments.from,
        per_s: arguments.per_s,
        lasts: Duration::from_secs(arguments.seconds),
        holds: arguments.holds,
    };
    let counts = Box::pin(flood.run(ended())).await;
    println!("{:?}: {} begun, {} came so far as meant", arguments.kind, counts.begun, counts.came_so_far);
    ExitCode::SUCCESS
}

/// Resolves when the process is asked to end.
async fn ended() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        signal(SignalKind::terminate()).expect("a signal").recv().await;
    }
    #[cfg(not(unix))]
    std::future::pending().await
}

/// Measures honest admissions and the relay's memory and processor time, and prints a row.
async fn measure(arguments: Arguments, target: Target) -> ExitCode {
    let (from, round_trip) =
        (arguments.from.first().copied(), Duration::from_millis(arguments.round_trip_ms));
    let peak = Arc::new(AtomicU64::new(0));
    let watching = arguments.pid.map(|pid| {
        let peak = Arc::clone(&peak);
        tokio::spawn(async move {
            loop {
                peak.fetch_max(process::memory_kib(pid), Ordering::Relaxed);
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        })
    });
    let (begun, ticks_before) =
        (Instant::now(), arguments.pid.and_then(process::processor_ticks).unwrap_or(0));
    let (mut waits, mut attempts, mut in_time, mut made) = (Vec::new(), 0, 0, 0);
    for _ in 0..arguments.tries {
        let next = Instant::now() + SPACING;
        let entered = Box::pin(enter(&target, from, round_trip, PATIENCE)).await;
        attempts += entered.attempts;
        let is_in_time = entered.link.is_some() && entered.took <= WITHIN;
        in_time += u32::from(is_in_time);
        waits.push(entered.took);
        if let Some(mut link) = entered.link
            && let Ok(Some((AnswerCode::Done, ..))) = tokio::time::timeout(WITHIN, link.create()).await
        {
            made += 1;
        }
        tokio::time::sleep_until(next.into()).await;
    }
    let spent = arguments.pid.and_then(process::processor_ticks).unwrap_or(0).saturating_sub(ticks_before);
    watching.inspect(|task| task.abort());
    waits.sort_unstable();
    let at =
        |part: usize| waits.get(waits.len() * part / 100).or(waits.last()).map_or(0, |wait| wait.as_millis());
    println!(
        "| {} | {in_time} of {} | {} | {} | {} | {attempts} | {made} | {} | {} | {:.0} % |",
        arguments.name,
        arguments.tries,
        at(50),
        at(95),
        at(100),
        arguments.before_kib,
        peak.load(Ordering::Relaxed),
        spent as f64 / begun.elapsed().as_secs_f64(),
    );
    if in_time == arguments.tries { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
