//! Full mailboxes, and what their senders learn (spec/12-relay.md section 4.3, R-13). A put that
//! does not fit *closes* the smallest size class that does not fit, and all larger ones: puts of
//! these classes are refused for a random pause, also when there is room again.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod value;

use deaddrop_relay::Limits;
use deaddrop_relay::clock::Now;
use deaddrop_relay::store::Store;
use deaddrop_wire::SizeClass::{self, Large, Medium, Small};
use deaddrop_wire::item::AnswerCode::{Done, Full};
use deaddrop_wire::item::{Put, QuotaClass};
use value::*;

/// Reads and acks all blobs of a mailbox.
fn empty(world: &World, mailbox: u8) {
    let mut reader = world.link(hello(1, 64, 1 << 20));
    reader.say(world, vec![subscribe(1, &[mailbox])]);
    let tags = reader.words().iter().filter(|word| word.starts_with("deliver")).count();
    reader.say(world, vec![ack(mailbox.into(), tags.try_into().unwrap())]);
}

/// A put that does not fit stores nothing, and smaller classes that fit are not closed by it.
#[test]
fn a_put_that_does_not_fit_keeps_smaller_ones_in() {
    let world = World::new(limits());
    world.make(&[1], QuotaClass::Few);
    assert_eq!(world.put(1, blob(Small, 0)), Done);
    assert_eq!(world.put(1, blob(Large, 1)), Full);
    assert_eq!(world.put(1, blob(Medium, 2)), Done, "an InitialMessage still gets in");
    assert_eq!(world.put(1, blob(Small, 3)), Done);
    assert_eq!(world.put(1, blob(Small, 4)), Done);
    assert_eq!(world.put(1, blob(Small, 5)), Full, "four blobs");
}

/// A put of a class that the quota can never hold is refused, and the classes that fit stay open.
#[test]
fn a_put_that_can_never_fit_changes_nothing_for_others() {
    let world = World::new(limits());
    world.make(&[1], QuotaClass::Single);
    assert_eq!(world.put(1, blob(Large, 1)), Full);
    assert_eq!(world.put(1, blob(Medium, 1)), Full);
    assert_eq!(world.put(1, blob(Small, 1)), Done);
}

/// A sender cannot tell from its refused puts when the reader came: the class that did not fit, and
/// the larger ones, are refused for the whole pause although there is room.
#[test]
fn what_did_not_fit_stays_out_for_a_while() {
    let mut world = World::new(limits());
    world.make(&[1], QuotaClass::Few);
    assert_eq!(world.put(1, blob(Small, 0)), Done);
    assert_eq!(world.put(1, blob(Large, 1)), Full);
    empty(&world, 1);
    assert_eq!(world.put(1, blob(Large, 1)), Full, "there is room again, and it is not told");
    // Now really full: for all.
    world.fill(1, 4);
    assert_eq!(world.put(1, blob(Small, 9)), Full);
    empty(&world, 1);
    for class in [Small, Medium, Large] {
        assert_eq!(world.put(1, blob(class, 9)), Full);
    }
    world.now = Now::new(TODAY, world.now.ms + limits().full_pause_ms + 1);
    for class in [Small, Medium] {
        assert_eq!(world.put(1, blob(class, 9)), Done);
    }
}

/// A closed class opens only when the pause is over and half of the quota is free.
#[test]
fn a_mailbox_opens_again_when_half_of_it_is_free() {
    let mut world = World::new(limits());
    world.make(&[1], QuotaClass::Few);
    world.fill(1, 4);
    assert_eq!(world.put(1, blob(Small, 9)), Full);
    world.now = Now::new(TODAY, world.now.ms + limits().full_pause_ms + 1);
    let mut reader = world.link(hello(1, 64, 1 << 20));
    reader.say(&world, vec![subscribe(1, &[1])]);
    reader.say(&world, vec![ack(1, 1)]);
    assert_eq!(world.put(1, blob(Small, 9)), Full, "three of four are there");
    reader.say(&world, vec![ack(1, 2)]);
    assert_eq!(world.put(1, blob(Small, 9)), Done);
}

