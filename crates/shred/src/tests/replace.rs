//! The data key is replaced (S15), and limits change.
//!
//! Rules S1 to S16 are the table at the end of spec/13-shred.md.

use super::{fresh, key, puts, record, rng, tiny, unlock};
use crate::keys::StoreKeys;
use crate::slot::Head;
use crate::superblock::Superblock;
use crate::testing::SimDisk;
use crate::{
    Batch, ChangeError, CommitError, Geometry, MasterKey, MemoryDisk, Passphrase, PassphraseCost, Shred,
    Unlock, residue,
};
use crate::{geometry::SlotAt, scan::slot_copies};
use std::sync::Arc;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// Does the upkeep as a writer would from this time on, until nothing is left to do for long.
fn maintain(store: &mut Shred<Arc<MemoryDisk>>, from: Duration) {
    let mut now = from;
    for _ in 0..10_000 {
        match store.maintain(now, &mut rng(7)).unwrap() {
            Some(next) if next < from + 100 * SECOND => now = next.max(now),
            _ => return,
        }
    }
    panic!("there is always more to do");
}

fn filled(geometry: &Geometry) -> (Arc<MemoryDisk>, Shred<Arc<MemoryDisk>>) {
    let (disk, mut store) = fresh(geometry);
    for n in 0..20 {
        store.commit(puts(&[(n, &[n; 700]), (100 + n, b"")]), &mut rng(u64::from(n))).unwrap();
    }
    store.erase(&[key(3), key(7), key(104)]).unwrap();
    (disk, store)
}

fn assert_holds(store: &Shred<Arc<MemoryDisk>>) {
    assert_eq!(store.stats().records, 37);
    let names: Vec<_> = store.entries().map(|entry| entry.key).collect();
    let wanted = (0..20).flat_map(|n| [n, 100 + n]).filter(|n| ![3, 7, 104].contains(n));
    assert!(names.into_iter().eq(wanted.map(key)), "the order is kept");
    for n in (0..20).filter(|n| ![3, 7].contains(n)) {
        assert_eq!(store.read(&key(n)).unwrap(), [n; 700]);
    }
}

/// Returns the number of slots whose head these keys open, in any segment and in the generations 1
/// to 19.
fn heads_under(disk: &MemoryDisk, keys: &StoreKeys) -> usize {
    let (block, _) = Superblock::open(disk, &unlock()).unwrap();
    let layout = block.layout;
    let segments = layout.segments_in(disk.to_bytes().len() as u64);
    let places =
        (0..segments).flat_map(|segment| (0..layout.slots).map(move |slot| SlotAt { segment, slot }));
    let opens = |at: &SlotAt| {
        let copies = slot_copies(&disk, &layout, *at).unwrap();
        copies.iter().any(|copy| (1..20).any(|generation| Head::open(keys, copy, *at, generation).is_some()))
    };
    places.filter(opens).count()
}

#[test]
fn s15_a_replaced_data_key_opens_nothing_any_more() {
    for mirror in [false, true] {
        let (disk, mut store) =
            filled(&Geometry { segment_bytes: 32 << 10, max_segments: 12, mirror, ..tiny() });
        let old = store.core().keys();
        let sealed = disk.to_bytes()[..4_096].to_vec();
        assert_eq!(heads_under(&disk, &old), 37);
        store.replace_data_key(&unlock(), &mut rng(50)).unwrap();
        assert!(store.stats().is_replacing_key);
        assert_eq!(store.replace_data_key(&unlock(), &mut rng(51)), Err(ChangeError::UnderWay));
        // It is used meanwhile.
        store.commit(puts(&[(30, b"new")]), &mut rng(60)).unwrap();
        store.erase(&[key(30)]).unwrap();
        maintain(&mut store, 10 * SECOND);
        assert!(!store.stats().is_replacing_key);
        assert_holds(&store);
        assert_eq!(heads_under(&disk, &old), 0);
        assert_eq!(heads_under(&disk, &store.core().keys()), 37);
        let bytes = disk.to_bytes();
        assert!(!bytes.windows(48).any(|part| part == &sealed[112..160]), "the old sealed key is gone");
        drop(store);
        let store = Shred::open(Arc::clone(&disk), &unlock(), &mut rng(8)).unwrap();
        assert_holds(&store);
        assert!(!store.stats().is_replacing_key);
        assert_eq!(residue::scan(&disk, &unlock()).unwrap().heads, 37);
        assert!(store.core().keys_of(1).is_none());
    }
}

