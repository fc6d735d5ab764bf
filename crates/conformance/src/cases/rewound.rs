//! Messages of a peer whose state was put back, as the other side sees them (chapter 05 section 5).

use super::{
    family::Family,
    talk::{A, B, Talk, changed, crafted, crafted_initial, crafted_with, sent_again},
    turn_1::{honest_dh, turn_1},
    world::{hello, plain},
};

pub(super) fn cases(f: &mut Family) {
    put_back(f);
    told_apart(f);
}

/// Adds limits of the rule that distinguishes two messages with one number.
fn told_apart(f: &mut Family) {
    let mut talk = Talk::accepted(170);
    let first = talk.send(B, &plain("first"));
    let (head, dh) = (talk.trace(B).head, honest_dh(&mut talk));
    let another = turn_1(&mut talk, &head, &dh);
    talk.receive(A, first);
    talk.receive_crafted(A, &another);
    talk.receive(A, first);
    talk.end(
        f,
        "refused-c-54-first",
        "C-54: another message 0 of turn 1, which began with the first; the first once more is a duplicate.",
    );

    for (seed, newest, name, comment) in [
        (
            171,
            64,
            "refused-c-54-late",
            "C-54: another message 1, after message 1 was read late, 64 below the next number.",
        ),
        (
            172,
            65,
            "refused-c-24-beyond-window",
            "C-24: message 1 is read late, 65 below the next number. Message 65, whose place in the window it does not take, comes again.",
        ),
    ] {
        let mut talk = Talk::accepted(seed);
        let first = talk.send(B, &plain("first"));
        talk.receive(A, first);
        let trace = talk.trace(B);
        let late = talk.send(B, &plain("late"));
        let later = crafted(&mut talk, &trace, &trace.head, newest);
        talk.receive_crafted(A, &later);
        talk.receive(A, late);
        if newest == 64 {
            let another = crafted(&mut talk, &trace, &trace.head, 1);
            talk.receive_crafted(A, &another);
        }
        talk.receive_crafted(A, &later);
        let genuine = talk.send(B, &plain("genuine"));
        talk.receive(A, genuine);
        talk.end(f, name, comment);
    }

    let mut talk = Talk::accepted(173);
    let first = talk.send(B, &plain("first"));
    talk.receive(A, first);
    let trace = talk.trace(B);
    for (r, last) in [(0, 0), (2, 0), (0, 0), (1, 0), (0, 1)] {
        let mut nonce = [7; 12];
        nonce[..4].copy_from_slice(&[r, 0, 0, last]);
        let envelope = crafted_with(&trace, 1, &nonce);
        talk.receive_crafted(A, &envelope);
    }
    talk.end(
        f,
        "refused-c-54-zeros",
        "C-54: message 1 has an r that begins with four zeros. Another r is distinguished; one that begins with 1 and three zeros is not (C-24).",
    );
}

fn put_back(f: &mut Family) {
    let mut talk = Talk::accepted(48);
    let first = talk.send(B, &plain("first"));
    talk.receive(A, first);
    let trace = talk.trace(B);
    let envelope = crafted(&mut talk, &trace, &changed(&trace.head, 0, &[9; 32]), 1);
    talk.receive_crafted(A, &envelope);
    let genuine = talk.send(B, &plain("genuine"));
    talk.receive(A, genuine);
    talk.end(
        f,
        "refused-c-53-turn",
        "C-53: a message of turn 1 whose rk is not the one that turn 1 began with.",
    );

    let mut talk = Talk::new(37);
    let first = talk.send(A, &hello("hello"));
    talk.receive(B, first);
    let head = talk.trace(A).head;
    let envelope = crafted_initial(&mut talk, first, &changed(&head, 0, &[9; 32]), 1);
    talk.receive_crafted(B, &envelope);
    let genuine = talk.send(A, &hello("genuine"));
    talk.receive(B, genuine);
    talk.end(
        f,
        "refused-c-53-initial",
        "C-53: an InitialMessage of the same flight whose rk is not the one that turn 0 began with.",
    );

    let mut talk = Talk::accepted(49);
    let first = talk.send(B, &plain("first"));
    talk.receive(A, first);
    let old = talk.snapshot(B);
    let second = talk.send(B, &plain("second"));
    talk.receive(A, second);
    let envelope = sent_again(&mut talk, &old, &plain("another second"));
    talk.receive_crafted(A, &envelope);
    talk.receive(A, second);
    let genuine = talk.send(B, &plain("genuine"));
    talk.receive(A, genuine);
    talk.end(
        f,
        "refused-c-54-number",
        "C-54: another message 1 of turn 1, after the first was read; the first once more is a duplicate.",
    );

    let mut talk = Talk::new(38);
    let old = talk.snapshot(A);
    let first = talk.send(A, &hello("hello"));
    talk.receive(B, first);
    let envelope = sent_again(&mut talk, &old, &hello("another hello"));
    talk.receive_crafted(B, &envelope);
    let genuine = talk.send(A, &hello("genuine"));
    talk.receive(B, genuine);
    talk.end(
        f,
        "refused-c-54-initial",
        "C-54: another InitialMessage of the same flight and number, after the first was read.",
    );

    let mut talk = Talk::accepted(39);
    let first = talk.send(B, &plain("first"));
    talk.receive(A, first);
    let old = talk.snapshot(B);
    let second = talk.send(B, &plain("second"));
    talk.receive(A, second);
    let trace = talk.trace(B);
    for number in [64, 65] {
        let later = crafted(&mut talk, &trace, &trace.head, number);
        talk.receive_crafted(A, &later);
        let envelope = sent_again(&mut talk, &old, &plain("another second"));
        talk.receive_crafted(A, &envelope);
    }
    let genuine = talk.send(B, &plain("genuine"));
    talk.receive(A, genuine);
    talk.end(
        f,
        "refused-c-54-window",
        "C-54: another message 1, when the next number is 65; when it is 66, that is a duplicate (C-24).",
    );

    let mut talk = Talk::accepted(36);
    let late = talk.send(B, &plain("late"));
    let known = talk.send(B, &plain("known"));
    talk.receive(A, known);
    let old = talk.snapshot(B);
    for by in [A, B] {
        let sent = talk.send(by, &plain("a turn"));
        talk.receive(!by, sent);
    }
    let envelope = sent_again(&mut talk, &old, &plain("a third"));
    talk.receive_crafted(A, &envelope);
    talk.receive(A, late);
    talk.end(
        f,
        "refused-c-54-ended",
        "C-54: message 2 of turn 1, of which turn 3 has said that it had two. Its message 0 is read after that.",
    );
}
