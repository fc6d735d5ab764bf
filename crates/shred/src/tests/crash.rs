//! Power loss at every write and every sync, each unsynced sector old or new; and again during recovery.

use super::model::{Op, State, contents, opening, recovered};
use super::{rng, tiny, unlock};
use crate::cell::{Cell, Range};
use crate::geometry::{SEGMENTS_AT, SlotAt};
use crate::superblock::Superblock;
use crate::testing::{SECTOR, SimDisk, Torn};
use crate::{Batch, CommitError, Disk, Geometry, MemoryDisk, Record, RecordKey, Shred};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::Rng;
use std::sync::Arc;

pub(super) fn empty(geometry: &Geometry) -> Vec<u8> {
    let disk = Arc::new(MemoryDisk::new());
    Shred::create(Arc::clone(&disk), geometry, &unlock(), &mut rng(1)).unwrap();
    disk.to_bytes()
}

fn put(n: u8, length: usize) -> (u8, Vec<u8>) {
    (n, vec![n ^ 0x5a; length])
}

pub(super) fn below(rng: &mut ChaCha20Rng, n: usize) -> usize {
    (rng.next_u64() % n as u64) as usize
}

/// Returns all images of the disk after a crash if there are at most `limit`, else those with all
/// sectors old or all new, up to `samples` pairs with one sector different, and `samples` random
/// ones.
pub(super) fn images(torn: &Torn, limit: u64, samples: usize, rng: &mut ChaCha20Rng) -> Vec<Vec<u8>> {
    if torn.images() <= limit {
        return (0..torn.images()).map(|n| torn.nth(n)).collect();
    }
    let mut images = vec![torn.image(|_, _| 0), torn.image(|_, versions| versions)];
    for one in 0..torn.sectors.len().min(samples) {
        images.push(torn.image(|n, versions| if n == one { 0 } else { versions }));
        images.push(torn.image(|n, versions| if n == one { versions } else { 0 }));
    }
    for _ in 0..samples {
        // Mostly old, half and half, mostly new.
        let bias = below(rng, 3);
        images.push(torn.image(|_, versions| match (bias, below(rng, 4)) {
            (0, 1..) => 0,
            (2, 1..) => versions,
            _ => below(rng, versions + 1),
        }));
    }
    images
}

/// Crashes at each sync of the recovery of an image, and checks that a second recovery finds the
/// state `verdict`. Returns the number of images.
fn crash_in_recovery(image: &[u8], verdict: &State, limit: u64, rng: &mut ChaCha20Rng) -> usize {
    let disk = Arc::new(SimDisk::from_bytes(image.to_vec()).recording());
    drop(Shred::open(Arc::clone(&disk), &unlock(), rng).unwrap());
    let mut tried = 0;
    for torn in disk.take_syncs() {
        for second in images(&torn, limit, 6, rng) {
            assert_eq!(recovered(&second), *verdict);
            tried += 1;
        }
    }
    tried
}

/// Runs a script from the image `start`; crashes at each of its syncs (which covers each write: an
/// earlier crash is one more set of lost sectors); checks the state to which every image recovers,
/// and again with crashes during that recovery. Above `limit` images a sync (`twice` in recovery),
/// a choice is tried. Returns the number of images.
fn crash_everywhere(start: Vec<u8>, script: &[Op], limit: u64, twice: u64) -> usize {
    let mut random = rng(42);
    let disk = Arc::new(SimDisk::from_bytes(start).recording());
    let mut store = Shred::open(Arc::clone(&disk), &unlock(), &mut rng(1)).unwrap();
    disk.take_syncs();
    let (mut state, mut erased, mut tried) = (contents(&store.reader()), Vec::new(), 0);
    for (n, op) in script.iter().enumerate() {
        op.run(&mut store, n as u64).unwrap();
        if let Op::Commit(puts, _) = op {
            erased.retain(|key| puts.iter().all(|put| put.0 != *key));
        }
        for torn in disk.take_syncs() {
            for image in images(&torn, limit, 60, &mut random) {
                let open = opening(&image);
                assert!(erased.iter().all(|key| !open.contains(key)), "erased for good, whatever the crash");
                let found = recovered(&image);
                assert!(op.may_leave(&state, &found), "op {n} {op:?}: {state:?} became {found:?}");
                tried += 1 + crash_in_recovery(&image, &found, twice, &mut random);
            }
        }
        state = op.apply(&state);
        if let Op::Erase(keys) = op {
            erased.extend(keys.iter().copied());
        }
        assert_eq!(contents(&store.reader()), state);
    }
    tried
}

