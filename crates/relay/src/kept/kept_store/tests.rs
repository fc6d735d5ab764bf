//! The store over its backing: what is torn, what waits, and what a backing without room changes.

use super::*;
use crate::hints::Hints;
use crate::kept::backing::Done;
use crate::mailboxes::record;
use crate::names::StoreKey;
use crate::store::{Health, Space, Trouble};
use deaddrop_shred::RecordKey;
use deaddrop_wire::item::{CreateFlags, LeaseClass, QuotaClass, SendGrant};
use deaddrop_wire::{ClientToken, Day, MailboxId};
use futures_util::FutureExt;
use std::panic::{AssertUnwindSafe, catch_unwind};

fn store() -> KeptStore<MemoryBacking> {
    KeptStore::in_memory(Limits::default(), &mut StdRng::seed_from_u64(1))
}

#[test]
fn a_store_whose_rules_are_torn_has_stopped() {
    let store = store();
    assert!(!store.census().stopped);
    let torn = catch_unwind(AssertUnwindSafe(|| store.restore(|_| panic!("a fault of the rules"))));
    assert!(torn.is_err() && store.census().stopped);
}

/// A hint that came before the blob is destroyed would be lost: the reader's look would still find
/// the blob in flight, and the next look would come long after.
#[tokio::test]
async fn a_reader_is_told_of_an_expiry_once_the_blob_is_destroyed() {
    let store = store();
    let (today, later) = (Now::new(Day::from_number(20_000), 1), Now::new(Day::from_number(20_031), 2));
    let new = NewMailbox {
        own: OwnId::from_bytes([1; 32]),
        read: MailboxId::from_bytes([1; 32]),
        sends: vec![SendGrant { send: SendId::from_bytes([1; 32]), via: 0 }],
        lease: LeaseClass::Year,
        quota: QuotaClass::Many,
        flags: CreateFlags::NONE,
    };
    let blob = Blob::new(vec![0; 4_096]).unwrap();
    store.create(vec![new], today).await;
    store.put(vec![(SendId::from_bytes([1; 32]), blob)], today).await;
    let hints = Arc::new(Hints::default());
    let reader = ConnectedReader { token: ClientToken::from_bytes([1; 16]), hints: Arc::clone(&hints) };
    let claim = Claim { read: MailboxId::from_bytes([1; 32]), sub: 7 };
    store.claim(vec![claim], &reader, today).await[0].unwrap();
    let step = store.state.locked().sweep(later, 10).blobs.remove(0);
    assert!(hints.next().now_or_never().is_none(), "it is still there");
    store.write_expiry(step).await.unwrap();
    assert!(hints.next().now_or_never().unwrap().expired.contains(&7));
}

#[test]
fn a_store_that_may_have_lost_a_job_has_stopped() {
    let store = store();
    let torn = catch_unwind(AssertUnwindSafe(|| {
        let _order = store.in_order();
        panic!("a fault between a decision and its job");
    }));
    drop(store.in_order());
    assert!(torn.is_err() && store.census().stopped);
}

/// A backing in memory that refuses jobs which store records (`refuse`), or holds all jobs back
/// (`hold`), when a test says so.
#[derive(Default)]
struct Moody {
    memory: MemoryBacking,
    refuses: Mutex<Option<CommitError>>,
    holds: Mutex<Option<Vec<HeldJob>>>,
    space: Mutex<Option<Space>>,
}

type HeldJob = (Job, Box<dyn FnOnce(Result<u64, CommitError>) + Send>);

impl Moody {
    fn refuse(&self, error: Option<CommitError>) {
        *self.refuses.lock().unwrap() = error;
    }

    fn age(&self, oldest: Option<u64>) {
        let oldest_dead = oldest.map(Duration::from_secs);
        *self.space.lock().unwrap() = Some(Space { oldest_dead, dead_bytes: 1, ..Space::default() });
    }

