//! Conversations: in order, out of order, with losses, and with messages that must be refused and change nothing.

use super::{
    Family,
    world::{Tweak, World, hello, initial_message, plain},
};
use crate::{
    json::{Json, Object, len},
    second::{MessageKeys, exp, ext, hash, message},
    vector::Case,
};
use deaddrop_crypto::{
    Session,
    hazmat::{self, SendingTrace},
};
use deaddrop_primitives::{kem, x25519};
use deaddrop_wire::Day;

/// A conversation under way, with the steps that led there.
struct Talk {
    world: World,
    responder: Option<Session>,
    steps: Vec<Object>,
    envelopes: Vec<Vec<u8>>,
}

const A: bool = true;
const B: bool = false;

fn name(initiator: bool) -> &'static str {
    if initiator { "initiator" } else { "responder" }
}

impl Talk {
    fn new(seed: u64) -> Self {
        Self { world: World::new(seed), responder: None, steps: Vec::new(), envelopes: Vec::new() }
    }

    /// A's first message has arrived at B.
    fn met(seed: u64) -> Self {
        let mut talk = Self::new(seed);
        let first = talk.send(A, &hello("hello"));
        talk.receive(B, first);
        talk
    }

    fn session(&mut self, initiator: bool) -> &mut Session {
        if initiator { &mut self.world.session } else { self.responder.as_mut().expect("B has accepted") }
    }

    fn trace(&mut self, initiator: bool) -> SendingTrace {
        self.session(initiator).hazmat_sending().expect("it is this side's turn")
    }

    fn send(&mut self, by: bool, content: &[u8]) -> usize {
        let session =
            if by { &mut self.world.session } else { self.responder.as_mut().expect("B has accepted") };
        let (blob, _) = session.encrypt(content, &mut self.world.recorder).expect("short");
        let step = Object::new()
            .with("do", "send")
            .with("by", name(by))
            .hex("content", content)
            .hex("random", self.world.recorder.take());
        self.push(step, blob.into_bytes())
    }

    fn receive(&mut self, by: bool, of: usize) {
        let envelope = self.envelopes[of].clone();
        let step = Object::new().with("do", "receive").with("by", name(by)).with("of", len(of));
        self.take(by, &envelope);
        self.push(step, Vec::new());
    }

    fn receive_crafted(&mut self, by: bool, envelope: &[u8]) {
        let step = Object::new().with("do", "receive").with("by", name(by)).hex("envelope", envelope);
        self.take(by, envelope);
        self.push(step, Vec::new());
    }

    fn take(&mut self, by: bool, envelope: &[u8]) {
        let today = Day::from_number(super::world::TODAY);
        match (by, self.responder.as_mut()) {
            (A, _) => drop(self.world.session.decrypt(&self.world.initiator, envelope, today)),
            (B, Some(session)) => drop(session.decrypt(&self.world.responder, envelope, today)),
            (B, None) => {
                let accepted = self.world.invite.accept(&self.world.responder, envelope, |_| false, today);
                self.responder = accepted.ok().map(|accepted| accepted.session);
            }
        }
    }

    fn push(&mut self, step: Object, envelope: Vec<u8>) -> usize {
        self.steps.push(step);
        self.envelopes.push(envelope);
        self.steps.len() - 1
    }

    fn end(self, f: &mut Family, name: &str, comment: &str) {
        let steps: Vec<Json> = self.steps.into_iter().map(Json::from).collect();
        f.add("converse", name, comment, self.world.input.with("steps", steps));
    }
}

pub(super) fn cases() -> Vec<Case> {
    let mut f = Family::new("ratchet");
    honest(&mut f);
    from_the_formulas(&mut f);
    refused_anywhere(&mut f);
    refused_in_a_new_turn(&mut f);
    f.cases
}

