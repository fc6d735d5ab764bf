//! Long lives: many operations beside a map, volumes without room, files of another length.

use super::crash::{below, empty};
use super::model::{Op, State, contents, recovered};
use super::{fresh, puts, rng, tiny, unlock};
use crate::testing::SimDisk;
use crate::{Batch, CommitError, Geometry, MemoryDisk, Record, RecordKey, Shred};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::Rng;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// The records that the store of the long test must hold, by their keys.
type Held = BTreeMap<RecordKey, Vec<u8>>;

fn name(random: &mut ChaCha20Rng) -> RecordKey {
    RecordKey(u128::from(random.next_u32() % 6_000).to_be_bytes())
}

/// A million random operations agree with a map; the store is never larger than its limit, and is
/// reopened now and then.
#[test]
fn a_million_operations_match_a_map() {
    let mut random = rng(11);
    let geometry =
        Geometry { segment_bytes: 256 << 10, slots_per_segment: 1_024, max_segments: 40, ..tiny() };
    let (disk, mut store) = fresh(&geometry);
    let (mut held, mut now) = (Held::new(), Duration::ZERO);
    let (mut ops, mut full, mut round) = (0, 0, 0_u32);
    while ops < 1_000_000 {
        round += 1;
        now += Duration::from_millis(5);
        if random.next_u32().is_multiple_of(3) {
            let names: Vec<RecordKey> = (0..1 + below(&mut random, 60)).map(|_| name(&mut random)).collect();
            store.erase(&names).unwrap();
            ops += names.len();
            names.iter().for_each(|name| drop(held.remove(name)));
        } else {
            let mut wanted = BTreeMap::new();
            for _ in 0..1 + below(&mut random, 100) {
                let body = vec![random.next_u32() as u8; below(&mut random, 1_400)];
                wanted.insert(name(&mut random), (!random.next_u32().is_multiple_of(5)).then_some(body));
            }
            ops += wanted.len();
            let record = |(key, body): (&RecordKey, &Option<Vec<u8>>)| {
                let body = body.clone()?;
                Some(Record { key: *key, meta: [3; 8], expiry_day: 1, body })
            };
            let batch = Batch {
                puts: wanted.iter().filter_map(record).collect(),
                erases: wanted.iter().filter(|(_, body)| body.is_none()).map(|(key, _)| *key).collect(),
            };
            match store.commit(batch, &mut random) {
                Ok(_) => wanted.into_iter().for_each(|(key, body)| {
                    match body {
                        Some(body) => held.insert(key, body),
                        None => held.remove(&key),
                    };
                }),
                Err(CommitError::Full) => {
                    full += 1;
                    let some: Vec<RecordKey> = held.keys().step_by(5).copied().collect();
                    some.chunks(400).for_each(|names| store.erase(names).unwrap());
                    some.iter().for_each(|name| drop(held.remove(name)));
                }
                Err(error) => panic!("{error}"),
            }
        }
        store.maintain(now, &mut random).unwrap();
        if round % 700 == 0 {
            assert_eq!(store.stats().records, held.len() as u64);
            assert!(held.iter().all(|(key, body)| store.read(key).unwrap() == *body));
            if round % 2_100 == 0 {
                drop(store);
                store = Shred::open(Arc::clone(&disk), &unlock(), &mut random).unwrap();
                now = Duration::ZERO;
            }
        }
    }
    assert!(store.reader().entries_with_prefix(&[]).iter().map(|entry| entry.key).eq(held.keys().copied()));
    assert!(full < round / 100, "{full} of {round} were refused for want of room");
}

/// A put for which the volume has no space is refused, and the store takes puts as soon as there is
/// space, without being reopened.
#[test]
fn s12_a_volume_without_room_harms_nothing() {
    for seed in 0..40 {
        let mut random = rng(seed);
        let start = empty(&Geometry { max_segments: 30, ..tiny() });
        let disk = Arc::new(SimDisk::from_bytes(start.clone()));
        if seed % 2 == 0 {
            disk.write_halves();
        }
        let mut store = Shred::open(Arc::clone(&disk), &unlock(), &mut rng(1)).unwrap();
        let mut room = start.len() + below(&mut random, 5 << 14);
        disk.set_room(room);
        let (mut state, mut refused, mut taken) = (State::default(), 0, 0);
        for n in 0..120 {
            let op = match below(&mut random, 6) {
                0 => Op::Erase((0..3).map(|_| 1 + below(&mut random, 30) as u8).collect()),
                1 => Op::Maintain(500),
                2 => Op::Maintain(5_000),
                _ => Op::Commit(vec![(1 + below(&mut random, 30) as u8, vec![n; 2_500])], vec![]),
            };
            match op.run(&mut store, u64::from(n)) {
                Ok(()) => {
                    taken += usize::from(refused > 0 && matches!(op, Op::Commit(..)));
                    state = op.apply(&state);
                }
                Err(CommitError::Full) => {
                    refused += 1;
                    if below(&mut random, 3) == 0 {
                        room += 40 << 10;
                        disk.set_room(room);
                    }
                }
                Err(error) => panic!("seed {seed}, {op:?}: {error}"),
            }
            assert_eq!(contents(&store.reader()), state);
        }
        assert!(refused == 0 || taken > 0, "seed {seed}");
        store.settle().unwrap();
        assert_eq!(recovered(&disk.durable()), state);
    }
}

#[test]
fn a_file_that_is_longer_or_shorter_is_judged() {
    let (disk, mut store) = fresh(&tiny());
    for n in 0..8 {
        store.commit(puts(&[(n, &[n; 3_000])]), &mut rng(u64::from(n))).unwrap();
    }
    let state = contents(&store.reader());
    drop(store);
    let bytes = disk.to_bytes();
    for more in [1, 511, 4_096, 16 << 10, (16 << 10) + 7, 5 << 14] {
        for fill in [0, 0xa5] {
            let mut longer = bytes.clone();
            longer.resize(bytes.len() + more, fill);
            assert_eq!(recovered(&longer), state, "{more} bytes of {fill}");
        }
    }
    for less in [1, 4_096, 16 << 10, 5 << 14] {
        let shorter = MemoryDisk::from_bytes(bytes[..bytes.len() - less].to_vec());
        assert_eq!(Shred::open(shorter, &unlock(), &mut rng(1)).unwrap_err(), crate::OpenError::Corrupt);
    }
}
