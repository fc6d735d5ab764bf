//! Blobs that cannot be read: a disk that fails for a moment, a bad sector, a damaged record.
//! Nothing is taken for read that was not delivered, and what can be read is delivered.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod value;

use deaddrop_relay::clock::Now;
use deaddrop_relay::kept::{KeptStore, OpenStoreError, ShredBacking};
use deaddrop_relay::session::{Output, RelaySession, SessionContext};
use deaddrop_relay::store::Store;
use deaddrop_relay::{Prefix, StoreKey};
use deaddrop_shred::{Disk, Geometry, MemoryDisk, Shred};
use deaddrop_wire::item::*;
use deaddrop_wire::{Item, Received, SizeClass};
use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use value::*;

const NOW: Now = Now::new(TODAY, 1_000);

/// The fault of a range of the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// Reads fail.
    Unreadable,
    /// Reads return other bytes than were written.
    Damaged,
}

/// A disk in memory whose reads all fail while `fails` is set, and whose ranges `bad` have a
/// lasting fault each.
#[derive(Default)]
struct Faulty {
    disk: MemoryDisk,
    fails: AtomicBool,
    bad: Mutex<Vec<(Range<u64>, Fault)>>,
    /// The ranges of the writes of at least 4,096 bytes, in order.
    pages: Mutex<Vec<Range<u64>>>,
}

