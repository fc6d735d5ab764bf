//! Small stores on a disk in memory that a test can look into and make full.
#![allow(dead_code, missing_docs, unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use deaddrop_relay::clock::Now;
use deaddrop_relay::kept::*;
use deaddrop_relay::store::*;
use deaddrop_relay::{Limits, StoreKey};
use deaddrop_shred::{Disk, Geometry, MemoryDisk, Shred};
use deaddrop_wire::item::{CreateFlags, LeaseClass, QuotaClass, SendGrant};
use deaddrop_wire::{Blob, Day, MailboxId, OwnId, SendId, SizeClass};
use std::io;
use std::sync::{Arc, Mutex};

pub const KEY: [u8; 32] = [9; 32];
const TODAY: Day = Day::from_number(20_000);

pub type Kept = KeptStore<ShredBacking<Arc<Watched>>>;

/// A disk in memory that can be made full, and that records where it was written.
#[derive(Default)]
pub struct Watched {
    pub disk: MemoryDisk,
    room: Mutex<Option<u64>>,
    /// Offset and length of each write since the last call of `take_written`, without writes of
    /// zeros.
    written: Mutex<Vec<(u64, usize)>>,
}

impl Watched {
    /// Lets writes beyond the length `room` (and beyond the present length) fail as on a full disk
    /// from now on; `None` removes the limit.
    pub fn set_room(&self, room: Option<u64>) {
        *self.room.lock().unwrap() = room;
    }

    /// Returns the offset and the length of each write since the last call, without writes of
    /// zeros.
    pub fn take_written(&self) -> Vec<(u64, usize)> {
        std::mem::take(&mut self.written.lock().unwrap())
    }
}

impl Disk for Watched {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.disk.read_at(offset, buffer)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let end = offset + bytes.len() as u64;
        if self.room.lock().unwrap().is_some_and(|room| end > room.max(self.disk.length().unwrap())) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        if bytes.iter().any(|byte| *byte != 0) {
            self.written.lock().unwrap().push((offset, bytes.len()));
        }
        self.disk.write_at(offset, bytes)
    }

    fn sync(&self) -> io::Result<()> {
        self.disk.sync()
    }

    fn length(&self) -> io::Result<u64> {
        self.disk.length()
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        self.disk.set_length(length)
    }
}

/// Returns limits whose rates and pauses hold no test up, with the given `dead_bytes_s`.
pub fn limits(dead_bytes_s: u32) -> Limits {
    Limits {
        dead_bytes_s,
        mailbox_puts_per_s: 1_000_000,
        mailbox_put_burst: 1_000_000,
        full_pause_ms: 0,
        takeover_ms: 0,
        ..Limits::DEFAULT
    }
}

/// Makes a new store on the disk, of at most `segments` segments of `segment_kib` KiB each.
pub fn create_on(disk: &Arc<Watched>, segment_kib: u32, segments: u32) {
    let geometry = Geometry {
        segment_bytes: segment_kib << 10,
        slots_per_segment: (segment_kib / 4).max(32).next_multiple_of(32),
        initial_segments: 1,
        max_segments: segments,
        ..Geometry::server()
    };
    let key = StoreKey::from_bytes(KEY).unlock();
    drop(Shred::create(Arc::clone(disk), &geometry, &key, &mut rand::rng()).unwrap());
}

pub fn open(disk: &Arc<Watched>, limits: &Limits) -> Kept {
    let key = StoreKey::from_bytes(KEY);
    let shred = Shred::open(Arc::clone(disk), &key.unlock(), &mut rand::rng()).unwrap();
    KeptStore::over(shred, &key, limits.clone(), &mut rand::rng()).unwrap()
}

pub fn now() -> Now {
    on(0)
}

pub fn on(day: u32) -> Now {
    Now::new(TODAY.plus(day), 1_000_000 * u64::from(day + 1))
}

pub fn send(number: u8) -> SendId {
    SendId::from_bytes([number; 32])
}

pub fn grant(number: u8) -> SendGrant {
    SendGrant { send: send(number), via: number }
}

/// Makes a mailbox whose rights (own, read and one send) are all made of the byte `number`.
pub async fn create(store: &impl Store, number: u8, quota: QuotaClass) -> Verdict {
    let new = NewMailbox {
        own: OwnId::from_bytes([number; 32]),
        read: MailboxId::from_bytes([number; 32]),
        sends: vec![grant(number)],
        lease: LeaseClass::Month,
        quota,
        flags: CreateFlags::NONE,
    };
    store.create(vec![new], now()).await.remove(0)
}

pub async fn change(store: &impl Store, number: u8, change: Change) -> Verdict {
    store.change(vec![(OwnId::from_bytes([number; 32]), change)], now()).await.remove(0)
}

pub fn blob(number: u32) -> Blob {
    let mut bytes = vec![0; SizeClass::Small.bytes()];
    bytes[..4].copy_from_slice(&number.to_le_bytes());
    Blob::new(bytes).unwrap()
}

pub async fn put(store: &impl Store, sender: u8, number: u32) -> Verdict {
    store.put(vec![(send(sender), blob(number))], now()).await.remove(0)
}

pub async fn claim(store: &impl Store, number: u8, reader: &ConnectedReader) -> Result<Claimed, NotClaimed> {
    let claim = Claim { read: MailboxId::from_bytes([number; 32]), sub: 1 };
    store.claim(vec![claim], reader, now()).await.remove(0)
}
