//! Resets: in silence with a recent secret, otherwise with the consent of the user.

use crate::people::*;
use deaddrop_e2ee::{
    contact::{ContactEvent, Hour, RESET_BUNDLE_DAYS, RESET_BUNDLE_RENEWAL_DAYS, ResetError, ResetKind},
    session::{DecryptError, Session},
};
use std::collections::BTreeSet;

#[test]
fn a_lost_session_is_reset_in_silence() {
    let (mut one, mut two) = friends(1, 3);
    one.verify();
    two.verify();
    let old = one.sending();
    // Each of them in turn.
    for (lost, hour) in [(true, 1), (false, 2), (true, 3), (true, 4)] {
        let (loser, other) = if lost { (&mut one, &mut two) } else { (&mut two, &mut one) };
        loser.lose_sessions();
        assert!(!loser.say(), "nothing can be sent with a lost session");
        loser.reset(ResetKind::Soft, Hour::from_number(NOW.number() + hour)).unwrap();
        // What the other said before it learned of the loss cannot be read: it is said again by the app.
        other.say();
        pass(other, loser);
        loser.say();
        pass(loser, other);
        assert!(other.saw(|event| matches!(event, ContactEvent::PeerReset { .. })));
        assert_converged(loser, other);
        assert!(loser.contact.is_verified() && other.contact.is_verified());
        assert!(
            !other
                .saw(|event| matches!(event, ContactEvent::ResetRequested { .. } | ContactEvent::StaleReset))
        );
        loser.reload();
        other.reload();
        assert_converged(other, loser);
    }
    assert_ne!(one.sending(), old);
    // Unused sessions go after a week.
    for person in [&mut one, &mut two] {
        let received = person.contact.tidy(TODAY.plus(20), false);
        assert!(received.changes.dropped.is_empty(), "not before the mailbox is read");
        let received = person.contact.tidy(TODAY.plus(20), true);
        assert!(!received.changes.dropped.is_empty());
        person.keep(received);
        assert_eq!(person.contact.sessions().count(), 1);
    }
    assert_converged(&mut one, &mut two);
}

#[test]
fn both_reset_at_once_and_again() {
    let (mut one, mut two) = friends(2, 2);
    for hour in 0..6 {
        one.lose_sessions();
        two.lose_sessions();
        let now = Hour::from_number(NOW.number() + 10 * hour);
        one.reset(ResetKind::Soft, now).unwrap();
        two.reset(ResetKind::Soft, now).unwrap();
        assert_eq!(one.reset(ResetKind::Soft, now), Err(ResetError::TooSoon));
        // Both begin before either hears of the other.
        one.say();
        two.say();
        pass(&mut one, &mut two);
        pass(&mut two, &mut one);
        for person in [&one, &two] {
            let hard = person
                .saw(|event| matches!(event, ContactEvent::ResetRequested { .. } | ContactEvent::StaleReset));
            assert!(!hard, "hour {hour}: {:?}", person.events);
        }
        assert_converged(&mut one, &mut two);
    }
    assert!(
        !one.saw(|event| matches!(event, ContactEvent::ResetRequested { .. } | ContactEvent::StaleReset))
    );
    assert!(
        !two.saw(|event| matches!(event, ContactEvent::ResetRequested { .. } | ContactEvent::StaleReset))
    );
}

#[test]
fn the_identity_alone_asks_and_waits() {
    let (mut one, mut two) = friends(4, 3);
    one.verify();
    two.verify();
    let mut old = thief(&one, 98);
    talk(&mut one, &mut two, 2);
    old.reset(ResetKind::Hard, NOW).unwrap();
    assert!(old.say());
    assert!(!old.contact.is_verified(), "a hard reset is visible on its own side");
    let envelope = old.sent.pop().unwrap();
    let before = two.sending();
    two.hear(&envelope).unwrap();
    assert_eq!(two.events.last(), Some(&ContactEvent::VerificationCleared));
    assert!(two.saw(|event| *event == ContactEvent::ResetRequested { repeated: false }));
    assert_eq!((two.sending(), two.contact.sessions().count()), (before, 1), "nothing was begun");
    // The user agrees: the owner has restored a backup after all.
    let received = two.contact.agree_to_reset(&two.identity, &envelope, TODAY).unwrap();
    two.keep(received);
    assert!(!two.contact.is_verified());
    assert_converged(&mut old, &mut two);
    assert!(two.contact.agree_to_reset(&two.identity, &[0; 16_384], TODAY).is_err());
}

#[test]
fn only_the_peer_can_reset() {
    // A third person who somehow learned the bundle, and even the secret of the newest turn.
    let (one, mut two) = friends(5, 3);
    let (mut third, _) = strangers(77);
    third.rows = one.rows.clone();
    third.contact = third.rows.load();
    for kind in [ResetKind::Soft, ResetKind::Hard] {
        third.reset(kind, NOW).unwrap();
        third.say();
        let envelope = third.sent.pop().unwrap();
        assert_eq!(two.hear(&envelope), Err(DecryptError::Junk));
    }
}

