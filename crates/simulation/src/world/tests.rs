//! Short plans, each for one property of the simulation itself.
#![allow(clippy::unwrap_used)]

use super::play;
use crate::plan::{Op, Plan};

const MINUTE_MS: u64 = 60_000;

fn events_of(people: usize, ops: Vec<(u64, Op)>) -> u64 {
    play(&Plan { seed: 1, people, relays: 1, ops }, None, false).events
}

#[test]
fn a_wish_that_waits_adds_no_events() {
    // No invite makes the two contacts, so the text waits until the run is given up.
    let alone = events_of(3, vec![(1_000, Op::Invite(0, 1))]);
    let wish = Op::Send { from: 0, to: 2, count: 1, is_long: false };
    let waiting = events_of(3, vec![(1_000, Op::Invite(0, 1)), (2_000, wish)]);
    assert!(alone < 5_000, "{alone}");
    assert!(waiting < 200_000, "{waiting}");
}

#[test]
fn an_app_that_cannot_mark_what_it_has_shown_adds_no_events() {
    let full = Op::FullVault { person: 1, room: 0, for_ms: 40 * MINUTE_MS };
    let texts = Op::Send { from: 0, to: 1, count: 40, is_long: true };
    let wish = Op::Send { from: 1, to: 2, count: 1, is_long: false };
    let later = Op::Invite(1, 2);
    let ops = vec![
        (1_000, Op::Invite(0, 1)),
        (3 * MINUTE_MS, wish),
        (5 * MINUTE_MS, texts),
        (5 * MINUTE_MS + 200, full),
        (50 * MINUTE_MS, later),
    ];
    let outcome = play(&Plan { seed: 1, people: 3, relays: 1, ops }, None, false);
    assert_eq!(outcome.breach, None);
    assert!(outcome.events < 200_000, "{}", outcome.events);
}

#[test]
fn an_app_whose_old_vault_has_forgotten_all_events_has_shown_them() {
    let back = Op::PutBack { person: 0, down_ms: 1_000 };
    let texts = Op::Send { from: 1, to: 0, count: 2, is_long: false };
    let ops = vec![
        (1_000, Op::Invite(0, 1)),
        (2 * MINUTE_MS, texts),
        (5 * MINUTE_MS, Op::Forget(0)),
        (6 * MINUTE_MS, Op::Copy(0)),
        (7 * MINUTE_MS, back),
    ];
    let outcome = play(&Plan { seed: 1, people: 2, relays: 1, ops }, None, true);
    assert!(outcome.lines.iter().any(|line| line.contains("is put back")));
    assert_eq!(outcome.breach, None);
}

#[test]
fn a_contact_out_of_reach_need_not_be_told() {
    let text = |from, to| Op::Send { from, to, count: 1, is_long: false };
    // The two take turns.
    let turns = |first: u64| {
        (0..4).map(move |turn| {
            ((first + turn) * MINUTE_MS, [text(0, 1), text(1, 0)][usize::from(turn % 2 == 1)])
        })
    };
    let mut ops = vec![(1_000, Op::Invite(1, 0)), (2 * MINUTE_MS, text(1, 0)), (3 * MINUTE_MS, text(0, 1))];
    ops.push((4 * MINUTE_MS, Op::Copy(0)));
    // Turns that the copy does not know, then a relay that it does not know.
    ops.extend(turns(5));
    ops.push((10 * MINUTE_MS, Op::Move(1, 0)));
    ops.extend(turns(11));
    ops.push((20 * MINUTE_MS, Op::PutBack { person: 0, down_ms: 1_000 }));
    let plan = Plan { seed: 2, people: 2, relays: 2, ops };
    assert!(plan.is_patient());
    let outcome = play(&plan, None, true);
    let line = |what: &str| outcome.lines.iter().position(|line| line.contains(what));
    assert!(line("Unreachable of ben").unwrap() < line("SessionLost of ben").unwrap());
    assert_eq!(outcome.breach, None);
}

#[test]
fn a_stranger_whose_unused_mailbox_has_expired_is_done() {
    let ops = vec![
        (1_000, Op::Invite(0, 1)),
        (MINUTE_MS, Op::Stranger { relay: 0, visits: 2 }),
        (MINUTE_MS + 3_000, Op::KillRelay { relay: 0, writes: None, down_ms: MINUTE_MS }),
        (MINUTE_MS + 4_000, Op::RelayClock { relay: 0, days: 2, for_ms: 10 * MINUTE_MS }),
    ];
    let outcomes =
        (0..40).map(|seed| play(&Plan { seed, people: 2, relays: 1, ops: ops.clone() }, None, true));
    let mut has_expired = false;
    for outcome in outcomes {
        has_expired |= outcome.lines.iter().any(|line| line.contains("has expired unused"));
        assert_eq!(outcome.breach, None);
    }
    assert!(has_expired);
}

/// A user may move while the link for an invite is being opened: the invite is then made at the new
/// relay, and published there.
#[test]
fn a_user_who_moves_while_an_invite_is_made_publishes_it_at_the_new_relay() {
    for after_ms in (10..400).step_by(10) {
        let texts = Op::Send { from: 1, to: 0, count: 1, is_long: false };
        let ops = vec![(1_000, Op::Invite(0, 1)), (1_000 + after_ms, Op::Move(0, 1)), (MINUTE_MS, texts)];
        let outcome = play(&Plan { seed: 1, people: 2, relays: 2, ops }, None, false);
        assert_eq!(outcome.breach, None, "{after_ms} ms");
    }
}
