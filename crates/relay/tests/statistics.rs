//! Statistics of a relay over days: the counts, the days that are recorded, and crashes around the
//! record (spec/16-statistics.md).
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;
#[path = "common/many_mailboxes.rs"]
mod many_mailboxes;

use common::{HURRIED, init, program};
use deaddrop_link::{RelayIdentity, RelaySeed};
use deaddrop_relay::clock::{Clock, Now, TimeSource};
use deaddrop_relay::data_dir::DataDir;
use deaddrop_relay::hints::Hints;
use deaddrop_relay::inspect;
use deaddrop_relay::kept::{KeptStore, ShredBacking};
use deaddrop_relay::proxy::Proxies;
use deaddrop_relay::server::{Order, Server};
use deaddrop_relay::session::SessionContext;
use deaddrop_relay::statistics::{Figure, Report};
use deaddrop_relay::store::*;
use deaddrop_relay::{Limits, StoreKey};
use deaddrop_shred::{Batch, Disk, Entry, Geometry, MemoryDisk, Record, RecordKey, Shred};
use deaddrop_testkit::rng;
use deaddrop_wire::{Blob, ClientToken, Day, MailboxId, SendId, SizeClass};
use many_mailboxes::create_mailboxes;
use serde_json::Value;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const DAY_MS: u64 = 86_400_000;
const FIRST: u32 = 20_785;
/// Key of the record of statistics.
const STATISTICS_KEY: RecordKey = RecordKey([0xfe; 16]);

/// Returns the beginning of the day with this number.
fn morning(day: u32) -> Now {
    Now::new(Day::from_number(FIRST + day), u64::from(day) * DAY_MS)
}

async fn sweep(store: &impl Store, now: Now) {
    while store.sweep(now, 1_000).await {}
}

/// A disk in memory that keeps an image of its bytes after each change while a test asks for that.
#[derive(Default)]
struct Imaged {
    disk: MemoryDisk,
    images: Mutex<Option<Vec<Vec<u8>>>>,
}

impl Imaged {
    fn note(&self) {
        if let Some(images) = &mut *self.images.lock().unwrap() {
            images.push(self.disk.to_bytes());
        }
    }
}

impl Disk for Imaged {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.disk.read_at(offset, buffer)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.disk.write_at(offset, bytes)?;
        self.note();
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        self.disk.sync()
    }

    fn length(&self) -> io::Result<u64> {
        self.disk.length()
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        self.disk.set_length(length)?;
        self.note();
        Ok(())
    }
}

type Kept = KeptStore<ShredBacking<Arc<Imaged>>>;

fn key() -> StoreKey {
    StoreKey::from_bytes([7; 32])
}

fn create_disk(max_segments: u32) -> Arc<Imaged> {
    let geometry = Geometry {
        segment_bytes: 1 << 20,
        slots_per_segment: 256,
        initial_segments: 1,
        max_segments,
        ..Geometry::server()
    };
    let disk = Arc::new(Imaged::default());
    drop(Shred::create(Arc::clone(&disk), &geometry, &key().unlock(), &mut rng(1)).unwrap());
    disk
}

fn open(disk: &Arc<Imaged>, limits: Limits) -> Kept {
    let shred = Shred::open(Arc::clone(disk), &key().unlock(), &mut rng(2)).unwrap();
    KeptStore::over(shred, &key(), limits, &mut rng(3)).unwrap()
}

fn report(disk: &Arc<Imaged>) -> Report {
    inspect::statistics(&Shred::open_read_only(Arc::clone(disk), &key().unlock()).unwrap())
}

/// Returns the estimate of a figure, or 0 if it is small.
fn estimate(figure: Figure) -> u64 {
    match figure {
        Figure::Few { .. } => 0,
        Figure::About { estimate, .. } => estimate,
        Figure::Many { .. } => panic!("the tables are large enough"),
    }
}

const MAILBOXES: u64 = 6_000;
/// Number of slots with which a table that no mailbox has touched is told from one that all have
/// touched, with an error in less than one run of a million.
const SLOTS: u32 = 8_192;
const FEW: u64 = 2_450;

fn id(number: u64) -> [u8; 32] {
    let mut id = [0; 32];
    id[..8].copy_from_slice(&number.to_le_bytes());
    id
}

async fn put_into_all(store: &Kept, class: SizeClass, now: Now) {
    for first in (0..MAILBOXES).step_by(500) {
        let put = |number| (SendId::from_bytes(id(number)), Blob::new(vec![1; class.bytes()]).unwrap());
        let verdicts = store.put((first..first + 500).map(put).collect(), now).await;
        let other = verdicts.into_iter().find(|verdict| *verdict != Verdict::Done);
        assert_eq!(other, None);
    }
}

