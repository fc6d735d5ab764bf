//! Measures texts from app to app over loopback: two clients with vaults on disk, a real relay as a process of its own.
//!
//! Prints texts per second one way, the round of one text (`send` to the other app's event), and beside them the floor of
//! this machine's disk: a 4 KiB overwrite with `fdatasync`.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout
)]

use std::{
    fs::{self, File},
    io::{Seek, Write},
    path::Path,
    process::ExitCode,
    time::{Duration, Instant},
};

use deaddrop_cli::demo::relay_process::RelayProcess;
use deaddrop_client::{Client, Config, EventKind, Unlock};

const TEXTS: usize = 2_000;
const ROUNDS: usize = 300;

fn main() -> ExitCode {
    // The relay process is this program, started again.
    if std::env::args().nth(1).is_some_and(|word| word == "relay") {
        return deaddrop_cli::run(std::env::args_os());
    }
    let is_bench = std::env::args().any(|word| word == "--bench");
    tokio::runtime::Runtime::new().unwrap().block_on(measure(is_bench));
    ExitCode::SUCCESS
}

async fn measure(is_bench: bool) {
    let (texts, rounds) = if is_bench { (TEXTS, ROUNDS) } else { (20, 5) };
    let folder = tempfile::tempdir().unwrap();
    let relay = RelayProcess::start(&folder.path().join("relay")).await.unwrap();
    let config =
        Config { receipt_delay: Duration::from_millis(20)..Duration::from_millis(200), ..Config::default() };
    let address = relay.address().parse().ok();
    let person = |name: &str| {
        Client::create(folder.path().join(name), Unlock::KeyFile, address.clone(), config.clone())
    };
    let (ada, ben) = (person("ada").await.unwrap(), person("ben").await.unwrap());
    let link = ada.invite("Ben").await.unwrap();
    ben.accept(&link, "Ada").await.unwrap();
    let mut seen = (0, 0);
    ben.send("Ada", "hello").await.unwrap();
    next_text(&ada, &mut seen.0).await;
    ada.send("Ben", "hello").await.unwrap();
    next_text(&ben, &mut seen.1).await;

    let mut laps = Vec::new();
    for _ in 0..rounds {
        let begin = Instant::now();
        ben.send("Ada", "ping").await.unwrap();
        next_text(&ada, &mut seen.0).await;
        laps.push(begin.elapsed());
        // The other direction makes each text a turn of its own.
        ada.send("Ben", "pong").await.unwrap();
        next_text(&ben, &mut seen.1).await;
    }
    let (median, p99) = spread(laps);
    let mut laps = Vec::new();
    for _ in 0..rounds {
        let begin = Instant::now();
        ben.send("Ada", "and another").await.unwrap();
        next_text(&ada, &mut seen.0).await;
        laps.push(begin.elapsed());
    }
    let (same, same_p99) = spread(laps);

    let begin = Instant::now();
    let sending = async {
        for number in 0..texts {
            ben.send("Ada", &format!("text {number}")).await.unwrap();
        }
        begin.elapsed()
    };
    let receiving = async {
        for number in 0..texts {
            assert_eq!(next_text(&ada, &mut seen.0).await, format!("text {number}"));
        }
        begin.elapsed()
    };
    let (sent, received) = tokio::join!(sending, receiving);
    let rate = |time: Duration| texts as f64 / time.as_secs_f64();
    let (floor, floor_p99) = floor(folder.path(), rounds);
    println!(
        "one way: {:.0} texts/s from app to app, {:.0} texts/s into the sender's vault ({texts} texts)",
        rate(received),
        rate(sent)
    );
    println!("one text, send to event, each a new turn: median {median:?}, p99 {p99:?} ({rounds} rounds)");
    println!("one text, send to event, within one turn: median {same:?}, p99 {same_p99:?} ({rounds} rounds)");
    println!("floor, 4 KiB overwrite and fdatasync: median {floor:?}, p99 {floor_p99:?}");
    println!("one text takes {:.1} times the floor", median.as_secs_f64() / floor.as_secs_f64());
    ada.close().await.unwrap();
    ben.close().await.unwrap();
    relay.stop().await;
}

async fn next_text(client: &Client, seen: &mut u64) -> String {
    loop {
        let event = client.next_event(*seen).await.unwrap();
        *seen = event.number;
        if let EventKind::MessageReceived { text, .. } = event.kind {
            return text;
        }
    }
}

fn floor(folder: &Path, rounds: usize) -> (Duration, Duration) {
    let path = folder.join("floor");
    fs::write(&path, vec![0; 4_096]).unwrap();
    let mut file = File::options().write(true).open(&path).unwrap();
    file.sync_all().unwrap();
    let laps = (0..rounds).map(|round| {
        let begin = Instant::now();
        file.rewind().unwrap();
        file.write_all(&[u8::try_from(round % 256).unwrap(); 4_096]).unwrap();
        file.sync_data().unwrap();
        begin.elapsed()
    });
    spread(laps.collect())
}

/// Returns the median and the 99th percentile of the durations.
fn spread(mut laps: Vec<Duration>) -> (Duration, Duration) {
    laps.sort();
    (laps[laps.len() / 2], laps[laps.len() * 99 / 100])
}
