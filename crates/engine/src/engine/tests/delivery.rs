//! Each content arrives once and in order, whatever is lost, repeated or damaged.

use super::*;

#[test]
fn each_content_once_and_in_order_whatever_breaks() {
    for seed in 0..6 {
        let mut world = World::new(seed);
        for _ in 0..700 {
            let who = world.rng.random_range(0..2);
            match world.rng.random_range(0..40) {
                0..10 => world.say(who),
                10..22 => drop(world.put(who, true)),
                22..34 => drop(world.deliver(who, true)),
                34..36 => drop(world.receipt(who)),
                36 => world.make_mailboxes(),
                37 => world.forget_a_blob(),
                _ => {
                    let today = world.today;
                    world.people[who].crash(today);
                }
            }
        }
        world.settle();
        // A blob that the relay lost is sent again after its expiry.
        for _ in 0..3 {
            world.today = world.today.plus(32);
            let today = world.today;
            world.people.iter_mut().for_each(|person| person.engine().begin_day(today).unwrap());
            world.settle_in_time();
        }
        world.check();
        let today = world.today;
        world.people.iter_mut().for_each(|person| person.crash(today));
        world.check();
        for person in &mut world.people {
            assert_eq!(
                person.engine().mailboxes_at(RELAY).len(),
                1,
                "the landing is gone, the private mailbox stays"
            );
        }
    }
}

#[test]
fn both_sides_see_the_same_safety_number_and_delivery() {
    let mut world = World::new(9);
    world.say(1);
    assert!(world.people[0].engine().send_text("Ben", "early", NOW).is_ok(), "waits for the session");
    world.people[0].sent.push("early".to_owned());
    world.settle();
    let [ada, ben] = &mut world.people;
    let number = ada.engine().safety_number("Ben").unwrap();
    assert_eq!(number, ben.engine().safety_number("Ada").unwrap());
    let delivered = ben.engine().events_after(0, 100).unwrap();
    assert!(delivered.iter().any(|event| event.kind == EventKind::Delivered && event.message.is_some()));
    ada.engine().set_verified("Ben", true).unwrap();
    assert!(ada.engine().contact_list()[0].verified);
}

#[test]
fn forgotten_events_leave_their_numbers_behind() {
    let mut world = World::new(12);
    for _ in 0..5 {
        world.say(1);
    }
    world.settle();
    let today = world.today;
    let ada = &mut world.people[0];
    let last = ada.engine().last_event();
    ada.engine().forget_events_before(last + 1).unwrap();
    assert!(ada.engine().events_after(0, 100).unwrap().is_empty());
    ada.crash(today);
    assert_eq!(ada.engine().last_event(), last);
    world.say(1);
    world.settle();
    assert!(world.people[0].engine().last_event() > last);
}

#[test]
fn a_blob_that_stops_the_process_three_times_is_put_aside_and_comes_again_by_its_sender() {
    let mut world = World::new(13);
    world.settle();
    world.say(1);
    world.put(1, false);
    let (blob, name) = {
        let mailbox = world.boxes.values().find(|mailbox| mailbox.owner == 0 && !mailbox.blobs.is_empty());
        mailbox.map(|mailbox| (mailbox.blobs[0].clone(), mailbox.name)).unwrap()
    };
    let tag = *blob.first_chunk::<16>().unwrap();
    let today = world.today;
    for _ in 0..3 {
        // The process dies after the count and before the end. The vault was not closed, so the next start counts, too.
        world.people[0].crash(today);
        world.people[0].engine().count_attempt(&tag).unwrap();
    }
    world.people[0].crash(today);
    let ada = world.people[0].engine();
    assert_eq!(ada.delivered(name, &blob, today), Ok(inbox::BlobOutcome::Quarantined));
    let aside = ada.vault.keys(Table::Aside);
    assert_eq!(*ada.vault.read_bytes(&aside[0]).unwrap().unwrap(), blob);
    assert!(ada.vault.keys(Table::Attempt).is_empty());
    world.boxes.values_mut().for_each(|mailbox| mailbox.blobs.clear());
    // It has no receipt, so it is sent again once its blob has expired.
    world.say(1);
    world.settle();
    assert_eq!(world.people[0].texts().len(), 0, "the second waits for the first");
    world.today = today.plus(31);
    let later = world.today;
    world.people[1].engine().begin_day(later).unwrap();
    world.settle();
    world.check();
}

