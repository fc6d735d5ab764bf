//! Moves to another relay: under losses and crashes, given twice, before the first answer, without
//! end.

use super::*;
use crate::error::EngineError;

/// Returns the addresses of the relays on which a person reads the messages of the one contact.
fn relays(person: &mut Person) -> Vec<String> {
    person.engine().contact_list()[0].relays.clone()
}

/// Does `steps` random steps of a talk in both directions, with losses and with crashes of both
/// people.
fn talk(world: &mut World, steps: usize) {
    for _ in 0..steps {
        let who = world.rng.random_range(0..2);
        match world.rng.random_range(0..12) {
            0 => world.say(who),
            1 => drop(world.receipt(who)),
            2 => {
                let today = world.today;
                world.people[who].crash(today);
            }
            3 => world.make_mailboxes(),
            4..8 => drop(world.put(who, true)),
            _ => drop(world.deliver(who, true)),
        }
    }
}

#[test]
fn both_move_in_the_middle_of_a_talk_and_lose_nothing() {
    for seed in 0..12 {
        let mut world = World::new(seed);
        for who in [0, 1] {
            world.say(who);
        }
        // Before the first answer, or in the middle.
        talk(&mut world, if seed % 2 == 0 { 0 } else { 60 });
        for who in [1, 0] {
            world.people[who].engine().move_to_relay(&OTHER.parse().unwrap()).unwrap();
            talk(&mut world, 60);
        }
        for who in [0, 1] {
            world.say(who);
        }
        world.settle_in_time();
        world.settle();
        for person in &mut world.people {
            assert_eq!(relays(person), [OTHER], "seed {seed}: the contact writes to the new one alone");
            assert!(person.engine().mailboxes_at(RELAY).is_empty(), "seed {seed}: the old one is deleted");
        }
        let mut sent: Vec<_> = world.people.iter().map(|person| person.sent.clone()).collect();
        let mut got: Vec<_> = world.people.iter_mut().rev().map(Person::texts).collect();
        sent.iter_mut().chain(&mut got).for_each(|texts| texts.sort());
        assert_eq!(got, sent, "seed {seed}");
    }
}

#[test]
fn a_move_that_a_crash_cut_short_goes_on_at_opening() {
    let mut world = World::new(1);
    world.settle();
    let today = world.today;
    let [ada, _] = &mut world.people;
    let engine = ada.engine();
    let mut step = engine.step();
    engine.config.relay = Some(OTHER.to_owned());
    step.config = true;
    step.changes.put(key(Table::Moving, 0, 0), &true).unwrap();
    engine.finish(step).unwrap();
    ada.crash(today);
    assert_eq!(relays(ada), [OTHER, RELAY]);
    assert!(!ada.engine().vault.has(&key(Table::Moving, 0, 0)));
    // Once is enough.
    let before = ada.engine().mailboxes_at(OTHER).len();
    ada.engine().move_to_relay(&OTHER.parse().unwrap()).unwrap();
    assert_eq!(ada.engine().mailboxes_at(OTHER).len(), before);
}

#[test]
fn moves_to_and_fro_have_a_bound_and_a_relay_that_is_needed_is_not_left() {
    let mut world = World::new(2);
    world.settle();
    let [ada, _] = &mut world.people;
    let mut moves = 0;
    // The peer is away: it uses none of the new mailboxes.
    let refused = loop {
        let relay = if moves % 2 == 0 { OTHER } else { RELAY };
        match ada.engine().move_to_relay(&relay.parse().unwrap()) {
            Ok(()) => {}
            Err(error) => break error,
        }
        for mailbox in [RELAY, OTHER].map(|relay| ada.engine().mailboxes_at(relay)).into_iter().flatten() {
            if mailbox.state == MailboxState::Wanted {
                ada.engine().mailbox_created(mailbox.name).unwrap();
            }
        }
        moves += 1;
        assert!(moves < 10);
    };
    assert_eq!((refused, moves), (EngineError::StillMoving, 3));
    let set = ada.engine().relay().unwrap();
    assert_eq!(set.to_string(), OTHER, "a move that is refused changes nothing");
    assert_eq!(ada.engine().leave_relay(&set), Err(EngineError::RelayInUse));
    ada.engine().leave_relay(&RELAY.parse().unwrap()).unwrap();
    assert_eq!(relays(ada), [OTHER]);
    let today = world.today;
    world.people[0].crash(today);
    world.say(0);
    world.say(1);
    world.settle_in_time();
    world.check();
}
