//! States that a store comes to after much use, each of which once kept dead bytes or kept a store full.

use super::{fresh, key, puts, record, rng, tiny, unlock};
use crate::segment::Condition;
use crate::testing::SimDisk;
use crate::{Batch, CommitError, Disk, Geometry, MemoryDisk, Record, RecordKey, Shred};
use std::sync::Arc;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

fn lies_on(disk: &MemoryDisk, bytes: &[u8]) -> bool {
    disk.to_bytes().windows(bytes.len()).any(|window| window == bytes)
}

fn ciphertext<D: Disk>(store: &Shred<D>, key: &RecordKey) -> Vec<u8> {
    let core = store.core();
    let body = core.published().find(key).unwrap().dead_record().body();
    let mut bytes = vec![0; body.length as usize];
    core.disk.read_at(core.layout.body_at(body.segment, body.offset), &mut bytes).unwrap();
    bytes
}

fn maintain<D: Disk>(store: &mut Shred<D>, now: Duration) {
    let mut calls = 0;
    while store.maintain(now, &mut rng(7)).unwrap().is_some_and(|next| next <= now) {
        calls += 1;
        assert!(calls < 20_000, "there is always more to do");
    }
}

fn reopened(disk: &Arc<MemoryDisk>) -> Shred<Arc<MemoryDisk>> {
    Shred::open(Arc::clone(disk), &unlock(), &mut rng(5)).unwrap()
}

#[test]
fn s10_what_shares_a_page_with_the_last_live_body_is_zeroed() {
    let (disk, mut store) = fresh(&tiny());
    store.commit(puts(&[(1, &[1; 500]), (2, &[2; 500])]), &mut rng(1)).unwrap();
    let written = ciphertext(&store, &key(2));
    store.erase(&[key(2)]).unwrap();
    drop(store);
    let mut store = reopened(&disk);
    assert!(store.stats().dead_bytes > 0, "it is told at once");
    maintain(&mut store, 10 * SECOND);
    assert_eq!(store.stats().dead_bytes, 0);
    assert!(!lies_on(&disk, &written));
}

#[test]
fn s10_what_a_kill_left_behind_the_last_live_body_is_zeroed() {
    // Erased by a batch, and killed before the next commit.
    let (disk, mut store) = fresh(&tiny());
    store.commit(puts(&[(1, &[1; 500])]), &mut rng(1)).unwrap();
    store.commit(puts(&[(2, &[2; 3_000])]), &mut rng(2)).unwrap();
    let written = ciphertext(&store, &key(2));
    store.commit(Batch { puts: vec![], erases: vec![key(2)] }, &mut rng(3)).unwrap();
    drop(store);
    let mut store = reopened(&disk);
    assert_eq!(store.scrub_all(|| false).unwrap(), 0);
    assert!(!lies_on(&disk, &written));
}

#[test]
fn s10_what_a_torn_commit_left_without_a_trace_is_zeroed() {
    let (disk, mut store) = fresh(&tiny());
    store.commit(puts(&[(1, &[1; 500])]), &mut rng(1)).unwrap();
    store.scrub_all(|| false).unwrap();
    drop(store);
    let sim = Arc::new(SimDisk::from_bytes(disk.to_bytes()).recording());
    let mut store = Shred::open(Arc::clone(&sim), &unlock(), &mut rng(2)).unwrap();
    assert_eq!(store.stats().dead_bytes, 0, "the store was closed when nothing was dead");
    sim.take_syncs();
    // Into the segment that is being filled, and into the next one.
    store.commit(puts(&[(2, &[2; 3_000]), (3, &[3; 3_000])]), &mut rng(3)).unwrap();
    let written = [2, 3].map(|n| ciphertext(&store, &key(n)));
    let torn = sim.take_syncs().pop().unwrap();
    let layout = store.core().layout;
    let is_body = |sector: usize| {
        let at = (sector * 512) as u64;
        let bodies = |segment| layout.body_at(segment, layout.body_start())..layout.segment_at(segment + 1);
        (0..2).any(|segment| bodies(segment).contains(&at))
    };
    let image = torn.image(|n, versions| if is_body(torn.sectors[n].0) { versions } else { 0 });
    let disk = Arc::new(MemoryDisk::from_bytes(image));
    assert!(written.iter().all(|bytes| lies_on(&disk, bytes)));
    let mut store = reopened(&disk);
    assert_eq!(store.stats().records, 1);
    maintain(&mut store, 10 * SECOND);
    assert!(!written.iter().any(|bytes| lies_on(&disk, bytes)));
}