/// Returns an envelope of the person `who` with an encoded content such as only a newer version
/// makes.
fn from_a_newer_version(world: &mut World, who: usize, content: &[u8]) -> Vec<u8> {
    let engine = world.people[who].engine();
    let ratchet = engine.contacts.get_mut(&1).unwrap().ratchet.as_mut().unwrap();
    ratchet.encrypt(content, &mut random()).unwrap().0.into_bytes()
}

#[test]
fn numbered_items_of_a_newer_version_hide_nothing() {
    use deaddrop_e2ee::content::{self, Content, Message, MessageId, StreamId};
    let mut world = World::new(23);
    world.settle();
    world.say(1);
    world.settle();
    let today = world.today;
    let row = &world.people[1].engine().contacts[&1].row;
    let (stream, first) = (StreamId(row.outgoing.id), row.outgoing.next);
    let unknown = |at: u64, flags: u8| {
        let number = first + at;
        let body = [&stream.0[..], &number.to_le_bytes(), b"?"].concat();
        Content::Unknown { kind: 40, flags, stream, number, body }
    };
    let text = |at: u64| Content::Text { stream, number: first + at, text: format!("text {at}") };
    let message = Message { id: MessageId([1; 16]), clock: 1, time: 0, text: String::from("message") };
    let items = [
        vec![text(0), unknown(1, 3), text(2)],
        vec![unknown(3, 2), Content::Void { stream, number: first + 4 }],
        // Early: it is held, and parked in its turn.
        vec![unknown(7, 3), text(8)],
        vec![Content::Message { stream, number: first + 5, to_version: 0, to_mask: 1, message }, text(6)],
    ];
    let name = world.people[0].engine().mailboxes_at(RELAY)[0].name;
    for items in items {
        let content = content::encode(&items).unwrap();
        let blob = from_a_newer_version(&mut world, 1, &content);
        world.people[0].engine().delivered(name, &blob, today).unwrap();
    }
    world.people[0].crash(today);
    let texts = world.people[0].texts();
    assert_eq!(texts, ["text 0 of 1", "text 0", "text 2", "message", "text 6", "text 8"]);
    let ada = world.people[0].engine();
    assert_eq!(ada.contacts[&1].row.incoming[0].low_water, first + 8, "every number is taken");
    let parked = ada.vault.keys(Table::Parked).into_iter();
    let parked: Vec<u64> =
        parked.map(|row| ada.vault.read::<crate::vault::ParkedRow>(&row).unwrap().unwrap().number).collect();
    assert_eq!(parked, [first + 1, first + 7]);
    let events = ada.events_after(0, usize::MAX).unwrap();
    assert_eq!(events.iter().filter(|event| event.kind == EventKind::NeedsNewerVersion).count(), 2);
}

#[test]
fn what_expired_at_the_relay_is_sent_again_on_that_day() {
    // Classes, and what a relay says of them: how many days it keeps the blob at most.
    let default = BlobLives::from_hello(30, 7);
    let long = "x".repeat(40_000);
    for (text, lives, days) in [
        ("short", default, 30),
        (long.as_str(), default, 7),
        ("short", BlobLives::from_hello(0, 0), 1),
        (&long, BlobLives::from_hello(u16::MAX, u16::MAX), 30),
    ] {
        let mut world = World::new(26);
        world.settle();
        let today = world.today;
        let ben = world.people[1].engine();
        ben.send_text("Ada", text, NOW).unwrap();
        let job = ben.take_puts(1, &BTreeSet::new(), 9).remove(0);
        assert_eq!(job.envelope.len() == 65_536, text.len() > 15_000);
        ben.mark_stored_at_relay(1, &[job.sent()], lives, today).unwrap();
        // It is kept to the end of the last day, and found again by a client that was away on the next.
        world.people[1].crash(today.plus(days));
        assert!(world.people[1].engine().take_puts(1, &BTreeSet::new(), 9).is_empty(), "{days} days");
        world.people[1].crash(today.plus(days + 1));
        let again = world.people[1].engine().take_puts(1, &BTreeSet::new(), 9).remove(0);
        assert!(again.number == job.number && again.envelope != job.envelope);
        world.today = today.plus(days + 1);
        world.people[1].sent.push(text.to_owned());
        world.settle();
        world.check();
    }
}

/// Lets Ben send three texts, of which the relay loses the first after it has stored it, and lets
/// Ada's receipt tell Ben that the others have come. Returns the number of the first text.
fn with_a_gap(world: &mut World, texts: [&str; 3]) -> u64 {
    let today = world.today;
    let mut first = 0;
    for (at, text) in texts.into_iter().enumerate() {
        world.people[1].engine().send_text("Ada", text, NOW).unwrap();
        world.people[1].sent.push(text.to_owned());
        if at == 0 {
            let job = world.people[1].engine().take_puts(1, &BTreeSet::new(), 9).remove(0);
            first = job.number;
            let done = [job.sent()];
            world.people[1].engine().mark_stored_at_relay(1, &done, LIVES, today).unwrap();
        }
    }
    world.settle();
    first
}

