//! A plain map beside the store, and the states that a crash may leave.

use super::{record, rng, unlock};
use crate::scan::Scan;
use crate::superblock::Superblock;
use crate::{Batch, ChangeError, CommitError, Disk, MemoryDisk, Reader, RecordKey, Shred, residue};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// The records that a store holds: the first byte of each key, and the body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct State(pub(super) BTreeMap<u8, Vec<u8>>);

/// One call on a store.
#[derive(Clone, Debug)]
pub(super) enum Op {
    /// Puts (key and body) and erases, together.
    Commit(Vec<(u8, Vec<u8>)>, Vec<u8>),
    /// Erases records, each independent of the others.
    Erase(Vec<u8>),
    Settle,
    Grow,
    /// Moves the clock on by this many milliseconds, and does the upkeep until nothing is left to
    /// do at that time.
    Maintain(u64),
    /// Begins to replace the data key.
    ReplaceKey,
    /// Sets another maximum number of segments.
    Limit(u32),
}

impl Op {
    pub(super) fn run<D: Disk>(&self, store: &mut Shred<D>, seed: u64) -> Result<(), CommitError> {
        let name = |n: &u8| RecordKey([*n; 16]);
        match self {
            Self::Commit(puts, erases) => {
                let puts = puts.iter().map(|(n, body)| record(*n, body)).collect();
                let batch = Batch { puts, erases: erases.iter().map(name).collect() };
                store.commit(batch, &mut rng(seed)).map(|_| ())
            }
            Self::Erase(keys) => store.erase(&keys.iter().map(name).collect::<Vec<_>>()),
            Self::Settle => store.settle(),
            Self::Grow => store.grow().map(|_| ()),
            Self::Maintain(ms) => {
                let now = store.upkeep.now() + Duration::from_millis(*ms);
                while store.maintain(now, &mut rng(7))?.is_some_and(|next| next <= now) {}
                Ok(())
            }
            Self::ReplaceKey => match store.replace_data_key(&unlock(), &mut rng(seed)) {
                Ok(()) | Err(ChangeError::UnderWay) => Ok(()),
                Err(_) => Err(CommitError::Stopped),
            },
            Self::Limit(segments) => {
                store.set_max_segments(*segments);
                Ok(())
            }
        }
    }

    pub(super) fn apply(&self, state: &State) -> State {
        let mut next = state.clone();
        match self {
            Self::Commit(puts, erases) => {
                next.0.extend(puts.iter().cloned());
                next.0.retain(|key, _| !erases.contains(key));
            }
            Self::Erase(keys) => next.0.retain(|key, _| !keys.contains(key)),
            Self::Settle | Self::Grow | Self::Maintain(_) | Self::ReplaceKey | Self::Limit(_) => {}
        }
        next
    }

    /// Whether a crash during this operation may leave the state `found` when it began in `before`:
    /// all or nothing of a batch, any of several erases.
    pub(super) fn may_leave(&self, before: &State, found: &State) -> bool {
        match self {
            Self::Erase(keys) => {
                found.0.iter().all(|(key, body)| before.0.get(key) == Some(body))
                    && before.0.keys().all(|key| found.0.contains_key(key) || keys.contains(key))
            }
            _ => found == before || *found == self.apply(before),
        }
    }
}

/// Returns all records that a reader shows. Panics if one does not open, or if they are out of
/// order.
pub(super) fn contents<D: Disk>(reader: &Reader<D>) -> State {
    let mut last = 0;
    let mut state = BTreeMap::new();
    for entry in reader.entries() {
        assert!(entry.order > last, "entries come in order");
        last = entry.order;
        let body = reader.read(&entry.key).expect("every live record opens");
        assert_eq!(body.len(), entry.length as usize);
        let n = entry.key.0[0];
        assert_eq!((entry.meta, entry.expiry_day), ([n; 8], u32::from(n)));
        state.insert(n, body);
    }
    State(state)
}

/// Returns the first byte of the keys of all heads that open on this image, whatever index or cells
/// say.
pub(super) fn opening(bytes: &[u8]) -> Vec<u8> {
    let disk = MemoryDisk::from_bytes(bytes.to_vec());
    let (block, keys) = Superblock::open(&disk, &unlock()).unwrap();
    let segments = block.layout.segments_in(bytes.len() as u64);
    let scan = Scan::run(&disk, &block.layout, &keys, segments).unwrap();
    scan.found.iter().map(|found| found.head.key.0[0]).collect()
}

/// Returns the records of the store on this image after recovery. Checks that a read-only look
/// shows the same, that nothing else opens, and that the store can be used further.
pub(super) fn recovered(bytes: &[u8]) -> State {
    let disk = || Arc::new(MemoryDisk::from_bytes(bytes.to_vec()));
    let looked = contents(&Shred::open_read_only(disk(), &unlock()).unwrap());
    let disk = disk();
    let mut store = Shred::open(Arc::clone(&disk), &unlock(), &mut rng(1)).unwrap();
    let state = contents(&store.reader());
    assert_eq!(store.stats().damaged_slots, 0, "a crash damages no slot");
    assert_eq!(state, looked, "a look shows what recovery will decide");
    // Nothing but the live records opens: not what was erased, replaced or rolled back.
    let live = state.0.len() as u64;
    let residue = residue::scan(&disk, &unlock()).unwrap();
    assert_eq!((residue.heads, residue.bodies), (live, live));
    // Life goes on: what comes next disturbs nothing and survives.
    let next = Op::Commit(vec![(200, b"next".to_vec())], vec![]);
    if next.run(&mut store, 99).is_ok() {
        assert_eq!(contents(&store.reader()), next.apply(&state));
        let again = Shred::open(disk, &unlock(), &mut rng(1)).unwrap();
        assert_eq!(contents(&again.reader()), next.apply(&state));
    }
    state
}
