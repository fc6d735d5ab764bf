//! Conversations at their bounds: sizes, the length of a turn, closed turns (chapter 05 sections 2 and 3).

use super::{
    family::Family,
    talk::{A, B, Talk, crafted},
    world::{hello, plain},
};

/// The shortest content whose envelope has 16 KiB instead of 4 KiB in turns from 2 on. In turn 1,
/// too, its envelope has 16 KiB. So files show only the envelope's hash.
pub(super) const MEDIUM: [u8; 1_740] = [0x61; 1_740];

pub(super) fn cases(f: &mut Family) {
    let mut talk = Talk::accepted(34);
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

    let mut talk = Talk::new(90);
    talk.send_refused(A, &[0x61; 60_768]);
    talk.send(A, &[0x61; 60_767]);
    let first = talk.send(A, &hello("hello"));
    talk.receive(B, first);
    for (by, room) in [(B, 62_091), (A, 63_179)] {
        talk.send_refused(by, &vec![0x61; room + 1]);
        let sent = talk.send(by, &vec![0x61; room]);
        talk.receive(!by, sent);
    }
    talk.end(
        f,
        "refused-too-long",
        "The longest content in an InitialMessage, in turn 1 and in turn 2; one byte more is not sent.",
    );

    let mut talk = Talk::accepted(91);
    let first = talk.send(B, &plain("number 0"));
    let last = talk.send_times(B, &plain("again"), 1_999);
    talk.send_refused(B, &plain("one too many"));
    talk.receive(A, last);
    talk.receive(A, first);
    for by in [A, B] {
        let sent = talk.send(by, &MEDIUM);
        talk.receive(!by, sent);
    }
    talk.end(
        f,
        "refused-turn-full",
        "A turn of 2,000 messages, and no more before an answer. Its last is read first.",
    );

    let mut talk = Talk::accepted(92);
    let mut lost = Vec::new();
    for turn in [1, 3, 5, 7] {
        lost.push(talk.send(B, &MEDIUM));
        let known = talk.send(B, &MEDIUM);
        talk.receive(A, known);
        if turn < 7 {
            let answer = talk.send(A, &MEDIUM);
            talk.receive(B, answer);
        }
    }
    for lost in lost {
        talk.receive(A, lost);
    }
    talk.end(
        f,
        "refused-c-21-closed",
        "C-21: of turns 1, 3 and 5, all closed with a gap, turn 1 has been dropped. Late messages of 3, 5 and 7 are read.",
    );

    let mut talk = Talk::accepted(93);
    let trace = talk.trace(A);
    let envelope = crafted(&mut talk, &trace, &trace.head, 1);
    talk.receive_crafted(B, &envelope);
    talk.end(f, "bare-turn-0", "A message of turn 0 that stands bare, not in an InitialMessage, is read.");
}
