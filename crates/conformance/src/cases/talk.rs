//! A conversation under way, with the steps that led there, and messages that no honest side would send in it.

use super::{
    family::Family,
    world::{World, hello},
};
use crate::{
    json::{Json, Object, len},
    random::Script,
    second::{MessageKeys, boxed, message, message_of_padded, pad},
};
use deaddrop_e2ee::{
    hazmat::{self, SendingTrace},
    session::Session,
};
use deaddrop_primitives::aead;
use deaddrop_wire::Day;

/// The initiator (A), as the value of parameters `by`.
pub(super) const A: bool = true;
/// The responder (B), as the value of parameters `by`.
pub(super) const B: bool = false;

/// Number of bytes of a flight, the part of an InitialMessage for the handshake (chapter 04).
const FLIGHT_LEN: usize = 3_472;
/// The row of reset secrets of a session that has none.
const NO_RESETS: [u8; 112] = {
    let mut row = [0; 112];
    row[0] = 1;
    row
};

/// A conversation of both sides, and the steps so far, which become a case. Steps are numbered from
/// 0; `envelopes` has an entry for each, empty unless the step sent one.
pub(super) struct Talk {
    pub(super) world: World,
    responder: Option<Session>,
    steps: Vec<Object>,
    pub(super) envelopes: Vec<Vec<u8>>,
}

fn name(initiator: bool) -> &'static str {
    if initiator { "initiator" } else { "responder" }
}

impl Talk {
    pub(super) fn new(seed: u64) -> Self {
        Self { world: World::new(seed), responder: None, steps: Vec::new(), envelopes: Vec::new() }
    }

    /// Returns a conversation in which B has accepted A's first message.
    pub(super) fn accepted(seed: u64) -> Self {
        let mut talk = Self::new(seed);
        let first = talk.send(A, &hello("hello"));
        talk.receive(B, first);
        talk
    }

    fn session(&mut self, initiator: bool) -> &mut Session {
        if initiator { &mut self.world.session } else { self.responder.as_mut().expect("B has accepted") }
    }

    pub(super) fn trace(&mut self, initiator: bool) -> SendingTrace {
        self.session(initiator).hazmat_sending().expect("it is this side's turn")
    }

    pub(super) fn snapshot(&mut self, initiator: bool) -> Vec<u8> {
        self.session(initiator).snapshot().to_vec()
    }

    pub(super) fn send(&mut self, by: bool, content: &[u8]) -> usize {
        let session =
            if by { &mut self.world.session } else { self.responder.as_mut().expect("B has accepted") };
        let (blob, _) = session.hazmat_encrypt(content, &mut self.world.recorder).expect("short");
        let step = Object::new()
            .with("do", "send")
            .with("by", name(by))
            .hex("content", content)
            .hex("random", self.world.recorder.take());
        self.push(step, blob.into_bytes())
    }

    /// Sends a message whose nonces derive from 32 random bytes. Returns the number of the step.
    pub(super) fn send_hedged(&mut self, by: bool, content: &[u8]) -> usize {
        let session =
            if by { &mut self.world.session } else { self.responder.as_mut().expect("B has accepted") };
        let (blob, _) = session.encrypt(content, &mut self.world.recorder).expect("short");
        let step = Object::new()
            .with("do", "send")
            .with("by", name(by))
            .with("nonces", "derived")
            .hex("content", content)
            .hex("random", self.world.recorder.take());
        self.push(step, blob.into_bytes())
    }

    /// Sends `times` more messages of a turn that has begun, as one step, all with the same content
    /// and the same nonce r. Returns the number of the step, whose envelope is the last one.
    pub(super) fn send_times(&mut self, by: bool, content: &[u8], times: u32) -> usize {
        let random = vec![0x5a; 12 * usize::try_from(times).expect("few")];
        let mut script = Script::new(random.clone());
        let session = self.session(by);
        let sent =
            (0..times).map(|_| session.hazmat_encrypt(content, &mut script).expect("room in the turn").0);
        let last = sent.last().expect("one at least").into_bytes();
        let step = Object::new()
            .with("do", "send")
            .with("by", name(by))
            .with("times", times)
            .hex("content", content)
            .hex("random", random);
        self.push(step, last)
    }

    /// Adds a step that sends a content which is refused. The step draws no random bytes.
    pub(super) fn send_refused(&mut self, by: bool, content: &[u8]) {
        let sent = self.session(by).hazmat_encrypt(content, &mut Script::new(Vec::new()));
        assert!(sent.is_err(), "nothing to refuse");
        let step =
            Object::new().with("do", "send").with("by", name(by)).hex("content", content).hex("random", []);
        self.push(step, Vec::new());
    }

    pub(super) fn receive(&mut self, by: bool, of: usize) {
        let envelope = self.envelopes[of].clone();
        let step = Object::new().with("do", "receive").with("by", name(by)).with("of", len(of));
        self.take(by, &envelope);
        self.push(step, Vec::new());
    }