/// A crash during an erase after its marks, and before its cell, reached the disk.
#[test]
fn s10_what_a_torn_erase_left_is_zeroed() {
    let (disk, mut store) = fresh(&tiny());
    store.commit(puts(&[(1, &[1; 500]), (2, &[2; 500]), (3, &[3; 500])]), &mut rng(1)).unwrap();
    store.scrub_all(|| false).unwrap();
    let written = ciphertext(&store, &key(2));
    drop(store);
    let sim = Arc::new(SimDisk::from_bytes(disk.to_bytes()).recording());
    let mut store = Shred::open(Arc::clone(&sim), &unlock(), &mut rng(2)).unwrap();
    sim.take_syncs();
    store.erase(&[key(2)]).unwrap();
    let torn = sim.take_syncs().pop().unwrap();
    let first_segment = store.core().layout.segment_at(0) as usize / 512;
    let image = torn.image(|n, versions| if torn.sectors[n].0 >= first_segment { versions } else { 0 });
    let disk = Arc::new(MemoryDisk::from_bytes(image));
    let mut store = reopened(&disk);
    assert_eq!(store.stats().records, 2);
    assert!(lies_on(&disk, &written) && store.stats().dead_bytes > 0);
    maintain(&mut store, 10 * SECOND);
    assert!(!lies_on(&disk, &written));
}

#[test]
fn s10_many_small_gaps_are_looked_at_in_time() {
    let wide = Geometry { segment_bytes: 1 << 20, slots_per_segment: 4_096, ..tiny() };
    let (disk, mut store) = fresh(&wide);
    let name = |n: u32| RecordKey(u128::from(n + 1_000).to_le_bytes());
    let record = |n| Record { key: name(n), meta: [0; 8], expiry_day: 0, body: vec![1; 40] };
    store.commit(Batch { puts: (0..3_000).map(record).collect(), erases: vec![] }, &mut rng(1)).unwrap();
    store.erase(&(0..2_000).filter(|n| n % 2 == 0).map(name).collect::<Vec<_>>()).unwrap();
    drop(store);
    let mut store = reopened(&disk);
    store.set_dead_bytes_limit(5 * SECOND);
    let mut now = Duration::ZERO;
    for n in 2_000..2_600 {
        store.erase(&[name(n)]).unwrap();
        for _ in 0..10 {
            now += Duration::from_millis(1);
            store.maintain(now, &mut rng(7)).unwrap();
        }
    }
    store.commit(puts(&[(9, b"x")]), &mut rng(8)).unwrap();
}

#[test]
fn s9_dead_slots_without_bodies_make_room() {
    let (_, mut store) = fresh(&Geometry { max_segments: 10, ..tiny() });
    let name = |n: u32| RecordKey(u128::from(n).to_le_bytes());
    let put = |store: &mut Shred<_>, n| {
        let record = Record { key: name(n), meta: [0; 8], expiry_day: 0, body: vec![] };
        store.commit(Batch { puts: vec![record], erases: vec![] }, &mut rng(u64::from(n)))
    };
    let filled = (0..).take_while(|n| put(&mut store, *n).is_ok()).count() as u32;
    assert_eq!(filled, 8 * 32);
    let dead: Vec<_> = (0..filled).filter(|n| n % 4 != 0).map(name).collect();
    store.erase(&dead).unwrap();
    let taken = (0..1_000).filter(|n| {
        maintain(&mut store, SECOND * 3 * (n + 1));
        put(&mut store, 10_000 + n).is_ok()
    });
    let taken = taken.count();
    assert!(taken * 10 > dead.len() * 8, "{taken} of {}", dead.len());
}

