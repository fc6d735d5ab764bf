//! Ways by which a thief of a state or key could come into a contact, and by which two honest sides
//! could part: all of them end with an event, or in one session.
//!
//! `one` and `two` are honest. A thief has copied an older state of `one`, or only its identity.
//! *Twins* are the two sessions of people who invited each other at once; one of the two is used
//! for sending.

use crate::people::*;
use deaddrop_e2ee::{
    contact::{ContactEvent, Hour, InvitePolicy, ResetKind},
    content::Content,
    session::SessionId,
};

fn hours(n: u32) -> Hour {
    Hour::from_number(NOW.number() + n)
}

/// Asserts that nothing was taken over in silence: either `two` still sends with session `before`,
/// or an event was reported and the verification is cleared.
fn in_sight(two: &Person, before: Option<SessionId>) {
    let told = two.saw(|e| {
        matches!(
            e,
            ContactEvent::StartedOver { .. }
                | ContactEvent::PeerFellBack { .. }
                | ContactEvent::ResetRequested { .. }
                | ContactEvent::StaleReset
                | ContactEvent::VerificationCleared
        )
    });
    assert!(
        two.sending() == before || told && !two.contact.is_verified(),
        "silent takeover; events {:?}",
        two.events
    );
}

/// A thief of one's older state, who has the twin that is not used, claims era 64 for it while the
/// session of a new reset is not established.
#[test]
fn an_unused_twin_is_raised_in_sight_during_a_reset() {
    let (mut one, mut two) = twins(100);
    talk(&mut one, &mut two, 4);
    one.verify();
    two.verify();
    let used = one.sending().unwrap();
    let mut speaker = thief(&one, 99);
    talk(&mut one, &mut two, 5);
    speaker.rows.sessions.remove(&used);
    speaker.rows.contact = without_session(&speaker.rows.contact, used);
    speaker.contact = speaker.rows.load();
    // One loses its session and resets.
    one.lose_sessions();
    one.reset(ResetKind::Soft, NOW).unwrap();
    one.say();
    pass(&mut one, &mut two);
    let new = two.sending();
    assert_eq!(new, one.sending());
    two.events.clear();
    let envelope = message(&mut speaker, vec![Content::SessionEra { era: 64 }]);
    two.hear(&envelope).unwrap();
    in_sight(&two, new);
}

/// A thief of one's older state uses a session that has no answer there and was replaced long ago,
/// while a newer reset is not answered.
#[test]
fn a_replaced_session_is_not_used_during_a_reset() {
    let (mut one, mut two) = friends(8, 3);
    two.verify();
    one.lose_sessions();
    one.reset(ResetKind::Soft, hours(1)).unwrap();
    one.say();
    pass(&mut one, &mut two);
    let mut old = thief(&one, 99);
    one.lose_sessions();
    one.reset(ResetKind::Soft, hours(2)).unwrap();
    one.say();
    pass(&mut one, &mut two);
    assert_converged(&mut one, &mut two);
    talk(&mut one, &mut two, 10);
    one.lose_sessions();
    one.reset(ResetKind::Soft, hours(30)).unwrap();
    one.say();
    pass(&mut one, &mut two);
    let new = two.sending();
    assert_eq!(new, one.sending());
    two.events.clear();
    old.say();
    let envelope = old.sent.pop().unwrap();
    two.hear(&envelope).unwrap();
    talk(&mut two, &mut old, 3);
    talk(&mut two, &mut one, 3);
    in_sight(&two, new);
}

/// A thief of one's older state has agreed to a hard reset by two. One and two start over on a new
/// device of one, which raises the era of that waiting session; then the thief's answer in it
/// arrives.
#[test]
fn a_waiting_hard_reset_is_answered_by_a_thief_in_sight() {
    let mut bad = 0;
    for seed in 0..8 {
        let (mut one, mut two) = friends(300 + seed, 3);
        let mut old = thief(&one, 99 + seed);
        two.reset(ResetKind::Hard, NOW).unwrap();
        two.say();
        let envelope = two.sent.pop().unwrap();
        old.hear(&envelope).unwrap();
        let received = old.contact.agree_to_reset(&old.identity, &envelope, TODAY).unwrap();
        old.keep(received);
        old.say();
        let answer = old.sent.pop().unwrap();
        // One has a new device; the two meet, start over, talk, compare.
        new_device(&mut one);
        meet(&mut one, &mut two, [InvitePolicy::StartOver, InvitePolicy::StartOver]);
        assert_converged(&mut one, &mut two);
        two.verify();
        let before = two.sending();
        two.events.clear();
        let _ = two.hear(&answer);
        bad += u32::from(two.sending() != before && two.contact.is_verified());
    }
    assert_eq!(bad, 0, "silent takeovers of 8");
}

