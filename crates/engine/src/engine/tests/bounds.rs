//! The largest inputs, from the app and from a peer that keeps to the letter of the protocol and to
//! nothing else.

use super::*;

#[test]
fn limits_are_errors_and_change_nothing() {
    let mut world = World::new(11);
    let [ada, _] = &mut world.people;
    let before = ada.engine().waiting();
    let long = "x".repeat(deaddrop_e2ee::content::MAX_TEXT + 1);
    assert_eq!(ada.engine().send_text("Ben", &long, NOW), Err(crate::EngineError::TextTooLong));
    assert_eq!(ada.engine().send_text("Stranger", "x", NOW), Err(crate::EngineError::UnknownContact));
    let today = Day::from_number(20_000);
    for name in ["", " ", "x\u{200b}", "a\nb", &"n".repeat(65)] {
        assert_eq!(ada.engine().begin_invite(name, today, 7), Err(crate::EngineError::BadName));
    }
    assert_eq!(ada.engine().waiting(), before);
    let longest = "y".repeat(deaddrop_e2ee::content::MAX_TEXT);
    ada.engine().send_text("Ben", &longest, NOW).unwrap();
    ada.sent.push(longest);
    world.settle();
    world.check();
}

#[test]
fn a_person_who_talks_alone_for_longer_than_a_turn_goes_on_after_the_receipt() {
    let mut world = World::new(17);
    world.settle();
    for _ in 0..2_100 {
        world.say(1);
    }
    world.settle();
    world.check();
}

/// Returns an envelope of the person `who` with items that follow the letter of the protocol, but
/// that no honest client sends.
fn hostile(world: &mut World, who: usize, items: &[deaddrop_e2ee::content::Content]) -> Vec<u8> {
    // All 64 places, also the one that is the contact's own.
    let parts = items.chunks(32).flat_map(|part| deaddrop_e2ee::content::encode(part).unwrap().to_vec());
    let content: Vec<u8> = parts.collect();
    let engine = world.people[who].engine();
    let ratchet = engine.contacts.get_mut(&1).unwrap().ratchet.as_mut().unwrap();
    ratchet.encrypt(&content, &mut random()).unwrap().0.into_bytes()
}

fn text(stream: [u8; 16], number: u64) -> deaddrop_e2ee::content::Content {
    deaddrop_e2ee::content::Content::Text {
        stream: deaddrop_e2ee::content::StreamId(stream),
        number,
        text: String::from("x"),
    }
}

#[test]
fn any_number_of_skipped_keys_goes_with_its_day() {
    for turns in [0, 1, 3] {
        let mut world = World::new(18);
        world.settle();
        let today = world.today;
        let name = world.people[0].engine().mailboxes_at(RELAY)[0].name;
        // All but the last of a long turn are lost.
        let mut last = Vec::new();
        for _ in 0..1_900 {
            last = hostile(&mut world, 1, &[]);
        }
        assert_eq!(world.people[0].engine().delivered(name, &last, today), Ok(inbox::BlobOutcome::Stored));
        for _ in 0..turns {
            world.say(0);
            world.settle();
            hostile(&mut world, 1, &[]);
            let last = hostile(&mut world, 1, &[]);
            assert_eq!(
                world.people[0].engine().delivered(name, &last, today),
                Ok(inbox::BlobOutcome::Stored)
            );
        }
        let ada = world.people[0].engine();
        ada.begin_day(today.plus(36)).unwrap();
        assert_eq!(ada.vault.keys(Table::Skipped).len(), 0);
        world.people[0].crash(today.plus(36));
    }
}

