//! The contract of a store, over memory and over a disk: what each right can do, and a random history against a model.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use deaddrop_relay::clock::Now;
use deaddrop_relay::hints::{Hints, SubscriptionEnd};
use deaddrop_relay::kept::*;
use deaddrop_relay::store::*;
use deaddrop_relay::{Limits, StoreKey};
use deaddrop_shred::{Geometry, MemoryDisk, Shred};
use deaddrop_testkit::rng;
use deaddrop_wire::item::{CreateFlags, LeaseClass, QuotaClass, SendGrant};
use deaddrop_wire::{Blob, ClientToken, Day, MailboxId, OwnId, SendId, SizeClass};
use rand::RngExt;
use std::sync::Arc;

const TODAY: Day = Day::from_number(20_000);
const KEY: [u8; 32] = [9; 32];

fn limits() -> Limits {
    Limits {
        mailbox_puts_per_s: 1_000_000,
        mailbox_put_burst: 1_000_000,
        full_pause_ms: 0,
        ..Limits::DEFAULT
    }
}

fn now(ms: u64) -> Now {
    Now::new(TODAY, ms)
}

fn on(day: u32) -> Now {
    Now::new(TODAY.plus(day), 1_000_000 * u64::from(day + 1))
}

fn geometry() -> Geometry {
    Geometry {
        segment_bytes: 4 << 20,
        slots_per_segment: 1_024,
        initial_segments: 1,
        max_segments: 64,
        ..Geometry::server()
    }
}

fn create_disk() -> Arc<MemoryDisk> {
    let disk = Arc::new(MemoryDisk::new());
    drop(
        Shred::create(Arc::clone(&disk), &geometry(), &StoreKey::from_bytes(KEY).unlock(), &mut rand::rng())
            .unwrap(),
    );
    disk
}

fn open(disk: &Arc<MemoryDisk>) -> KeptStore<ShredBacking<Arc<MemoryDisk>>> {
    let key = StoreKey::from_bytes(KEY);
    let shred = Shred::open(Arc::clone(disk), &key.unlock(), &mut rand::rng()).unwrap();
    KeptStore::over(shred, &key, limits(), &mut rand::rng()).unwrap()
}

fn memory() -> KeptStore<MemoryBacking> {
    KeptStore::in_memory(limits(), &mut rand::rng())
}

/// A mailbox of which everything has the same number.
fn new(number: u8, quota: QuotaClass) -> NewMailbox {
    NewMailbox {
        own: OwnId::from_bytes([number; 32]),
        read: MailboxId::from_bytes([number; 32]),
        sends: vec![grant(number)],
        lease: LeaseClass::Month,
        quota,
        flags: CreateFlags::NONE,
    }
}

fn grant(number: u8) -> SendGrant {
    SendGrant { send: send(number), via: number }
}

fn send(number: u8) -> SendId {
    SendId::from_bytes([number; 32])
}

fn own(number: u8) -> OwnId {
    OwnId::from_bytes([number; 32])
}

fn blob(number: u32) -> Blob {
    let mut bytes = vec![0; SizeClass::Small.bytes()];
    bytes[..4].copy_from_slice(&number.to_le_bytes());
    Blob::new(bytes).unwrap()
}

fn reader(token: u8) -> ConnectedReader {
    ConnectedReader { token: ClientToken::from_bytes([token; 16]), hints: Arc::new(Hints::default()) }
}

async fn create(store: &impl Store, number: u8) -> Verdict {
    store.create(vec![new(number, QuotaClass::Many)], now(0)).await.remove(0)
}

async fn put(store: &impl Store, door: u8, number: u32) -> Verdict {
    store.put(vec![(send(door), blob(number))], now(0)).await.remove(0)
}

async fn claim(
    store: &impl Store,
    number: u8,
    reader: &ConnectedReader,
    at: Now,
) -> Result<Claimed, NotClaimed> {
    let claim = Claim { read: MailboxId::from_bytes([number; 32]), sub: 1 };
    store.claim(vec![claim], reader, at).await.remove(0)
}

async fn look(store: &impl Store, claimed: &Claimed, at: Now) -> Result<Vec<Stored>, Stale> {
    let (handle, fence) = (claimed.handle, claimed.fence);
    let peek = Peek { handle, fence, in_flight: vec![], blobs: 1_000, bytes: 1 << 30, any_first: true };
    store.peek(peek, at).await.map(|peeked| peeked.blobs)
}

