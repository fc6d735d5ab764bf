//! Full mailboxes, and the senders to which they are full (spec/12-relay.md section 4.3, R-13).
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod value;

use deaddrop_relay::clock::Now;
use deaddrop_wire::SizeClass::{Large, Medium, Small};
use deaddrop_wire::item::AnswerCode::{Done, Full};
use deaddrop_wire::item::QuotaClass;
use value::*;

/// Reads and acks everything.
fn empty(world: &World, mailbox: u8) {
    let mut reader = world.link(hello(1, 64, 1 << 20));
    reader.say(world, vec![subscribe(1, &[mailbox])]);
    let tags = reader.words().iter().filter(|word| word.starts_with("deliver")).count();
    reader.say(world, vec![ack(mailbox.into(), tags.try_into().unwrap())]);
}

/// A put that does not fit alone stores nothing and closes the mailbox for no smaller one.
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

/// A mailbox whose quota a class can never fit takes the others all the same.
#[test]
fn a_put_that_can_never_fit_changes_nothing_for_others() {
    let world = World::new(limits());
    world.make(&[1], QuotaClass::Single);
    assert_eq!(world.put(1, blob(Large, 1)), Full);
    assert_eq!(world.put(1, blob(Medium, 1)), Full);
    assert_eq!(world.put(1, blob(Small, 1)), Done);
}

/// A sender cannot tell from its refused puts, of any class, when the reader came: the class that did not fit, and those above it,
/// stay out for the whole pause though there is room.
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

/// After the pause half of the quota must be free, too.
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

/// The first put that finds a mailbox full decides for all classes that do not fit, so that asking with each in turn tells no more.
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