    pub(super) fn receive_crafted(&mut self, by: bool, envelope: &[u8]) {
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

    pub(super) fn end(self, f: &mut Family, name: &str, comment: &str) {
        let steps: Vec<Json> = self.steps.into_iter().map(Json::from).collect();
        f.add("converse", name, comment, self.world.input.with("steps", steps));
    }
}

/// Returns the next message of a side whose state was put back to `snapshot`.
pub(super) fn sent_again(talk: &mut Talk, snapshot: &[u8], content: &[u8]) -> Vec<u8> {
    let mut old = Session::load(snapshot, &NO_RESETS, []).expect("a snapshot");
    let (blob, _) = old.hazmat_encrypt(content, &mut talk.world.recorder).expect("short");
    drop(talk.world.recorder.take());
    blob.into_bytes()
}

/// Returns a forged message of 4,096 bytes in the turn of `trace`, whose header key and chain are
/// known. `head` is the header without the number, `n` the number, under whose key the message is
/// sealed.
pub(super) fn crafted(talk: &mut Talk, trace: &SendingTrace, head: &[u8], n: u32) -> Vec<u8> {
    crafted_of(talk, trace, head, n, 4_096)
}

/// Returns a forged message like [`crafted`], with the honest header and this nonce r.
pub(super) fn crafted_with(trace: &SendingTrace, n: u32, nonce: &[u8; 12]) -> Vec<u8> {
    let keys = MessageKeys { header: trace.header, chain: trace.chain };
    let keys = keys.later(n.checked_sub(trace.message_number).expect("a later message"));
    let header = [&trace.head[..], &n.to_le_bytes()].concat();
    message(&keys, &header, nonce, b"forged", 4_096)
}

/// Returns a forged message like [`crafted`], in an envelope of `len` bytes.
pub(super) fn crafted_of(talk: &mut Talk, trace: &SendingTrace, head: &[u8], n: u32, len: usize) -> Vec<u8> {
    let keys = MessageKeys { header: trace.header, chain: trace.chain };
    let keys = keys.later(n.checked_sub(trace.message_number).expect("a later message"));
    let header = [head, &n.to_le_bytes()].concat();
    message(&keys, &header, &talk.world.recorder.bytes(), b"forged", len)
}

/// Returns a forged message like [`crafted`], with the honest header, whose padding ends with a
/// byte 1.
pub(super) fn crafted_padding(talk: &mut Talk, trace: &SendingTrace) -> Vec<u8> {
    let keys = MessageKeys { header: trace.header, chain: trace.chain };
    let header = [&trace.head[..], &trace.message_number.to_le_bytes()].concat();
    let mut padded = pad(b"forged", 4_096 - header.len() - 44);
    *padded.last_mut().expect("not empty") = 1;
    message_of_padded(&keys, &header, &talk.world.recorder.bytes(), &padded)
}

/// Returns the InitialMessage of the step `honest` with a changed flight, sealed again.
pub(super) fn with_other_flight(talk: &mut Talk, honest: usize) -> Vec<u8> {
    let (k_init, mut plain) = opened_outer(talk, honest);
    plain[0] ^= 1;
    boxed(&k_init, &talk.world.recorder.bytes(), "initial", &plain)
}

/// Returns the InitialMessage of the step `honest` with a changed header box inside, sealed again.
pub(super) fn with_inner_changed(talk: &mut Talk, honest: usize) -> Vec<u8> {
    let (k_init, mut plain) = opened_outer(talk, honest);
    plain[FLIGHT_LEN + 20] ^= 1;
    boxed(&k_init, &talk.world.recorder.bytes(), "initial", &plain)
}

/// Returns an envelope of 4,096 bytes under `k_init`: a changed flight, and as much of the
/// InitialMessage of the step `honest` as there is room for.
pub(super) fn small_initial(talk: &mut Talk, honest: usize) -> Vec<u8> {
    let (k_init, mut plain) = opened_outer(talk, honest);
    plain[0] ^= 1;
    boxed(&k_init, &talk.world.recorder.bytes(), "initial", &plain[..4_096 - 28])
}

fn opened_outer(talk: &Talk, honest: usize) -> ([u8; 32], Vec<u8>) {
    let keys = hazmat::invite(talk.world.invite.secret().expose());
    let (nonce, sealed) = talk.envelopes[honest].split_first_chunk().expect("an envelope");
    let plain =
        aead::open(&keys.k_init, nonce, &crate::second::label("initial"), sealed).expect("an InitialMessage");
    (keys.k_init, plain)
}

/// Returns a forged message of turn 0 like [`crafted`], behind the flight of the InitialMessage of
/// the step `honest`.
pub(super) fn crafted_initial(talk: &mut Talk, honest: usize, head: &[u8], n: u32) -> Vec<u8> {
    let (k_init, mut plain) = opened_outer(talk, honest);
    plain.truncate(FLIGHT_LEN);
    let trace = talk.trace(A);
    plain.append(&mut crafted_of(talk, &trace, head, n, 16_384 - 28 - FLIGHT_LEN));
    boxed(&k_init, &talk.world.recorder.bytes(), "initial", &plain)
}

pub(super) fn flipped(envelope: &[u8], at: usize) -> Vec<u8> {
    let mut changed = envelope.to_vec();
    changed[at] ^= 1;
    changed
}

pub(super) fn changed(bytes: &[u8], at: usize, with: &[u8]) -> Vec<u8> {
    let mut changed = bytes.to_vec();
    changed[at..at + with.len()].copy_from_slice(with);
    changed
}

pub(super) fn with_pn(head: &[u8], pn: u32) -> Vec<u8> {
    changed(head, head.len() - 4, &pn.to_le_bytes())
}
