//! Years of a relay in one run: blobs of 4 KiB put, delivered and acked, many times what its store
//! may hold; the real program.
//!
//! `cargo bench -p deaddrop-relay --bench steady -- BLOBS` (ten million unless told, with a store
//! of 2 GiB). For each tenth it prints the rate, its ratio to a floor (a tenth as many bytes in one
//! file, written and synced 256 blobs at a time; slices of both take turns), the length of the
//! store and the memory of the relay; at the end, the ratio of the last tenth to that of the third.
//! It fails when the store is larger than its limit, when a blob is lost, or when sealed bytes are
//! left at the end.
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
use deaddrop_wire::{Blob, Item, SizeClass};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

const PAIRS: u32 = 8;
/// Maximum number of blobs of one pair that are put and not destroyed yet: fewer than a mailbox
/// holds (256), so that no put is refused as Full.
const WINDOW: usize = 128;
const PARTS: u32 = 10;
const MAX_MIB: u64 = 2_048;
/// Number of blobs that the floor writes at once and syncs; its file has `FLOOR_MIB` MiB. The
/// *floor* is the speed of the disk alone: the same bytes, written and synced.
const FLOOR_AT_ONCE: usize = 256;
const FLOOR_MIB: usize = 64;
/// The floor writes one blob for each `FLOOR_PART` blobs that pass through the relay.
const FLOOR_PART: u32 = 10;
/// Maximum number of slices of each tenth of the run. The floor is measured between slices, because
/// the speed of the machine changes from minute to minute.
const SLICES: u32 = 25;

/// One mailbox with its sender and its reader, each on a link of its own.
struct Pair {
    putter: Client,
    reader: Client,
    mailbox: Mailbox,
    /// Tag of the last delivery; `destroyed` is the tag up to which all blobs are destroyed.
    delivered: u32,
    destroyed: u32,
}

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let told = arguments.find_map(|argument| argument.parse::<u32>().ok());
    // `cargo test --benches` only wants to see it run.
    let is_bench = std::env::args().any(|argument| argument == "--bench");
    let blobs = told.unwrap_or(if is_bench { 10_000_000 } else { 1_600 });
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let mib = MAX_MIB.to_string();
    let args = ["init", "--segment-mib", "16", "--max-mib", &mib, "--data"];
    assert!(program().args(args).arg(&data).stdout(std::process::Stdio::null()).status().unwrap().success());
    std::fs::write(data.join("config.toml"), HURRIED).unwrap();
    let relay = Relay::serve(&data, &[]);
    let floor = zeroed(&dir.path().join("floor"));
    let mut pairs = Vec::new();
    for number in 0..PAIRS {
        let mailbox = Mailbox::new();
        let mut reader = Client::connect(&relay.address, u8::try_from(number).unwrap() + 1).await;
        assert_eq!(reader.create(&mailbox).await, AnswerCode::Done);
        reader.subscribe(1, &mailbox.read).await;
        let putter = Client::connect(&relay.address, 0).await;
        pairs.push(Pair { putter, reader, mailbox, delivered: 0, destroyed: 0 });
    }
    // A short run has fewer slices, each of at least one write of the floor.
    let slices = (blobs / PARTS / PAIRS / 320).clamp(1, SLICES);
    let slice = blobs / PARTS / PAIRS / slices;
    let mut ratios = Vec::new();
    for number in 1..=PARTS {
        let (mut time, mut busy) = (Duration::ZERO, 0);
        let (mut floor_blobs, mut floor_time) = (0, Duration::ZERO);
        for _ in 0..slices {
            let begun = Instant::now();
            let tasks: Vec<_> = pairs.drain(..).map(|pair| tokio::spawn(pass(pair, slice))).collect();
            for task in tasks {
                let (pair, refused) = task.await.unwrap();
                busy += refused;
                pairs.push(pair);
            }
            time += begun.elapsed();
            let (written, took) = write_floor(&floor, slice * PAIRS / FLOOR_PART);
            (floor_blobs, floor_time) = (floor_blobs + written, floor_time + took);
        }
        let blobs = slice * slices * PAIRS;
        let rate = f64::from(blobs) / time.as_secs_f64();
        let floor_rate = floor_blobs as f64 / floor_time.as_secs_f64();
        ratios.push(rate / floor_rate);
        let length = std::fs::metadata(data.join("store.shred")).unwrap().len();
        println!(
            "{:>9} blobs: {rate:.0}/s, floor {floor_rate:.0}/s, ratio {:.3}; {} MiB of store, {} MiB of memory, {busy} refusals",
            blobs * number,
            rate / floor_rate,
            length >> 20,
            relay.memory_kib() >> 10,
        );
        assert!(length <= (MAX_MIB << 20) + (1 << 20), "{length} bytes");
    }
    println!("the last tenth has {:.2} of the ratio of the third", ratios[9] / ratios[2]);
    // A store with nothing to do zeroes what is dead at once.
    tokio::time::sleep(Duration::from_secs(10)).await;
    let left = pages(&data.join("store.shred"));
    println!("{left} pages of the store are not zero");
    assert!(left < 8_000, "slots, cells and headers take fewer");
    assert!(relay.stop());
}