async fn ack(store: &impl Store, claimed: &Claimed, records: Vec<RecordId>) -> Result<(), NotAcked> {
    store.ack(vec![(claimed.handle, claimed.fence, records)], now(0)).await.remove(0)
}

/// Each test runs over both.
macro_rules! over_both {
    ($($name:ident)*) => {
        $(
            mod $name {
                #[tokio::test]
                async fn in_memory() {
                    super::rules::$name(&super::memory()).await;
                }

                #[tokio::test]
                async fn on_disk() {
                    super::rules::$name(&super::open(&super::create_disk())).await;
                }
            }
        )*
    };
}

over_both! {
    a_blob_is_kept_until_it_is_acked
    rights_are_apart
    a_create_is_the_same_only_for_the_same
    fences_end_with_their_reader
    quotas_hold_until_blobs_are_destroyed
    owners_grant_revoke_and_delete
    days_end_blobs_and_mailboxes
    reading_renews_and_unused_mailboxes_go
}

mod rules {
    use super::*;

    pub(super) async fn a_blob_is_kept_until_it_is_acked(store: &impl Store) {
        assert_eq!(create(store, 1).await, Verdict::Done);
        for number in 0..3 {
            assert_eq!(put(store, 1, number).await, Verdict::Done);
            assert_eq!(put(store, 1, number).await, Verdict::Done, "the same put again");
        }
        assert_eq!(store.census().blobs, 3);
        let reader = reader(1);
        let claimed = claim(store, 1, &reader, now(0)).await.unwrap();
        let found = look(store, &claimed, now(0)).await.unwrap();
        assert_eq!(found.iter().map(|stored| stored.blob.clone()).collect::<Vec<_>>(), [0, 1, 2].map(blob));
        assert!(found.iter().all(|stored| stored.via == 1));
        assert_eq!(claimed.newest, Some(found[2].record));
        assert_eq!(ack(store, &claimed, vec![found[1].record]).await, Ok(()));
        assert_eq!(ack(store, &claimed, vec![found[1].record]).await, Ok(()), "the same ack again");
        let left = look(store, &claimed, now(0)).await.unwrap();
        assert_eq!(
            left.iter().map(|stored| stored.record).collect::<Vec<_>>(),
            [found[0].record, found[2].record]
        );
        // Put again after its ack, it is a new blob: the sender's retry is the reader's duplicate.
        assert_eq!(put(store, 1, 1).await, Verdict::Done);
        assert_eq!(look(store, &claimed, now(0)).await.unwrap().len(), 3);
        assert_eq!(store.census().bytes, 3 * 4_096);
    }

    pub(super) async fn rights_are_apart(store: &impl Store) {
        create(store, 1).await;
        create(store, 2).await;
        // What names one role of a mailbox opens no other: here all have the same bytes, but not the same mailbox.
        assert_eq!(put(store, 3, 0).await, Verdict::Refused);
        assert_eq!(claim(store, 3, &reader(1), now(0)).await, Err(NotClaimed::Refused));
        assert_eq!(store.change(vec![(own(3), Change::Delete)], now(0)).await, [Verdict::Refused]);
        put(store, 1, 7).await;
        let claimed = claim(store, 2, &reader(1), now(0)).await.unwrap();
        assert!(look(store, &claimed, now(0)).await.unwrap().is_empty());
        let other = claim(store, 1, &reader(2), now(0)).await.unwrap();
        let record = look(store, &other, now(0)).await.unwrap()[0].record;
        let stolen = Claimed { handle: other.handle, ..claimed };
        let _ = ack(store, &stolen, vec![]).await;
        let wrong = Claimed { fence: Fence(other.fence.0 + 1), ..other };
        assert_eq!(ack(store, &wrong, vec![record]).await, Err(NotAcked::Stale(SubscriptionEnd::Displaced)));
        assert_eq!(look(store, &other, now(0)).await.unwrap().len(), 1);
    }

    pub(super) async fn a_create_is_the_same_only_for_the_same(store: &impl Store) {
        assert_eq!(create(store, 1).await, Verdict::Done);
        assert_eq!(create(store, 1).await, Verdict::Done);
        let attempts = [
            NewMailbox { read: MailboxId::from_bytes([9; 32]), ..new(1, QuotaClass::Many) },
            NewMailbox { own: own(9), sends: vec![grant(9)], ..new(1, QuotaClass::Many) },
            NewMailbox { sends: vec![grant(1)], ..new(9, QuotaClass::Many) },
        ];
        for attempt in attempts {
            assert_eq!(store.create(vec![attempt], now(0)).await, [Verdict::Refused]);
        }
        assert_eq!(store.census().mailboxes, 1);
    }

