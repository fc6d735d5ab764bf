//! Content items, and safety numbers.

use super::family::Family;
use crate::{
    json::{Json, Object},
    random::Recorder,
    vector::Case,
};

pub(super) fn numbered(kind: &str, number: &str, value: u64) -> Object {
    Object::new().with("type", kind).hex("stream", [0x5a; 16]).with(number, value)
}

fn text(number: u64, text: &str) -> Object {
    numbered("text", "number", number).with("text", text)
}

pub(super) fn receipt(low_water: u64, sparse: &[u64]) -> Object {
    let sparse: Vec<Json> = sparse.iter().map(|n| Json::from(*n)).collect();
    numbered("delivery-receipt", "low_water", low_water).with("sparse", sparse)
}

fn message(number: u64, text: &str) -> Object {
    numbered("message", "number", number)
        .with("to_version", 0_u64)
        .with("to_mask", 1_u16)
        .hex("id", [0xd1; 16])
        .with("clock", 12_u64)
        .with("time", 1_796_000_000_u64)
        .with("text", text)
}

/// Returns the body of a message item: fixed fields, this scope, and behind it these parts.
pub(super) fn core(scope: u8, parts: &[u8]) -> Vec<u8> {
    let place = [&[0x5a; 16][..], &1_u64.to_le_bytes(), &0_u64.to_le_bytes(), &1_u16.to_le_bytes()].concat();
    let head = [&[0xd1; 16][..], &12_u64.to_le_bytes(), &0_u64.to_le_bytes(), &[scope]].concat();
    [place, head, parts.to_vec()].concat()
}

pub(super) fn attachment(length: u64) -> Object {
    numbered("attachment", "number", 4)
        .hex("key", [7; 32])
        .with("length", length)
        .hex("hash", [9; 32])
        .hex("place", [8; 40])
        .with("media_type", "image/png")
        .with("name", "oak.png")
}

