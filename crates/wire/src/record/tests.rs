//! Records: bounds, growth, hostile bytes.

use super::*;
use crate::item::{Ack, AckEntry, Ping, Put, Unsubscribe};
use alloc::vec;
use proptest::prelude::*;

fn raw(kind: u16, flags: u8, body: &[u8]) -> Vec<u8> {
    let len = u32::try_from(body.len()).unwrap().to_le_bytes();
    [&kind.to_le_bytes()[..], &[flags], &len[..3], body].concat()
}

fn ping() -> Item {
    Ping { nonce: 1 }.into()
}

#[test]
fn padding_of_any_length_is_skipped() {
    assert_eq!(decode_items(&[]), Ok(Received::default()));
    for zeros in [1, 5, 6, 7, 500] {
        let mut bytes = raw(0x50, 0, &[1]);
        bytes.resize(bytes.len() + zeros, 0);
        assert_eq!(decode_items(&bytes).unwrap().items, [ping()]);
    }
}

#[test]
fn padding_is_zeros() {
    for (zeros, at) in [(1, 0), (5, 4), (6, 2), (6, 3), (100, 99)] {
        let mut padding = vec![0; zeros];
        padding[at] = 1;
        let bytes = [raw(0x50, 0, &[1]), padding].concat();
        let error = decode_items(&bytes).unwrap_err();
        assert_eq!(error, DecodeError::Padding, "{zeros} {at}");
    }
    assert_eq!(decode_items(&raw(0, 1, &[])), Err(DecodeError::Padding));
}

#[test]
fn items_end_within_the_record() {
    let whole = raw(0x7777, 0, &[1, 2, 3]);
    assert_eq!(decode_items(&whole), Ok(Received { skipped: 1, ..Received::default() }));
    assert_eq!(decode_items(&whole[..whole.len() - 1]), Err(DecodeError::Truncated));
    assert_eq!(decode_items(&raw(0x50, 0, &[])), Err(DecodeError::Truncated));
}

#[test]
fn reserved_flags_are_refused() {
    for bit in 1..8 {
        for kind in [0x50, 0x7777] {
            assert_eq!(decode_items(&raw(kind, 1 << bit, &[1])), Err(DecodeError::Malformed));
        }
    }
    assert_eq!(decode_items(&raw(0x50, 1, &[1])).unwrap().items, [ping()]);
}

#[test]
fn unknown_items_are_skipped_or_answered() {
    let bytes = [raw(0x1234, 0, b"??"), raw(0x4321, 1, b"!!"), raw(0x50, 0, &[1])].concat();
    let received = decode_items(&bytes).unwrap();
    assert_eq!(received.items, [ping()]);
    assert_eq!(received.unsupported, [Unsupported::Kind(0x4321)]);
    assert_eq!(received.skipped, 1);
    let Item::Error(error) = received.unsupported[0].answer() else { panic!("an error is due") };
    assert_eq!((error.code, error.kind), (ErrorCode::Unsupported, 0x4321));
}

#[test]
fn a_put_of_an_unknown_class_is_answered() {
    let body = [&[7][..], &[9; 32], &[3], b"whatever that class holds"].concat();
    let received = decode_items(&raw(Put::KIND, 1, &body)).unwrap();
    assert_eq!(received.items, []);
    let Item::Answer(answer) = received.unsupported[0].answer() else { panic!("an answer is due") };
    assert_eq!((answer.req, answer.code), (7, AnswerCode::BadClass));
    let deliver = [&[1, 1, 1, 3][..], b"blob"].concat();
    assert_eq!(decode_items(&raw(0x40, 0, &deliver)), Err(DecodeError::Malformed));
}

#[test]
fn items_of_a_record_are_counted() {
    let bytes = |count| raw(0x7777, 0, &[]).repeat(count);
    assert_eq!(decode_items(&bytes(MAX_ITEMS)).unwrap().skipped, MAX_ITEMS);
    assert_eq!(decode_items(&bytes(MAX_ITEMS + 1)), Err(DecodeError::TooMany));
    let pings: Vec<Item> = (0..=MAX_ITEMS).map(|_| ping()).collect();
    assert!(encode_items(&pings[1..]).is_ok());
    assert_eq!(encode_items(&pings), Err(EncodeError));
}

#[test]
fn a_record_is_bounded() {
    assert_eq!(decode_items(&vec![0; MAX_RECORD]), Ok(Received::default()));
    assert_eq!(decode_items(&vec![0; MAX_RECORD + 1]), Err(DecodeError::TooLong));
}

#[test]
fn list_entries_of_a_record_are_counted_together() {
    let unsubscribe = |entries| Item::from(Unsubscribe { req: 1, subs: vec![1; entries] });
    let full = || (0..4).map(|_| unsubscribe(4_096)).chain([unsubscribe(256)]);
    let mut bytes = encode_items(&full().collect::<Vec<_>>()).unwrap();
    assert!(decode_items(&bytes).unwrap().items.into_iter().eq(full()));
    let more: Vec<Item> = full().chain([unsubscribe(1)]).collect();
    assert!(encode_items(&more).is_err());
    encode_item(&unsubscribe(1), &mut bytes).unwrap();
    assert_eq!(decode_items(&bytes), Err(DecodeError::TooMany));
    // Lists within lists count as well; the largest Ack fits exactly.
    let acks = vec![AckEntry { sub: 1, upto: 1, also: vec![1; 64] }; 256];
    let ack = || Item::from(Ack { acks: acks.clone() });
    assert!(encode_items(&[ack()]).is_ok());
    assert!(encode_items(&[ack(), unsubscribe(1)]).is_err());
}

#[test]
fn a_refused_item_leaves_the_buffer_as_it_was() {
    let mut out = vec![1, 2, 3];
    let long = Item::from(Unsubscribe { req: 1, subs: vec![1; 4_097] });
    assert_eq!(encode_item(&long, &mut out), Err(EncodeError));
    assert_eq!(out, [1, 2, 3]);
}

/// Returns a strategy of records whose headers are well-formed and whose bodies are junk.
fn items_from_nowhere() -> impl Strategy<Value = Vec<u8>> {
    let kind = prop_oneof![proptest::sample::select(Item::KINDS), any::<u16>()];
    let body = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..80),
        proptest::collection::vec(prop_oneof![Just(0_u8), Just(1), Just(0x80), Just(0xff)], 0..80),
    ];
    let item = (kind, 0..2_u8, body).prop_map(|(kind, flags, body)| raw(kind, flags, &body));
    proptest::collection::vec(item, 0..6).prop_map(|items| items.concat())
}

proptest! {
    #[test]
    fn any_bytes_are_decoded_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        let _ = decode_items(&bytes).is_err();
    }

    #[test]
    fn what_is_decoded_encodes_to_what_decodes_to_it(bytes in items_from_nowhere()) {
        if let Ok(received) = decode_items(&bytes) {
            let encoded = encode_items(&received.items).unwrap();
            prop_assert_eq!(decode_items(&encoded).unwrap().items, received.items);
        }
    }

    #[test]
    fn flipped_bits_and_cuts_do_no_harm(flips in proptest::collection::vec((any::<usize>(), 0..8_u32), 0..4), cut: usize) {
        let mut bytes = encode_items(&crate::item::samples()).unwrap();
        let len = bytes.len();
        for (at, bit) in flips {
            // Half of them near the small items at the end.
            let at = if at % 2 == 0 { at % len } else { len - 1 - at % 200 };
            bytes[at] ^= 1 << bit;
        }
        let _ = decode_items(&bytes).is_err();
        bytes.truncate(cut % len);
        let _ = decode_items(&bytes).is_err();
    }
}
