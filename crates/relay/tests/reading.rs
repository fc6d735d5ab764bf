//! Items that a reader gets (spec/12-relay.md sections 4.4 and 5), with links as values
//! (`value/mod.rs`, which explains looks and hints). A blob *waits for the window* if it is next to
//! be delivered and the window has no room for it.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod value;

use deaddrop_relay::Limits;
use deaddrop_relay::clock::Now;
use deaddrop_wire::SizeClass;
use deaddrop_wire::item::*;
use value::*;

/// Blobs that expire in flight make room in the window of the link: the next blobs are delivered,
/// and CaughtUp comes.
#[test]
fn what_expires_in_flight_frees_the_window() {
    let mut world = World::new(limits());
    world.make(&[1], QuotaClass::Many);
    for number in 0..2 {
        assert_eq!(world.put(1, blob(SizeClass::Large, number)), AnswerCode::Done);
    }
    world.fill(1, 3);
    let mut reader = world.link(hello(1, 2, 1 << 20));
    reader.say(&world, vec![subscribe(9, &[1])]);
    assert_eq!(reader.words(), ["subscribed 9 refused [] contended []", "deliver 1 1", "deliver 1 2"]);
    // The largest class lives for seven days.
    world.days_pass(8);
    reader.settle(&world);
    assert_eq!(reader.words(), ["deliver 1 3", "deliver 1 4"]);
    reader.say(&world, vec![ack(1, 3)]);
    assert_eq!(reader.words(), ["acked [(1, 3)]", "deliver 1 5"]);
    world.days_pass(30);
    reader.settle(&world);
    assert_eq!(reader.words(), ["caught up 9"], "all that lay there is destroyed or expired");
}

/// Blobs that expire in flight no longer count against `in_flight_per_mailbox`, nor their bytes
/// against the window.
#[test]
fn what_expires_in_flight_frees_the_places_of_its_mailbox_and_its_bytes() {
    let mut world = World::new(Limits { in_flight_per_mailbox: 1, ..limits() });
    world.make(&[1, 2], QuotaClass::Many);
    for mailbox in [1, 2] {
        assert_eq!(world.put(mailbox, blob(SizeClass::Large, 0)), AnswerCode::Done);
        world.fill(mailbox, 1);
    }
    let mut reader = world.link(hello(1, 64, 100_000));
    reader.say(&world, vec![subscribe(9, &[1, 2])]);
    let first = reader.words();
    assert_eq!(first.len(), 2, "the second large blob has no room in the window: {first:?}");
    world.days_pass(8);
    reader.settle(&world);
    let mut then = reader.words();
    then.sort();
    assert_eq!(then.len(), 2, "{then:?}");
    assert!(then[0].starts_with("deliver 1") && then[1].starts_with("deliver 2"), "{then:?}");
}

/// A lost hint costs time only: the look that follows after `peek_again_ms` finds which blobs in
/// flight have expired.
#[test]
fn what_expires_in_flight_is_found_without_a_hint() {
    let mut world = World::new(limits());
    world.make(&[1], QuotaClass::Many);
    assert_eq!(world.put(1, blob(SizeClass::Large, 0)), AnswerCode::Done);
    world.fill(1, 1);
    let mut reader = world.link(hello(1, 1, 1 << 20));
    reader.say(&world, vec![subscribe(9, &[1])]);
    assert_eq!(reader.words().len(), 2);
    world.days_pass(8);
    // The hint is dropped.
    drop(futures_util::FutureExt::now_or_never(reader.session.hints().next()));
    reader.look_again(&world);
    assert_eq!(reader.words(), ["deliver 1 2"]);
}

