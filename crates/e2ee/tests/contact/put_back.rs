//! States that were put back to an older one.

use crate::people::*;
use deaddrop_e2ee::contact::{ContactEvent, ResetKind};

/// Lets `two` begin a soft reset with `one`, whose state was put back to an older one. If `one`
/// reports the reset as stale, lets `one` begin a hard one, to which `two` agrees. Returns whether
/// the soft reset succeeded.
fn heal(two: &mut Person, one: &mut Person) -> bool {
    two.reset(ResetKind::Soft, NOW).unwrap();
    two.say();
    pass(two, one);
    let silent = one.saw(|event| matches!(event, ContactEvent::PeerReset { .. }));
    if !silent {
        assert!(one.saw(|event| *event == ContactEvent::StaleReset));
        one.reset(ResetKind::Hard, NOW).unwrap();
        one.say();
        let envelope = one.sent.pop().unwrap();
        two.hear(&envelope).unwrap();
        assert!(two.saw(|event| *event == ContactEvent::ResetRequested { repeated: false }));
        let received = two.contact.agree_to_reset(&two.identity, &envelope, TODAY).unwrap();
        two.keep(received);
    }
    assert_converged(two, one);
    silent
}

#[test]
fn a_state_put_back_within_a_turn_is_seen_and_healed_in_silence() {
    for lonely in [1, 3, 60] {
        let (mut one, mut two) = friends(7, 3);
        one.say();
        pass(&mut one, &mut two);
        let backup = one.rows.clone();
        (0..lonely).for_each(|_| assert!(one.say()));
        pass(&mut one, &mut two);
        let (read, own) = (two.read.clone(), one.said);
        one.rows = backup;
        one.reload();
        assert!(one.say());
        pass(&mut one, &mut two);
        assert_eq!(two.events.last(), Some(&ContactEvent::PeerRewound));
        assert_eq!(two.read, read, "a second message of a number is not read as the first");
        assert_eq!(one.said, own + 1);
        assert!(heal(&mut two, &mut one));
    }
}

#[test]
fn a_state_put_back_to_an_earlier_turn_is_seen_and_healed_by_the_user() {
    for rounds in [0, 1, 3] {
        let (mut one, mut two) = friends(17, 3);
        let backup = one.rows.clone();
        talk(&mut one, &mut two, rounds);
        one.say();
        pass(&mut one, &mut two);
        let read = two.read.clone();
        one.rows = backup;
        one.reload();
        one.say();
        pass(&mut one, &mut two);
        assert_eq!(two.read, read);
        // Its next turn begins a second time what the peer has read; a turn of long ago is junk, and no receipt comes for it.
        assert_eq!(two.saw(|event| *event == ContactEvent::PeerRewound), rounds == 0);
        assert!(!heal(&mut two, &mut one));
    }
}
