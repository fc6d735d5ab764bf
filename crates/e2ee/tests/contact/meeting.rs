//! Invites: both at once, a second time, used by two, and another identity.

use crate::people::*;
use deaddrop_e2ee::{
    contact::{AddError, Contact, ContactEvent, Hour, InvitePolicy, ResetError, ResetKind},
    identity::SafetyNumber,
    invite::VerifiedBundle,
    session::Session,
};
use deaddrop_testkit::rng;
use rand_chacha::rand_core::Rng;

#[test]
fn two_who_invite_each_other_end_with_one_session() {
    for seed in 0..30 {
        let (mut one, mut two) = strangers(100 + seed);
        let mut random = rng(seed);
        let (by_two, for_one) = two.invite();
        let (by_one, for_two) = one.invite();
        one.take(&by_two, &for_one, InvitePolicy::KeepSessions);
        two.take(&by_one, &for_two, InvitePolicy::KeepSessions);
        for person in [&mut one, &mut two] {
            (0..1 + random.next_u32() % 3).for_each(|_| assert!(person.say()));
        }
        // Each first message comes at a moment of its own, before or after others were answered.
        let first_of_one: Vec<_> = one.sent.drain(..).collect();
        let first_of_two: Vec<_> = two.sent.drain(..).collect();
        let late = random.next_u32() % 3;
        if late != 1 {
            two.accept(&by_two, &first_of_one[0], InvitePolicy::KeepSessions);
        }
        if late != 2 {
            one.accept(&by_one, &first_of_two[0], InvitePolicy::KeepSessions);
        }
        talk(&mut one, &mut two, (random.next_u32() % 4) as usize);
        if late == 1 {
            two.accept(&by_two, &first_of_one[0], InvitePolicy::KeepSessions);
        }
        if late == 2 {
            one.accept(&by_one, &first_of_two[0], InvitePolicy::KeepSessions);
        }
        for envelope in &first_of_one[1..] {
            two.hear(envelope).unwrap();
        }
        for envelope in &first_of_two[1..] {
            one.hear(envelope).unwrap();
        }
        assert_converged(&mut one, &mut two);
        assert_eq!(one.read.len() as u64, two.said, "no message is lost");
        assert_eq!(two.read.len() as u64, one.said, "no message is lost");
        assert_eq!(one.contact.sessions().count(), 2);
        for person in [&mut one, &mut two] {
            let received = person.contact.tidy(TODAY, true);
            person.keep(received);
            let received = person.contact.tidy(TODAY.plus(8), true);
            person.keep(received);
            assert_eq!(person.contact.sessions().count(), 1);
        }
        assert_converged(&mut two, &mut one);
    }
}

#[test]
fn a_new_invite_starts_over() {
    let (mut one, mut two) = friends(8, 2);
    two.verify();
    // One has nothing left but the identity; the two meet and use a new invite.
    new_device(&mut one);
    let (pending, blob) = one.invite();
    two.take(&pending, &blob, InvitePolicy::StartOver);
    assert!(!two.contact.is_verified());
    two.say();
    let first = two.sent.pop().unwrap();
    one.accept(&pending, &first, InvitePolicy::KeepSessions);
    assert_converged(&mut one, &mut two);
}

#[test]
fn a_new_invite_supersedes_a_session_that_the_peer_began_and_lost() {
    let (mut one, mut two) = friends(12, 2);
    one.lose_sessions();
    one.reset(ResetKind::Soft, NOW).unwrap();
    one.say();
    pass(&mut one, &mut two);
    // What two holds unanswered is of a later era than what was answered.
    new_device(&mut one);
    meet(&mut one, &mut two, [InvitePolicy::StartOver, InvitePolicy::KeepSessions]);
    assert_converged(&mut one, &mut two);
}

#[test]
fn a_used_invite_is_contested_or_taken() {
    let (mut one, mut two) = strangers(9);
    let (mut thief, _) = strangers(10);
    let (pending, blob) = two.invite();
    one.take(&pending, &blob, InvitePolicy::KeepSessions);
    thief.contact = Contact::new(*two.identity.identity_key().hash());
    thief.take(&pending, &blob, InvitePolicy::KeepSessions);
    one.say();
    thief.say();
    let first = one.sent.pop().unwrap();
    two.accept(&pending, &first, InvitePolicy::KeepSessions);
    pass(&mut thief, &mut two);
    assert_eq!(two.events, [ContactEvent::InviteContested]);
    // Who came second learns it when the invite's time is over.
    assert!(thief.contact.tidy(TODAY.plus(7), true).events.is_empty());
    let received = thief.contact.tidy(TODAY.plus(8), true);
    assert!(matches!(received.events[..], [ContactEvent::InviteTaken { .. }]));
    thief.keep(received);
    assert!(thief.contact.tidy(TODAY.plus(9), true).events.is_empty(), "told once");
}

