//! Content at each limit and one beyond it (chapter 06 section 2).

use super::{
    content::{attachment, core, numbered, raw, receipt},
    family::Family,
};
use crate::{json::Object, vector::Case};

/// Maximum number of bytes of an attachment (chapter 06 section 2, item 7).
const LONGEST: u64 = 68_182_605_824;

pub(super) fn cases() -> Vec<Case> {
    let mut f = Family::new("content");
    decoded(&mut f);
    encoded(&mut f);
    f.cases
}

fn decoded(f: &mut Family) {
    let place = |number: u64, rest: &[u8]| [&[0x5a; 16][..], &number.to_le_bytes(), rest].concat();
    let file = |length: u64, place: &[u8], media_type: &[u8], name: &[u8]| {
        let len = u16::try_from(place.len()).expect("short").to_le_bytes();
        let type_len = [u8::try_from(media_type.len()).expect("short")];
        [&[7; 32][..], &length.to_le_bytes(), &[9; 32], &len, place, &type_len, media_type, name].concat()
    };
    let attached = |rest: &[u8]| raw(7, 3, &place(4, rest));
    let sparse = |bytes: usize| raw(3, 0, &place(0, &numbers(201)[..bytes]));
    let whole = file(5, b"place", b"image/png", b"");
    for (name, comment, bytes) in [
        ("hello-longest", "An address of 512 bytes.", raw(1, 1, &[7; 512])),
        ("mailbox-move-longest", "An address of 512 bytes.", raw(4, 3, &place(1, &[7; 512]))),
        ("reset-bundle-longest", "A reset bundle of 3,016 bytes.", raw(5, 0, &[9; 3_016])),
        ("receipt-most", "200 numbers.", sparse(1_600)),
        ("attachment-longest", "The longest attachment.", attached(&file(LONGEST, b"", b"", b""))),
        ("attachment-place", "A place of 512 bytes.", attached(&file(5, &[8; 512], b"", b""))),
        ("attachment-media-type", "A media type of 127 bytes.", attached(&file(5, b"", &[b'm'; 127], b""))),
        ("attachment-name", "A name of 255 bytes.", attached(&file(5, b"", b"", &[b'n'; 255]))),
    ] {
        f.add("decode-content", &format!("decode-{name}"), comment, Object::new().hex("bytes", bytes));
    }
    for (name, comment, bytes) in [
        ("mailbox-move", "C-31: an address of 513 bytes.", raw(4, 3, &place(1, &[7; 513]))),
        ("receipt-many", "C-31: 201 numbers.", sparse(1_608)),
        ("receipt-less", "C-31: 199 numbers and seven bytes.", sparse(1_599)),
        ("receipt-more", "C-31: 200 numbers and a byte.", sparse(1_601)),
        ("receipt-odd", "C-31: a number and a byte.", sparse(9)),
        ("receipt-low", "C-31: the first number is the low-water mark.", raw(3, 0, &place(1, &numbers(1)))),
        ("receipt-twice", "C-31: a number stands twice.", raw(3, 0, &place(0, &numbers(1).repeat(2)))),
        ("attachment-longer", "C-31: one byte longer than the longest.", {
            attached(&file(LONGEST + 1, b"", b"", b""))
        }),
        ("attachment-place-long", "C-31: a place of 513 bytes.", attached(&file(5, &[8; 513], b"", b""))),
        ("attachment-type-long", "C-31: a media type of 128 bytes.", {
            attached(&file(5, b"", &[b'm'; 128], b""))
        }),
        (
            "attachment-head",
            "C-31: an attachment ends within the length of its place.",
            attached(&whole[..73]),
        ),
        ("attachment-no-type", "C-31: an attachment ends behind its place.", attached(&whole[..79])),
        ("attachment-type-cut", "C-31: an attachment ends within its media type.", {
            attached(&whole[..whole.len() - 1])
        }),
        ("message-part-head", "C-31: a part ends within its head.", {
            let says = raw(1, 1, b"oak");
            raw(8, 3, &core(0, &[&says[..], &says[..5]].concat()))
        }),
    ] {
        let name = format!("refused-c-31-{name}");
        f.add("decode-content", &name, comment, Object::new().hex("bytes", bytes));
    }
}

/// Returns the numbers from 1 to `count`, encoded as eight bytes each.
fn numbers(count: u64) -> Vec<u8> {
    (1..=count).flat_map(u64::to_le_bytes).collect()
}

fn encoded(f: &mut Family) {
    let moved = |len: usize| numbered("mailbox-move", "number", 1).hex("address", vec![7; len]);
    let named = |media_type: usize, name: usize| {
        numbered("attachment", "number", 4)
            .hex("key", [7; 32])
            .with("length", 5_u64)
            .hex("hash", [9; 32])
            .hex("place", [8; 40])
            .with("media_type", "m".repeat(media_type).as_str())
            .with("name", "n".repeat(name).as_str())
    };
    let all: Vec<u64> = (1..=201).collect();
    for (name, comment, item) in [
        ("attachment-longest", "The longest attachment.", attachment(LONGEST)),
        ("attachment-longer", "One byte longer than the longest.", attachment(LONGEST + 1)),
        ("media-type-long", "A media type of 128 bytes.", named(128, 0)),
        ("name-long", "A name of 256 bytes.", named(0, 256)),
        ("address-long", "An address of 513 bytes.", moved(513)),
        ("receipt-many", "201 numbers.", receipt(0, &all)),
        ("receipt-order", "Numbers that do not rise.", receipt(5, &[8, 7])),
        ("receipt-low", "A number that is the low-water mark.", receipt(5, &[5])),
    ] {
        let input = Object::new().with("items", vec![item]);
        f.add("encode-content", &format!("encode-{name}"), comment, input);
    }
}