/// A thief of one's identity uses an open invite of two before one's first answer has arrived.
#[test]
fn the_identity_and_an_invite_are_seen_before_the_first_answer() {
    let (mut one, mut two) = strangers(40);
    meet(&mut two, &mut one, [InvitePolicy::KeepSessions, InvitePolicy::KeepSessions]);
    two.say();
    two.verify();
    let before = two.sending();
    two.events.clear();
    let mut old = namesake(&one);
    let (pending, blob) = two.invite();
    old.take(&pending, &blob, InvitePolicy::StartOver);
    let envelope =
        message(&mut old, vec![Content::Hello { address: vec![] }, Content::SessionEra { era: 1 << 31 }]);
    two.accept(&pending, &envelope, InvitePolicy::KeepSessions);
    pass(&mut two, &mut one);
    talk(&mut two, &mut old, 3);
    talk(&mut one, &mut two, 3);
    in_sight(&two, before);
}

fn lose_all(person: &mut Person) {
    person.rows.sessions.values_mut().for_each(|rows| *rows = SessionRows::default());
    person.reload();
}

/// Two loses all rows of its sessions. The contact's row still tells that the two have met, so a
/// thief of one's identity is not taken for a first meeting.
#[test]
fn lost_reset_rows_make_no_first_meeting() {
    let (one, mut two) = friends(8, 4);
    two.verify();
    lose_all(&mut two);
    two.events.clear();
    let before = two.sending();
    let mut old = namesake(&one);
    meet(&mut two, &mut old, [InvitePolicy::StartOver, InvitePolicy::KeepSessions]);
    talk(&mut two, &mut old, 3);
    in_sight(&two, before);
}

/// One of two twins, the one in use, is lost with its reset secrets. The contact must report the
/// loss.
#[test]
fn a_lost_twin_is_told() {
    let mut bad = vec![];
    for seed in 0..8 {
        let (mut one, mut two) = twins(500 + seed);
        talk(&mut one, &mut two, 4);
        let used = one.sending().unwrap();
        *one.rows.sessions.get_mut(&used).unwrap() = SessionRows::default();
        one.reload();
        let lost = one.contact.is_lost();
        if lost {
            continue;
        }
        let (read_one, read_two) = (one.read.len(), two.read.len());
        talk(&mut one, &mut two, 6);
        for day in [1, 9] {
            for person in [&mut one, &mut two] {
                let received = person.contact.tidy(TODAY.plus(day), true);
                person.keep(received);
            }
            talk(&mut one, &mut two, 2);
        }
        bad.push((
            seed,
            one.sending() == two.sending(),
            one.contact.is_lost(),
            one.read.len() - read_one,
            two.read.len() - read_two,
            one.events.len(),
        ));
    }
    assert!(bad.is_empty(), "not told as lost: (seed, converged, lost, one read, two read) {bad:?}");
}

/// Two begins nine hard resets, so that all sessions with an answer are dropped for lack of room. A
/// thief of one's identity is still not taken for a first meeting.
#[test]
fn an_invite_is_no_first_meeting_though_answered_sessions_were_pushed_out() {
    let (one, mut two) = friends(8, 4);
    for hour in 0..9 {
        two.reset(ResetKind::Hard, hours(hour)).unwrap();
    }
    two.verify();
    two.events.clear();
    let before = two.sending();
    meet(&mut two, &mut namesake(&one), [InvitePolicy::StartOver, InvitePolicy::KeepSessions]);
    in_sight(&two, before);
}

