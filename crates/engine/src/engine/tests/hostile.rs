//! Relays and contacts that repeat, refuse and hold back: each loss is reported, and nothing grows.

use super::{healing::friends, *};

#[test]
fn what_comes_before_the_user_agrees_is_not_lost() {
    let mut world = friends(70);
    let today = world.today;
    world.people[1].engine().begin_again("Ada", NOW, DAY).unwrap();
    for number in 0..22 {
        world.people[1].engine().send_text("Ada", &format!("asked {number}"), NOW).unwrap();
    }
    // The relay brings the first envelope many times.
    while world.put(1, false) {}
    let mailbox =
        world.boxes.values().find(|mailbox| mailbox.owner == 0 && !mailbox.blobs.is_empty()).unwrap();
    let (name, first) = (mailbox.name, mailbox.blobs[0].clone());
    for _ in 0..8 {
        world.people[0].engine().delivered(name, &first, today).unwrap();
        world.people[0].engine().acked(name, first.first_chunk().unwrap());
    }
    world.settle();
    assert!(!world.people[0].texts().iter().any(|text| text.starts_with("asked")));
    world.people[0].engine().agree("Ben", &crate::ContactAsks::Reset, today).unwrap();
    world.settle_in_time();
    let shown = world.people[0].texts();
    assert_eq!(shown.iter().filter(|text| text.starts_with("asked")).count(), 22, "{shown:?}");
    assert_eq!(world.people[1].engine().waiting(), (0, 0));
}

#[test]
fn what_is_declined_goes_and_may_be_asked_again() {
    let mut world = friends(71);
    world.people[1].engine().begin_again("Ada", NOW, DAY).unwrap();
    world.settle();
    let asks = |world: &mut World| world.people[0].engine().contact_list().remove(0).asks;
    assert_eq!(asks(&mut world), [crate::ContactAsks::Reset]);
    world.people[0].engine().decline("Ben").unwrap();
    assert!(asks(&mut world).is_empty());
    assert!(world.people[0].engine().vault.keys(Table::Asked).is_empty());
    assert_eq!(world.people[0].engine().decline("Ben"), Err(crate::EngineError::NothingAsked));
    world.people[1].engine().begin_again("Ada", NOW + 3_600, DAY).unwrap();
    world.settle();
    assert_eq!(asks(&mut world), [crate::ContactAsks::Reset]);
}

#[test]
fn a_question_is_over_once_the_two_have_begun_again() {
    let mut world = friends(77);
    let today = world.today;
    world.people[1].engine().begin_again("Ada", NOW, DAY).unwrap();
    world.settle();
    super::healing::invite_again(&mut world, 1, 0);
    world.settle_in_time();
    assert!(world.people[0].engine().contact_list()[0].asks.is_empty());
    let ada = world.people[0].engine();
    assert_eq!(
        ada.agree("Ben", &crate::ContactAsks::Reset, today),
        Err(crate::EngineError::NothingAsked),
        "it would begin a session that Ben has left"
    );
    world.say(0);
    world.settle_in_time();
    assert_eq!(world.people[0].engine().waiting(), (0, 0));
}

#[test]
fn a_landing_that_holds_unread_texts_is_not_deleted() {
    let mut world = World::new(72);
    let today = world.today;
    world.say(1);
    while world.put(1, false) {}
    assert!(world.deliver(0, false), "Ada learns of Ben");
    // Ben says more into the landing, and gets Ada's answer with the private mailbox before Ada reads on.
    for _ in 0..5 {
        world.say(1);
    }
    while world.put(1, false) {}
    world.make_mailboxes();
    while world.put(0, false) {}
    while world.deliver(1, false) {}
    world.receipt(1);
    while world.put(1, false) {}
    // What came by the private mailbox is read first, and the relay says nothing of the landing yet.
    let private = world.people[0]
        .engine()
        .mailboxes_at(RELAY)
        .into_iter()
        .max_by_key(|it| it.name.mailbox)
        .unwrap()
        .name;
    let blobs: Vec<_> = world
        .boxes
        .values_mut()
        .filter(|mailbox| mailbox.owner == 0 && mailbox.name == private)
        .flat_map(|mailbox| std::mem::take(&mut mailbox.blobs))
        .collect();
    assert!(!blobs.is_empty());
    for blob in blobs {
        world.people[0].engine().delivered(private, &blob, today).unwrap();
    }
    let states = world.people[0].engine().mailboxes_at(RELAY).into_iter().map(|mailbox| mailbox.state);
    assert!(states.into_iter().all(|state| state != MailboxState::Retiring), "it has not been read");
    world.settle();
    world.check();
}

#[test]
fn what_a_relay_repeats_writes_nothing() {
    let mut world = friends(73);
    let today = world.today;
    world.say(1);
    world.put(1, false);
    let mailbox =
        world.boxes.values().find(|mailbox| mailbox.owner == 0 && !mailbox.blobs.is_empty()).unwrap();
    let (name, blob) = (mailbox.name, mailbox.blobs[0].clone());
    world.settle();
    let ada = world.people[0].engine();
    let repeat = |ada: &mut TestEngine| {
        let ack = ada.delivered(name, &blob, today).unwrap();
        ada.acked(name, blob.first_chunk().unwrap());
        ack
    };
    assert_eq!(repeat(ada), inbox::BlobOutcome::Duplicate);
    let before = world.people[0].disk.keys();
    for _ in 0..50 {
        repeat(world.people[0].engine());
    }
    // The attempts are counted for blobs that come again in this process, and forgotten.
    assert_eq!(world.people[0].disk.keys(), before);
    assert_eq!(world.people[0].engine().receipts_due(), [1], "one receipt serves all of them");
}

