//! Links: whole handshakes with records after them, and a refusal for each check.

mod forms;
mod shake;

use super::{family::Family, wire};
use crate::{
    json::{Object, len},
    random::Recorder,
    second::{NONCE_0, exp, ext, hash, label, record},
    vector::Case,
};
use deaddrop_link::{Cookie, CookieKey, no_common_version, retry};
use deaddrop_primitives::{aead, kem, x25519};
use deaddrop_wire::{Features, Fingerprint, Item, Offer, Version, encode_items, item::Ping};
use shake::{Shake, greeting, offer, one_item};

fn ping(nonce: u32) -> Vec<u8> {
    one_item(Ping { nonce }.into())
}

/// Returns the two steps that must come first, and `steps` behind them: the client sends nothing
/// before it has opened a record of the relay. Steps are numbered from 0, so the first of `steps`
/// is number 2.
fn proven(steps: impl IntoIterator<Item = Object>) -> Vec<Object> {
    [seal("relay", &ping(7)), open("client", 0)].into_iter().chain(steps).collect()
}

fn seal(by: &str, items: &[u8]) -> Object {
    Object::new().with("do", "seal").with("by", by).hex("items", items)
}

fn open(by: &str, of: usize) -> Object {
    Object::new().with("do", "open").with("by", by).with("of", len(of))
}

fn open_raw(by: &str, record: &[u8]) -> Object {
    Object::new().with("do", "open").with("by", by).hex("record", record)
}

pub(super) fn cases() -> Vec<Case> {
    let mut f = Family::new("link");
    let shake = Shake::new(70);
    honest(&mut f, &shake);
    at_the_relay(&mut f, &shake);
    at_the_client(&mut f, &shake);
    records(&mut f, &shake);
    cookies(&mut f);
    forms::add(&mut f, &shake);
    f.cases
}

fn honest(f: &mut Family, shake: &Shake) {
    let items: Vec<Item> = wire::samples().into_iter().take(4).map(|sample| sample.1).collect();
    let several = encode_items(&items).expect("short");
    let (put_small, put_medium) = (one("put-small"), one("put-medium"));
    f.add(
        "link",
        "whole",
        "A handshake with every value on the way, and records both ways.",
        shake.input(vec![
            seal("relay", &ping(1)),
            open("client", 0),
            seal("client", &several),
            open("relay", 2),
            seal("client", &put_small),
            open("relay", 4),
            seal("relay", &ping(2)),
            open("client", 6),
            seal("client", &put_medium),
            open("relay", 8),
        ]),
    );
    let mut input = shake.input(vec![]);
    input.0.push(("cookie".to_owned(), crate::json::hex([0xcc; 32])));
    f.add(
        "link",
        "with-cookie",
        "After a Retry: C1 carries the cookie, and the transcript covers it.",
        input,
    );
    let mut input = shake.input(vec![]);
    for (name, value) in &mut input.0 {
        match name.as_str() {
            "client_offer" => *value = offer(&[1, 2, 7], 6).into(),
            "relay_offer" => *value = offer(&[2, 3, 7, 9], 3).into(),
            _ => {}
        }
    }
    f.add("link", "versions", "The highest common version is 7.", input);
    let steps = proven([
        seal("client", &ping(1)).with("times", 65_536_u32),
        open("relay", 2),
        seal("client", &ping(2)),
        open("relay", 4),
    ]);
    f.add(
        "link",
        "rekey",
        "The client's records 1 to 65,536 are the same ping; the last is the first under a new key, and is shown.",
        shake.input(steps),
    );
}

/// Returns the encoding of the sample item with this name.
fn one(name: &str) -> Vec<u8> {
    one_item(wire::samples().into_iter().find(|sample| sample.0 == name).expect("a sample").1)
}

