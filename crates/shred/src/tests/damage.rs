//! Damaged slots: they are counted, and they keep no segment from being used again.

use super::reserve::{fill, maintain};
use super::{fresh, key, puts, rng, tiny, unlock};
use crate::geometry::{SLOT, SlotAt};
use crate::slot::Word;
use crate::testing::SimDisk;
use crate::{Batch, Disk, Geometry, MemoryDisk, Record, RecordKey, Shred};
use std::sync::Arc;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

fn reopened<D: Disk>(disk: &Arc<D>) -> Shred<Arc<D>> {
    Shred::open(Arc::clone(disk), &unlock(), &mut rng(5)).unwrap()
}

fn flip(disk: &MemoryDisk, at: u64) {
    let mut byte = [0];
    disk.read_at(at, &mut byte).unwrap();
    disk.write_at(at, &[byte[0] ^ 4]).unwrap();
}

/// Returns the number of slots of the file with this content ([`Word`]).
fn number_of(store: &Shred<impl Disk>, word: Word) -> u64 {
    let core = store.core();
    let mut number = 0;
    for segment in 0..store.segments().number() {
        for slot in 0..core.layout.slots {
            let mut bytes = [0; SLOT];
            core.disk.read_at(core.layout.slot_at(SlotAt { segment, slot }, 0), &mut bytes).unwrap();
            number += u64::from(Word::of(&bytes) == word);
        }
    }
    number
}

#[test]
fn s10_a_flipped_bit_in_a_mark_or_an_unused_slot_keeps_no_segment() {
    let (disk, mut store) = fresh(&tiny());
    let layout = store.core().layout;
    let mut now = Duration::ZERO;
    let filled = fill(&mut store, 0, &mut now);
    assert_eq!(filled, 6 * 2);
    store.erase(&(0..filled).map(key).collect::<Vec<_>>()).unwrap();
    // So that recovery writes none of the marks again.
    (0..2).for_each(|_| store.commit_empty().unwrap());
    drop(store);
    // In a dead mark of some, in a slot that was never used of the others.
    for segment in 0..6 {
        flip(&disk, layout.slot_at(SlotAt { segment, slot: 5 * (segment % 2) }, 0) + 40);
    }
    let mut store = reopened(&disk);
    assert_eq!(store.stats().damaged_slots, 6);
    assert_eq!(fill(&mut store, 100, &mut Duration::default()), filled);
    assert_eq!(store.stats().damaged_slots, 6, "what was lost stays known as long as the store is open");
    drop(store);
    let store = reopened(&disk);
    assert_eq!((store.stats().records, store.stats().damaged_slots), (u64::from(filled), 0));
}

#[test]
fn s9_what_lives_beside_a_damaged_slot_is_copied() {
    let (disk, mut store) = fresh(&tiny());
    let mut now = Duration::ZERO;
    let filled = fill(&mut store, 0, &mut now);
    let at = store.core().published().find(&key(0)).unwrap().at();
    // One of each segment lives, and in the first one beside it one that is damaged.
    let dead: Vec<_> = (2..filled).filter(|n| n % 2 != 1).map(key).collect();
    store.erase(&dead).unwrap();
    store.settle().unwrap();
    flip(&disk, store.core().layout.slot_at(at, 0) + 3);
    drop(store);
    let mut store = reopened(&disk);
    let before = store.segments()[0].stamp;
    assert_eq!((store.stats().records, store.stats().damaged_slots), (6, 1));
    assert_eq!(fill(&mut store, 100, &mut Duration::default()), 6);
    assert!(store.segments()[0].stamp > before, "it was used again");
    assert_eq!(store.stats().damaged_slots, 1);
    assert!((0..6).all(|n| store.read(&key(2 * n + 1)).unwrap() == [0; 4_000]));
}

#[test]
fn s10_an_unreadable_record_keeps_its_segment_until_it_is_erased() {
    let (disk, mut store) = fresh(&tiny());
    let mut now = Duration::ZERO;
    let filled = fill(&mut store, 0, &mut now);
    let dead = store.core().published().find(&key(1)).unwrap().dead_record();
    flip(&disk, store.core().layout.body_at(0, dead.offset));
    store.erase(&(0..filled).filter(|n| *n != 1).map(key).collect::<Vec<_>>()).unwrap();
    assert_eq!(fill(&mut store, 100, &mut now), filled - 2);
    assert!(store.entry(&key(1)).is_some(), "its loss can be seen");
    store.erase(&[key(1)]).unwrap();
    assert_eq!(fill(&mut store, 200, &mut now), 2);
}

