//! The cost of the statistics: a claim and a put with the tables of a day and without them.
//!
//! `cargo bench -p deaddrop-relay --bench statistics`. A claim is timed by the clock, a put by the
//! processor time of all threads (on Linux alone). The store lies in memory and there is no link,
//! so that a real put costs more.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

#[path = "../tests/common/many_mailboxes.rs"]
mod many_mailboxes;

use deaddrop_relay::clock::Now;
use deaddrop_relay::hints::Hints;
use deaddrop_relay::kept::{KeptStore, ShredBacking};
use deaddrop_relay::store::{Claim, ConnectedReader, Store, Verdict};
use deaddrop_relay::{Limits, StoreKey};
use deaddrop_shred::{Geometry, MemoryDisk, Shred};
use deaddrop_wire::{Blob, ClientToken, Day, MailboxId, SendId};
use many_mailboxes::create_mailboxes;
use std::sync::Arc;
use std::time::Instant;

const DAY_MS: u64 = 86_400_000;
const MAILBOXES: u64 = 1_000;

type Kept = KeptStore<ShredBacking<MemoryDisk>>;

fn morning(day: u32) -> Now {
    Now::new(Day::from_number(20_000 + day), u64::from(day) * DAY_MS)
}

fn id(number: u64) -> [u8; 32] {
    let mut id = [0; 32];
    id.iter_mut().zip(number.to_le_bytes()).for_each(|(place, byte)| *place = byte);
    id
}

/// Makes a store whose second day has begun, so that the tables run unless there are none.
async fn open(statistics_slots: u32) -> Kept {
    let limits = Limits { statistics_slots, mailbox_put_burst: 100_000, ..Limits::DEFAULT };
    let geometry = Geometry { max_segments: 1_000, ..Geometry::server() };
    let (key, rng) = (StoreKey::from_bytes([1; 32]), &mut rand::rng());
    let shred = Shred::create(MemoryDisk::new(), &geometry, &key.unlock(), rng).unwrap();
    let store = KeptStore::over(shred, &key, limits, rng).unwrap();
    create_mailboxes(&store, MAILBOXES, morning(0)).await;
    for day in 0..2 {
        store.sweep(morning(day), 1_000).await;
    }
    store
}

/// Returns the nanoseconds for which the threads of this process have run.
fn processor_ns() -> f64 {
    let Ok(tasks) = std::fs::read_dir("/proc/self/task") else { return 0.0 };
    let of_task = |path: std::path::PathBuf| {
        let text = std::fs::read_to_string(path.join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<f64>().ok()
    };
    tasks.filter_map(|task| of_task(task.ok()?.path())).sum()
}

/// Returns the nanoseconds that a claim takes.
async fn time_claims(store: &Kept, rounds: u64) -> f64 {
    let reader =
        ConnectedReader { token: ClientToken::from_bytes([1; 16]), hints: Arc::new(Hints::default()) };
    let begin = Instant::now();
    for _ in 0..rounds {
        for number in 0..MAILBOXES {
            let claim = Claim { read: MailboxId::from_bytes(id(number)), sub: 1 };
            assert!(store.claim(vec![claim], &reader, morning(1)).await.iter().all(Result::is_ok));
        }
    }
    begin.elapsed().as_secs_f64() * 1e9 / (rounds * MAILBOXES) as f64
}

/// Returns the nanoseconds that a put takes, of many at once.
async fn time_puts(store: &Kept, number: u8) -> f64 {
    let put = |mailbox: u64| {
        let mut bytes = vec![number; 4_096];
        bytes.splice(..8, mailbox.to_le_bytes());
        (SendId::from_bytes(id(mailbox)), Blob::new(bytes).unwrap())
    };
    let puts: Vec<_> = (0..MAILBOXES).map(put).collect();
    let begin = processor_ns();
    let verdicts = store.put(puts, morning(1)).await;
    let taken = (processor_ns() - begin) / MAILBOXES as f64;
    assert!(verdicts.iter().all(|verdict| *verdict == Verdict::Done));
    taken
}

fn main() {
    let is_bench = std::env::args().any(|argument| argument == "--bench");
    let rounds = if is_bench { 41 } else { 1 };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let stores = [open(0).await, open(4_096).await];
        // Turns between the two, so that what else the machine does meets both.
        let mut claims: [Vec<f64>; 2] = [Vec::new(), Vec::new()];
        let mut puts: [Vec<f64>; 2] = [Vec::new(), Vec::new()];
        for round in 0..rounds {
            for (store, (claims, puts)) in stores.iter().zip(claims.iter_mut().zip(&mut puts)) {
                claims.push(time_claims(store, 5).await);
                puts.push(time_puts(store, round).await);
            }
        }
        let median = |mut all: Vec<f64>| {
            all.sort_by(f64::total_cmp);
            all.get(all.len() / 2).copied().unwrap_or_default()
        };
        let ([without, with], [put_without, put_with]) = (claims.map(median), puts.map(median));
        let cost = with - without;
        println!("a claim: {without:.0} ns, with statistics {with:.0} ns: {cost:.0} ns for them");
        let percent = 100.0 * cost / put_without;
        println!("a put: {put_without:.0} ns, with statistics {put_with:.0} ns; the cost above is {percent:.1} % of it");
    });
}
