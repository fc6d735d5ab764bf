//! Bundles: made, opened, and refused for each check; links read and refused.

use super::{
    family::Family,
    world::{ADDRESS, NOT_AFTER, TODAY, World, person},
};
use crate::{
    json::Object,
    random::Recorder,
    second::{boxed, pad},
    vector::Case,
};
use deaddrop_e2ee::{
    hazmat,
    identity::IdentityKeyPair,
    invite::{InviteLink, InviteSecret},
};
use deaddrop_wire::{Fingerprint, RelayAddress};

/// Offset of the identity in a body; below, those of the fields behind it (chapter 03).
const IDENTITY: usize = 38;
pub(super) const X25519: usize = IDENTITY + 32;
pub(super) const ML_KEM: usize = IDENTITY + 64;
pub(super) const PREKEY_X25519: usize = IDENTITY + 1_248;
pub(super) const PREKEY_ML_KEM: usize = PREKEY_X25519 + 32;
pub(super) const ADDRESS_LEN: usize = PREKEY_ML_KEM + 1_184;

/// Returns the body (all but signature and padding) of the bundle in a world.
fn body(world: &World) -> Vec<u8> {
    let padded = unsealed(world.invite.secret().expose(), &world.blob);
    padded[..ADDRESS_LEN + 2 + ADDRESS.len()].to_vec()
}

/// Returns the padded plaintext of a sealed bundle. `h` is the hash that the invite's link carries.
fn unsealed(h: &[u8; 32], blob: &[u8]) -> Vec<u8> {
    let keys = hazmat::invite(h);
    let (nonce, sealed) = blob.split_first_chunk().expect("a blob");
    deaddrop_primitives::aead::open(&keys.k_bundle, nonce, &crate::second::label("invite"), sealed)
        .expect("just sealed")
}

struct Opened<'a> {
    h: [u8; 32],
    blob: &'a [u8],
    own: [u8; 32],
    today: u32,
}

impl Opened<'_> {
    fn input(&self) -> Object {
        Object::new().hex("h", self.h).hex("blob", self.blob).hex("own", self.own).with("today", self.today)
    }
}

