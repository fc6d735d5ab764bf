//! Content items, and safety numbers.

use super::Family;
use crate::{
    json::{Json, Object},
    random::Recorder,
    vector::Case,
};

fn numbered(kind: &str, number: &str, value: u64) -> Object {
    Object::new().with("type", kind).hex("stream", [0x5a; 16]).with(number, value)
}

fn text(number: u64, text: &str) -> Object {
    numbered("text", "number", number).with("text", text)
}

fn receipt(low_water: u64, sparse: &[u64]) -> Object {
    let sparse: Vec<Json> = sparse.iter().map(|n| Json::from(*n)).collect();
    numbered("delivery-receipt", "low_water", low_water).with("sparse", sparse)
}

fn raw(kind: u16, flags: u8, body: &[u8]) -> Vec<u8> {
    let len = u32::try_from(body.len()).expect("short").to_le_bytes();
    [&kind.to_le_bytes()[..], &[flags], &len[..3], body].concat()
}

pub(super) fn contents() -> Vec<Case> {
    let mut f = Family::new("content");
    let hello = Object::new().with("type", "hello").hex("address", [7; 70]);
    let moved = numbered("mailbox-move", "number", 9).hex("address", [8; 512]);
    let long = "a".repeat(60_000);
    for (name, items) in [
        ("nothing", vec![]),
        ("hello", vec![hello.clone()]),
        ("text", vec![text(1, "Meet me at the oak.")]),
        ("text-empty", vec![text(u64::MAX, "")]),
        ("text-unicode", vec![text(2, "Grüße, 世界 🌍")]),
        ("text-longest", vec![text(3, &long)]),
        ("receipt", vec![receipt(41, &[43, 44, 99])]),
        ("receipt-empty", vec![receipt(0, &[])]),
        ("mailbox-move", vec![moved]),
        ("several", vec![hello, text(1, "one"), receipt(5, &[7])]),
    ] {
        f.add(
            "encode-content",
            &format!("encode-{name}"),
            "Items to bytes.",
            Object::new().with("items", items),
        );
    }
    f.add(
        "encode-content",
        "encode-too-long",
        "A text of 60,001 bytes.",
        Object::new().with("items", vec![text(3, &format!("{long}a"))]),
    );
    let body = |number: u64, rest: &[u8]| [&[0x5a; 16][..], &number.to_le_bytes(), rest].concat();
    let oak = raw(2, 1, &body(1, b"oak"));
    let mut decode = |name: &str, comment: &str, bytes: Vec<u8>| {
        f.add("decode-content", name, comment, Object::new().hex("bytes", bytes));
    };
    decode("decode-text", "A text.", oak.clone());
    decode("decode-empty", "No item at all.", vec![]);
    decode(
        "decode-unknown",
        "An unknown item that is not critical is left out.",
        [raw(999, 0, b"?"), oak.clone()].concat(),
    );
    decode("refused-c-30-cut", "C-30: an item ends early.", oak[..oak.len() - 1].to_vec());
    decode("refused-c-30-header", "C-30: five bytes are no item.", vec![0; 5]);
    decode("refused-c-30-many", "C-30: 65 items.", raw(999, 0, &[]).repeat(65));
    decode("refused-c-31-number", "C-31: numbers begin at 1.", raw(2, 1, &body(0, b"oak")));
    decode("refused-c-31-utf-8", "C-31: a text is UTF-8.", raw(2, 1, &body(1, &[0xff])));
    decode("refused-c-31-long", "C-31: a text of 60,001 bytes.", raw(2, 1, &body(1, &[b'a'; 60_001])));
    decode("refused-c-31-address", "C-31: an address of 513 bytes.", raw(1, 1, &[7; 513]));
    let sparse = |numbers: &[u64]| numbers.iter().flat_map(|n| n.to_le_bytes()).collect::<Vec<u8>>();
    decode(
        "refused-c-31-sparse",
        "C-31: numbers of a receipt ascend.",
        raw(3, 0, &body(5, &sparse(&[8, 7]))),
    );
    decode("refused-c-31-odd", "C-31: a number of seven bytes.", raw(3, 0, &body(5, &[1; 7])));
    decode("refused-c-32-critical", "C-32: an unknown critical item.", [oak, raw(999, 1, b"?")].concat());
    f.cases
}

pub(super) fn safety_numbers() -> Vec<Case> {
    let mut f = Family::new("safety-number");
    let mut r = Recorder::new(60);
    let (one, other): ([u8; 32], [u8; 32]) = (r.bytes(), r.bytes());
    for (name, one, other) in [("pair", one, other), ("swapped", other, one), ("zeros", [0; 32], [0; 32])] {
        let input = Object::new().hex("one", one).hex("other", other);
        f.add("safety-number", name, "Sixty digits, the same in either order.", input);
    }
    f.cases
}

/// base64url without padding, for links that the crates would not write.
pub(super) fn base64url(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let mut group = [0; 4];
        group[1..=chunk.len()].copy_from_slice(chunk);
        let number = u32::from_be_bytes(group);
        for place in 0..=chunk.len() {
            let at = usize::try_from(number >> (18 - 6 * place) & 63).expect("six bits");
            text.push(char::from(ALPHABET[at]));
        }
    }
    text
}