impl Disk for Faulty {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        if self.fails.load(Ordering::Relaxed) {
            return Err(io::ErrorKind::Other.into());
        }
        self.disk.read_at(offset, buffer)?;
        let end = offset + buffer.len() as u64;
        for (range, fault) in self.bad.lock().unwrap().iter() {
            if range.start < end && offset < range.end {
                match fault {
                    Fault::Unreadable => return Err(io::ErrorKind::Other.into()),
                    Fault::Damaged => buffer[0] ^= 1,
                }
            }
        }
        Ok(())
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        if bytes.len() >= SizeClass::Small.bytes() {
            self.pages.lock().unwrap().push(offset..offset + bytes.len() as u64);
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

/// A link as a value, with its store on a faulty disk.
struct Reader {
    disk: Arc<Faulty>,
    store: KeptStore<ShredBacking<Arc<Faulty>>>,
    session: RelaySession,
}

impl Reader {
    /// Makes the store, the link, and mailboxes 1 and 2.
    async fn new() -> Self {
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
        let session = RelaySession::new(Arc::new(SessionContext::new(limits(), None)), Prefix::SHARED, NOW);
        let mut reader = Self { disk, store, session };
        reader.say(hello(1, 64, 1 << 20).into()).await;
        for mailbox in [1, 2] {
            reader.say(create(mailbox, QuotaClass::Many).into()).await;
        }
        reader
    }

    async fn say(&mut self, item: Item) -> Vec<Item> {
        let mut out = Output::default();
        let received = Received { items: vec![item], ..Received::default() };
        self.session.on_received(received, NOW, &mut out).unwrap();
        self.settle(out).await
    }

    async fn look_again(&mut self) -> Vec<Item> {
        let mut out = Output::default();
        self.session.look_again(&mut out);
        self.settle(out).await
    }

    /// Puts one small blob for each of `numbers` into a mailbox.
    async fn put(&mut self, mailbox: u8, numbers: Range<u32>) {
        for number in numbers {
            let put = Put { req: 2, send: send(mailbox), blob: blob(SizeClass::Small, number) };
            let said = self.say(put.into()).await;
            let is_done = |item: &Item| matches!(item, Item::Answer(Answer { code: AnswerCode::Done, .. }));
            assert!(said.iter().any(is_done), "{said:?}");
        }
    }

    /// Puts a small blob, and then gives its place on the disk the fault `fault`.
    async fn put_bad(&mut self, mailbox: u8, number: u32, fault: Fault) {
        self.disk.pages.lock().unwrap().clear();
        self.put(mailbox, number..number + 1).await;
        // The body is written first, and the page of its slot behind it.
        let body = self.disk.pages.lock().unwrap()[0].clone();
        self.disk.bad.lock().unwrap().push((body, fault));
    }

    /// Runs all calls of `out` and those that follow. Returns all items that the link has sent.
    async fn settle(&mut self, mut out: Output) -> Vec<Item> {
        let mut said = Vec::new();
        loop {
            said.append(&mut out.items);
            let Some(call) = out.calls.pop() else { return said };
            let outcome = call.run(&self.store, self.session.reader(), NOW).await;
            self.session.on_outcome(outcome, NOW, &mut out).unwrap();
        }
    }
}

/// Returns the numbers of the blobs that are delivered in `said`, sorted, and whether CaughtUp is
/// among the items.
fn delivered(said: &[Item]) -> (Vec<u32>, bool) {
    let number = |item: &Item| match item {
        Item::Deliver(deliver) => Some(u32::from_le_bytes(*deliver.blob.as_bytes().first_chunk().unwrap())),
        _ => None,
    };
    let mut numbers: Vec<u32> = said.iter().filter_map(number).collect();
    numbers.sort_unstable();
    (numbers, said.iter().any(|item| matches!(item, Item::CaughtUp(_))))
}

#[tokio::test]
async fn a_mailbox_that_could_not_be_read_is_not_caught_up_with() {
    let mut reader = Reader::new().await;
    reader.put(1, 1..3).await;
    reader.disk.fails.store(true, Ordering::Relaxed);
    let said = reader.say(subscribe(9, &[1])).await;
    assert!(matches!(said[..], [Item::Subscribed(_)]), "{said:?}");
    reader.disk.fails.store(false, Ordering::Relaxed);
    let said = reader.look_again().await;
    assert!(matches!(said[..], [Item::Deliver(_), Item::Deliver(_)]), "{said:?}");
    let said = reader.say(ack(1, 2)).await;
    assert!(matches!(said[..], [Item::Acked(_), Item::CaughtUp(_)]), "{said:?}");
}

/// A disk that fails while the store is opened loses no mailbox: the store does not open, and does
/// when the disk reads again.
#[tokio::test]
async fn a_disk_that_fails_at_the_opening_erases_nothing() {
    let Reader { disk, store, .. } = {
        let mut reader = Reader::new().await;
        reader.put(1, 1..3).await;
        reader
    };
    let held = |store: &KeptStore<_>| (store.census().mailboxes, store.census().blobs);
    assert_eq!(held(&store), (2, 2));
    drop(store);
    let key = StoreKey::from_bytes([9; 32]);
    let open = |fails: bool| {
        disk.fails.store(false, Ordering::Relaxed);
        let shred = Shred::open(Arc::clone(&disk), &key.unlock(), &mut rand::rng()).unwrap();
        disk.fails.store(fails, Ordering::Relaxed);
        KeptStore::over(shred, &key, limits(), &mut rand::rng())
    };
    assert_eq!(open(true).err(), Some(OpenStoreError::Unreadable));
    assert_eq!(held(&open(false).unwrap()), (2, 2));
}

/// Returns a link that has subscribed to two mailboxes, with the items that it sent: of the six
/// blobs in each, the second and the third have the fault.
async fn with_bad_blobs(fault: Fault) -> (Reader, Vec<Item>) {
    let mut reader = Reader::new().await;
    for (mailbox, first) in [(1, 10), (2, 20)] {
        reader.put(mailbox, first..first + 1).await;
        reader.put_bad(mailbox, first + 1, fault).await;
        reader.put_bad(mailbox, first + 2, fault).await;
        reader.put(mailbox, first + 3..first + 6).await;
    }
    let said = reader.say(subscribe(9, &[1, 2])).await;
    (reader, said)
}

/// A sector that cannot be read holds up only its own blob. The relay tries the blob again at each
/// look, and sends CaughtUp only after it was read and acked.
#[tokio::test]
async fn a_blob_that_cannot_be_read_keeps_no_other_waiting() {
    let (mut reader, said) = with_bad_blobs(Fault::Unreadable).await;
    assert_eq!(delivered(&said), (vec![10, 13, 14, 15, 20, 23, 24, 25], false));
    let acked = [reader.say(ack(1, 4)).await, reader.say(ack(2, 4)).await].concat_items();
    assert_eq!(delivered(&acked), (vec![], false), "two blobs of each were not delivered");
    assert_eq!(delivered(&reader.look_again().await), (vec![], false), "they are bad still");
    reader.disk.bad.lock().unwrap().clear();
    assert_eq!(delivered(&reader.look_again().await), (vec![11, 12, 21, 22], false));
    let acked = [reader.say(ack(1, 6)).await, reader.say(ack(2, 6)).await].concat_items();
    assert_eq!(delivered(&acked), (vec![], true));
}

/// A damaged blob is destroyed, and the blobs behind it are delivered at once, although nothing was
/// acked.
#[tokio::test]
async fn a_damaged_blob_keeps_no_other_waiting() {
    let (mut reader, said) = with_bad_blobs(Fault::Damaged).await;
    assert_eq!(delivered(&said), (vec![10, 13, 14, 15, 20, 23, 24, 25], false));
    let acked = [reader.say(ack(1, 4)).await, reader.say(ack(2, 4)).await].concat_items();
    assert_eq!(delivered(&acked), (vec![], true));
    let census = reader.store.census();
    assert_eq!((census.blobs, census.damaged), (0, 4));
}

/// Joins the items that followed two requests.
trait ConcatItems {
    fn concat_items(self) -> Vec<Item>;
}

impl ConcatItems for [Vec<Item>; 2] {
    fn concat_items(self) -> Vec<Item> {
        self.into_iter().flatten().collect()
    }
}