    pub(super) async fn fences_end_with_their_reader(store: &impl Store) {
        create(store, 1).await;
        put(store, 1, 0).await;
        let (one, two) = (reader(1), reader(2));
        let first = claim(store, 1, &one, now(0)).await.unwrap();
        let record = look(store, &first, now(0)).await.unwrap()[0].record;
        let again =
            claim(store, 1, &one, now(1)).await.expect("a reader's own connection is replaced at once");
        assert_eq!(look(store, &first, now(1)).await, Err(Stale(SubscriptionEnd::Displaced)));
        let second = claim(store, 1, &two, now(10_000)).await.unwrap();
        assert_eq!(claim(store, 1, &one, now(10_001)).await, Err(NotClaimed::Contended));
        for old in [first, again] {
            assert_eq!(
                ack(store, &old, vec![record]).await,
                Err(NotAcked::Stale(SubscriptionEnd::Displaced))
            );
        }
        let found = look(store, &second, now(0)).await.unwrap();
        assert_eq!(found[0].record, record, "delivered again to the next reader");
        store.release(vec![(second.handle, second.fence)]).await;
        assert_eq!(ack(store, &second, vec![record]).await, Err(NotAcked::Stale(SubscriptionEnd::Displaced)));
        drop(two);
        assert!(claim(store, 1, &one, now(10_002)).await.is_ok(), "nobody is there any more");
    }

    pub(super) async fn quotas_hold_until_blobs_are_destroyed(store: &impl Store) {
        store.create(vec![new(1, QuotaClass::Few)], now(0)).await;
        for number in 0..4 {
            assert_eq!(put(store, 1, number).await, Verdict::Done);
        }
        assert_eq!(put(store, 1, 0).await, Verdict::Done, "a retry is never told that it is full");
        assert_eq!(put(store, 1, 4).await, Verdict::Full);
        let reader = reader(1);
        let claimed = claim(store, 1, &reader, now(0)).await.unwrap();
        let found = look(store, &claimed, now(0)).await.unwrap();
        ack(store, &claimed, vec![found[0].record]).await.unwrap();
        assert_eq!(put(store, 1, 4).await, Verdict::Full, "full until half is free");
        ack(store, &claimed, vec![found[1].record]).await.unwrap();
        assert_eq!(put(store, 1, 4).await, Verdict::Done);
        store.create(vec![new(2, QuotaClass::Single)], now(0)).await;
        let large = Blob::new(vec![1; SizeClass::Medium.bytes()]).unwrap();
        assert_eq!(store.put(vec![(send(2), large)], now(0)).await, [Verdict::Full], "too large for it");
    }

    pub(super) async fn owners_grant_revoke_and_delete(store: &impl Store) {
        create(store, 1).await;
        create(store, 2).await;
        let change = async |change| store.change(vec![(own(1), change)], now(0)).await.remove(0);
        assert_eq!(change(Change::Grant(grant(5))).await, Verdict::Done);
        assert_eq!(change(Change::Grant(SendGrant { via: 6, ..grant(5) })).await, Verdict::Done);
        assert_eq!(change(Change::Grant(grant(2))).await, Verdict::Refused, "somebody else's door");
        assert_eq!(put(store, 5, 0).await, Verdict::Done);
        assert_eq!(change(Change::Revoke(send(5))).await, Verdict::Done);
        assert_eq!(change(Change::Revoke(send(5))).await, Verdict::Done);
        assert_eq!(put(store, 5, 1).await, Verdict::Refused);
        let reader = reader(1);
        let claimed = claim(store, 1, &reader, now(0)).await.unwrap();
        assert_eq!(look(store, &claimed, now(0)).await.unwrap()[0].via, 6);
        assert_eq!(change(Change::Rekey(MailboxId::from_bytes([2; 32]))).await, Verdict::Refused);
        assert_eq!(change(Change::Rekey(MailboxId::from_bytes([8; 32]))).await, Verdict::Done);
        assert_eq!(look(store, &claimed, now(0)).await, Err(Stale(SubscriptionEnd::Displaced)));
        assert_eq!(claim(store, 1, &reader, now(0)).await, Err(NotClaimed::Refused));
        let claimed = claim(store, 8, &reader, now(0)).await.unwrap();
        assert_eq!(change(Change::Delete).await, Verdict::Done);
        assert_eq!(look(store, &claimed, now(0)).await, Err(Stale(SubscriptionEnd::Gone)));
        assert_eq!(put(store, 1, 2).await, Verdict::Refused);
        assert_eq!(change(Change::Delete).await, Verdict::Refused);
        assert_eq!((store.census().mailboxes, store.census().blobs), (1, 0));
    }