#[test]
fn a_bundle_begins_few_sessions() {
    let (mut one, mut two) = friends(6, 2);
    for hour in 0..u32::from(deaddrop_e2ee::contact::MAX_SESSIONS_OF_BUNDLE) {
        one.lose_sessions();
        one.reset(ResetKind::Soft, Hour::from_number(NOW.number() + 2 * hour)).unwrap();
        one.say();
        // Nothing comes back.
        pass(&mut one, &mut two);
    }
    assert_eq!(two.events.iter().filter(|event| matches!(event, ContactEvent::PeerReset { .. })).count(), 4);
    one.lose_sessions();
    one.reset(ResetKind::Soft, Hour::from_number(NOW.number() + 20)).unwrap();
    one.say();
    pass(&mut one, &mut two);
    assert!(two.saw(|event| *event == ContactEvent::StaleReset));
    assert!(two.contact.sessions().count() <= deaddrop_e2ee::contact::MAX_SESSIONS);
}

#[test]
fn a_clock_that_was_ahead_blocks_no_reset() {
    let (mut one, _) = friends(8, 4);
    one.lose_sessions();
    one.reset(ResetKind::Soft, Hour::from_number(NOW.number() + 720)).unwrap();
    one.lose_sessions();
    assert_eq!(one.reset(ResetKind::Soft, Hour::from_number(NOW.number() + 100)), Ok(()));
}

#[test]
fn the_newest_bundle_is_used_in_whatever_order_they_come() {
    let (mut one, mut two) = friends(8, 4);
    let mut held = vec![];
    let on = |to: &mut Person, envelope: &[u8], today| {
        let received = to.contact.decrypt(&to.identity, envelope, today).unwrap();
        to.keep(received);
    };
    for week in 1..=6 {
        let today = TODAY.plus(7 * week);
        let renewed = one.contact.renew_bundle(&one.identity, b"", today, &mut one.rng).unwrap();
        let (bundle, changes) = renewed.expect("a week has passed, and the other has answered");
        one.rows.store(&changes);
        let envelope = message(&mut one, vec![bundle]);
        if week <= 2 {
            held.push(envelope)
        } else {
            on(&mut two, &envelope, today)
        }
        let envelope = message(&mut one, vec![]);
        on(&mut two, &envelope, today);
        let envelope = message(&mut two, vec![]);
        on(&mut one, &envelope, today);
    }
    let today = TODAY.plus(42);
    held.iter().for_each(|envelope| on(&mut two, envelope, today));
    // The maker has forgotten the first ones.
    two.lose_sessions();
    let now = Hour::from_number(today.number() * 24);
    two.reset(ResetKind::Soft, now).unwrap();
    two.say();
    let envelope = two.sent.pop().unwrap();
    on(&mut one, &envelope, today);
    assert!(one.saw(|event| matches!(event, ContactEvent::PeerReset { .. })));
}

#[test]
fn a_bundle_whose_last_day_has_passed_is_followed_by_another() {
    let (mut one, _) = friends(8, 4);
    let made = TODAY.plus(RESET_BUNDLE_RENEWAL_DAYS);
    let renewed = |one: &mut Person, today| {
        let renewed = one.contact.renew_bundle(&one.identity, b"", today, &mut one.rng).unwrap();
        renewed.map(|(_, changes)| one.rows.store(&changes)).is_some()
    };
    assert!(renewed(&mut one, made), "a week has passed, and the other has answered");
    // It is not answered. The contact keeps it to the end of its last day.
    for (day, due) in [(RESET_BUNDLE_DAYS, false), (RESET_BUNDLE_DAYS + 1, true)] {
        let today = made.plus(day);
        let received = one.contact.tidy(today, true);
        one.keep(received);
        assert_eq!(renewed(&mut one, today), due, "{day} days later");
    }
}

#[test]
fn an_own_reset_is_used_although_the_peer_has_begun_one() {
    let (mut one, mut two) = friends(8, 4);
    let backup = one.rows.clone();
    one.lose_sessions();
    one.reset(ResetKind::Soft, NOW).unwrap();
    one.say();
    pass(&mut one, &mut two);
    one.rows = backup;
    one.reload();
    let before: BTreeSet<_> = two.contact.sessions().collect();
    two.reset(ResetKind::Soft, Hour::from_number(NOW.number() + 1)).unwrap();
    let begun = two.contact.sessions().find(|id| !before.contains(id));
    assert_eq!(two.contact.sending().map(Session::id), begun);
    assert_converged(&mut two, &mut one);
}

#[test]
fn only_a_hard_reset_or_an_invite_starts_over() {
    let (mut one, mut two) = friends(9, 3);
    assert!(!one.contact.is_starting_over());
    one.lose_sessions();
    one.reset(ResetKind::Soft, NOW).unwrap();
    assert!(!one.contact.is_starting_over(), "the lost session still counts");
    one.reset(ResetKind::Hard, NOW).unwrap();
    assert!(one.contact.is_starting_over());
    one.reload();
    assert!(one.contact.is_starting_over());
    one.say();
    let envelope = one.sent.pop().unwrap();
    two.hear(&envelope).unwrap();
    let received = two.contact.agree_to_reset(&two.identity, &envelope, TODAY).unwrap();
    two.keep(received);
    assert!(!two.contact.is_starting_over());
    two.say();
    pass(&mut two, &mut one);
    assert!(!one.contact.is_starting_over());
}