fn honest(f: &mut Family) {
    let mut talk = Talk::met(30);
    for turn in 1..=6_u32 {
        let by = turn % 2 == 0;
        let sent = talk.send(by, &plain(&format!("turn {turn}")));
        talk.receive(!by, sent);
    }
    talk.end(f, "ping-pong", "Turns 0 to 6, one message each, with the secrets of each turn.");

    let mut talk = Talk::met(31);
    let sent: Vec<usize> = (0..4).map(|n| talk.send(B, &plain(&format!("number {n}")))).collect();
    for at in [2, 0, 3, 1] {
        talk.receive(A, sent[at]);
    }
    talk.end(f, "out-of-order", "Four messages of one turn arrive as 2, 0, 3, 1.");

    let mut talk = Talk::met(32);
    let late = talk.send(B, &plain("late"));
    let known = talk.send(B, &plain("known"));
    let last = talk.send(B, &plain("last of its turn, late"));
    talk.receive(A, known);
    let answer = talk.send(A, &plain("answer"));
    talk.receive(B, answer);
    let next = talk.send(B, &plain("a new turn, which says how many there were"));
    talk.receive(A, next);
    talk.receive(A, last);
    talk.receive(A, late);
    talk.end(f, "late-across-a-turn", "pn tells of messages that come after the turn has passed.");

    let mut talk = Talk::new(33);
    let first = talk.send(A, &hello("first"));
    let second = talk.send(A, &hello("second"));
    talk.receive(B, second);
    let answer = talk.send(B, &plain("answer"));
    talk.receive(B, first);
    talk.receive(A, answer);
    talk.end(f, "second-initial-message-first", "The InitialMessage that arrives first is number 1.");

    let mut talk = Talk::met(34);
    for room in [651, 652] {
        let sent = talk.send(B, &vec![0x61; room]);
        talk.receive(A, sent);
    }
    for room in [1_739, 1_740] {
        let sent = talk.send(A, &vec![0x62; room]);
        talk.receive(B, sent);
    }
    talk.end(
        f,
        "sizes",
        "The last content that fits 4 KiB and the first that takes 16 KiB, in turns 1 and 2.",
    );
}

fn refused_anywhere(f: &mut Family) {
    // Each ends with a genuine message that opens: what was refused has changed nothing.
    let mut refused = |seed, name: &str, comment: &str, bad: &dyn Fn(&mut Talk, &[u8]) -> Vec<u8>| {
        let mut talk = Talk::met(seed);
        let first = talk.send(B, &plain("first"));
        talk.receive(A, first);
        let genuine = talk.send(B, &plain("genuine"));
        let envelope = talk.envelopes[genuine].clone();
        let envelope = bad(&mut talk, &envelope);
        talk.receive_crafted(A, &envelope);
        talk.receive(A, genuine);
        talk.end(f, &format!("refused-{name}"), comment);
    };
    refused(40, "c-20-length", "C-20: a byte is missing.", &|_, e| e[..4_095].to_vec());
    refused(41, "c-21-junk", "C-21: 4,096 random bytes.", &|talk, _| talk.world.recorder.vec(4_096));
    refused(42, "c-21-header", "C-21: a bit of the header is changed.", &|_, e| flipped(e, 100));
    refused(43, "c-23-body", "C-23: a bit of the body is changed.", &|_, e| flipped(e, 4_095));
    refused(44, "c-29-skip", "C-29: 2,001 keys would be skipped.", &|talk, _| {
        let trace = talk.trace(B);
        // A expects number 1.
        crafted(talk, &trace, &trace.head, 2_002)
    });

    let mut talk = Talk::met(45);
    let once = talk.send(B, &plain("once"));
    talk.receive(A, once);
    talk.receive(A, once);
    let next = talk.send(B, &plain("next"));
    talk.receive(A, next);
    talk.end(f, "refused-c-24-duplicate", "C-24: the same message twice.");

    // The sender's state was put back: the same turn again with another key, the same number again.
    for (seed, name, comment) in [
        (48, "c-53-turn", "C-53: a message of turn 1 whose rk is not the one that turn 1 began with."),
        (49, "c-54-number", "C-54: another message 0 of turn 1, after the first was read."),
    ] {
        let mut talk = Talk::met(seed);
        let first = talk.send(B, &plain("first"));
        talk.receive(A, first);
        let trace = talk.trace(B);
        let keys = MessageKeys { header: trace.header, chain: trace.chain };
        let other = [&[9; 32][..], &trace.head[32..], &1_u32.to_le_bytes()].concat();
        let again = [&trace.head[..], &0_u32.to_le_bytes()].concat();
        let header = if name == "c-53-turn" { other } else { again };
        let envelope = message(&keys, &header, &talk.world.recorder.bytes(), b"forged", 4_096);
        talk.receive_crafted(A, &envelope);
        let genuine = talk.send(B, &plain("genuine"));
        talk.receive(A, genuine);
        talk.end(f, &format!("refused-{name}"), comment);
    }

    let mut talk = Talk::met(46);
    let contested = initial_message(
        &mut talk.world,
        &Tweak { speaker: Some([0x66; 32]), content: Some(hello("me too")), ..Tweak::default() },
    );
    talk.receive_crafted(B, &contested);
    let answer = talk.send(B, &plain("answer"));
    talk.receive(A, answer);
    talk.end(f, "refused-c-22-contested", "C-22: somebody else's InitialMessage for the same invite.");

    let mut talk = Talk::new(47);
    let first = talk.send(A, &hello("hello"));
    talk.receive(B, first);
    talk.receive(B, first);
    let answer = talk.send(B, &plain("answer"));
    talk.receive(A, answer);
    let confirmed = talk.send(A, &plain("turn 2"));
    talk.receive(B, confirmed);
    talk.receive(B, first);
    talk.end(
        f,
        "refused-c-24-initial",
        "C-24: an InitialMessage twice is a duplicate; after turn 2 it is junk.",
    );
}

