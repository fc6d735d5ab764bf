//! Answers to owners and senders, their order and their `retry_s` (spec/12-relay.md sections 4.1 to
//! 4.3), with links as values (`value/mod.rs`). The numbers R-.. are those of that chapter.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod value;

use deaddrop_link::capability::{mailbox_id, own_id, send_id};
use deaddrop_relay::Limits;
use deaddrop_relay::clock::Now;
use deaddrop_relay::session::{Output, SessionContext};
use deaddrop_wire::item::*;
use deaddrop_wire::{Item, SizeClass, decode_items};
use std::sync::Arc;
use value::*;

/// Sends `items`, and returns the code and the `retry_s` of the answer, which must be the only item
/// that comes.
fn ask(world: &World, link: &mut Link, items: Vec<Item>) -> (AnswerCode, u16) {
    link.say(world, items);
    match link.heard()[..] {
        [Item::Answer(Answer { code, retry_s, .. })] => (code, retry_s),
        ref other => panic!("{other:?}"),
    }
}

fn sender() -> Hello {
    hello(0, 1, 1)
}

/// If several reasons to refuse a create apply, the one that section 4.1 lists first decides.
#[test]
fn a_create_is_refused_in_the_order_of_the_specification() {
    let limits = Limits { create_burst: 2, mailboxes: 2, create_percent: 100, ..limits() };
    let mut world = World::new(limits.clone());
    world.shared = Arc::new(SessionContext::new(limits, Some("word")));
    let with_token =
        |number: u8| Create { token: b"word".to_vec().into(), ..create(number, QuotaClass::Few) };
    let mut owner = world.link(sender());
    let mut ask = |create: Create| ask(&world, &mut owner, vec![create.into()]);
    // take nothing from the rate.
    for unknown in [
        Create { lease: LeaseClass::from_code(4), ..create(1, QuotaClass::Few) },
        create(1, QuotaClass::from_code(4)),
        Create { flags: CreateFlags(4), ..create(1, QuotaClass::Few) },
    ] {
        assert_eq!(ask(unknown), (AnswerCode::BadClass, 0));
    }
    assert_eq!(ask(create(1, QuotaClass::Few)), (AnswerCode::NeedToken, 0));
    assert_eq!(ask(with_token(1)), (AnswerCode::Done, 0));
    // the same owner and reader, whatever else is asked for.
    let other_classes = Create { quota: QuotaClass::Many, sends: vec![], ..with_token(1) };
    assert_eq!(ask(other_classes), (AnswerCode::Done, 0));
    // R-45, before R-20.
    let other_reader = || Create { read: mailbox_id(&read(9)), ..with_token(1) };
    assert_eq!(ask(other_reader()), (AnswerCode::Busy, 1));
    world.now = Now::new(TODAY, world.now.ms + 60_000);
    let mut owner = world.link(sender());
    let mut ask = |create: Create| self::ask(&world, &mut owner, vec![create.into()]);
    assert_eq!(ask(other_reader()), (AnswerCode::Refused, 0));
    // R-21, before R-22.
    assert_eq!(ask(Create { own: own_id(&own(9)), ..with_token(1) }), (AnswerCode::Refused, 0));
    let mut owner = world.link(sender());
    let mut ask = |create: Create| self::ask(&world, &mut owner, vec![create.into()]);
    assert_eq!(ask(with_token(2)), (AnswerCode::Done, 0));
    assert_eq!(ask(with_token(3)), (AnswerCode::Busy, 30), "R-22");
}

