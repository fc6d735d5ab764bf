//! Rare orders of events, each of which once lost, repeated or hid something.

use super::{healing::friends, *};
use crate::vault::{MailboxKind, sub_key};
use deaddrop_e2ee::content::{self, Content, Message, MessageId, StreamId};

/// Returns an envelope of Ben's with items that his client would not send.
fn odd_blob(world: &mut World, items: &[Content]) -> Vec<u8> {
    let bytes = content::encode(items).unwrap();
    let contact = world.people[1].engine().contacts.get_mut(&1).unwrap();
    contact.ratchet.as_mut().unwrap().encrypt(&bytes, &mut random()).unwrap().0.into_bytes()
}

fn deliver_odd(world: &mut World, items: &[Content], day: Day) {
    let blob = odd_blob(world, items);
    let name = world.people[0].engine().mailboxes_at(RELAY)[0].name;
    world.people[0].engine().delivered(name, &blob, day).unwrap();
}

fn text(stream: u8, number: u64, text: &str) -> Content {
    Content::Text { stream: StreamId([stream; 16]), number, text: text.to_owned() }
}

#[test]
fn what_a_later_receipt_names_is_not_missing_any_more() {
    let mut world = friends(140);
    let today = world.today;
    let first = world.people[1].engine().contacts[&1].row.outgoing.next;
    // The relay takes the first and the third, and loses them.
    for at in 0..5 {
        world.say(1);
        let ben = world.people[1].engine();
        if at % 2 == 0 && at < 4 {
            for job in ben.take_puts(1, &BTreeSet::new(), 9) {
                ben.mark_stored_at_relay(1, &[job.sent()], LIVES, today).unwrap();
            }
        } else {
            world.settle();
        }
    }
    world.settle();
    let missing = |world: &mut World| {
        let contact = &world.people[1].engine().contacts[&1];
        contact.missing.keys().map(|number| number - first).collect::<Vec<_>>()
    };
    assert_eq!(missing(&mut world), [0, 2]);
    // Both are sent again, and the relay loses the first once more.
    [NOW, NOW + 60].into_iter().for_each(|now| world.people[1].engine().resend_missing(now).unwrap());
    for job in world.people[1].engine().take_puts(1, &BTreeSet::new(), 9) {
        let sent = job.sent();
        if sent.number != first {
            world.boxes.get_mut(job.address.send.expose()).unwrap().blobs.push(job.envelope.clone());
        }
        world.people[1].engine().mark_stored_at_relay(1, &[sent], LIVES, today).unwrap();
    }
    world.settle();
    assert_eq!(missing(&mut world), [0]);
}

#[test]
fn a_clock_that_was_hours_ahead_does_not_keep_what_is_missing() {
    let mut world = friends(157);
    let today = world.today;
    world.say(1);
    let ben = world.people[1].engine();
    for job in ben.take_puts(1, &BTreeSet::new(), 9) {
        ben.mark_stored_at_relay(1, &[job.sent()], LIVES, today).unwrap();
    }
    world.say(1);
    world.settle();
    let ben = world.people[1].engine();
    ben.resend_missing(NOW + 10 * 3_600).unwrap();
    assert!(ben.take_puts(1, &BTreeSet::new(), 9).is_empty());
    assert!(ben.is_missing_due(NOW));
    ben.resend_missing(NOW).unwrap();
    assert_eq!(ben.take_puts(1, &BTreeSet::new(), 9).len(), 1);
}

#[test]
fn an_item_with_the_highest_number_makes_no_stream() {
    let mut world = friends(141);
    let today = world.today;
    let streams = |world: &mut World| world.people[0].engine().contacts[&1].row.incoming.len();
    let before = streams(&mut world);
    deliver_odd(&mut world, &[text(7, u64::MAX, "x")], today);
    assert_eq!(streams(&mut world), before);
    assert_eq!(world.people[0].engine().contacts[&1].row.junk, 1);
}

#[test]
fn rows_of_a_stream_that_is_given_up_are_not_those_of_the_one_in_its_place() {
    let mut world = friends(142);
    let (today, tomorrow) = (world.today, world.today.plus(1));
    let real = world.people[1].engine().contacts[&1].row.outgoing.id;
    for stream in [1, 2, 3] {
        let items = [text(stream, 1, "a"), text(stream, 5, "held 5"), text(stream, 6, "held 6")];
        deliver_odd(&mut world, &items, today);
    }
    // The last of the list is now the one that was used least recently.
    let old = Content::Text { stream: StreamId(real), number: 1, text: "old".to_owned() };
    deliver_odd(&mut world, &[old], tomorrow);
    [1, 2].into_iter().for_each(|stream| deliver_odd(&mut world, &[text(stream, 1, "a")], tomorrow));
    deliver_odd(&mut world, &[text(9, 5, "new 5")], tomorrow);
    let ada = world.people[0].engine();
    let last = ada.contacts[&1].row.incoming.last().unwrap();
    assert_eq!(last.id, [9; 16]);
    assert!(ada.vault.has(&sub_key(Table::Held, 1, 5, last.slot)));
    deliver_odd(&mut world, &[1, 2, 3, 4].map(|number| text(9, number, "n")), tomorrow);
    assert!(world.people[0].texts().contains(&"new 5".to_owned()));
}

