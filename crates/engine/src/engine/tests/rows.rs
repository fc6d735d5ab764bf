//! Rows that a contact or a relay can make without end are bounded (spec/14-client.md section 2.4).

use super::{healing::friends, *};
use crate::engine::{
    inbox::{BlobOutcome, MAX_ASIDE},
    incoming::{MAX_SEEN, MAX_SEEN_WITHOUT_ROOM},
    load::MAX_ATTEMPT_ROWS,
    parked::MAX_PARKED,
    sentinel::MAX_SENTINELS,
};
use deaddrop_e2ee::content::{self, Content, StreamId};

/// Returns an envelope of Ben's with items that his client would not send.
fn odd_blob(world: &mut World, items: &[Content]) -> Vec<u8> {
    odd_content(world, &content::encode(items).unwrap())
}

fn odd_content(world: &mut World, bytes: &[u8]) -> Vec<u8> {
    let contact = world.people[1].engine().contacts.get_mut(&1).unwrap();
    contact.ratchet.as_mut().unwrap().encrypt(bytes, &mut random()).unwrap().0.into_bytes()
}

/// Lets Ada answer, because Ben can send at most 2,000 messages without an answer.
fn answer(world: &mut World) {
    world.say(0);
    while world.put(0, false) {}
    while world.deliver(1, false) {}
}

fn deliver(world: &mut World, blob: &[u8]) -> BlobOutcome {
    let today = world.today;
    let name = world.people[0].engine().mailboxes_at(RELAY)[0].name;
    let ack = world.people[0].engine().delivered(name, blob, today).unwrap();
    world.people[0].engine().acked(name, blob.first_chunk().unwrap());
    ack
}

fn rows(world: &mut World, table: Table) -> usize {
    world.people[0].engine().vault.keys(table).len()
}

/// Returns a numbered item of an unknown type that is marked critical, so that it is kept for a
/// newer version.
fn unknown(stream: [u8; 16], number: u64) -> Content {
    let body = [&stream[..], &number.to_le_bytes(), b"later"].concat();
    Content::Unknown { kind: 40, flags: 3, stream: StreamId(stream), number, body }
}

fn text(stream: [u8; 16], number: u64) -> Content {
    Content::Text { stream: StreamId(stream), number, text: format!("text {number}") }
}

#[test]
fn blobs_that_are_put_aside_fall_out_oldest_first() {
    let mut world = friends(310);
    let mut last = Vec::new();
    for number in 0..40_u8 {
        let blob = [[number; 32].as_slice(), &[0; 2_000]].concat();
        // It began three times and never ended.
        let tag: [u8; 16] = [number; 16];
        let ada = world.people[0].engine();
        (0..5).for_each(|_| assert!(ada.count_attempt(&tag).unwrap() < 9));
        assert_eq!(deliver(&mut world, &blob), BlobOutcome::Quarantined, "{number}");
        last.push(key(Table::Aside, 1, u64::from_be_bytes([number; 8])));
        if number % 16 == 9 {
            let today = world.today;
            world.people[0].crash(today);
        }
    }
    let kept = &last[last.len() - MAX_ASIDE..];
    assert_eq!(world.people[0].engine().vault.keys(Table::Aside), kept);
    assert_eq!(rows(&mut world, Table::Attempt), 0);
}

#[test]
fn junk_costs_no_row() {
    let mut world = friends(311);
    // The first few in a row are told as a lost session.
    for number in 0..5 {
        deliver(&mut world, &[number; 2_000]);
    }
    let (before, rows_before) = (world.people[0].engine().vault.status(), world.people[0].disk.keys());
    for number in 0..5_000_u32 {
        let blob = [number.to_be_bytes().repeat(8), vec![7; 1_000]].concat();
        assert_eq!(deliver(&mut world, &blob), BlobOutcome::Junk);
    }
    assert_eq!(world.people[0].engine().vault.status(), before);
    assert_eq!(world.people[0].disk.keys(), rows_before);
    // After a crash the first blobs are counted before they are read, and what was counted goes.
    let today = world.today;
    world.people[0].crash(today);
    for number in 0..200_u32 {
        let blob = [number.to_be_bytes().repeat(8), vec![8; 1_000]].concat();
        assert_eq!(deliver(&mut world, &blob), BlobOutcome::Junk);
    }
    assert_eq!(rows(&mut world, Table::Attempt), 0);
}

