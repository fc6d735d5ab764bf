//! Links as values that send more requests than their rates allow, with simulated time.

use super::*;
use crate::limits::Limits;
use crate::session::kit::{at, hear, link};
use crate::session::subscription::Sub;
use crate::session::{Call, Outcome, Output, RelaySession};
use crate::store::{Fence, Handle, RecordId};
use deaddrop_wire::item::{Ack, AckEntry, Delete, Ping, Put, Subscribe, Subscription, Window};
use deaddrop_wire::{Blob, Item, PresentedOwn, PresentedRead, PresentedSend, Received, SizeClass};
use std::sync::Arc;

const SMALL: Limits = Limits {
    entries_per_s: 10,
    entries_burst: 100,
    entries_per_s_per_prefix: 20,
    entries_burst_per_prefix: 200,
    all_entries_per_s: 100,
    all_entries_burst: 1_000,
    ..Limits::DEFAULT
};

/// Lets the link pay for one record without padding and handle it. Returns whether nothing is owed
/// afterwards.
fn hear_all(link: &mut RelaySession, items: Vec<Item>, ms: u64) -> bool {
    hear_long(link, items, 0, ms)
}

/// Does the same with a record of this length.
fn hear_long(link: &mut RelaySession, items: Vec<Item>, bytes: usize, ms: u64) -> bool {
    let received = Received { items, ..Received::default() };
    link.charge(&received, bytes);
    if !link.pay(at(ms)) {
        return false;
    }
    link.on_received(received, at(ms), &mut Output::default()).unwrap();
    link.pay(at(ms))
}

fn own() -> PresentedOwn {
    PresentedOwn::from_bytes([1; 32])
}

fn sub() -> Sub {
    Sub::new(Handle::from_bytes([1; 6]), Fence(1), 0, None)
}

const fn entry(upto: u32) -> AckEntry {
    AckEntry { sub: 1, upto, also: Vec::new() }
}

fn ack(acks: Vec<AckEntry>) -> Item {
    Ack { acks }.into()
}

fn subscribe(first: u32, count: u32) -> Item {
    let read = || PresentedRead::from_bytes([1; 32]);
    let mailboxes = (first..first + count).map(|sub| Subscription { sub, read: read() }).collect();
    Subscribe { req: 1, mailboxes }.into()
}

#[test]
fn a_link_beyond_its_burst_is_read_again_when_it_has_paid() {
    let shared = Arc::new(SessionContext::new(SMALL, None));
    let mut link = link(&shared, Prefix::numbered(1));
    // The Hello was one entry.
    assert!(hear_all(&mut link, vec![subscribe(1, 99)], 0), "the burst");
    assert!(!hear_all(&mut link, vec![subscribe(100, 30)], 0));
    assert!(link.owes() && !link.pay(at(2_999)));
    assert!(link.pay(at(3_000)), "30 entries at 10 a second");
    assert!(!link.owes());
}

#[test]
fn each_kind_of_request_without_a_rate_of_its_own_is_counted() {
    type Ask = fn(u32) -> Vec<Item>;
    let asked: [(&str, Ask); 5] = [
        ("deletes", |first| (first..first + 50).map(|req| Delete { req, own: own() }.into()).collect()),
        ("windows", |_| (0..50).map(|_| Window { blobs: 1, bytes: 1 }.into()).collect()),
        ("pings", |_| (0..50).map(|nonce| Ping { nonce }.into()).collect()),
        ("claims", |first| vec![subscribe(first, 50)]),
        ("acks that confirm nothing", |_| vec![ack(vec![entry(0); 50])]),
    ];
    for (name, ask) in asked {
        let shared = Arc::new(SessionContext::new(SMALL, None));
        let mut link = link(&shared, Prefix::numbered(1));
        if name.starts_with("acks") {
            link.reading.subs.insert(1, Box::new(sub()));
        }
        assert!(hear_all(&mut link, ask(2), 0), "{name}");
        assert!(!hear_all(&mut link, ask(100), 0), "{name}: 101 of 100");
        assert_eq!(shared.entries_too_fast(), 0, "{name}: the link's own rate");
    }
}

#[test]
fn a_record_of_no_use_counts_with_its_bytes() {
    let shared = Arc::new(SessionContext::new(SMALL, None));
    let mut link = link(&shared, Prefix::numbered(1));
    for _ in 0..3 {
        assert!(hear_long(&mut link, Vec::new(), 32 * 4_096, 0), "33 each");
    }
    assert!(!hear_all(&mut link, Vec::new(), 0));
}

#[test]
fn puts_that_are_taken_count_for_nothing_and_refused_ones_for_their_bytes() {
    let limits = Limits { puts_per_s: 1, put_burst: 500, ..SMALL };
    let shared = Arc::new(SessionContext::new(limits, None));
    let mut link = link(&shared, Prefix::numbered(1));
    let blob = Blob::new(vec![0; SizeClass::Small.bytes()]).unwrap();
    let put = || Put { req: 1, send: PresentedSend::from_bytes([1; 32]), blob: blob.clone() }.into();
    for _ in 0..500 {
        assert!(hear_long(&mut link, vec![put()], 4_200, 0));
    }
    for _ in 0..49 {
        assert!(hear_long(&mut link, vec![put()], 4_200, 0), "two each");
    }
    assert!(!hear_long(&mut link, vec![put()], 4_200, 0));
}