#[test]
fn the_most_keys_that_a_message_can_skip_are_stored_with_what_it_says() {
    let mut world = World::new(22);
    world.settle();
    let today = world.today;
    let name = world.people[0].engine().mailboxes_at(RELAY)[0].name;
    let deliver = |world: &mut World, blob: &[u8]| {
        assert_eq!(world.people[0].engine().delivered(name, blob, today), Ok(inbox::BlobOutcome::Stored));
    };
    let first = hostile(&mut world, 1, &[]);
    deliver(&mut world, &first);
    for _ in 1..deaddrop_e2ee::session::MAX_TURN_LEN - 2 {
        hostile(&mut world, 1, &[]);
    }
    world.say(0);
    world.put(0, false);
    world.deliver(1, false);
    for _ in 1..deaddrop_e2ee::session::MAX_TURN_LEN {
        hostile(&mut world, 1, &[]);
    }
    let row = &world.people[1].engine().contacts[&1].row;
    let items: Vec<_> = (0..64).map(|n| text(row.outgoing.id, row.outgoing.next + n)).collect();
    let last = hostile(&mut world, 1, &items);
    deliver(&mut world, &last);
    let ada = world.people[0].engine();
    assert!(ada.vault.keys(Table::Skipped).len() > 3_900);
    assert_eq!(
        ada.contacts[&1].ratchet.as_ref().unwrap().sending().unwrap().skipped_keys(),
        ada.vault.keys(Table::Skipped).len()
    );
    assert_eq!(world.people[0].texts().len(), 64);
    world.people[0].crash(today);
}

#[test]
fn one_content_full_of_receipts_is_taken() {
    let mut world = World::new(19);
    world.settle();
    let today = world.today;
    (0..1_000).for_each(|_| world.say(0));
    let contact = &world.people[0].engine().contacts[&1];
    let (stream, last) =
        (deaddrop_e2ee::content::StreamId(contact.row.outgoing.id), contact.row.outgoing.next - 1);
    let receipts: Vec<_> = (0..32)
        .flat_map(|n| {
            let number = last - 30 * (31 - n);
            let digest = contact.items[&number].digest.short();
            [
                deaddrop_e2ee::content::Content::DeliveryReceipt {
                    stream,
                    low_water: number,
                    sparse: vec![],
                },
                deaddrop_e2ee::content::Content::StreamDigest { stream, number, digest },
            ]
        })
        .collect();
    let blob = hostile(&mut world, 1, &receipts);
    let name = world.people[0].engine().mailboxes_at(RELAY)[0].name;
    assert_eq!(world.people[0].engine().delivered(name, &blob, today), Ok(inbox::BlobOutcome::Stored));
    assert_eq!(world.people[0].engine().waiting(), (0, 0));
}

#[test]
fn one_content_that_ends_many_gaps_is_taken() {
    let mut world = World::new(20);
    world.settle();
    let today = world.today;
    let name = world.people[0].engine().mailboxes_at(RELAY)[0].name;
    let (stream, first) = {
        let row = &world.people[1].engine().contacts[&1].row;
        (row.outgoing.id, row.outgoing.next)
    };
    let gaps: Vec<u64> = (0..8).map(|n| first + 100 * n).collect();
    let held: Vec<u64> = (first..first + 800).filter(|number| !gaps.contains(number)).collect();
    for numbers in held.chunks(50) {
        let items: Vec<_> = numbers.iter().map(|number| text(stream, *number)).collect();
        let blob = hostile(&mut world, 1, &items);
        assert_eq!(world.people[0].engine().delivered(name, &blob, today), Ok(inbox::BlobOutcome::Stored));
    }
    let items: Vec<_> = gaps.iter().map(|number| text(stream, *number)).collect();
    let blob = hostile(&mut world, 1, &items);
    assert_eq!(world.people[0].engine().delivered(name, &blob, today), Ok(inbox::BlobOutcome::Stored));
    assert_eq!(world.people[0].texts().len(), 800);
}

#[test]
fn long_texts_that_waited_for_the_session_are_sealed() {
    let mut world = World::new(21);
    let long = "y".repeat(deaddrop_e2ee::content::MAX_TEXT);
    for _ in 0..150 {
        world.people[0].engine().send_text("Ben", &long, NOW).unwrap();
        world.people[0].sent.push(long.clone());
    }
    world.settle();
    world.check();
}
