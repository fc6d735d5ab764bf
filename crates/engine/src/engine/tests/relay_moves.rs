//! Relays that move to another URL under the same fingerprint.

use super::{healing::friends, *};

/// The address of the relay after its move.
const NEW: &str = "wss://new.example/drop/#AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

fn address(text: &str) -> RelayAddress {
    text.parse().unwrap()
}

/// Lets the reading links of the person `who` learn that the relay has moved.
fn learn(world: &mut World, who: usize, left: &[&str], place: &str) {
    let (left, today): (Vec<_>, _) = (left.iter().map(|text| address(text)).collect(), world.today);
    let engine = world.people[who].engine();
    engine.relay_moved(LinkPurpose::Reading, &left, &address(place), today).unwrap();
}

/// Returns the relays of the addresses that the person `who` knows of the other one, newest last.
fn known(world: &World, who: usize) -> Vec<String> {
    let row = &world.people[who].engine.as_ref().unwrap().contacts[&1].row;
    let relay = |known: &crate::vault::PeerAddress| {
        deaddrop_link::MailboxAddress::decode(&known.encoded).unwrap().relay.to_string()
    };
    row.addresses.iter().map(relay).collect()
}

/// Returns the relays that the person `who` has named, as the rules for private hosts count them.
fn named(world: &mut World, who: usize) -> Vec<String> {
    world.people[who].engine().reach().named.iter().map(ToString::to_string).collect()
}

/// A host that only the relay has named does not become one that the user has named: the user's
/// consent to a private address would hold wherever that host leads later.
#[test]
fn the_new_place_does_not_count_as_named_by_the_user() {
    let mut world = friends(73);
    assert!(named(&mut world, 0).iter().all(|relay| relay == RELAY));
    learn(&mut world, 0, &[RELAY], NEW);
    assert_eq!(world.people[0].engine().relay(), Some(address(NEW)));
    let counted = named(&mut world, 0);
    assert!(!counted.is_empty() && counted.iter().all(|relay| relay == RELAY), "{counted:?}");
}

fn is_told(world: &mut World, who: usize) -> usize {
    let kinds = world.people[who].kinds();
    kinds.iter().filter(|kind| matches!(kind, EventKind::RelayMoved { .. })).count()
}

#[test]
fn own_rows_take_the_new_address_and_contacts_are_told() {
    let mut world = friends(71);
    world.people[0].engine().renew_sentinel(NOW).unwrap();
    world.make_mailboxes();
    let today = world.today;
    let invite = world.people[0].engine().begin_invite("Cay", today, 7).unwrap();
    world.people[0].engine().published(invite).unwrap();
    let before = world.people[0].engine().mailboxes_at(RELAY).len();
    // Texts of both are under way.
    world.say(0);
    world.say(1);
    learn(&mut world, 0, &[RELAY], NEW);
    let engine = world.people[0].engine();
    assert_eq!(engine.relay(), Some(address(NEW)));
    assert_eq!(engine.reading_relays(), [NEW]);
    assert_eq!(engine.mailboxes_at(NEW).len(), before);
    assert!(engine.link_text(invite).unwrap().contains("new.example"));
    assert!(engine.is_own_relay(&address(RELAY)), "the same relay");
    world.settle();
    assert_eq!(known(&world, 1).last().map(String::as_str), Some(NEW));
    world.say(1);
    world.settle();
    world.check();
    assert_eq!(is_told(&mut world, 0), 1);
    assert_eq!(is_told(&mut world, 1), 0, "it is not Ben's relay");
    assert_eq!(world.people[1].engine().relay(), Some(address(RELAY)), "Ben's links learn it themselves");
}