async fn ack_all(store: &Kept, now: Now) {
    let reader =
        ConnectedReader { token: ClientToken::from_bytes([1; 16]), hints: Arc::new(Hints::default()) };
    for number in 0..MAILBOXES {
        let claim = Claim { read: MailboxId::from_bytes(id(number)), sub: 1 };
        let Claimed { handle, fence, newest } = store.claim(vec![claim], &reader, now).await[0].unwrap();
        assert_eq!(store.ack(vec![(handle, fence, vec![newest.unwrap()])], now).await, [Ok(())]);
    }
}

#[tokio::test]
async fn each_use_is_counted_in_its_tables() {
    let disk = create_disk(300);
    let limits = Limits { statistics_slots: SLOTS, unused_days: 30, ..Limits::DEFAULT };
    let store = open(&disk, limits);
    create_mailboxes(&store, MAILBOXES, morning(0)).await;
    sweep(&store, morning(0)).await;
    // Day 1 has puts, day 2 nothing, day 3 acks of blobs that are two days old, day 4 puts and acks.
    sweep(&store, morning(1)).await;
    put_into_all(&store, SizeClass::Small, morning(1)).await;
    put_into_all(&store, SizeClass::Small, morning(1)).await;
    sweep(&store, morning(2)).await;
    sweep(&store, morning(3)).await;
    ack_all(&store, morning(3)).await;
    sweep(&store, morning(4)).await;
    put_into_all(&store, SizeClass::Medium, morning(4)).await;
    ack_all(&store, morning(4)).await;
    sweep(&store, morning(5)).await;
    drop(store);
    let seen: Vec<_> = report(&disk)
        .days
        .into_iter()
        .map(|day| {
            let tables = [
                day.used,
                day.put_small,
                day.put_medium,
                day.put_large,
                day.acked_same_day,
                day.acked_next_day,
                day.acked_after_2_days,
                day.acked_after_7_days,
            ];
            let has_many = tables.map(|figure| u8::from(estimate(figure) > FEW));
            // The noise is below 200 except in one run of ten million.
            (day.day.number() - FIRST, has_many, day.blobs_put.map(|blobs| estimate(blobs).div_ceil(1_000)))
        })
        .collect();
    let rounded = |blobs: u64| (blobs.saturating_sub(200).div_ceil(1_000), (blobs + 200).div_ceil(1_000));
    let expected = [
        (1, [1, 1, 0, 0, 0, 0, 0, 0], Some(MAILBOXES)),
        (2, [0; 8], None),
        (3, [1, 0, 0, 0, 0, 0, 1, 0], Some(0)),
        (4, [1, 0, 1, 0, 1, 0, 0, 0], Some(MAILBOXES)),
    ];
    assert_eq!(seen.len(), expected.len());
    for (seen, (day, tables, blobs)) in seen.into_iter().zip(expected) {
        assert_eq!((seen.0, seen.1), (day, tables));
        let (least, most) = rounded(blobs.unwrap_or(0));
        assert_eq!(seen.2.is_some(), blobs.is_some(), "day {day}: no number of blobs of an unused day");
        assert!((least..=most).contains(&seen.2.unwrap_or(0)), "day {day}: {:?} thousand", seen.2);
    }
}

/// Runs `deaddrop-relay statistics` on the directory.
fn shown(data: &Path, json: bool) -> String {
    let mut command = program();
    command.args(["statistics", "--data"]).arg(data).args(json.then_some("--json"));
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Returns the shown days, each with its object.
fn shown_days(data: &Path) -> Vec<(String, Value)> {
    let shown: Value = serde_json::from_str(&shown(data, true)).unwrap();
    let days = shown["days"].as_array().unwrap();
    days.iter().map(|day| (day["day"].as_str().unwrap().to_owned(), day.clone())).collect()
}

#[tokio::test]
async fn a_day_is_recorded_once_and_a_restart_drops_the_running_one() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("data");
    init(&path);
    let data = DataDir::at(&path);
    let date = |day| Day::from_number(FIRST + day).to_string();
    assert!(shown(&path, false).starts_with("No day is recorded yet."));
    let store = data.open(Limits::DEFAULT, &mut rng(1)).unwrap();
    sweep(&store, morning(0)).await;
    sweep(&store, morning(1)).await;
    assert!(shown_days(&path).is_empty(), "day 0 did not begin in this process");
    sweep(&store, morning(2)).await;
    let first = shown_days(&path);
    assert_eq!(first[0].0, date(1));
    sweep(&store, Now { ms: morning(2).ms + 60_000, ..morning(2) }).await;
    assert_eq!(shown_days(&path), first, "no new noise");
    drop(store);
    let store = data.open(Limits::DEFAULT, &mut rng(1)).unwrap();
    sweep(&store, morning(2)).await;
    sweep(&store, morning(3)).await;
    assert_eq!(shown_days(&path), first, "the restart dropped day 2");
    sweep(&store, morning(4)).await;
    let second = shown_days(&path);
    assert_eq!((&second[..1], &second[1].0), (&first[..], &date(3)));
    let text = shown(&path, false);
    assert!(text.contains(&date(1)) && text.contains("  blobs put: ") && text.contains("Epsilon is 1.0 "));
    drop(store);
    // A relay whose statistics were turned off erases what was recorded before.
    let limits = Limits { statistics_slots: 0, ..Limits::DEFAULT };
    let store = data.open(limits, &mut rng(1)).unwrap();
    assert!(store.census().has_statistics);
    sweep(&store, morning(4)).await;
    assert!(shown_days(&path).is_empty() && !store.census().has_statistics);
    assert_eq!(data.look().unwrap().entry(&STATISTICS_KEY), None);
}

