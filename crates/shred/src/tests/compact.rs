//! Mostly dead segments are emptied by copying (S9).
//!
//! Rules S1 to S16 are the table at the end of spec/13-shred.md.

use super::{fresh, rng, tiny, unlock};
use crate::{Batch, CommitError, Geometry, MemoryDisk, Record, RecordKey, Shred, residue};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::Rng;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

fn name(n: u64) -> RecordKey {
    RecordKey(u128::from(n).to_le_bytes())
}

fn record(n: u64, body: Vec<u8>) -> Record {
    Record { key: name(n), meta: n.to_le_bytes(), expiry_day: 7, body }
}

fn small() -> Geometry {
    Geometry { segment_bytes: 64 << 10, slots_per_segment: 128, max_segments: 12, ..tiny() }
}

type Map = BTreeMap<u64, Vec<u8>>;

/// Checks that the store holds exactly the records of `map`, in the order in which they were
/// stored.
fn assert_holds(store: &Shred<Arc<MemoryDisk>>, map: &Map) {
    let names: Vec<u64> = store.entries().map(|entry| u64::from_le_bytes(entry.meta)).collect();
    assert!(names.is_sorted(), "copies keep their order");
    assert!(names.iter().eq(map.keys()), "{} of {}", names.len(), map.len());
    for (n, body) in map {
        assert_eq!(&store.read(&name(*n)).unwrap(), body);
    }
}

/// Fills a store up to `share` percent of its room for bodies and lets records die at random, until
/// `rounds` times the whole room was put. Returns the disk, the store and the records in it.
fn churn(share: u64, rounds: u64, with_upkeep: bool) -> (Arc<MemoryDisk>, Shred<Arc<MemoryDisk>>, Map) {
    let (disk, mut store) = fresh(&small());
    let mut random: ChaCha20Rng = rng(share);
    let (mut map, mut held, mut passed, mut next) = (Map::new(), 0, 0, 0);
    let capacity = 10 * 44 * 1_024;
    let mut now = Duration::ZERO;
    while passed < rounds * capacity {
        let body: Vec<u8> = (0..300 + random.next_u32() % 1_200).map(|_| random.next_u32() as u8).collect();
        (held, passed) = (held + body.len() as u64, passed + body.len() as u64);
        store.commit(Batch { puts: vec![record(next, body.clone())], erases: vec![] }, &mut random).unwrap();
        map.insert(next, body);
        next += 1;
        while held * 100 > share * capacity {
            let dies = *map.keys().nth((random.next_u64() % map.len() as u64) as usize).unwrap();
            held -= map.remove(&dies).unwrap().len() as u64;
            store.erase(&[name(dies)]).unwrap();
        }
        now += Duration::from_millis(20);
        if with_upkeep {
            store.maintain(now, &mut random).unwrap();
        }
    }
    (disk, store, map)
}

#[test]
fn s9_random_deaths_leave_room_at_every_fill() {
    for (share, with_upkeep) in [(10, true), (50, true), (50, false), (75, true), (75, false)] {
        let (disk, store, map) = churn(share, 12, with_upkeep);
        assert_holds(&store, &map);
        drop(store);
        assert!(disk.to_bytes().len() <= 40_960 + 12 * (64 << 10));
        let again = Shred::open(Arc::clone(&disk), &unlock(), &mut rng(1)).unwrap();
        assert_holds(&again, &map);
        assert_eq!(residue::scan(&disk, &unlock()).unwrap().heads, map.len() as u64);
    }
}

#[test]
fn s9_one_record_alive_in_each_segment_closes_no_store() {
    let (_, mut store) = fresh(&small());
    let mut random = rng(4);
    let (mut map, mut now) = (Map::new(), Duration::ZERO);
    for n in 0..6_000 {
        let body = vec![n as u8; 1_000];
        store.commit(Batch { puts: vec![record(n, body.clone())], erases: vec![] }, &mut random).unwrap();
        map.insert(n, body);
        // Of each 40, about as many as a segment holds, one stays.
        if n % 40 != 0 {
            store.erase(&[name(n)]).unwrap();
            map.remove(&n);
        }
        now += Duration::from_millis(1);
        store.maintain(now, &mut random).unwrap();
    }
    assert_holds(&store, &map);
}

#[test]
fn s12_full_is_full_and_goes_away_with_the_first_death() {
    let (_, mut store) = fresh(&small());
    let (mut n, mut random) = (0, rng(5));
    let put = |store: &mut Shred<_>, n| {
        store.commit(Batch { puts: vec![record(n, vec![1; 4_000])], erases: vec![] }, &mut rng(n))
    };
    while put(&mut store, n).is_ok() {
        n += 1;
    }
    let before = store.stats();
    assert_eq!(put(&mut store, n), Err(CommitError::Full));
    assert_eq!(store.stats().records, before.records, "a refused put changes nothing");
    // Spread over all segments, each of them one in eight.
    let mut dead = Vec::new();
    for dies in (0..n).step_by(5) {
        store.erase(&[name(dies)]).unwrap();
        dead.push(dies);
    }
    let mut again = 0;
    while put(&mut store, 10_000 + again).is_ok() {
        again += 1;
    }
    assert!(again * 2 > dead.len() as u64, "{again} of {}", dead.len());
    assert!((0..n).all(|n| store.read(&name(n)).is_ok() != dead.contains(&n)));
    let _ = random.next_u32();
}
