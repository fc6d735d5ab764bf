//! The limits of content on the way out, and what content shows of itself.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing)]

use deaddrop_crypto::{
    AttachmentHash, AttachmentKey, Contact, Content, ContentError, IdentityKeyPair, MAX_TEXT, Meeting,
    Message, MessageId, PendingInvite, Session, StreamDigest, StreamId, VerifiedBundle,
    content::{
        MAX_ADDRESS, MAX_ITEMS, MAX_ITEMS_TO_ENCODE, MAX_MEDIA_TYPE, MAX_NAME, MAX_PLACE, MAX_SPARSE,
        TooLong, decode, decode_with_hashes, encode, item_hash, set_place,
    },
};
use deaddrop_testkit::rng;
use deaddrop_wire::Day;

const STREAM: StreamId = StreamId([5; 16]);

fn text(text: &str) -> Content {
    Content::Text { stream: STREAM, number: 1, text: text.to_owned() }
}

fn message(text: String) -> Content {
    let message = Message { id: MessageId([6; 16]), clock: 3, time: 1_796_000_000, text };
    Content::Message { stream: STREAM, number: 1, to_version: 0, to_mask: 1, message }
}

fn many(count: usize) -> Vec<Content> {
    (0..count).map(|_| text("x")).collect()
}

fn receipt(sparse: Vec<u64>) -> Content {
    Content::DeliveryReceipt { stream: STREAM, low_water: 0, sparse }
}

#[test]
fn what_is_at_a_limit_is_encoded_and_what_is_beyond_is_not() {
    let numbers = |count: usize| (1..).take(count).collect();
    let moved = |len: usize| Content::MailboxMove { stream: STREAM, number: 1, address: vec![7; len] };
    for (items, beyond) in [
        (many(MAX_ITEMS_TO_ENCODE), many(MAX_ITEMS_TO_ENCODE + 1)),
        (vec![text(&"x".repeat(MAX_TEXT))], vec![text(&"x".repeat(MAX_TEXT + 1))]),
        (vec![message("x".repeat(MAX_TEXT))], vec![message("x".repeat(MAX_TEXT + 1))]),
        (vec![receipt(numbers(MAX_SPARSE))], vec![receipt(numbers(MAX_SPARSE + 1))]),
        (vec![moved(MAX_ADDRESS)], vec![moved(MAX_ADDRESS + 1)]),
        (
            vec![Content::Hello { address: vec![7; MAX_ADDRESS] }],
            vec![Content::Hello { address: vec![7; MAX_ADDRESS + 1] }],
        ),
    ] {
        assert!(decode(&encode(&items).unwrap()).unwrap() == items);
        assert_eq!(encode(&beyond), Err(TooLong));
    }
}

#[test]
fn a_content_takes_no_more_room_than_it_has() {
    let attachment = Content::Attachment {
        stream: STREAM,
        number: 1,
        key: AttachmentKey::from_bytes([7; 32]),
        length: 5,
        hash: AttachmentHash::from_bytes([8; 32]),
        place: vec![7; MAX_PLACE],
        media_type: "m".repeat(MAX_MEDIA_TYPE),
        name: "n".repeat(MAX_NAME),
    };
    let moved = Content::MailboxMove { stream: STREAM, number: 1, address: vec![7; 70] };
    let bundle = Content::ResetBundle { bundle: vec![7; 2_504] };
    let hello = Content::Hello { address: vec![7; 70] };
    let era = Content::SessionEra { era: 3 };
    let own = IdentityKeyPair::generate(&mut rng(2));
    let device = Content::Device { root: *own.identity_key().hash(), list_version: 0 };
    let digest = Content::StreamDigest { stream: STREAM, number: 0, digest: [4; 16] };
    let void = Content::Void { stream: STREAM, number: 2 };
    let body = [&STREAM.0[..], &3_u64.to_le_bytes(), b"?"].concat();
    let unknown = Content::Unknown { kind: 40, flags: 3, stream: STREAM, number: 3, body };
    let said = message(String::from("text"));
    let items = [
        hello,
        text("text"),
        receipt(vec![1, 2]),
        moved,
        attachment,
        bundle,
        era,
        said,
        device,
        digest,
        void,
        unknown,
    ];
    let bytes = encode(&items).unwrap();
    // Whatever had to grow would have left copies behind.
    assert_eq!(bytes.capacity(), bytes.len());
    assert!(decode(&bytes).unwrap() == items);
    assert!(encode(&[]).unwrap().is_empty());
}