#[test]
fn counts_of_blobs_that_never_come_again_fall_out() {
    let mut world = friends(312);
    let today = world.today;
    for number in 0..200_u32 {
        let tag: [u8; 16] = number.to_be_bytes().repeat(4).try_into().unwrap();
        let ada = world.people[0].engine();
        // A crash after the first start of each.
        ada.watched_starts = 1;
        ada.count_attempt(&tag).unwrap();
    }
    assert_eq!(rows(&mut world, Table::Attempt), 200);
    world.people[0].crash(today);
    assert_eq!(rows(&mut world, Table::Attempt), MAX_ATTEMPT_ROWS);
}

#[test]
fn messages_that_are_recognised_fall_out_oldest_first() {
    let mut world = friends(313);
    for _ in 0..3 {
        for _ in 0..1_500 {
            world.say(1);
        }
        world.settle();
        answer(&mut world);
        world.settle();
    }
    world.check();
    assert_eq!(rows(&mut world, Table::Seen), MAX_SEEN);
    let today = world.today;
    world.people[0].crash(today);
    assert_eq!(rows(&mut world, Table::Seen), MAX_SEEN);
    // The newest are.
    let ada = world.people[0].engine();
    let newest = ada.vault.keys_by_age(Table::Seen).pop().unwrap();
    assert_eq!(ada.contacts[&1].seen.back(), Some(&newest));
    world.say(1);
    world.settle();
    assert_eq!(rows(&mut world, Table::Seen), MAX_SEEN);
    // What ends with its day is forgotten in memory, too.
    let ada = world.people[0].engine();
    ada.begin_day(today.plus(92)).unwrap();
    assert_eq!((ada.vault.keys(Table::Seen).len(), ada.contacts[&1].seen.len()), (0, 0));
}

#[test]
fn what_a_newer_version_needs_is_kept_up_to_a_bound_and_never_dropped() {
    let mut world = friends(314);
    let today = world.today;
    let stream = [3; 16];
    let most = u64::try_from(MAX_PARKED).unwrap();
    // Some come before an earlier one, and hold their places until it comes.
    let early: Vec<_> = (11..31).map(|number| unknown(stream, number)).collect();
    let blob = odd_blob(&mut world, &early);
    deliver(&mut world, &blob);
    assert_eq!(rows(&mut world, Table::Parked), 0);
    let first: Vec<_> = (1..11).map(|number| unknown(stream, number)).collect();
    let blob = odd_blob(&mut world, &first);
    deliver(&mut world, &blob);
    assert_eq!(rows(&mut world, Table::Parked), 30);
    world.people[0].crash(today);
    // One is missing: what comes behind it takes places, and then there is none.
    let behind: Vec<_> = (32..most + 50).map(|number| unknown(stream, number)).collect();
    for items in behind.chunks(30) {
        let blob = odd_blob(&mut world, items);
        deliver(&mut world, &blob);
    }
    let low_water = |world: &mut World| {
        let row = &world.people[0].engine().contacts[&1].row;
        row.incoming
            .iter()
            .find(|known| known.id == stream)
            .map(|known| (known.low_water, known.sparse.len()))
    };
    assert_eq!(low_water(&mut world), Some((30, MAX_PARKED - 30)));
    world.people[0].crash(today);
    // The missing one is a text, which takes none.
    let blob = odd_blob(&mut world, &[text(stream, 31)]);
    deliver(&mut world, &blob);
    assert_eq!(rows(&mut world, Table::Parked), MAX_PARKED);
    let reached = 31 + most - 30;
    assert_eq!(low_water(&mut world), Some((reached, 0)));
    // The next number is neither taken nor receipted, however often it comes; what is behind it is held.
    for _ in 0..3 {
        let blob = odd_blob(&mut world, &[unknown(stream, reached + 1)]);
        assert_eq!(deliver(&mut world, &blob), BlobOutcome::Stored);
    }
    let blob = odd_blob(&mut world, &[text(stream, reached + 2)]);
    deliver(&mut world, &blob);
    assert_eq!(low_water(&mut world), Some((reached, 1)));
    // Nor is a content without a number.
    let blob = odd_content(&mut world, &[41, 0, 1, 1, 0, 0, 7]);
    assert_eq!(deliver(&mut world, &blob), BlobOutcome::Junk);
    assert_eq!(rows(&mut world, Table::Parked), MAX_PARKED);
    let told = world.people[0].kinds().iter().filter(|kind| **kind == EventKind::NeedsNewerVersion).count();
    assert_eq!(told, MAX_PARKED);
    // Texts behind it are given once all that lay at the relay was read.
    let read = BTreeSet::from([RELAY.to_owned()]);
    let ada = world.people[0].engine();
    ada.show_gaps(NOW, 30, &read, today).unwrap();
    ada.show_gaps(NOW + 60, 30, &read, today).unwrap();
    assert!(world.people[0].texts().contains(&format!("text {}", reached + 2)));
}

