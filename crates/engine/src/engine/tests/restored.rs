//! Vaults that are put back to a copy from before a move to another relay: the contact writes to
//! mailboxes that the vault does not know.

use super::{
    healing::{assert_talk, friends},
    *,
};

/// Lets the relays tell the person `who` which of the live mailboxes they do not have. Returns
/// whether they have any of them.
fn lose_mailboxes(world: &mut World, who: usize) -> bool {
    let own = [RELAY, OTHER].map(|relay| world.people[who].engine().mailboxes_at(relay));
    let live = own.into_iter().flatten().filter(|mailbox| mailbox.state == MailboxState::Live);
    let (kept, lost): (Vec<_>, Vec<_>) = live
        .filter(|mailbox| mailbox.name.contact != OWN)
        .partition(|mailbox| world.boxes.contains_key(mailbox.send.expose()));
    lost.into_iter().for_each(|mailbox| world.people[who].engine().mailbox_lost(mailbox.name).unwrap());
    !kept.is_empty()
}

/// A move of Ada's to another relay, which her vault forgets.
#[derive(Debug)]
struct Forgotten {
    /// The number of texts that Ada sends after the move.
    since: usize,
    /// Whether Ben has used the new mailbox, and the old one is deleted.
    is_used: bool,
    /// The number of texts that Ada writes after her vault was put back and before it notices.
    unnoticed: usize,
}

/// Returns a world in which Ada has begun a turn that Ben has not answered, and has a sentinel.
fn friends_in_a_turn(seed: u64) -> World {
    let mut world = friends(seed);
    world.people[0].engine().renew_sentinel(NOW).unwrap();
    world.make_mailboxes();
    world.say(0);
    while world.put(0, false) {}
    while world.deliver(1, false) {}
    world
}

/// Returns a world in which Ada has moved to another relay in a turn that Ben has not answered, and
/// her vault was put back to a copy from before the move.
fn forget_a_move(forgotten: &Forgotten) -> World {
    let mut world = friends_in_a_turn(67);
    let today = world.today;
    let copy = world.people[0].copy();
    world.people[0].engine().move_to_relay(&OTHER.parse().unwrap()).unwrap();
    world.make_mailboxes();
    (0..forgotten.since).for_each(|_| world.say(0));
    while world.put(0, false) {}
    if forgotten.is_used {
        world.settle();
        assert!(world.people[0].engine().mailboxes_at(RELAY).iter().all(|it| it.name.contact == OWN));
    }
    put_back(&mut world, &copy);
    (0..forgotten.unnoticed).for_each(|_| world.say(0));
    let has_others = lose_mailboxes(&mut world, 0);
    assert_eq!(has_others, !forgotten.is_used);
    let ada = world.people[0].engine();
    let name = ada.mailboxes_at(RELAY).into_iter().find(|it| it.name.contact == OWN).unwrap().name;
    ada.sentinel_lost(name, has_others, NOW, today).unwrap();
    world.make_mailboxes();
    world
}

/// Puts Ada's vault back to a copy. The relays keep accepting what is put into the mailboxes that
/// she does not know any more.
fn put_back(world: &mut World, copy: &MemoryVault) {
    let today = world.today;
    world.people[0].put_back(copy, today);
    let own = [RELAY, OTHER].map(|relay| world.people[0].engine().mailboxes_at(relay));
    let known: BTreeSet<_> = own.iter().flatten().map(|mailbox| *mailbox.send.expose()).collect();
    let of_ada = world.boxes.iter_mut().filter(|(_, mailbox)| mailbox.owner == 0);
    of_ada.filter(|(send, _)| !known.contains(*send)).for_each(|(_, mailbox)| mailbox.owner = usize::MAX);
}

#[test]
fn a_vault_that_forgot_a_move_is_heard_and_hears_again() {
    for is_used in [false, true] {
        for (since, unnoticed) in [(0, 0), (0, 1), (0, 5), (2, 0), (2, 1), (2, 5)] {
            let forgotten = Forgotten { since, is_used, unnoticed };
            let mut world = forget_a_move(&forgotten);
            world.settle_in_time();
            // Ben reads the texts whose numbers in the turn are above those that he has read.
            for _ in 0..since + 2 {
                world.say(0);
                world.settle_in_time();
            }
            world.say(1);
            world.settle_in_time();
            let (sent, shown) = (world.people[1].sent.last().cloned(), world.people[0].texts());
            let kinds = [0, 1].map(|who| world.people[who].kinds());
            assert_eq!(shown.last(), sent.as_ref(), "{forgotten:?}: {kinds:?}");
            let is_told = kinds[0].contains(&EventKind::Restored);
            assert_eq!(is_told, !is_used, "{forgotten:?}: a relay that has lost everything tells nothing");
            assert_talk(&mut world);
        }
    }
}

#[test]
fn a_move_that_was_held_is_not_followed_after_one_of_a_newer_stream() {
    let mut world = friends_in_a_turn(68);
    let copy = world.people[0].copy();
    // The text before the move is missing.
    world.say(0);
    world.put(0, false);
    world.forget_a_blob();
    world.people[0].engine().move_to_relay(&OTHER.parse().unwrap()).unwrap();
    world.make_mailboxes();
    while world.put(0, false) {}
    while world.deliver(1, false) {}
    put_back(&mut world, &copy);
    world.people[0].engine().note_restored(NOW, DAY).unwrap();
    world.settle_in_time();
    world.say(1);
    world.settle_in_time();
    assert_eq!(world.people[0].texts().last(), world.people[1].sent.last());
    assert_talk(&mut world);
}

#[test]
fn a_move_that_waits_holds_no_text_up() {
    let mut world = friends(69);
    world.people[0].engine().move_to_relay(&OTHER.parse().unwrap()).unwrap();
    world.make_mailboxes();
    // The longest text has room for the address, and a text needs none to tell.
    let longest = "x".repeat(deaddrop_e2ee::content::MAX_TEXT);
    world.people[0].engine().send_text("Ben", &longest, NOW).unwrap();
    world.people[0].engine().contacts.get_mut(&1).unwrap().row.mailboxes.clear();
    world.say(0);
    let puts = world.people[0].engine().take_puts(1, &BTreeSet::new(), 9);
    assert_eq!(puts.len(), 3, "the move and two texts");
}