#[test]
fn both_sides_have_one_digest() {
    let items = [text("one"), message(String::from("two")), Content::Void { stream: STREAM, number: 3 }];
    let (mut sent, mut received) = (StreamDigest::empty(), StreamDigest::empty());
    for item in &items {
        let bytes = encode(std::slice::from_ref(item)).unwrap();
        sent = sent.then(&item_hash(&bytes).unwrap());
    }
    for (at, (item, hash)) in decode_with_hashes(&encode(&items).unwrap()).unwrap().iter().enumerate() {
        assert!(*item == items[at]);
        received = received.then(hash);
    }
    assert!(sent == received && sent.short() != StreamDigest::empty().short());
    assert!(item_hash(&[8, 0, 3]).is_none(), "no item");
}

#[test]
fn the_longest_message_fits_the_first_message() {
    let hello = Content::Hello { address: vec![7; MAX_ADDRESS] };
    let own = IdentityKeyPair::generate(&mut rng(2));
    let device = Content::Device { root: *own.identity_key().hash(), list_version: 0 };
    let longest = encode(&[hello, device, message("x".repeat(MAX_TEXT))]).unwrap();
    assert!(longest.len() + 10 <= 60_767, "with the era of the session, {} bytes", longest.len());
}

#[test]
fn a_full_content_can_still_be_told_the_era() {
    let today = Day::from_number(20_780);
    let rng = &mut rng(1);
    let (a, b) = (IdentityKeyPair::generate(rng), IdentityKeyPair::generate(rng));
    let (pending, blob) = PendingInvite::create(&b, today.plus(7), b"landing", rng).unwrap();
    let own = a.identity_key().hash();
    let bundle = VerifiedBundle::open(pending.secret(), &blob, own, None, today).unwrap();
    let (session, begun) = Session::initiate(&a, &bundle, rng).unwrap();
    let mut contact = Contact::new(*b.identity_key().hash());
    let _ = contact.add_initiated(session, begun, today.plus(7), Meeting::Again).unwrap();
    let mut items = many(MAX_ITEMS_TO_ENCODE);
    items[0] = Content::Hello { address: b"here".to_vec() };
    let (envelope, _) = contact.encrypt(&encode(&items).unwrap(), rng).unwrap();
    let accepted = pending.accept(&b, envelope.as_bytes(), |_| false, today).unwrap();
    let read = decode(&accepted.content).unwrap();
    assert_eq!(read.len(), MAX_ITEMS);
    assert!(matches!(read.last(), Some(Content::SessionEra { era: 1 })));
}

#[test]
fn numbers_begin_at_1_and_addresses_end() {
    let item = |kind: u8, number: u64, rest: &[u8]| {
        let body = [&STREAM.0[..], &number.to_le_bytes(), rest].concat();
        let [a, b, c, _] = u32::try_from(body.len()).unwrap().to_le_bytes();
        decode(&[&[kind, 0, 1, a, b, c], &body[..]].concat()).map(|items| items.len())
    };
    for kind in [2, 4] {
        assert_eq!(item(kind, 1, b"x"), Ok(1));
        assert_eq!(item(kind, 0, b"x"), Err(ContentError::Malformed));
    }
    assert_eq!(item(4, 1, &[7; MAX_ADDRESS]), Ok(1));
    assert_eq!(item(4, 1, &[7; MAX_ADDRESS + 1]), Err(ContentError::Malformed));
    // A receipt may say that nothing has arrived.
    assert_eq!(item(3, 0, &[]), Ok(1));
}

#[test]
fn content_is_named_and_not_shown() {
    let secret = "secret";
    let hello = Content::Hello { address: secret.as_bytes().to_vec() };
    let moved = Content::MailboxMove { stream: STREAM, number: 1, address: vec![1] };
    let shown = format!("{:?}", [text(secret), hello, moved, receipt(vec![])]);
    assert_eq!(shown, "[Text(..), Hello(..), MailboxMove(..), DeliveryReceipt(..)]");
}

#[test]
fn a_numbered_item_is_given_another_place() {
    let other = StreamId([9; 16]);
    let placed = |item: &Content| {
        let mut bytes = encode(std::slice::from_ref(item)).unwrap();
        set_place(&mut bytes, other, 7).then(|| decode(&bytes).unwrap())
    };
    let wanted = Content::Text { stream: other, number: 7, text: "x".to_owned() };
    assert!(placed(&text("x")) == Some(vec![wanted]));
    let address = vec![3; 5];
    let moved = Content::MailboxMove { stream: STREAM, number: 0, address: address.clone() };
    let wanted = Content::MailboxMove { stream: other, number: 7, address };
    assert!(placed(&moved) == Some(vec![wanted]), "an item that has no number yet");
    assert!(placed(&Content::Hello { address: vec![7; 40] }).is_none());
    assert!(placed(&receipt(vec![2])).is_none());
    assert!(!set_place(&mut [], other, 7));
}