#[test]
fn a_text_and_the_message_that_it_became_in_format_2_are_shown_once() {
    let mut world = friends(143);
    let today = world.today;
    let said = "from format 1".to_owned();
    deliver_odd(&mut world, &[text(5, 1, &said)], today);
    let mut id = [5; 16];
    id[8..].copy_from_slice(&1_u64.to_le_bytes());
    let message = Message { id: MessageId(id), clock: 1, time: 0, text: said.clone() };
    let stream = StreamId([6; 16]);
    let message = Content::Message { stream, number: 1, to_version: 0, to_mask: 1, message };
    deliver_odd(&mut world, &[message], today);
    assert_eq!(world.people[0].texts().iter().filter(|text| **text == said).count(), 1);
}

#[test]
fn a_session_that_cannot_heal_is_told_beside_the_trouble_of_the_same_day() {
    let mut world = friends(144);
    let today = world.today;
    let lost = |world: &mut World| {
        let kinds = world.people[1].kinds();
        kinds.iter().filter(|kind| **kind == EventKind::SessionLost).count()
    };
    let ben = world.people[1].engine();
    let mut step = ben.step();
    for table in [Table::Session, Table::Resets, Table::Ratchet] {
        ben.vault.keys(table).into_iter().for_each(|row| step.changes.erase(row));
    }
    ben.finish(step).unwrap();
    world.people[1].crash(today);
    let ben = world.people[1].engine();
    let mut step = ben.step();
    ben.tell_trouble(&mut step, 1, EventKind::PeerRewound, today).unwrap();
    ben.finish(step).unwrap();
    for hour in 0..4 {
        world.people[1].engine().reset_lost(NOW + hour * 3_600, DAY).unwrap();
    }
    assert_eq!(lost(&mut world), 1);
    // Each opening finds the session lost again.
    for _ in 0..3 {
        world.people[1].crash(today);
        world.people[1].engine().reset_lost(NOW, DAY).unwrap();
    }
    assert_eq!(lost(&mut world), 1, "once a day");
}

#[test]
fn words_by_a_session_that_was_left_are_marked() {
    let mut world = friends(150);
    let today = world.today;
    let copy = world.people[1].copy();
    super::healing::invite_again(&mut world, 0, 1);
    world.settle_in_time();
    // Somebody has Ben's vault as it was.
    let mut thief = Engine::open_on_day(copy, random(), today).unwrap();
    for said in ["by the thief", "once more"] {
        thief.send_text("Ada", said, NOW).unwrap();
    }
    let name = world.people[0].engine().mailboxes_at(RELAY)[0].name;
    for job in thief.take_puts(1, &BTreeSet::new(), 9).into_iter().rev() {
        world.people[0].engine().delivered(name, &job.envelope, today).unwrap();
    }
    let kinds = world.people[0].kinds();
    for said in ["by the thief", "once more"] {
        let marked = EventKind::MessageOfLeftSession { text: said.to_owned() };
        assert_eq!(kinds.iter().filter(|kind| **kind == marked).count(), 1, "{said}");
    }
    let plain = |kind: &&EventKind| matches!(kind, EventKind::MessageReceived { text, .. } if text == "by the thief" || text == "once more");
    assert_eq!(kinds.iter().filter(plain).count(), 0);
}

#[test]
fn a_move_that_leaves_four_mailboxes_to_read_is_made() {
    let mut world = friends(154);
    let engine = world.people[0].engine();
    let relay = |n: u8| RELAY.replace("127.0.0.1", &format!("127.0.0.{n}")).parse().unwrap();
    for n in 3..=4 {
        engine.move_to_relay(&relay(n)).unwrap();
        let made: Vec<_> =
            engine.mailboxes_at(&relay(n).to_string()).into_iter().map(|row| row.name).collect();
        made.into_iter().for_each(|name| engine.mailbox_created(name).unwrap());
    }
    // Neither of these is made before the next: three are live, and one is wanted.
    for n in 5..=8 {
        engine.move_to_relay(&relay(n)).unwrap();
    }
    let private = |row: &&crate::vault::MailboxRow| row.kind == MailboxKind::Private;
    assert_eq!(engine.contacts[&1].row.mailboxes.iter().filter(private).count(), 4);
}