#[test]
fn a_relay_that_moves_without_end_is_believed_once_a_day() {
    let mut world = friends(72);
    learn(&mut world, 0, &[RELAY], NEW);
    learn(&mut world, 0, &[NEW], RELAY);
    assert_eq!(world.people[0].engine().relay(), Some(address(NEW)));
    assert_eq!(is_told(&mut world, 0), 1);
    world.today = world.today.plus(1);
    learn(&mut world, 0, &[NEW], RELAY);
    assert_eq!(world.people[0].engine().relay(), Some(address(RELAY)));
    assert_eq!(is_told(&mut world, 0), 2);
    world.say(0);
    world.say(1);
    world.settle();
    world.check();
}

#[test]
fn a_crash_in_the_middle_is_made_good_when_the_vault_is_opened() {
    let mut world = friends(73);
    let today = world.today;
    let engine = world.people[0].engine();
    // The first batch alone.
    engine.moved_relays.entry(OWN).or_default().note(&[address(RELAY)], &address(NEW), today.number());
    let mut step = engine.step();
    let row = &engine.moved_relays[&OWN];
    step.changes.put(key(Table::MovedRelays, OWN, 0), row).unwrap();
    engine.finish(step).unwrap();
    assert!(!engine.mailboxes_at(RELAY).is_empty());
    assert_eq!(engine.place_of(LinkPurpose::Reading, &address(RELAY)), Some(address(NEW)));
    for _ in 0..3 {
        world.people[0].crash(today);
        let engine = world.people[0].engine();
        assert!(engine.mailboxes_at(RELAY).is_empty());
        assert!(!engine.mailboxes_at(NEW).is_empty());
        assert_eq!(engine.contacts[&1].items.len() + engine.contacts[&1].drafts.len(), 1, "told once");
    }
    world.settle();
    assert_eq!(known(&world, 1).last().map(String::as_str), Some(NEW));
}

#[test]
fn links_of_one_purpose_tell_those_of_another_nothing() {
    let mut world = friends(74);
    let today = world.today;
    let engine = world.people[0].engine();
    let (old, new, third) = (address(RELAY), address(NEW), address(NEW).with_url(&relay_url("ws://c/")));
    let putting = LinkPurpose::Putting(1);
    engine.relay_moved(putting, std::slice::from_ref(&old), &new, today).unwrap();
    engine.relay_moved(LinkPurpose::Putting(9), std::slice::from_ref(&old), &new, today).unwrap();
    engine.relay_moved(LinkPurpose::Errand, std::slice::from_ref(&old), &new, today).unwrap();
    assert_eq!(engine.moved_relays.len(), 1);
    // Also after the next move, on the same day.
    engine.relay_moved(putting, std::slice::from_ref(&new), &third, today).unwrap();
    for purpose in [LinkPurpose::Reading, LinkPurpose::Putting(2), LinkPurpose::Errand] {
        assert_eq!(engine.place_of(purpose, &old), None);
    }
    assert_eq!(engine.relay(), Some(old.clone()));
    world.people[0].crash(today);
    let engine = world.people[0].engine();
    assert_eq!(engine.place_of(putting, &old), Some(third.clone()));
    assert_eq!(engine.place_of(putting, &new), Some(third));
    engine.relay_came_back(putting, &old).unwrap();
    engine.relay_came_back(putting, &old).unwrap();
    assert_eq!(engine.place_of(putting, &old), None);
    assert_eq!(is_told(&mut world, 0), 0);
}

#[test]
fn an_address_that_the_user_names_again_is_used() {
    let mut world = friends(75);
    let today = world.today;
    learn(&mut world, 0, &[RELAY], NEW);
    world.people[0].engine().move_to_relay(&address(RELAY)).unwrap();
    assert_eq!(world.people[0].engine().place_of(LinkPurpose::Reading, &address(RELAY)), None);
    world.people[0].crash(today);
    assert_eq!(world.people[0].engine().relay(), Some(address(RELAY)));
    assert!(!world.people[0].engine().mailboxes_at(RELAY).is_empty());
}

fn relay_url(text: &str) -> deaddrop_wire::RelayUrl {
    deaddrop_wire::RelayUrl::new(text).unwrap()
}
