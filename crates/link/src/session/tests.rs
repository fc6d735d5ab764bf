//! Sessions: packing, order, and the end after a failure.

use super::*;
use crate::record::{MAX_RECORD_LEN, PLAINTEXT_SIZES};
use deaddrop_testkit::rng;
use deaddrop_wire::{
    Blob, PresentedRead, PresentedSend, SizeClass,
    item::{Ack, AckEntry, Ping, Put, Subscribe, Subscription, Unsubscribe},
};
use proptest::prelude::*;
use rand_core::Rng;

fn sessions() -> (LinkSession, LinkSession) {
    let session = |out, into| {
        let keys = [RecordKey::from_bytes([out; 32]), RecordKey::from_bytes([into; 32])];
        let [out, into] = keys;
        LinkSession::new(out, into, Version::V1, Features::NONE)
    };
    (session(1, 2), session(2, 1))
}

fn ping(nonce: u32) -> Item {
    Ping { nonce }.into()
}

fn put(class: SizeClass, fill: u8) -> Item {
    let blob = Blob::new(vec![fill; class.bytes()]).unwrap();
    Put { req: fill.into(), send: PresentedSend::from_bytes([fill; 32]), blob }.into()
}

fn carried(from: &mut LinkSession, to: &mut LinkSession, items: &[Item]) -> (Vec<Item>, Vec<usize>) {
    let records = from.seal(items).unwrap();
    let lens = records.iter().map(Vec::len).collect();
    (records.iter().flat_map(|record| to.open(record).unwrap().items).collect(), lens)
}

#[test]
fn every_item_arrives_in_order() {
    let (mut a, mut b) = sessions();
    let items: Vec<Item> = (0..40_u8)
        .flat_map(|n| [ping(n.into()), put(SizeClass::ALL[usize::from(n % 3)], n), ping(n.into())])
        .collect();
    let (arrived, lens) = carried(&mut a, &mut b, &items);
    assert_eq!(arrived, items);
    assert!(lens.iter().all(|len| is_record_len(*len)));
}

#[test]
fn padding_costs_no_more_than_separate_records() {
    let (mut a, mut b) = sessions();
    let puts: Vec<Item> = (0..5).map(|n| put(SizeClass::Small, n)).collect();
    assert_eq!(carried(&mut a, &mut b, &puts).1, [4_624; 5]);
    assert_eq!(carried(&mut a, &mut b, &[ping(1), put(SizeClass::Medium, 1), ping(2)]).1, [16_912]);
    let pings: Vec<Item> = (0..80).map(ping).collect();
    assert_eq!(carried(&mut a, &mut b, &pings).1, [528, 528]);
    assert_eq!(carried(&mut a, &mut b, &[]).1, Vec::<usize>::new());
}

#[test]
fn bounds_of_a_record_are_kept_by_splitting() {
    let (mut a, mut b) = sessions();
    let subscribe = |req| {
        let mailboxes = (0..4_096).map(|sub| Subscription { sub, read: PresentedRead::from_bytes([9; 32]) });
        Item::from(Subscribe { req, mailboxes: mailboxes.collect() })
    };
    let items = [subscribe(1), subscribe(2), subscribe(3)];
    let (arrived, lens) = carried(&mut a, &mut b, &items);
    assert_eq!(arrived, items);
    assert!(lens.iter().all(|len| *len <= MAX_RECORD_LEN));
    // Lists of many entries in few bytes: the bound on entries splits, not the size.
    let items: Vec<Item> = (0..6)
        .map(|_| Unsubscribe { req: 1, subs: vec![1; 4_096] }.into())
        .chain((0..4).map(|_| {
            let acks = vec![AckEntry { sub: 1, upto: 1, also: vec![1; 64] }; 100];
            Ack { acks }.into()
        }))
        .collect();
    assert_eq!(carried(&mut a, &mut b, &items).0, items);
}

#[test]
fn too_long_a_list_is_refused_and_changes_nothing() {
    let (mut a, mut b) = sessions();
    let long = Item::from(Unsubscribe { req: 1, subs: vec![1; 4_097] });
    assert_eq!(a.seal(&[ping(1), long]), Err(SealError::TooMany));
    assert_eq!(carried(&mut a, &mut b, &[ping(2)]).0, [ping(2)]);
}