    fn hold(&self) {
        *self.holds.lock().unwrap() = Some(Vec::new());
    }

    fn let_go(&self) {
        let held = self.holds.lock().unwrap().take().unwrap();
        for (job, done) in held {
            self.submit(job, done);
        }
    }
}

impl Backing for Moody {
    #[allow(private_interfaces, private_bounds, reason = "as in the trait")]
    fn submit(&self, job: Job, done: impl Done) {
        if let Some(held) = self.holds.lock().unwrap().as_mut() {
            held.push((job, Box::new(done)));
            return;
        }
        match *self.refuses.lock().unwrap() {
            Some(error) if !job.puts.is_empty() => done(Err(error)),
            _ => self.memory.submit(job, done),
        }
    }

    fn space(&self) -> Option<Space> {
        *self.space.lock().unwrap()
    }

    async fn read(&self, keys: Vec<RecordKey>) -> Vec<Result<Vec<u8>, ReadError>> {
        self.memory.read(keys).await
    }
}

fn moody() -> KeptStore<Moody> {
    let rng = &mut StdRng::seed_from_u64(1);
    let key = StoreKey::generate(rng).index_key();
    KeptStore::new(Moody::default(), key, Limits::default(), false, rng)
}

fn day(day: u32) -> Now {
    Now::new(Day::from_number(20_000 + day), 1 + 86_400_000 * u64::from(day))
}

fn send(number: u8) -> SendId {
    SendId::from_bytes([number; 32])
}

fn own(number: u8) -> OwnId {
    OwnId::from_bytes([number; 32])
}

fn mailbox(number: u8) -> NewMailbox {
    NewMailbox {
        own: own(number),
        read: MailboxId::from_bytes([number; 32]),
        sends: vec![SendGrant { send: send(number), via: 0 }],
        lease: LeaseClass::Year,
        quota: QuotaClass::Many,
        flags: CreateFlags::NONE,
    }
}

fn blob(number: u8) -> Blob {
    Blob::new(vec![number; 4_096]).unwrap()
}

async fn create(store: &impl Store, number: u8) -> Verdict {
    store.create(vec![mailbox(number)], day(0)).await.remove(0)
}

async fn change(store: &impl Store, number: u8, change: Change) -> Verdict {
    store.change(vec![(own(number), change)], day(200)).await.remove(0)
}

async fn put(store: &impl Store, sender: u8, number: u8) -> Verdict {
    store.put(vec![(send(sender), blob(number))], day(0)).await.remove(0)
}

fn reader() -> ConnectedReader {
    ConnectedReader { token: ClientToken::from_bytes([1; 16]), hints: Arc::new(Hints::default()) }
}

async fn claim(store: &impl Store, number: u8, reader: &ConnectedReader) -> Result<Claimed, NotClaimed> {
    let claim = Claim { read: MailboxId::from_bytes([number; 32]), sub: 1 };
    store.claim(vec![claim], reader, day(0)).await.remove(0)
}

async fn look(store: &impl Store, claimed: &Claimed) -> Result<Vec<RecordId>, Stale> {
    let (handle, fence) = (claimed.handle, claimed.fence);
    let peek = Peek { handle, fence, in_flight: vec![], blobs: 100, bytes: 1 << 20, any_first: true };
    Ok(store.peek(peek, day(0)).await?.blobs.into_iter().map(|stored| stored.record).collect())
}

/// Reads the record of the mailbox `handle` from the backing and decodes it.
async fn recorded(store: &KeptStore<Moody>, handle: Handle) -> record::Lasting {
    record::decode(&store.backing.read(vec![record::mailbox_key(handle)]).await[0].clone().unwrap()).unwrap()
}

