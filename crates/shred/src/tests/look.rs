//! Looks at a store that another process has open.

use super::{fresh, key, puts, rng, tiny, unlock};
use crate::{Batch, Disk, Geometry, MemoryDisk, OpenError, Record, RecordKey, Shred};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

fn dead_bytes(disk: &Arc<MemoryDisk>) -> u64 {
    Shred::open_read_only(Arc::clone(disk), &unlock()).unwrap().stats().dead_bytes
}

#[test]
fn s10_a_look_counts_the_dead_bytes_that_lie_there() {
    let (disk, mut store) = fresh(&Geometry { initial_segments: 4, ..tiny() });
    store.commit(puts(&[(1, &[1; 300]), (2, &[2; 600])]), &mut rng(1)).unwrap();
    assert_eq!(dead_bytes(&disk), 0, "all that lies there lives");
    store.commit(puts(&[(3, &[3; 2_000])]), &mut rng(2)).unwrap();
    store.commit(puts(&[(4, &[4; 5_000])]), &mut rng(3)).unwrap();
    assert_eq!(dead_bytes(&disk), 0);
    // Between others; behind the last one, on a page of its own.
    store.erase(&[key(2)]).unwrap();
    assert_eq!(dead_bytes(&disk), 600);
    store.erase(&[key(3)]).unwrap();
    assert_eq!(dead_bytes(&disk), 2_600);
    // A whole segment.
    store.erase(&[key(4)]).unwrap();
    assert_eq!(dead_bytes(&disk), 7_600);
    assert_eq!(store.stats().dead_bytes, 7_600);
    assert_eq!(store.scrub_all(|| false), Ok(0));
    assert_eq!(dead_bytes(&disk), 0);
    store.commit(puts(&[(5, b"x")]), &mut rng(4)).unwrap();
    assert_eq!(dead_bytes(&disk), 0, "zeros are not counted");
}

/// While the store is looked at again and again, the process that has it open replaces the data key
/// and makes the file longer and shorter.
#[test]
fn s14_a_look_beside_changes_of_keys_and_length() {
    let geometry = Geometry { segment_bytes: 32 << 10, slots_per_segment: 64, max_segments: 24, ..tiny() };
    let (disk, mut store) = fresh(&geometry);
    let name = |n: u32| RecordKey(u128::from(n + 1_000).to_le_bytes());
    let record = |n| Record { key: name(n), meta: [0; 8], expiry_day: 0, body: vec![1; 700] };
    for n in 0..60 {
        store.commit(Batch { puts: vec![record(n)], erases: vec![] }, &mut rng(u64::from(n))).unwrap();
    }
    let done = AtomicBool::new(false);
    let (mut looks, mut busy, mut missed, mut failed) = (0, 0, 0, 0);
    std::thread::scope(|scope| {
        let done = &done;
        scope.spawn(move || {
            let mut now = Duration::ZERO;
            for n in 0..1_500_u32 {
                store.commit(puts(&[((n % 40) as u8, &[1; 900])]), &mut rng(u64::from(n))).unwrap();
                if n % 60 == 0 {
                    let _ = store.replace_data_key(&unlock(), &mut rng(u64::from(n)));
                    store.set_max_segments(8 + n / 60 % 2 * 16);
                }
                for _ in 0..20 {
                    now += Duration::from_millis(if n % 10 == 0 { 3_000 } else { 1 });
                    store.maintain(now, &mut rng(7)).unwrap();
                }
            }
            done.store(true, Ordering::SeqCst);
        });
        while !done.load(Ordering::SeqCst) || looks == 0 {
            looks += 1;
            match Shred::open_read_only(Arc::clone(&disk), &unlock()) {
                Ok(look) => missed += (0..60).filter(|n| look.entry(&name(*n)).is_none()).count(),
                Err(OpenError::Busy) => busy += 1,
                Err(_) => failed += 1,
            }
        }
    });
    println!("{looks} looks, {busy} busy, {failed} failed, {missed} records missed");
    assert_eq!(failed, 0, "of {looks}");
    assert!(disk.length().is_ok());
}