pub(super) fn raw(kind: u16, flags: u8, body: &[u8]) -> Vec<u8> {
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
        ("session-era", vec![Object::new().with("type", "session-era").with("era", 3_u32)]),
        ("reset-bundle", vec![Object::new().with("type", "reset-bundle").hex("bundle", [9; 2_504])]),
        ("attachment", vec![attachment(1 << 32)]),
        ("message", vec![message(1, "Meet me at the oak.")]),
        ("message-longest", vec![message(2, &long)]),
        (
            "device",
            vec![Object::new().with("type", "device").hex("root", [6; 32]).with("list_version", 0_u64)],
        ),
        ("stream-digest", vec![numbered("stream-digest", "number", 41).hex("digest", [5; 16])]),
        ("void", vec![numbered("void", "number", 7)]),
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
    for (name, comment, count) in [
        ("encode-most", "63 items; one place is the contact's own.", 63),
        ("encode-too-many", "64 items.", 64),
    ] {
        let items = vec![text(1, "oak"); count];
        f.add("encode-content", name, comment, Object::new().with("items", items));
    }
    let body = |number: u64, rest: &[u8]| [&[0x5a; 16][..], &number.to_le_bytes(), rest].concat();
    let oak = raw(2, 1, &body(1, b"oak"));
    let mut decode = |name: &str, comment: &str, bytes: Vec<u8>| {
        f.add("decode-content", name, comment, Object::new().hex("bytes", bytes));
    };
    decode("decode-text", "A text.", oak.clone());
    decode("decode-empty", "No item at all.", vec![]);
    decode("decode-most", "64 items.", oak.repeat(64));
    decode(
        "decode-unknown",
        "An unknown item that is not critical is left out.",
        [raw(999, 0, b"?"), oak.clone()].concat(),
    );
    let says_oak = raw(1, 1, b"oak");
    for (name, comment, bytes) in [
        ("unknown-numbered", "An unknown numbered item keeps its place; the others go on.", {
            [raw(999, 3, &body(4, b"?")), raw(999, 2, &body(5, b"")), oak.clone()].concat()
        }),
        ("message", "A message, and a part that is skipped.", {
            raw(8, 3, &core(0, &[says_oak.clone(), raw(9, 0, b"?")].concat()))
        }),
        ("message-part", "A message with an unknown critical part keeps its place.", {
            raw(8, 3, &core(0, &[says_oak.clone(), raw(9, 1, b"?")].concat()))
        }),
        ("message-scope", "A message of another scope keeps its place.", raw(8, 3, &core(1, b"?"))),
        (
            "message-no-text",
            "A message without a text keeps its place.",
            raw(8, 3, &core(0, &raw(9, 0, b""))),
        ),
        (
            "message-parts",
            "16 parts.",
            raw(8, 3, &core(0, &[&says_oak[..], &raw(9, 0, b"").repeat(15)].concat())),
        ),
        ("digest-of-nothing", "The digest of an empty stream.", raw(24, 0, &body(0, &[0; 16]))),
    ] {
        decode(&format!("decode-{name}"), comment, bytes);
    }
    for (name, comment, bytes) in [
        ("unknown-place", "C-31: an unknown numbered item without a whole place.", raw(999, 2, &[1; 23])),
        ("unknown-number", "C-31: an unknown numbered item with number 0.", raw(999, 3, &body(0, b"?"))),
        ("message-number", "C-31: a message with number 0.", {
            let mut core = core(0, &says_oak);
            core[16] = 0;
            raw(8, 3, &core)
        }),
        ("message-cut", "C-31: a message that ends in its head.", raw(8, 3, &core(0, b"")[..66])),
        ("message-no-part", "C-31: a message without parts.", raw(8, 3, &core(0, b""))),
        ("message-part-cut", "C-31: a part ends early.", raw(8, 3, &core(0, &says_oak[..8]))),
        ("message-texts", "C-31: a message with two texts.", raw(8, 3, &core(0, &says_oak.repeat(2)))),
        ("message-parts", "C-31: 17 parts.", {
            raw(8, 3, &core(0, &[&says_oak[..], &raw(9, 0, b"").repeat(16)].concat()))
        }),
        ("message-utf-8", "C-31: a message's text is UTF-8.", raw(8, 3, &core(0, &raw(1, 1, &[0xff])))),
        ("message-long", "C-31: a message's text of 60,001 bytes.", {
            raw(8, 3, &core(0, &raw(1, 1, &[b'a'; 60_001])))
        }),
        ("device", "C-31: a device has 40 bytes.", raw(9, 0, &[6; 41])),
        ("digest", "C-31: a digest has 16 bytes.", raw(24, 0, &body(1, &[5; 17]))),
        ("void", "C-31: a void item is empty.", raw(26, 2, &body(1, b"?"))),
        ("void-number", "C-31: a void item with number 0.", raw(26, 2, &body(0, b""))),
    ] {
        decode(&format!("refused-c-31-{name}"), comment, bytes);
    }
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
    decode("refused-c-31-era", "C-31: an era has four bytes.", raw(6, 0, &[1; 5]));
    decode("refused-c-31-bundle", "C-31: a reset bundle of 3,017 bytes.", raw(5, 0, &[9; 3_017]));
    let file = |length: u64, place: u16, rest: &[u8]| {
        [&[7; 32][..], &length.to_le_bytes(), &[9; 32], &place.to_le_bytes(), rest].concat()
    };
    for (name, comment, bytes) in [
        ("length", "C-31: an attachment over the longest.", file(1 << 40, 0, b"\0name")),
        ("place", "C-31: the place ends behind the item.", file(5, 9, b"short")),
        ("media-type", "C-31: a media type that is not UTF-8.", file(5, 0, &[1, 0xff])),
        ("name", "C-31: a name of 256 bytes.", file(5, 0, &[&[0][..], &[b'a'; 256]].concat())),
    ] {
        decode(&format!("refused-c-31-attachment-{name}"), comment, raw(7, 1, &body(1, &bytes)));
    }
    decode(
        "refused-c-32-critical",
        "C-32: an unknown critical item.",
        [oak.clone(), raw(999, 1, b"?")].concat(),
    );
    let items = [oak, raw(8, 3, &core(0, &says_oak)), raw(26, 2, &body(3, b"")), raw(999, 2, &body(4, b"?"))];
    let comment = "The digest after each of four items, taken as numbers 1 to 4 of a stream.";
    f.add("digest-stream", "digest-stream", comment, Object::new().hex("bytes", items.concat()));
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

/// Returns the cases of the family of attachments.
pub(super) fn attachments() -> Vec<Case> {
    let mut f = Family::new("attachment");
    let mut r = Recorder::new(61);
    let key: [u8; 32] = r.bytes();
    let input = |length: u64, segment: u32| {
        Object::new().hex("key", key).with("length", length).with("segment", segment)
    };
    // Edges of classes, of segments and of Padmé: length, segment, its bytes.
    for (length, segment, bytes) in [
        (0, 0, 0),
        (1, 0, 1),
        (4_064, 0, 4_064),
        (4_068, 0, 4_068),
        (65_508, 0, 65_508),
        (70_000, 1, 4_492),
        (200_000, 3, 3_476),
        (131_000, 1, 65_492),
    ] {
        let comment = "A segment of bytes 0x61: its class, and the number of segments.";
        let name = format!("seal-{length}-{segment}");
        let random = r.bytes::<12>();
        let input = input(length, segment).with("bytes_61", bytes as u32).hex("random", random);
        f.add("seal-segment", &name, comment, input);
    }
    let place = |length: u64, segment: u32, segments: u32| {
        let place = [&segment.to_le_bytes()[..], &segments.to_le_bytes(), &length.to_le_bytes()].concat();
        [crate::second::label("attachment"), place].concat()
    };
    let sealed_as = |nonce: [u8; 12], place: &[u8], body: &[u8], sealed_len: usize| {
        let mut padded = body.to_vec();
        padded.resize(sealed_len - 28, 0);
        [&nonce[..], &deaddrop_primitives::aead::seal(&key, &nonce, place, &padded)].concat()
    };
    let mut sealed = |length: u64, segments: u32, body: &[u8]| {
        sealed_as(r.bytes(), &place(length, 0, segments), body, 4_096)
    };
    let good = sealed(5, 1, b"short");
    let mut open = |name: &str, comment: &str, length: u64, segment: u32, bytes: Vec<u8>| {
        f.add("open-segment", name, comment, input(length, segment).hex("sealed", bytes));
    };
    open("open", "The only segment of five bytes, sealed from the formula.", 5, 0, good.clone());
    open("refused-c-60-length", "C-60: a byte is missing.", 5, 0, good[1..].to_vec());
    open("refused-c-60-no-such", "C-60: the attachment has one segment.", 5, 1, good.clone());
    open("refused-c-61-length", "C-61: the manifest says six bytes.", 6, 0, good.clone());
    open("refused-c-61-of-two", "C-61: sealed as the first of two.", 5, 0, sealed(5, 2, b"short"));
    open("refused-c-61-changed", "C-61: a bit is changed.", 5, 0, {
        let mut changed = good;
        changed[4_000] ^= 1;
        changed
    });
    open("refused-c-62-padding", "C-62: a byte behind the end is not zero.", 5, 0, sealed(5, 1, b"longer"));
    for (name, comment, segment, bytes, len) in [
        (
            "class",
            "C-60: 16,384 bytes, sealed for this place, where the class has 4,096.",
            0,
            &b"short"[..],
            16_384,
        ),
        ("less", "C-60: 4,095 bytes, sealed for this place, where the class has 4,096.", 0, b"short", 4_095),
        ("behind", "C-60: sealed as segment 1 of one segment, with no bytes but zeros.", 1, b"", 4_096),
    ] {
        let sealed = sealed_as([segment + 1; 12], &place(5, u32::from(segment), 1), bytes, len);
        let input = input(5, u32::from(segment)).hex("sealed", sealed);
        f.add("open-segment", &format!("refused-c-60-{name}"), comment, input);
    }
    for length in [0_u64, 5, 200_000] {
        let comment = "The hash of an attachment of bytes 0x61: over the hash of each segment's bytes.";
        let input = Object::new().hex("key", key).with("length", length);
        f.add("hash-attachment", &format!("hash-{length}"), comment, input);
    }
    // By the formulas: the sealed form of five bytes, and the hash of an attachment of one segment.
    let hash_of = |bytes: &[u8]| {
        let segment = crate::second::hash("attachment segment", &[bytes]);
        crate::second::hash("attachment hash", &[&segment])
    };
    for (name, comment, bytes) in [
        ("verify", "All segments open, and they are the attachment that the manifest names.", b"short"),
        (
            "refused-c-63-other",
            "C-63: the segment opens; it was made for another recipient of this manifest.",
            b"other",
        ),
    ] {
        let segments = vec![crate::json::hex(sealed(5, 1, bytes))];
        let input = Object::new().hex("key", key).with("length", 5_u64).hex("hash", hash_of(b"short"));
        f.add("verify-attachment", name, comment, input.with("segments", segments));
    }
    let here = place(5, 0, 1);
    let mut longer = b"short".to_vec();
    longer.push(1);
    let mut changed = sealed_as([9; 12], &here, b"short", 4_096);
    changed[100] ^= 1;
    for (name, comment, segment) in [
        ("c-60-of-all", "C-60: the segment has 16,384 bytes.", sealed_as([4; 12], &here, b"short", 16_384)),
        ("c-61-of-all", "C-61: a bit of the segment is changed.", changed),
        (
            "c-62-of-all",
            "C-62: a byte behind the segment's end is not zero.",
            sealed_as([5; 12], &here, &longer, 4_096),
        ),
    ] {
        let input = Object::new().hex("key", key).with("length", 5_u64).hex("hash", hash_of(b"short"));
        let input = input.with("segments", vec![crate::json::hex(segment)]);
        f.add("verify-attachment", &format!("refused-{name}"), comment, input);
    }
    let mut changed = sealed_as([6; 12], &here, b"short", 4_096);
    changed[12] ^= 1;
    let mut last = b"short".to_vec();
    last.resize(4_096 - 28, 0);
    last[4_096 - 29] = 1;
    for (name, comment, segment) in [
        (
            "c-61-content",
            "C-61: a bit of the first byte is changed. Without the tag the bytes and the padding look right.",
            changed,
        ),
        (
            "c-62-last",
            "C-62: the last byte of the padding is 1, all others are zeros.",
            sealed_as([7; 12], &here, &last, 4_096),
        ),
    ] {
        let input = input(5, 0).hex("sealed", segment);
        f.add("open-segment", &format!("refused-{name}"), comment, input);
    }
    f.add(
        "verify-attachment",
        "verify-two",
        "Two segments of different bytes: the hash is over those of both, in their order.",
        two_segments(&key),
    );
    f.cases
}

/// Returns the input of an attachment of two segments: 65,508 bytes 0x61, and one 0x62.
fn two_segments(key: &[u8; 32]) -> Object {
    const LENGTH: u64 = 65_509;
    let seal = |segment: u32, body: &[u8], sealed_len: usize| {
        let place = [&segment.to_le_bytes()[..], &2_u32.to_le_bytes(), &LENGTH.to_le_bytes()].concat();
        let place = [crate::second::label("attachment"), place].concat();
        let mut padded = body.to_vec();
        padded.resize(sealed_len - 28, 0);
        let nonce = [8 + u8::try_from(segment).expect("few"); 12];
        [&nonce[..], &deaddrop_primitives::aead::seal(key, &nonce, &place, &padded)].concat()
    };
    let (first, second) = (vec![0x61; 65_508], [0x62]);
    let hashes = [&first[..], &second].map(|bytes| crate::second::hash("attachment segment", &[bytes]));
    let hash = crate::second::hash("attachment hash", &[&hashes[0], &hashes[1]]);
    let segments = [seal(0, &first, 65_536), seal(1, &second, 4_096)].map(crate::json::hex);
    Object::new()
        .hex("key", *key)
        .with("length", LENGTH)
        .hex("hash", hash)
        .with("segments", segments.to_vec())
}

/// Returns the cases of the family of identity seeds as 24 words.
pub(super) fn words() -> Vec<Case> {
    let mut f = Family::new("words");
    for (name, seed) in [("zeros", [0; 32]), ("ones", [0xff; 32]), ("seed", Recorder::new(62).bytes())] {
        let comment = "An identity's seed as 24 words (chapter 02 section 2).";
        f.add("write-words", &format!("write-{name}"), comment, Object::new().hex("seed", seed));
    }
    let art = |words: usize, last: &str| [&vec!["abandon"; words][..], &[last]].concat().join(" ");
    for (name, comment, words) in [
        ("read", "24 words.", art(23, "art")),
        ("read-short", "Upper case and four letters.", "ABAN ".repeat(23) + "ART"),
        ("refused-count", "23 words.", art(22, "art")),
        ("refused-unknown", "A word that is not in the list.", art(23, "arts")),
        ("refused-checksum", "The checksum does not fit.", art(23, "ability")),
    ] {
        f.add("read-words", name, comment, Object::new().with("words", words));
    }
    f.cases
}

/// Encodes bytes as base64url without padding, for links that the crates would not write.
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