#[test]
fn s9_what_cannot_be_read_keeps_its_own_segment_alone() {
    let (disk, mut store) = fresh(&Geometry { max_segments: 10, ..tiny() });
    let batch = |n: u8| (0..10).map(|i| record(n * 10 + i, &[n; 800])).collect();
    let put = |store: &mut Shred<_>, n| {
        store.commit(Batch { puts: batch(n), erases: vec![] }, &mut rng(u64::from(n)))
    };
    let filled = (0..).take_while(|n| put(&mut store, *n).is_ok()).count() as u8;
    let dead = store.core().published().find(&key(0)).unwrap().dead_record();
    disk.write_at(store.core().layout.body_at(dead.at.segment, dead.offset), &[0x55; 10]).unwrap();
    // Of the first segment it alone is left, of the others a part.
    let mut dead: Vec<_> = (1..10).map(key).collect();
    dead.extend((1..filled).flat_map(|n| (0..6).map(move |i| key(n * 10 + i))));
    store.erase(&dead).unwrap();
    let taken = (0..60).filter(|n| {
        maintain(&mut store, SECOND * 3 * (u32::from(*n) + 1));
        store.commit(puts(&[(100 + n, &[1; 2_000])]), &mut rng(1)).is_ok()
    });
    assert!(taken.count() >= 6);
    assert!(store.read(&key(0)).is_err() && store.entry(&key(0)).is_some());
}

#[test]
fn s12_a_dead_segment_that_is_being_filled_is_used_again() {
    for most in [3u8, 4, 6] {
        let geometry =
            Geometry { segment_bytes: 64 << 10, initial_segments: 1, max_segments: most.into(), ..tiny() };
        let (_, mut store) = fresh(&geometry);
        for n in 0..most - 3 {
            store.commit(puts(&[(n, &[1; 57_000])]), &mut rng(u64::from(n))).unwrap();
        }
        for n in 0..6 {
            store.commit(puts(&[(200, &[1; 30_000])]), &mut rng(n)).unwrap();
            store.erase(&[key(200)]).unwrap();
        }
        assert_eq!(store.stats().records, u64::from(most) - 3);
    }
}

#[test]
fn s15_a_small_store_that_may_grow_replaces_its_data_key() {
    for initial_segments in 1..=3 {
        let (_, mut store) = fresh(&Geometry { initial_segments, max_segments: 8, ..tiny() });
        store.commit(puts(&[(1, &[1; 500])]), &mut rng(1)).unwrap();
        store.replace_data_key(&unlock(), &mut rng(4)).unwrap();
        (1..20).for_each(|n| maintain(&mut store, SECOND * 10 * n));
        assert!(!store.stats().is_replacing_key, "{initial_segments}");
    }
}

#[test]
fn s15_segments_that_wait_to_be_cut_are_begun_again_too() {
    let (disk, mut store) = fresh(&Geometry { initial_segments: 8, max_segments: 12, ..tiny() });
    store.commit(puts(&[(1, &[1; 500])]), &mut rng(1)).unwrap();
    let mut now = 10 * SECOND;
    store.set_max_segments(4);
    while store.stats().segments > 4 {
        store.maintain(now, &mut rng(3)).unwrap();
        now += SECOND;
    }
    store.replace_data_key(&unlock(), &mut rng(4)).unwrap();
    while store.stats().is_replacing_key {
        store.maintain(now, &mut rng(3)).unwrap();
        now += SECOND / 100;
    }
    // Killed before the file was cut.
    drop(store);
    let mut store = reopened(&disk);
    assert!(store.segments().iter().all(|segment| segment.condition == Condition::Ready));
    store.set_max_segments(4);
    (1..20).for_each(|n| maintain(&mut store, SECOND * 10 * n));
    assert_eq!(store.stats().segments, 4);
}