/// Puts `blobs` blobs, and reads and acks them. Returns the pair, and the number of puts that were
/// refused as Busy and put again.
async fn pass(pair: Pair, blobs: u32) -> (Pair, u64) {
    let Pair { putter, reader, mailbox, delivered, destroyed } = pair;
    let window = Arc::new(Semaphore::new(WINDOW));
    let reading = tokio::spawn(read(reader, Arc::clone(&window), delivered, destroyed, blobs));
    let (putter, mailbox, refused) = put(putter, mailbox, &window, blobs).await;
    let (reader, delivered, destroyed) = reading.await.unwrap();
    (Pair { putter, reader, mailbox, delivered, destroyed }, refused)
}

async fn put(mut client: Client, mailbox: Mailbox, window: &Semaphore, blobs: u32) -> (Client, Mailbox, u64) {
    let (mut left, mut open, mut refused) = (blobs, 0, 0);
    while left > 0 || open > 0 {
        let mut items = Vec::new();
        while left > 0
            && let Ok(permit) = window.try_acquire()
        {
            permit.forget();
            let mut bytes = vec![0x5a; SizeClass::Small.bytes()];
            let req = client.next_req();
            bytes[..4].copy_from_slice(&req.to_le_bytes());
            let send = mailbox.send.present(&client.relay);
            items.push(Put { req, send, blob: Blob::new(bytes).unwrap() }.into());
            (left, open) = (left - 1, open + 1);
        }
        if !items.is_empty() {
            client.send(&items).await;
        }
        if open == 0 {
            // The window is full: the reader has acked too few blobs.
            window.acquire().await.unwrap().forget();
            window.add_permits(1);
            continue;
        }
        let mut next = Some(client.next().await);
        while let Some(item) = next {
            if let Item::Answer(answer) = item {
                open -= 1;
                if answer.code != AnswerCode::Done {
                    assert_eq!(answer.code, AnswerCode::Busy);
                    (left, refused) = (left + 1, refused + 1);
                    window.add_permits(1);
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            }
            next = client.inbox.pop_front();
        }
    }
    (client, mailbox, refused)
}

async fn read(
    mut client: Client,
    window: Arc<Semaphore>,
    mut last: u32,
    mut destroyed: u32,
    blobs: u32,
) -> (Client, u32, u32) {
    let end = destroyed + blobs;
    while destroyed < end {
        let before = last;
        let mut next = Some(client.next().await);
        while let Some(item) = next {
            match item {
                Item::Deliver(deliver) => last = deliver.tag,
                Item::Acked(acked) => {
                    // Two Acked may come in reverse order; the one with the higher tag covers both.
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
    (client, last, destroyed)
}

/// Makes the file of the floor, written with zeros so that its blocks exist before the measurement.
fn zeroed(path: &Path) -> File {
    let file = File::create(path).unwrap();
    file.write_all_at(&vec![0; FLOOR_MIB << 20], 0).unwrap();
    file.sync_all().unwrap();
    file
}

/// Measures the floor: writes about `blobs` blobs to the file, and syncs after each
/// [`FLOOR_AT_ONCE`]. Returns the number of blobs written and the time.
fn write_floor(file: &File, blobs: u32) -> (usize, Duration) {
    let bytes = vec![0xa5; FLOOR_AT_ONCE * SizeClass::Small.bytes()];
    let writes = (blobs as usize / FLOOR_AT_ONCE).max(1);
    let begun = Instant::now();
    for number in 0..writes {
        let place = number * bytes.len() % (FLOOR_MIB << 20);
        file.write_all_at(&bytes, place as u64).unwrap();
        file.sync_data().unwrap();
    }
    (writes * FLOOR_AT_ONCE, begun.elapsed())
}

/// Returns the number of pages of 4,096 bytes of the file `path` that are not all zeros.
fn pages(path: &Path) -> usize {
    let (file, mut page) = (File::open(path).unwrap(), [0; 4_096]);
    let count = file.metadata().unwrap().len() / 4_096;
    let is_set = |number: &u64| {
        file.read_exact_at(&mut page, number * 4_096).unwrap();
        page.iter().any(|byte| *byte != 0)
    };
    (0..count).filter(is_set).count()
}