#[tokio::test]
async fn what_is_not_written_has_changed_nothing() {
    for error in [CommitError::Full, CommitError::Busy] {
        let store = moody();
        for number in [1, 2] {
            assert_eq!(create(&store, number).await, Verdict::Done);
        }
        let grant = |number| Change::Grant(SendGrant { send: send(number), via: 9 });
        assert_eq!(change(&store, 1, grant(5)).await, Verdict::Done);
        assert_eq!(put(&store, 1, 0).await, Verdict::Done);
        let hints = reader();
        let claimed = claim(&store, 1, &hints).await.unwrap();
        let before = recorded(&store, claimed.handle).await;

        store.backing.refuse(Some(error));
        let rekey = Change::Rekey(MailboxId::from_bytes([8; 32]));
        for refused in [grant(6), grant(1), Change::Revoke(send(5)), rekey, Change::Renew] {
            assert_eq!(change(&store, 1, refused).await, Verdict::Busy, "{error:?}");
        }
        assert_eq!(create(&store, 3).await, Verdict::Busy);
        assert_eq!(put(&store, 1, 1).await, Verdict::Busy);
        assert_eq!(put(&store, 2, 1).await, Verdict::Busy);
        assert_eq!(put(&store, 5, 0).await, Verdict::Done, "it was not revoked");
        assert_eq!(put(&store, 6, 0).await, Verdict::Refused, "it was not granted");
        assert_eq!(claim(&store, 8, &hints).await, Err(NotClaimed::Refused), "nor rekeyed");
        assert_eq!(claim(&store, 3, &hints).await, Err(NotClaimed::Refused), "nor created");
        let found = look(&store, &claimed).await.expect("the reader has not changed");
        assert_eq!(store.ack(vec![(claimed.handle, claimed.fence, found)], day(0)).await, [Ok(())]);
        assert_eq!(recorded(&store, claimed.handle).await, before);
        assert_eq!((store.census().mailboxes, store.census().blobs), (2, 0));
        assert!(!store.census().stopped);

        store.backing.refuse(None);
        for done in [grant(6), Change::Revoke(send(5)), rekey, Change::Renew] {
            assert_eq!(change(&store, 1, done).await, Verdict::Done);
        }
        assert_eq!(create(&store, 3).await, Verdict::Done);
        // The second was never used: its put was refused.
        store.sweep(day(2), 100).await;
        assert_eq!(store.census().mailboxes, 1);
        assert_eq!(store.census().calendar.map(|calendar| calendar.day), Some(day(2).day));
    }
}

#[tokio::test]
async fn a_day_that_was_not_written_is_written_later() {
    let store = moody();
    store.backing.refuse(Some(CommitError::Full));
    store.sweep(day(1), 100).await;
    assert_eq!(store.census().calendar, None);
    store.backing.refuse(None);
    store.sweep(day(1), 100).await;
    assert_eq!(store.backing.read(vec![record::DAY_KEY]).await.len(), 1);
    assert_eq!(store.census().calendar.map(|calendar| calendar.day), Some(day(1).day));
}

#[tokio::test]
async fn what_reading_changed_is_written_when_there_is_room() {
    let store = moody();
    assert_eq!(create(&store, 1).await, Verdict::Done);
    store.backing.refuse(Some(CommitError::Full));
    let hints = reader();
    let handle = claim(&store, 1, &hints).await.unwrap().handle;
    assert!(recorded(&store, handle).await.unused_until.is_some());
    store.backing.refuse(None);
    store.sweep(day(0), 100).await;
    assert!(recorded(&store, handle).await.unused_until.is_none());
}