/// The slot of a record is damaged while the store is closed, after an orderly end.
#[test]
fn s10_the_body_of_a_damaged_slot_is_zeroed() {
    let (disk, mut store) = fresh(&tiny());
    store.commit(puts(&[(1, &[1; 900]), (2, &[2; 900])]), &mut rng(1)).unwrap();
    let dead = store.core().published().find(&key(1)).unwrap().dead_record();
    let layout = store.core().layout;
    assert_eq!(store.scrub_all(|| false), Ok(0));
    drop(store);
    flip(&disk, layout.slot_at(dead.at, 0) + 100);
    let mut store = reopened(&disk);
    assert_eq!(store.stats().damaged_slots, 1);
    maintain(&mut store, 10 * SECOND);
    let mut body = [1; 900];
    disk.read_at(layout.body_at(dead.at.segment, dead.offset), &mut body).unwrap();
    assert!(body == [0; 900] && store.stats().dead_bytes == 0);
}

/// Makes a store in which a commit of 12 puts into segment 1 was cut short: of its three sectors of slots the last
/// reached the disk.
fn torn() -> (Arc<MemoryDisk>, Shred<Arc<MemoryDisk>>) {
    let (disk, mut store) = fresh(&Geometry { initial_segments: 4, ..tiny() });
    store.commit(puts(&[(1, &[1; 4_000]), (2, &[2; 4_000])]), &mut rng(1)).unwrap();
    store.erase(&[key(1)]).unwrap();
    store.settle().unwrap();
    drop(store);
    let sim = Arc::new(SimDisk::from_bytes(disk.to_bytes()).recording());
    let mut store = reopened(&sim);
    sim.take_syncs();
    let bodies: Vec<(u8, &[u8])> = (10..22).map(|n| (n, &[3; 40][..])).collect();
    store.commit(puts(&bodies), &mut rng(2)).unwrap();
    let torn = sim.take_syncs().pop().unwrap();
    let third = store.core().layout.slot_at(SlotAt { segment: 1, slot: 8 }, 0) as usize / 512;
    let image = torn.image(|n, versions| if torn.sectors[n].0 == third { versions } else { 0 });
    let disk = Arc::new(MemoryDisk::from_bytes(image));
    let store = reopened(&disk);
    assert_eq!((store.stats().records, store.stats().void_slots), (1, 4));
    (disk, store)
}

#[test]
fn dead_slots_are_counted_in_segments_with_holes() {
    let (_, mut store) = torn();
    store.commit(puts(&[(50, &[5; 40])]), &mut rng(3)).unwrap();
    store.erase(&[key(50)]).unwrap();
    assert_eq!((store.stats().dead_slots, number_of(&store, Word::Dead)), (2, 2));
    // It begins the segment again.
    while store.stats().void_slots > 0 {
        store.commit(puts(&[(51, &[6; 8_000])]), &mut rng(4)).unwrap();
        store.erase(&[key(51)]).unwrap();
    }
    assert_eq!(store.stats().dead_slots, number_of(&store, Word::Dead));
}

fn wide() -> Geometry {
    Geometry { segment_bytes: 64 << 10, slots_per_segment: 128, ..tiny() }
}

/// Puts records with small bodies, `each` of them in one commit, and settles ([`Shred::settle`]).
fn put_small<D: Disk>(store: &mut Shred<D>, names: std::ops::Range<u64>, each: usize) {
    let names: Vec<u64> = names.collect();
    for names in names.chunks(each) {
        let record = |n: &u64| Record {
            key: RecordKey(u128::from(*n).to_le_bytes()),
            meta: [0; 8],
            expiry_day: 0,
            body: vec![1; 20],
        };
        let batch = Batch { puts: names.iter().map(record).collect(), erases: vec![] };
        store.commit(batch, &mut rng(names[0])).unwrap();
    }
    store.settle().unwrap();
}

