//! kill -9 on real files: acknowledged records are there, erased ones are not, and creation is all or nothing.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

use deaddrop_shred::{
    Batch, FileDisk, Geometry, MasterKey, OpenError, Record, RecordKey, Shred, Unlock, Writer, residue,
};
use rand::rand_core::UnwrapErr;
use rand::rngs::SysRng;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// The environment variable that tells this program its role when it is started again as a child.
const ROLE: &str = "SHRED_KILL_ROLE";
const PLACE: &str = "SHRED_KILL_PLACE";

fn geometry() -> Geometry {
    Geometry { segment_bytes: 256 << 10, slots_per_segment: 1024, max_segments: 200, ..Geometry::vault() }
}

fn unlock() -> Unlock {
    Unlock::Key(MasterKey::from_bytes([3; 32]))
}

fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

fn name(n: u64) -> RecordKey {
    RecordKey(u128::from(n).to_le_bytes())
}

fn record(n: u64, body: u64) -> Record {
    Record { key: name(n), meta: [0; 8], expiry_day: 0, body: body.to_le_bytes().repeat(20) }
}

/// Returns a record with a body of 2,000 bytes, large enough to fill a small store again and again.
fn large(n: u64) -> Record {
    Record { meta: n.to_le_bytes(), body: n.to_le_bytes().repeat(250), ..record(n, n) }
}

/// Number of the newest records that live in a small store. Each older one is erased, except every
/// 37th, which lives for 1,000 records.
const LIVE: u64 = 60;
/// Number of the record that every batch replaces, so that half a batch would be seen.
const COUNTER: u64 = 0;

/// Opens the file of a store; waits for up to 10 s while it is in use. A child that another test
/// starts holds the locks of this process for a moment, between its fork and the start of its
/// program.
fn open_disk(path: &Path) -> FileDisk {
    let begin = std::time::Instant::now();
    loop {
        match FileDisk::open(path) {
            Err(OpenError::InUse) if begin.elapsed() < Duration::from_secs(10) => {
                std::thread::sleep(Duration::from_millis(2));
            }
            opened => return opened.unwrap(),
        }
    }
}

fn start(role: &str, place: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture"])
        .env(ROLE, role)
        .env(PLACE, place)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn say(word: &str, n: u64) {
    println!("\n{word} {n}");
    std::io::stdout().flush().unwrap();
}

/// Puts and erases large records, and prints each that is done, until the process is killed. With
/// `replaces`, the data key is replaced meanwhile.
fn churn(mut store: Shred<FileDisk>, replaces: bool) {
    store.set_dead_bytes_limit(Duration::from_millis(20));
    if replaces {
        // One may be under way.
        let _ = store.replace_data_key(&unlock(), &mut rand::rng());
    }
    let first = store.entries().last().map_or(1, |entry| u64::from_le_bytes(entry.meta) + 1);
    let writer = Writer::start(store, UnwrapErr(SysRng)).unwrap();
    say("begin", 0);
    for n in first.. {
        writer.commit(Batch { puts: vec![large(n)], erases: vec![] }).unwrap();
        say("put", n);
        let erase = |n| {
            writer.erase(vec![name(n)]).unwrap();
            say("erased", n);
        };
        // Some stay for long, so that segments have to be emptied.
        if n > LIVE && !(n - LIVE).is_multiple_of(37) {
            erase(n - LIVE);
        }
        if n > 1_000 {
            erase(n - 1_000);
        }
    }
}

/// The work of the children. Run as a test of its own it does nothing.
#[test]
fn child() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let place = std::env::var_os(PLACE).unwrap();
    if role == "create" {
        say("begin", 0);
        drop(Shred::create(FileDisk::create(place).unwrap(), &geometry(), &unlock(), &mut rng(1)).unwrap());
        return;
    }
    let store = Shred::open(open_disk(place.as_ref()), &unlock(), &mut rng(1)).unwrap();
    if role.starts_with("churn") {
        return churn(store, role == "churn and replace");
    }
    let first = store.entries().last().map_or(1, |entry| entry.order);
    let writer = Writer::start(store, rng(first)).unwrap();
    say("begin", 0);
    for n in first.. {
        writer.commit(Batch { puts: vec![record(n, n), record(COUNTER, n)], erases: vec![] }).unwrap();
        say("put", n);
        if n % 3 == 0 {
            writer.erase(vec![name(n - 1)]).unwrap();
            say("erased", n - 1);
        }
    }
}

/// Kills the child `wait` after it has begun. Returns the records that it had put or erased by
/// then, as it printed them.
fn kill_after(mut child: Child, wait: Duration) -> Vec<(String, u64)> {
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    while lines.next().unwrap().unwrap() != "begin 0" {}
    std::thread::sleep(wait);
    child.kill().unwrap();
    child.wait().unwrap();
    let words = lines.map_while(Result::ok);
    let pairs = words.filter_map(|line| {
        let (word, n) = line.split_once(' ')?;
        Some((word.to_owned(), n.parse().ok()?))
    });
    pairs.filter(|(word, _)| word == "put" || word == "erased").collect()
}

