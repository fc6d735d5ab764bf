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