#[test]
fn s15_replacing_goes_on_at_the_next_opening_and_under_another_unlock_key() {
    let (disk, mut store) = filled(&Geometry { max_segments: 12, ..tiny() });
    let other = Unlock::Key(MasterKey::from_bytes([9; 32]));
    assert_eq!(store.replace_data_key(&other, &mut rng(1)), Err(ChangeError::WrongKey));
    assert!(!store.stats().is_replacing_key);
    store.replace_data_key(&unlock(), &mut rng(50)).unwrap();
    drop(store);
    let mut store = Shred::open(Arc::clone(&disk), &unlock(), &mut rng(8)).unwrap();
    assert!(store.stats().is_replacing_key);
    assert_holds(&store);
    store.change_unlock(&other, PassphraseCost::default(), &mut rng(9)).unwrap();
    store.maintain(SECOND, &mut rng(1)).unwrap();
    drop(store);
    assert!(Shred::open(Arc::clone(&disk), &unlock(), &mut rng(8)).is_err());
    let mut store = Shred::open(Arc::clone(&disk), &other, &mut rng(8)).unwrap();
    let phrase = Unlock::Passphrase(Passphrase::from_bytes(b"correct horse".to_vec()));
    let cost = PassphraseCost { memory_kib: 16, passes: 2, lanes: 1 };
    store.change_unlock(&phrase, cost, &mut rng(9)).unwrap();
    maintain(&mut store, 10 * SECOND);
    assert!(!store.stats().is_replacing_key);
    drop(store);
    for wrong in [unlock(), other] {
        assert!(Shred::open(Arc::clone(&disk), &wrong, &mut rng(8)).is_err());
    }
    assert_holds(&Shred::open(Arc::clone(&disk), &phrase, &mut rng(8)).unwrap());
}

#[test]
fn s15_what_is_damaged_does_not_keep_an_old_data_key() {
    let (disk, store) = filled(&Geometry { max_segments: 12, ..tiny() });
    let (body, slot) = {
        let core = store.core();
        let located = |n| core.published().find(&key(n)).unwrap();
        let body = located(5).dead_record().body();
        (core.layout.body_at(body.segment, body.offset), core.layout.slot_at(located(6).at(), 0))
    };
    drop(store);
    for at in [body, slot] {
        let mut byte = [0];
        crate::Disk::read_at(&disk, at + 40, &mut byte).unwrap();
        crate::Disk::write_at(&disk, at + 40, &[byte[0] ^ 1]).unwrap();
    }
    let mut store = Shred::open(Arc::clone(&disk), &unlock(), &mut rng(8)).unwrap();
    assert_eq!((store.stats().records, store.stats().damaged_slots), (36, 1));
    store.replace_data_key(&unlock(), &mut rng(50)).unwrap();
    maintain(&mut store, 10 * SECOND);
    let stats = store.stats();
    assert!(!stats.is_replacing_key);
    assert_eq!(
        (stats.records, stats.damaged_slots),
        (35, 1),
        "only what could not be read is gone, and stays counted"
    );
    assert_eq!(store.read(&key(8)).unwrap(), [8; 700]);
}

#[test]
fn s15_a_segment_with_a_damaged_header_keeps_nothing_under_an_old_data_key() {
    for mirror in [false, true] {
        let (disk, store) = filled(&Geometry { segment_bytes: 32 << 10, max_segments: 12, mirror, ..tiny() });
        let (old, header) = (store.core().keys(), store.core().layout.segment_at(0));
        drop(store);
        let mut page = vec![0; 4_096];
        crate::Disk::read_at(&disk, header, &mut page).unwrap();
        crate::Disk::write_at(&disk, header, &[0x5a; 4_096]).unwrap();
        let under_old = heads_under(&disk, &old);
        let mut store = Shred::open(Arc::clone(&disk), &unlock(), &mut rng(8)).unwrap();
        assert!(store.stats().records < 37 && under_old == 37, "a segment is lost");
        store.replace_data_key(&unlock(), &mut rng(50)).unwrap();
        maintain(&mut store, 10 * SECOND);
        assert!(!store.stats().is_replacing_key);
        drop(store);
        // Even if the header comes back.
        crate::Disk::write_at(&disk, header, &page).unwrap();
        assert_eq!(heads_under(&disk, &old), 0);
    }
}

#[test]
fn s15_a_full_store_replaces_its_data_key() {
    let (disk, mut store) = fresh(&tiny());
    let mut n = 0;
    while store.commit(puts(&[(n, &[n; 4_000])]), &mut rng(u64::from(n))).is_ok() {
        n += 1;
    }
    store.replace_data_key(&unlock(), &mut rng(50)).unwrap();
    maintain(&mut store, 10 * SECOND);
    assert!(!store.stats().is_replacing_key);
    assert_eq!(store.stats().records, u64::from(n));
    assert_eq!(residue::scan(&disk, &unlock()).unwrap().bodies, u64::from(n));
}

