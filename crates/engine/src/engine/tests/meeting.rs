//! Invites: used once, by one guest, in time, and with the bundle of their link.

use super::*;

#[test]
fn a_bundle_of_somebody_else_does_not_fit_the_link() {
    let mut world = World::new(10);
    let today = world.today;
    let (mut eve, mut other) = (Person::new(), Person::new());
    let [ada, _] = &mut world.people;
    let id = ada.engine().contact_ids()[0];
    let link: InviteLink = ada.engine().link_text(id).unwrap().parse().unwrap();
    let foreign = other.engine().begin_invite("x", today, 7).unwrap();
    let bundle = other.engine().publication(foreign).unwrap().bundle;
    assert!(eve.engine().begin_accept(&Acceptance::of("Ada", &link, &bundle), today).is_err());
    assert!(eve.engine().contact_ids().is_empty());
}

#[test]
fn a_second_guest_is_told_to_the_inviter_and_takes_nothing() {
    let mut ada = Person::new();
    let today = Day::from_number(20_000);
    let id = ada.engine().begin_invite("Ben", today, 7).unwrap();
    let publication = ada.engine().publication(id).unwrap();
    ada.engine().published(id).unwrap();
    let link: InviteLink = ada.engine().link_text(id).unwrap().parse().unwrap();
    let landing = ada.engine().mailboxes_at(RELAY)[0].name;
    // Both have read the bundle before it was acked.
    let [ben, eve] = [0, 1].map(|_| {
        let mut guest = Person::new();
        let engine = guest.engine();
        let id = engine.begin_accept(&Acceptance::of("Ada", &link, &publication.bundle), today).unwrap();
        let private = engine.mailboxes_at(RELAY)[0].name;
        engine.send_text("Ada", "it is me", NOW).unwrap();
        engine.mailbox_created(private).unwrap();
        engine.take_puts(id, &BTreeSet::new(), 1).remove(0).envelope
    });
    assert_eq!(ada.engine().delivered(landing, &ben, today), Ok(inbox::BlobOutcome::Stored));
    ada.engine().set_verified("Ben", true).unwrap();
    assert_eq!(ada.engine().delivered(landing, &eve, today), Ok(inbox::BlobOutcome::Junk));
    assert_eq!(ada.engine().delivered(landing, &eve, today), Ok(inbox::BlobOutcome::Duplicate));
    let kinds: Vec<EventKind> =
        ada.engine().events_after(0, 100).unwrap().into_iter().map(|event| event.kind).collect();
    assert_eq!(kinds.iter().filter(|kind| **kind == EventKind::InviteContested).count(), 1);
    assert_eq!(ada.texts().len(), 1);
    let contact = &ada.engine().contact_list()[0];
    assert!(contact.contested && !contact.verified);
}

#[test]
fn an_expired_invite_is_refused_on_both_sides() {
    let (mut ada, mut ben, mut late) = (Person::new(), Person::new(), Person::new());
    let today = Day::from_number(20_000);
    let id = ada.engine().begin_invite("Ben", today, 7).unwrap();
    let publication = ada.engine().publication(id).unwrap();
    ada.engine().published(id).unwrap();
    let link: InviteLink = ada.engine().link_text(id).unwrap().parse().unwrap();
    assert!(
        late.engine()
            .begin_accept(&Acceptance::of("Ada", &link, &publication.bundle), today.plus(8))
            .is_err()
    );
    assert!(late.engine().contact_ids().is_empty());
    // Answered in time, delivered too late: nothing begins.
    let contact =
        ben.engine().begin_accept(&Acceptance::of("Ada", &link, &publication.bundle), today.plus(7)).unwrap();
    let private = ben.engine().mailboxes_at(RELAY)[0].name;
    ben.engine().mailbox_created(private).unwrap();
    let envelope = ben.engine().take_puts(contact, &BTreeSet::new(), 1).remove(0).envelope;
    let landing = ada.engine().mailboxes_at(RELAY)[0].name;
    assert_eq!(ada.engine().delivered(landing, &envelope, today.plus(60)), Ok(inbox::BlobOutcome::Junk));
    assert!(ada.engine().events_after(0, 10).unwrap().is_empty());
}