#[test]
fn s2_s4_s5_s6_small_commits_every_image_twice() {
    let script = [
        Op::Commit(vec![put(1, 40), put(2, 50)], vec![]),
        Op::Commit(vec![put(1, 60), put(3, 10)], vec![]),
        Op::Commit(vec![put(4, 30)], vec![2]),
        Op::Erase(vec![3]),
        Op::Commit(vec![put(3, 0)], vec![1]),
        Op::Erase(vec![3, 4]),
        Op::Settle,
    ];
    let tried = crash_everywhere(empty(&tiny()), &script, 1 << 10, 1 << 6);
    assert!(tried > 500, "{tried}");
}

#[test]
fn s3_s8_commits_across_pages_and_segments() {
    let script = [
        Op::Commit((1..30).map(|n| put(n, 20)).collect(), vec![]),
        Op::Commit((20..40).map(|n| put(n, 300)).collect(), vec![1, 2]),
        Op::Erase(vec![3, 20, 39]),
        Op::Commit(vec![put(40, 3000), put(41, 6000), put(42, 1), put(43, 4096)], vec![30]),
        Op::Commit(vec![put(41, 1)], vec![]),
        Op::Settle,
    ];
    let tried = crash_everywhere(empty(&tiny()), &script, 1 << 6, 4);
    assert!(tried > 500, "{tried}");
}

#[test]
fn s12_growth_is_no_part_of_a_commit() {
    let script = [
        Op::Commit(vec![put(1, 8000)], vec![]),
        Op::Commit(vec![put(2, 8000)], vec![]),
        Op::Grow,
        Op::Commit(vec![put(3, 8000), put(1, 8000)], vec![2]),
        Op::Erase(vec![1]),
    ];
    let tried = crash_everywhere(empty(&tiny()), &script, 1 << 6, 4);
    assert!(tried > 100, "{tried}");
}

#[test]
fn s10_segments_are_scrubbed_and_used_again() {
    let script = [
        Op::Commit(vec![put(1, 4000), put(2, 4000)], vec![]),
        Op::Commit(vec![put(3, 4000), put(4, 3000), put(5, 10)], vec![]),
        Op::Commit(vec![put(6, 4000), put(7, 3000)], vec![1]),
        Op::Maintain(10),
        Op::Erase(vec![2]),
        Op::Maintain(3_000),
        Op::Maintain(100_000),
        Op::Erase(vec![3]),
        Op::Commit(vec![put(8, 4000), put(1, 2000)], vec![4]),
        Op::Maintain(3_000),
        Op::Erase(vec![5, 6, 7, 8]),
        Op::Maintain(3_000),
        Op::Commit(vec![put(9, 8000), put(1, 2000)], vec![]),
    ];
    let tried = crash_everywhere(empty(&Geometry { max_segments: 6, ..tiny() }), &script, 1 << 6, 4);
    assert!(tried > 1_000, "{tried}");
}

#[test]
fn s9_what_lives_is_copied_whatever_crashes() {
    // Six segments of two large records, one of each two dies; then more comes than fits without copying.
    let mut script: Vec<Op> =
        (0..6).map(|n| Op::Commit(vec![put(2 * n + 1, 4000), put(2 * n + 2, 1000)], vec![])).collect();
    script.push(Op::Erase((0..6).map(|n| 2 * n + 1).collect()));
    script.extend((0..4).map(|n| Op::Commit(vec![put(20 + n, 7000)], vec![])));
    script.push(Op::Maintain(10));
    script.push(Op::Erase(vec![20, 2]));
    script.push(Op::Maintain(3_000));
    script.push(Op::Commit(vec![put(30, 8000)], vec![21]));
    let tried = crash_everywhere(empty(&Geometry { max_segments: 8, ..tiny() }), &script, 1 << 5, 2);
    assert!(tried > 1_000, "{tried}");
}

#[test]
fn a_crash_in_creation_leaves_no_store_or_an_empty_one() {
    let disk = Arc::new(SimDisk::default().recording());
    let small = Geometry { initial_segments: 1, ..tiny() };
    drop(Shred::create(Arc::clone(&disk), &small, &unlock(), &mut rng(1)).unwrap());
    let mut random = rng(5);
    for torn in disk.take_syncs() {
        for image in images(&torn, 1, 200, &mut random) {
            if let Ok(store) = Shred::open(MemoryDisk::from_bytes(image), &unlock(), &mut rng(1)) {
                assert_eq!(store.stats().records, 0);
            }
        }
    }
}

