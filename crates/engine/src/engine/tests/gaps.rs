//! A missing message does not hide a later one for long, and is never reported as delivered.

use super::*;

/// Lets Ben send `count` texts. The relay loses those whose positions, from 0, are in `lost`, after
/// it has stored them.
fn say_and_lose(world: &mut World, count: usize, lost: &[usize]) {
    for at in 0..count {
        world.say(1);
        if lost.contains(&at) {
            let today = world.today;
            let ben = world.people[1].engine();
            for job in ben.take_puts(1, &BTreeSet::new(), 9) {
                ben.mark_stored_at_relay(1, &[job.sent()], LIVES, today).unwrap();
            }
        } else {
            world.settle();
        }
    }
    world.settle();
}

fn show(world: &mut World, at: u64) {
    let today = world.today;
    let read = BTreeSet::from([RELAY.to_owned()]);
    world.people[0].crash(today);
    world.people[0].engine().show_gaps(NOW + at, 30, &read, today).unwrap();
}

fn delivered(world: &mut World) -> usize {
    world.people[1].kinds().iter().filter(|kind| **kind == EventKind::Delivered).count()
}

#[test]
fn later_texts_are_shown_after_half_a_minute_and_the_missing_one_comes_late() {
    let mut world = World::new(40);
    world.settle();
    let before = world.people[1].engine().contacts[&1].row.outgoing.next;
    say_and_lose(&mut world, 4, &[1]);
    let texts = world.people[1].sent.clone();
    let shown = |world: &mut World| world.people[0].texts();
    assert_eq!(shown(&mut world), texts[..1]);
    // A relay that was not read says nothing of what is missing.
    let today = world.today;
    world.people[0].engine().show_gaps(NOW + 600, 30, &BTreeSet::new(), today).unwrap();
    for at in [0, 29] {
        show(&mut world, at);
        assert_eq!(shown(&mut world), texts[..1], "after {at} s");
    }
    show(&mut world, 30);
    assert_eq!(shown(&mut world), [&texts[..1], &texts[2..]].concat());
    let missing = before + 1;
    assert!(world.people[0].saw(&EventKind::MessagesMissing { gaps: vec![(missing, missing)] }));
    // What follows what was shown is shown at once.
    say_and_lose(&mut world, 1, &[]);
    let texts = world.people[1].sent.clone();
    assert_eq!(shown(&mut world), [&texts[..1], &texts[2..]].concat());
    let row = &world.people[0].engine().contacts[&1].row.incoming[0];
    assert_eq!(
        (row.low_water, row.sparse.len()),
        (missing - 1, 3),
        "the low-water mark waits for the missing one"
    );
    assert_eq!(delivered(&mut world), 1, "only what the digest covers is delivered");
    // The missing one is sent again.
    for at in [0, 60] {
        world.people[1].engine().resend_missing(NOW + at).unwrap();
    }
    world.settle();
    let events = world.people[0].kinds();
    let late = EventKind::MessageReceived { text: texts[1].clone(), late: true };
    assert_eq!(
        events.iter().filter(|kind| matches!(kind, EventKind::MessageReceived { late: true, .. })).count(),
        1
    );
    assert!(events.contains(&late));
    assert_eq!(delivered(&mut world), 5);
    let ada = world.people[0].engine();
    assert!(ada.vault.keys(Table::Held).is_empty());
    assert_eq!(ada.gap_due(NOW + 900, 30, &BTreeSet::from([RELAY.to_owned()])), None);
}

#[test]
fn several_gaps_are_named_and_filled_in_any_order() {
    let mut world = World::new(41);
    world.settle();
    let first = world.people[1].engine().contacts[&1].row.outgoing.next;
    say_and_lose(&mut world, 9, &[1, 2, 5, 7]);
    for at in [0, 31] {
        show(&mut world, at);
    }
    let gaps = vec![(first + 1, first + 2), (first + 5, first + 5), (first + 7, first + 7)];
    assert!(world.people[0].saw(&EventKind::MessagesMissing { gaps }));
    assert_eq!(world.people[0].texts().len(), 5);
    // Another one is lost behind them: it is told apart.
    say_and_lose(&mut world, 2, &[0]);
    for at in [100, 131] {
        show(&mut world, at);
    }
    assert!(world.people[0].saw(&EventKind::MessagesMissing { gaps: vec![(first + 9, first + 9)] }));
    world.settle_in_time();
    let mut texts = world.people[0].texts();
    texts.sort();
    let mut sent = world.people[1].sent.clone();
    sent.sort();
    assert_eq!(texts, sent, "each once");
    assert_eq!(delivered(&mut world), 11);
}

#[test]
fn a_stream_that_stands_still_is_replaced() {
    let mut world = World::new(42);
    world.settle();
    say_and_lose(&mut world, 1, &[0]);
    let stream = world.people[1].engine().contacts[&1].row.outgoing.id;
    // The missing one never comes, however often it is sent again.
    say_and_lose(&mut world, 1, &[]);
    let today = world.today;
    for at in [0, 60, 200] {
        let ben = world.people[1].engine();
        ben.resend_missing(NOW + at).unwrap();
        for job in ben.take_puts(1, &BTreeSet::new(), 9) {
            ben.mark_stored_at_relay(1, &[job.sent()], LIVES, today).unwrap();
        }
    }
    for count in 0..9 {
        assert_eq!(
            world.people[1].engine().contacts[&1].row.outgoing.id == stream,
            count < 8,
            "{count} receipts"
        );
        say_and_lose(&mut world, 1, &[]);
    }
    let row = &world.people[1].engine().contacts[&1].row.outgoing;
    assert!(row.id != stream && row.drawn_on == world.today.number());
    world.settle_in_time();
    let sent = world.people[1].sent.clone();
    let mut texts = world.people[0].texts();
    texts.sort();
    assert_eq!((texts.len(), delivered(&mut world)), (sent.len(), sent.len()));
    assert_eq!(world.people[1].engine().waiting(), (0, 0));
}

#[test]
fn a_receiver_at_its_bound_holds_no_more_and_gets_all_in_a_new_stream() {
    let mut world = World::new(43);
    world.settle();
    say_and_lose(&mut world, 1, &[0]);
    for _ in 0..1_100 {
        world.say(1);
    }
    world.settle();
    let held = world.people[0].engine().contacts[&1].row.incoming[0].sparse.len();
    assert_eq!(held, incoming::MAX_HELD);
    // Every content that comes at the bound makes a receipt due, so the sender sees that it stands still.
    for _ in 0..3 {
        world.settle_in_time();
        world.today = world.today.plus(1);
    }
    let mut texts = world.people[0].texts();
    texts.sort();
    let mut sent = world.people[1].sent.clone();
    sent.sort();
    assert!(texts == sent, "{} of {}", texts.len(), sent.len());
    assert_eq!(world.people[1].engine().waiting(), (0, 0));
}