pub(super) fn bundles() -> Vec<Case> {
    let mut f = Family::new("bundle");
    let mut world = World::new(10);
    let mut r = Recorder::new(11);
    f.add(
        "create-bundle",
        "create",
        "A bundle: body, signature, hash, keys, sealed blob.",
        Object::new()
            .hex("identity_seed", world.responder_seed)
            .with("not_after", NOT_AFTER)
            .hex("address", ADDRESS)
            .hex("random", r.vec(140)),
    );
    f.add(
        "create-bundle",
        "create-longest-address",
        "The address has 512 bytes.",
        Object::new()
            .hex("identity_seed", world.responder_seed)
            .with("not_after", NOT_AFTER)
            .hex("address", r.vec(512))
            .hex("random", r.vec(140)),
    );
    f.add(
        "create-bundle",
        "create-address-too-long",
        "513 bytes of address.",
        Object::new()
            .hex("identity_seed", world.responder_seed)
            .with("not_after", NOT_AFTER)
            .hex("address", r.vec(513))
            .hex("random", r.vec(140)),
    );
    let h = *world.invite.secret().expose();
    let own = *world.initiator.identity_key().hash().as_bytes();
    let (blob, body) = (world.blob.clone(), body(&world));
    let responder = *world.responder.identity_key().hash().as_bytes();
    let honest = Opened { h, blob: &blob, own, today: TODAY };
    f.add("open-bundle", "open", "An honest bundle.", honest.input());
    f.add("open-bundle", "open-last-day", "Its last day.", Opened { today: NOT_AFTER, ..honest }.input());
    f.add(
        "open-bundle",
        "open-known-contact",
        "From the contact that it must come from.",
        honest.input().hex("expected", responder),
    );

    let mut refused = |name: &str, comment: &str, input: Object| {
        f.add("open-bundle", &format!("refused-{name}"), comment, input);
    };
    refused("c-01-short", "C-01: 4,095 bytes.", Opened { blob: &blob[..4_095], ..honest }.input());
    let mut changed = blob.clone();
    changed[2_000] ^= 1;
    refused("c-02-changed", "C-02: one bit changed.", Opened { blob: &changed, ..honest }.input());
    refused("c-02-other-link", "C-02: another link.", Opened { h: r.bytes(), ..honest }.input());

    let keys = hazmat::invite(&h);
    let signature = [0x11; 64];
    let sealed = |plain: &[u8], nonce: [u8; 12]| boxed(&keys.k_bundle, &nonce, "invite", plain);
    let mut padded = pad(&[&body[..], &signature].concat(), 4_068);
    *padded.last_mut().expect("not empty") = 1;
    let bad = sealed(&padded, r.bytes());
    refused(
        "c-03-padding",
        "C-03: the last byte of the padding is 1.",
        Opened { blob: &bad, ..honest }.input(),
    );
    let mut other = body.clone();
    other[10] ^= 1;
    let bad = sealed(&pad(&[&other[..], &signature].concat(), 4_068), r.bytes());
    refused(
        "c-04-hash",
        "C-04: sealed under the link's key, but another body: what who knows the link could put in its place.",
        Opened { blob: &bad, ..honest }.input(),
    );

    let bad = sealed(&pad(&[1; 63], 4_068), r.bytes());
    refused("c-05-no-signature", "C-05: 63 bytes were padded.", Opened { blob: &bad, ..honest }.input());

    // From here on every body has its own true hash, and is signed by the inviter unless said otherwise.
    let mut made =
        |name: &str, comment: &str, change: &dyn Fn(&mut Vec<u8>), signer: &IdentityKeyPair, own| {
            let mut body = body.clone();
            change(&mut body);
            let (h, blob) = hazmat::seal_bundle(signer, &body, &world.recorder.bytes()).expect("fits");
            refused(name, comment, Opened { h, blob: &blob, own, today: TODAY }.input());
        };
    let inviter = person(world.responder_seed);
    let inviter = &inviter;
    made(
        "c-05-address-length",
        "C-05: the address is said to be longer than it is.",
        &|b| b[ADDRESS_LEN] += 1,
        inviter,
        own,
    );
    made("c-05-short", "C-05: the body ends within the prekey.", &|b| b.truncate(2_000), inviter, own);
    made("c-06-kind", "C-06: kind 2.", &|b| b[0] = 2, inviter, own);
    made("c-06-suite", "C-06: suite 2.", &|b| b[1] = 2, inviter, own);
    let yesterday = (TODAY - 1).to_le_bytes();
    made(
        "c-07-expired",
        "C-07: not_after was yesterday.",
        &|b| b[2..6].copy_from_slice(&yesterday),
        inviter,
        own,
    );
    let stranger = person([0x77; 32]);
    made("c-08-signature", "C-08: signed by somebody else.", &|_| {}, &stranger, own);
    made(
        "c-09-x25519",
        "C-09: the identity's X25519 key is not canonical.",
        &|b| b[X25519..X25519 + 32].fill(0xff),
        inviter,
        own,
    );
    made(
        "c-09-low-order",
        "C-09: the identity's X25519 key is zero.",
        &|b| b[X25519..X25519 + 32].fill(0),
        inviter,
        own,
    );
    made(
        "c-09-ml-kem",
        "C-09: the identity's ML-KEM key is not reduced.",
        &|b| b[ML_KEM..ML_KEM + 3].fill(0xff),
        inviter,
        own,
    );
    made("c-10-own", "C-10: one's own bundle.", &|_| {}, inviter, responder);
    made(
        "c-11-x25519",
        "C-11: the X25519 prekey is not canonical.",
        &|b| b[PREKEY_X25519..PREKEY_X25519 + 32].fill(0xff),
        inviter,
        own,
    );
    made(
        "c-11-low-order",
        "C-11: the X25519 prekey is zero.",
        &|b| b[PREKEY_X25519..PREKEY_X25519 + 32].fill(0),
        inviter,
        own,
    );
    made(
        "c-11-ml-kem",
        "C-11: the ML-KEM prekey is not reduced.",
        &|b| b[PREKEY_ML_KEM..PREKEY_ML_KEM + 3].fill(0xff),
        inviter,
        own,
    );
    made("c-05-behind", "C-05: a byte stands behind the address.", &|b| b.push(0), inviter, own);
    made(
        "c-05-address-long",
        "C-05: the address has 513 bytes.",
        &|b| {
            b.truncate(ADDRESS_LEN);
            b.extend_from_slice(&513_u16.to_le_bytes());
            b.resize(b.len() + 513, b'a');
        },
        inviter,
        own,
    );
    // A bundle that an acceptor without the check reads: signed by the inviter, and sealed under the link's key.
    let signed = |body: &[u8]| {
        let (h, blob) = hazmat::seal_bundle(inviter, body, &[0; 12]).expect("fits");
        let plain = unsealed(&h, &blob);
        plain[..body.len() + 64].to_vec()
    };
    let mut last_is_1 = pad(&signed(&body), 4_068);
    *last_is_1.last_mut().expect("not empty") = 1;
    for (name, comment, plain, nonce) in [
        ("c-01-sealed", "C-01: 4,095 bytes, and nothing else is wrong.", pad(&signed(&body), 4_067), [1; 12]),
        (
            "c-03-signed",
            "C-03: the last byte of the padding is 1, and nothing else is wrong.",
            last_is_1,
            [2; 12],
        ),
        (
            "c-04-signed",
            "C-04: another body of the inviter, sealed under this link's key.",
            pad(&signed(&other), 4_068),
            [3; 12],
        ),
    ] {
        let bad = sealed(&plain, nonce);
        refused(name, comment, Opened { blob: &bad, ..honest }.input());
    }
    refused(
        "c-12-other-person",
        "C-12: a valid bundle, but not of the contact that it must come from.",
        honest.input().hex("expected", [0x77; 32]),
    );
    orders(&mut f, &body, (&world.responder, own));
    f.cases
}

