//! Reset bundles and first messages of resets that one check alone refuses: an implementation without the check takes them.

use super::{
    bundle::{ADDRESS_LEN, ML_KEM, PREKEY_ML_KEM, PREKEY_X25519, X25519},
    family::Family,
    handshake::{first_contents, single_faults, unknown},
    initial::{ABOVE_P, Addressee, Tweak, ZERO_PRODUCTS, initial_message_to},
    reset_scene::Scene,
    world::{NOT_AFTER, TODAY, hello, person, plain},
};
use crate::{json::Object, random::Recorder, second::hash};
use deaddrop_e2ee::hazmat;

/// The range of the identity in the body of a reset bundle.
const IDENTITY: core::ops::Range<usize> = 38..38 + 1_248;

/// A reset bundle's body that arrives, and what its receiver knows: the hashes of the own and of
/// the expected identity, and the day.
struct Arrived {
    body: Vec<u8>,
    own: [u8; 32],
    expected: [u8; 32],
    today: u32,
}

impl Arrived {
    fn input(&self) -> Object {
        Object::new()
            .hex("bundle", &self.body)
            .hex("own", self.own)
            .hex("expected", self.expected)
            .with("today", self.today)
    }

    /// Returns the arrival of a body with other bytes at `at`. The receiver expects the identity
    /// that is in the body then.
    fn with(&self, at: usize, bytes: &[u8]) -> Self {
        let mut body = self.body.clone();
        body[at..at + bytes.len()].copy_from_slice(bytes);
        let expected = hash("identity", &[&body[IDENTITY]]);
        Self { body, expected, ..*self }
    }

    /// Returns the arrival of a body whose address has `bytes` bytes, and whose length field says
    /// `len`.
    fn with_address(&self, len: u16, bytes: usize) -> Self {
        let mut body = self.body[..ADDRESS_LEN].to_vec();
        body.extend_from_slice(&len.to_le_bytes());
        body.resize(body.len() + bytes, b'a');
        Self { body, ..*self }
    }
}

/// Adds the cases of reset bundles.
pub(super) fn bundles(f: &mut Family) {
    let scene = Scene::new(72, NOT_AFTER);
    let hash_of = |seed| *person(seed).identity_key().hash().as_bytes();
    let (own, expected) = (hash_of(scene.initiator), hash_of(scene.responder));
    let honest = Arrived { body: scene.bundle.body, own, expected, today: TODAY };
    let mut open = |name: &str, comment: &str, arrived: &Arrived| {
        f.add("open-reset-bundle", name, comment, arrived.input());
    };
    open("open-bundle", "A reset bundle of the contact.", &honest);
    open("open-bundle-longest-address", "The address has 512 bytes.", &honest.with_address(512, 512));
    let other_day = |today| Arrived { body: honest.body.clone(), today, ..honest };
    open("open-bundle-last-day", "Its last day.", &other_day(NOT_AFTER));
    let mut refused = |name: &str, comment: &str, arrived: &Arrived| {
        open(&format!("refused-{name}"), comment, arrived);
    };
    refused(
        "c-05-address-length",
        "C-05: the address is said to be longer than it is.",
        &honest.with_address(1, 0),
    );
    refused("c-05-address-long", "C-05: the address has 513 bytes.", &honest.with_address(513, 513));
    refused("c-05-behind", "C-05: a byte stands behind the address.", &honest.with_address(0, 1));
    let short = Arrived { body: honest.body[..2_000].to_vec(), ..honest };
    refused("c-05-short", "C-05: the body ends within the prekey.", &short);
    refused("c-06-kind", "C-06: kind 1, that of an invite.", &honest.with(0, &[1]));
    refused("c-06-suite", "C-06: suite 2.", &honest.with(1, &[2]));
    refused("c-07-passed", "C-07: not_after was yesterday.", &other_day(NOT_AFTER + 1));
    for (name, comment, at, bytes) in [
        ("c-09-x25519", "C-09: the identity's X25519 key is not canonical.", X25519, &[0xff; 32][..]),
        ("c-09-low-order", "C-09: the identity's X25519 key is zero.", X25519, &[0; 32]),
        ("c-09-ml-kem", "C-09: the identity's ML-KEM key is not reduced.", ML_KEM, &[0xff; 3]),
        ("c-11-x25519", "C-11: the X25519 prekey is not canonical.", PREKEY_X25519, &[0xff; 32]),
        ("c-11-low-order", "C-11: the X25519 prekey is zero.", PREKEY_X25519, &[0; 32]),
        ("c-11-ml-kem", "C-11: the ML-KEM prekey is not reduced.", PREKEY_ML_KEM, &[0xff; 3]),
    ] {
        refused(name, comment, &honest.with(at, bytes));
    }
    let one = |own, expected| Arrived { body: honest.body.clone(), own, expected, ..honest };
    refused(
        "c-10-own",
        "C-10: one's own bundle; the contact is said to be oneself, so that C-12 passes.",
        &one(expected, expected),
    );
    refused(
        "c-12-other-person",
        "C-12: a valid bundle of somebody who is not the contact.",
        &one(own, [0x77; 32]),
    );
}

