//! Handshakes: one with all its values, one accepted, and one refused for each check.

use super::{
    family::Family,
    initial::{ABOVE_P, Tweak, ZERO_PRODUCTS, addressee, initial_message},
    points::LOW_ORDER,
    world::{TODAY, World, hello, person, plain},
};
use crate::{
    json::{Json, Object, hex},
    vector::Case,
};

pub(super) fn cases() -> Vec<Case> {
    let mut f = Family::new("handshake");
    for (name, seed, text) in [("whole", 20, "Meet me at the oak."), ("whole-empty-text", 21, "")] {
        let world = World::new(seed);
        let mut recorder = world.recorder;
        let input = world.input.hex("content", hello(text)).hex("message_random", recorder.vec(24));
        f.add("handshake", name, "A bundle, a first message, every value on the way.", input);
    }
    let mut world = World::new(23);
    let mut accept =
        |name: &str, comment: &str, world: &World, envelope: &[u8], blocked: &[[u8; 32]], today: u32| {
            let blocked: Vec<Json> = blocked.iter().map(hex).collect();
            let input = Object::new()
                .hex("identity_seed", world.responder_seed)
                .hex("invite", &*world.invite.to_bytes())
                .hex("envelope", envelope)
                .with("blocked", blocked)
                .with("today", today);
            f.add("accept", name, comment, input);
        };
    let honest = initial_message(&mut world, &Tweak::default());
    accept("accept", "An honest first message.", &world, &honest, &[], TODAY);
    let envelope = initial_message(
        &mut world,
        &Tweak { message_number: 0, content: Some(hello("again")), ..Tweak::default() },
    );
    accept("accept-last-day", "On the invite's last day.", &world, &envelope, &[[9; 32]], TODAY + 7);
    accept("refused-c-40-class", "C-40: 4,096 bytes.", &world, &honest[..4_096], &[], TODAY);
    let mut changed = honest.clone();
    changed[5_000] ^= 1;
    accept("refused-c-41-changed", "C-41: one bit changed.", &world, &changed, &[], TODAY);
    accept("refused-c-42-expired", "C-42: a day after the invite's last.", &world, &honest, &[], TODAY + 8);
    let peer = *world.initiator.identity_key().hash().as_bytes();
    accept("refused-c-47-blocked", "C-47: the initiator is blocked.", &world, &honest, &[peer], TODAY);

    let own = world.initiator.identity_key().as_bytes().to_vec();
    let with = |at: usize, bytes: &[u8]| {
        let mut identity = own.clone();
        identity[at..at + bytes.len()].copy_from_slice(bytes);
        Some(identity)
    };
    let ek = person([1; 32]).identity_key().as_bytes()[64..].to_vec();
    let unreduced = [&[0xff; 3], &ek[3..]].concat();
    let itself = Some(world.responder_seed);
    for (name, comment, tweak) in [
        (
            "c-43-canonical",
            "C-43: E is not canonical.",
            Tweak { ephemeral: Some([0xff; 32]), ..Tweak::default() },
        ),
        ("c-43-low-order", "C-43: E is zero.", Tweak { ephemeral: Some([0; 32]), ..Tweak::default() }),
        (
            "c-44-identity-box",
            "C-44: id_box does not open.",
            Tweak { changed_identity_box: true, ..Tweak::default() },
        ),
        (
            "c-45-x25519",
            "C-45: the initiator's X25519 key is not canonical.",
            Tweak { identity: with(32, &[0xff; 32]), ..Tweak::default() },
        ),
        (
            "c-45-ml-kem",
            "C-45: the initiator's ML-KEM key is not reduced.",
            Tweak { identity: with(64, &[0xff; 3]), ..Tweak::default() },
        ),
        ("c-46-own", "C-46: the initiator is the responder.", Tweak { speaker: itself, ..Tweak::default() }),
        (
            "c-48-low-order",
            "C-45 and C-48: the initiator's X25519 key is zero, which is no valid key.",
            Tweak { identity: with(32, &[0; 32]), ..Tweak::default() },
        ),
        (
            "c-49-header",
            "C-49: the header does not open.",
            Tweak { changed_header: true, ..Tweak::default() },
        ),
        ("c-50-pn", "C-50: pn is 1.", Tweak { previous_chain_length: 1, ..Tweak::default() }),
        (
            "c-51-x25519",
            "C-51: rk_0 is not canonical.",
            Tweak { ratchet: Some([0xff; 32]), ..Tweak::default() },
        ),
        ("c-51-low-order", "C-51: rk_0 is zero.", Tweak { ratchet: Some([0; 32]), ..Tweak::default() }),
        ("c-51-ml-kem", "C-51: ek_0 is not reduced.", Tweak { kem: Some(unreduced), ..Tweak::default() }),
        ("c-23-body", "C-23: the body does not open.", Tweak { changed_body: true, ..Tweak::default() }),
        (
            "c-29-number",
            "C-29: the first message is number 2,000.",
            Tweak { message_number: 2_000, ..Tweak::default() },
        ),
        (
            "c-52-no-hello",
            "C-52: the content does not begin with Hello.",
            Tweak { content: Some(plain("hi")), ..Tweak::default() },
        ),
        (
            "c-52-malformed",
            "C-52: the content is malformed.",
            Tweak { content: Some(vec![1]), ..Tweak::default() },
        ),
        (
            "c-52-critical",
            "C-52: behind Hello stands an unknown critical item.",
            Tweak { content: Some([hello("hi"), unknown(1)].concat()), ..Tweak::default() },
        ),
    ] {
        let envelope = initial_message(&mut world, &tweak);
        accept(&format!("refused-{name}"), comment, &world, &envelope, &[], TODAY);
    }

    let envelope = initial_message(
        &mut world,
        &Tweak { content: Some([unknown(0), hello("behind")].concat()), ..Tweak::default() },
    );
    let comment = "An unknown item that is not critical stands in front of Hello.";
    accept("accept-unknown-item", comment, &world, &envelope, &[], TODAY);

    // A message that a responder without the check reads.
    let known = Some(addressee(&world).public_products());
    let mut with_top_bit: [u8; 32] = own[32..64].try_into().expect("32 bytes");
    with_top_bit[31] |= 0x80;
    for (name, comment, tweak) in [
        (
            "c-40-length",
            "C-40: 16,383 bytes, and nothing else is wrong.",
            Tweak { envelope_len: Some(16_383), ..Tweak::default() },
        ),
        (
            "c-43-top-bit",
            "C-43: the top bit of E is set. X25519 ignores it.",
            Tweak { ephemeral_top_bit: true, ..Tweak::default() },
        ),
        (
            "c-43-above-p",
            "C-43: E is p + 9. To X25519 that is the base point.",
            Tweak { ephemeral: Some(ABOVE_P), ephemeral_products: known, ..Tweak::default() },
        ),
        (
            "c-43-zero",
            "C-43: E is zero, and the sender has taken zeros for both products.",
            Tweak { ephemeral: Some([0; 32]), ephemeral_products: Some(ZERO_PRODUCTS), ..Tweak::default() },
        ),
        (
            "c-45-top-bit",
            "C-45: the top bit of the initiator's X25519 key is set. X25519 ignores it.",
            Tweak { identity: with(32, &with_top_bit), ..Tweak::default() },
        ),
        (
            "c-45-above-p",
            "C-45: the initiator's X25519 key is p + 9. To X25519 that is the base point.",
            Tweak { identity: with(32, &ABOVE_P), identity_products: known, ..Tweak::default() },
        ),
        (
            "c-48-zero",
            "C-45 and C-48: the initiator's X25519 key is zero, and the sender has taken zeros for both products.",
            Tweak {
                identity: with(32, &[0; 32]),
                identity_products: Some(ZERO_PRODUCTS),
                ..Tweak::default()
            },
        ),
    ] {
        let envelope = initial_message(&mut world, &tweak);
        accept(&format!("refused-{name}"), comment, &world, &envelope, &[], TODAY);
    }

    for (name, comment, tweak) in single_faults() {
        let envelope = initial_message(&mut world, &tweak);
        accept(&format!("refused-{name}"), comment, &world, &envelope, &[], TODAY);
    }
    let large = Tweak { envelope_len: Some(65_536), ..Tweak::default() };
    let last = Tweak { message_number: 1_999, ..Tweak::default() };
    for (name, comment, tweak) in [
        ("accept-large", "The envelope has 65,536 bytes.", large),
        ("accept-last-number", "The first message is number 1,999, the last of a turn.", last),
    ] {
        let envelope = initial_message(&mut world, &tweak);
        accept(name, comment, &world, &envelope, &[], TODAY);
    }
    let envelope = initial_message(&mut world, &Tweak { changed_identity_box: true, ..Tweak::default() });
    let comment =
        "C-42: a day after the invite's last. Its id_box does not open (C-44), which is looked at later.";
    accept("refused-c-42-before-c-44", comment, &world, &envelope, &[], TODAY + 8);
    for (name, comment, content) in first_contents() {
        let envelope = initial_message(&mut world, &Tweak { content: Some(content), ..Tweak::default() });
        accept(name, comment, &world, &envelope, &[], TODAY);
    }
    f.cases
}

