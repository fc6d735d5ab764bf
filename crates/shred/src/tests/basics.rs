//! Calls on a store whose disk works, and refusals.
//!
//! Rules S1 to S16 are the table at the end of spec/13-shred.md.

use super::{fresh, key, puts, record, rng, tiny, unlock};
use crate::record::{MAX_BATCH_OPS, MAX_BODY, MAX_REDO};
use crate::{
    Batch, CommitError, CreateError, Geometry, MasterKey, MemoryDisk, OpenError, Passphrase, PassphraseCost,
    ReadError, Record, RecordKey, Shred, Unlock, residue,
};
use std::sync::Arc;

fn reopened(disk: &MemoryDisk) -> Shred<MemoryDisk> {
    Shred::open(MemoryDisk::from_bytes(disk.to_bytes()), &unlock(), &mut rng(2)).unwrap()
}

#[test]
fn puts_replaces_and_erases() {
    let (disk, mut store) = fresh(&tiny());
    let one = store.commit(puts(&[(1, b"one"), (2, b""), (3, b"three")]), &mut rng(3)).unwrap();
    let two = store.commit(puts(&[(1, b"ONE")]), &mut rng(4)).unwrap();
    assert!(two.first_order > one.first_order + 2);
    assert_eq!(store.read(&key(1)).unwrap(), b"ONE");
    assert_eq!(store.read(&key(2)).unwrap(), b"");
    assert_eq!(store.read(&key(9)), Err(ReadError::NotFound));
    assert_eq!(store.stats().pending_erases, 1);
    store.erase(&[key(3), key(3), key(9)]).unwrap();
    assert_eq!(store.stats().pending_erases, 0);
    assert_eq!(store.stats().dead_slots, 2);
    let mixed = Batch { puts: vec![record(4, b"four")], erases: vec![key(2), key(8)] };
    store.commit(mixed, &mut rng(5)).unwrap();
    {
        let store = reopened(&disk);
        let entries: Vec<_> = store.entries().collect();
        assert_eq!(entries.iter().map(|e| e.key).collect::<Vec<_>>(), [key(1), key(4)]);
        assert_eq!(entries[0].order, two.first_order);
        assert_eq!((entries[1].meta, entries[1].expiry_day, entries[1].length), ([4; 8], 4, 4));
        assert_eq!(store.read(&key(1)).unwrap(), b"ONE");
        assert_eq!(store.stats().records, 2);
        assert_eq!(store.stats().live_bytes, 7);
    }
}

#[test]
fn after_an_erase_nothing_opens() {
    let (disk, mut store) = fresh(&tiny());
    store.commit(puts(&[(1, b"one"), (2, b"two")]), &mut rng(3)).unwrap();
    let scan = || residue::scan(&disk, &unlock()).unwrap();
    assert_eq!((scan().positions, scan().heads, scan().bodies), (64, 2, 2));
    store.erase(&[key(1)]).unwrap();
    assert_eq!((scan().heads, scan().bodies), (1, 1));
    // S6: a replaced version opens until the next commit, not longer.
    store.commit(puts(&[(2, b"zwei")]), &mut rng(4)).unwrap();
    assert_eq!(scan().heads, 2);
    store.settle().unwrap();
    assert_eq!(scan().heads, 1);
    store.commit(Batch { puts: vec![], erases: vec![key(2)] }, &mut rng(5)).unwrap();
    // Not in the index any more, still an older version whose end is asked for.
    store.erase(&[key(2)]).unwrap();
    assert_eq!((scan().heads, scan().bodies), (0, 0));
}

#[test]
fn s3_a_slot_is_used_once_and_in_order() {
    let (disk, mut store) = fresh(&tiny());
    store.commit(puts(&[(1, b"one"), (2, b"two")]), &mut rng(3)).unwrap();
    store.erase(&[key(2)]).unwrap();
    store.commit(puts(&[(3, b"three")]), &mut rng(3)).unwrap();
    store.erase(&[key(3)]).unwrap();
    let mut store = reopened(&disk);
    store.commit(puts(&[(4, b"four")]), &mut rng(3)).unwrap();
    assert_eq!(store.stats().dead_slots, 2, "no dead slot was written over");
    let core = store.reader().core().clone();
    let slots = [1, 4].map(|n| core.published().find(&key(n)).unwrap().at().slot);
    assert_eq!(slots, [0, 3]);
}