#[test]
fn owners_change_their_mailboxes_in_the_order_of_the_specification() {
    let world = World::new(Limits { create_burst: 100, sends_per_mailbox: 4, ..limits() });
    world.make(&[1, 2], QuotaClass::Few);
    let mut owner = world.link(sender());
    let mut ask = |item: Item| ask(&world, &mut owner, vec![item]);
    let grant = |number: u8, sender: u8| Grant {
        req: 1,
        own: own(number),
        send: send_id(&send(sender)),
        via: sender,
    };
    assert_eq!(ask(grant(9, 2).into()), (AnswerCode::Refused, 0), "R-23");
    for sender in 11..14 {
        assert_eq!(ask(grant(1, sender).into()), (AnswerCode::Done, 0));
    }
    assert_eq!(ask(grant(1, 2).into()), (AnswerCode::Refused, 0), "R-24, before R-25");
    assert_eq!(ask(grant(1, 14).into()), (AnswerCode::Full, 60), "R-25");
    assert_eq!(ask(grant(1, 11).into()), (AnswerCode::Done, 0), "a sender that is known");
    let revoke = |sender: u8| Revoke { req: 1, own: own(1), send: send_id(&send(sender)) };
    assert_eq!(ask(revoke(77).into()), (AnswerCode::Done, 0));
    assert_eq!(ask(revoke(11).into()), (AnswerCode::Done, 0));
    assert_eq!(ask(grant(1, 14).into()), (AnswerCode::Done, 0));
    let rekey = |reader: u8| Rekey { req: 1, own: own(1), read: mailbox_id(&read(reader)) };
    let mut reader = world.link(hello(1, 8, 1 << 20));
    reader.say(&world, vec![subscribe(5, &[1])]);
    reader.heard();
    assert_eq!(ask(rekey(2).into()), (AnswerCode::Refused, 0), "R-26");
    assert_eq!(ask(rekey(1).into()), (AnswerCode::Done, 0));
    reader.settle(&world);
    assert!(reader.words().is_empty(), "the reader that it has stays");
    assert_eq!(ask(rekey(8).into()), (AnswerCode::Done, 0));
    reader.settle(&world);
    assert_eq!(reader.words(), ["displaced 1"]);
    assert_eq!(ask(Delete { req: 1, own: own(1) }.into()), (AnswerCode::Done, 0));
    assert_eq!(ask(Delete { req: 1, own: own(1) }.into()), (AnswerCode::Refused, 0));
}

/// A Create that names a sender twice gives it the `via` of the first entry.
#[test]
fn of_equal_senders_the_first_counts() {
    let world = World::new(limits());
    let mut owner = world.link(sender());
    let senders = [(9, 1), (7, 2), (9, 3), (7, 4)];
    let grant = |(sender, via): (u8, u8)| SendGrant { send: send_id(&send(sender)), via };
    let create = Create { sends: senders.map(grant).to_vec(), ..create(1, QuotaClass::Few) };
    assert_eq!(ask(&world, &mut owner, vec![create.into()]), (AnswerCode::Done, 0));
    assert_eq!(world.put(9, blob(SizeClass::Small, 1)), AnswerCode::Done);
    assert_eq!(world.put(7, blob(SizeClass::Small, 2)), AnswerCode::Done);
    let mut reader = world.link(hello(1, 8, 1 << 20));
    reader.say(&world, vec![subscribe(5, &[1])]);
    let said = reader.heard();
    let vias = said.iter().filter_map(|item| match item {
        Item::Deliver(deliver) => Some(deliver.via),
        _ => None,
    });
    assert_eq!(vias.collect::<Vec<_>>(), [1, 2]);
}

/// Deletes have no rate. All other requests of an owner share the rate of creates.
#[test]
fn only_deleting_is_never_too_fast() {
    let world = World::new(Limits { create_burst: 1, ..limits() });
    world.make(&[1], QuotaClass::Few);
    let mut owner = world.link(sender());
    assert_eq!(ask(&world, &mut owner, vec![Renew { req: 1, own: own(1) }.into()]), (AnswerCode::Done, 0));
    for item in [
        Renew { req: 1, own: own(9) }.into(),
        Grant { req: 1, own: own(9), send: send_id(&send(9)), via: 0 }.into(),
        Revoke { req: 1, own: own(9), send: send_id(&send(9)) }.into(),
        Rekey { req: 1, own: own(9), read: mailbox_id(&read(9)) }.into(),
        create(9, QuotaClass::Few).into(),
    ] {
        assert_eq!(ask(&world, &mut owner, vec![item]), (AnswerCode::Busy, 1));
    }
    let delete = || Delete { req: 1, own: own(1) }.into();
    assert_eq!(ask(&world, &mut owner, vec![delete()]), (AnswerCode::Done, 0));
    assert_eq!(ask(&world, &mut owner, vec![delete()]), (AnswerCode::Refused, 0));
}

