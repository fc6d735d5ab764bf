//! The time from which a link counts as idle (spec/12-relay.md section 5), with links as values
//! (`value/mod.rs`).
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod value;

use deaddrop_relay::Limits;
use deaddrop_wire::item::*;
use deaddrop_wire::{Item, SizeClass};
use value::*;

const IDLE_MS: u64 = 10_000;

fn world() -> World {
    let world = World::new(Limits { idle_ms: IDLE_MS, ..limits() });
    world.make(&[1, 2], QuotaClass::Many);
    world
}

/// Lets `ms` milliseconds pass, and checks that the link is idle at the end and not a millisecond
/// before.
fn expect_idle_after(world: &mut World, link: &Link, ms: u64, case: &str) {
    world.now.ms += ms - 1;
    assert!(!link.session.is_idle(world.now), "{case}");
    world.now.ms += 1;
    assert!(link.session.is_idle(world.now), "{case}");
}

/// A link whose last subscription ends becomes idle `idle_ms` later, however the subscription
/// ended. The relay need not check the link in between, because it does not while a message is
/// incomplete.
#[test]
fn idleness_begins_when_the_last_subscription_ends() {
    for end in ["unsubscribe", "displaced", "gone", "found by a look", "found by an ack"] {
        let mut world = world();
        let mut reader = world.link(hello(1, 64, 1 << 20));
        reader.say(&world, vec![subscribe(9, &[1])]);
        assert_eq!(world.put(1, blob(SizeClass::Small, 1)), AnswerCode::Done);
        reader.settle(&world);
        world.now.ms += 100 * IDLE_MS;
        let mut other = world.link(hello(2, 64, 1 << 20));
        match end {
            "unsubscribe" => reader.say(&world, vec![Unsubscribe { req: 10, subs: vec![1] }.into()]),
            "gone" => other.say(&world, vec![Delete { req: 10, own: own(1) }.into()]),
            _ => other.say(&world, vec![subscribe(9, &[1])]),
        }
        match end {
            "found by a look" => reader.look_again(&world),
            "found by an ack" => reader.say(&world, vec![ack(1, 1)]),
            _ => reader.settle(&world),
        }
        assert!(!reader.session.is_reading(), "{end}");
        expect_idle_after(&mut world, &reader, IDLE_MS, end);
    }
}

/// A link that ends one of its two subscriptions is not idle.
#[test]
fn a_link_with_a_subscription_is_not_idle() {
    let mut world = world();
    let mut reader = world.link(hello(1, 64, 1 << 20));
    reader.say(&world, vec![subscribe(9, &[1, 2])]);
    world.now.ms += 100 * IDLE_MS;
    reader.say(&world, vec![Unsubscribe { req: 10, subs: vec![1] }.into()]);
    world.now.ms += 100 * IDLE_MS;
    assert!(!reader.session.is_idle(world.now));
    reader.say(&world, vec![Unsubscribe { req: 11, subs: vec![2] }.into()]);
    expect_idle_after(&mut world, &reader, IDLE_MS, "the last one");
}

/// A subscription is a use of the link at the moment when it begins, and not later: the order in
/// which links lose their places depends on it. Calls of `is_idle` and pings are no use.
#[test]
fn a_look_at_a_link_is_no_use_of_it() {
    let mut world = world();
    let mut reader = world.link(hello(1, 64, 1 << 20));
    world.now.ms += 5_000;
    reader.say(&world, vec![subscribe(9, &[1])]);
    let used_ms = world.now.ms;
    for _ in 0..3 {
        world.now.ms += 5_000;
        assert!(!reader.session.is_idle(world.now));
        reader.say(&world, vec![Ping { nonce: 1 }.into()]);
        assert_eq!(reader.session.used_ms(), used_ms);
    }
    reader.say(&world, vec![subscribe(10, &[2])]);
    assert_eq!(reader.session.used_ms(), world.now.ms, "one more subscription");
}

/// A put is a use of the link, also a refused one. Requests of owners are no use, nor is a
/// subscription that is refused or contended.
#[test]
fn what_is_a_use_of_a_link() {
    let put = |number: u8| Item::from(Put { req: 8, send: send(number), blob: blob(SizeClass::Small, 1) });
    for (item, is_use) in [
        (put(1), true),
        (put(99), true),
        (create(3, QuotaClass::Many).into(), false),
        (Renew { req: 8, own: own(1) }.into(), false),
        (Ping { nonce: 1 }.into(), false),
        (Window { blobs: 1, bytes: 1 }.into(), false),
        (ack(1, 0), false),
        (Unsubscribe { req: 8, subs: vec![1] }.into(), false),
        (subscribe(9, &[99]), false),
        (subscribe(9, &[]), false),
        (subscribe(9, &[1]), false),
    ] {
        let mut world = world();
        // A takeover from a connected reader, so that the next one is contended.
        let readers = [2, 3].map(|token| {
            let mut reader = world.link(hello(token, 64, 1 << 20));
            reader.say(&world, vec![subscribe(9, &[1])]);
            reader
        });
        let case = format!("{item:?}").chars().take(40).collect::<String>();
        let mut link = world.link(hello(1, 64, 1 << 20));
        world.now.ms += 4_000;
        link.say(&world, vec![item]);
        assert!(!link.session.is_reading(), "{case}");
        expect_idle_after(&mut world, &link, if is_use { IDLE_MS } else { IDLE_MS - 4_000 }, &case);
        drop(readers);
    }
}

/// A link is not idle while a claim waits for the store. If the client unsubscribes before the
/// answer, the claim counts as no use.
#[test]
fn a_claim_under_way_keeps_a_link() {
    let mut world = world();
    let mut link = world.link(hello(1, 64, 1 << 20));
    link.hear(&world, vec![subscribe(9, &[1]), Unsubscribe { req: 10, subs: vec![1] }.into()]).unwrap();
    world.now.ms += 2 * IDLE_MS;
    assert!(!link.session.is_idle(world.now) && !link.session.is_reading());
    link.settle(&world);
    assert!(link.session.is_idle(world.now));
}