/// No more blobs and bytes are in flight than the window allows, even if all are of one mailbox;
/// but one blob may always be in flight.
#[test]
fn the_window_is_exact() {
    let deliveries = |window_blobs: u16, window_bytes: u32, large_first: bool| {
        let world = World::new(limits());
        world.make(&[1], QuotaClass::Many);
        if large_first {
            assert_eq!(world.put(1, blob(SizeClass::Large, 99)), AnswerCode::Done);
        }
        world.fill(1, 40);
        let mut reader = world.link(hello(1, window_blobs, window_bytes));
        reader.say(&world, vec![subscribe(9, &[1])]);
        let first = reader.words().len() - 1;
        reader.say(&world, vec![ack(1, 1)]);
        (first, reader.words().len() - 1)
    };
    assert_eq!(deliveries(64, 4_096, false), (1, 1));
    assert_eq!(deliveries(64, 3 * 4_096 + 1, false), (3, 1));
    assert_eq!(deliveries(2, 1 << 20, false), (2, 1));
    assert_eq!(deliveries(64, 1 << 20, false), (16, 1), "in_flight_per_mailbox");
    assert_eq!(deliveries(0, 0, false), (1, 1), "one blob is always allowed");
    assert_eq!(deliveries(64, 4_096, true), (1, 1), "larger than the window, and alone");
}

/// While a large blob waits for the window, no blobs of other mailboxes are delivered before it.
#[test]
fn a_blob_that_waits_for_the_window_is_next() {
    let world = World::new(limits());
    world.make(&[1, 2], QuotaClass::Many);
    world.fill(1, 1);
    assert_eq!(world.put(1, blob(SizeClass::Large, 99)), AnswerCode::Done);
    world.fill(2, 8);
    let mut reader = world.link(hello(1, 64, 16_384));
    reader.say(&world, vec![subscribe(9, &[1, 2])]);
    let mut delivered = Vec::new();
    let mut acked = 0;
    loop {
        let words = reader.words();
        delivered.extend(words.into_iter().filter(|words| words.starts_with("deliver ")));
        let Some(next) = delivered.get(acked) else { break };
        let numbers: Vec<u32> = next.split(' ').skip(1).map(|number| number.parse().unwrap()).collect();
        acked += 1;
        reader.say(&world, vec![ack(numbers[0], numbers[1])]);
    }
    assert_eq!(delivered.len(), 10);
    let at = delivered.iter().position(|words| words == "deliver 1 2").unwrap();
    assert!(at <= 5, "behind what was in flight before it: {delivered:?}");
}

/// A blob that waits for the window stays next if, during a look for it, another blob is put into
/// its mailbox or one is acked.
#[test]
fn a_blob_that_waits_for_the_window_stays_next_whatever_comes_behind_it() {
    for is_ack in [false, true] {
        let world = World::new(limits());
        world.make(&[1, 2], QuotaClass::Many);
        world.fill(1, 1);
        assert_eq!(world.put(1, blob(SizeClass::Medium, 99)), AnswerCode::Done);
        world.fill(2, 4);
        let mut reader = world.link(hello(1, 64, 16_384));
        reader.say(&world, vec![subscribe(9, &[1, 2])]);
        assert_eq!(reader.words()[1..], ["deliver 1 1", "deliver 2 1"]);
        reader.hear(&world, vec![ack(2, 1)]).unwrap();
        assert_eq!(reader.calls.len(), 2, "the ack, and a look that leaves room for 12,288 bytes");
        if !is_ack {
            assert_eq!(world.put(1, blob(SizeClass::Small, 77)), AnswerCode::Done);
            assert!(reader.take_news(&world));
        }
        reader.hear(&world, vec![ack(1, 1)]).unwrap();
        reader.settle(&world);
        let words = reader.words();
        let first = words.iter().find(|word| word.starts_with("deliver"));
        assert_eq!(first.map(String::as_str), Some("deliver 1 2"), "{is_ack}: {words:?}");
    }
}

/// Returns a link with one blob in flight: a large blob of mailbox 1 waits for the window, and a
/// small blob of mailbox 2 waits until the large one is delivered.
fn waiting_for_the_window() -> (World, Link) {
    let world = World::new(limits());
    world.make(&[1, 2, 3], QuotaClass::Many);
    world.fill(3, 1);
    let mut reader = world.link(hello(1, 64, 16_384));
    reader.say(&world, vec![subscribe(8, &[3])]);
    assert_eq!(reader.words().len(), 2);
    assert_eq!(world.put(1, blob(SizeClass::Large, 99)), AnswerCode::Done);
    reader.say(&world, vec![subscribe(9, &[1])]);
    world.fill(2, 1);
    reader.say(&world, vec![subscribe(10, &[2])]);
    let words = reader.words();
    assert!(!words.iter().any(|word| word.starts_with("deliver")), "{words:?}");
    (world, reader)
}

