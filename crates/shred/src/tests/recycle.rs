//! Dead bytes leave the disk, and their space is used again (S10).
//!
//! Rules S1 to S16 are the table at the end of spec/13-shred.md.

use super::{fresh, key, record, rng, tiny, unlock};
use crate::testing::SimDisk;
use crate::{
    Batch, ChangeError, CommitError, Geometry, MemoryDisk, OpenError, Passphrase, PassphraseCost, Record,
    RecordKey, Shred, Unlock, residue,
};
use rand_chacha::rand_core::Rng;
use std::sync::Arc;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// Does the upkeep until nothing is left to do at this time.
fn maintain(store: &mut Shred<Arc<MemoryDisk>>, now: Duration) {
    while store.maintain(now, &mut rng(7)).unwrap().is_some_and(|next| next <= now) {}
}

/// Returns the ciphertext of a record's body, as it is on the disk.
fn ciphertext(store: &Shred<Arc<MemoryDisk>>, disk: &MemoryDisk, key: &RecordKey) -> Vec<u8> {
    let core = store.core();
    let body = core.published().find(key).unwrap().dead_record().body();
    let at = usize::try_from(core.layout.body_at(body.segment, body.offset)).unwrap();
    disk.to_bytes()[at..at + body.length as usize].to_vec()
}

fn lies_on(disk: &MemoryDisk, bytes: &[u8]) -> bool {
    disk.to_bytes().windows(bytes.len()).any(|window| window == bytes)
}

#[test]
fn s10_a_store_passes_a_hundred_times_its_size() {
    let (disk, mut store) = fresh(&Geometry { max_segments: 64, ..tiny() });
    let mut random = rng(3);
    let mut now = Duration::ZERO;
    let mut live: Vec<u8> = Vec::new();
    let mut passed = 0;
    while passed < 100 * 6 * 8_192 {
        let name = (0..=255).find(|n| !live.contains(n)).unwrap();
        let body = vec![name; 100 + random.next_u32() as usize % 3_000];
        store.commit(Batch { puts: vec![record(name, &body)], erases: vec![] }, &mut random).unwrap();
        passed += body.len();
        live.push(name);
        // The oldest go, as in a queue.
        while live.len() > 4 {
            store.erase(&[key(live.remove(0))]).unwrap();
        }
        now += SECOND / 10;
        maintain(&mut store, now);
    }
    let segments = (disk.to_bytes().len() - 40_960) / (16 << 10);
    assert!(segments <= 9, "the file does not grow: {segments}");
    maintain(&mut store, now + 10 * SECOND);
    let stats = store.stats();
    assert_eq!((stats.records, stats.dead_bytes, stats.oldest_dead), (4, 0, None));
    drop(store);
    let again = Shred::open(Arc::clone(&disk), &unlock(), &mut random).unwrap();
    assert_eq!(again.stats().records, 4);
    assert_eq!(residue::scan(&disk, &unlock()).unwrap().heads, 4);
}

#[test]
fn s10_dead_ciphertext_is_gone_when_the_store_is_quiet_and_in_time_when_it_is_not() {
    let wide = Geometry { segment_bytes: 256 << 10, slots_per_segment: 1_024, ..tiny() };
    let (disk, mut store) = fresh(&wide);
    store.set_dead_bytes_limit(40 * SECOND);
    let bodies: Vec<_> = (1..=4).map(|n| record(n, &[n; 500])).collect();
    store.commit(Batch { puts: bodies, erases: vec![] }, &mut rng(1)).unwrap();
    let written: Vec<_> = (1..=4).map(|n| ciphertext(&store, &disk, &key(n))).collect();
    assert!(written.iter().all(|bytes| lies_on(&disk, bytes)), "the test looks at the right bytes");
    store.erase(&[key(1)]).unwrap();
    // Without upkeep it stays: the test can fail.
    assert!(lies_on(&disk, &written[0]));
    assert_eq!(store.stats().records, 3);
    // Busy: a commit each second.
    for second in 0..40 {
        maintain(&mut store, SECOND * second);
        let busy = Record { key: key(9), meta: [0; 8], expiry_day: 0, body: vec![9; 10] };
        store.commit(Batch { puts: vec![busy], erases: vec![] }, &mut rng(u64::from(second))).unwrap();
        maintain(&mut store, SECOND * second);
        assert_eq!(lies_on(&disk, &written[0]), second < 10, "{second}");
        assert!(store.stats().oldest_dead.unwrap_or_default() <= 11 * SECOND);
    }
    // A batch replaces and erases; then nothing happens.
    let batch = Batch { puts: vec![record(2, b"new")], erases: vec![key(3)] };
    store.commit(batch, &mut rng(9)).unwrap();
    maintain(&mut store, 40 * SECOND);
    assert!(lies_on(&disk, &written[1]) && lies_on(&disk, &written[2]));
    maintain(&mut store, 43 * SECOND);
    assert!(!lies_on(&disk, &written[1]) && !lies_on(&disk, &written[2]));
    assert!(lies_on(&disk, &written[3]));
    assert_eq!(store.read(&key(4)).unwrap(), [4; 500]);
}