fn random_op(random: &mut ChaCha20Rng) -> Op {
    let keys = |random: &mut ChaCha20Rng, most| -> Vec<u8> {
        let mut keys: Vec<u8> = (0..below(random, most)).map(|_| 1 + below(random, 9) as u8).collect();
        keys.sort_unstable();
        keys.dedup();
        keys
    };
    match below(random, 18) {
        0..=6 => {
            let names = keys(random, 5);
            let mut erases = keys(random, 3);
            erases.retain(|key| !names.contains(key));
            let mut body = |n| {
                let length = [0, 10, 300, 700, 2500][below(random, 5)];
                (n, (0..length).map(|_| random.next_u32() as u8).collect())
            };
            Op::Commit(names.into_iter().map(&mut body).collect(), erases)
        }
        7..=9 => Op::Erase(keys(random, 4)),
        10 => Op::Settle,
        11 => Op::Grow,
        12 => Op::Maintain(10),
        13 => Op::ReplaceKey,
        14 => Op::Limit(4 + below(random, 12) as u32),
        _ => Op::Maintain(3_000),
    }
}

/// Compares the store with a plain map: random operations, crashes at random syncs, and more operations on a random
/// image.
#[test]
fn random_lives_with_crashes_match_a_map() {
    for seed in 0..90 {
        let mut random = rng(1_000 + seed);
        let max_segments = [40, 10, 6][seed as usize % 3];
        let mut bytes = empty(&Geometry { max_segments, mirror: seed % 5 == 0, ..tiny_for(seed) });
        let mut state = State::default();
        for _ in 0..6 {
            let disk = Arc::new(SimDisk::from_bytes(bytes.clone()).recording());
            let mut store = Shred::open(Arc::clone(&disk), &unlock(), &mut random).unwrap();
            assert_eq!(contents(&store.reader()), state);
            disk.take_syncs();
            let crash_after = below(&mut random, 8);
            let mut op = Op::Settle;
            for _ in 0..=crash_after {
                state = op.apply(&state);
                op = random_op(&mut random);
                disk.take_syncs();
                match op.run(&mut store, random.next_u64()) {
                    Ok(()) => {}
                    Err(CommitError::Full) => op = Op::Settle,
                    Err(error) => panic!("{error}"),
                }
            }
            let torn = disk.take_syncs();
            bytes = match torn.get(below(&mut random, torn.len() + 1)) {
                Some(torn) => {
                    let all = images(torn, 1, 1, &mut random);
                    all[below(&mut random, all.len())].clone()
                }
                None => disk.durable(),
            };
            let found = recovered(&bytes);
            assert!(op.may_leave(&state, &found), "seed {seed} {op:?}: {state:?} became {found:?}");
            state = found;
        }
    }
}

fn tiny_for(seed: u64) -> Geometry {
    if seed.is_multiple_of(2) {
        tiny()
    } else {
        Geometry { segment_bytes: 32 << 10, slots_per_segment: 64, ..tiny() }
    }
}

#[test]
fn s13_after_any_failure_the_store_has_stopped() {
    let start = empty(&tiny());
    let script = [
        Op::Commit(vec![put(1, 40), put(2, 4000)], vec![]),
        Op::Commit(vec![put(1, 60), put(3, 4000)], vec![2]),
        Op::Erase(vec![3]),
        Op::Commit(vec![put(5, 4000), put(6, 4000)], vec![]),
        Op::Settle,
    ];
    let mut random = rng(3);
    for fail in 0.. {
        let disk = Arc::new(SimDisk::from_bytes(start.clone()));
        if fail % 2 == 1 {
            disk.write_halves();
        }
        let mut store = Shred::open(Arc::clone(&disk), &unlock(), &mut rng(1)).unwrap();
        disk.fail_from(disk.ops() + fail / 2);
        let (mut state, mut failed) = (State::default(), None);
        for (n, op) in script.iter().enumerate() {
            match (op.run(&mut store, n as u64), failed.is_some()) {
                (Ok(()), false) => state = op.apply(&state),
                (Err(CommitError::Stopped), false) => failed = Some(op),
                (Err(CommitError::Stopped), true) => {}
                (other, _) => panic!("{other:?} after {failed:?}"),
            }
            // What was being erased may be half gone; all else that was published stays readable.
            if !matches!(failed, Some(Op::Erase(_))) {
                assert_eq!(contents(&store.reader()), state);
            }
        }
        let Some(op) = failed else {
            assert!(fail > 20);
            return;
        };
        for image in images(&disk.torn(), 64, 10, &mut random) {
            let found = recovered(&image);
            assert!(op.may_leave(&state, &found));
        }
    }
}

