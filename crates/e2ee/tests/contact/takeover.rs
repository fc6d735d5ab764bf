//! The power of a thief of an old state, or of the identity: none of it stays silent.

use crate::people::*;
use deaddrop_e2ee::{
    contact::{ContactEvent, Hour, InvitePolicy, ResetError, ResetKind, SessionUse},
    content::Content,
    session::DecryptError,
};

#[test]
fn an_old_state_cannot_take_over_in_silence() {
    let (mut one, mut two) = friends(3, 3);
    two.verify();
    let mut old = thief(&one, 99);
    talk(&mut one, &mut two, 2);
    // The thief knows the identity and a whole state of some turns ago, with the peer's reset bundle in it.
    old.reset(ResetKind::Soft, NOW).unwrap();
    assert!(old.say());
    let before = two.sending();
    let envelope = old.sent.pop().unwrap();
    two.hear(&envelope).unwrap();
    assert_eq!(two.events.last(), Some(&ContactEvent::StaleReset));
    assert_eq!((two.sending(), two.contact.sessions().count()), (before, 1), "nothing was begun");
    assert!(!two.read.contains(&1_001));
    assert!(two.contact.agree_to_reset(&two.identity, &envelope, TODAY).is_err());
    // There is nothing to agree to.
    assert_converged(&mut one, &mut two);
}

/// Returns two people after the second has agreed to a hard reset by the first, and the envelope
/// that asked for it.
fn agreed() -> (Person, Person, Vec<u8>) {
    let (mut one, mut two) = friends(4, 3);
    one.reset(ResetKind::Hard, NOW).unwrap();
    one.say();
    let envelope = one.sent.pop().unwrap();
    two.hear(&envelope).unwrap();
    let received = two.contact.agree_to_reset(&two.identity, &envelope, TODAY).unwrap();
    two.keep(received);
    assert!(two.saw(|event| matches!(event, ContactEvent::StartedOver { .. })));
    assert_converged(&mut one, &mut two);
    (one, two, envelope)
}

#[test]
fn a_repeated_reset_says_and_does_nothing() {
    let (mut one, mut two, hard) = agreed();
    two.verify();
    assert_eq!(two.hear(&hard), Err(DecryptError::Duplicate));
    assert!(two.contact.is_verified());
    // Not even when its session has gone.
    one.lose_sessions();
    one.reset(ResetKind::Soft, Hour::from_number(NOW.number() + 3)).unwrap();
    one.say();
    let soft = one.sent[0].clone();
    pass(&mut one, &mut two);
    assert_converged(&mut one, &mut two);
    for person in [&mut one, &mut two] {
        let received = person.contact.tidy(TODAY.plus(20), true);
        person.keep(received);
        assert_eq!(person.contact.sessions().count(), 1);
    }
    two.events.clear();
    for envelope in [&hard, &soft] {
        assert_eq!(two.hear(envelope), Err(DecryptError::Duplicate));
        assert!(two.contact.agree_to_reset(&two.identity, envelope, TODAY).is_err());
    }
    assert!(two.events.is_empty() && two.contact.is_verified());
}

#[test]
fn a_hard_reset_that_was_declined_clears_verification_once() {
    let (mut one, mut two) = friends(4, 3);
    one.reset(ResetKind::Hard, NOW).unwrap();
    one.say();
    let envelope = one.sent.pop().unwrap();
    two.verify();
    two.hear(&envelope).unwrap();
    assert!(!two.contact.is_verified());
    two.verify();
    two.reload();
    two.hear(&envelope).unwrap();
    assert!(two.contact.is_verified(), "a relay that repeats it clears nothing");
    assert_eq!(two.events.last(), Some(&ContactEvent::ResetRequested { repeated: true }));
}

#[test]
fn a_session_that_was_dropped_does_not_begin_again() {
    let (mut one, mut two) = friends(4, 4);
    let (mut hour, mut first) = (NOW.number(), None);
    // Nine resets: the first session has to make room.
    for _ in 0..3 {
        for _ in 0..3 {
            one.lose_sessions();
            hour += 2;
            one.reset(ResetKind::Soft, Hour::from_number(hour)).unwrap();
            one.say();
            let envelope = one.sent[0].clone();
            first.get_or_insert((envelope, one.sending().unwrap()));
            pass(&mut one, &mut two);
        }
        two.say();
        pass(&mut two, &mut one);
    }
    let (envelope, id) = first.unwrap();
    assert!(two.contact.sessions().all(|session| session != id));
    assert_eq!(two.hear(&envelope), Err(DecryptError::Duplicate));
}

/// Returns two people, and a thief with the state of the first one's old device. The two have since
/// started over, and the second has compared safety numbers.
fn stolen() -> (Person, Person, Person) {
    let (mut one, mut two) = friends(8, 2);
    let old = thief(&one, 99);
    new_device(&mut one);
    let (pending, blob) = one.invite();
    two.take(&pending, &blob, InvitePolicy::StartOver);
    assert!(two.saw(|event| matches!(event, ContactEvent::StartedOver { .. })));
    two.say();
    let first = two.sent.pop().unwrap();
    one.accept(&pending, &first, InvitePolicy::KeepSessions);
    assert_converged(&mut one, &mut two);
    two.verify();
    (one, two, old)
}