/// Adds bundles that break two rules of different classes, so that the order of the checks shows.
fn orders(f: &mut Family, body: &[u8], (inviter, own): (&IdentityKeyPair, [u8; 32])) {
    let stranger = person([0x77; 32]);
    let inviter_hash = *inviter.identity_key().hash().as_bytes();
    let mut refused = |name: &str, comment: &str, change: &[(usize, &[u8])], signer, own, expected| {
        let mut body = body.to_vec();
        for (at, bytes) in change {
            body[*at..*at + bytes.len()].copy_from_slice(bytes);
        }
        let (h, blob) = hazmat::seal_bundle(signer, &body, &[4; 12]).expect("fits");
        let mut input = Opened { h, blob: &blob, own, today: TODAY }.input();
        if let Some(expected) = expected {
            input = input.hex("expected", expected);
        }
        f.add("open-bundle", &format!("refused-{name}"), comment, input);
    };
    let (suite, yesterday): ([u8; 1], _) = ([2], (TODAY - 1).to_le_bytes());
    refused(
        "c-06-before-c-07",
        "C-06: suite 2. The last day has passed (C-07), and the signature is another's (C-08): both are looked at later.",
        &[(1, &suite), (2, &yesterday)],
        &stranger,
        own,
        None,
    );
    refused(
        "c-07-before-c-08",
        "C-07: not_after was yesterday. The signature is another's (C-08), which is looked at later.",
        &[(2, &yesterday)],
        &stranger,
        own,
        None,
    );
    let other = Some([0x77; 32]);
    refused(
        "c-10-before-c-12",
        "C-10: one's own bundle, where one of a contact must come (C-12), which is looked at later.",
        &[],
        inviter,
        inviter_hash,
        other,
    );
    refused(
        "c-11-before-c-12",
        "C-11: the X25519 prekey is zero. It is not the contact's bundle (C-12), which is looked at later.",
        &[(PREKEY_X25519, &[0; 32])],
        inviter,
        own,
        other,
    );
}

pub(super) fn invites() -> Vec<Case> {
    let mut f = Family::new("invite");
    let mut r = Recorder::new(12);
    let (fingerprint, h): ([u8; 32], [u8; 32]) = (r.bytes(), r.bytes());
    let relay =
        |url: &str| RelayAddress::new(Fingerprint::from_bytes(fingerprint), url).expect("a relay's URL");
    let link = |url: &str| InviteLink::new(relay(url), InviteSecret::from_bytes(h)).to_text();
    for (name, url) in [
        ("tls", "wss://relay.example/"),
        ("port", "ws://127.0.0.1:4711/"),
        ("path", "wss://relay.example/drop/"),
        ("ipv6", "ws://[2001:db8::1]:8080/"),
    ] {
        let input = Object::new().with("relay", relay(url).to_string()).hex("h", h);
        f.add("write-link", &format!("write-{name}"), "A link's text.", input);
        let input = Object::new().with("link", link(url).as_str());
        f.add("read-link", &format!("read-{name}"), "And read back.", input);
    }
    let text = link("wss://relay.example/");
    let (place, fragment) = text.split_once('#').expect("a fragment");
    let web = place.replacen("deaddrop:wss", "https", 1);
    let mut read = |name: &str, comment: &str, text: &str| {
        f.add("read-link", name, comment, Object::new().with("link", text));
    };
    read("read-https", "The form that a browser opens.", &format!("{web}#{fragment}"));
    read("read-blanks", "Blanks around a link are ignored.", &format!(" {}\n", text.as_str()));
    read("refused-not-a-link", "No link at all.", "hello#there");
    read("refused-other-scheme", "ftp.", &format!("{}#{fragment}", place.replacen("wss", "ftp", 1)));
    read("refused-no-fragment", "Cut off in front of the fragment.", place);
    read("refused-truncated", "One character is missing.", &text[..text.len() - 1]);
    read("refused-too-long", "One character too many.", &format!("{}A", text.as_str()));
    read("refused-character", "A character that is not base64url.", &text.replacen("#A", "#!", 1));
    let newer = [&[2][..], &fingerprint, &h].concat();
    let newer = crate::cases::content::base64url(&newer);
    read("refused-newer", "Version 2.", &format!("{place}#{newer}"));
    let trailing = format!("{}{}", &text[..text.len() - 1], if text.ends_with('B') { 'C' } else { 'B' });
    read("refused-trailing-bits", "Unused bits are not zero.", &trailing);
    f.cases
}