/// A blob that waits for the window holds up no other blob once its subscription has ended or it
/// has expired.
#[test]
fn a_blob_that_cannot_come_any_more_is_waited_for_no_longer() {
    for end in ["unsubscribe", "displaced", "gone", "expired", "expired, and the hint is lost"] {
        let (mut world, mut reader) = waiting_for_the_window();
        let mut other = world.link(hello(2, 64, 1 << 20));
        match end {
            "unsubscribe" => reader.say(&world, vec![Unsubscribe { req: 11, subs: vec![1] }.into()]),
            "displaced" => other.say(&world, vec![subscribe(9, &[1])]),
            "gone" => other.say(&world, vec![Delete { req: 9, own: own(1) }.into()]),
            _ => world.days_pass(8),
        }
        if end == "expired, and the hint is lost" {
            drop(futures_util::FutureExt::now_or_never(reader.session.hints().next()));
            reader.look_again(&world);
        }
        reader.settle(&world);
        assert!(reader.words().contains(&"deliver 2 1".to_owned()), "{end}");
    }
}

/// An ack that comes during a look makes room for a blob that the look itself had no room for.
#[test]
fn room_that_an_ack_makes_during_a_look_is_used() {
    let world = World::new(limits());
    world.make(&[1], QuotaClass::Many);
    world.fill(1, 2);
    assert_eq!(world.put(1, blob(SizeClass::Medium, 9)), AnswerCode::Done);
    let mut reader = world.link(hello(1, 64, 20_480));
    reader.hear(&world, vec![subscribe(9, &[1])]).unwrap();
    assert!(reader.run_call(&world) && reader.run_call(&world), "the claim and a look");
    assert_eq!(reader.words()[1..], ["deliver 1 1", "deliver 1 2"]);
    assert_eq!(reader.calls.len(), 1, "a look that leaves room for 12,288 bytes");
    reader.say(&world, vec![ack(1, 1)]);
    let words = reader.words();
    assert!(words.contains(&"deliver 1 3".to_owned()), "{words:?}");
}

/// A smaller window does not take back the blobs in flight. It holds for all deliveries from then
/// on.
#[test]
fn a_smaller_window_holds_for_what_follows() {
    let world = World::new(limits());
    world.make(&[1], QuotaClass::Many);
    world.fill(1, 20);
    let mut reader = world.link(hello(1, 4, 1 << 20));
    reader.say(&world, vec![subscribe(9, &[1])]);
    assert_eq!(reader.words().len(), 5);
    reader.say(&world, vec![Window { blobs: 2, bytes: 1 << 20 }.into(), ack(1, 2)]);
    assert_eq!(reader.words(), ["acked [(1, 2)]"]);
    reader.say(&world, vec![ack(1, 3)]);
    assert_eq!(reader.words(), ["acked [(1, 3)]", "deliver 1 5"]);
}

/// CaughtUp does not wait for blobs of subscriptions that have ended; Displaced or Gone comes
/// before it.
#[test]
fn caught_up_follows_the_end_of_what_it_does_not_count() {
    let world = World::new(limits());
    world.make(&[1, 2, 3, 4], QuotaClass::Many);
    for mailbox in [1, 2, 3] {
        world.fill(mailbox, 1);
    }
    let mut reader = world.link(hello(1, 64, 1 << 20));
    reader.say(&world, vec![subscribe(9, &[1, 2, 3, 4])]);
    assert_eq!(reader.words().len(), 4, "nothing is caught up with");
    let mut other = world.link(hello(2, 64, 1 << 20));
    other.say(&world, vec![subscribe(9, &[1]), Delete { req: 1, own: own(2) }.into()]);
    reader.settle(&world);
    let mut ends = reader.words();
    ends.sort();
    assert_eq!(ends, ["displaced 1", "gone 2"]);
    reader.say(&world, vec![Unsubscribe { req: 8, subs: vec![3] }.into()]);
    assert_eq!(reader.words(), ["caught up 9", "answer 8 Done 0"]);
}