fn at_the_relay(f: &mut Family, shake: &Shake) {
    let v1 = || offer(&[1], 0);
    let mut answer = |name: &str, comment: &str, c1: &[u8], relay_offer: Object| {
        f.add("link-relay-answer", name, comment, shake.answer(c1, relay_offer));
    };
    let c1 = &shake.c1;
    answer("answer", "An honest C1.", c1, v1());
    let changed = |at: usize, bytes: &[u8]| {
        let mut message = c1.clone();
        message[at..at + bytes.len()].copy_from_slice(bytes);
        message
    };
    answer("refused-k-01-magic", "K-01: ddC0.", &changed(3, b"0"), v1());
    answer("refused-k-01-short", "K-01: a byte is missing.", &c1[..c1.len() - 1], v1());
    answer("refused-k-01-long", "K-01: a byte too many.", &[&c1[..], &[0]].concat(), v1());
    answer(
        "refused-k-01-no-version",
        "K-01: no version offered.",
        &[&c1[..4], &[0], &c1[7..]].concat(),
        v1(),
    );
    answer(
        "refused-k-01-order",
        "K-01: versions 2, 1.",
        &[&c1[..4], &[2, 2, 0, 1, 0], &c1[7..]].concat(),
        v1(),
    );
    let nine = [&c1[..4], &[9, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0, 7, 0, 8, 0, 9, 0], &c1[7..]].concat();
    answer("refused-k-01-many", "K-01: nine versions.", &nine, v1());
    answer("refused-k-01-cookie-flag", "K-01: has_cookie is 2.", &changed(15, &[2]), v1());
    answer("refused-k-02-version", "K-02: the relay speaks version 2 only.", c1, offer(&[2], 0));
    answer("refused-k-04-canonical", "K-04: E_c is not canonical.", &changed(16, &[0xff; 32]), v1());
    answer("refused-k-04-low-order", "K-04: E_c is zero.", &changed(16, &[0; 32]), v1());
    answer("refused-k-04-ml-kem", "K-04: ek_c is not reduced.", &changed(48, &[0xff; 3]), v1());

    let mut finish = |name: &str, comment: &str, c2: &[u8]| {
        f.add("link-relay-finish", name, comment, shake.finish(c2));
    };
    let c2 = &shake.c2;
    let flipped = |at: usize| {
        let mut message = c2.clone();
        message[at] ^= 1;
        message
    };
    finish("finish", "An honest C2.", c2);
    finish("refused-k-13-magic", "K-13: another magic.", &flipped(3));
    finish("refused-k-13-short", "K-13: the record lacks a byte.", &c2[..c2.len() - 1]);
    finish("refused-k-13-no-record", "K-13: no record.", &c2[..1_092]);
    let key = k_client(shake);
    let greeting = one_item(greeting().into());
    let mut longer = greeting.clone();
    longer.resize(4_608, 0);
    let longer = [&c2[..1_092], &record(&key, 0, &longer)].concat();
    finish("refused-k-13-long", "K-13: Hello alone in a record of 4,624 bytes.", &longer);
    finish("refused-k-14-ciphertext", "K-14: ct_s is changed.", &flipped(500));
    finish("refused-k-14-record", "K-14: the record is changed.", &flipped(c2.len() - 1));
    let mut hold = |name: &str, comment: &str, plaintext: &[u8]| {
        let mut padded = plaintext.to_vec();
        padded.resize(512, 0);
        finish(name, comment, &[&c2[..1_092], &record(&key, 0, &padded)].concat());
    };
    hold("refused-k-20-empty", "K-20: the record is empty.", &[]);
    hold("refused-k-20-other", "K-20: a Ping in place of Hello.", &ping(7));
    hold("refused-k-20-twice", "K-20: Hello twice.", &[&greeting[..], &greeting].concat());
    // A Put of a known size class is too long for C2. One of an unknown class shows a right as well.
    let put = [&[0x20, 0, 1, 34, 0, 0, 1][..], &[0x5e; 32], &[9]].concat();
    hold(
        "refused-k-20-put",
        "K-20: a Put of an unknown size class behind Hello.",
        &[&greeting[..], &put].concat(),
    );
    hold(
        "refused-malformed-c2",
        "W-03 in the record of C2: a reserved flag of Hello is set. The record is refused as any other is.",
        &[&greeting[..2], &[3], &greeting[3..]].concat(),
    );
    let unknown = [0xff, 0x7f, 0, 0, 0, 0];
    hold(
        "refused-k-20-unknown",
        "K-20: an item of unknown type behind Hello, not critical.",
        &[&greeting[..], &unknown].concat(),
    );
}