/// The first refused put closes all classes that do not fit at that moment, not only its own: a
/// sender that tries each class in turn learns no more.
#[test]
fn the_smallest_class_that_does_not_fit_is_closed() {
    let mut world = World::new(limits());
    world.make(&[1], QuotaClass::Few);
    world.fill(1, 4);
    assert_eq!(world.put(1, blob(Large, 1)), Full);
    empty(&world, 1);
    assert_eq!(world.put(1, blob(Small, 9)), Full, "none fitted when the large one was refused");
    world.now = Now::new(TODAY, world.now.ms + limits().full_pause_ms + 1);
    assert_eq!(world.put(1, blob(Large, 1)), Done);
}

/// Returns the limits of the tests without any rate of puts: only the quota bounds them.
fn without_rates() -> Limits {
    Limits {
        puts_per_s: u16::MAX,
        put_bytes_per_s: u32::MAX,
        put_bytes_burst: u32::MAX,
        all_put_bytes_per_s: u32::MAX,
        all_put_bytes_burst: u32::MAX,
        mailbox_puts_per_s: u32::MAX,
        mailbox_put_burst: u32::MAX,
        ..limits()
    }
}

/// A sender cannot make a mailbox hold more than its quota, however often it puts, and closes no
/// other mailbox.
#[test]
fn the_quota_bounds_the_bytes_of_a_mailbox_without_any_rate() {
    for quota in [QuotaClass::Few, QuotaClass::Usual, QuotaClass::Many, QuotaClass::Single] {
        let (blobs, bytes) = (quota.blobs().unwrap(), quota.bytes().unwrap());
        let mut world = World::new(without_rates());
        world.make(&[1, 2], quota);
        let mut done = 0;
        for number in 0..2_000 {
            let class = SizeClass::ALL[number as usize % 3];
            done += u64::from(world.put(1, blob(class, number)) == Done);
            world.now = Now::new(TODAY, world.now.ms + 60_000);
            let census = world.store.census();
            assert!(census.bytes <= bytes.into() && census.blobs <= blobs.into(), "{quota:?}: {census:?}");
        }
        assert_eq!(done, world.store.census().blobs, "{quota:?}");
        assert!(done > 0 && world.put(2, blob(Small, 1)) == Done, "{quota:?}");
    }
}

/// Even if the reader takes every blob at once, a sender gets no more blobs through a mailbox than
/// the mailbox's rate of puts allows.
#[test]
fn the_rate_of_puts_bounds_the_bytes_that_pass_through_a_mailbox() {
    let (per_s, burst) = (Limits::DEFAULT.mailbox_puts_per_s, Limits::DEFAULT.mailbox_put_burst);
    let limits = Limits { mailbox_puts_per_s: per_s, mailbox_put_burst: burst, ..without_rates() };
    let mut world = World::new(limits);
    world.make(&[1], QuotaClass::Many);
    let mut reader = world.link(hello(1, 64, 1 << 20));
    reader.say(&world, vec![subscribe(1, &[1])]);
    let mut senders: Vec<_> = (0..8).map(|_| world.link(hello(0, 1, 1))).collect();
    let (mut done, mut tag) = (0, 0);
    for step in 0..600_u32 {
        for (sender, number) in senders.iter_mut().zip(step * 8..) {
            let put = Put { req: 1, send: send(1), blob: blob(Large, number) };
            sender.say(&world, vec![put.into()]);
            match sender.answers()[..] {
                [Done] => done += 1,
                [Full] => {}
                ref other => panic!("{other:?}"),
            }
            reader.settle(&world);
            let delivered = reader.words().iter().filter(|word| word.starts_with("deliver")).count();
            if delivered > 0 {
                tag += u32::try_from(delivered).unwrap();
                reader.say(&world, vec![ack(1, tag)]);
            }
        }
        world.now = Now::new(TODAY, world.now.ms + 100);
    }
    assert_eq!(done, burst + 60 * per_s - 1, "the burst, and what a minute adds");
    assert_eq!(world.store.census().bytes, 0, "all was read");
}
