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
        // What the relay forgot is sent anew when its time is over.
        for _ in 0..3 {
            world.today = world.today.plus(32);
            let today = world.today;
            world.people.iter_mut().for_each(|person| person.engine().begin_day(today).unwrap());
            world.settle();
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
    assert!(world.people[0].engine().send_text("Ben", "early").is_ok(), "waits for the session");
    world.people[0].sent.push("2 early".to_owned());
    world.settle();
    let [ada, ben] = &mut world.people;
    let number = ada.engine().safety_number("Ben").unwrap();
    assert_eq!(number, ben.engine().safety_number("Ada").unwrap());
    let delivered = ben.engine().events_after(0, 100).unwrap();
    assert!(delivered.iter().any(|event| event.kind == EventKind::Delivered { number: 1 }));
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
    assert_eq!(ada.delivered(name, &blob, today), Ok(inbox::Ack::Quarantined));
    let aside = ada.vault.keys(Table::Aside);
    assert_eq!(*ada.vault.read_bytes(&aside[0]).unwrap().unwrap(), blob);
    assert!(ada.vault.keys(Table::Attempt).is_empty());
    world.boxes.values_mut().for_each(|mailbox| mailbox.blobs.clear());
    // Nobody receipted it, so it is sent anew when no relay can hold it any longer.
    world.say(1);
    world.settle();
    assert_eq!(world.people[0].texts().len(), 0, "the second waits for the first");
    world.today = today.plus(31);
    let later = world.today;
    world.people[1].engine().begin_day(later).unwrap();
    world.settle();
    world.check();
}

#[test]
fn whatever_rots_opening_has_an_answer() {
    let mut world = World::new(16);
    for who in [1, 0, 1, 1] {
        world.say(who);
        world.settle();
    }
    world.say(1);
    let ben = &mut world.people[1];
    drop(ben.engine.take());
    let bytes = ben.disk.to_bytes();
    let written: Vec<usize> = (0..bytes.len()).filter(|at| bytes[*at] != 0).collect();
    let (mut opened, mut refused) = (0, 0);
    for _ in 0..250 {
        let mut rotten = bytes.clone();
        match world.rng.random_range(0..4) {
            0 => rotten.truncate(world.rng.random_range(0..bytes.len())),
            flips => {
                for _ in 0..flips {
                    let at = written[world.rng.random_range(0..written.len())];
                    rotten[at] ^= world.rng.random_range(1..=255_u8);
                }
            }
        }
        let disk = Arc::new(MemoryDisk::from_bytes(rotten));
        let engine = Shred::open(disk, &unlock(), &mut rand::rng())
            .ok()
            .and_then(|store| Engine::open(store, world.today).ok());
        match engine {
            Some(engine) => {
                let _ = engine.events_after(0, usize::MAX);
                opened += 1;
            }
            None => refused += 1,
        }
    }
    assert!(opened > 0 && refused > 0, "{opened} opened, {refused} refused");
}
