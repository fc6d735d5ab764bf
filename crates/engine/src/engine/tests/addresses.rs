//! Contacts that have several addresses, of which some refuse.

use super::*;

#[test]
fn a_receipt_is_not_held_up_by_a_full_mailbox() {
    let mut world = World::new(14);
    world.people[0].engine().send_text("Ben", "before the move", NOW).unwrap();
    world.put(1, false);
    assert!(world.deliver(0, false), "Ada learns of Ben, and answers before she has a private mailbox");
    world.put(0, false);
    world.deliver(1, false);
    assert!(world.receipt(1));
    let landing = world.people[1].engine().take_puts(1, &BTreeSet::new(), 1).remove(0);
    assert_eq!(landing.number, 0);
    // The landing is full; then the move comes.
    world.make_mailboxes();
    world.put(0, false);
    world.deliver(1, false);
    let ben = world.people[1].engine();
    let today = world.today;
    ben.send_text("Ada", "to the newest", NOW).unwrap();
    let newest = ben.take_puts(1, &BTreeSet::from([0]), 1).remove(0);
    assert!(ben.has_newer_address(1));
    ben.seal_for_newest(1).unwrap();
    assert!(!ben.has_newer_address(1));
    // An answer for an older address says nothing about what was encrypted again.
    let elsewhere = SentPut { address: landing.address.encode(), ..newest.sent() };
    ben.mark_stored_at_relay(1, &[elsewhere], LIVES, today).unwrap();
    let waiting = ben.take_puts(1, &BTreeSet::from([0]), 1);
    assert!(waiting[0].envelope == newest.envelope);
    ben.mark_stored_at_relay(1, &[newest.sent()], LIVES, today).unwrap();
    // The receipt brings a reset bundle, which counts as given: it goes to the newest address itself.
    let receipt = ben.take_puts(1, &BTreeSet::new(), 9);
    assert!(receipt.len() == 1 && receipt[0].number == 0);
    assert_ne!(receipt[0].address.encode(), landing.address.encode());
    ben.mark_stored_at_relay(1, &[receipt[0].sent()], LIVES, today).unwrap();
    assert!(ben.take_puts(1, &BTreeSet::new(), 1).is_empty());
    assert_eq!(ben.invites_to_empty().len(), 1);
    // One without a bundle is made again.
    world.people[0].engine().send_text("Ben", "once more", NOW).unwrap();
    world.put(0, false);
    world.deliver(1, false);
    assert!(world.receipt(1));
    let ben = world.people[1].engine();
    let old = ben.contacts[&1].row.addresses[0].encoded.clone();
    ben.contacts.get_mut(&1).unwrap().items.get_mut(&0).unwrap().sealed.as_mut().unwrap().address = old;
    ben.seal_for_newest(1).unwrap();
    assert!(ben.take_puts(1, &BTreeSet::new(), 1).is_empty());
    assert_eq!(ben.receipts_due(), [1]);
    assert_eq!(ben.seal_receipt(1, today), Ok(true));
}

#[test]
fn an_address_that_refused_is_used_again_once_it_is_told_again() {
    let mut world = World::new(15);
    world.say(1);
    world.settle();
    let today = world.today;
    // Ada's relay forgets her mailbox.
    let private = world.people[0].engine().mailboxes_at(RELAY)[0].name;
    world.boxes.retain(|_, mailbox| mailbox.owner != 0);
    world.say(1);
    let job = world.people[1].engine().take_puts(1, &BTreeSet::new(), 1).remove(0);
    let addresses = world.people[1].engine().contacts[&1].row.addresses.len();
    for _ in 0..addresses {
        for job in world.people[1].engine().take_puts(1, &BTreeSet::new(), 9) {
            world.people[1].engine().refused(1, &job.sent(), today).unwrap();
        }
    }
    let ben = world.people[1].engine();
    assert!(ben.take_puts(1, &BTreeSet::new(), 1).is_empty());
    assert!(ben.events_after(0, 99).unwrap().iter().any(|event| event.kind == EventKind::Unreachable));
    // A receipt that has nowhere to go is not asked for.
    ben.contacts.get_mut(&1).unwrap().row.incoming[0].receipt_due = true;
    assert!(ben.receipts_due().is_empty());
    assert_eq!(ben.seal_receipt(1, today), Ok(false));

    let ada = world.people[0].engine();
    ada.mailbox_lost(private).unwrap();
    world.make_mailboxes();
    world.settle();
    world.check();
    let known = &world.people[1].engine().contacts[&1].row.addresses;
    assert!(known.iter().any(|known| known.encoded == job.address.encode() && !known.stale));
}

#[test]
fn what_waits_for_an_answer_leaves_while_the_own_mailbox_is_made_again() {
    let mut world = World::new(24);
    let ben = world.people[1].engine();
    let own = ben.mailboxes_at(RELAY)[0].name;
    ben.mailbox_lost(own).unwrap();
    ben.send_text("Ada", "hello", NOW).unwrap();
    let puts = ben.take_puts(1, &BTreeSet::new(), 9);
    assert!(puts.iter().any(|job| job.number > 0), "its address is known, whether it is made again or not");
    world.make_mailboxes();
    world.people[1].sent.push("hello".to_owned());
    world.settle();
    world.check();
}

#[test]
fn refused_addresses_are_tried_again_on_a_schedule_that_outlives_the_process() {
    let mut world = World::new(25);
    world.say(1);
    world.settle();
    world.say(1);
    let (today, now) = (world.today, 20_000 * 86_400);
    let refuse = |world: &mut World| {
        let ben = world.people[1].engine();
        loop {
            let jobs = ben.take_puts(1, &BTreeSet::new(), 9);
            if jobs.is_empty() {
                break;
            }
            for job in jobs {
                ben.refused(1, &job.sent(), today).unwrap();
            }
        }
    };
    refuse(&mut world);
    for (at, is_tried) in [(0, true), (10, false), (299, false), (300, true), (301, false), (-5_000, true)] {
        // A command that ends soon, again and again.
        world.people[1].crash(today);
        let ben = world.people[1].engine();
        ben.retry_stale((now + at).try_into().unwrap()).unwrap();
        assert_eq!(!ben.take_puts(1, &BTreeSet::new(), 9).is_empty(), is_tried, "after {at} s");
        refuse(&mut world);
    }
}

#[test]
fn a_refusal_of_what_was_put_before_an_address_was_told_again_says_nothing_of_it() {
    let mut world = World::new(30);
    world.say(1);
    world.settle();
    let today = world.today;
    world.say(1);
    let ben = world.people[1].engine();
    let job = ben.take_puts(1, &BTreeSet::new(), 1).remove(0);
    ben.refused(1, &job.sent(), today).unwrap();
    // The mailbox is made again and told; then comes the answer to another put of before.
    let address = job.address.encode();
    ben.learn_address(1, &address);
    let mut step = ben.step();
    ben.seal_drafts(&mut step, 1).unwrap();
    ben.finish(step).unwrap();
    let again = ben.take_puts(1, &BTreeSet::new(), 1).remove(0);
    ben.refused(1, &SentPut { learnt: job.sent().learnt, ..again.sent() }, today).unwrap();
    assert!(ben.contacts[&1].row.addresses.iter().any(|known| known.encoded == address && !known.stale));
    assert_eq!(ben.take_puts(1, &BTreeSet::new(), 1).len(), 1, "it is put again");
}
