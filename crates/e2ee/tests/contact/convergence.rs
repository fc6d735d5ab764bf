//! Random histories, after which both sides always come to one session, though messages are lost or
//! late and states are put back.

use crate::people::*;
use deaddrop_e2ee::{
    contact::{ContactEvent, Hour, InvitePolicy, ResetKind},
    session::Standing,
};
use deaddrop_testkit::rng;
use rand_chacha::rand_core::Rng;

#[test]
fn resets_converge_under_loss_and_reordering() {
    for seed in 0..60 {
        let random = &mut rng(5_000 + seed);
        let (mut one, mut two) = friends(200 + seed, 2);
        one.verify();
        two.verify();
        let mut hour = NOW.number();
        let mut losses = [0; 2];
        for _ in 0..60 {
            let swap = random.next_u32().is_multiple_of(2);
            let (from, to) = if swap { (&mut one, &mut two) } else { (&mut two, &mut one) };
            if from.contact.standing() == Some(Standing::Established) {
                losses[usize::from(swap)] = 0;
            }
            match random.next_u32() % 16 {
                0..6 => {
                    from.say();
                }
                6..11 if !from.sent.is_empty() => {
                    let at = random.next_u32() as usize % from.sent.len();
                    let envelope = from.sent.remove(at);
                    let _ = to.hear(&envelope);
                }
                11 if !from.sent.is_empty() => drop(from.sent.remove(0)),
                12 => from.reload(),
                // Up to the bound: a bundle begins few sessions, and beyond that the user is asked.
                13 if from.contact.sending().is_some() && losses[usize::from(swap)] < 3 => {
                    losses[usize::from(swap)] += 1;
                    from.lose_sessions();
                }
                14 | 15 => {
                    hour += 1;
                    if from.contact.is_lost() {
                        let _ = from.reset(ResetKind::Soft, Hour::from_number(hour));
                    }
                }
                _ => {}
            }
        }
        // The network works again, and no more rows are lost.
        for _ in 0..4 {
            for person in [&mut one, &mut two] {
                hour += 1;
                if person.contact.is_lost() {
                    let answer = person.reset(ResetKind::Soft, Hour::from_number(hour));
                    assert_eq!(answer, Ok(()), "seed {seed}");
                }
            }
            talk(&mut one, &mut two, 2);
        }
        for (name, person) in [("one", &one), ("two", &two)] {
            let hard = person.saw(|event| matches!(event, ContactEvent::ResetRequested { .. }));
            assert!(!hard && person.contact.is_verified(), "seed {seed}: {name} was asked for a hard reset");
        }
        assert_converged(&mut one, &mut two);
    }
}

/// Gives an envelope to a person whose user agrees to every reset that is asked for.
fn hear(to: &mut Person, envelope: &[u8]) {
    let told = to.events.len();
    if to.hear(envelope).is_ok()
        && to.events[told..].iter().any(|event| matches!(event, ContactEvent::ResetRequested { .. }))
        && let Ok(received) = to.contact.agree_to_reset(&to.identity, envelope, TODAY)
    {
        to.keep(received);
    }
}

/// Does what the app of a person without a usable session does: begins a soft reset, or else a hard
/// one, or else meets the other person by a new invite.
fn recover(person: &mut Person, other: &mut Person, hour: u32) {
    if person.contact.is_lost() || person.contact.sending().is_none() {
        let now = Hour::from_number(hour);
        let reset = person.reset(ResetKind::Soft, now).or_else(|_| person.reset(ResetKind::Hard, now));
        if reset.is_err() {
            meet(person, other, [InvitePolicy::StartOver; 2]);
        }
    }
}

/// Runs a random history in which states are lost, devices are new, and messages come in any order
/// or never. Then the network works again, and both sides must come to one session. `meeting` is
/// the policy of the inviter that meets a new device.
fn history(seed: u64, meeting: InvitePolicy) {
    let random = &mut rng(90_000 + seed);
    let (mut one, mut two) = friends(2_000 + seed, 2);
    let mut hour = NOW.number();
    for _ in 0..50 {
        let (from, to) =
            if random.next_u32().is_multiple_of(2) { (&mut one, &mut two) } else { (&mut two, &mut one) };
        match random.next_u32() % 20 {
            0..7 => drop(from.say()),
            7..12 if !from.sent.is_empty() => {
                let at = random.next_u32() as usize % from.sent.len();
                let envelope = from.sent.remove(at);
                hear(to, &envelope);
            }
            12 if !from.sent.is_empty() => drop(from.sent.remove(0)),
            13 if from.contact.sending().is_some() => from.lose_sessions(),
            14..17 if from.contact.is_lost() => {
                hour += 1;
                let kind =
                    if random.next_u32().is_multiple_of(4) { ResetKind::Hard } else { ResetKind::Soft };
                let _ = from.reset(kind, Hour::from_number(hour));
            }
            17 if random.next_u32().is_multiple_of(4) => {
                new_device(from);
                if random.next_u32().is_multiple_of(2) {
                    meet(to, from, [InvitePolicy::StartOver, meeting]);
                } else {
                    meet(from, to, [InvitePolicy::StartOver, meeting]);
                }
            }
            18 => {
                let day = TODAY.plus(random.next_u32() % 10);
                let received = from.contact.tidy(day, from.sent.is_empty() && to.sent.is_empty());
                from.keep(received);
            }
            _ => {}
        }
    }
    for _ in 0..6 {
        hour += 1;
        recover(&mut one, &mut two, hour);
        recover(&mut two, &mut one, hour);
        for _ in 0..3 {
            for swap in [true, false] {
                let (from, to) = if swap { (&mut one, &mut two) } else { (&mut two, &mut one) };
                from.say();
                let told = to.events.len();
                for envelope in std::mem::take(&mut from.sent) {
                    hear(to, &envelope);
                }
                if to.events[told..].contains(&ContactEvent::StaleReset) {
                    hour += 1;
                    let _ = to.reset(ResetKind::Hard, Hour::from_number(hour));
                }
            }
        }
    }
    assert_converged(&mut one, &mut two);
}

#[test]
fn losses_resets_and_new_devices_end_in_one_session() {
    for seed in 0..60 {
        history(seed, InvitePolicy::StartOver);
        history(seed, InvitePolicy::KeepSessions);
    }
}

#[test]
fn late_words_of_a_replaced_session_lift_nothing() {
    let (mut one, mut two) = friends(31, 3);
    let at = |hour: u32| Hour::from_number(NOW.number() + hour);
    one.lose_sessions();
    one.reset(ResetKind::Soft, at(1)).unwrap();
    one.say();
    one.say();
    let late = one.sent.pop().unwrap();
    pass(&mut one, &mut two);
    one.lose_sessions();
    one.reset(ResetKind::Soft, at(2)).unwrap();
    talk(&mut one, &mut two, 2);
    // Now two loses this one, and the first word of its own reset never arrives.
    let used = two.sending().unwrap();
    let rows = two.rows.sessions.get_mut(&used).unwrap();
    rows.snapshot.clear();
    rows.skipped.clear();
    two.reload();
    assert!(two.contact.is_lost());
    two.reset(ResetKind::Soft, at(3)).unwrap();
    two.say();
    two.sent.clear();
    let begun = two.sending();
    two.hear(&late).unwrap();
    assert_eq!(two.sending(), begun);
    assert_converged(&mut two, &mut one);
}