#[test]
fn s7_what_recovery_showed_survives_a_cache_that_lied() {
    let start = empty(&tiny());
    let script = [
        Op::Commit(vec![put(1, 40), put(2, 900)], vec![]),
        Op::Commit(vec![put(1, 60), put(3, 700)], vec![2]),
        Op::Erase(vec![3]),
        Op::Grow,
        Op::Commit(vec![put(5, 4000), put(6, 4000)], vec![]),
        Op::Commit(vec![put(7, 4000), put(8, 6000)], vec![5]),
        Op::Erase(vec![6]),
        Op::Settle,
    ];
    for fail in 0.. {
        let disk = Arc::new(SimDisk::from_bytes(start.clone()));
        disk.forget_on_failure();
        let mut store = Shred::open(Arc::clone(&disk), &unlock(), &mut rng(1)).unwrap();
        disk.fail_from(disk.ops() + fail);
        let failed = script.iter().enumerate().any(|(n, op)| op.run(&mut store, n as u64).is_err());
        if !failed {
            return;
        }
        disk.heal();
        // Another process on the same kernel: what it reads is partly in the cache only.
        let mut store = Shred::open(Arc::clone(&disk), &unlock(), &mut rng(1)).unwrap();
        let shown = contents(&store.reader());
        assert_eq!(recovered(&disk.durable()), shown, "power lost after opening, failure at op {fail}");
        // Into the segments behind, too: their headers may have been in the cache only.
        let op = Op::Commit(vec![put(9, 100), put(10, 8000), put(11, 8000)], vec![]);
        op.run(&mut store, 50).unwrap();
        assert_eq!(recovered(&disk.durable()), op.apply(&shown));
    }
}

#[test]
fn s7_a_recovery_whose_sync_failed_is_done_again() {
    let disk = Arc::new(SimDisk::from_bytes(empty(&tiny())).recording());
    let mut store = Shred::open(Arc::clone(&disk), &unlock(), &mut rng(1)).unwrap();
    disk.take_syncs();
    // More slots than share a sector with what comes later.
    Op::Commit((1..7).map(|n| put(n, 80)).collect(), vec![]).run(&mut store, 1).unwrap();
    let mut random = rng(9);
    for image in images(&disk.take_syncs()[0], 256, 30, &mut random) {
        let disk = Arc::new(SimDisk::from_bytes(image));
        disk.forget_on_failure();
        disk.fail_from(disk.ops());
        for _ in 0..2 {
            assert!(Shred::open(Arc::clone(&disk), &unlock(), &mut rng(1)).is_err());
        }
        disk.heal();
        // The marks of the failed recovery are in the cache and not on the disk.
        for fail in 0..12 {
            disk.fail_from(disk.ops() + fail);
            drop(Shred::open(Arc::clone(&disk), &unlock(), &mut rng(1)));
            disk.heal();
        }
        let mut store = Shred::open(Arc::clone(&disk), &unlock(), &mut rng(1)).unwrap();
        let shown = contents(&store.reader());
        assert_eq!(recovered(&disk.durable()), shown);
        // Until every cell that told of the roll-back is overwritten.
        let op = Op::Commit(vec![put(9, 10)], vec![]);
        for n in 0..10 {
            op.run(&mut store, n).unwrap();
            assert_eq!(recovered(&disk.durable()), op.apply(&shown));
        }
    }
}

#[test]
fn s7_erases_survive_a_cache_that_lied_few_and_many() {
    let wide = Geometry { segment_bytes: 256 << 10, slots_per_segment: 1024, ..tiny() };
    let name = |n: u32| RecordKey(u128::from(n).to_le_bytes());
    let puts = |numbers: std::ops::Range<u32>| {
        let record = |n| Record { key: name(n), meta: [0; 8], expiry_day: 0, body: vec![] };
        Batch { puts: numbers.map(record).collect(), erases: vec![] }
    };
    // The last are more than a cell can list.
    for count in [1, 3, 505, 506, 700] {
        let disk = Arc::new(SimDisk::from_bytes(empty(&wide)));
        disk.forget_on_failure();
        let mut store = Shred::open(Arc::clone(&disk), &unlock(), &mut rng(1)).unwrap();
        // Commits behind the erased one, so that its slots are not written again for another reason.
        for batch in [puts(0..700), puts(800..801), puts(801..802)] {
            store.commit(batch, &mut rng(1)).unwrap();
        }
        // All its writes arrive in the cache, none on the disk.
        disk.fail_from(disk.ops() + 2);
        let erased: Vec<RecordKey> = (0..count).map(name).collect();
        assert_eq!(store.erase(&erased), Err(CommitError::Stopped));
        disk.heal();
        let store = Shred::open(Arc::clone(&disk), &unlock(), &mut rng(1)).unwrap();
        assert_eq!(store.stats().records, 702 - u64::from(count));
        let after = Shred::open(MemoryDisk::from_bytes(disk.durable()), &unlock(), &mut rng(1)).unwrap();
        assert_eq!(after.stats().records, 702 - u64::from(count));
    }
}

