//! Bit rot: a flipped bit costs the record it hits and nothing else.

use super::model::{Op, State};
use super::{rng, tiny, unlock};
use crate::{Geometry, MemoryDisk, ReadError, RecordKey, Shred};
use rand_chacha::rand_core::Rng;
use std::sync::Arc;

fn settled(geometry: &Geometry) -> (Vec<u8>, State) {
    let disk = Arc::new(MemoryDisk::new());
    let mut store = Shred::create(Arc::clone(&disk), geometry, &unlock(), &mut rng(1)).unwrap();
    let mut state = State::default();
    let script = [
        Op::Commit((1..12).map(|n| (n, vec![n; 90])).collect(), vec![]),
        Op::Commit((5..9).map(|n| (n, vec![n; 200])).collect(), vec![1]),
        Op::Erase(vec![2]),
        Op::Commit(vec![(12, vec![1; 3000]), (13, vec![2; 3000]), (14, vec![3; 3000])], vec![3]),
        Op::Settle,
    ];
    for op in script {
        op.run(&mut store, 7).unwrap();
        state = op.apply(&state);
    }
    (disk.to_bytes(), state)
}

/// Opens the store on this image. Returns the keys of the records of `state` that cannot be read.
fn lost(bytes: Vec<u8>, state: &State) -> Vec<u8> {
    let disk = Arc::new(MemoryDisk::from_bytes(bytes));
    let store = Shred::open(disk, &unlock(), &mut rng(1)).unwrap();
    assert!(store.entries().all(|entry| state.0.contains_key(&entry.key.0[0])), "nothing comes back");
    let mut lost = Vec::new();
    for (n, body) in &state.0 {
        match store.read(&RecordKey([*n; 16])) {
            Ok(read) => assert_eq!(read, *body),
            Err(ReadError::Corrupt | ReadError::NotFound) => lost.push(*n),
            Err(error) => panic!("{error}"),
        }
    }
    lost
}

#[test]
fn a_flipped_bit_costs_at_most_the_record_it_hits() {
    for mirror in [false, true] {
        let (good, state) = settled(&Geometry { mirror, ..tiny() });
        let mut random = rng(77);
        let mut cost = 0;
        // Every byte that holds something, and some that do not.
        for at in 0..good.len() {
            let chosen = good[at] != 0 || at % 997 == 0;
            let skipped = at % 7 != 0 && !(40_000..=41_500).contains(&at);
            if !chosen || skipped {
                continue;
            }
            let mut bad = good.clone();
            bad[at] ^= 1 << (random.next_u32() % 8);
            let lost = lost(bad, &state);
            assert!(lost.len() <= 1, "byte {at} cost {lost:?}");
            cost += lost.len();
        }
        assert!(cost > 100, "bodies are not redundant: {cost}");
    }
}

#[test]
fn a_whole_sector_of_slots_costs_its_four_records() {
    let (good, state) = settled(&tiny());
    let mut bad = good;
    bad[40_960 + 4096 + 1024..][..512].fill(0xee);
    // Slots 8 to 11: three of the records 9 to 11 and the replacement of 5.
    assert_eq!(lost(bad, &state), [5, 9, 10, 11]);
}

#[test]
fn larger_damage_never_shows_what_was_not_stored() {
    let (good, state) = settled(&tiny());
    let mut random = rng(78);
    for _ in 0..400 {
        let mut bad = good.clone();
        for _ in 0..1 + random.next_u32() % 3 {
            let at = random.next_u32() as usize % bad.len();
            let to = (at + random.next_u32() as usize % 5_000).min(bad.len());
            match random.next_u32() % 3 {
                0 => bad[at..to].fill(0),
                1 => random.fill_bytes(&mut bad[at..to]),
                _ => {
                    let from = random.next_u32() as usize % (bad.len() - (to - at));
                    bad.copy_within(from..from + (to - at), at);
                }
            }
        }
        let disk = Arc::new(MemoryDisk::from_bytes(bad));
        let Ok(store) = Shred::open(disk, &unlock(), &mut rng(1)) else { continue };
        for entry in store.entries() {
            if let Ok(body) = store.read(&entry.key) {
                assert!(body.len() == entry.length as usize);
                let n = entry.key.0[0];
                // Only what was stored once, whether it is the newest or not.
                assert!(state.0.get(&n) == Some(&body) || body.iter().all(|byte| *byte == n));
            }
        }
    }
}