#[test]
fn s10_puts_wait_no_longer_than_the_disk_takes_to_zero() {
    let (_, mut store) = fresh(&tiny());
    store.set_dead_bytes_limit(SECOND / 100);
    store.commit(Batch { puts: vec![record(1, &[1; 900])], erases: vec![] }, &mut rng(1)).unwrap();
    store.erase(&[key(1)]).unwrap();
    store.set_now(SECOND);
    let put = || Batch { puts: vec![record(2, b"new")], erases: vec![] };
    assert_eq!(store.commit(put(), &mut rng(2)), Err(CommitError::Busy));
    store.erase(&[key(7)]).unwrap();
    store.maintain(SECOND, &mut rng(3)).unwrap();
    store.commit(put(), &mut rng(4)).unwrap();
}

#[test]
fn s10_what_an_opening_finds_dead_is_zeroed_soon() {
    let (disk, mut store) = fresh(&tiny());
    for n in 1..=3 {
        store
            .commit(Batch { puts: vec![record(n, &[n; 700])], erases: vec![] }, &mut rng(u64::from(n)))
            .unwrap();
    }
    let written: Vec<_> = (1..=3).map(|n| ciphertext(&store, &disk, &key(n))).collect();
    store.erase(&[key(1), key(3)]).unwrap();
    // Killed before any upkeep.
    drop(store);
    let mut store = Shred::open(Arc::clone(&disk), &unlock(), &mut rng(5)).unwrap();
    assert!(lies_on(&disk, &written[0]) && lies_on(&disk, &written[2]));
    store.maintain(Duration::ZERO, &mut rng(7)).unwrap();
    assert!(store.stats().dead_bytes > 0 && store.stats().oldest_dead.is_some());
    // What is written meanwhile into the rest of the segment stays.
    store.commit(Batch { puts: vec![record(7, &[7; 900])], erases: vec![] }, &mut rng(6)).unwrap();
    maintain(&mut store, 3 * SECOND);
    assert!(!lies_on(&disk, &written[0]) && !lies_on(&disk, &written[2]) && lies_on(&disk, &written[1]));
    assert_eq!(store.stats().dead_bytes, 0);
    for n in [2, 7] {
        assert!(store.read(&key(n)).is_ok());
    }
}

#[test]
fn s10_closing_zeroes_what_it_can_and_tells_the_rest() {
    // More than one step looks at.
    let (disk, mut store) = fresh(&Geometry { segment_bytes: 4 << 20, ..tiny() });
    store
        .commit(Batch { puts: vec![record(1, &[1; 700]), record(2, &[2; 10])], erases: vec![] }, &mut rng(1))
        .unwrap();
    let written = ciphertext(&store, &disk, &key(1));
    store.erase(&[key(1)]).unwrap();
    assert_eq!(store.scrub_all(|| false).unwrap(), 0);
    assert!(!lies_on(&disk, &written));
    drop(store);
    let open = || Shred::open(Arc::clone(&disk), &unlock(), &mut rng(5)).unwrap();
    assert_eq!(open().upkeep.debt(), (0, None), "the last commit says that nothing dead is left");
    // Any commit after it says nothing of the kind.
    let mut store = open();
    store.commit(Batch { puts: vec![record(3, &[3; 10])], erases: vec![] }, &mut rng(6)).unwrap();
    store.erase(&[key(3)]).unwrap();
    drop(store);
    let mut store = open();
    assert!(store.upkeep.debt().0 > 0);
    // Time for a single piece.
    assert!(store.scrub_all(|| true).unwrap() > 0);
    assert_eq!(store.scrub_all(|| false).unwrap(), 0);
}