/// Returns faults of a first message, each alone, as (end of the case's name, comment, fault).
pub(super) fn single_faults() -> Vec<(&'static str, &'static str, Tweak)> {
    let of_low_order = |ephemeral| Tweak {
        ephemeral: Some(ephemeral),
        ephemeral_products: Some(ZERO_PRODUCTS),
        ..Tweak::default()
    };
    let padded = |behind: &[u8]| Tweak { padding: Some(behind.to_vec()), ..Tweak::default() };
    let content = |content: Vec<u8>| Tweak { content: Some(content), ..Tweak::default() };
    let receipt = vec![3, 0, 0, 1, 0, 0, 7];
    vec![
        (
            "c-43-order-8",
            "C-43: E is canonical and of order 8, and the sender has taken zeros for both products.",
            of_low_order(LOW_ORDER[1]),
        ),
        (
            "c-43-below-p",
            "C-43: E is p - 1, canonical and of low order, and the sender has taken zeros for both products.",
            of_low_order(LOW_ORDER[3]),
        ),
        ("c-23-marker", "C-23: 0x81 stands behind the content in place of 0x80.", padded(&[0x81])),
        ("c-23-behind", "C-23: behind 0x80 and a zero stands a byte 1.", padded(&[0x80, 0, 1])),
        (
            "c-52-late",
            "C-52: Hello stands behind a text.",
            content([plain("first"), hello("later")].concat()),
        ),
        (
            "c-52-form",
            "C-52: behind Hello stands a DeliveryReceipt of one byte.",
            content([hello("hi"), receipt].concat()),
        ),
    ]
}

