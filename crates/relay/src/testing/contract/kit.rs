//! Short forms for the checks: rights by number, blobs by number, one-entry batches.

use crate::clock::Now;
use crate::hints::Hints;
use crate::limits::Limits;
use crate::store::{
    Change, Claim, Claimed, ConnectedReader, NewMailbox, NotAcked, NotClaimed, Peek, RecordId, Stale, Store,
    Stored, Verdict,
};
use deaddrop_wire::item::{CreateFlags, LeaseClass, QuotaClass, SendGrant};
use deaddrop_wire::{Blob, ClientToken, Day, MailboxId, OwnId, SendId, SizeClass};
use std::sync::Arc;
use std::time::Duration;

/// The day on which each check begins. Any plausible day would do.
pub(super) const TODAY: Day = Day::from_number(20_000);

/// Returns limits under which rates and random pauses do not disturb a check.
pub(super) fn limits() -> Limits {
    Limits {
        mailbox_puts_per_s: 1_000_000,
        mailbox_put_burst: 1_000_000,
        full_pause_ms: 0,
        takeover_ms: 5_000,
        blob_days: 30,
        large_blob_days: 7,
        unused_days: 1,
        ..Limits::DEFAULT
    }
}

/// Returns the moment `ms` milliseconds after the start, on the first day.
pub(super) const fn now(ms: u64) -> Now {
    Now::new(TODAY, ms)
}

/// Returns a moment `day` days after the first day.
pub(super) fn on(day: u32) -> Now {
    Now::new(TODAY.plus(day), 1_000_000 * u64::from(day + 1))
}

/// Returns a mailbox to create: the owner, the reader and the one sender with this number, with a
/// lease of a month.
pub(super) fn mailbox(number: u32, quota: QuotaClass) -> NewMailbox {
    NewMailbox {
        own: own(number),
        read: read(number),
        sends: vec![grant(number)],
        lease: LeaseClass::Month,
        quota,
        flags: CreateFlags::NONE,
    }
}

fn id(number: u32) -> [u8; 32] {
    let mut bytes = [7; 32];
    bytes[..4].copy_from_slice(&number.to_le_bytes());
    bytes
}

pub(super) fn own(number: u32) -> OwnId {
    OwnId::from_bytes(id(number))
}

pub(super) fn read(number: u32) -> MailboxId {
    MailboxId::from_bytes(id(number))
}

pub(super) fn send(number: u32) -> SendId {
    SendId::from_bytes(id(number))
}

/// Returns the grant for the sender with this number. Its `via` is the low byte of the number.
pub(super) fn grant(number: u32) -> SendGrant {
    SendGrant { send: send(number), via: number as u8 }
}

/// Returns the blob of the smallest class with this number.
pub(super) fn blob(number: u32) -> Blob {
    blob_of(SizeClass::Small, number)
}

pub(super) fn blob_of(class: SizeClass, number: u32) -> Blob {
    let mut bytes = vec![0; class.bytes()];
    bytes[..4].copy_from_slice(&number.to_le_bytes());
    Blob::new(bytes).unwrap()
}

/// Returns the number of a blob made by [`blob_of`].
pub(super) fn number_of(blob: &Blob) -> u32 {
    u32::from_le_bytes(*blob.as_bytes().first_chunk().unwrap())
}

pub(super) fn numbers(found: &[Stored]) -> Vec<u32> {
    found.iter().map(|stored| number_of(&stored.blob)).collect()
}

/// Returns a connected reader. Its token is the byte `token` repeated; 0 for none.
pub(super) fn reader(token: u8) -> ConnectedReader {
    ConnectedReader { token: ClientToken::from_bytes([token; 16]), hints: Arc::new(Hints::default()) }
}

pub(super) async fn create(store: &impl Store, number: u32) -> Verdict {
    create_with(store, mailbox(number, QuotaClass::Many), now(0)).await
}

pub(super) async fn create_with(store: &impl Store, new: NewMailbox, at: Now) -> Verdict {
    one(store.create(vec![new], at).await)
}

pub(super) async fn change(store: &impl Store, number: u32, change: Change) -> Verdict {
    one(store.change(vec![(own(number), change)], now(0)).await)
}

pub(super) async fn put(store: &impl Store, sender: u32, number: u32) -> Verdict {
    put_blob(store, sender, blob(number), now(0)).await
}

pub(super) async fn put_blob(store: &impl Store, sender: u32, blob: Blob, at: Now) -> Verdict {
    one(store.put(vec![(send(sender), blob)], at).await)
}

pub(super) async fn claim(
    store: &impl Store,
    number: u32,
    reader: &ConnectedReader,
    at: Now,
) -> Result<Claimed, NotClaimed> {
    one(store.claim(vec![Claim { read: read(number), sub: number }], reader, at).await)
}

/// Returns a look (a peek) under this claim with room for all blobs.
pub(super) fn wide(claimed: &Claimed) -> Peek {
    let (handle, fence) = (claimed.handle, claimed.fence);
    Peek { handle, fence, in_flight: vec![], blobs: 1_000, bytes: 1 << 30, any_first: true }
}

/// Returns all blobs of the claimed mailbox, oldest first.
pub(super) async fn look(store: &impl Store, claimed: &Claimed, at: Now) -> Result<Vec<Stored>, Stale> {
    let peeked = store.peek(wide(claimed), at).await?;
    assert!(!peeked.more && !peeked.unread, "a look with room for all blobs finds all");
    Ok(peeked.blobs)
}

pub(super) async fn ack(
    store: &impl Store,
    claimed: &Claimed,
    records: Vec<RecordId>,
) -> Result<(), NotAcked> {
    one(store.ack(vec![(claimed.handle, claimed.fence, records)], now(0)).await)
}

/// Sweeps until the store says that nothing is left to expire.
pub(super) async fn sweep_all(store: &impl Store, at: Now) {
    for _ in 0..2_000 {
        if !store.sweep(at, 1_000).await {
            return;
        }
        // A store may wait until dead bytes are zeroed.
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    panic!("a sweep never ends");
}

/// Returns the numbers of mailboxes, of blobs and of bytes of blobs in the store. Panics if the
/// store has failed.
pub(super) fn counts(store: &impl Store) -> (u64, u64, u64) {
    let census = store.census();
    assert!(!census.stopped, "the store has failed");
    (census.mailboxes, census.blobs, census.bytes)
}

/// Returns the one answer to a batch of one entry. Panics if there is not exactly one.
pub(super) fn one<T>(mut answers: Vec<T>) -> T {
    assert_eq!(answers.len(), 1, "one answer per entry");
    answers.remove(0)
}
