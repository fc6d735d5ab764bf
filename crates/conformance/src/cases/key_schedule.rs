//! Labels and single derivations.

use super::{
    family::Family,
    world::{World, hello, plain},
};
use crate::{
    json::{Json, Object, hex},
    random::Recorder,
    vector::Case,
};
use deaddrop_wire::Day;

/// Each crate and all its labels whose bytes others must match, in the order of spec/labels.md.
pub(super) const LABELS: [(&str, &[&str]); 2] = [
    (
        "e2ee",
        &[
            "identity",
            "identity ed25519",
            "identity x25519",
            "identity ml-kem-768",
            "bundle",
            "bundle hash",
            "invite",
            "invite read",
            "invite bundle",
            "invite initial",
            "invite psk",
            "invite nonce",
            "reset",
            "reset initial",
            "reset psk",
            "reset hard",
            "handshake 1",
            "handshake 2",
            "handshake identity",
            "handshake chain",
            "handshake session",
            "initial",
            "session root",
            "session chain",
            "session header 0",
            "session header 1",
            "session header 2",
            "session reset",
            "session id",
            "message",
            "chain",
            "header",
            "body",
            "nonce",
            "nonce hash",
            "stream",
            "turn",
            "turn root",
            "turn chain",
            "turn header",
            "turn reset",
            "attachment",
            "attachment segment",
            "attachment hash",
            "attachment nonce",
            "safety number",
        ],
    ),
    (
        "link",
        &[
            "capability",
            "capability own",
            "capability read",
            "capability send",
            "own id",
            "mailbox id",
            "send id",
            "client token",
            "relay identity",
            "relay identity x25519",
            "relay identity ml-kem-768",
            "relay fingerprint",
            "link",
            "link transcript 1",
            "link transcript 2",
            "link transcript 3",
            "link static",
            "link chain 1",
            "link confirm",
            "link chain 2",
            "link client",
            "link relay",
            "link rekey",
            "link cookie",
        ],
    ),
];

pub(super) fn cases() -> Vec<Case> {
    let mut f = Family::new("key-schedule");
    let mut r = Recorder::new(1);
    for (owner, texts) in LABELS {
        let texts: Vec<Json> = texts.iter().map(|text| Json::from(*text)).collect();
        f.add(
            "labels",
            &format!("labels-{owner}"),
            "Every label: prefix, text, one zero byte.",
            Object::new().with("texts", texts),
        );
    }
    for (name, seed) in [("zero-seed", [0; 32]), ("seed", r.bytes())] {
        f.add(
            "derive-identity",
            &format!("identity-{name}"),
            "A person's keys and hash from one seed (chapter 02).",
            Object::new().hex("seed", seed),
        );
    }
    f.add(
        "derive-invite-keys",
        "invite-keys",
        "What derives from a bundle's hash (chapter 03).",
        Object::new().hex("h", r.bytes::<32>()),
    );
    f.add(
        "derive-reset-keys",
        "reset-keys",
        "What derives from the hash of a reset bundle and a reset secret (chapter 05 section 6).",
        Object::new().hex("h", Recorder::new(3).bytes::<32>()).hex("rs", Recorder::new(4).bytes::<32>()),
    );
    f.add(
        "derive-session-keys",
        "session-keys",
        "What derives from the session secret (chapter 04).",
        Object::new().hex("s", r.bytes::<32>()),
    );
    let nonces: Vec<Json> = (0..4).map(|_| hex(r.bytes::<12>())).collect();
    f.add(
        "step-chain",
        "chain",
        "Four messages of one chain: message key, body key with the header's nonce, next chain key (chapter 05).",
        Object::new().hex("ck", r.bytes::<32>()).with("nonces", nonces),
    );
    turns(&mut f);
    for (name, seed) in [("zero-seed", [0; 32]), ("seed", r.bytes())] {
        f.add(
            "derive-relay-identity",
            &format!("relay-identity-{name}"),
            "A relay's keys and fingerprint from one seed (chapter 10).",
            Object::new().hex("seed", seed),
        );
    }
    f.cases
}

/// Adds the derivations of turn 1 (with the ciphertext to the identity) and of turn 2 of a real
/// conversation.
fn turns(f: &mut Family) {
    let mut world = World::new(2);
    let today = Day::from_number(super::world::TODAY);
    let (first, _) = world.session.hazmat_encrypt(&hello("one"), &mut world.recorder).expect("short");
    let accepted = world.invite.accept(&world.responder, first.as_bytes(), |_| false, today).expect("honest");
    let mut responder = accepted.session;
    for turn in 1..=2_u32 {
        let odd = turn == 1;
        let (sender, receiver, identity) = if odd {
            (&mut responder, &mut world.session, &world.initiator)
        } else {
            (&mut world.session, &mut responder, &world.responder)
        };
        let before = receiver.hazmat_sending().expect("the newest turn is the receiver's");
        let root = receiver.hazmat_root();
        let (envelope, _) = sender.hazmat_encrypt(&plain("next"), &mut world.recorder).expect("short");
        let head = sender.hazmat_sending().expect("just sent").head;
        let mut input = Object::new()
            .with("turn", turn)
            .hex("rk_before", root)
            .hex("own_ratchet_secret", before.ratchet)
            .hex("own_ml_kem_seed", before.kem_seed)
            .hex("constants", &head[..head.len() - 4]);
        if odd {
            input = input.hex("identity_seed", world.initiator_seed);
        }
        let comment =
            "One turn at its receiver: transcript, root, chain, header key, reset secret (chapter 05).";
        f.add("receive-turn", &format!("turn-{turn}"), comment, input);
        receiver.decrypt(identity, envelope.as_bytes(), today).expect("honest");
    }
}