#[test]
fn s12_the_limit_of_a_store_is_raised_and_lowered() {
    let (disk, mut store) = fresh(&tiny());
    let fill = |store: &mut Shred<Arc<MemoryDisk>>, from: u8| {
        (from..).take_while(|n| store.commit(puts(&[(*n, &[1; 4_000])]), &mut rng(1)).is_ok()).count() as u8
    };
    let first = fill(&mut store, 0);
    assert_eq!(first, 12);
    assert_eq!(store.set_max_segments(12), 12);
    let more = fill(&mut store, first);
    assert_eq!(more, 8, "four segments more");
    drop(store);
    // What the file has is there, whatever the limit.
    let mut store = Shred::open(Arc::clone(&disk), &unlock(), &mut rng(1)).unwrap();
    assert_eq!((store.stats().records, store.stats().max_segments), (20, 8));
    let refused = store.commit(puts(&[(99, &[1; 4_000])]), &mut rng(1));
    assert_eq!(refused.unwrap_err(), CommitError::Full);
    store.set_max_segments(1);
    assert_eq!(store.stats().max_segments, 3);
    // It gets smaller as its end becomes free.
    store.erase(&(1..20).map(key).collect::<Vec<_>>()).unwrap();
    maintain(&mut store, 10 * SECOND);
    assert_eq!(store.stats().segments, 3);
    assert_eq!(disk.to_bytes().len(), 40_960 + 3 * (16 << 10));
    store.commit(Batch { puts: vec![record(50, b"more")], erases: vec![] }, &mut rng(1)).unwrap();
    assert_eq!(store.stats().records, 2);
}

#[test]
fn s12_a_limit_that_is_stored_is_there_at_the_next_opening() {
    let (disk, mut store) = fresh(&tiny());
    let other = Unlock::Key(MasterKey::from_bytes([9; 32]));
    assert_eq!(store.change_max_segments(20, &other, &mut rng(1)), Err(ChangeError::WrongKey));
    assert_eq!(store.stats().max_segments, 8);
    assert_eq!(store.change_max_segments(20, &unlock(), &mut rng(1)), Ok(20));
    store.commit(puts(&[(1, b"one")]), &mut rng(2)).unwrap();
    drop(store);
    let mut store = Shred::open(Arc::clone(&disk), &unlock(), &mut rng(3)).unwrap();
    assert_eq!((store.stats().max_segments, store.stats().records), (20, 1));
    // While the data key is replaced, too.
    store.replace_data_key(&unlock(), &mut rng(4)).unwrap();
    assert_eq!(store.change_max_segments(1, &unlock(), &mut rng(5)), Ok(3));
    maintain(&mut store, 10 * SECOND);
    assert!(!store.stats().is_replacing_key);
    drop(store);
    let store = Shred::open(Arc::clone(&disk), &unlock(), &mut rng(6)).unwrap();
    assert_eq!((store.stats().max_segments, store.stats().records), (3, 1));
}

#[test]
fn s15_replacing_is_finished_or_undone_whatever_crashes() {
    let (start, store) = filled(&Geometry { max_segments: 12, ..tiny() });
    drop(store);
    let disk = Arc::new(SimDisk::from_bytes(start.to_bytes()).recording());
    let mut store = Shred::open(Arc::clone(&disk), &unlock(), &mut rng(1)).unwrap();
    store.replace_data_key(&unlock(), &mut rng(50)).unwrap();
    let mut now = 10 * SECOND;
    while store.stats().is_replacing_key {
        now = store.maintain(now, &mut rng(7)).unwrap().map_or(now + SECOND, |next| next.max(now));
    }
    drop(store);
    let (mut tried, mut random) = (0, rng(3));
    let mut ends = [0; 2];
    for sync in disk.take_syncs() {
        for image in super::crash::images(&sync, 1 << 3, 2, &mut random) {
            let disk = Arc::new(MemoryDisk::from_bytes(image));
            let mut store = Shred::open(Arc::clone(&disk), &unlock(), &mut random).unwrap();
            assert_holds(&store);
            ends[usize::from(store.stats().is_replacing_key)] += 1;
            maintain(&mut store, 10 * SECOND);
            assert!(!store.stats().is_replacing_key);
            assert_holds(&store);
            assert_eq!(residue::scan(&disk, &unlock()).unwrap().heads, 37);
            tried += 1;
        }
    }
    assert!(tried > 200 && ends.iter().all(|&n| n > 5), "{tried} {ends:?}");
}
