//! Relays whose clock was wrong, over simulated years: what their stores keep and destroy.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use deaddrop_relay::clock::{Belief, Calendar, Look, NoDay, Now};
use deaddrop_relay::day_change::DayChange;
use deaddrop_relay::hints::Hints;
use deaddrop_relay::kept::*;
use deaddrop_relay::store::*;
use deaddrop_relay::{Limits, StoreKey};
use deaddrop_shred::{Geometry, MemoryDisk, Shred};
use deaddrop_testkit::rng;
use deaddrop_wire::item::{CreateFlags, LeaseClass, QuotaClass, SendGrant};
use deaddrop_wire::{Blob, ClientToken, Day, MailboxId, OwnId, SendId, SizeClass};
use std::sync::Arc;

const TODAY: Day = Day::from_number(20_785);
const DAY_MS: u64 = 86_400_000;

type Disk = Arc<MemoryDisk>;

fn key() -> StoreKey {
    StoreKey::from_bytes([7; 32])
}

fn create_disk() -> Disk {
    let geometry = Geometry {
        segment_bytes: 1 << 20,
        slots_per_segment: 256,
        initial_segments: 1,
        max_segments: 8,
        ..Geometry::server()
    };
    let disk = Arc::new(MemoryDisk::new());
    drop(Shred::create(Arc::clone(&disk), &geometry, &key().unlock(), &mut rng(1)).unwrap());
    disk
}

fn records(disk: &Disk) -> Shred<Disk> {
    Shred::open(Arc::clone(disk), &key().unlock(), &mut rng(2)).unwrap()
}

fn open(disk: &Disk) -> KeptStore<ShredBacking<Disk>> {
    KeptStore::over(records(disk), &key(), Limits::DEFAULT, &mut rng(3)).unwrap()
}

/// Makes a mailbox with one blob in it. All its rights are made of the byte `number`.
async fn fill(store: &impl Store, number: u8, now: Now) {
    let send = SendId::from_bytes([number; 32]);
    let new = NewMailbox {
        own: OwnId::from_bytes([number; 32]),
        read: MailboxId::from_bytes([number; 32]),
        sends: vec![SendGrant { send, via: 1 }],
        lease: LeaseClass::Month,
        quota: QuotaClass::Usual,
        flags: CreateFlags::NONE,
    };
    assert_eq!(store.create(vec![new], now).await, [Verdict::Done]);
    let blob = Blob::new(vec![number; SizeClass::Small.bytes()]).unwrap();
    assert_eq!(store.put(vec![(send, blob)], now).await, [Verdict::Done]);
}

/// Claims a mailbox, takes its blobs out and acks them. Returns the number of blobs; fails if the
/// claim is refused.
async fn read(store: &impl Store, number: u8, now: Now) -> Result<usize, NotClaimed> {
    let reader =
        ConnectedReader { token: ClientToken::from_bytes([number; 16]), hints: Arc::new(Hints::default()) };
    let claim = Claim { read: MailboxId::from_bytes([number; 32]), sub: 1 };
    let Claimed { handle, fence, .. } = store.claim(vec![claim], &reader, now).await.remove(0)?;
    let peek = Peek { handle, fence, in_flight: vec![], blobs: 9, bytes: 1 << 20, any_first: true };
    let blobs = store.peek(peek, now).await.unwrap().blobs;
    let records = blobs.iter().map(|stored| stored.record).collect();
    assert_eq!(store.ack(vec![(handle, fence, records)], now).await, [Ok(())]);
    Ok(blobs.len())
}

async fn sweep(store: &impl Store, now: Now) {
    while store.sweep(now, 100).await {}
}

fn at(calendar: Calendar, ms: u64) -> Now {
    Now { day: calendar.day, expires_from: calendar.expires_from, ms }
}