#[test]
fn an_unused_invite_ends_with_its_last_day_and_another_takes_its_place() {
    let mut ada = Person::new();
    let today = Day::from_number(20_000);
    let id = ada.engine().begin_invite("Ben", today, 7).unwrap();
    ada.engine().published(id).unwrap();
    ada.engine().send_text("Ben", "waits", NOW).unwrap();
    ada.engine().begin_day(today.plus(7)).unwrap();
    assert!(ada.engine().link_text(id).is_some(), "good on its last day");
    ada.engine().begin_day(today.plus(8)).unwrap();
    ada.engine().begin_day(today.plus(9)).unwrap();
    assert!(ada.engine().link_text(id).is_none());
    assert!(ada.engine().vault.keys(Table::Invite).is_empty(), "its secrets are gone");
    let events = ada.engine().events_after(0, 9).unwrap();
    assert_eq!(events.iter().map(|event| &event.kind).collect::<Vec<_>>(), [&EventKind::InviteExpired]);
    let old = ada.engine().mailboxes_at(RELAY);
    assert!(old.len() == 1 && old[0].state == MailboxState::Retiring);

    // The old landing need not be deleted first.
    assert_eq!(ada.engine().begin_invite("Ben", today.plus(9), 7), Ok(id));
    let publication = ada.engine().publication(id).unwrap();
    ada.engine().published(id).unwrap();
    ada.engine().mailbox_gone(old[0].name).unwrap();
    let link: InviteLink = ada.engine().link_text(id).unwrap().parse().unwrap();
    ada.crash(today.plus(9));
    let landing = ada.engine().mailboxes_at(RELAY).remove(0);
    assert_eq!((landing.state, landing.send.expose()), (MailboxState::Live, publication.landing.2.expose()));
    let mut ben = Person::new();
    let contact =
        ben.engine().begin_accept(&Acceptance::of("Ada", &link, &publication.bundle), today.plus(9)).unwrap();
    let private = ben.engine().mailboxes_at(RELAY)[0].name;
    ben.engine().mailbox_created(private).unwrap();
    let first = ben.engine().take_puts(contact, &BTreeSet::new(), 1).remove(0).envelope;
    assert_eq!(ada.engine().delivered(landing.name, &first, today.plus(9)), Ok(inbox::BlobOutcome::Stored));
    assert_eq!(ada.engine().take_puts(id, &BTreeSet::new(), 1)[0].number, 1, "what waited leaves");
}

#[test]
fn an_invite_that_leads_nowhere_is_refused() {
    let (ada, mut ben) = (Person::new(), Person::new());
    let today = Day::from_number(20_000);
    let rng = &mut random();
    let inviter = ada.engine.as_ref().unwrap();
    for address in [&b""[..], b"nowhere", &[0xff; 512]] {
        let (pending, bundle) =
            deaddrop_e2ee::invite::PendingInvite::create(&inviter.identity, today.plus(7), address, rng)
                .unwrap();
        let link = InviteLink::new(RELAY.parse().unwrap(), pending.secret().duplicate());
        let refused = Err(crate::EngineError::Bundle(deaddrop_e2ee::invite::BundleError::BadKey));
        assert_eq!(ben.engine().begin_accept(&Acceptance::of("Ada", &link, &bundle), today), refused);
        assert!(ben.engine().contact_ids().is_empty());
    }
}

/// Both people have invited, and one accepts the other's invite. The own invite that is then left
/// open must not be the way by which the messages of the session come.
#[test]
fn a_person_who_accepts_beside_an_own_open_invite_reads_at_a_private_mailbox() {
    let mut world = World::new(12);
    let today = world.today;
    // World::new: Ada has invited Ben, and Ben has accepted. Two others meet crosswise.
    let mut people = [Person::new(), Person::new()];
    let [ada, ben] = &mut people;
    let open = |person: &mut Person, name: &str| {
        let id = person.engine().begin_invite(name, today, 7).unwrap();
        let bundle = person.engine().publication(id).unwrap().bundle;
        person.engine().published(id).unwrap();
        let link: InviteLink = person.engine().link_text(id).unwrap().parse().unwrap();
        (bundle, link)
    };
    open(ada, "Ben");
    let (bundle, link) = open(ben, "Ada");
    let id = ada.engine().begin_accept(&Acceptance::of("Ben", &link, &bundle), today).unwrap();
    let wanted = ada.engine().mailboxes_at(RELAY).into_iter().find(|row| row.state == MailboxState::Wanted);
    assert!(wanted.is_some(), "a private mailbox beside the landing");
    assert!(
        ada.engine().take_puts(id, &BTreeSet::new(), 9).is_empty(),
        "its address is told, not the landing's"
    );
    world.people = people;
    world.boxes.clear();
    world.settle();
    world.people[0].engine().withdraw_invite("Ben").unwrap();
    world.settle();
    assert_eq!(world.boxes.values().filter(|mailbox| mailbox.owner == 0).count(), 1, "the landing is gone");
    (0..6).for_each(|n| world.say(n % 2));
    world.settle();
    world.check();
}
