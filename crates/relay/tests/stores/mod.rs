//! Factories of stores for the contract: in memory, and on a disk that loses unsynced writes in a
//! crash.
#![allow(
    dead_code,
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod crash_disk;
pub mod renamed;

pub use crash_disk::CrashDisk;
use deaddrop_relay::kept::{KeptStore, MemoryBacking, ShredBacking};
use deaddrop_relay::store::Store;
use deaddrop_relay::testing::contract::{StoreFactory, StoredCounts};
use deaddrop_relay::{Limits, StoreKey};
use deaddrop_shred::{Geometry, Shred, residue};
use rand::SeedableRng;
use rand::rngs::StdRng;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

const KEY: [u8; 32] = [9; 32];

pub type DiskStore = KeptStore<ShredBacking<Arc<CrashDisk>>>;

/// A factory of stores in memory. They cannot be opened again.
pub struct InMemory;

impl StoreFactory for InMemory {
    type Store = KeptStore<MemoryBacking>;

    async fn create(&mut self, limits: Limits) -> Self::Store {
        KeptStore::in_memory(limits, &mut StdRng::seed_from_u64(1))
    }

    async fn reopen(&mut self, _: Self::Store, _: Limits) -> Option<Self::Store> {
        None
    }
}

/// A factory of stores on a [`CrashDisk`]. To open a store again, it lets the disk crash.
pub struct OnDisk {
    /// The disk of the newest store.
    pub disk: Arc<CrashDisk>,
    random: StdRng,
}

impl OnDisk {
    pub fn new() -> Self {
        Self { disk: Arc::new(CrashDisk::from_bytes(Vec::new())), random: StdRng::seed_from_u64(1) }
    }

    /// Drops the store, and opens it again on a disk with `bytes`, as after a crash.
    pub fn reopen_on(&mut self, bytes: Vec<u8>, store: DiskStore, limits: Limits) -> DiskStore {
        drop(store);
        self.disk = Arc::new(CrashDisk::from_bytes(bytes));
        self.open(limits)
    }

    /// Returns the number of record bodies on the disk that can be decrypted with the store's key.
    pub fn readable_bodies(&self) -> u64 {
        residue::scan(&*self.disk, &StoreKey::from_bytes(KEY).unlock()).unwrap().bodies
    }

    fn open(&mut self, limits: Limits) -> DiskStore {
        let key = StoreKey::from_bytes(KEY);
        let shred = Shred::open(Arc::clone(&self.disk), &key.unlock(), &mut self.random).unwrap();
        KeptStore::over(shred, &key, limits, &mut self.random).unwrap()
    }
}

impl StoreFactory for OnDisk {
    type Store = DiskStore;

    async fn create(&mut self, limits: Limits) -> DiskStore {
        let geometry = Geometry {
            segment_bytes: 1 << 20,
            slots_per_segment: 256,
            initial_segments: 1,
            max_segments: 64,
            ..Geometry::server()
        };
        self.disk = Arc::new(CrashDisk::from_bytes(Vec::new()));
        let (disk, key) = (Arc::clone(&self.disk), StoreKey::from_bytes(KEY).unlock());
        drop(Shred::create(disk, &geometry, &key, &mut self.random).unwrap());
        self.open(limits)
    }

    async fn reopen(&mut self, store: DiskStore, limits: Limits) -> Option<DiskStore> {
        let bytes = self.disk.crash(&mut self.random);
        Some(self.reopen_on(bytes, store, limits))
    }

    fn check_stored(&mut self, store: &DiskStore, stored: StoredCounts) {
        let has_statistics = store.census().has_statistics;
        let expected =
            stored.mailboxes + stored.blobs + u64::from(stored.has_day) + u64::from(has_statistics);
        // The older version of a replaced record can be read until the next commit, a few milliseconds later.
        for _ in 0..500 {
            if self.readable_bodies() == expected {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("{} bodies can be read on the disk, not {expected}", self.readable_bodies());
    }
}

/// Runs a check to its end on this thread. The threads of the store run at the same time.
pub fn run<T>(check: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(check)
}