#[tokio::test]
async fn dead_bytes_make_puts_wait_and_nothing_else() {
    let store = moody();
    create(&store, 1).await;
    put(&store, 1, 0).await;
    let hints = reader();
    let claimed = claim(&store, 1, &hints).await.unwrap();
    let found = look(&store, &claimed).await.unwrap();
    for (age, expected) in [(224_u8, Verdict::Done), (225, Verdict::Busy)] {
        store.backing.age(Some(age.into()));
        assert_eq!(put(&store, 1, age).await, expected);
    }
    assert_eq!(put(&store, 1, 0).await, Verdict::Done, "it is there already");
    assert_eq!(store.ack(vec![(claimed.handle, claimed.fence, found)], day(0)).await, [Ok(())]);
    let rekey = Change::Rekey(MailboxId::from_bytes([8; 32]));
    for done in [Change::Renew, rekey, Change::Revoke(send(1)), Change::Delete] {
        assert_eq!(change(&store, 1, done).await, Verdict::Done);
    }
    let census = store.census();
    assert_eq!(Health::of(&census, &Limits::DEFAULT), Health::NotTakingPuts(Trouble::Overdue));
    assert_eq!(census.overdue, 1);
    create(&store, 2).await;
    store.backing.age(None);
    assert_eq!(put(&store, 2, 1).await, Verdict::Done);
}

#[tokio::test]
async fn expiry_waits_for_the_disk_and_acks_do_not() {
    let store = moody();
    create(&store, 1).await;
    for number in 0..4 {
        put(&store, 1, number).await;
    }
    let hints = reader();
    let claimed = claim(&store, 1, &hints).await.unwrap();
    let found = look(&store, &claimed).await.unwrap();
    store.backing.age(Some(150));
    assert!(store.sweep(day(31), 100).await, "there is more to do");
    assert_eq!(store.census().blobs, 4);
    assert_eq!(store.ack(vec![(claimed.handle, claimed.fence, found[..1].to_vec())], day(0)).await, [Ok(())]);
    assert_eq!(store.census().blobs, 3);
    store.backing.age(Some(149));
    assert!(!store.sweep(day(31), 100).await);
    assert_eq!(store.census().blobs, 0);
}

/// Both the change and the first use write the mailbox's record. If the second record were decided
/// before the first one is in force, it would undo that on the disk.
#[tokio::test]
async fn a_change_and_a_first_use_at_the_same_time_are_both_on_the_disk() {
    for reads in [false, true] {
        let store = Arc::new(moody());
        create(&*store, 1).await;
        let hints = reader();
        store.backing.hold();
        let changing = {
            let store = Arc::clone(&store);
            let grant = Change::Grant(SendGrant { send: send(5), via: 9 });
            tokio::spawn(async move { change(&*store, 1, grant).await })
        };
        tokio::task::yield_now().await;
        if reads {
            claim(&*store, 1, &hints).await.unwrap();
        }
        let putting = {
            let store = Arc::clone(&store);
            tokio::spawn(async move { put(&*store, 1, 0).await })
        };
        tokio::task::yield_now().await;
        store.backing.let_go();
        assert_eq!(changing.await.unwrap(), Verdict::Done);
        assert_eq!(putting.await.unwrap(), Verdict::Done);
        store.sweep(day(0), 100).await;
        let handle = claim(&*store, 1, &hints).await.unwrap().handle;
        let lasting = recorded(&store, handle).await;
        assert_eq!((lasting.sends.len(), lasting.unused_until), (2, None));
    }
}

/// A change that is decided after a first use keeps that use in the record.
#[tokio::test]
async fn a_change_after_a_first_use_does_not_undo_it() {
    let store = Arc::new(moody());
    create(&*store, 1).await;
    store.backing.hold();
    let tasks = [
        tokio::spawn({
            let store = Arc::clone(&store);
            async move { put(&*store, 1, 0).await }
        }),
        tokio::spawn({
            let store = Arc::clone(&store);
            async move { change(&*store, 1, Change::Grant(SendGrant { send: send(5), via: 9 })).await }
        }),
    ];
    tokio::task::yield_now().await;
    tokio::task::yield_now().await;
    store.backing.let_go();
    for task in tasks {
        assert_eq!(task.await.unwrap(), Verdict::Done);
    }
    let handle = claim(&*store, 1, &reader()).await.unwrap().handle;
    let lasting = recorded(&store, handle).await;
    assert_eq!((lasting.sends.len(), lasting.unused_until), (2, None));
}