/// The envelope that showed that one's state was put back is repeated after a reset has replaced
/// the session. No event follows.
#[test]
fn a_replaced_session_calls_for_no_reset() {
    let (mut one, mut two) = friends(7, 3);
    one.say();
    pass(&mut one, &mut two);
    let backup = one.rows.clone();
    one.say();
    pass(&mut one, &mut two);
    one.rows = backup;
    one.reload();
    one.say();
    let rewound = one.sent.pop().unwrap();
    two.hear(&rewound).unwrap();
    two.reset(ResetKind::Soft, NOW).unwrap();
    two.say();
    pass(&mut two, &mut one);
    assert_converged(&mut two, &mut one);
    two.events.clear();
    let _ = two.hear(&rewound);
    assert!(two.events.is_empty(), "{:?}", two.events);
}

/// The network loses one message, the one with a new reset bundle. Then one loses its sessions
/// again and again, with answers in between.
#[test]
fn a_lost_bundle_is_given_again() {
    let (mut one, mut two) = friends(6, 2);
    for round in 0..6 {
        one.lose_sessions();
        one.reset(ResetKind::Soft, hours(2 * round)).unwrap();
        one.say();
        pass(&mut one, &mut two);
        two.say();
        if round == 0 {
            two.sent.clear(); // The network loses one message, the one with the bundle.
        }
        pass(&mut two, &mut one);
        talk(&mut one, &mut two, 4);
        assert!(
            !two.saw(|e| matches!(e, ContactEvent::ResetRequested { .. } | ContactEvent::StaleReset)),
            "round {round}"
        );
    }
}

/// The clock was 400 days ahead when a session was replaced. The session is dropped all the same.
#[test]
fn a_clock_that_was_ahead_keeps_no_replaced_session() {
    let (mut one, mut two) = friends(8, 2);
    one.lose_sessions();
    one.reset(ResetKind::Soft, NOW).unwrap();
    one.say();
    pass(&mut one, &mut two);
    two.say();
    pass(&mut two, &mut one);
    one.say();
    let envelope = one.sent.pop().unwrap();
    let received = two.contact.decrypt(&two.identity, &envelope, TODAY.plus(400)).unwrap();
    two.keep(received);
    for day in 0..60 {
        let received = two.contact.tidy(TODAY.plus(day), true);
        two.keep(received);
    }
    assert_eq!(two.contact.sessions().count(), 1);
}

/// Five hard resets are not agreed to, and their envelopes are repeated in a circle.
#[test]
fn hard_resets_in_a_circle_clear_no_verification() {
    let (mut one, mut two) = friends(4, 3);
    let mut asked = vec![];
    for hour in 0..5 {
        one.reset(ResetKind::Hard, hours(hour)).unwrap();
        one.say();
        asked.push(one.sent.pop().unwrap());
    }
    asked.iter().for_each(|envelope| two.hear(envelope).unwrap());
    let mut cleared = 0;
    for envelope in asked.iter().cycle().take(20) {
        two.verify();
        two.hear(envelope).unwrap();
        cleared += u32::from(!two.contact.is_verified());
    }
    assert_eq!(cleared, 0);
}

/// A thief in a superseded session sends two messages with one number. No event follows, because
/// that session needs no reset.
#[test]
fn a_superseded_session_calls_for_no_reset() {
    let (mut one, mut two) = friends(8, 2);
    let mut old = thief(&one, 99);
    new_device(&mut one);
    meet(&mut one, &mut two, [InvitePolicy::StartOver, InvitePolicy::KeepSessions]);
    assert_converged(&mut one, &mut two);
    two.verify();
    two.events.clear();
    let rows = old.rows.clone();
    let a = message(&mut old, vec![]);
    old.rows = rows;
    old.reload();
    let b = message(&mut old, vec![]);
    two.hear(&a).unwrap();
    let _ = two.hear(&b);
    assert!(two.events.is_empty(), "{:?}", two.events);
}

/// A thief of one's older state has agreed to a hard reset by two. Then two takes an invite of
/// one's new device, and the thief's answer arrives before the session of that invite has an
/// answer.
#[test]
fn a_waiting_hard_reset_is_answered_in_sight() {
    let (mut one, mut two) = friends(301, 3);
    let mut old = thief(&one, 99);
    two.reset(ResetKind::Hard, NOW).unwrap();
    two.say();
    let envelope = two.sent.pop().unwrap();
    old.hear(&envelope).unwrap();
    let received = old.contact.agree_to_reset(&old.identity, &envelope, TODAY).unwrap();
    old.keep(received);
    new_device(&mut one);
    let (pending, blob) = one.invite();
    two.take(&pending, &blob, InvitePolicy::StartOver);
    // The two sit together and compare numbers at once.
    two.verify();
    let before = two.sending();
    two.events.clear();
    old.say();
    if let Some(envelope) = old.sent.pop() {
        let _ = two.hear(&envelope);
    }
    in_sight(&two, before);
}