#[test]
fn a_relay_is_not_left_while_an_open_invite_leads_to_it() {
    let mut world = friends(162);
    let ada = world.people[0].engine();
    let id = ada.begin_invite("Ben", DAY, 7).unwrap();
    ada.published(id).unwrap();
    ada.move_to_relay(&OTHER.parse().unwrap()).unwrap();
    world.make_mailboxes();
    let ada = world.people[0].engine();
    assert!(ada.leave_relay(&RELAY.parse().unwrap()).is_err());
    ada.withdraw_invite("Ben").unwrap();
    ada.leave_relay(&RELAY.parse().unwrap()).unwrap();
}

#[test]
fn each_invite_that_a_second_person_uses_is_told() {
    let mut world = friends(170);
    let today = world.today;
    for round in 1..=2 {
        let mut eve = Person::new();
        let ada = world.people[0].engine();
        let id = ada.begin_invite("Ben", today, 7).unwrap();
        let bundle = ada.publication(id).unwrap().bundle;
        ada.published(id).unwrap();
        let mut mailboxes = ada.contacts[&id].row.mailboxes.iter();
        let landing = mailboxes.rfind(|row| row.kind == MailboxKind::Landing).unwrap().id;
        let landing = MailboxName { contact: id, mailbox: landing };
        let link: InviteLink = ada.link_text(id).unwrap().parse().unwrap();
        world.make_mailboxes();
        world.people[1].engine().begin_accept(&Acceptance::of("Ada", &link, &bundle), today).unwrap();
        world.make_mailboxes();
        while world.put(1, false) {}
        while world.deliver(0, false) {}
        world.people[0].engine().set_verified("Ben", true).unwrap();
        let contact = eve.engine().begin_accept(&Acceptance::of("Ada", &link, &bundle), today).unwrap();
        let private = eve.engine().mailboxes_at(RELAY)[0].name;
        eve.engine().mailbox_created(private).unwrap();
        let envelope = eve.engine().take_puts(contact, &BTreeSet::new(), 1).remove(0).envelope;
        world.people[0].engine().delivered(landing, &envelope, today).unwrap();
        let kinds = world.people[0].kinds();
        assert_eq!(kinds.iter().filter(|kind| **kind == EventKind::InviteContested).count(), round);
        assert!(!world.people[0].engine().contact_list()[0].verified);
        world.settle_in_time();
    }
}

#[test]
fn what_comes_to_an_open_invite_after_a_restore_is_no_lost_session() {
    let mut ada = Person::new();
    let ada = ada.engine();
    let id = ada.begin_invite("Ben", DAY, 7).unwrap();
    ada.published(id).unwrap();
    ada.note_restored(NOW, DAY).unwrap();
    let landing =
        ada.mailboxes_at(RELAY).into_iter().find(|it| it.kind == MailboxKind::Landing).unwrap().name;
    ada.mailbox_created(landing).unwrap();
    ada.delivered(landing, &[7; 4_096], DAY).unwrap();
    assert!(!ada.contacts[&id].row.reset_due);
    assert!(
        !ada.events_after(0, 99).unwrap().iter().any(|event| matches!(event.kind, EventKind::SessionLost))
    );
}

/// A vault of an earlier version may lack a private mailbox: that version took the landing of an
/// own open invite for one.
#[test]
fn a_vault_without_a_private_mailbox_gets_one_when_it_is_opened() {
    let mut world = friends(171);
    let today = world.today;
    let ada = world.people[0].engine();
    ada.contacts.get_mut(&1).unwrap().row.mailboxes.retain(|row| row.kind != MailboxKind::Private);
    let mut step = ada.step();
    step.contacts.insert(1);
    ada.finish(step).unwrap();
    world.people[0].crash(today);
    world.settle();
    world.say(1);
    world.say(0);
    world.settle_in_time();
    world.check();
}

#[test]
fn an_invite_ends_only_on_a_day_that_a_relay_confirms() {
    // A clock is believed from 2025 on.
    let (mut ada, today) = (Person::new(), Day::from_number(20_785));
    ada.engine().look_at_clock(today.unix_seconds(), &[today]).unwrap();
    let id = ada.engine().begin_invite("Ben", today, 1).unwrap();
    ada.engine().published(id).unwrap();
    let seconds = |day: u32| today.plus(day).unix_seconds();
    let end = |ada: &mut Person, day: u32, relays: &[Day]| {
        let today = ada.engine().look_at_clock(seconds(day), relays).unwrap();
        ada.engine().end_invites(today).unwrap();
        ada.engine().link_text(id).is_none()
    };
    assert!(!end(&mut ada, 2, &[today]), "the relay says the day before the last");
    assert!(!end(&mut ada, 3, &[]), "a clock that creeps ahead, and no relay");
    assert!(!end(&mut ada, 3, &[today.plus(1)]));
    assert!(end(&mut ada, 3, &[today.plus(2)]));
}