/// Returns the key of the client's records after this handshake.
fn k_client(shake: &Shake) -> [u8; 32] {
    let values = crate::ops::run("link", &shake.input(vec![])).expect("honest").intermediate;
    values.array("k_client").expect("a key")
}

fn at_the_client(f: &mut Family, shake: &Shake) {
    let s1 = &shake.s1;
    let changed = |at: usize, bytes: &[u8]| {
        let mut message = s1.clone();
        message[at..at + bytes.len()].copy_from_slice(bytes);
        message
    };
    let flipped = |at: usize| changed(at, &[s1[at] ^ 1]);
    let mut take = |name: &str, comment: &str, input: Object| f.add("link-client-step", name, comment, input);
    take("client-finish", "An honest S1.", shake.honest(s1));
    let cookie = retry(&Cookie::from_bytes([0xcc; 32]));
    take("client-retry", "A Retry: C1 again, with the cookie.", shake.honest(&cookie));
    let versions = Offer::new(vec![Version(2), Version(3)], Features::NONE).expect("ascending");
    let message = no_common_version(&versions);
    take("refused-k-03-version", "K-03: the relay speaks 2 and 3.", shake.honest(&message));
    let unordered = [&b"ddNV\x02"[..], &[3, 0, 2, 0]].concat();
    take("refused-k-05-order", "K-05: ddNV with versions 3, 2.", shake.honest(&unordered));
    take("refused-k-05-no-version", "K-05: ddNV without a version.", shake.honest(b"ddNV\0"));
    take("refused-k-05-magic", "K-05: another magic.", shake.honest(&flipped(3)));
    take("refused-k-05-short", "K-05: a byte is missing.", shake.honest(&s1[..s1.len() - 1]));
    take(
        "refused-k-05-retry",
        "K-05: a Retry with a byte too many.",
        shake.honest(&[&cookie[..], &[0]].concat()),
    );
    take("refused-k-06-version", "K-06: version 2 was not offered.", shake.honest(&changed(4, &[2, 0])));
    take("refused-k-07-canonical", "K-07: E_r is not canonical.", shake.honest(&changed(14, &[0xff; 32])));
    take("refused-k-07-low-order", "K-07: E_r is zero.", shake.honest(&changed(14, &[0; 32])));
    take("refused-k-08-features", "K-08: the features are changed on the way.", shake.honest(&flipped(6)));
    take("refused-k-08-ciphertext", "K-08: ct_e is changed.", shake.honest(&flipped(500)));
    take("refused-k-08-identity", "K-08: the sealed identity is changed.", shake.honest(&flipped(2_000)));
    let other = Fingerprint::from_bytes([0x0f; 32]);
    take("refused-k-09-other-relay", "K-09: another relay than the pinned one.", shake.step(&other, s1));
    for (name, comment, at, bytes) in [
        ("k-10-canonical", "K-10: the identity's X25519 key is not canonical.", 0, &[0xff; 32][..]),
        ("k-10-low-order", "K-10: the identity's X25519 key is zero.", 0, &[0; 32]),
        ("k-10-ml-kem", "K-10: the identity's ML-KEM key is not reduced.", 32, &[0xff; 3]),
    ] {
        let mut public = shake.identity.public_bytes().to_vec();
        public[at..at + bytes.len()].copy_from_slice(bytes);
        let fingerprint = Fingerprint::from_bytes(hash("relay fingerprint", &[&public]));
        let message = s1_with_identity(&shake.c1, &public);
        take(&format!("refused-{name}"), comment, shake.step(&fingerprint, &message));
    }
    take(
        "refused-k-11-confirmation",
        "K-11: the confirmation is changed.",
        shake.honest(&flipped(s1.len() - 1)),
    );
    let mut input = shake.honest(&cookie);
    input.0.push(("cookie".to_owned(), crate::json::hex([0xcc; 32])));
    take("refused-k-12-retry", "K-12: a second Retry.", input);
}