/// If several reasons to refuse a put apply, the one that section 4.3 lists first decides.
#[test]
fn a_put_is_refused_in_the_order_of_the_specification() {
    let put = |sender: u8, number: u32| {
        Item::from(Put { req: 1, send: send(sender), blob: blob(SizeClass::Small, number) })
    };
    // R-46, before R-10. The burst of bytes has room for one.
    let world =
        World::new(Limits { put_burst: 2, put_bytes_burst: 4_096, put_bytes_per_s: 1_024, ..limits() });
    let mut link = world.link(sender());
    assert_eq!(ask(&world, &mut link, vec![put(9, 0)]), (AnswerCode::Refused, 0), "R-10");
    assert_eq!(ask(&world, &mut link, vec![put(9, 0)]), (AnswerCode::Busy, 4), "R-46 for its bytes");
    assert_eq!(
        ask(&world, &mut link, vec![put(9, 0)]),
        (AnswerCode::Busy, 1),
        "that one counted as one of two"
    );
    // R-11 before R-12: three of four blobs are 75 percent.
    let world = World::new(Limits { blobs: 4, put_percent: 75, create_percent: 100, ..limits() });
    world.make(&[1], QuotaClass::Many);
    world.fill(1, 3);
    let mut link = world.link(sender());
    assert_eq!(ask(&world, &mut link, vec![put(1, 0)]), (AnswerCode::Done, 0), "R-11");
    assert_eq!(ask(&world, &mut link, vec![put(1, 7)]), (AnswerCode::Busy, 30), "R-12");
    // R-11 before R-13, which comes before R-14.
    let world = World::new(Limits { mailbox_put_burst: 4, mailbox_puts_per_s: 2, ..limits() });
    world.make(&[1, 2], QuotaClass::Few);
    world.make(&[3], QuotaClass::Many);
    world.fill(1, 4);
    let mut link = world.link(sender());
    assert_eq!(ask(&world, &mut link, vec![put(1, 0)]), (AnswerCode::Done, 0), "R-11");
    assert_eq!(ask(&world, &mut link, vec![put(1, 7)]), (AnswerCode::Full, 60), "R-13");
    world.fill(3, 4);
    assert_eq!(ask(&world, &mut link, vec![put(3, 7)]), (AnswerCode::Full, 1), "R-14");
}

/// A put of an unknown size class is answered by BadClass, whatever right it presents, and takes
/// nothing from a rate. A critical item of unknown type is answered by Error. The known items of
/// the record are processed.
#[test]
fn what_is_not_known_is_answered() {
    let world = World::new(Limits { put_burst: 1, ..limits() });
    world.make(&[1], QuotaClass::Few);
    let mut link = world.link(sender());
    let unknown = |kind: u16, flags: u8| [&kind.to_le_bytes()[..], &[flags, 1, 0, 0, 7]].concat();
    // A put: req 5, a presented right, the unknown class 9.
    let class = [&[0x20, 0, 1, 34, 0, 0, 5][..], &[0x5e; 32], &[9]].concat();
    let put = Put { req: 6, send: send(1), blob: blob(SizeClass::Small, 1) };
    let known = deaddrop_wire::encode_items(&[put.into(), Ping { nonce: 3 }.into()]).unwrap();
    let record = [unknown(0x7777, 1), unknown(0x7778, 0), class.clone(), known, class].concat();
    let mut out = Output::default();
    link.session.on_received(decode_items(&record).unwrap(), world.now, &mut out).unwrap();
    link.said.extend(out.items);
    link.calls.extend(out.calls);
    link.settle(&world);
    let mut words = link.words();
    words.sort();
    let error = deaddrop_wire::item::Error { code: ErrorCode::Unsupported, kind: 0x7777 };
    let pong = Pong { nonce: 3 };
    let mut expected = vec![
        "answer 5 BadClass 0".to_owned(),
        "answer 5 BadClass 0".to_owned(),
        "answer 6 Done 0".to_owned(),
        format!("{:?}", Item::from(error)),
        format!("{:?}", Item::from(pong)),
    ];
    expected.sort();
    assert_eq!(words, expected);
}
