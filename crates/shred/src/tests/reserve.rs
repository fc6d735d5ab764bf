//! Room that is kept for copies, so that a full store or a full volume has room again when records die.

use super::{key, puts, rng, tiny, unlock};
use crate::testing::SimDisk;
use crate::{CommitError, Disk, Geometry, Shred};
use std::sync::Arc;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// Does the upkeep until nothing is left to do at this time.
pub(super) fn maintain<D: Disk>(store: &mut Shred<D>, now: Duration) {
    let mut calls = 0;
    while store.maintain(now, &mut rng(7)).unwrap().is_some_and(|next| next <= now) {
        calls += 1;
        assert!(calls < 20_000, "there is always more to do");
    }
}

/// Puts records of 4,000 bytes, two of which fill a segment, until there is no room, with upkeep between them. Returns
/// the number of records that were taken.
pub(super) fn fill<D: Disk>(store: &mut Shred<D>, from: u8, now: &mut Duration) -> u8 {
    let mut taken = 0;
    loop {
        maintain(store, *now);
        *now += 3 * SECOND;
        match store.commit(puts(&[(from + taken, &[from; 4_000])]), &mut rng(1)) {
            Ok(_) => taken += 1,
            Err(error) => {
                assert_eq!(error, CommitError::Full);
                return taken;
            }
        }
    }
}

/// The volume is full as soon as the first record is stored.
#[test]
fn s12_a_full_volume_keeps_no_small_store_full() {
    for initial_segments in 1..=4 {
        let disk = Arc::new(SimDisk::default());
        let geometry = Geometry { initial_segments, ..tiny() };
        let mut store = Shred::create(Arc::clone(&disk), &geometry, &unlock(), &mut rng(1)).unwrap();
        store.commit(puts(&[(0, &[1; 4_000])]), &mut rng(1)).unwrap();
        disk.set_room(0);
        let mut now = Duration::ZERO;
        let filled = 1 + fill(&mut store, 1, &mut now);
        assert!(filled >= 2, "{initial_segments}: {filled}");
        let dead: Vec<_> = (0..filled).filter(|n| n % 2 != 0).map(key).collect();
        store.erase(&dead).unwrap();
        let again = fill(&mut store, 100, &mut now);
        assert!(usize::from(again) >= dead.len(), "{initial_segments}: {again} of {}", dead.len());
    }
}

#[test]
fn s12_without_room_for_a_reserve_no_put_is_taken() {
    let disk = Arc::new(SimDisk::default());
    let geometry = Geometry { initial_segments: 1, ..tiny() };
    let mut store = Shred::create(Arc::clone(&disk), &geometry, &unlock(), &mut rng(1)).unwrap();
    disk.set_room(0);
    let refused = store.commit(puts(&[(1, b"x")]), &mut rng(1));
    assert_eq!((refused.map(|_| ()), store.stats().segments), (Err(CommitError::Full), 1));
    disk.set_room(1 << 20);
    store.commit(puts(&[(1, b"x")]), &mut rng(1)).unwrap();
    assert!(store.stats().free_segments > 0, "room to copy to comes first");
}
