//! A disk that cannot be read for a moment: nothing is taken for read that was not delivered.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod value;

use deaddrop_relay::clock::Now;
use deaddrop_relay::kept::{KeptStore, ShredBacking};
use deaddrop_relay::session::{Output, RelaySession, SessionContext};
use deaddrop_relay::{Prefix, StoreKey};
use deaddrop_shred::{Disk, Geometry, MemoryDisk, Shred};
use deaddrop_wire::item::*;
use deaddrop_wire::{Item, Received, SizeClass};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use value::*;

/// Reads fail while the switch is on.
#[derive(Default)]
struct Faulty {
    disk: MemoryDisk,
    fails: AtomicBool,
}

impl Disk for Faulty {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        if self.fails.load(Ordering::Relaxed) {
            return Err(io::ErrorKind::Other.into());
        }
        self.disk.read_at(offset, buffer)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
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

/// Runs all calls. Returns the items that were sent.
async fn settle(
    session: &mut RelaySession,
    store: &KeptStore<ShredBacking<Arc<Faulty>>>,
    mut out: Output,
) -> Vec<Item> {
    let now = Now::new(TODAY, 1_000);
    let mut said = Vec::new();
    loop {
        said.append(&mut out.items);
        let Some(call) = out.calls.pop() else { return said };
        let outcome = call.run(store, session.reader(), now).await;
        session.on_outcome(outcome, now, &mut out).unwrap();
    }
}

#[tokio::test]
async fn a_mailbox_that_could_not_be_read_is_not_caught_up_with() {
    let disk = Arc::new(Faulty::default());
    let key = StoreKey::from_bytes([9; 32]);
    let geometry = Geometry {
        segment_bytes: 4 << 20,
        slots_per_segment: 1_024,
        initial_segments: 1,
        max_segments: 8,
        ..Geometry::server()
    };
    let made = Shred::create(Arc::clone(&disk), &geometry, &key.unlock(), &mut rand::rng());
    drop(made.unwrap());
    let shred = Shred::open(Arc::clone(&disk), &key.unlock(), &mut rand::rng()).unwrap();
    let store = KeptStore::over(shred, &key, limits(), &mut rand::rng()).unwrap();
    let now = Now::new(TODAY, 1_000);
    let mut session = RelaySession::new(Arc::new(SessionContext::new(limits(), None)), Prefix::SHARED, now);
    let put = |number| Put { req: 2, send: send(1), blob: blob(SizeClass::Small, number) }.into();
    for item in [hello(1, 64, 1 << 20).into(), create(1, QuotaClass::Many).into(), put(1), put(2)] {
        let mut out = Output::default();
        session.on_received(Received { items: vec![item], ..Received::default() }, now, &mut out).unwrap();
        settle(&mut session, &store, out).await;
    }
    disk.fails.store(true, Ordering::Relaxed);
    let mut out = Output::default();
    let items = vec![subscribe(9, &[1])];
    session.on_received(Received { items, ..Received::default() }, now, &mut out).unwrap();
    let said = settle(&mut session, &store, out).await;
    assert!(matches!(said[..], [Item::Subscribed(_)]), "{said:?}");
    disk.fails.store(false, Ordering::Relaxed);
    let mut out = Output::default();
    session.look_again(&mut out);
    let said = settle(&mut session, &store, out).await;
    assert!(matches!(said[..], [Item::Deliver(_), Item::Deliver(_)]), "{said:?}");
    let mut out = Output::default();
    session.on_received(Received { items: vec![ack(1, 2)], ..Received::default() }, now, &mut out).unwrap();
    let said = settle(&mut session, &store, out).await;
    assert!(matches!(said[..], [Item::Acked(_), Item::CaughtUp(_)]), "{said:?}");
}