#[test]
fn s10_a_half_written_header_of_a_free_segment_is_made_whole() {
    let (disk, mut store) = fresh(&tiny());
    store.commit(puts(&[(1, &[1; 500])]), &mut rng(1)).unwrap();
    let (core, at) = (Arc::clone(store.core()), store.core().layout.segment_at(1));
    drop(store);
    let mut before = vec![0; 4_096];
    disk.read_at(at, &mut before).unwrap();
    crate::segment::begin_generation(&disk, &core.layout, &core.keys(), 1, 2).unwrap();
    // One sector of eight has reached the disk.
    disk.write_at(at + 512, &before[512..]).unwrap();
    drop(core);
    drop(reopened(&disk));
    let mut after = vec![0; 4_096];
    disk.read_at(at, &mut after).unwrap();
    assert!(after.chunks(512).all(|copy| *copy == after[..512]) && after != before);
}

#[test]
fn a_full_store_takes_no_put_and_every_erase() {
    let (_, mut store) = fresh(&tiny());
    let filled = (0..).take_while(|n| store.commit(puts(&[(*n, &[1; 4_000])]), &mut rng(1)).is_ok()).count();
    for n in 0..filled as u8 {
        assert_eq!(store.commit(puts(&[(99, &[1; 8_000])]), &mut rng(2)), Err(CommitError::Full));
        store.erase(&[key(n)]).unwrap();
        if n % 2 == 1 {
            store.commit(puts(&[(99, &[1; 8_000])]), &mut rng(3)).unwrap();
            store.erase(&[key(99)]).unwrap();
            store.commit(puts(&[(100 + n, &[1; 8_000])]), &mut rng(4)).unwrap();
        }
    }
}

/// The head of a record is damaged while the store is open.
#[test]
fn a_slot_that_rots_keeps_no_upkeep_busy() {
    let (disk, mut store) = fresh(&Geometry { max_segments: 12, ..tiny() });
    for n in 0..20 {
        store.commit(puts(&[(n, &[n; 700])]), &mut rng(u64::from(n))).unwrap();
    }
    let at = store.core().layout.slot_at(store.core().published().find(&key(5)).unwrap().at(), 0);
    disk.write_at(at + 50, &[0x55; 8]).unwrap();
    // The file wants to be smaller.
    store.erase(&(8..18).map(key).collect::<Vec<_>>()).unwrap();
    store.set_max_segments(3);
    maintain(&mut store, 100 * SECOND);
    store.replace_data_key(&unlock(), &mut rng(1)).unwrap();
    (2..10).for_each(|n| maintain(&mut store, SECOND * 100 * n));
    assert!(!store.stats().is_replacing_key);
    assert_eq!(store.stats().records, 9);
    drop(store);
    assert_eq!(reopened(&disk).stats().records, 9);
}

#[test]
fn a_segment_that_has_lost_its_header_is_not_written_over() {
    let (disk, mut store) = fresh(&Geometry { max_segments: 6, ..tiny() });
    store.commit(puts(&[(1, &[1; 4_000])]), &mut rng(1)).unwrap();
    store.commit(puts(&[(2, &[2; 4_000])]), &mut rng(2)).unwrap();
    store.commit(puts(&[(3, &[3; 4_000])]), &mut rng(3)).unwrap();
    let at = store.core().layout.segment_at(0);
    drop(store);
    disk.write_at(at, &[0; 4_096]).unwrap();
    let before = disk.to_bytes();
    let mut store = reopened(&disk);
    assert_eq!((store.stats().records, store.segments()[0].condition), (1, Condition::Damaged));
    while store.commit(puts(&[(9, &[9; 4_000])]), &mut rng(4)).is_ok() && store.next_number() < 40 {}
    let (from, to) = (at as usize, at as usize + (16 << 10));
    assert_eq!(disk.to_bytes()[from..to], before[from..to]);
}

#[test]
fn s9_a_store_without_upkeep_is_emptied_again_when_room_was_taken() {
    let (_, mut store) = fresh(&Geometry { max_segments: 5, ..tiny() });
    let mut random = rng(1);
    for n in 0..6_000_u32 {
        let length = 100 + rand_chacha::rand_core::Rng::next_u32(&mut random) as usize % 1_900;
        let name = (rand_chacha::rand_core::Rng::next_u32(&mut random) % 5) as u8;
        let done = store.commit(puts(&[(name, &vec![7; length])]), &mut random);
        assert!(done.is_ok(), "{n}: {:?}", store.stats());
    }
}