#[tokio::test]
async fn a_start_long_after_the_last_day_erases_the_record() {
    let disk = create_disk(4);
    let store = open(&disk, Limits::DEFAULT);
    for day in 0..3 {
        sweep(&store, morning(day)).await;
    }
    drop(store);
    for (day, is_there) in [(91, true), (92, false)] {
        let store = open(&disk, Limits::DEFAULT);
        sweep(&store, morning(day)).await;
        assert_eq!(
            (report(&disk).days.len(), store.census().has_statistics),
            (usize::from(is_there), is_there)
        );
    }
}

/// Opens the store for reading and returns the record of statistics.
fn record_of(disk: &Arc<Imaged>) -> Option<(Entry, Vec<u8>)> {
    let reader = Shred::open_read_only(Arc::clone(disk), &key().unlock()).unwrap();
    Some((reader.entry(&STATISTICS_KEY)?, reader.read(&STATISTICS_KEY).unwrap()))
}

#[tokio::test]
async fn the_record_holds_no_part_of_a_mailbox() {
    let disk = create_disk(4);
    let store = open(&disk, Limits::DEFAULT);
    create_mailboxes(&store, 30, morning(0)).await;
    sweep(&store, morning(0)).await;
    sweep(&store, morning(1)).await;
    let reader =
        ConnectedReader { token: ClientToken::from_bytes([1; 16]), hints: Arc::new(Hints::default()) };
    for number in 0..30 {
        let claim = Claim { read: MailboxId::from_bytes(id(number)), sub: 1 };
        assert!(store.claim(vec![claim], &reader, morning(1)).await[0].is_ok());
    }
    sweep(&store, morning(2)).await;
    drop(store);
    let (entry, body) = record_of(&disk).unwrap();
    assert_eq!((entry.meta, body.len()), ([4, 0, 0, 0, 0, 0, 0, 0], 49));
    let reader = Shred::open_read_only(Arc::clone(&disk), &key().unlock()).unwrap();
    // The kind of a mailbox is 1; its handle is the end of its `meta`.
    let mailboxes: Vec<Entry> = reader.entries().filter(|entry| entry.meta[0] == 1).collect();
    assert_eq!(mailboxes.len(), 30);
    for mailbox in mailboxes {
        let handle = &mailbox.meta[2..];
        assert!(mailbox.key.0.starts_with(handle), "this is the handle");
        assert!(!body.windows(4).any(|window| handle.windows(4).any(|part| part == window)));
    }
}

#[tokio::test]
async fn a_refused_record_is_told_and_erased_when_the_store_opens() {
    let disk = create_disk(4);
    let store = open(&disk, Limits::DEFAULT);
    for day in 0..3 {
        sweep(&store, morning(day)).await;
    }
    drop(store);
    let (entry, good) = record_of(&disk).unwrap();
    let changed = |at: usize, bytes: &[u8]| {
        let mut body = good.clone();
        body[at..at + bytes.len()].copy_from_slice(bytes);
        body
    };
    for (check, body, is_refused) in [
        ("none", good.clone(), false),
        ("S-01", changed(0, &[2]), true),
        ("S-01", good[..48].to_vec(), true),
        ("S-02", [&good[..], &good[1..]].concat(), true),
        ("S-03", changed(5, &1_023_u32.to_le_bytes()), true),
        ("S-03", changed(9, &u32::MAX.to_le_bytes()), true),
    ] {
        let mut shred = Shred::open(Arc::clone(&disk), &key().unlock(), &mut rng(2)).unwrap();
        let Entry { key: at, meta, expiry_day, .. } = entry;
        let batch = Batch { puts: vec![Record { key: at, meta, expiry_day, body }], erases: Vec::new() };
        shred.commit(batch, &mut rng(4)).unwrap();
        drop(shred);
        let before = report(&disk);
        assert_eq!((before.is_unreadable, before.days.is_empty()), (is_refused, is_refused), "{check}");
        assert_eq!(before.to_string().contains("is damaged or cannot be read"), is_refused, "{check}");
        assert!(!before.to_string().contains("No day is recorded yet"), "{check}");
        let store = open(&disk, Limits::DEFAULT);
        assert_eq!(store.census().has_statistics, !is_refused, "{check}");
        drop(store);
        assert_eq!(record_of(&disk).is_none(), is_refused, "{check}");
        assert_eq!(report(&disk).days.is_empty(), is_refused, "{check}");
        assert!(!report(&disk).is_unreadable, "{check}");
    }
}

