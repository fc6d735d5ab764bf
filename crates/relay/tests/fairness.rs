//! No mailbox and no link keeps another one waiting (spec/12-relay.md section 5). The links are
//! values without sockets (`value/mod.rs`).
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod value;

use deaddrop_relay::Limits;
use deaddrop_relay::store::Store;
use deaddrop_wire::item::*;
use deaddrop_wire::{Item, SizeClass};
use value::*;

/// Number of blobs that fill a mailbox of the largest quota class.
const BACKLOG: u32 = 256;

/// Returns the number of the subscription and the tag of each delivery among `words`, as
/// [`Link::words`] gives them.
fn deliveries(words: &[String]) -> Vec<(u32, u32)> {
    let numbers = |word: &String| {
        let mut numbers = word.strip_prefix("deliver ")?.split(' ').map(|number| number.parse().unwrap());
        Some((numbers.next()?, numbers.next()?))
    };
    words.iter().filter_map(numbers).collect()
}

/// The mailboxes of a link are delivered in turn, however much one of them holds and however small
/// the window is.
#[test]
fn a_full_mailbox_keeps_no_other_waiting() {
    for window in [0, 1, 2, 64] {
        let world = World::new(limits());
        world.make(&[1, 2, 3], QuotaClass::Many);
        world.fill(1, BACKLOG);
        world.fill(2, 3);
        let mut reader = world.link(hello(1, window, 1 << 20));
        reader.say(&world, vec![subscribe(9, &[1, 2, 3])]);
        let mut delivered: Vec<(u32, u32)> = Vec::new();
        let mut acked = 0;
        while acked < 40 {
            delivered.extend(deliveries(&reader.words()));
            let (sub, tag) = delivered[acked];
            acked += 1;
            if acked == 20 {
                world.fill(3, 2);
            }
            reader.say(&world, vec![ack(sub, tag)]);
        }
        let place = |sub, tag| delivered.iter().position(|other| *other == (sub, tag)).unwrap();
        for tag in 1..=3 {
            assert!(place(2, tag) < 2 * tag as usize, "window {window}: {delivered:?}");
        }
        let in_window = usize::from(window.clamp(1, 16));
        assert!(place(3, 1) <= 20 + 2 * in_window, "window {window}: {delivered:?}");
        assert!(place(3, 2) <= place(3, 1) + 2, "window {window}: {delivered:?}");
    }
}

/// A mailbox that is filled as fast as it is read does not take the turns of the other mailboxes.
#[test]
fn a_mailbox_that_never_gets_empty_keeps_no_other_waiting() {
    let world = World::new(limits());
    world.make(&[1, 2], QuotaClass::Many);
    world.fill(1, 20);
    let mut reader = world.link(hello(1, 2, 1 << 20));
    reader.say(&world, vec![subscribe(9, &[1, 2])]);
    let mut next = 1;
    let mut number = 1_000;
    for round in 0..30 {
        assert_eq!(world.put(2, blob(SizeClass::Small, round)), AnswerCode::Done);
        let mut waited = 0;
        loop {
            number += 1;
            assert_eq!(world.put(1, blob(SizeClass::Small, number)), AnswerCode::Done);
            let words = reader.words();
            let of_other: Vec<_> = deliveries(&words).into_iter().filter(|(sub, _)| *sub == 2).collect();
            if let Some((sub, tag)) = of_other.first() {
                reader.say(&world, vec![ack(*sub, *tag)]);
                break;
            }
            waited += 1;
            assert!(waited <= 4, "round {round}");
            reader.say(&world, vec![ack(1, next)]);
            next += 1;
        }
    }
}

/// A blob that its reader never acks takes one place of its mailbox and one of the window, and
/// holds up nothing else.
#[test]
fn a_blob_that_is_never_acked_keeps_no_other_waiting() {
    let world = World::new(Limits { in_flight_per_mailbox: 2, ..limits() });
    world.make(&[1, 2], QuotaClass::Many);
    world.fill(1, 40);
    world.fill(2, 40);
    let mut reader = world.link(hello(1, 2, 1 << 20));
    reader.say(&world, vec![subscribe(9, &[1, 2])]);
    let mut delivered: Vec<(u32, u32)> = Vec::new();
    let mut at = 0;
    loop {
        let words = reader.words();
        assert!(!words.iter().any(|word| word.starts_with("caught up")), "one is never acked");
        delivered.extend(deliveries(&words));
        let Some((sub, tag)) = delivered.get(at).copied() else { break };
        at += 1;
        if (sub, tag) != (1, 1) {
            let acks = vec![AckEntry { sub, upto: 0, also: vec![tag] }];
            reader.say(&world, vec![Ack { acks }.into()]);
        }
    }
    assert_eq!(delivered.len(), 80);
    assert_eq!(world.store.census().blobs, 1);
    // The next reader gets it.
    let mut next = world.link(hello(1, 64, 1 << 20));
    next.say(&world, vec![subscribe(9, &[1])]);
    assert_eq!(deliveries(&next.words()), [(1, 1)]);
}

/// A link whose requests all wait for the store, and whose window is full, holds up no other link:
/// no request of one link waits for a request of another.
#[test]
fn a_link_that_is_behind_keeps_no_other_waiting() {
    let world = World::new(limits());
    world.make(&[1, 2, 3], QuotaClass::Many);
    world.fill(1, BACKLOG);
    let mut busy = world.link(hello(1, 64, 1 << 20));
    busy.say(&world, vec![subscribe(9, &[1])]);
    for number in 0..256 {
        let put = Put { req: number, send: send(2), blob: blob(SizeClass::Small, number) };
        busy.hear(&world, vec![put.into(), ack(1, 16)]).unwrap();
    }
    assert!(busy.calls.len() >= 256, "they wait");
    let mut other = world.link(hello(2, 64, 1 << 20));
    other.say(&world, vec![subscribe(9, &[3])]);
    let put = |number| Item::from(Put { req: number, send: send(3), blob: blob(SizeClass::Small, number) });
    other.say(&world, (0..5).map(put).collect());
    let words = other.words();
    assert_eq!(deliveries(&words).len(), 5, "{words:?}");
    // It takes the mailbox of the other link with all that is in flight there.
    other.say(
        &world,
        vec![Subscribe { req: 10, mailboxes: vec![Subscription { sub: 7, read: read(1) }] }.into()],
    );
    assert_eq!(deliveries(&other.words()), (1..=16).map(|tag| (7, tag)).collect::<Vec<_>>());
    busy.settle(&world);
    assert!(busy.words().contains(&"displaced 1".to_owned()));
    assert_eq!(world.store.census().blobs, u64::from(BACKLOG + 256 + 5), "the late ack destroyed nothing");
}
