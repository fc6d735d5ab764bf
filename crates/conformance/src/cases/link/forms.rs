//! Forms of handshake messages, and orders of checks, that the other files of the family do not tell apart.

use super::shake::{Shake, offer};
use crate::{
    cases::{family::Family, points::LOW_ORDER},
    json::{Json, Object},
};
use deaddrop_link::{Cookie, CookieKey, retry};

/// Offsets of the client's keys E_c and ek_c in a C1 with one version and without a cookie.
const E_C: usize = 16;
const EK_C: usize = 48;
/// Offset in C1 of the last three bytes of coefficients of ek_c, which hold two of them.
const LAST_PAIR: usize = EK_C + 1_149;

/// Pairs of 12-bit coefficients of an ML-KEM key: 3,329 (q, not reduced) as the first, then as the
/// second, the other one being 0; then twice 3,328, the largest one that is reduced.
const FIRST_IS_Q: [u8; 3] = [0x01, 0x0d, 0];
const SECOND_IS_Q: [u8; 3] = [0, 0x10, 0xd0];
const BOTH_BELOW_Q: [u8; 3] = [0, 0x0d, 0xd0];

pub(super) fn add(f: &mut Family, shake: &Shake) {
    at_the_relay(f, shake);
    at_the_client(f, shake);
    cookie(f);
}

fn at_the_relay(f: &mut Family, shake: &Shake) {
    let c1 = &shake.c1;
    let mut answer = |name: &str, comment: &str, c1: &[u8], versions: &[u16]| {
        f.add("link-relay-answer", name, comment, shake.answer(c1, offer(versions, 0)));
    };
    let changed = |at: usize, bytes: &[u8]| {
        let mut message = c1.clone();
        message[at..at + bytes.len()].copy_from_slice(bytes);
        message
    };
    let twice = [&c1[..4], &[2, 1, 0, 1, 0], &c1[7..]].concat();
    answer("refused-k-01-equal", "K-01: version 1 twice.", &twice, &[1]);
    let with_cookie = [&c1[..15], &[2], &[0xcc; 32], &c1[16..]].concat();
    answer(
        "refused-k-01-flag-and-cookie",
        "K-01: has_cookie is 2, and a cookie is there.",
        &with_cookie,
        &[1],
    );
    let with_two = [&c1[..15], &[2], &[0xcc; 64], &c1[16..]].concat();
    answer("refused-k-01-flag-and-two", "K-01: has_cookie is 2, and two cookies are there.", &with_two, &[1]);
    answer(
        "refused-k-02-before-k-04",
        "K-02: the relay speaks version 2 only. E_c is zero (K-04), which is looked at later.",
        &changed(E_C, &[0; 32]),
        &[2],
    );
    for (number, point) in LOW_ORDER.iter().enumerate() {
        let name = format!("refused-k-04-low-order-{}", number + 1);
        answer(&name, "K-04: E_c is canonical and of low order.", &changed(E_C, point), &[1]);
    }
    let comment = "Two coefficients of ek_c are 3,328, the largest one.";
    answer("answer-coefficients", comment, &changed(EK_C, &BOTH_BELOW_Q), &[1]);
    let coefficient = "K-04: one coefficient of ek_c is 3,329, and all others are reduced:";
    for (name, which, at, bytes) in [
        ("first", "the first.", EK_C, FIRST_IS_Q),
        ("second", "the second.", EK_C, SECOND_IS_Q),
        ("last", "the last.", LAST_PAIR, SECOND_IS_Q),
    ] {
        let name = format!("refused-k-04-coefficient-{name}");
        answer(&name, &format!("{coefficient} {which}"), &changed(at, &bytes), &[1]);
    }
}

fn at_the_client(f: &mut Family, shake: &Shake) {
    let mut take = |name: &str, comment: &str, message: &[u8]| {
        f.add("link-client-step", name, comment, shake.honest(message));
    };
    let versions = |versions: &[u16]| {
        let list = versions.iter().flat_map(|version| version.to_le_bytes());
        [&b"ddNV"[..], &[u8::try_from(versions.len()).expect("few")], &list.collect::<Vec<u8>>()].concat()
    };
    let comment = "K-03: ddNV with versions 1 and 2. It has the right form, although 1 was offered.";
    take("refused-k-03-own", comment, &versions(&[1, 2]));
    take("refused-k-05-long", "K-05: S1 with a byte too many.", &[&shake.s1[..], &[0]].concat());
    let cookie = retry(&Cookie::from_bytes([0xcc; 32]));
    take("refused-k-05-retry-short", "K-05: a Retry lacks a byte.", &cookie[..35]);
    let nine: Vec<u16> = (2..=10).collect();
    take("refused-k-05-many", "K-05: ddNV with nine versions.", &versions(&nine));
    take("refused-k-05-equal", "K-05: ddNV with version 2 twice.", &versions(&[2, 2]));
    let behind = [&versions(&[2])[..], &[0]].concat();
    take("refused-k-05-behind", "K-05: ddNV with a byte behind its versions.", &behind);
}

fn cookie(f: &mut Family) {
    let key = [0x31; 32];
    let made = CookieKey::generate(&mut crate::random::Script::new(key.to_vec()));
    let shown = *made.issue(b"192.0.2", 1_000).as_bytes();
    let input = Object::new().hex("key", key).hex("prefix", b"192.0.2").with("now_s", Json::from(989_u64));
    f.add("cookie", "refused-k-19-early", "K-19: of the bucket that follows.", input.hex("shown", shown));
}