/// Returns an S1 of a relay that shows any bytes as its identity. The confirmation at its end is
/// zero, because the client refuses the identity before.
fn s1_with_identity(c1: &[u8], public: &[u8]) -> Vec<u8> {
    let mut r = Recorder::new(71);
    let hello = &c1[c1.len() - 1_216..];
    let e_c = x25519::PublicKey::from_bytes(hello[..32].try_into().expect("32 bytes")).expect("honest");
    let ek_c =
        kem::EncapsulationKey::from_bytes(hello[32..].try_into().expect("1184 bytes")).expect("honest");
    let e_r = x25519::SecretKey::generate(&mut r);
    let (ct_e, ss_e) = ek_c.encapsulate(&mut r);
    let head = [&b"ddS1\x01\0"[..], &[0; 8], e_r.public_key().as_bytes(), &ct_e].concat();
    let h1 = hash("link transcript 1", &[c1, &head]);
    let dh = e_r.diffie_hellman(&e_c).expect("honest");
    let key = exp(&ext(&label("link"), &[dh.expose(), ss_e.expose()]), "link static", &h1);
    [&head[..], &aead::seal(&key, &NONCE_0, &h1, public), &[0; 16]].concat()
}

fn records(f: &mut Family, shake: &Shake) {
    let mut steps = |name: &str, comment: &str, steps: Vec<Object>| {
        f.add("link", &format!("refused-{name}"), comment, shake.input(proven(steps)));
    };
    let sealed = seal("client", &ping(1));
    // The last step of each shows that the link stays dead.
    steps(
        "k-15-length",
        "K-15: 527 bytes; K-17: nothing is opened after it.",
        vec![sealed.clone(), open_raw("relay", &[0; 527]), open("relay", 2)],
    );
    steps(
        "k-16-junk",
        "K-16: a record from nowhere.",
        vec![sealed.clone(), open_raw("relay", &[0x42; 528]), open("relay", 2)],
    );
    steps(
        "k-16-repeated",
        "K-16: the same record twice.",
        vec![sealed.clone(), open("relay", 2), open("relay", 2)],
    );
    steps(
        "k-16-order",
        "K-16: a record is missing.",
        vec![sealed.clone(), seal("client", &ping(2)), open("relay", 3), open("relay", 2)],
    );
    steps("k-16-direction", "K-16: a record comes back to its sender.", vec![sealed, open("client", 2)]);
    // Record 1 of the client, sealed by a client that breaks the rules.
    let key = k_client(shake);
    let mut plaintext = vec![0x50, 0, 0x80, 1, 0, 0, 1];
    plaintext.resize(512, 0);
    let bad = record(&key, 1, &plaintext);
    steps(
        "malformed",
        "W-03 inside an authentic record: the link dies too.",
        vec![open_raw("relay", &bad), seal("client", &ping(1)), open("relay", 3)],
    );
}

fn cookies(f: &mut Family) {
    let key = [0x31; 32];
    let made = CookieKey::generate(&mut crate::random::Script::new(key.to_vec()));
    let cookie = *made.issue(b"192.0.2", 1_000).as_bytes();
    let input =
        |prefix: &[u8], now: u64| Object::new().hex("key", key).hex("prefix", prefix).with("now_s", now);
    let mut add = |name: &str, comment: &str, input: Object| f.add("cookie", name, comment, input);
    add("cookie", "Ours; another relay may make them otherwise.", input(b"192.0.2", 1_000));
    add("cookie-good", "In the next bucket.", input(b"192.0.2", 1_049).hex("shown", cookie));
    add("refused-k-19-stale", "K-19: two buckets later.", input(b"192.0.2", 1_050).hex("shown", cookie));
    add("refused-k-19-prefix", "K-19: another prefix.", input(b"192.0.3", 1_000).hex("shown", cookie));
}
