//! Conversations in which keys of skipped messages are used, destroyed and dropped, and turns are closed (chapter 05 sections 3
//! and 4).

use super::{
    bounds::MEDIUM,
    family::Family,
    talk::{A, B, Talk, crafted, small_initial, with_inner_changed},
    world::{hello, plain},
};

pub(super) fn cases(f: &mut Family) {
    late_twice(f);
    closed(f);
    initial_messages(f);
    dropped(
        f,
        164,
        true,
        "refused-c-24-dropped",
        "C-24: 4,064 keys were skipped. Of the oldest, numbers 1 to 64 of turn 1, none is left; number 66 is read. Number 64 has the place of number 0 in the window, which was read before 64 was skipped.",
    );
    dropped(
        f,
        165,
        false,
        "refused-c-24-dropped-at-end",
        "C-24: 4,065 keys were skipped, most of those of turn 1 when turn 3 told its length. Number 64 was dropped; number 66 is read.",
    );

    let mut talk = Talk::accepted(166);
    let first = talk.send(B, &plain("number 0"));
    let trace = talk.trace(B);
    talk.receive(A, first);
    let last = crafted(&mut talk, &trace, &trace.head, 1_999);
    talk.receive_crafted(A, &last);
    talk.end(
        f,
        "last-of-a-turn-under-way",
        "Number 0 of a turn, and then number 1,999, the last that there can be.",
    );

    let mut talk = Talk::accepted(167);
    talk.send(B, &MEDIUM);
    let last = talk.send_times(B, &MEDIUM, 1_999);
    talk.send_refused(B, &[0x61; 62_092]);
    talk.send_refused(B, &plain("one too many"));
    talk.receive(A, last);
    talk.end(
        f,
        "refused-too-long-before-turn-full",
        "Content that is too long, in a turn that is full; then content that is not.",
    );
}

fn late_twice(f: &mut Family) {
    let mut talk = Talk::accepted(150);
    let late = talk.send(B, &plain("late"));
    let known = talk.send(B, &plain("known"));
    for of in [known, late, late] {
        talk.receive(A, of);
    }
    let next = talk.send(B, &plain("next"));
    talk.receive(A, next);
    talk.end(f, "refused-c-24-late", "C-24: a late message twice. The first time its key was destroyed.");

    let mut talk = Talk::accepted(151);
    let sent: Vec<usize> = (0..3).map(|_| talk.send(B, &MEDIUM)).collect();
    talk.receive(A, sent[2]);
    turns(&mut talk, 3);
    for at in [0, 0, 1, 1] {
        talk.receive(A, sent[at]);
    }
    talk.end(
        f,
        "refused-c-24-closed",
        "C-24: a late message of a closed turn twice. With its last key the turn is forgotten: what comes of it then is junk (C-21).",
    );
}

/// Lets A and B take turns, one message each, from turn 2 (by A) until turn `last` has been read.
fn turns(talk: &mut Talk, last: u32) {
    for by in (2..=last).map(|turn| turn % 2 == 0) {
        let sent = talk.send(by, &MEDIUM);
        talk.receive(!by, sent);
    }
}

fn closed(f: &mut Family) {
    let mut talk = Talk::accepted(152);
    let (mut lost, mut whole) = (Vec::new(), 0);
    for turn in [1, 3, 5, 7] {
        if turn < 5 {
            lost.push(talk.send(B, &MEDIUM));
        }
        let known = talk.send(B, &MEDIUM);
        talk.receive(A, known);
        if turn == 5 {
            whole = known;
        }
        if turn < 7 {
            let answer = talk.send(A, &MEDIUM);
            talk.receive(B, answer);
        }
    }
    talk.receive(A, whole);
    for lost in lost {
        talk.receive(A, lost);
    }
    talk.end(
        f,
        "refused-c-21-whole",
        "C-21: turn 5 was read whole and is forgotten when turn 7 comes. It is not counted: late messages of turns 1 and 3 are read.",
    );
}

fn initial_messages(f: &mut Family) {
    let mut talk = Talk::new(160);
    let first = talk.send(A, &hello("first"));
    let second = talk.send(A, &hello("second"));
    let third = talk.send(A, &hello("third"));
    talk.receive(B, second);
    let answer = talk.send(B, &plain("answer"));
    talk.receive(B, first);
    talk.receive(B, third);
    talk.receive(A, answer);
    talk.end(
        f,
        "initial-after-answer",
        "InitialMessages that come after the answer: one that is late, and then, with no gap left, a new one.",
    );

    let mut talk = Talk::new(161);
    let first = talk.send(A, &hello("first"));
    let second = talk.send(A, &hello("second"));
    talk.receive(B, second);
    let answer = talk.send(B, &plain("answer"));
    talk.receive(A, answer);
    talk.send(A, &plain("lost"));
    let known = talk.send(A, &plain("turn 2"));
    for of in [known, first, first] {
        talk.receive(B, of);
    }
    talk.end(
        f,
        "refused-c-21-initial-late",
        "C-21: an InitialMessage that is late fills the gap after turn 2 has begun. Then k_init is forgotten, though a key of turn 2 is kept: once more it is junk.",
    );

    let mut talk = Talk::new(162);
    let first = talk.send(A, &hello("first"));
    talk.receive(B, first);
    let second = talk.send(A, &hello("second"));
    let mut outer = talk.envelopes[second].clone();
    outer[5_000] ^= 1;
    talk.receive_crafted(B, &outer);
    let inner = with_inner_changed(&mut talk, second);
    talk.receive_crafted(B, &inner);
    talk.receive(B, second);
    talk.end(
        f,
        "refused-c-21-initial",
        "C-21: an InitialMessage with a changed bit, and one whose outer box and flight are right and whose header does not open.",
    );

    let mut talk = Talk::new(163);
    let first = talk.send(A, &hello("first"));
    talk.receive(B, first);
    let second = talk.send(A, &hello("second"));
    let small = small_initial(&mut talk, second);
    talk.receive_crafted(B, &small);
    talk.receive(B, second);
    talk.end(
        f,
        "refused-c-21-small",
        "C-21: 4,096 bytes are not tried under k_init, under which these open, with another flight.",
    );
}

/// Adds a case in which keys of skipped messages are dropped: turn 1 has 68 messages, of which the
/// last is never read; of turns 3 and 5 the last of 2,000 is read first. With `gap_is_seen`, number
/// 65 of turn 1 is read before turn 3.
fn dropped(f: &mut Family, seed: u64, gap_is_seen: bool, name: &str, comment: &str) {
    let mut talk = Talk::accepted(seed);
    let first = talk.send(B, &MEDIUM);
    let number_64 = talk.send_times(B, &MEDIUM, 64);
    let number_65 = talk.send(B, &MEDIUM);
    let number_66 = talk.send(B, &MEDIUM);
    talk.send(B, &MEDIUM);
    talk.receive(A, first);
    if gap_is_seen {
        talk.receive(A, number_65);
    }
    for _ in [3, 5] {
        let answer = talk.send(A, &MEDIUM);
        talk.receive(B, answer);
        talk.send(B, &MEDIUM);
        let last = talk.send_times(B, &MEDIUM, 1_999);
        talk.receive(A, last);
    }
    talk.receive(A, number_64);
    talk.receive(A, number_66);
    talk.end(f, name, comment);
}