fn waits(world: &mut World) -> Vec<u64> {
    world.people[1].engine().take_puts(1, &BTreeSet::new(), 99).iter().map(|job| job.number).collect()
}

#[test]
fn what_a_receipt_shows_to_be_missing_is_sent_again_in_a_minute() {
    let mut world = World::new(27);
    world.settle();
    let first = with_a_gap(&mut world, ["lost", "second", "third"]);
    assert_eq!(world.people[0].texts().len(), 0, "the others wait for the first");
    assert_eq!([0, 1].map(|who| world.people[who].engine().gaps()), [(2, 0), (0, 1)]);
    let (today, now) = (world.today, 20_000 * 86_400);
    let resend = |world: &mut World, at: u64| {
        // A command that ends soon: what was found missing outlives it.
        world.people[1].crash(today);
        assert!(at > 0 || world.people[1].engine().is_missing_due(now));
        world.people[1].engine().resend_missing(now + at).unwrap();
    };
    resend(&mut world, 0);
    resend(&mut world, 59);
    assert!(waits(&mut world).is_empty());
    resend(&mut world, 60);
    assert_eq!(waits(&mut world), [first]);
    world.settle();
    world.check();
    let ben = world.people[1].engine();
    assert!(ben.vault.keys(Table::Missing).is_empty() && !ben.is_missing_due(u64::MAX));
}

#[test]
fn a_receipt_that_lies_costs_no_more_than_the_bounds() {
    let mut world = World::new(28);
    world.settle();
    let (today, start) = (world.today, 20_000 * 86_400);
    let long = "x".repeat(40_000);
    let ben = world.people[1].engine();
    let first = ben.contacts[&1].row.outgoing.next;
    for _ in 0..40 {
        ben.send_text("Ada", &long, NOW).unwrap();
    }
    let take = |ben: &mut TestEngine| {
        let mut bytes = 0;
        loop {
            let jobs = ben.take_puts(1, &BTreeSet::new(), 9);
            if jobs.is_empty() {
                return bytes;
            }
            bytes += jobs.iter().map(|job| job.envelope.len()).sum::<usize>();
            let done: Vec<_> = jobs.iter().map(|job| job.sent()).collect();
            ben.mark_stored_at_relay(1, &done, LIVES, today).unwrap();
        }
    };
    assert_eq!(take(ben), 40 * 65_536);
    // It says again and again that all but the last are missing.
    let (mut by_hour, mut all) = (0, 0);
    for second in (0..7_200).step_by(10) {
        let mut step = ben.step();
        let stream = &ben.contacts[&1].row.outgoing;
        let (low_water, digest) = (stream.confirmed, Some(stream.confirmed_digest.short()));
        let receipt = peer::Receipt { low_water, digest, sparse: vec![first + 39], is_counted: false };
        ben.apply_receipt(&mut step, 1, receipt, today).unwrap();
        ben.finish(step).unwrap();
        ben.resend_missing(start + second).unwrap();
        assert!(
            !ben.is_missing_due(start + second),
            "what is not possible now is not asked for again at once"
        );
        let bytes = take(ben);
        by_hour = if second % 3_600 == 0 { bytes } else { by_hour + bytes };
        all += bytes;
        assert!(by_hour <= 1 << 20, "{by_hour} bytes in the hour of {second} s");
    }
    assert!(all > 1 << 20, "the bound is that of an hour");
    // After eight receipts the stream was replaced, and not again on that day.
    let row = &ben.contacts[&1].row.outgoing;
    assert_eq!(row.drawn_on, today.number());
}

#[test]
fn the_end_of_a_turn_is_left_to_what_is_new() {
    let mut world = World::new(29);
    world.settle();
    let first = with_a_gap(&mut world, ["lost", "second", "third"]);
    let ben = world.people[1].engine();
    for _ in 0..1_500 {
        ben.send_text("Ada", "on its way", NOW).unwrap();
    }
    let now = 20_000 * 86_400;
    ben.resend_missing(now).unwrap();
    ben.resend_missing(now + 60).unwrap();
    let item = &ben.contacts[&1].items[&first];
    assert!(item.sealed.is_none() && item.again_on.is_some(), "it waits for the peer's answer");
}