/// Returns first contents with numbered items or parts that this version does not know, as (name of
/// the case, comment, content).
pub(super) fn first_contents() -> [(&'static str, &'static str, Vec<u8>); 4] {
    let core = [&[0; 10][..], &[0xd1; 16], &[0; 17]].concat();
    let (says, newer) = ([1, 0, 1, 3, 0, 0, b'o', b'a', b'k'], [9, 0, 1, 0, 0, 0]);
    let message = placed(8, 3, &[&core[..], &says, &newer].concat());
    [
        (
            "refused-c-52-numbered",
            "C-52: behind Hello stands a numbered critical item of an unknown type.",
            [hello("hi"), placed(999, 3, b"?")].concat(),
        ),
        (
            "refused-c-52-message-first",
            "C-52: in front of Hello stands a message with an unknown critical part. Its type is known.",
            [message.clone(), hello("behind")].concat(),
        ),
        (
            "accept-unknown-numbered",
            "A numbered item of an unknown type that is not critical stands in front of Hello.",
            [placed(999, 2, b"?"), hello("behind")].concat(),
        ),
        (
            "accept-message-for-newer",
            "Behind Hello stands a message with an unknown critical part. Its type is known.",
            [hello("hi"), message].concat(),
        ),
    ]
}

/// Returns an item of this type and with these flags that is number 1 of a stream. `rest` is its
/// body behind the number.
fn placed(kind: u16, flags: u8, rest: &[u8]) -> Vec<u8> {
    let body = [&[0x5a; 16][..], &1_u64.to_le_bytes(), rest].concat();
    let [a, b, c, _] = u32::try_from(body.len()).expect("short").to_le_bytes();
    [&kind.to_le_bytes()[..], &[flags, a, b, c], &body].concat()
}

/// Returns an item of the unknown type 999, with these flags and one byte.
pub(super) fn unknown(flags: u8) -> Vec<u8> {
    vec![0xe7, 3, flags, 1, 0, 0, b'?']
}