#[test]
fn nothing_to_do_writes_nothing() {
    let (disk, mut store) = fresh(&tiny());
    let before = disk.to_bytes();
    store.settle().unwrap();
    store.erase(&[key(1)]).unwrap();
    store.commit(Batch { puts: vec![], erases: vec![key(1)] }, &mut rng(1)).unwrap();
    assert!(before == disk.to_bytes());
    store.commit(puts(&[(1, b"one")]), &mut rng(3)).unwrap();
    store.settle().unwrap();
    let before = disk.to_bytes();
    store.settle().unwrap();
    assert!(before == disk.to_bytes());
}

#[test]
fn s16_limits_are_kept_and_a_refusal_changes_nothing() {
    let roomy = Geometry { segment_bytes: 4 << 20, slots_per_segment: 8192, initial_segments: 1, ..tiny() };
    let (disk, mut store) = fresh(&roomy);
    let many = |n: usize| {
        let name = |n: usize| RecordKey(u128::try_from(n).unwrap().to_le_bytes());
        let puts = (0..n).map(|n| Record { key: name(n), meta: [0; 8], expiry_day: 0, body: vec![] });
        Batch { puts: puts.collect(), erases: vec![] }
    };
    let before = disk.to_bytes();
    let mut refuse = |batch: Batch, error| {
        assert_eq!(store.commit(batch, &mut rng(1)), Err(error));
        assert!(before == disk.to_bytes());
    };
    refuse(many(MAX_BATCH_OPS + 1), CommitError::TooLarge);
    refuse(puts(&[(1, &vec![0; MAX_BODY + 1])]), CommitError::TooLarge);
    let big = vec![0; MAX_BODY];
    let nine: Vec<(u8, &[u8])> = (0..9).map(|n| (n, big.as_slice())).collect();
    refuse(puts(&nine), CommitError::TooLarge);
    refuse(Batch { erases: vec![key(1); 401], ..Batch::default() }, CommitError::TooLarge);
    refuse(puts(&[(1, b"a"), (1, b"b")]), CommitError::DuplicateKey);
    refuse(Batch { erases: vec![key(1)], ..puts(&[(1, b"a")]) }, CommitError::DuplicateKey);
    store.commit(puts(&[(1, &big)]), &mut rng(1)).unwrap();
    assert!(store.read(&key(1)).unwrap() == big);
    store.commit(many(MAX_BATCH_OPS), &mut rng(2)).unwrap();
    // All of them replaced at once: more than a redo list holds.
    assert_eq!(store.commit(many(MAX_REDO + 1), &mut rng(3)), Err(CommitError::TooLarge));
    store.commit(many(MAX_REDO), &mut rng(3)).unwrap();
    assert_eq!(reopened(&disk).stats().records, MAX_BATCH_OPS as u64 + 1);
}