#[test]
fn a_superseded_session_is_marked_and_decides_nothing() {
    let (mut one, mut two, mut old) = stolen();
    let used = two.sending();
    two.events.clear();
    for era in [1, 2, 7, u32::MAX] {
        let envelope = message(&mut old, vec![Content::SessionEra { era }]);
        let received = two.contact.decrypt(&two.identity, &envelope, TODAY).unwrap();
        assert!(received.by == SessionUse::Superseded && received.session != used);
        two.keep(received);
        assert_eq!(two.sending(), used);
    }
    // Its bundle does not push the owner's out.
    let (bundle, changes) =
        old.contact.renew_bundle(&old.identity, b"", TODAY.plus(8), &mut old.rng).unwrap().unwrap();
    old.rows.store(&changes);
    let envelope = message(&mut old, vec![bundle]);
    two.hear(&envelope).unwrap();
    assert!(two.events.is_empty() && two.contact.is_verified());
    talk(&mut one, &mut two, 2);
    // It goes after a week, whether it is used or not.
    for day in 0..=8 {
        let envelope = message(&mut old, vec![]);
        if let Ok(received) = two.contact.decrypt(&two.identity, &envelope, TODAY.plus(day)) {
            assert!(received.by == SessionUse::Superseded);
            two.keep(received);
        }
        let received = two.contact.tidy(TODAY.plus(day), true);
        two.keep(received);
    }
    let envelope = message(&mut old, vec![]);
    assert_eq!(two.hear(&envelope), Err(DecryptError::Junk));
    two.lose_sessions();
    two.reset(ResetKind::Soft, NOW).unwrap();
    two.say();
    pass(&mut two, &mut one);
    assert!(one.saw(|event| matches!(event, ContactEvent::PeerReset { .. })));
    assert_converged(&mut one, &mut two);
}

#[test]
fn a_superseded_session_is_marked_before_the_new_one_is_answered() {
    let (mut one, mut two) = friends(8, 2);
    let mut old = thief(&one, 99);
    let (pending, blob) = one.invite();
    two.take(&pending, &blob, InvitePolicy::StartOver);
    let used = two.sending();
    let envelope = message(&mut old, vec![Content::SessionEra { era: 9 }]);
    two.hear(&envelope).unwrap();
    assert_eq!(two.sending(), used);
    // Nor does it prove a reset, on either side.
    old.lose_sessions();
    old.reset(ResetKind::Soft, NOW).unwrap();
    old.say();
    let envelope = old.sent.pop().unwrap();
    two.hear(&envelope).unwrap();
    assert_eq!(two.events.last(), Some(&ContactEvent::StaleReset));
    assert_eq!(two.reset(ResetKind::Soft, NOW), Err(ResetError::NoProof));
}

#[test]
fn an_unused_twin_proves_no_reset_and_comes_back_in_sight() {
    let (mut one, mut two) = twins(100);
    talk(&mut one, &mut two, 4);
    one.verify();
    two.verify();
    let used = one.sending().unwrap();
    let [mut prover, mut speaker] = [thief(&one, 98), thief(&one, 99)];
    for day in 0..6 {
        talk(&mut one, &mut two, 5);
        for person in [&mut one, &mut two] {
            let received = person.contact.tidy(TODAY.plus(day), true);
            person.keep(received);
        }
    }
    assert_eq!(two.contact.sessions().count(), 2);
    // The session that is used has healed; the other has stood still.
    *prover.rows.sessions.get_mut(&used).unwrap() = SessionRows::default();
    prover.contact = prover.rows.load();
    prover.reset(ResetKind::Soft, NOW).unwrap();
    prover.say();
    let envelope = prover.sent.pop().unwrap();
    two.hear(&envelope).unwrap();
    assert_eq!(two.events.last(), Some(&ContactEvent::StaleReset));
    assert_eq!(two.sending(), Some(used));
    // To speak in it and raise it is seen.
    speaker.rows.sessions.remove(&used);
    speaker.rows.contact = without_session(&speaker.rows.contact, used);
    speaker.contact = speaker.rows.load();
    let envelope = message(&mut speaker, vec![Content::SessionEra { era: 3 }]);
    let received = two.contact.decrypt(&two.identity, &envelope, TODAY).unwrap();
    assert!(received.by == SessionUse::Unused);
    two.keep(received);
    assert!(two.saw(|event| matches!(event, ContactEvent::PeerFellBack { .. })));
    assert!(!two.contact.is_verified());
}

#[test]
fn the_identity_and_an_open_invite_take_over_in_sight_only() {
    let (one, mut two) = friends(8, 4);
    two.verify();
    meet(&mut two, &mut namesake(&one), [InvitePolicy::StartOver, InvitePolicy::KeepSessions]);
    assert!(two.saw(|event| matches!(event, ContactEvent::StartedOver { .. })));
    assert!(!two.contact.is_verified());
}

#[test]
fn an_era_out_of_reach_is_not_believed() {
    let (mut one, mut two) = friends(8, 4);
    let before = two.contact.row().to_vec();
    for era in [65, 1_000, u32::MAX] {
        let envelope = message(&mut one, vec![Content::SessionEra { era }]);
        two.hear(&envelope).unwrap();
        assert_eq!(two.contact.row().to_vec(), before);
    }
    let envelope = message(&mut one, vec![Content::SessionEra { era: 64 }]);
    two.hear(&envelope).unwrap();
    assert_ne!(two.contact.row().to_vec(), before);
    // Whatever was said, a reset and a new invite go on working.
    two.lose_sessions();
    two.reset(ResetKind::Soft, NOW).unwrap();
    assert!(two.say());
    let (pending, blob) = one.invite();
    two.take(&pending, &blob, InvitePolicy::StartOver);
    assert!(two.say());
}