/// An ack that comes after its subscription has ended destroys nothing. The client gets Displaced
/// or Gone, then CaughtUp.
#[test]
fn an_ack_behind_the_end_of_its_subscription_is_answered_by_that_end() {
    for deleted in [false, true] {
        let world = World::new(limits());
        world.make(&[1], QuotaClass::Many);
        world.fill(1, 1);
        let mut reader = world.link(hello(1, 64, 1 << 20));
        reader.say(&world, vec![subscribe(9, &[1])]);
        assert_eq!(reader.words().len(), 2);
        let mut other = world.link(hello(2, 64, 1 << 20));
        let ends = if deleted { Delete { req: 1, own: own(1) }.into() } else { subscribe(9, &[1]) };
        other.say(&world, vec![ends]);
        reader.hear(&world, vec![ack(1, 1)]).unwrap();
        while reader.run_call(&world) {}
        let end = if deleted { "gone 1" } else { "displaced 1" };
        assert_eq!(reader.words(), [end, "caught up 9"]);
        reader.settle(&world);
        assert!(reader.words().is_empty(), "it is told once");
    }
}

/// A look into a mailbox whose subscription has ended makes the relay tell the end: Displaced or
/// Gone.
#[test]
fn a_look_behind_the_end_of_its_subscription_tells_that_end() {
    for deleted in [false, true] {
        let world = World::new(limits());
        world.make(&[1], QuotaClass::Many);
        world.fill(1, 1);
        let mut reader = world.link(hello(1, 64, 1 << 20));
        reader.hear(&world, vec![subscribe(9, &[1])]).unwrap();
        assert!(reader.run_call(&world), "the claim");
        let mut other = world.link(hello(2, 64, 1 << 20));
        let ends = if deleted { Delete { req: 1, own: own(1) }.into() } else { subscribe(9, &[1]) };
        other.say(&world, vec![ends]);
        while reader.run_call(&world) {}
        let end = if deleted { "gone 1" } else { "displaced 1" };
        assert_eq!(reader.words(), ["subscribed 9 refused [] contended []", end, "caught up 9"]);
    }
}

/// Entries of an Ack for a subscription that has ended or never existed are ignored, and so is its
/// number in an Unsubscribe.
#[test]
fn a_subscription_that_is_not_there_is_passed_over() {
    let world = World::new(limits());
    world.make(&[1], QuotaClass::Many);
    world.fill(1, 1);
    let mut reader = world.link(hello(1, 64, 1 << 20));
    reader.say(&world, vec![ack(77, 5), Unsubscribe { req: 3, subs: vec![77] }.into()]);
    assert_eq!(reader.words(), ["answer 3 Done 0"]);
    reader.say(&world, vec![subscribe(9, &[1])]);
    assert_eq!(reader.words().len(), 2);
    let acks = [(77, 5), (1, 1)].map(|(sub, upto)| AckEntry { sub, upto, also: vec![] });
    reader.say(&world, vec![Ack { acks: acks.to_vec() }.into()]);
    assert_eq!(reader.words(), ["acked [(1, 1)]", "caught up 9"]);
    reader.say(&world, vec![Unsubscribe { req: 4, subs: vec![1] }.into(), ack(1, 1)]);
    assert_eq!(reader.words(), ["answer 4 Done 0"]);
}

/// An ack of a tag that was not delivered ends the link, also if the subscription is still
/// being claimed.
#[test]
fn an_ack_of_what_was_not_delivered_ends_the_link() {
    let world = World::new(limits());
    world.make(&[1], QuotaClass::Many);
    world.fill(1, 1);
    for (upto, also) in [(2, vec![]), (0, vec![0]), (0, vec![2]), (1, vec![2])] {
        let mut reader = world.link(hello(1, 64, 1 << 20));
        reader.say(&world, vec![subscribe(9, &[1])]);
        let wrong = Ack { acks: vec![AckEntry { sub: 1, upto, also }] };
        assert!(reader.hear(&world, vec![wrong.into()]).is_err());
    }
    let mut reader = world.link(hello(1, 64, 1 << 20));
    assert!(reader.hear(&world, vec![subscribe(9, &[1]), ack(1, 1)]).is_err(), "nothing can have come yet");
    let mut reader = world.link(hello(1, 64, 1 << 20));
    assert!(reader.hear(&world, vec![subscribe(9, &[1]), ack(1, 0)]).is_ok(), "names nothing");
}

