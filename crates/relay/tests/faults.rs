//! Faults planted in front of a sound store: the contract finds each of them.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod stores;

use deaddrop_relay::Limits;
use deaddrop_relay::clock::Now;
use deaddrop_relay::store::*;
use deaddrop_relay::testing::contract::{
    Effort, StoreFactory, check_all, check_histories, check_methods, check_survival,
};
use deaddrop_wire::item::{CreateFlags, QuotaClass};
use deaddrop_wire::{Blob, Day, OwnId, SendId};
use std::collections::{HashMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use stores::{CrashDisk, DiskStore, OnDisk, run};

/// The fault that is planted in a store. A *look* is a call of `peek`, which finds the blobs to
/// deliver next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// No fault.
    None,
    /// An ack under an old fence destroys blobs.
    AckUnderOldFence,
    /// A release under an old fence takes the mailbox from its new reader.
    ReleaseUnderOldFence,
    /// A repeated put is stored again.
    PutStoredTwice,
    /// A look finds an expired blob until a sweep destroys it.
    ExpiredGivenOut,
    /// A sweep destroys nothing that has expired.
    SweepDestroysNothing,
    /// Blobs of a volatile mailbox survive a restart.
    VolatileSurvives,
    /// An ack is answered before the blobs are destroyed on stable storage.
    AckNotDurable,
    /// A put is answered before the blob is on stable storage.
    PutNotDurable,
    /// A call of the store's method `change` is answered before it is on stable storage.
    ChangeNotDurable,
    /// The disk syncs nothing.
    NothingSynced,
    /// Every mailbox has the largest quota, whatever was asked for.
    QuotaIgnored,
    /// A reader can take a mailbox over at any moment, without the wait of `takeover_ms`.
    TakeoverAtOnce,
    /// A look returns the newest blob first.
    PeekReversed,
    /// A look returns all blobs, more than the reader asked for.
    RoomIgnored,
    /// A look returns blobs that are in flight already.
    InFlightIgnored,
    /// A look does not tell which of the blobs in flight are destroyed.
    GoneNotTold,
    /// A revoked sender keeps its right.
    RevokeDoesNothing,
    /// Reading does not renew a lease.
    LeaseNotRenewed,
    /// The answers to a batch of puts come in the reverse order.
    AnswersReversed,
    /// The `via` of each sender is stored as 0.
    ViaLost,
}

impl Fault {
    const ALL: [Self; 20] = [
        Self::AckUnderOldFence,
        Self::ReleaseUnderOldFence,
        Self::PutStoredTwice,
        Self::ExpiredGivenOut,
        Self::SweepDestroysNothing,
        Self::VolatileSurvives,
        Self::AckNotDurable,
        Self::PutNotDurable,
        Self::ChangeNotDurable,
        Self::NothingSynced,
        Self::QuotaIgnored,
        Self::TakeoverAtOnce,
        Self::PeekReversed,
        Self::RoomIgnored,
        Self::InFlightIgnored,
        Self::GoneNotTold,
        Self::RevokeDoesNothing,
        Self::LeaseNotRenewed,
        Self::AnswersReversed,
        Self::ViaLost,
    ];

    /// Whether the fault shows only when the store is opened again: `check_survival` must find it,
    /// and not `check_methods`.
    const fn needs_reopening(self) -> bool {
        matches!(
            self,
            Self::VolatileSurvives
                | Self::AckNotDurable
                | Self::PutNotDurable
                | Self::ChangeNotDurable
                | Self::NothingSynced
        )
    }
}

/// A sound store behind a wrapper that plants a fault.
struct FaultyStore {
    sound: DiskStore,
    fault: Fault,
    disk: Arc<CrashDisk>,
    seen: Mutex<Seen>,
}

/// The facts about earlier requests from which the faults are made.
#[derive(Default)]
struct Seen {
    /// The newest fence that a claim got, of each mailbox.
    fences: HashMap<Handle, Fence>,
    puts: HashSet<(SendId, Vec<u8>)>,
    /// The bytes on stable storage before the last request that writes, if the fault is that a
    /// crash now loses that request.
    before: Option<Vec<u8>>,
}

impl FaultyStore {
    /// Notes a request that writes. With `is_lost`, a crash before the next such request loses it.
    fn note_write(&self, is_lost: bool) {
        self.seen.lock().unwrap().before = is_lost.then(|| self.disk.stable_bytes());
    }

    fn newest_fence(&self, handle: Handle, fence: Fence) -> Fence {
        self.seen.lock().unwrap().fences.get(&handle).copied().unwrap_or(fence)
    }

    fn has(&self, fault: Fault) -> bool {
        self.fault == fault
    }
}

impl Store for FaultyStore {
    async fn create(&self, mut new: Vec<NewMailbox>, now: Now) -> Vec<Verdict> {
        self.note_write(false);
        for new in &mut new {
            match self.fault {
                Fault::VolatileSurvives => new.flags = CreateFlags(new.flags.0 & !CreateFlags::VOLATILE.0),
                Fault::QuotaIgnored => new.quota = QuotaClass::Many,
                Fault::LeaseNotRenewed => new.flags = new.flags.and(CreateFlags::FIXED),
                Fault::ViaLost => new.sends.iter_mut().for_each(|grant| grant.via = 0),
                _ => {}
            }
        }
        self.sound.create(new, now).await
    }

    async fn change(&self, mut changes: Vec<(OwnId, Change)>, now: Now) -> Vec<Verdict> {
        self.note_write(self.has(Fault::ChangeNotDurable));
        for (_, change) in &mut changes {
            if self.has(Fault::RevokeDoesNothing) && matches!(change, Change::Revoke(_)) {
                *change = Change::Renew;
            }
        }
        self.sound.change(changes, now).await
    }