#[test]
fn order_is_kept_or_the_link_dies() {
    let (mut a, mut b) = sessions();
    let records: Vec<_> = (0..3).flat_map(|n| a.seal(&[ping(n)]).unwrap()).collect();
    assert!(b.open(&records[0]).is_ok());
    assert_eq!(b.open(&records[2]), Err(RecordError::Unauthentic));
    // The session is broken for good: the expected record does not open either.
    assert_eq!(b.open(&records[1]), Err(RecordError::Dead));
}

#[test]
fn a_repeated_record_kills() {
    let (mut a, mut b) = sessions();
    let record = a.seal(&[ping(1)]).unwrap().remove(0);
    assert!(b.open(&record).is_ok());
    assert_eq!(b.open(&record), Err(RecordError::Unauthentic));
}

#[test]
fn lengths_are_checked_first() {
    for len in [0, 16, 527, 529, 4_623, MAX_RECORD_LEN + 1] {
        let (_, mut b) = sessions();
        assert_eq!(b.open(&vec![0; len]), Err(RecordError::Length));
        assert_eq!(b.open(&vec![0; len]), Err(RecordError::Dead));
    }
}

#[test]
fn a_peer_that_breaks_the_rules_is_dead_too() {
    let (mut a, mut b) = sessions();
    let mut plaintext = vec![1, 0, 0x80, 0, 0, 0];
    assert!(a.seal.direction.seal(&mut plaintext).is_ok());
    assert_eq!(b.open(&plaintext), Err(RecordError::Malformed(DecodeError::Malformed)));
    assert_eq!(b.open(&plaintext), Err(RecordError::Dead));
}

#[test]
fn opening_in_place_wipes_the_buffer() {
    let (mut a, mut b) = sessions();
    let mut record = a.seal(&[put(SizeClass::Small, 7)]).unwrap().remove(0);
    assert_eq!(b.open.open_in_place(&mut record).unwrap().items, [put(SizeClass::Small, 7)]);
    assert!(record[..record.len() - TAG_LEN].iter().all(|byte| *byte == 0));
}

#[test]
fn halves_work_separately() {
    let (a, b) = sessions();
    let ((mut a_seal, mut a_open), (mut b_seal, mut b_open)) = (a.split(), b.split());
    assert_eq!(b_open.open(&a_seal.seal(&[ping(1)]).unwrap()[0]).unwrap().items, [ping(1)]);
    assert_eq!(a_open.open(&b_seal.seal(&[ping(2)]).unwrap()[0]).unwrap().items, [ping(2)]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_change_of_a_record_is_seen(at in 0..528_usize, bit in 0..8_u32) {
        let (mut a, mut b) = sessions();
        let mut record = a.seal(&[ping(1)]).unwrap().remove(0);
        record[at] ^= 1 << bit;
        prop_assert_eq!(b.open(&record), Err(RecordError::Unauthentic));
    }

    #[test]
    fn records_from_nowhere_do_no_harm(size in 0..PLAINTEXT_SIZES.len(), seed: u64) {
        let (_, mut b) = sessions();
        let mut record = vec![0; PLAINTEXT_SIZES[size] + TAG_LEN];
        rng(seed).fill_bytes(&mut record);
        prop_assert_eq!(b.open(&record), Err(RecordError::Unauthentic));
    }

    #[test]
    fn any_mix_of_items_arrives(kinds in proptest::collection::vec(0..5_usize, 0..60)) {
        let (mut a, mut b) = sessions();
        let item = |kind: &usize| match kind {
            0..3 => put(SizeClass::ALL[*kind], 1),
            3 => ping(9),
            _ => Unsubscribe { req: 1, subs: vec![70_000; 1_000] }.into(),
        };
        let items: Vec<Item> = kinds.iter().map(item).collect();
        let (arrived, lens) = carried(&mut a, &mut b, &items);
        prop_assert_eq!(arrived, items.as_slice());
        let separate: usize = items.iter().map(|item| {
            let (mut a, mut b) = sessions();
            carried(&mut a, &mut b, core::slice::from_ref(item)).1.iter().sum::<usize>()
        }).sum();
        prop_assert!(lens.iter().sum::<usize>() <= separate);
    }
}