#[test]
fn killed_writers_lose_nothing_and_keep_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store");
    drop(Shred::create(FileDisk::create(&path).unwrap(), &geometry(), &unlock(), &mut rng(1)).unwrap());
    let mut random = rng(5);
    let (mut live, mut gone) = (BTreeSet::new(), BTreeSet::new());
    for round in 0..100 {
        // At least ten kills, and on a machine too busy to commit anything in between, more.
        if round >= 10 && live.len() > 10 {
            break;
        }
        let said = kill_after(start("write", &path), Duration::from_micros(random.next_u64() % 40_000));
        for (word, n) in said {
            match word.as_str() {
                "put" => live.insert(n),
                _ => live.remove(&n) && gone.insert(n),
            };
        }
        let store = Shred::open(open_disk(&path), &unlock(), &mut rng(1)).unwrap();
        let entries: Vec<_> = store.entries().collect();
        let residue = residue::scan(&FileDisk::open_read_only(&path).unwrap(), &unlock()).unwrap();
        assert_eq!((residue.heads, residue.bodies), (entries.len() as u64, entries.len() as u64));
        let there: BTreeSet<u64> = entries
            .iter()
            .map(|entry| u128::from_le_bytes(entry.key.0))
            .map(|n| u64::try_from(n).unwrap())
            .collect();
        assert!(gone.is_disjoint(&there), "round {round}");
        // The call that the kill interrupted may have happened.
        assert!(live.difference(&there).count() <= 1, "round {round}");
        let new: Vec<u64> = there.iter().filter(|n| **n != COUNTER && !live.contains(n)).copied().collect();
        assert!(new.len() <= 1, "round {round}");
        live = there.iter().filter(|n| **n != COUNTER).copied().collect();
        if let Some(last) = live.last() {
            assert_eq!(store.read(&name(COUNTER)).unwrap(), record(0, *last).body, "a batch is whole");
        }
        for n in &live {
            assert_eq!(store.read(&name(*n)).unwrap(), record(*n, *n).body);
        }
    }
    assert!(live.len() > 10);
}

/// Kills writers that write over a small store many times, so that bytes are zeroed, segments used
/// again, and records copied and sealed under a new data key.
#[test]
fn killed_writers_of_a_small_store_lose_nothing_and_keep_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store");
    let small = Geometry { segment_bytes: 64 << 10, slots_per_segment: 128, max_segments: 10, ..geometry() };
    drop(Shred::create(FileDisk::create(&path).unwrap(), &small, &unlock(), &mut rng(1)).unwrap());
    let mut random = rng(7);
    let (mut live, mut gone, mut last) = (BTreeSet::new(), BTreeSet::new(), 0);
    for round in 0..400 {
        if round >= 24 && last > 1_500 {
            break;
        }
        let role = if round % 4 == 1 { "churn and replace" } else { "churn" };
        // On a loaded machine a writer needs longer to get anywhere.
        let longest = 90_000 * (1 + round / 24);
        for (word, n) in kill_after(start(role, &path), Duration::from_micros(random.next_u64() % longest)) {
            last = n.max(last);
            match word.as_str() {
                "put" => live.insert(n),
                _ => live.remove(&n) && gone.insert(n),
            };
        }
        let disk = open_disk(&path);
        let mut store = Shred::open(disk, &unlock(), &mut random).unwrap();
        let there: BTreeSet<u64> = store.entries().map(|entry| u64::from_le_bytes(entry.meta)).collect();
        assert!(gone.is_disjoint(&there), "round {round}");
        // The calls that the kill interrupted may have happened.
        assert!(
            live.difference(&there).count() <= 1 && there.difference(&live).count() <= 1,
            "round {round}"
        );
        there.iter().for_each(|n| assert_eq!(store.read(&name(*n)).unwrap(), large(*n).body));
        let residue = residue::scan(&FileDisk::open_read_only(&path).unwrap(), &unlock()).unwrap();
        assert_eq!((residue.heads, residue.bodies), (there.len() as u64, there.len() as u64));
        // Whatever a kill left of dead bodies is gone now.
        assert_eq!(store.scrub_all(|| false).unwrap(), 0);
        drop(store);
        let bytes = std::fs::read(&path).unwrap();
        assert!(bytes.len() <= 40_960 + 10 * (64 << 10));
        live = there;
    }
    assert!(last > 1_500, "{last}");
}

#[test]
fn killed_creations_leave_no_store_or_a_whole_one() {
    let dir = tempfile::tempdir().unwrap();
    let mut random = rng(6);
    for round in 0..12 {
        let path = dir.path().join(format!("store-{}", round / 3));
        let child = start("create", &path);
        kill_after(child, Duration::from_micros(random.next_u64() % 12_000));
        match FileDisk::open(&path).and_then(|disk| Shred::open(disk, &unlock(), &mut rng(1))) {
            Ok(store) => assert_eq!(store.stats().records, 0),
            Err(error) => assert_eq!(error, OpenError::Absent),
        }
    }
}
