//! Conversations: in order, out of order, with losses, and with messages that must be refused and change nothing.

use super::{
    bounds,
    family::Family,
    hedge,
    initial::{Tweak, initial_message},
    rewound, skipped,
    talk::{A, B, Talk, changed, crafted, crafted_of, crafted_padding, flipped, with_other_flight, with_pn},
    turn_1::{honest_dh, turn_1},
    world::{hello, plain},
};
use crate::vector::Case;
use deaddrop_primitives::x25519;

pub(super) fn cases() -> Vec<Case> {
    let mut f = Family::new("ratchet");
    honest(&mut f);
    from_the_formulas(&mut f);
    refused_anywhere(&mut f);
    refused_in_a_new_turn(&mut f);
    rewound::cases(&mut f);
    bounds::cases(&mut f);
    hedge::cases(&mut f);
    skipped::cases(&mut f);
    f.cases
}

fn honest(f: &mut Family) {
    let mut talk = Talk::accepted(30);
    for turn in 1..=6_u32 {
        let by = turn % 2 == 0;
        let sent = talk.send(by, &plain(&format!("turn {turn}")));
        talk.receive(!by, sent);
    }
    talk.end(f, "ping-pong", "Turns 0 to 6, one message each, with the secrets of each turn.");

    let mut talk = Talk::accepted(31);
    let sent: Vec<usize> = (0..4).map(|n| talk.send(B, &plain(&format!("number {n}")))).collect();
    for at in [2, 0, 3, 1] {
        talk.receive(A, sent[at]);
    }
    talk.end(f, "out-of-order", "Four messages of one turn arrive as 2, 0, 3, 1.");

    let mut talk = Talk::accepted(32);
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
}

fn refused_anywhere(f: &mut Family) {
    // Each case ends with a genuine message that opens: the refused one has changed nothing.
    let mut refused = |seed, name: &str, comment: &str, bad: &dyn Fn(&mut Talk, &[u8]) -> Vec<u8>| {
        let mut talk = Talk::accepted(seed);
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
    refused(44, "c-29-number", "C-29: number 2,000 of a turn that is under way.", &|talk, _| {
        let trace = talk.trace(B);
        crafted(talk, &trace, &trace.head, 2_000)
    });
    refused(140, "c-20-sealed", "C-20: 4,095 bytes, and nothing else is wrong.", &|talk, _| {
        let trace = talk.trace(B);
        crafted_of(talk, &trace, &trace.head, trace.message_number, 4_095)
    });
    refused(141, "c-23-padding", "C-23: the body opens, and its padding ends with 1.", &|talk, _| {
        let trace = talk.trace(B);
        crafted_padding(talk, &trace)
    });

    let mut talk = Talk::new(142);
    let first = talk.send(A, &hello("hello"));
    talk.receive(B, first);
    let second = talk.send(A, &hello("hello again"));
    let envelope = with_other_flight(&mut talk, second);
    talk.receive_crafted(B, &envelope);
    talk.receive(B, second);
    talk.end(
        f,
        "refused-c-22-flight",
        "C-22: a message of this session behind a flight that is not the session's.",
    );

    let mut talk = Talk::accepted(45);
    let once = talk.send(B, &plain("once"));
    talk.receive(A, once);
    talk.receive(A, once);
    let next = talk.send(B, &plain("next"));
    talk.receive(A, next);
    talk.end(f, "refused-c-24-duplicate", "C-24: the same message twice.");

    let mut talk = Talk::accepted(46);
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

/// Adds messages written from the formulas that open. The forged ones below are made in the same
/// way, with one fault.
fn from_the_formulas(f: &mut Family) {
    let mut talk = Talk::accepted(57);
    talk.send(B, &plain("held back"));
    let (head, dh) = (talk.trace(B).head, honest_dh(&mut talk));
    let envelope = turn_1(&mut talk, &head, &dh);
    talk.receive_crafted(A, &envelope);
    talk.end(f, "from-the-formulas", "The first message of turn 1, written from the formulas of chapter 05.");

    let mut talk = Talk::accepted(58);
    talk.send(B, &plain("held back"));
    let trace = talk.trace(B);
    let envelope = crafted(&mut talk, &trace, &trace.head, 1_999);
    talk.receive_crafted(A, &envelope);
    talk.end(
        f,
        "last-of-a-turn",
        "The first message seen of a turn is the last that there can be, number 1,999.",
    );

    let mut talk = two_turns(59);
    let first = talk.send(B, &plain("first of turn 3"));
    let trace = talk.trace(B);
    let envelope = crafted(&mut talk, &trace, &with_pn(&trace.head, 2_000), 1);
    talk.receive_crafted(A, &envelope);
    talk.receive(A, first);
    talk.end(
        f,
        "longest-turn-before",
        "Number 1 of turn 3 says that turn 1 had 2,000 messages; number 0 says otherwise, which is not looked at.",
    );
}

/// Adds messages that are right except for the one rule that they break; the message of
/// `c-28-low-order` breaks two.
fn refused_in_a_new_turn(f: &mut Family) {
    // B's first message of turn 1 is held back; a forged one of the same turn, whose header opens, comes before it.
    let mut held = |seed, name: &str, comment: &str, forge: &dyn Fn(&mut Talk) -> Vec<u8>| {
        let mut talk = Talk::accepted(seed);
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
    held(54, "c-29-new-turn", "C-29: the first message seen of a turn is number 2,000.", &|talk| {
        let trace = talk.trace(B);
        crafted(talk, &trace, &trace.head, 2_000)
    });
    held(
        55,
        "c-28-low-order",
        "C-25 and C-28: rk_1 is zero, which is no valid key; what DH gives is zero as well.",
        &|talk| {
            let head = talk.trace(B).head;
            turn_1(talk, &changed(&head, 0, &[0; 32]), &[0; 32])
        },
    );

    let with = [
        (56, 2_001, "refused-c-27-pn-range", "C-27: pn 2,001."),
        (58, 0, "refused-c-54-pn", "C-54: turn 3 says that turn 1 had no message, and one of it was read."),
    ];
    for (seed, pn, name, comment) in with {
        let mut talk = two_turns(seed);
        let genuine = talk.send(B, &plain("genuine"));
        let trace = talk.trace(B);
        let envelope = crafted(&mut talk, &trace, &with_pn(&trace.head, pn), 1);
        talk.receive_crafted(A, &envelope);
        talk.receive(A, genuine);
        talk.end(f, name, comment);
    }
}

/// Returns a conversation in which one message of turn 1, by B, and one of turn 2, by A, have been
/// read.
fn two_turns(seed: u64) -> Talk {
    let mut talk = Talk::accepted(seed);
    for by in [B, A] {
        let sent = talk.send(by, &plain("turn"));
        talk.receive(!by, sent);
    }
    talk
}