#[test]
fn s12_grows_between_commits_until_full_and_erases_always_succeed() {
    let (disk, mut store) = fresh(&tiny());
    let body = [5u8; 4000];
    let mut stored = 0u8;
    let full = loop {
        match store.commit(puts(&[(stored, &body)]), &mut rng(u64::from(stored))) {
            Ok(_) => stored += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(full, CommitError::Full);
    // Two pages of bodies in each segment that is not reserved.
    assert_eq!(stored, 2 * 6);
    assert_eq!(store.stats().segments, 8);
    assert_eq!(reopened(&disk).stats().records, 12);
    store.erase(&[key(0)]).unwrap();
    store.commit(Batch { puts: vec![], erases: vec![key(1)] }, &mut rng(9)).unwrap();
    store.settle().unwrap();
    assert_eq!(residue::scan(&disk, &unlock()).unwrap().heads, 10);
    // Segment 0 is wholly dead: full is an answer that goes away.
    store.commit(puts(&[(1, &body)]), &mut rng(1)).unwrap();
    store.commit(puts(&[(2, &body)]), &mut rng(1)).unwrap();
    assert_eq!(store.read(&key(11)).unwrap(), body);
}

#[test]
fn open_answers_differ_and_overwrite_nothing() {
    let (disk, mut store) = fresh(&tiny());
    store.commit(puts(&[(1, b"one")]), &mut rng(3)).unwrap();
    let good = disk.to_bytes();
    let open = |bytes: &[u8], unlock: &Unlock| {
        let disk = Arc::new(MemoryDisk::from_bytes(bytes.to_vec()));
        let error = Shred::open(Arc::clone(&disk), unlock, &mut rng(1)).unwrap_err();
        assert!(bytes == disk.to_bytes());
        let looked = Shred::open_read_only(Arc::clone(&disk), unlock).unwrap_err();
        assert_eq!(looked, error);
        assert!(bytes == disk.to_bytes());
        error
    };
    let other = Unlock::Key(MasterKey::from_bytes([8; 32]));
    assert_eq!(open(&good, &other), OpenError::WrongKey);
    assert_eq!(open(&good, &Unlock::Passphrase(Passphrase::from_bytes(vec![7; 32]))), OpenError::WrongKey);
    assert_eq!(open(&[], &unlock()), OpenError::NotAStore);
    assert_eq!(open(b"hello", &unlock()), OpenError::NotAStore);
    assert_eq!(open(&[0x55; 100_000], &unlock()), OpenError::NotAStore);
    let mut bad = good.clone();
    bad[50] ^= 1;
    bad[4096 + 50] ^= 1;
    assert_eq!(open(&bad, &unlock()), OpenError::Corrupt);
    // Cut off: a whole segment is missing.
    assert_eq!(open(&good[..good.len() - 1], &unlock()), OpenError::Corrupt);
    // No commit at all is damage, not emptiness: nothing is rolled back on it.
    let mut bad = good.clone();
    bad[8192..40960].fill(0);
    assert_eq!(open(&bad, &unlock()), OpenError::Corrupt);
    assert_eq!(open(&good[..20_000], &unlock()), OpenError::Corrupt);
}

#[test]
fn creation_refuses_what_is_there_and_bad_sizes() {
    let disk = Arc::new(MemoryDisk::from_bytes(vec![1]));
    assert_eq!(
        Shred::create(Arc::clone(&disk), &tiny(), &unlock(), &mut rng(1)).unwrap_err(),
        CreateError::Exists
    );
    assert_eq!(disk.to_bytes(), [1]);
    let bad = Geometry { slots_per_segment: 31, ..tiny() };
    assert_eq!(
        Shred::create(MemoryDisk::new(), &bad, &unlock(), &mut rng(1)).unwrap_err(),
        CreateError::BadGeometry
    );
}

#[test]
fn a_passphrase_opens_what_it_closed() {
    let disk = Arc::new(MemoryDisk::new());
    let phrase = |text: &[u8]| Unlock::Passphrase(Passphrase::from_bytes(text.to_vec()));
    let mut store =
        Shred::create(Arc::clone(&disk), &tiny(), &phrase(b"correct horse"), &mut rng(1)).unwrap();
    store.commit(puts(&[(1, b"one")]), &mut rng(1)).unwrap();
    let store = Shred::open(Arc::clone(&disk), &phrase(b"correct horse"), &mut rng(1)).unwrap();
    assert_eq!(store.read(&key(1)).unwrap(), b"one");
    let wrong = Shred::open(Arc::clone(&disk), &phrase(b"correct house"), &mut rng(1));
    assert_eq!(wrong.unwrap_err(), OpenError::WrongKey);
}

#[test]
fn a_store_opens_at_the_cost_it_was_made_at() {
    // That of the first version, too.
    for (memory_kib, passes, lanes) in [(19_456, 2, 1), (32, 1, 4), (8, 3, 1)] {
        let passphrase_cost = PassphraseCost { memory_kib, passes, lanes };
        let disk = Arc::new(MemoryDisk::new());
        let phrase = || Unlock::Passphrase(Passphrase::from_bytes(b"correct horse".to_vec()));
        let geometry = Geometry { passphrase_cost, ..tiny() };
        Shred::create(Arc::clone(&disk), &geometry, &phrase(), &mut rng(1)).unwrap();
        assert_eq!(disk.to_bytes()[60..72], [memory_kib, passes, lanes].map(u32::to_le_bytes).concat());
        assert!(Shred::open(Arc::clone(&disk), &phrase(), &mut rng(1)).is_ok());
    }
    let new = PassphraseCost::default();
    assert_eq!((new.memory_kib, new.passes, new.lanes), (65_536, 3, 4));
    let bad = Geometry { passphrase_cost: PassphraseCost { passes: 17, ..new }, ..tiny() };
    let phrase = Unlock::Passphrase(Passphrase::from_bytes(vec![1]));
    let refused = Shred::create(MemoryDisk::new(), &bad, &phrase, &mut rng(1));
    assert_eq!(refused.unwrap_err(), CreateError::BadGeometry);
}

#[test]
fn nothing_a_caller_gave_stands_in_the_file() {
    let (disk, mut store) = fresh(&tiny());
    let name = RecordKey(*b"a name to look f");
    let body = b"a body that must not be found here".to_vec();
    let batch =
        Batch { puts: vec![Record { key: name, meta: *b"metadata", expiry_day: 0, body }], erases: vec![] };
    store.commit(batch, &mut rng(1)).unwrap();
    let bytes = disk.to_bytes();
    for needle in [b"a name to".as_slice(), b"metadata", b"must not be"] {
        assert!(!bytes.windows(needle.len()).any(|w| w == needle));
    }
}