/// What the forged messages below are made of: without a fault they open.
fn from_the_formulas(f: &mut Family) {
    let mut talk = Talk::met(57);
    talk.send(B, &plain("held back"));
    let (head, dh) = (talk.trace(B).head, honest_dh(&mut talk));
    let envelope = turn_1(&mut talk, &head, &dh);
    talk.receive_crafted(A, &envelope);
    talk.end(f, "from-the-formulas", "The first message of turn 1, written from the formulas of chapter 05.");

    let mut talk = Talk::met(58);
    talk.send(B, &plain("held back"));
    let trace = talk.trace(B);
    let envelope = crafted(&mut talk, &trace, &trace.head, 1_999);
    talk.receive_crafted(A, &envelope);
    talk.end(
        f,
        "last-of-a-turn",
        "The first message seen of a turn is the last that there can be, number 1,999.",
    );
}

/// Every message here is right but for the one rule that it breaks: whoever leaves the check out reads it.
fn refused_in_a_new_turn(f: &mut Family) {
    // B's first message of turn 1 is held back; a forged one of the same turn, whose header opens, comes before it.
    let mut held = |seed, name: &str, comment: &str, forge: &dyn Fn(&mut Talk) -> Vec<u8>| {
        let mut talk = Talk::met(seed);
        let genuine = talk.send(B, &plain("genuine"));
        let envelope = forge(&mut talk);
        talk.receive_crafted(A, &envelope);
        talk.receive(A, genuine);
        talk.end(f, &format!("refused-{name}"), comment);
    };
    held(50, "c-25-x25519", "C-25: rk_1 has its top bit set, which X25519 alone would pass over.", &|talk| {
        let (head, dh) = (talk.trace(B).head, honest_dh(talk));
        turn_1(talk, &changed(&head, 31, &[head[31] | 0x80]), &dh)
    });
    held(51, "c-25-ml-kem", "C-25: ek_1 is not reduced.", &|talk| {
        let (head, dh) = (talk.trace(B).head, honest_dh(talk));
        turn_1(talk, &changed(&head, 32, &[0xff; 3]), &dh)
    });
    held(52, "c-26-reflected", "C-26: rk_1 is A's own rk_0.", &|talk| {
        let own = x25519::SecretKey::from_bytes(&talk.trace(A).ratchet);
        let dh = *own.diffie_hellman(own.public_key()).expect("not of low order").expose();
        let head = talk.trace(B).head;
        turn_1(talk, &changed(&head, 0, own.public_key().as_bytes()), &dh)
    });
    held(53, "c-27-pn", "C-27: pn of the first turn of a side is not 0.", &|talk| {
        let trace = talk.trace(B);
        crafted(talk, &trace, &with_pn(&trace.head, 1), 1)
    });
    held(54, "c-27-n", "C-27: the first message seen of a turn is number 2,001.", &|talk| {
        let trace = talk.trace(B);
        crafted(talk, &trace, &trace.head, 2_001)
    });
    held(55, "c-28-low-order", "C-25 and C-28: rk_1 is zero.", &|talk| {
        let head = talk.trace(B).head;
        turn_1(talk, &changed(&head, 0, &[0; 32]), &[0; 32])
    });

    let mut talk = Talk::met(56);
    for by in [B, A] {
        let sent = talk.send(by, &plain("turn"));
        talk.receive(!by, sent);
    }
    let genuine = talk.send(B, &plain("genuine"));
    let trace = talk.trace(B);
    for pn in [0_u32, 2_002] {
        let envelope = crafted(&mut talk, &trace, &with_pn(&trace.head, pn), 1);
        talk.receive_crafted(A, &envelope);
    }
    talk.receive(A, genuine);
    talk.end(f, "refused-c-27-pn-range", "C-27: pn below what was received, and pn 2,001 above it.");
}

