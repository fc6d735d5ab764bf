//! Sessions heal by themselves if a recent secret proves them, and otherwise with one visible step.

use super::*;

/// Returns a world of two people who have talked long enough to hold reset bundles of each other.
pub(super) fn friends(seed: u64) -> World {
    friends_of(World::new(seed))
}

/// Lets the two people of a world talk long enough to hold reset bundles of each other.
pub(super) fn friends_of(mut world: World) -> World {
    for who in [1, 0, 1, 0] {
        world.say(who);
        world.settle();
    }
    world
}

pub(super) fn assert_talk(world: &mut World) {
    for who in [0, 1, 0] {
        let text = format!("checked {who} {}", world.people[who].engine().last_event());
        world.people[who].engine().send_text(NAMES[1 - who], &text, NOW).unwrap();
        world.settle_in_time();
        let shown = world.people[1 - who].texts();
        let kinds = [0, 1].map(|who| world.people[who].kinds());
        assert_eq!(shown.iter().filter(|shown| **shown == text).count(), 1, "of {who}: {kinds:?}");
        assert_eq!(world.people[who].engine().waiting().1, 0, "delivered");
    }
}

/// Lets both people talk for a number of rounds, then puts the vaults of the people in `sides` back
/// to copies that lack that talk. With 0 rounds, only one message of each person in `sides` is
/// lost.
pub(super) fn put_back(world: &mut World, sides: &[usize], rounds: usize) {
    let say = |world: &mut World| {
        for who in sides {
            world.say(*who);
            world.put(*who, false);
            world.deliver(1 - who, false);
        }
    };
    say(world);
    let copies = [0, 1].map(|who| world.people[who].copy());
    say(world);
    for who in [1, 0].repeat(rounds) {
        world.say(who);
        world.settle();
    }
    let today = world.today;
    for who in sides {
        world.people[*who].put_back(&copies[*who], today);
    }
}

#[test]
fn a_vault_that_is_put_back_within_a_turn_heals_by_itself() {
    for who in [0, 1] {
        let mut world = friends(60);
        put_back(&mut world, &[who], 0);
        assert_talk(&mut world);
    }
}

#[test]
fn a_vault_that_is_put_back_further_is_told_and_heals_when_both_users_agree() {
    for (sides, rounds) in [(&[0][..], 1), (&[1], 1), (&[0], 3), (&[0, 1], 3)] {
        let mut world = friends(66);
        let today = world.today;
        put_back(&mut world, sides, rounds);
        let who = sides[0];
        world.people[who].engine().note_restored(NOW, DAY).unwrap();
        world.people[who].engine().send_text(NAMES[1 - who], "after the restore", NOW).unwrap();
        world.people[1 - who].engine().send_text(NAMES[who], "before it heals", NOW).unwrap();
        world.settle_in_time();
        let told = [EventKind::SessionLost, EventKind::StaleReset];
        let kinds = world.people[who].kinds();
        let is_told = told.iter().any(|kind| kinds.contains(kind));
        let shown = world.people[1 - who].texts().contains(&"after the restore".to_owned());
        assert!(is_told || shown, "{sides:?}, {rounds}: {kinds:?}");
        if is_told {
            world.people[who].engine().begin_again(NAMES[1 - who], NOW + 3_600, DAY).unwrap();
            world.settle_in_time();
            assert!(world.people[1 - who].saw(&EventKind::ResetRequested));
            let asks = crate::ContactAsks::Reset;
            world.people[1 - who].engine().agree(NAMES[who], &asks, today).unwrap();
        }
        assert_talk(&mut world);
        for (who, text) in [(1 - who, "after the restore"), (who, "before it heals")] {
            assert_eq!(world.people[who].texts().iter().filter(|shown| **shown == text).count(), 1, "{text}");
        }
    }
}

#[test]
fn the_one_that_asked_to_begin_again_hears_that_the_other_agreed() {
    let mut world = friends(60);
    let today = world.today;
    world.people[0].engine().begin_again("Ben", NOW, today).unwrap();
    world.settle_in_time();
    let asks = |world: &mut World| world.people[0].engine().contact_list().remove(0).begins_again;
    assert!(asks(&mut world));
    // Neither of them writes anything.
    world.people[1].engine().agree("Ada", &crate::ContactAsks::Reset, today).unwrap();
    world.settle_in_time();
    assert!(!asks(&mut world));
    assert_talk(&mut world);
}