#[test]
fn mailboxes_of_the_vault_that_a_relay_never_deletes_fall_out() {
    let mut world = friends(315);
    let ada = world.people[0].engine();
    for day in 0..100_u64 {
        let now = NOW + day * 86_400;
        ada.begin_sentinel_day();
        ada.renew_sentinel(now).unwrap();
        let newest = ada.sentinel.row.mailboxes.last().unwrap().id;
        ada.note_sentinel_created(MailboxName { contact: OWN, mailbox: newest }).unwrap();
    }
    assert_eq!(ada.sentinel.row.mailboxes.len(), MAX_SENTINELS);
    assert_eq!(ada.sentinel.row.mailboxes.last().unwrap().state, MailboxState::Live);
}

#[test]
fn the_limits_of_the_spec_are_these() {
    let spec = include_str!("../../../../../spec/14-client.md");
    let section = spec.split("\n## 7. ").nth(1).unwrap().split("\n## ").next().unwrap();
    let value = |row: &str| -> usize {
        let line = section.lines().find(|line| line.starts_with(&format!("| {row} | "))).unwrap();
        line.split('|').nth(2).unwrap().trim().replace(',', "").parse().unwrap()
    };
    assert_eq!(value("contents of a contact that are parked"), MAX_PARKED);
    assert_eq!(value("blobs of a contact that are put aside"), MAX_ASIDE);
    assert_eq!(value("messages of a conversation that are recognised"), MAX_SEEN);
    assert_eq!(value("counts of starts that an opening keeps"), MAX_ATTEMPT_ROWS);
    assert_eq!(value("mailboxes of the sentinel"), MAX_SENTINELS);
    let bounds = spec.split("### 2.4 ").nth(1).unwrap().split("\n## ").next().unwrap();
    let thousands = |number: usize| match number {
        0..1_000 => number.to_string(),
        _ => format!("{},{:03}", number / 1_000, number % 1_000),
    };
    for (row, most) in [
        ("seen", MAX_SEEN),
        ("seen", MAX_SEEN_WITHOUT_ROOM),
        ("parked", MAX_PARKED),
        ("aside", MAX_ASIDE),
        ("attempt", MAX_ATTEMPT_ROWS),
        ("sentinel", MAX_SENTINELS),
        ("asked", crate::engine::asked::MAX_ASKED),
    ] {
        let line = bounds.lines().find(|line| line.starts_with(&format!("| {row} | "))).unwrap();
        assert!(line.contains(&thousands(most)), "{line}");
    }
}