fn flipped(envelope: &[u8], at: usize) -> Vec<u8> {
    let mut changed = envelope.to_vec();
    changed[at] ^= 1;
    changed
}

/// A message of a turn whose header key and chain are known, with any header; sealed under the key of its number.
fn crafted(talk: &mut Talk, trace: &SendingTrace, head: &[u8], n: u32) -> Vec<u8> {
    let keys = MessageKeys { header: trace.header, chain: trace.chain };
    let keys = keys.later(n.checked_sub(trace.message_number).expect("a later message"));
    let header = [head, &n.to_le_bytes()].concat();
    message(&keys, &header, &talk.world.recorder.bytes(), b"forged", 4_096)
}

/// Message 0 of turn 1 with any constants, under the keys that follow from them and from `dh` (chapter 05 section 1).
fn turn_1(talk: &mut Talk, head: &[u8], dh: &[u8; 32]) -> Vec<u8> {
    let (a, root, header) = (talk.trace(A), talk.world.session.hazmat_root(), talk.trace(B).header);
    let constants = &head[..head.len() - 4];
    let ciphertext = |at: usize| constants[at..at + kem::CIPHERTEXT_LEN].try_into().expect("1,088 bytes");
    let (_, _, identity) = hazmat::identity_secrets(&talk.world.initiator_seed);
    let ss_t = kem::DecapsulationKey::from_seed(&a.kem_seed).decapsulate(ciphertext(1_216));
    let ss_a =
        kem::DecapsulationKey::from_seed(&identity).decapsulate(ciphertext(1_216 + kem::CIPHERTEXT_LEN));
    let x = hash("turn", &[&1_u32.to_le_bytes(), &a.head[..1_216], constants]);
    let q = ext(&root, &[dh, ss_t.expose(), ss_a.expose()]);
    let keys = MessageKeys { header, chain: exp(&q, "turn chain", &x) };
    let header = [head, &0_u32.to_le_bytes()].concat();
    message(&keys, &header, &talk.world.recorder.bytes(), b"forged", 4_096)
}

/// DH(rk_1, rk_0).
fn honest_dh(talk: &mut Talk) -> [u8; 32] {
    let (a, b) = (talk.trace(A).ratchet, talk.trace(B).ratchet);
    let b = x25519::SecretKey::from_bytes(&b);
    *x25519::SecretKey::from_bytes(&a).diffie_hellman(b.public_key()).expect("not of low order").expose()
}

fn with_pn(head: &[u8], pn: u32) -> Vec<u8> {
    changed(head, head.len() - 4, &pn.to_le_bytes())
}

fn changed(bytes: &[u8], at: usize, with: &[u8]) -> Vec<u8> {
    let mut changed = bytes.to_vec();
    changed[at..at + with.len()].copy_from_slice(with);
    changed
}