#[test]
fn lost_session_rows_heal() {
    for (who, table) in [(0, Table::Session), (1, Table::Session), (1, Table::Resets), (0, Table::Skipped)] {
        let mut world = friends(61);
        let engine = world.people[who].engine();
        let mut step = engine.step();
        for row in engine.vault.keys(table) {
            step.changes.erase(row);
        }
        engine.finish(step).unwrap();
        let today = world.today;
        world.people[who].crash(today);
        assert_talk(&mut world);
    }
}

#[test]
fn a_session_that_cannot_be_proved_is_told_and_a_new_invite_heals_it() {
    let mut world = friends(62);
    let ben = world.people[1].engine();
    let mut step = ben.step();
    for table in [Table::Session, Table::Resets, Table::Ratchet] {
        for row in ben.vault.keys(table) {
            step.changes.erase(row);
        }
    }
    ben.finish(step).unwrap();
    let today = world.today;
    world.people[1].crash(today);
    world.people[1].engine().reset_lost(NOW, DAY).unwrap();
    assert!(world.people[1].saw(&EventKind::SessionLost));
    world.people[1].engine().send_text("Ada", "waits", NOW).unwrap();
    invite_again(&mut world, 1, 0);
    assert_talk(&mut world);
    assert_eq!(world.people[0].texts().iter().filter(|text| *text == "waits").count(), 1);
    assert!(world.people[0].saw(&EventKind::BegunAgain));
}

/// Lets the person `who` invite the other, who is a contact already, and lets the other accept by
/// the name of that contact.
pub(super) fn invite_again(world: &mut World, who: usize, other: usize) {
    let today = world.today;
    let engine = world.people[who].engine();
    let id = engine.begin_invite(NAMES[other], today, 7).unwrap();
    let bundle = engine.publication(id).unwrap().bundle;
    engine.published(id).unwrap();
    let link: InviteLink = engine.link_text(id).unwrap().parse().unwrap();
    world.make_mailboxes();
    let acceptance = Acceptance::of(NAMES[who], &link, &bundle);
    world.people[other].engine().begin_accept(&acceptance, today).unwrap();
    world.make_mailboxes();
}

#[test]
fn two_copies_that_are_used_in_turn_are_told_and_lose_nothing() {
    let mut world = friends(63);
    let today = world.today;
    let mut copy = world.people[1].copy();
    let mut said = Vec::new();
    for round in 0..4 {
        let text = format!("round {round}");
        world.people[1].engine().send_text("Ada", &text, NOW).unwrap();
        said.push(text);
        world.settle_in_time();
        // The next round is the other copy's.
        let mine = world.people[1].copy();
        world.people[1].put_back(&std::mem::replace(&mut copy, mine), today);
        world.today = world.today.plus(1);
    }
    world.settle_in_time();
    let shown = world.people[0].texts();
    for text in said {
        assert_eq!(shown.iter().filter(|shown| **shown == text).count(), 1, "{text}");
    }
}

