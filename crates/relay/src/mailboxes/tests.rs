//! A mailbox without blobs and without a reader (*at rest*) holds little memory, and a sweep that
//! frees its active part forgets nothing on which an answer depends.

use super::*;
use crate::clock::Now;
use crate::hints::Hints;
use crate::names::StoreKey;
use crate::store::{Claim, ConnectedReader, NewMailbox, NotClaimed, RecordId, Verdict};
use deaddrop_wire::item::{CreateFlags, LeaseClass, QuotaClass, SendGrant};
use deaddrop_wire::{ClientToken, MailboxId, OwnId, SendId};
use rand::SeedableRng;
use std::sync::Arc;

const READ: MailboxId = MailboxId::from_bytes([2; 32]);
const SEND: SendId = SendId::from_bytes([3; 32]);

fn at(ms: u64) -> Now {
    Now::new(Day::from_number(20_000), ms)
}

/// Makes a store with one mailbox, whose quota is four blobs.
fn with_one_mailbox(limits: Limits) -> Mailboxes {
    let key = StoreKey::from_bytes([1; 32]).index_key();
    let mut mailboxes = Mailboxes::new(key, limits, false, StdRng::seed_from_u64(1));
    let sends = vec![SendGrant { send: SEND, via: 0 }];
    let (own, read) = (OwnId::from_bytes([1; 32]), READ);
    let (lease, quota, flags) = (LeaseClass::Month, QuotaClass::Few, CreateFlags::NONE);
    let new = NewMailbox { own, read, sends, lease, quota, flags };
    let ChangeStep::Write(planned, _) = mailboxes.create(&new, at(0)) else { panic!("it is created") };
    mailboxes.finish_change(planned, true);
    mailboxes
}

/// Puts a blob filled with `number`, which gets this number as its record id. The blob is durable
/// at once.
fn put(mailboxes: &mut Mailboxes, number: u8, now: Now) -> Verdict {
    let blob = Blob::new(vec![number; 4_096]).unwrap();
    match mailboxes.put(&SEND, blob, false, now, Waiter::new(drop)) {
        PutStep::Write { handle, key, first_use, .. } => {
            mailboxes.finish_put(handle, key, RecordId(number.into()), first_use);
            Verdict::Done
        }
        PutStep::Answer(verdict) => verdict,
        PutStep::Join | PutStep::AfterChange(_) => panic!("nothing is under way"),
    }
}

/// Destroys the blobs with these numbers.
fn destroy(mailboxes: &mut Mailboxes, numbers: std::ops::Range<u64>) {
    let handle = handle(mailboxes);
    for id in numbers.map(RecordId) {
        mailboxes.discard(handle, id).unwrap();
        mailboxes.note_destroyed(handle, &[id]);
    }
}

fn handle(mailboxes: &Mailboxes) -> Handle {
    mailboxes.directory.by_reader(&mailboxes.key.read(&READ)).unwrap()
}

/// Runs a step of expiry at `ms`. Returns whether the active part of the mailbox is freed then.
fn sweep(mailboxes: &mut Mailboxes, ms: u64) -> bool {
    mailboxes.sweep(at(ms), 100);
    mailboxes.directory.get(handle(mailboxes)).unwrap().active().is_none()
}

#[test]
fn a_rate_outlives_a_sweep() {
    let limits = Limits { mailbox_puts_per_s: 1, mailbox_put_burst: 2, ..Limits::DEFAULT };
    let mailboxes = &mut with_one_mailbox(limits);
    assert!(sweep(mailboxes, 0), "nothing has used it");
    assert_eq!(put(mailboxes, 1, at(0)), Verdict::Done);
    assert_eq!(put(mailboxes, 2, at(0)), Verdict::Done);
    assert!(!sweep(mailboxes, 9_000), "it holds blobs");
    destroy(mailboxes, 1..3);
    assert_eq!(put(mailboxes, 3, at(9_000)), Verdict::Done);
    assert_eq!(put(mailboxes, 4, at(9_000)), Verdict::Done);
    destroy(mailboxes, 3..5);
    assert!(!sweep(mailboxes, 9_500));
    assert_eq!(put(mailboxes, 5, at(9_500)), Verdict::TooFast(1));
    assert!(sweep(mailboxes, 11_000), "the rate allows everything again");
}

#[test]
fn a_pause_outlives_a_sweep() {
    let mailboxes = &mut with_one_mailbox(Limits { full_pause_ms: 60_000, ..Limits::DEFAULT });
    for number in 1..5 {
        assert_eq!(put(mailboxes, number, at(0)), Verdict::Done);
    }
    assert_eq!(put(mailboxes, 5, at(0)), Verdict::Full);
    destroy(mailboxes, 1..5);
    let until =
        mailboxes.directory.get(handle(mailboxes)).unwrap().active().unwrap().closed.unwrap().until_ms();
    assert!(until > 1_000 && !sweep(mailboxes, until - 1));
    assert_eq!(put(mailboxes, 5, at(until - 1)), Verdict::Full);
    assert!(sweep(mailboxes, until));
}

#[test]
fn a_smaller_class_is_closed_as_long_as_a_larger_one_was() {
    for (first, second) in [(50_000, 1_000), (1_000, 50_000)] {
        let mailboxes = &mut with_one_mailbox(Limits::DEFAULT);
        let handle = handle(mailboxes);
        let close = |mailboxes: &mut Mailboxes, class: SizeClass, ms: u64| {
            assert!(!mailboxes.directory.get_mut(handle).unwrap().admit(class, 0, || ms), "it is closed");
        };
        assert_eq!(put(mailboxes, 1, at(0)), Verdict::Done);
        close(mailboxes, SizeClass::Large, first);
        for number in 2..5 {
            assert_eq!(put(mailboxes, number, at(0)), Verdict::Done);
        }
        close(mailboxes, SizeClass::Small, second);
        destroy(mailboxes, 1..5);
        assert_eq!(put(mailboxes, 5, at(49_999)), Verdict::Full);
        assert_eq!(put(mailboxes, 5, at(50_000)), Verdict::Done);
    }
}

#[test]
fn a_takeover_outlives_a_sweep() {
    let limits = Limits::DEFAULT;
    let mailboxes = &mut with_one_mailbox(limits.clone());
    let reader = |token| ConnectedReader {
        token: ClientToken::from_bytes([token; 16]),
        hints: Arc::new(Hints::default()),
    };
    let (one, two, three) = (reader(1), reader(2), reader(3));
    let claim = Claim { read: READ, sub: 1 };
    mailboxes.claim(&claim, &one, at(0)).unwrap();
    mailboxes.claim(&claim, &two, at(10)).unwrap();
    assert!(!sweep(mailboxes, limits.takeover_ms + 10), "it is read");
    drop(two);
    assert!(!sweep(mailboxes, 20), "it was taken a short time ago");
    mailboxes.claim(&claim, &three, at(20)).unwrap();
    assert_eq!(mailboxes.claim(&claim, &one, at(30)).unwrap_err(), NotClaimed::Contended);
    let fence = mailboxes.directory.get(handle(mailboxes)).unwrap().fence;
    drop(three);
    assert!(sweep(mailboxes, limits.takeover_ms + 10));
    assert_eq!(mailboxes.directory.get(handle(mailboxes)).unwrap().fence, fence, "fences never fall");
}