/// Adds the cases of first messages that arrive at the owner of a reset bundle, all proved by a
/// secret that counts.
pub(super) fn messages(f: &mut Family) {
    let scene = Scene::new(73, NOT_AFTER);
    let (mut r, to) = (Recorder::new(74), addressee(&scene));
    let own = person(scene.initiator).identity_key().as_bytes().to_vec();
    let peer = hash("identity", &[&own]);
    let mut arrives = |name: &str, comment: &str, scene: &Scene, peer: [u8; 32], envelope: &[u8]| {
        let input = scene.rules_of(peer, scene.input.clone(), "no", vec![], vec![]);
        f.add("reset", name, comment, input.hex("envelope", envelope));
    };
    let honest = initial_message_to(&to, scene.initiator, &mut r, &Tweak::default());
    arrives(
        "soft-from-the-formulas",
        "A first message from the formulas, as the refused ones.",
        &scene,
        peer,
        &honest,
    );
    let old = Scene::new(75, TODAY - 1);
    let expired = initial_message_to(&addressee(&old), old.initiator, &mut r, &Tweak::default());
    let comment = "C-42: a day after the bundle's last.";
    arrives("refused-c-42-expired", comment, &old, hash_of(old.initiator), &expired);

    let with = |at: usize, bytes: &[u8]| {
        let mut identity = own.clone();
        identity[at..at + bytes.len()].copy_from_slice(bytes);
        identity
    };
    let mut top_bit: [u8; 32] = own[32..64].try_into().expect("32 bytes");
    top_bit[31] |= 0x80;
    let known = Some(to.public_products());
    // The contact is the person that the message names, so that C-55 passes.
    for (name, comment, identity, products) in [
        (
            "c-45-top-bit",
            "C-45: the top bit of the contact's X25519 key is set. X25519 ignores it.",
            with(32, &top_bit),
            None,
        ),
        (
            "c-45-above-p",
            "C-45: the contact's X25519 key is p + 9. To X25519 that is the base point.",
            with(32, &ABOVE_P),
            known,
        ),
        ("c-45-ml-kem", "C-45: the contact's ML-KEM key is not reduced.", with(64, &[0xff; 3]), None),
        (
            "c-48-zero",
            "C-45 and C-48: the contact's X25519 key is zero, and the sender has taken zeros for both products.",
            with(32, &[0; 32]),
            Some(ZERO_PRODUCTS),
        ),
    ] {
        let peer = hash("identity", &[&identity]);
        let tweak = Tweak { identity: Some(identity), identity_products: products, ..Tweak::default() };
        let envelope = initial_message_to(&to, scene.initiator, &mut r, &tweak);
        arrives(&format!("refused-{name}"), comment, &scene, peer, &envelope);
    }
    let itself = initial_message_to(&to, scene.responder, &mut r, &Tweak::default());
    arrives(
        "refused-c-46-own",
        "C-46: the initiator is the bundle's owner, and the contact is said to be that, too, so that C-55 passes.",
        &scene,
        hash_of(scene.responder),
        &itself,
    );
    for (name, comment, tweak) in tweaks(known).into_iter().chain(single_faults()) {
        let envelope = initial_message_to(&to, scene.initiator, &mut r, &tweak);
        arrives(&format!("refused-{name}"), comment, &scene, peer, &envelope);
    }
    for (name, comment, content) in first_contents() {
        if name.starts_with("refused-") {
            let tweak = Tweak { content: Some(content), ..Tweak::default() };
            let envelope = initial_message_to(&to, scene.initiator, &mut r, &tweak);
            arrives(name, comment, &scene, peer, &envelope);
        }
    }
}