#[test]
fn another_identity_needs_the_user_on_both_sides() {
    let mut world = friends(64);
    let today = world.today;
    world.people[0].engine().set_verified("Ben", true).unwrap();
    // Ben has lost everything and begins with a new vault.
    world.people[1] = Person::new();
    let engine = world.people[0].engine();
    let id = engine.begin_invite("Ben", today, 7).unwrap();
    let bundle = engine.publication(id).unwrap().bundle;
    engine.published(id).unwrap();
    let link: InviteLink = engine.link_text(id).unwrap().parse().unwrap();
    world.make_mailboxes();
    world.people[1].engine().begin_accept(&Acceptance::of("Ada", &link, &bundle), today).unwrap();
    world.people[1].engine().send_text("Ada", "it is me", NOW).unwrap();
    world.settle_in_time();
    assert!(world.people[0].saw(&EventKind::OtherIdentity));
    let contact = world.people[0].engine().contact_list().remove(0);
    let number = world.people[1].engine().safety_number("Ada").unwrap();
    let asks = crate::ContactAsks::NewIdentity(number);
    assert!(contact.verified && contact.asks == std::slice::from_ref(&asks), "nothing changed yet");
    assert!(!world.people[0].texts().contains(&"it is me".to_owned()));
    world.people[0].crash(today);
    let ada = world.people[0].engine();
    assert_eq!(ada.agree("Ben", &crate::ContactAsks::Reset, today), Err(crate::EngineError::NothingAsked));
    ada.agree("Ben", &asks, today).unwrap();
    world.settle_in_time();
    assert!(world.people[0].texts().contains(&"it is me".to_owned()));
    let contact = world.people[0].engine().contact_list().remove(0);
    assert!(!contact.verified && contact.asks.is_empty());
    for kind in [EventKind::IdentityChanged, EventKind::VerificationCleared] {
        assert!(world.people[0].saw(&kind), "{kind:?}");
    }
    let ada = world.people[0].engine();
    assert_eq!(ada.agree("Ben", &asks, today), Err(crate::EngineError::NothingAsked));
    assert_talk(&mut world);
}

#[test]
fn an_invite_of_another_identity_is_refused_by_a_known_name() {
    let mut world = friends(65);
    let today = world.today;
    let mut new = Person::new();
    let id = new.engine().begin_invite("x", today, 7).unwrap();
    let bundle = new.engine().publication(id).unwrap().bundle;
    let link: InviteLink = new.engine().link_text(id).unwrap().parse().unwrap();
    let of = |name| Acceptance::of(name, &link, &bundle);
    let ada = world.people[0].engine();
    ada.set_verified("Ben", true).unwrap();
    assert_eq!(ada.begin_accept(&of("Ben"), today), Err(crate::EngineError::OtherIdentity));
    assert!(ada.contact_list()[0].verified, "nothing changed");
    ada.begin_accept(&Acceptance { new_identity: true, ..of("Ben") }, today).unwrap();
    assert!(!ada.contact_list()[0].verified);
    assert!(world.people[0].saw(&EventKind::IdentityChanged));
}

/// Plays the relay for the sentinel mailboxes of a person. `there` holds those that exist at the
/// relay, by their send capabilities.
fn keep_sentinel(person: &mut Person, there: &mut BTreeSet<[u8; 32]>) {
    for _ in 0..2 {
        for mailbox in
            person.engine().mailboxes_at(RELAY).into_iter().filter(|mailbox| mailbox.name.contact == OWN)
        {
            let id = *mailbox.send.expose();
            match mailbox.state {
                MailboxState::Wanted | MailboxState::Lost => {
                    there.insert(id);
                    person.engine().mailbox_created(mailbox.name).unwrap();
                }
                MailboxState::Retiring => {
                    there.remove(&id);
                    person.engine().mailbox_gone(mailbox.name).unwrap();
                }
                MailboxState::Live if !there.contains(&id) => {
                    person.engine().sentinel_lost(mailbox.name, true, NOW, DAY).unwrap();
                }
                MailboxState::Live => person.engine().sentinel_found(),
            }
        }
    }
}

#[test]
fn a_vault_notices_that_it_was_put_back() {
    let mut world = friends(67);
    let (today, mut there) = (world.today, BTreeSet::new());
    let mut now = NOW;
    let mut copy = MemoryVault::new();
    for round in 0..4 {
        world.people[0].crash(today);
        world.say(0);
        world.settle();
        let has_one = !there.is_empty();
        assert_eq!(world.people[0].engine().is_sentinel_due(now), !has_one, "not before it was looked at");
        keep_sentinel(&mut world.people[0], &mut there);
        let ada = world.people[0].engine();
        assert!(ada.is_sentinel_due(now));
        ada.renew_sentinel(now).unwrap();
        assert!(!ada.is_sentinel_due(now + 600), "once for each start and each day");
        // A crash before the relay has made it, and one after, look like no restore.
        if round == 1 {
            world.people[0].crash(today);
        }
        keep_sentinel(&mut world.people[0], &mut there);
        assert_eq!(there.len(), 1, "the one before is gone");
        now += 60;
        if round == 2 {
            copy = world.people[0].copy();
        }
    }
    world.people[0].crash(today);
    keep_sentinel(&mut world.people[0], &mut there);
    assert!(!world.people[0].saw(&EventKind::Restored));
    let stream = world.people[0].engine().contacts[&1].row.outgoing.id;
    world.people[0].put_back(&copy, today);
    keep_sentinel(&mut world.people[0], &mut there);
    assert!(world.people[0].saw(&EventKind::Restored));
    let contact = &world.people[0].engine().contacts[&1];
    assert!(contact.row.outgoing.id != stream && contact.row.unread > 0);
}