/// One's state is put back to an older one within a turn, and one reads the next turn of two before
/// it sends.
#[test]
fn a_peer_that_was_put_back_and_reads_first_is_seen() {
    let (mut one, mut two) = friends(7, 3);
    one.say();
    pass(&mut one, &mut two);
    let backup = one.rows.clone();
    one.say();
    pass(&mut one, &mut two);
    two.say();
    one.rows = backup;
    one.reload();
    pass(&mut two, &mut one);
    two.events.clear();
    let mut answers = vec![];
    for _ in 0..3 {
        one.say();
        let envelope = one.sent.pop().unwrap();
        answers.push(two.hear(&envelope));
        two.say();
        pass(&mut two, &mut one);
    }
    assert!(two.saw(|e| *e == ContactEvent::PeerRewound), "{answers:?} {:?}", two.events);
}

/// One loses the snapshot of a twin, but not its reset secrets, while only two has an answer in the
/// session that it began.
#[test]
fn a_lost_twin_that_was_not_answered_is_told() {
    let mut bad = 0;
    for seed in 0..12 {
        let (mut one, mut two) = twins(700 + seed);
        // two has an answer in the session that it began; one has not yet heard a turn 2 in it.
        let id = two.sending().unwrap();
        let rows = one.rows.sessions.get_mut(&id).unwrap();
        rows.snapshot.clear();
        rows.skipped.clear();
        one.reload();
        if one.contact.is_lost() {
            continue;
        }
        talk(&mut one, &mut two, 6);
        if one.sending() != two.sending() {
            assert!(!one.contact.is_lost() && !two.contact.is_lost());
            bad += 1;
        }
    }
    assert_eq!(bad, 0, "of 12: diverged, and neither is told");
}

/// The network loses the message with the first reset bundle of two. After a long conversation one
/// must have another bundle to reset with.
#[test]
fn a_first_bundle_that_was_lost_is_given_again() {
    let (mut one, mut two) = strangers(60);
    meet(&mut two, &mut one, [InvitePolicy::KeepSessions, InvitePolicy::KeepSessions]);
    two.say();
    two.sent.clear(); // lost
    two.say();
    pass(&mut two, &mut one);
    talk(&mut one, &mut two, 20);
    // one has given its bundle: two resets, a new session begins; still nothing for one.
    two.lose_sessions();
    two.reset(ResetKind::Soft, NOW).unwrap();
    two.say();
    pass(&mut two, &mut one);
    assert_converged(&mut two, &mut one);
    one.lose_sessions();
    assert_eq!(one.reset(ResetKind::Soft, NOW), Ok(()));
}

/// Two soft resets cross. A thief of one's older state answers in the session that is not used,
/// long after both sides have settled on the other.
#[test]
fn a_session_that_crossed_comes_back_in_sight() {
    let mut bad = 0;
    for seed in 0..16 {
        let (mut one, mut two) = friends(800 + seed, 3);
        two.verify();
        one.lose_sessions();
        two.lose_sessions();
        one.reset(ResetKind::Soft, NOW).unwrap();
        two.reset(ResetKind::Soft, NOW).unwrap();
        one.say();
        two.say();
        pass(&mut one, &mut two);
        pass(&mut two, &mut one);
        // One has not said anything in the session of two, or it was lost.
        one.say();
        one.sent.clear();
        two.say();
        pass(&mut two, &mut one);
        talk(&mut one, &mut two, 3);
        let mut old = thief(&one, 99);
        talk(&mut one, &mut two, 20);
        let before = two.sending();
        assert_eq!(before, one.sending());
        // The thief drops what is used and speaks in the other one.
        old.rows.sessions.remove(&before.unwrap());
        old.rows.contact = without_session(&old.rows.contact, before.unwrap());
        old.contact = old.rows.load();
        two.events.clear();
        old.say();
        let Some(envelope) = old.sent.pop() else { continue };
        let _ = two.hear(&envelope);
        if two.sending() != before && two.contact.is_verified() {
            bad += 1;
        }
    }
    assert_eq!(bad, 0, "silent takeovers of 16");
}