    pub(super) async fn days_end_blobs_and_mailboxes(store: &impl Store) {
        create(store, 1).await;
        let large = Blob::new(vec![3; SizeClass::Large.bytes()]).unwrap();
        assert_eq!(store.put(vec![(send(1), large), (send(1), blob(0))], on(0)).await, [Verdict::Done; 2]);
        assert!(!store.sweep(on(7), 100).await);
        assert_eq!(store.census().blobs, 2, "the last day is a day");
        store.sweep(on(8), 100).await;
        assert_eq!(store.census().blobs, 1, "the largest class goes first");
        assert_eq!(store.census().calendar.map(|calendar| calendar.day), Some(TODAY.plus(8)));
        assert!(!store.sweep(on(31), 100).await);
        assert_eq!((store.census().blobs, store.census().mailboxes), (0, 0), "the lease was a month");
        assert_eq!(put(store, 1, 1).await, Verdict::Refused);
    }

    pub(super) async fn reading_renews_and_unused_mailboxes_go(store: &impl Store) {
        create(store, 1).await;
        create(store, 2).await;
        store.create(vec![NewMailbox { flags: CreateFlags::FIXED, ..new(3, QuotaClass::Few) }], on(0)).await;
        for number in [1, 3] {
            claim(store, number, &reader(1), on(0)).await.unwrap();
        }
        store.sweep(on(2), 100).await;
        assert_eq!(store.census().mailboxes, 2, "nobody ever used the second");
        for number in [1, 3] {
            claim(store, number, &reader(1), on(20)).await.unwrap();
        }
        store.sweep(on(31), 100).await;
        assert_eq!(store.census().mailboxes, 1, "a fixed lease is not renewed");
        store.sweep(on(80), 100).await;
        assert_eq!(store.census().mailboxes, 0);
    }
}

/// Puts, looks, acks, new readers and crashes at random, on a disk, against a list.
#[tokio::test]
async fn a_random_history_agrees_with_a_model_across_crashes() {
    for seed in 0..6 {
        let random = &mut rng(seed);
        let mut disk = create_disk();
        let mut store = open(&disk);
        create(&store, 1).await;
        let mut model: Vec<u32> = Vec::new();
        let mut next = 0;
        let mut reads = reader(1);
        let mut claimed = claim(&store, 1, &reads, now(0)).await.unwrap();
        for step in 0..300 {
            match random.random_range(0..20) {
                0..10 if model.len() < 200 => {
                    assert_eq!(put(&store, 1, next).await, Verdict::Done);
                    model.push(next);
                    next += 1;
                }
                10..12 if !model.is_empty() => {
                    let known = model[random.random_range(0..model.len())];
                    assert_eq!(put(&store, 1, known).await, Verdict::Done, "a retry");
                }
                12..17 => {
                    let found = look(&store, &claimed, now(step)).await.unwrap();
                    let numbers: Vec<u32> = found
                        .iter()
                        .map(|stored| u32::from_le_bytes(*stored.blob.as_bytes().first_chunk().unwrap()))
                        .collect();
                    assert_eq!(numbers, model);
                    let gone: Vec<usize> =
                        (0..model.len()).filter(|_| random.random_range(0..3) == 0).collect();
                    let records = gone.iter().map(|at| found[*at].record).collect();
                    assert_eq!(ack(&store, &claimed, records).await, Ok(()));
                    for at in gone.iter().rev() {
                        model.remove(*at);
                    }
                }
                17 => {
                    reads = reader(1);
                    claimed = claim(&store, 1, &reads, now(step)).await.unwrap();
                }
                _ => {
                    // The power goes: what was answered is on the disk, nothing else counts.
                    let image = Arc::new(MemoryDisk::from_bytes(disk.to_bytes()));
                    drop(store);
                    disk = image;
                    store = open(&disk);
                    claimed = claim(&store, 1, &reads, now(step)).await.unwrap();
                }
            }
            assert_eq!(store.census().blobs, model.len() as u64);
        }
        let opens = deaddrop_shred::residue::scan(&*disk, &StoreKey::from_bytes(KEY).unlock()).unwrap();
        assert_eq!(opens.bodies, model.len() as u64 + 1, "the mailbox, and what waits");
    }
}