    async fn put(&self, mut puts: Vec<(SendId, Blob)>, now: Now) -> Vec<Verdict> {
        self.note_write(self.has(Fault::PutNotDurable));
        for (send, blob) in &mut puts {
            let is_new = self.seen.lock().unwrap().puts.insert((*send, blob.as_bytes().to_vec()));
            if self.has(Fault::PutStoredTwice) && !is_new {
                let mut bytes = blob.as_bytes().to_vec();
                *bytes.last_mut().unwrap() ^= 1;
                *blob = Blob::new(bytes).unwrap();
            }
        }
        let mut verdicts = self.sound.put(puts, now).await;
        if self.has(Fault::AnswersReversed) {
            verdicts.reverse();
        }
        verdicts
    }

    async fn claim(
        &self,
        claims: Vec<Claim>,
        reader: &ConnectedReader,
        mut now: Now,
    ) -> Vec<Result<Claimed, NotClaimed>> {
        self.note_write(false);
        if self.has(Fault::TakeoverAtOnce) {
            now.ms *= 100_000;
        }
        let claimed = self.sound.claim(claims, reader, now).await;
        let mut seen = self.seen.lock().unwrap();
        seen.fences.extend(claimed.iter().flatten().map(|claimed| (claimed.handle, claimed.fence)));
        claimed
    }

    async fn release(&self, mut claims: Vec<(Handle, Fence)>) {
        for (handle, fence) in &mut claims {
            if self.has(Fault::ReleaseUnderOldFence) {
                *fence = self.newest_fence(*handle, *fence);
            }
        }
        self.sound.release(claims).await;
    }

    async fn peek(&self, mut peek: Peek, mut now: Now) -> Result<Peeked, Stale> {
        match self.fault {
            Fault::ExpiredGivenOut => now.expires_from = Day::from_number(u32::MAX),
            Fault::RoomIgnored => (peek.blobs, peek.bytes) = (1_000, 1 << 30),
            Fault::InFlightIgnored => peek.in_flight.clear(),
            _ => {}
        }
        let mut peeked = self.sound.peek(peek, now).await?;
        match self.fault {
            Fault::PeekReversed => peeked.blobs.reverse(),
            Fault::GoneNotTold => peeked.gone.clear(),
            _ => {}
        }
        Ok(peeked)
    }

    async fn ack(
        &self,
        mut acks: Vec<(Handle, Fence, Vec<RecordId>)>,
        now: Now,
    ) -> Vec<Result<(), NotAcked>> {
        self.note_write(self.has(Fault::AckNotDurable));
        for (handle, fence, _) in &mut acks {
            if self.has(Fault::AckUnderOldFence) {
                *fence = self.newest_fence(*handle, *fence);
            }
        }
        self.sound.ack(acks, now).await
    }

    async fn sweep(&self, mut now: Now, limit: usize) -> bool {
        self.note_write(false);
        let mut limit = limit;
        if self.has(Fault::SweepDestroysNothing) {
            limit = 0;
            now.ms += 1;
        }
        let more = self.sound.sweep(now, limit).await;
        more && !self.has(Fault::SweepDestroysNothing)
    }

    fn census(&self) -> Census {
        self.sound.census()
    }
}

/// A factory of stores with the fault `fault`, on a disk that can crash.
struct FaultyFactory {
    fault: Fault,
    on_disk: OnDisk,
}

impl FaultyFactory {
    fn wrap(&self, sound: DiskStore) -> FaultyStore {
        let disk = Arc::clone(&self.on_disk.disk);
        if self.fault == Fault::NothingSynced {
            disk.ignore_sync();
        }
        FaultyStore { sound, fault: self.fault, disk, seen: Mutex::default() }
    }
}

impl StoreFactory for FaultyFactory {
    type Store = FaultyStore;

    async fn create(&mut self, limits: Limits) -> FaultyStore {
        let sound = self.on_disk.create(limits).await;
        self.wrap(sound)
    }

    async fn reopen(&mut self, store: FaultyStore, limits: Limits) -> Option<FaultyStore> {
        let before = store.seen.lock().unwrap().before.take();
        let sound = match before {
            Some(bytes) => self.on_disk.reopen_on(bytes, store.sound, limits),
            None => self.on_disk.reopen(store.sound, limits).await?,
        };
        Some(self.wrap(sound))
    }
}

/// Returns whether each of the three parts of the contract finds `fault`: the checks of methods,
/// the checks of survival, the random histories.
fn found_by(fault: Fault) -> [bool; 3] {
    let effort = Effort::default();
    let make = || FaultyFactory { fault, on_disk: OnDisk::new() };
    let finds = |check: &dyn Fn()| catch_unwind(AssertUnwindSafe(check)).is_err();
    [
        finds(&|| run(check_methods(&mut make()))),
        finds(&|| run(check_survival(&mut make()))),
        finds(&|| run(check_histories(&mut make(), effort))),
    ]
}

#[test]
fn the_wrapper_without_a_fault_keeps_the_contract() {
    let mut factory = FaultyFactory { fault: Fault::None, on_disk: OnDisk::new() };
    run(check_all(&mut factory, Effort { histories: 2, steps: 200 }));
}

#[test]
fn each_fault_is_found_by_checks_and_by_histories() {
    let mut missed = Vec::new();
    for fault in Fault::ALL {
        let [methods, survival, histories] = found_by(fault);
        let checks = if fault.needs_reopening() { survival } else { methods };
        if !(checks && histories) {
            missed.push((fault, checks, histories));
        }
    }
    assert!(missed.is_empty(), "fault, found by checks, found by histories: {missed:?}");
}