pub(super) fn hash_of(seed: [u8; 32]) -> [u8; 32] {
    *person(seed).identity_key().hash().as_bytes()
}

/// Returns the owner of the scene's bundle, with the psk that the newest reset secret gives.
pub(super) fn addressee(scene: &Scene) -> Addressee {
    let bundle = &scene.bundle;
    let (k_init, psk, _) = hazmat::reset(&bundle.hash, &scene.proofs[0]);
    Addressee { identity: person(scene.responder), h: bundle.hash, k_init, psk, px: bundle.px, pk: bundle.pk }
}

/// Returns faults of a first message, as (end of the case's name, comment, fault). `known` are the
/// owner's products with the base point.
fn tweaks(known: Option<[[u8; 32]; 2]>) -> Vec<(&'static str, &'static str, Tweak)> {
    let one = Tweak::default;
    let ek = person([1; 32]).identity_key().as_bytes()[64..].to_vec();
    let unreduced = [&[0xff; 3], &ek[3..]].concat();
    vec![
        (
            "c-40-length",
            "C-40: 16,383 bytes, and nothing else is wrong.",
            Tweak { envelope_len: Some(16_383), ..one() },
        ),
        (
            "c-43-top-bit",
            "C-43: the top bit of E is set. X25519 ignores it.",
            Tweak { ephemeral_top_bit: true, ..one() },
        ),
        (
            "c-43-above-p",
            "C-43: E is p + 9. To X25519 that is the base point.",
            Tweak { ephemeral: Some(ABOVE_P), ephemeral_products: known, ..one() },
        ),
        (
            "c-43-zero",
            "C-43: E is zero, and the sender has taken zeros for both products.",
            Tweak { ephemeral: Some([0; 32]), ephemeral_products: Some(ZERO_PRODUCTS), ..one() },
        ),
        ("c-44-identity-box", "C-44: id_box does not open.", Tweak { changed_identity_box: true, ..one() }),
        ("c-49-header", "C-49: the header does not open.", Tweak { changed_header: true, ..one() }),
        ("c-50-pn", "C-50: pn is 1.", Tweak { previous_chain_length: 1, ..one() }),
        ("c-51-x25519", "C-51: rk_0 is not canonical.", Tweak { ratchet: Some([0xff; 32]), ..one() }),
        ("c-51-low-order", "C-51: rk_0 is zero.", Tweak { ratchet: Some([0; 32]), ..one() }),
        ("c-51-ml-kem", "C-51: ek_0 is not reduced.", Tweak { kem: Some(unreduced), ..one() }),
        ("c-29-number", "C-29: the first message is number 2,000.", Tweak { message_number: 2_000, ..one() }),
        ("c-23-body", "C-23: the body does not open.", Tweak { changed_body: true, ..one() }),
        (
            "c-52-no-hello",
            "C-52: the content does not begin with Hello.",
            Tweak { content: Some(plain("hi")), ..one() },
        ),
        (
            "c-52-malformed",
            "C-52: the content is malformed.",
            Tweak { content: Some([hello("hi"), vec![1]].concat()), ..one() },
        ),
        (
            "c-52-critical",
            "C-52: behind Hello stands an unknown critical item.",
            Tweak { content: Some([hello("hi"), unknown(1)].concat()), ..one() },
        ),
    ]
}
