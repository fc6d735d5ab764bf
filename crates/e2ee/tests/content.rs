//! The limits of content when it is encoded, and the bytes of content that its `Debug` hides.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing)]

use deaddrop_e2ee::{
    attachment::{AttachmentHash, AttachmentKey, MAX_ATTACHMENT},
    contact::{Contact, InvitePolicy},
    content::{
        Content, ContentError, MAX_ADDRESS, MAX_ITEMS, MAX_ITEMS_TO_ENCODE, MAX_MEDIA_TYPE, MAX_NAME,
        MAX_PLACE, MAX_SPARSE, MAX_TEXT, Message, MessageId, StreamDigest, StreamId, TooLong, decode,
        decode_with_hashes, encode, item_hash, set_place,
    },
    identity::IdentityKeyPair,
    invite::{AcceptError, PendingInvite, VerifiedBundle},
    session::Session,
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

fn attachment(length: u64, place: usize, media_type: usize, name: usize) -> Content {
    Content::Attachment {
        stream: STREAM,
        number: 1,
        key: AttachmentKey::from_bytes([7; 32]),
        length,
        hash: AttachmentHash::from_bytes([8; 32]),
        place: vec![7; place],
        media_type: "m".repeat(media_type),
        name: "n".repeat(name),
    }
}

/// Returns an item of type `kind` whose body begins with the stream's id and `number`.
fn unknown(kind: u16, flags: u8, number: u64, body: Vec<u8>) -> Content {
    Content::Unknown { kind, flags, stream: STREAM, number, body }
}

fn item(kind: u16, flags: u8, body: &[u8]) -> Vec<u8> {
    let [a, b, c, _] = u32::try_from(body.len()).unwrap().to_le_bytes();
    [&kind.to_le_bytes()[..], &[flags, a, b, c], body].concat()
}

fn placed(number: u64, rest: &[u8]) -> Vec<u8> {
    [&STREAM.0[..], &number.to_le_bytes(), rest].concat()
}

/// Returns the encoded bytes of the item of [`attachment`], also for lengths over the limits.
fn attachment_bytes(length: u64, place: usize, media_type: usize, name: usize) -> Vec<u8> {
    let place_len = u16::try_from(place).unwrap().to_le_bytes();
    let body = [
        &[7; 32][..],
        &length.to_le_bytes(),
        &[8; 32],
        &place_len,
        &vec![7; place],
        &[u8::try_from(media_type).unwrap()],
        &vec![b'm'; media_type],
        &vec![b'n'; name],
    ];
    item(7, 3, &placed(1, &body.concat()))
}

#[test]
fn what_is_at_a_limit_is_encoded_and_what_is_beyond_is_not() {
    let numbers = |count: usize| -> Vec<u64> { (1..).take(count).collect() };
    let moved = |len: usize| Content::MailboxMove { stream: STREAM, number: 1, address: vec![7; len] };
    let hello = |len: usize| Content::Hello { address: vec![7; len] };
    let bundle = |len: usize| Content::ResetBundle { bundle: vec![7; len] };
    let sparse =
        |numbers: &[u64]| numbers.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<u8>>();
    let receipt_bytes = |low: u64, numbers: &[u64]| item(3, 0, &placed(low, &sparse(numbers)));
    let core = |text: usize| {
        let text = item(1, 1, &vec![b'x'; text]);
        let head = [&[6; 16][..], &3_u64.to_le_bytes(), &1_796_000_000_u64.to_le_bytes(), &[0]].concat();
        item(8, 3, &placed(1, &[&0_u64.to_le_bytes()[..], &1_u16.to_le_bytes(), &head, &text].concat()))
    };
    let x = item(2, 1, &placed(1, b"x"));
    // At the limit, beyond it, and the bytes of what is beyond.
    for (items, beyond, bytes) in [
        // One place is the contact's own: a receiver takes one item more.
        (many(MAX_ITEMS_TO_ENCODE), many(MAX_ITEMS_TO_ENCODE + 1), x.repeat(MAX_ITEMS + 1)),
        (
            vec![text(&"x".repeat(MAX_TEXT))],
            vec![text(&"x".repeat(MAX_TEXT + 1))],
            item(2, 1, &placed(1, &[b'x'; MAX_TEXT + 1])),
        ),
        (vec![message("x".repeat(MAX_TEXT))], vec![message("x".repeat(MAX_TEXT + 1))], core(MAX_TEXT + 1)),
        (
            vec![receipt(numbers(MAX_SPARSE))],
            vec![receipt(numbers(MAX_SPARSE + 1))],
            receipt_bytes(0, &numbers(MAX_SPARSE + 1)),
        ),
        (vec![receipt(vec![1, 2])], vec![receipt(vec![0, 2])], receipt_bytes(0, &[0, 2])),
        (vec![receipt(vec![7, 8])], vec![receipt(vec![8, 8])], receipt_bytes(0, &[8, 8])),
        (vec![receipt(vec![7, 9])], vec![receipt(vec![9, 8])], receipt_bytes(0, &[9, 8])),
        (
            vec![moved(MAX_ADDRESS)],
            vec![moved(MAX_ADDRESS + 1)],
            item(4, 3, &placed(1, &[7; MAX_ADDRESS + 1])),
        ),
        (vec![hello(MAX_ADDRESS)], vec![hello(MAX_ADDRESS + 1)], item(1, 1, &[7; MAX_ADDRESS + 1])),
        (vec![bundle(3_016)], vec![bundle(3_017)], item(5, 0, &[7; 3_017])),
        (
            vec![attachment(MAX_ATTACHMENT, 0, 0, 0)],
            vec![attachment(MAX_ATTACHMENT + 1, 0, 0, 0)],
            attachment_bytes(MAX_ATTACHMENT + 1, 0, 0, 0),
        ),
        (
            vec![attachment(5, MAX_PLACE, 0, 0)],
            vec![attachment(5, MAX_PLACE + 1, 0, 0)],
            attachment_bytes(5, MAX_PLACE + 1, 0, 0),
        ),
        (
            vec![attachment(5, 0, MAX_MEDIA_TYPE, 0)],
            vec![attachment(5, 0, MAX_MEDIA_TYPE + 1, 0)],
            attachment_bytes(5, 0, MAX_MEDIA_TYPE + 1, 0),
        ),
        (
            vec![attachment(5, 0, 0, MAX_NAME)],
            vec![attachment(5, 0, 0, MAX_NAME + 1)],
            attachment_bytes(5, 0, 0, MAX_NAME + 1),
        ),
        // What is not known is given on as it came.
        (
            vec![unknown(40, 3, 1, placed(1, b""))],
            vec![unknown(40, 3, 1, placed(1, b"")[..23].to_vec())],
            item(40, 3, &placed(1, b"")[..23]),
        ),
        (
            vec![unknown(40, 2, 1, placed(1, b""))],
            vec![unknown(40, 2, 0, placed(0, b""))],
            item(40, 2, &placed(0, b"")),
        ),
        (
            vec![unknown(40, 3, 1, placed(1, b""))],
            vec![unknown(40, 1, 1, placed(1, b""))],
            item(40, 1, &placed(1, b"")),
        ),
        (
            vec![unknown(8, 3, 1, [&core(1)[6..], &item(9, 1, b"")].concat())],
            vec![unknown(8, 3, 1, placed(1, b""))],
            item(8, 3, &placed(1, b"")),
        ),
    ] {
        assert!(decode(&encode(&items).unwrap()).unwrap() == items);
        assert_eq!(encode(&beyond), Err(TooLong));
        assert!(decode(&bytes).is_err());
    }
    // These would come back as something else.
    for other in [
        unknown(40, 0, 1, placed(1, b"")),
        unknown(40, 3, 2, placed(1, b"")),
        unknown(2, 1, 1, placed(1, b"")),
    ] {
        assert_eq!(encode(&[other]), Err(TooLong));
    }
}

#[test]
fn a_first_content_begins_with_hello_and_holds_no_unknown_critical_item() {
    let today = Day::from_number(20_780);
    let hello = item(1, 1, b"here");
    let core = [&[6; 16][..], &[0; 16], &[0]].concat();
    let part = item(1, 1, b"x");
    let for_newer = [&[0; 10][..], &core, &part, &item(9, 1, b"")].concat();
    let for_newer = item(8, 3, &placed(1, &for_newer));
    let not_numbered = |flags| item(999, flags, b"?");
    let numbered = |flags| item(999, flags, &placed(1, b"?"));
    let misbehaved = Err(AcceptError::PeerMisbehaved);
    for (content, expected) in [
        (hello.clone(), Ok(())),
        (item(2, 1, &placed(1, b"x")), misbehaved),
        (vec![], misbehaved),
        // Not critical: passed over, wherever it stands.
        ([not_numbered(0), hello.clone()].concat(), Ok(())),
        ([numbered(2), hello.clone()].concat(), Ok(())),
        ([numbered(2), not_numbered(0), hello.clone(), numbered(2)].concat(), Ok(())),
        (numbered(2), misbehaved),
        ([numbered(2), item(2, 1, &placed(1, b"x")), hello.clone()].concat(), misbehaved),
        // Critical: refused, wherever it stands.
        ([hello.clone(), not_numbered(1)].concat(), misbehaved),
        ([hello.clone(), numbered(3)].concat(), misbehaved),
        ([numbered(3), hello.clone()].concat(), misbehaved),
        // A message is of a known type, whatever its parts are.
        ([hello.clone(), for_newer.clone()].concat(), Ok(())),
        ([for_newer, hello.clone()].concat(), misbehaved),
    ] {
        let rng = &mut rng(1);
        let (a, b) = (IdentityKeyPair::generate(rng), IdentityKeyPair::generate(rng));
        let (pending, blob) = PendingInvite::create(&b, today.plus(7), b"landing", rng).unwrap();
        let own = a.identity_key().hash();
        let bundle = VerifiedBundle::open(pending.secret(), &blob, own, None, today).unwrap();
        let (mut session, _) = Session::initiate(&a, &bundle, rng).unwrap();
        let (envelope, _) = session.encrypt(&content, rng).unwrap();
        let accepted = pending.accept(&b, envelope.as_bytes(), |_| false, today);
        assert_eq!(accepted.map(|_| ()), expected, "{content:?}");
    }
}

#[test]
fn a_content_takes_no_more_room_than_it_has() {
    let attachment = attachment(5, MAX_PLACE, MAX_MEDIA_TYPE, MAX_NAME);
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
    for item in &items {
        let mut bytes = encode(std::slice::from_ref(item)).unwrap();
        let has_place = set_place(&mut bytes, STREAM, 9);
        assert_eq!(decode(&bytes).unwrap()[0].place(), has_place.then_some((STREAM, 9)), "{item:?}");
    }
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
    let _ = contact.add_initiated(session, begun, today.plus(7), InvitePolicy::StartOver).unwrap();
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
    let item = |kind: u16, number: u64, rest: &[u8]| {
        decode(&item(kind, 1, &placed(number, rest))).map(|items| items.len())
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