#[tokio::test]
async fn a_relay_of_1970_keeps_its_mailboxes_for_a_week_after_its_clock_is_corrected() {
    let disk = create_disk();
    let store = open(&disk);
    let then = Now::new(Day::from_number(1), 0);
    fill(&store, 1, then).await;
    fill(&store, 2, then).await;
    sweep(&store, then).await;
    drop(store);
    let store = open(&disk);
    let belief = Belief::begin(store.census().calendar, TODAY, false).unwrap();
    let mut now = at(belief.calendar(), 0);
    for _ in 0..7 {
        sweep(&store, now).await;
        assert_eq!((store.census().mailboxes, store.census().blobs), (2, 2), "on day {}", now.day.number());
        now.day = now.day.plus(1);
    }
    // One reader came in time, and its lease counts from today.
    now.day = TODAY.plus(6);
    assert_eq!(read(&store, 1, now).await, Ok(1), "what is over is still delivered");
    for day in 7..30 {
        now.day = TODAY.plus(day);
        sweep(&store, now).await;
        assert_eq!((store.census().mailboxes, store.census().blobs), (1, 0), "on day {day}");
    }
    assert_eq!(read(&store, 2, now).await, Err(NotClaimed::Refused));
}

#[tokio::test]
async fn a_relay_that_was_off_for_a_year_keeps_everything_for_a_week_more_even_if_it_is_restarted() {
    let disk = create_disk();
    let store = open(&disk);
    fill(&store, 1, Now::new(TODAY, 0)).await;
    sweep(&store, Now::new(TODAY, 0)).await;
    let ahead = TODAY.plus(365);
    let mut belief = Belief::begin(store.census().calendar, ahead, false).unwrap();
    assert_eq!(belief.calendar().day, TODAY);
    assert_eq!(belief.look(ahead, 1), Look::Ahead);
    assert_eq!(belief.look(ahead.plus(1), DAY_MS + 1), Look::Believed);
    sweep(&store, at(belief.calendar(), 0)).await;
    assert_eq!(store.census().blobs, 1);
    drop(store);
    // The store remembers that it pauses.
    let store = open(&disk);
    let stored = store.census().calendar.unwrap();
    assert_eq!(stored, Calendar { day: ahead.plus(1), expires_from: ahead.plus(8) });
    let belief = Belief::begin(Some(stored), ahead.plus(3), false).unwrap();
    sweep(&store, at(belief.calendar(), 0)).await;
    assert_eq!(store.census().blobs, 1);
    let belief = Belief::begin(store.census().calendar, ahead.plus(5), false).unwrap();
    sweep(&store, at(belief.calendar(), 0)).await;
    let belief = Belief::begin(store.census().calendar, ahead.plus(7), false).unwrap();
    sweep(&store, at(belief.calendar(), 0)).await;
    assert_eq!(store.census().blobs, 1, "the last day of the pause");
    let belief = Belief::begin(store.census().calendar, ahead.plus(8), false).unwrap();
    sweep(&store, at(belief.calendar(), 0)).await;
    assert_eq!((store.census().mailboxes, store.census().blobs), (0, 0));
}

#[tokio::test]
async fn a_relay_of_2099_is_healed_and_expires_things_again() {
    let disk = create_disk();
    let store = open(&disk);
    let far = Now::new("2099-01-01".parse().unwrap(), 0);
    fill(&store, 1, far).await;
    fill(&store, 2, far).await;
    sweep(&store, far).await;
    assert_eq!(Belief::begin(store.census().calendar, TODAY, true), Err(NoDay::StoredDay));
    drop(store);
    let mut shred = records(&disk);
    let change = DayChange::plan(&shred, TODAY, &Limits::DEFAULT);
    assert!(!change.is_forward() && change.expires() == (0, 0));
    change.apply(&mut shred, &mut rng(4)).unwrap();
    drop(shred);
    let store = open(&disk);
    assert_eq!(store.census().mailboxes, 2);
    let belief = Belief::begin(store.census().calendar, TODAY, false).unwrap();
    let now = at(belief.calendar(), 0);
    assert_eq!(now.day, TODAY);
    assert_eq!(read(&store, 1, Now { day: TODAY.plus(25), ..now }).await, Ok(1));
    // The mailbox whose reader never came ends with its lease, as if it had been made today.
    let lease = LeaseClass::Month.days().unwrap();
    sweep(&store, Now { day: TODAY.plus(lease), ..now }).await;
    assert_eq!(store.census().mailboxes, 2);
    sweep(&store, Now { day: TODAY.plus(lease + 1), ..now }).await;
    assert_eq!((store.census().mailboxes, store.census().blobs), (1, 0));
}