#[test]
fn s2_numbers_are_not_used_again_after_a_roll_back() {
    let disk = Arc::new(SimDisk::from_bytes(empty(&tiny())).recording());
    let mut store = Shred::open(Arc::clone(&disk), &unlock(), &mut rng(1)).unwrap();
    disk.take_syncs();
    let batch = || Batch { puts: vec![super::record(1, b"one")], erases: vec![] };
    let torn_order = store.commit(batch(), &mut rng(1)).unwrap().first_order;
    let torn = disk.take_syncs().remove(0);
    // Of the commit only its slot arrived: the sector in the first slot table.
    let slots = (SEGMENTS_AT as usize + 4096) / SECTOR;
    let image = torn.image(|n, versions| if torn.sectors[n].0 == slots { versions } else { 0 });
    assert_eq!(opening(&image), [1]);
    let disk = Arc::new(MemoryDisk::from_bytes(image));
    let mut store = Shred::open(Arc::clone(&disk), &unlock(), &mut rng(1)).unwrap();
    assert_eq!((store.stats().records, store.stats().void_slots), (0, 1));
    let order = store.commit(batch(), &mut rng(1)).unwrap().first_order;
    assert!(order >> 12 > torn_order >> 12);
}

/// Two faults at once: a torn commit, and a flipped bit in the cell of the commit before, whose
/// redo list is lost with it.
#[test]
fn s4_the_newest_version_wins_even_without_a_redo_list() {
    let disk = Arc::new(SimDisk::from_bytes(empty(&tiny())).recording());
    let mut store = Shred::open(Arc::clone(&disk), &unlock(), &mut rng(1)).unwrap();
    let first = Op::Commit((1..6).map(|n| put(n, 20)).collect(), vec![]);
    let second = Op::Commit(vec![put(1, 30), put(2, 30)], vec![]);
    let third = Op::Commit(vec![put(9, 40)], vec![]);
    let mut state = State::default();
    for op in [&first, &second] {
        op.run(&mut store, 1).unwrap();
        state = op.apply(&state);
    }
    disk.take_syncs();
    third.run(&mut store, 2).unwrap();
    let mut seen = [0; 2];
    // The first one made a segment.
    let syncs = disk.take_syncs();
    for mut image in images(syncs.last().unwrap(), 1 << 12, 0, &mut rng(1)) {
        // Commit 1 was the creation, 2 the first, 3 the second.
        image[Cell::at(3) as usize] ^= 1;
        let found = recovered(&image);
        if found == state || found == third.apply(&state) {
            seen[usize::from(found != state)] += 1;
        } else {
            // No trace of the third proves the second: it counts as torn and is gone as a whole, and where the
            // third had destroyed what it replaced, that is gone, too. All else is there.
            let left = first.apply(&State::default());
            assert!(found.0.iter().all(|(key, body)| left.0.get(key) == Some(body)));
            assert!((3..6).all(|key| found.0.contains_key(&key)));
        }
    }
    assert!(seen.iter().all(|&n| n > 0), "{seen:?}");
}

/// The redo list is older than the record in the slot that it names, as happens when segments are
/// used again.
#[test]
fn s6_a_redo_list_does_not_reach_younger_records() {
    let disk = Arc::new(MemoryDisk::from_bytes(empty(&tiny())));
    let mut store = Shred::open(Arc::clone(&disk), &unlock(), &mut rng(1)).unwrap();
    let op = Op::Commit(vec![put(1, 20), put(2, 20)], vec![]);
    op.run(&mut store, 1).unwrap();
    let (_, keys) = Superblock::open(&disk, &unlock()).unwrap();
    let redo = vec![SlotAt { segment: 0, slot: 0 }];
    for (number, dies) in [(1, false), (2, true)] {
        let ranges = vec![Range { segment: 0, first: 0, count: 2 }];
        let ranges = if number == 2 { ranges } else { vec![] };
        let cell = Cell { void: false, redo: redo.clone(), ranges, ..Cell::voided(number, 2) };
        disk.write_at(Cell::at(number), &cell.encode(keys.newest()).unwrap()).unwrap();
        assert_eq!(recovered(&disk.to_bytes()).0.contains_key(&1), !dies);
    }
}