#[test]
fn the_links_of_one_prefix_share_a_rate_and_another_prefix_is_read_at_once() {
    let shared = Arc::new(SessionContext::new(SMALL, None));
    let mut hostile: Vec<_> = (0..4).map(|_| link(&shared, Prefix::numbered(1))).collect();
    let read = hostile.iter_mut().filter_map(|link| hear_all(link, vec![subscribe(1, 90)], 0).then_some(()));
    assert_eq!(read.count(), 2, "the burst of the prefix");
    assert_eq!(shared.entries_too_fast(), 2);
    let mut other = link(&shared, Prefix::numbered(2));
    assert!(hear_all(&mut other, vec![subscribe(1, 90)], 0));
    let mut small = link(&shared, Prefix::numbered(1));
    assert!(
        hear_all(&mut small, vec![Ping { nonce: 1 }.into()], 1_000),
        "a small request goes before large ones"
    );
}

#[test]
fn a_flood_of_entries_from_many_prefixes_leaves_the_others_theirs() {
    let shared = SessionContext::new(Limits::DEFAULT, None);
    let mut taken = 0;
    for ms in 0..60_000 {
        for number in 0..64 {
            while shared.take_entries(Prefix::numbered(number), 1_000, at(ms)).is_ok() {
                taken += 1_000;
            }
        }
        if ms >= 1_000 && ms % 100 == 0 {
            assert_eq!(shared.take_entries(Prefix::numbered(1_000), 10, at(ms)), Ok(()), "after {ms} ms");
            assert_eq!(shared.take_entries(Prefix::SHARED, 1_000, at(ms)), Ok(()), "after {ms} ms");
        }
    }
    assert!((1_200_000..2_700_000).contains(&taken), "{taken}: the flood has what the others leave");
}

#[test]
fn an_ack_that_confirms_nothing_waits_for_the_acks_before_it_alone() {
    let shared = Arc::new(SessionContext::new(Limits::DEFAULT, None));
    let mut link = link(&shared, Prefix::numbered(1));
    let mut sub = sub();
    assert_eq!(sub.deliver(RecordId(7), 4_096), Some(1));
    link.reading.subs.insert(1, Box::new(sub));
    let waits = |link: &mut RelaySession, upto: u32| match &hear(link, ack(vec![entry(upto)]), 0).calls[..] {
        [Call::Ack(acking)] => acking[0].waits,
        other => panic!("{other:?}"),
    };
    assert!(!waits(&mut link, 0), "nothing is in flight");
    link.on_outcome(Outcome::Acked(Vec::new()), at(0), &mut Output::default()).unwrap();
    assert!(waits(&mut link, 1), "it destroys a blob");
    assert!(waits(&mut link, 1), "the ack before it is not durable");
    for _ in 0..2 {
        link.on_outcome(Outcome::Acked(Vec::new()), at(0), &mut Output::default()).unwrap();
    }
    assert!(!waits(&mut link, 1), "all are durable");
}

#[test]
fn padding_around_an_accepted_put_counts() {
    let limits = Limits { put_burst: 500, ..SMALL };
    let shared = Arc::new(SessionContext::new(limits, None));
    let mut link = link(&shared, Prefix::numbered(1));
    let blob = Blob::new(vec![0; SizeClass::Small.bytes()]).unwrap();
    let put = || Put { req: 1, send: PresentedSend::from_bytes([1; 32]), blob: blob.clone() }.into();
    for _ in 0..3 {
        assert!(hear_long(&mut link, vec![put()], 4_096 + 32 * 4_096, 0), "32 each");
    }
    assert!(!hear_long(&mut link, vec![put()], 4_096 + 32 * 4_096, 0));
}

#[test]
fn a_record_that_cannot_be_paid_for_is_not_handled() {
    let shared = Arc::new(SessionContext::new(SMALL, None));
    let mut link = link(&shared, Prefix::numbered(1));
    assert!(hear_all(&mut link, vec![subscribe(1, 99)], 0));
    assert!(!hear_all(&mut link, vec![subscribe(100, 99)], 0));
    assert_eq!(link.reading.claiming.len(), 99, "no claim of the second record has begun");
}

#[test]
fn a_tag_that_is_named_twice_in_one_ack_waits_twice() {
    let shared = Arc::new(SessionContext::new(Limits::DEFAULT, None));
    let mut link = link(&shared, Prefix::numbered(1));
    let mut sub = sub();
    assert_eq!(sub.deliver(RecordId(7), 4_096), Some(1));
    link.reading.subs.insert(1, Box::new(sub));
    let waits: Vec<bool> = match &hear(&mut link, ack(vec![entry(0), entry(1), entry(1)]), 0).calls[..] {
        [Call::Ack(acking)] => acking.iter().map(|one| one.waits).collect(),
        other => panic!("{other:?}"),
    };
    assert_eq!(waits, [false, true, true]);
}