#[test]
fn s11_a_lost_page_of_slots_before_others_is_damage() {
    let (disk, mut store) = fresh(&wide());
    put_small(&mut store, 0..100, 10);
    let layout = store.core().layout;
    drop(store);
    disk.write_at(layout.slot_at(SlotAt { segment: 0, slot: 32 }, 0), &[0; 4_096]).unwrap();
    let mut store = reopened(&disk);
    assert_eq!((store.stats().records, store.stats().damaged_slots), (68, 32));
    put_small(&mut store, 200..201, 1);
    assert_eq!(store.segments()[0].used, 101);
    drop(store);
    assert_eq!(reopened(&disk).stats().damaged_slots, 32);
}

#[test]
fn s11_a_lost_page_of_slots_that_a_cell_names_is_damage() {
    // The last page of a segment; a segment of which no other page is left; one that was used before.
    for (records, page, generation, damaged) in [(60, 1, 1, 28), (20, 0, 1, 20), (60, 1, 2, 28)] {
        let (disk, mut store) = fresh(&wide());
        let layout = store.core().layout;
        if generation == 2 {
            crate::segment::begin_generation(&disk, &layout, &store.core().keys(), 0, 2).unwrap();
            drop(store);
            store = reopened(&disk);
        }
        put_small(&mut store, 0..records, 30);
        drop(store);
        disk.write_at(layout.slot_at(SlotAt { segment: 0, slot: 32 * page }, 0), &[0; 4_096]).unwrap();
        let mut store = reopened(&disk);
        assert_eq!((store.stats().records, store.stats().damaged_slots), (records - damaged, damaged));
        assert_eq!(store.segments()[0].used, records as u32, "no slot is used twice in a generation");
        put_small(&mut store, 200..201, 1);
        drop(store);
        // Empty commits have taken the places of the cells that named the slots: what lies before others is known still.
        let mut store = reopened(&disk);
        (0..8).for_each(|_| store.commit_empty().unwrap());
        drop(store);
        assert_eq!(reopened(&disk).stats().damaged_slots, damaged);
    }
}

/// A bit is flipped in a slot that was never used: once while the used slots are there, once after
/// they were lost.
#[test]
fn s11_slots_that_were_never_used_are_no_loss() {
    for is_lost in [false, true] {
        let (disk, mut store) = fresh(&wide());
        put_small(&mut store, 0..60, 30);
        let layout = store.core().layout;
        drop(store);
        if is_lost {
            disk.write_at(layout.slot_at(SlotAt { segment: 0, slot: 0 }, 0), &[0; 8_192]).unwrap();
        }
        flip(&disk, layout.slot_at(SlotAt { segment: 0, slot: 99 }, 0) + 7);
        let store = reopened(&disk);
        assert_eq!(store.stats().damaged_slots, if is_lost { 61 } else { 1 });
        assert_eq!(store.segments()[0].used, 100);
    }
}

#[test]
fn s5_holes_of_a_torn_commit_are_no_damage() {
    let (disk, mut store) = torn();
    assert_eq!(store.stats().damaged_slots, 0);
    store.commit(puts(&[(50, &[5; 40])]), &mut rng(3)).unwrap();
    store.settle().unwrap();
    drop(store);
    assert_eq!(reopened(&disk).stats().damaged_slots, 0);
}

#[test]
fn s10_holes_of_a_renewal_that_was_cut_short_are_no_damage() {
    let (disk, mut store) = fresh(&wide());
    put_small(&mut store, 0..100, 10);
    store.erase(&(0..100_u64).map(|n| RecordKey(u128::from(n).to_le_bytes())).collect::<Vec<_>>()).unwrap();
    (0..10).for_each(|_| store.commit_empty().unwrap());
    let core = Arc::clone(store.core());
    drop(store);
    crate::segment::begin_generation(&disk, &core.layout, &core.keys(), 0, 2).unwrap();
    disk.write_at(core.layout.slot_at(SlotAt { segment: 0, slot: 32 }, 0), &[0; 4_096]).unwrap();
    let mut store = reopened(&disk);
    assert_eq!(store.stats().damaged_slots, 0);
    put_small(&mut store, 200..201, 1);
    drop(store);
    let store = reopened(&disk);
    assert_eq!((store.stats().records, store.stats().damaged_slots), (1, 0));
}