#[test]
fn another_identity_is_another_person() {
    let (mut one, two) = friends(11, 2);
    one.verify();
    let (mut third, _) = strangers(12);
    let (pending, blob) = third.invite();
    let own = one.identity.identity_key().hash();
    let bundle = VerifiedBundle::open(pending.secret(), &blob, own, None, TODAY).unwrap();
    let begin = |one: &mut Person| Session::initiate(&one.identity, &bundle, &mut one.rng).unwrap();
    let (session, set) = begin(&mut one);
    assert!(one.contact.add_initiated(session, set, TODAY, InvitePolicy::KeepSessions).is_err());
    assert!(one.contact.is_verified());
    let now = *third.identity.identity_key().hash();
    let received = one.contact.change_identity(now);
    let before = *two.identity.identity_key().hash();
    assert_eq!(
        received.events,
        [ContactEvent::IdentityChanged { before, now }, ContactEvent::VerificationCleared]
    );
    assert_eq!(received.changes.dropped.len(), 1);
    one.keep(received);
    let (session, set) = begin(&mut one);
    one.contact.add_initiated(session, set, TODAY, InvitePolicy::KeepSessions).unwrap();
    let other = SafetyNumber::new(&before, one.identity.identity_key().hash()).to_qr_payload();
    let own = *one.identity.identity_key().hash();
    assert!(one.contact.verify_scanned(&own, &other).is_err());
    assert!(!one.contact.is_verified());
}

#[test]
fn a_device_that_is_new_again_and_again_is_met() {
    let (mut one, mut two) = friends(8, 2);
    for round in 0..4 {
        new_device(&mut one);
        // Either side may make the invite, and say what it will of the meeting.
        if round % 2 == 0 {
            meet(&mut two, &mut one, [InvitePolicy::KeepSessions, InvitePolicy::KeepSessions]);
        } else {
            meet(&mut one, &mut two, [InvitePolicy::KeepSessions, InvitePolicy::KeepSessions]);
        }
        assert_converged(&mut one, &mut two);
    }
}

#[test]
fn bundles_of_a_device_that_is_lost_are_not_used() {
    let (mut one, mut two) = friends(8, 2);
    new_device(&mut one);
    meet(&mut one, &mut two, [InvitePolicy::StartOver, InvitePolicy::StartOver]);
    two.lose_sessions();
    assert_eq!(two.reset(ResetKind::Soft, NOW), Err(ResetError::NoProof));
    assert_eq!(two.reset(ResetKind::Hard, Hour::from_number(NOW.number())), Err(ResetError::NoBundle));
    meet(&mut one, &mut two, [InvitePolicy::StartOver, InvitePolicy::StartOver]);
    assert_converged(&mut one, &mut two);
}

#[test]
fn the_own_identity_again_is_no_change() {
    let (mut one, two) = friends(11, 2);
    one.verify();
    let received = one.contact.change_identity(*two.identity.identity_key().hash());
    assert!(received.events.is_empty() && received.changes.contact.is_none());
    assert!(one.contact.is_verified());
}

#[test]
fn two_who_start_over_at_once_end_with_one_session_though_an_answer_is_late() {
    for meeting in [InvitePolicy::KeepSessions, InvitePolicy::StartOver] {
        let (mut one, mut two) = friends(32, 2);
        let (by_two, for_one) = two.invite();
        one.take(&by_two, &for_one, InvitePolicy::StartOver);
        one.say();
        let first = one.sent.pop().unwrap();
        two.accept(&by_two, &first, meeting);
        two.say();
        let late = two.sent.pop().unwrap();
        let (by_one, for_two) = one.invite();
        two.take(&by_one, &for_two, InvitePolicy::StartOver);
        two.say();
        let first = two.sent.pop().unwrap();
        one.accept(&by_one, &first, meeting);
        one.hear(&late).unwrap();
        assert_converged(&mut one, &mut two);
    }
}

#[test]
fn a_first_message_that_is_accepted_twice_is_refused() {
    let (mut one, mut two) = strangers(33);
    let (pending, blob) = two.invite();
    one.take(&pending, &blob, InvitePolicy::KeepSessions);
    one.say();
    let first = one.sent.pop().unwrap();
    two.accept(&pending, &first, InvitePolicy::KeepSessions);
    talk(&mut two, &mut one, 2);
    let again = pending.accept(&two.identity, &first, |_| false, TODAY).unwrap();
    let before = two.contact.row().to_vec();
    assert_eq!(two.contact.add_accepted(again, InvitePolicy::StartOver).err(), Some(AddError::Known));
    assert_eq!(two.contact.row().to_vec(), before);
    assert_converged(&mut one, &mut two);
}

/// Both people have begun a session and talk in one of them; then a delayed answer in the other
/// session arrives. The switch to that session is reported from turn 5 on.
#[test]
fn sessions_that_cross_are_settled_in_silence_up_to_turn_4() {
    let mut changed = 0;
    for (seed, turn) in (900..912).flat_map(|seed| [(seed, 4), (seed, 5)]) {
        let (mut one, mut two) = crossed(seed);
        two.say();
        let held_back = two.sent.pop().unwrap();
        // Turns 1 to 4 of the session that two has begun; one sends turn 5.
        talk(&mut one, &mut two, 2);
        if turn == 5 {
            one.say();
        }
        let before = one.contact.sending().unwrap();
        assert_eq!(before.turn(), turn);
        let before = before.id();
        one.hear(&held_back).unwrap();
        if one.sending() != Some(before) {
            let told = one.saw(|event| matches!(event, ContactEvent::PeerFellBack { .. }));
            assert_eq!(told, turn == 5, "seed {seed}, turn {turn}");
            changed += 1;
        }
    }
    assert!(changed >= 6, "the smaller id was never the other one's: {changed}");
}