#[test]
fn a_relay_that_lost_everything_tells_of_no_restore() {
    let mut world = friends(68);
    let today = world.today;
    world.people[0].crash(today);
    world.say(0);
    let ada = world.people[0].engine();
    ada.renew_sentinel(NOW).unwrap();
    let mut there = BTreeSet::new();
    keep_sentinel(&mut world.people[0], &mut there);
    let ada = world.people[0].engine();
    let name = ada.mailboxes_at(RELAY).into_iter().find(|mailbox| mailbox.name.contact == OWN).unwrap().name;
    ada.sentinel_lost(name, false, NOW, DAY).unwrap();
    assert!(!world.people[0].saw(&EventKind::Restored));
    assert!(world.people[0].engine().is_sentinel_due(NOW + 60), "it is made again");
}

#[test]
fn a_declined_identity_ends_the_invite_that_it_used() {
    let mut world = friends(69);
    let today = world.today;
    let mut thief = Person::new();
    let ada = world.people[0].engine();
    let id = ada.begin_invite("Ben", today, 7).unwrap();
    let bundle = ada.publication(id).unwrap().bundle;
    ada.published(id).unwrap();
    let link: InviteLink = ada.link_text(id).unwrap().parse().unwrap();
    let landing =
        ada.mailboxes_at(RELAY).into_iter().find(|it| it.kind == crate::vault::MailboxKind::Landing);
    let landing = landing.unwrap().name;
    let contact = thief.engine().begin_accept(&Acceptance::of("Ada", &link, &bundle), today).unwrap();
    let private = thief.engine().mailboxes_at(RELAY)[0].name;
    thief.engine().mailbox_created(private).unwrap();
    let envelope = thief.engine().take_puts(contact, &BTreeSet::new(), 1).remove(0).envelope;
    let ada = world.people[0].engine();
    ada.delivered(landing, &envelope, today).unwrap();
    assert_eq!(ada.contact_list()[0].asks.len(), 1);
    ada.decline("Ben").unwrap();
    assert!(ada.link_text(id).is_none() && ada.contact_list()[0].asks.is_empty());
    // The landing, and the mailbox in which the link finds the bundle.
    let rows = &ada.contacts[&id].row.mailboxes;
    assert_eq!(rows.iter().filter(|row| row.state == crate::vault::MailboxState::Retiring).count(), 2);
    // The contact can be invited at once, and the two go on.
    invite_again(&mut world, 0, 1);
    assert_talk(&mut world);
}

#[test]
fn an_invite_that_is_accepted_twice_is_accepted_once() {
    let mut ada = Person::new();
    let mut ben = Person::new();
    let today = Day::from_number(20_000);
    let id = ada.engine().begin_invite("Ben", today, 7).unwrap();
    let bundle = ada.engine().publication(id).unwrap().bundle;
    let link: InviteLink = ada.engine().link_text(id).unwrap().parse().unwrap();
    let accept =
        |ben: &mut Person, name| ben.engine().begin_accept(&Acceptance::of(name, &link, &bundle), today);
    let contact = accept(&mut ben, "Ada").unwrap();
    let before = ben.disk.writes();
    assert_eq!(accept(&mut ben, "Ada"), Ok(contact));
    assert_eq!(accept(&mut ben, "Alice"), Err(crate::EngineError::AlreadyContact));
    assert!(ben.disk.writes() == before && ben.engine().contact_list().len() == 1);
}