#[tokio::test]
async fn a_crash_around_the_record_loses_the_day_or_keeps_its_one_figure() {
    let disk = create_disk(4);
    let store = open(&disk, Limits::DEFAULT);
    create_mailboxes(&store, 3, morning(0)).await;
    sweep(&store, morning(0)).await;
    sweep(&store, morning(1)).await;
    *disk.images.lock().unwrap() = Some(Vec::new());
    sweep(&store, morning(2)).await;
    drop(store);
    let images = disk.images.lock().unwrap().take().unwrap();
    let figures = serde_json::to_string(&report(&disk).days).unwrap();
    assert!(figures.starts_with(&format!("[{{\"day\":\"{}\"", Day::from_number(FIRST + 1))));
    let (mut lost, mut kept) = (0, 0);
    for image in images {
        let disk = Arc::new(Imaged { disk: MemoryDisk::from_bytes(image), images: Mutex::default() });
        let store = open(&disk, Limits::DEFAULT);
        for day in [2, 3, 4] {
            sweep(&store, morning(day)).await;
        }
        drop(store);
        let days = serde_json::to_string(&report(&disk).days[..1]).unwrap();
        if days == figures {
            kept += 1;
        } else {
            assert_eq!(report(&disk).days.len(), 1, "day 1 is not drawn again");
            lost += 1;
        }
        assert_eq!(report(&disk).days.last().unwrap().day.number(), FIRST + 3);
    }
    assert!(lost > 0 && kept > 0, "{lost} lost, {kept} kept");
}

/// The clocks of a test.
struct SetByHand {
    day: AtomicU32,
    ms: AtomicU64,
}

impl TimeSource for SetByHand {
    fn day(&self) -> Day {
        Day::from_number(self.day.load(Ordering::Relaxed))
    }

    fn elapsed_ms(&self) -> u64 {
        self.ms.load(Ordering::Relaxed)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_serves_records_the_day_that_its_clock_ends() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("data");
    init(&path);
    std::fs::write(path.join("config.toml"), format!("{HURRIED}sweep_every_ms = 10\n")).unwrap();
    let data = DataDir::at(&path);
    let limits = data.config(None).unwrap().limits;
    let store = data.open(limits.clone(), &mut rng(1)).unwrap();
    let time = Arc::new(SetByHand { day: AtomicU32::new(FIRST), ms: AtomicU64::new(0) });
    let clock = Clock::start_with(time.clone(), None, false).unwrap();
    let identity = RelayIdentity::from_seed(&RelaySeed::generate(&mut rng(2)));
    let socket = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let context = SessionContext::new(limits, None);
    let server = Server::new(socket, store, identity, context, clock, Proxies::default(), &mut rng(3));
    let (orders, ordered) = tokio::sync::mpsc::channel(1);
    let serving = tokio::spawn(server.run(ordered));
    let day = || {
        let reader = data.look().unwrap();
        inspect::calendar(&reader).map(|calendar| calendar.day.number())
    };
    for number in FIRST..FIRST + 3 {
        // The wall clock follows the running one, so that the relay believes it at once.
        time.ms.store(u64::from(number - FIRST) * DAY_MS, Ordering::Relaxed);
        time.day.store(number, Ordering::Relaxed);
        let begun = std::time::Instant::now();
        while day() != Some(number) {
            assert!(begun.elapsed() < common::PATIENCE, "day {number} does not come");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    let begun = std::time::Instant::now();
    while shown_days(&path).is_empty() {
        assert!(begun.elapsed() < common::PATIENCE, "no day is recorded");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let days = shown_days(&path);
    assert_eq!((days.len(), &days[0].0), (1, &Day::from_number(FIRST + 1).to_string()));
    orders.send(Order::Stop).await.unwrap();
    serving.await.unwrap();
    assert_eq!(shown_days(&path), days);
}