/// The entries of one Subscribe are claimed in their order: if two name the same mailbox, the
/// second one takes it from the first.
#[test]
fn a_mailbox_that_is_named_twice_belongs_to_its_last_subscription() {
    let world = World::new(limits());
    world.make(&[1], QuotaClass::Many);
    world.fill(1, 1);
    for token in [0, 1] {
        let mut reader = world.link(hello(token, 64, 1 << 20));
        let mailboxes = [5, 6].map(|sub| Subscription { sub, read: read(1) }).into();
        reader.say(&world, vec![Subscribe { req: 9, mailboxes }.into()]);
        assert_eq!(
            reader.words(),
            ["subscribed 9 refused [] contended []", "displaced 5", "deliver 6 1"],
            "token {token}"
        );
        reader.say(&world, vec![Unsubscribe { req: 10, subs: vec![6] }.into()]);
    }
}

/// After a takeover from a connected reader, other readers are contended for `takeover_ms`. The
/// first claim, and a further claim of the same client, are no takeovers.
#[test]
fn only_a_takeover_keeps_the_next_reader_waiting() {
    let mut world = World::new(limits());
    world.make(&[1], QuotaClass::Many);
    let claim = |world: &World, token: u8| {
        let mut link = world.link(hello(token, 64, 1 << 20));
        link.say(world, vec![subscribe(9, &[1])]);
        let is_contended = link.words()[0].ends_with("contended [1]");
        (link, is_contended)
    };
    let (first, contended) = claim(&world, 1);
    assert!(!contended);
    let (again, contended) = claim(&world, 1);
    assert!(!contended, "the same client");
    drop(first);
    let (second, contended) = claim(&world, 2);
    assert!(!contended, "the first claim does not count");
    drop(again);
    let (third, contended) = claim(&world, 3);
    assert!(contended);
    drop(third);
    let (without_token, contended) = claim(&world, 0);
    assert!(contended);
    drop(without_token);
    world.now = Now::new(TODAY, world.now.ms + limits().takeover_ms - 1);
    assert!(claim(&world, 3).1);
    let (_same, contended) = claim(&world, 2);
    assert!(!contended, "the present reader's own token");
    world.now = Now::new(TODAY, world.now.ms + 1);
    let (fourth, contended) = claim(&world, 4);
    assert!(!contended);
    drop((second, fourth));
    let (_fifth, contended) = claim(&world, 5);
    assert!(!contended, "no reader is connected");
}

/// CaughtUp comes at once for an empty mailbox that one Subscribe names twice, before or after
/// Displaced for the first of the two subscriptions.
#[test]
fn an_empty_mailbox_that_is_named_twice_is_caught_up_with() {
    let world = World::new(limits());
    world.make(&[1], QuotaClass::Many);
    let mut reader = world.link(hello(1, 64, 1 << 20));
    let mailboxes = [5, 6].map(|sub| Subscription { sub, read: read(1) }).into();
    reader.say(&world, vec![Subscribe { req: 9, mailboxes }.into()]);
    let mut words = reader.words();
    assert_eq!(words.remove(0), "subscribed 9 refused [] contended []");
    words.sort();
    assert_eq!(words, ["caught up 9", "displaced 5"]);
}

/// An entry of an Ack without tags, for a subscription that is still being claimed, is ignored;
/// other entries of the same Ack are answered.
#[test]
fn an_empty_ack_of_a_claim_under_way_is_passed_over() {
    let world = World::new(limits());
    world.make(&[1, 2], QuotaClass::Many);
    world.fill(1, 1);
    let mut reader = world.link(hello(1, 64, 1 << 20));
    reader.say(&world, vec![subscribe(9, &[2]), ack(2, 0)]);
    assert_eq!(reader.words(), ["subscribed 9 refused [] contended []", "caught up 9"]);
    let acks = [1, 2].map(|sub| AckEntry { sub, upto: 0, also: vec![] });
    reader.say(&world, vec![subscribe(10, &[1]), Ack { acks: acks.to_vec() }.into()]);
    let words = reader.words();
    assert!(words.contains(&"acked [(2, 0)]".to_owned()), "{words:?}");
    reader.say(&world, vec![ack(1, 0)]);
    assert_eq!(reader.words(), ["acked [(1, 0)]"], "the claim is answered");
}