#[test]
fn one_receipt_counts_once_however_much_it_shows_to_be_missing() {
    let mut world = friends(74);
    let today = world.today;
    let ben = world.people[1].engine();
    for _ in 0..900 {
        ben.send_text("Ada", "x", NOW).unwrap();
    }
    loop {
        let jobs = ben.take_puts(1, &BTreeSet::new(), 99);
        if jobs.is_empty() {
            break;
        }
        let done: Vec<_> = jobs.iter().map(PutJob::sent).collect();
        ben.mark_stored_at_relay(1, &done, LIVES, today).unwrap();
    }
    let stream = &ben.contacts[&1].row.outgoing;
    let (low_water, highest) = (stream.confirmed, stream.next - 1);
    let receipt = peer::Receipt {
        low_water,
        digest: Some(stream.confirmed_digest.short()),
        sparse: vec![highest],
        is_counted: false,
    };
    let mut step = ben.step();
    ben.apply_receipt(&mut step, 1, receipt, today).unwrap();
    ben.finish(step).unwrap();
    ben.drain_backlog(1, today).unwrap();
    let contact = &ben.contacts[&1];
    assert_eq!(contact.missing.len(), usize::try_from(highest - low_water - 1).unwrap());
    assert!(contact.row.outgoing.still <= 1 && contact.row.outgoing.drawn_on == 0);
}

#[test]
fn a_relay_that_refuses_the_sentinel_is_asked_less_and_less_often() {
    let mut world = friends(75);
    let ada = world.people[0].engine();
    let (mut made, mut now) = (0, NOW);
    while now < NOW + 86_400 {
        if ada.is_sentinel_due(now) {
            ada.renew_sentinel(now).unwrap();
            let name = ada.mailboxes_at(RELAY).into_iter().rfind(|it| it.name.contact == OWN).unwrap().name;
            ada.mailbox_created(name).unwrap();
            ada.sentinel_lost(name, true, now, Day::of_unix_seconds(now)).unwrap();
            made += 1;
        }
        now += 10;
    }
    assert!((5..=16).contains(&made), "{made} in a day");
    let told = world.people[0].kinds().into_iter().filter(|kind| *kind == EventKind::Restored).count();
    assert_eq!(told, 3, "a few times a day");
    // Also if the client is opened again.
    let today = world.today;
    world.people[0].crash(today);
    world.people[0].engine().note_displaced(today).unwrap();
    world.people[0].crash(today);
    world.people[0].engine().note_displaced(today).unwrap();
    let told = world.people[0].kinds().into_iter().filter(|kind| *kind == EventKind::Displaced).count();
    assert_eq!(told, 1);
}

#[test]
fn a_peer_that_has_forgotten_the_stream_in_use_gets_a_new_one() {
    let mut world = friends(76);
    world.say(1);
    world.settle();
    // Ada's vault keeps four streams; blobs of older ones that come late have taken the place of this one.
    let ada = world.people[0].engine();
    ada.contacts.get_mut(&1).unwrap().row.incoming.clear();
    let stream = world.people[1].engine().contacts[&1].row.outgoing.id;
    for _ in 0..10 {
        world.say(1);
        world.settle();
    }
    assert_ne!(world.people[1].engine().contacts[&1].row.outgoing.id, stream);
    world.settle_in_time();
    let (shown, sent) = (world.people[0].texts(), world.people[1].sent.clone());
    assert!(sent.iter().all(|text| shown.contains(text)), "{shown:?}");
    assert_eq!(world.people[1].engine().waiting(), (0, 0));
}

#[test]
fn the_highest_numbers_end_nothing() {
    use deaddrop_e2ee::content::{self, Content, StreamId};
    let mut world = friends(78);
    let today = world.today;
    let read = BTreeSet::from([RELAY.to_owned()]);
    let name = world.people[0].engine().mailboxes_at(RELAY)[0].name;
    for stream in [world.people[1].engine().contacts[&1].row.outgoing.id, [9; 16]] {
        let stream = StreamId(stream);
        let items: Vec<_> = [u64::MAX, u64::MAX - 1, u64::MAX - 2, u64::MAX - 4]
            .into_iter()
            .map(|number| Content::Text { stream, number, text: format!("{number}") })
            .collect();
        let bytes = content::encode(&items).unwrap();
        let ratchet = world.people[1].engine().contacts.get_mut(&1).unwrap().ratchet.as_mut().unwrap();
        let blob = ratchet.encrypt(&bytes, &mut random()).unwrap().0.into_bytes();
        let ada = world.people[0].engine();
        ada.delivered(name, &blob, today).unwrap();
        for at in [0, 31, 62, 93] {
            ada.show_gaps(NOW + at, 30, &read, today).unwrap();
        }
        assert_eq!(ada.gap_due(NOW + 200, 30, &read), None);
        let row = &ada.contacts[&1].row;
        assert!(row.incoming.iter().all(|stream| !stream.sparse.contains(&u64::MAX)));
    }
    let shown = world.people[0].texts().into_iter().filter(|text| text.starts_with("1844"));
    assert_eq!(shown.count(), 6);
}