/// S15: after a crash at any time the old or the new key opens the store, and then no copy of the
/// other superblock is left.
#[test]
fn s15_the_unlock_key_is_changed_whatever_crashes() {
    let (disk, mut store) = fresh(&tiny());
    store.commit(Batch { puts: vec![record(1, b"one")], erases: vec![] }, &mut rng(1)).unwrap();
    drop(store);
    let sim = Arc::new(SimDisk::from_bytes(disk.to_bytes()).recording());
    let mut store = Shred::open(Arc::clone(&sim), &unlock(), &mut rng(2)).unwrap();
    sim.take_syncs();
    let cost = PassphraseCost { memory_kib: 16, passes: 1, lanes: 1 };
    let other = Unlock::Passphrase(Passphrase::from_bytes(b"other".to_vec()));
    let old_page = sim.seen()[..4096].to_vec();
    store.change_unlock(&other, cost, &mut rng(3)).unwrap();
    let mut opened = [0; 2];
    for torn in sim.take_syncs() {
        for image in (0..torn.images().min(512)).map(|n| torn.nth(n)) {
            let (mut opens, mut finds) = (0, 0);
            for (n, key) in [&unlock(), &other].into_iter().enumerate() {
                let disk = Arc::new(MemoryDisk::from_bytes(image.clone()));
                let Ok(store) = Shred::open(Arc::clone(&disk), key, &mut rng(4)) else { continue };
                assert_eq!(store.read(&super::key(1)).unwrap(), b"one");
                opened[n] += 1;
                opens += 1;
                // Both copies are the one that opened.
                let bytes = disk.to_bytes();
                assert_eq!(bytes[..4096], bytes[4096..8192]);
                finds += usize::from(bytes[..4096] == old_page);
            }
            assert!(opens > 0 && finds <= 1);
        }
    }
    assert!(opened.iter().all(|n| *n > 0), "{opened:?}");
    let bytes = sim.durable();
    assert!(
        !bytes.windows(old_page.len()).any(|window| window == old_page),
        "old superblock bytes do not stay"
    );
    let open = |key: &Unlock| Shred::open(MemoryDisk::from_bytes(bytes.clone()), key, &mut rng(5)).err();
    assert_eq!(open(&unlock()), Some(OpenError::WrongKey));
    assert_eq!(open(&other), None);
    let dear = PassphraseCost { memory_kib: u32::MAX, ..cost };
    assert_eq!(store.change_unlock(&other, dear, &mut rng(6)), Err(ChangeError::BadCost));
}

/// A store of version 1, with a segment that is full of erased records, is brought to version 2 and
/// the segment is used again.
#[test]
fn a_store_of_version_1_is_improved_in_place() {
    let (disk, mut store) = fresh(&tiny());
    store
        .commit(
            Batch { puts: vec![record(1, &[1; 4000]), record(2, &[2; 4000])], erases: vec![] },
            &mut rng(1),
        )
        .unwrap();
    store.commit(Batch { puts: vec![record(3, &[3; 400])], erases: vec![] }, &mut rng(2)).unwrap();
    let written = ciphertext(&store, &disk, &key(1));
    store.erase(&[key(1), key(2)]).unwrap();
    drop(store);
    crate::superblock::write_version_1(&*disk, &unlock());
    let looked = Shred::open_read_only(Arc::clone(&disk), &unlock()).unwrap();
    assert_eq!(looked.stats().records, 1);
    let mut store = Shred::open(Arc::clone(&disk), &unlock(), &mut rng(3)).unwrap();
    assert_eq!(disk.to_bytes()[16], 2, "an older program refuses it from now on");
    maintain(&mut store, 5 * SECOND);
    assert!(!lies_on(&disk, &written));
    assert_eq!(store.segments()[0].stamp.generation, 2);
    assert_eq!(store.read(&key(3)).unwrap(), [3; 400]);
}
