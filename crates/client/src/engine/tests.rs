//! Two engines over a relay that loses, repeats, reorders and forgets, and vaults that crash at any step.

use super::*;
use crate::{
    event::EventKind,
    vault::{MailboxKind, MailboxState},
};
use deaddrop_crypto::InviteLink;
use deaddrop_shred::{Geometry, MasterKey, MemoryDisk, Unlock};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use std::sync::Arc;

const RELAY: &str = "ws://127.0.0.1:4000/#AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
const NAMES: [&str; 2] = ["Ada", "Ben"];

struct Person {
    disk: Arc<MemoryDisk>,
    engine: Option<Engine<Arc<MemoryDisk>>>,
    sent: Vec<String>,
}

fn unlock() -> Unlock {
    Unlock::Key(MasterKey::from_bytes([7; 32]))
}

fn geometry() -> Geometry {
    Geometry { segment_bytes: 1 << 20, slots_per_segment: 1_024, max_segments: 256, ..Geometry::vault() }
}

impl Person {
    fn new() -> Self {
        let disk = Arc::new(MemoryDisk::new());
        let store = Shred::create(Arc::clone(&disk), &geometry(), &unlock(), &mut rand::rng()).unwrap();
        let engine = Engine::create(store, Some(&RELAY.parse().unwrap())).unwrap();
        Self { disk, engine: Some(engine), sent: Vec::new() }
    }

    fn engine(&mut self) -> &mut Engine<Arc<MemoryDisk>> {
        self.engine.as_mut().unwrap()
    }

    /// Everything in memory is lost; what was committed is not.
    fn crash(&mut self, today: Day) {
        let image = Arc::new(MemoryDisk::from_bytes(self.disk.to_bytes()));
        drop(self.engine.take());
        let store = Shred::open(Arc::clone(&image), &unlock(), &mut rand::rng()).unwrap();
        self.disk = image;
        self.engine = Some(Engine::open(store, today).unwrap());
    }

    fn texts(&mut self) -> Vec<String> {
        let mut texts = Vec::new();
        for event in self.engine().events_after(0, usize::MAX).unwrap() {
            if let EventKind::MessageReceived { number, text } = event.kind {
                texts.push(format!("{number} {text}"));
            }
        }
        texts
    }
}

/// A mailbox at the relay.
struct Mailbox {
    owner: usize,
    name: MailboxName,
    blobs: Vec<Vec<u8>>,
}

struct World {
    rng: StdRng,
    today: Day,
    people: [Person; 2],
    boxes: BTreeMap<[u8; 32], Mailbox>,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut world = Self {
            rng: StdRng::seed_from_u64(seed),
            today: Day::from_number(20_000),
            people: [Person::new(), Person::new()],
            boxes: BTreeMap::new(),
        };
        let today = world.today;
        let [ada, ben] = &mut world.people;
        let id = ada.engine().begin_invite("Ben", today, 7).unwrap();
        let publication = ada.engine().publication(id).unwrap();
        assert_eq!(ada.engine().begin_invite("Ben", today, 7).unwrap(), id, "an unpublished invite goes on");
        ada.engine().published(id).unwrap();
        assert!(ada.engine().begin_invite("Ben", today, 7).is_err());
        let link: InviteLink = ada.engine().link_text(id).unwrap().parse().unwrap();
        assert!(ada.engine().begin_accept("Eve", &link, &publication.bundle, None, today).is_err());
        ben.engine().begin_accept("Ada", &link, &publication.bundle, None, today).unwrap();
        world.make_mailboxes();
        world
    }

    /// Plays the relay's part for wanted and retiring mailboxes.
    fn make_mailboxes(&mut self) {
        for (owner, person) in self.people.iter_mut().enumerate() {
            for mailbox in person.engine().mailboxes_at(RELAY) {
                match mailbox.state {
                    MailboxState::Retiring => {
                        assert_eq!(mailbox.kind, MailboxKind::Landing);
                        self.boxes.remove(mailbox.send.expose());
                        person.engine().mailbox_gone(mailbox.name).unwrap();
                    }
                    MailboxState::Wanted => person.engine().mailbox_created(mailbox.name).unwrap(),
                    MailboxState::Live => {}
                }
                if mailbox.state != MailboxState::Retiring {
                    let new = Mailbox { owner, name: mailbox.name, blobs: Vec::new() };
                    self.boxes.entry(*mailbox.send.expose()).or_insert(new);
                }
            }
        }
    }

    fn say(&mut self, who: usize) {
        let text = format!("text {} of {who}", self.people[who].sent.len());
        let number = self.people[who].engine().send_text(NAMES[1 - who], &text).unwrap();
        self.people[who].sent.push(format!("{number} {text}"));
    }

    /// One put; `loss` of its ways to fail.
    fn put(&mut self, who: usize, loss: bool) -> bool {
        let today = self.today;
        let most = self.rng.random_range(1..4);
        let jobs = self.people[who].engine().take_puts(1, &BTreeSet::new(), most);
        let Some(job) = jobs.into_iter().last() else { return false };
        let way = if loss { self.rng.random_range(0..10) } else { 9 };
        if way == 0 {
            return true;
        }
        let address = job.address.encode();
        match self.boxes.get_mut(job.address.send.expose()) {
            Some(mailbox) if !mailbox.blobs.contains(&job.envelope) => mailbox.blobs.push(job.envelope),
            Some(_) => {}
            None => {
                self.people[who].engine().refused(1, job.number, &address, today).unwrap();
                return true;
            }
        }
        if way > 2 {
            self.people[who].engine().accepted(1, &[(job.number, address)], today).unwrap();
        }
        true
    }

    fn deliver(&mut self, who: usize, loss: bool) -> bool {
        let today = self.today;
        let filled: Vec<_> = self
            .boxes
            .iter()
            .filter(|(_, mailbox)| mailbox.owner == who && !mailbox.blobs.is_empty())
            .map(|(send, _)| *send)
            .collect();
        if filled.is_empty() {
            return false;
        }
        let mailbox = self.boxes.get_mut(&filled[self.rng.random_range(0..filled.len())]).unwrap();
        let at = if loss { self.rng.random_range(0..mailbox.blobs.len()) } else { 0 };
        let blob = mailbox.blobs[at].clone();
        let name = mailbox.name;
        self.people[who].engine().delivered(name, &blob, today).unwrap();
        if !loss || self.rng.random_range(0..5) > 0 {
            mailbox.blobs.remove(at);
            self.people[who].engine().acked(name, blob.first_chunk().unwrap());
        }
        true
    }

    fn receipt(&mut self, who: usize) -> bool {
        let due = self.people[who].engine().receipts_due();
        due.iter().for_each(|id| assert!(self.people[who].engine().seal_receipt(*id).unwrap()));
        !due.is_empty()
    }

    fn forget_a_blob(&mut self) {
        if let Some(mailbox) = self.boxes.values_mut().find(|mailbox| !mailbox.blobs.is_empty()) {
            mailbox.blobs.remove(0);
        }
    }

    /// Everything that can move moves, without losses.
    fn settle(&mut self) {
        loop {
            self.make_mailboxes();
            let mut moved = false;
            for who in [0, 1] {
                moved |= self.put(who, false) | self.deliver(who, false);
            }
            if !moved {
                moved = self.receipt(0) | self.receipt(1);
            }
            if !moved {
                break;
            }
        }
    }

    fn check(&mut self) {
        for who in [0, 1] {
            let sent = self.people[who].sent.clone();
            let received: Vec<String> = self.people[1 - who].texts();
            let numbers = |list: &[String]| -> Vec<String> {
                list.iter().map(|text| text.split_once(' ').unwrap().1.to_owned()).collect()
            };
            assert_eq!(numbers(&received), numbers(&sent), "from {}", NAMES[who]);
            assert_eq!(received, sent);
            assert_eq!(self.people[who].engine().waiting(), (0, 0));
        }
        assert!(self.boxes.values().all(|mailbox| mailbox.blobs.is_empty()));
    }
}

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
fn a_bundle_of_somebody_else_does_not_fit_the_link() {
    let mut world = World::new(10);
    let today = world.today;
    let (mut eve, mut other) = (Person::new(), Person::new());
    let [ada, _] = &mut world.people;
    let id = ada.engine().contact_ids()[0];
    let link: InviteLink = ada.engine().link_text(id).unwrap().parse().unwrap();
    let foreign = other.engine().begin_invite("x", today, 7).unwrap();
    let bundle = other.engine().publication(foreign).unwrap().bundle;
    assert!(eve.engine().begin_accept("Ada", &link, &bundle, None, today).is_err());
    assert!(eve.engine().contact_ids().is_empty());
}

#[test]
fn limits_are_errors_and_change_nothing() {
    let mut world = World::new(11);
    let [ada, _] = &mut world.people;
    let before = ada.engine().waiting();
    let long = "x".repeat(deaddrop_crypto::MAX_TEXT + 1);
    assert_eq!(ada.engine().send_text("Ben", &long), Err(crate::ClientError::TextTooLong));
    assert_eq!(ada.engine().send_text("Nobody", "x"), Err(crate::ClientError::UnknownContact));
    let today = Day::from_number(20_000);
    for name in ["", " x", "a\nb", &"n".repeat(65)] {
        assert_eq!(ada.engine().begin_invite(name, today, 7), Err(crate::ClientError::BadName));
    }
    assert_eq!(ada.engine().waiting(), before);
    let longest = "y".repeat(deaddrop_crypto::MAX_TEXT);
    let number = ada.engine().send_text("Ben", &longest).unwrap();
    ada.sent.push(format!("{number} {longest}"));
    world.settle();
    world.check();
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
        let id = engine.begin_accept("Ada", &link, &publication.bundle, None, today).unwrap();
        let private = engine.mailboxes_at(RELAY)[0].name;
        engine.send_text("Ada", "it is me").unwrap();
        engine.mailbox_created(private).unwrap();
        engine.take_puts(id, &BTreeSet::new(), 1).remove(0).envelope
    });
    assert_eq!(ada.engine().delivered(landing, &ben, today), Ok(inbox::Ack::Stored));
    ada.engine().set_verified("Ben", true).unwrap();
    assert_eq!(ada.engine().delivered(landing, &eve, today), Ok(inbox::Ack::Junk));
    assert_eq!(ada.engine().delivered(landing, &eve, today), Ok(inbox::Ack::Duplicate));
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
    assert!(late.engine().begin_accept("Ada", &link, &publication.bundle, None, today.plus(8)).is_err());
    assert!(late.engine().contact_ids().is_empty());
    // Answered in time, delivered too late: nothing begins.
    let contact = ben.engine().begin_accept("Ada", &link, &publication.bundle, None, today.plus(7)).unwrap();
    let private = ben.engine().mailboxes_at(RELAY)[0].name;
    ben.engine().mailbox_created(private).unwrap();
    let envelope = ben.engine().take_puts(contact, &BTreeSet::new(), 1).remove(0).envelope;
    let landing = ada.engine().mailboxes_at(RELAY)[0].name;
    assert_eq!(ada.engine().delivered(landing, &envelope, today.plus(60)), Ok(inbox::Ack::Junk));
    assert!(ada.engine().events_after(0, 10).unwrap().is_empty());
}

#[test]
fn an_unused_invite_ends_with_its_last_day_and_another_takes_its_place() {
    let mut ada = Person::new();
    let today = Day::from_number(20_000);
    let id = ada.engine().begin_invite("Ben", today, 7).unwrap();
    ada.engine().published(id).unwrap();
    let number = ada.engine().send_text("Ben", "waits").unwrap();
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
    let contact = ben.engine().begin_accept("Ada", &link, &publication.bundle, None, today.plus(9)).unwrap();
    let private = ben.engine().mailboxes_at(RELAY)[0].name;
    ben.engine().mailbox_created(private).unwrap();
    let first = ben.engine().take_puts(contact, &BTreeSet::new(), 1).remove(0).envelope;
    assert_eq!(ada.engine().delivered(landing.name, &first, today.plus(9)), Ok(inbox::Ack::Stored));
    assert_eq!(ada.engine().take_puts(id, &BTreeSet::new(), 1)[0].number, number, "what waited leaves");
}

#[test]
fn a_receipt_is_not_held_up_by_a_full_mailbox() {
    let mut world = World::new(14);
    world.people[0].engine().send_text("Ben", "before the move").unwrap();
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
    let (number, today) = (ben.send_text("Ada", "to the newest").unwrap(), world.today);
    let newest = ben.take_puts(1, &BTreeSet::from([0]), 1).remove(0);
    assert!(ben.has_newer_address(1));
    ben.seal_for_newest(1).unwrap();
    assert!(!ben.has_newer_address(1));
    // An answer for an older address says nothing about what was encrypted anew.
    ben.accepted(1, &[(number, landing.address.encode())], today).unwrap();
    assert_eq!(ben.take_puts(1, &BTreeSet::new(), 1)[0].envelope, newest.envelope);
    ben.accepted(1, &[(number, newest.address.encode())], today).unwrap();
    assert!(ben.take_puts(1, &BTreeSet::new(), 1).is_empty());
    assert_eq!(ben.receipts_due(), [1]);
    assert_eq!(ben.invites_to_empty().len(), 1);
    assert_eq!(ben.seal_receipt(1), Ok(true));
    let again = ben.take_puts(1, &BTreeSet::new(), 1).remove(0);
    assert_ne!(again.address.encode(), landing.address.encode());
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
            world.people[1].engine().refused(1, job.number, &job.address.encode(), today).unwrap();
        }
    }
    let ben = world.people[1].engine();
    assert!(ben.take_puts(1, &BTreeSet::new(), 1).is_empty());
    assert!(ben.events_after(0, 99).unwrap().iter().any(|event| event.kind == EventKind::Unreachable));
    // A receipt that has nowhere to go is not asked for.
    ben.contacts.get_mut(&1).unwrap().row.receipt_due = true;
    assert!(ben.receipts_due().is_empty());
    assert_eq!(ben.seal_receipt(1), Ok(false));

    let ada = world.people[0].engine();
    ada.mailbox_lost(private).unwrap();
    world.make_mailboxes();
    world.settle();
    world.check();
    let known = &world.people[1].engine().contacts[&1].row.addresses;
    assert!(known.iter().any(|known| known.encoded == job.address.encode() && !known.stale));
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

#[test]
fn an_invite_that_leads_nowhere_is_refused() {
    let (ada, mut ben) = (Person::new(), Person::new());
    let today = Day::from_number(20_000);
    let rng = &mut rand::rng();
    let inviter = ada.engine.as_ref().unwrap();
    for address in [&b""[..], b"nowhere", &[0xff; 512]] {
        let (pending, bundle) =
            PendingInvite::create(&inviter.identity, today.plus(7), address, rng).unwrap();
        let link = InviteLink::new(RELAY.parse().unwrap(), pending.secret().duplicate());
        let refused = Err(crate::ClientError::Bundle(crate::BundleError::BadKey));
        assert_eq!(ben.engine().begin_accept("Ada", &link, &bundle, None, today), refused);
        assert!(ben.engine().contact_ids().is_empty());
    }
}

#[test]
fn who_talks_alone_for_longer_than_a_turn_goes_on_after_the_receipt() {
    let mut world = World::new(17);
    world.settle();
    for _ in 0..2_100 {
        world.say(1);
    }
    world.settle();
    world.check();
}

/// Content of a peer that keeps to the letter of the protocol and to nothing else.
fn hostile(world: &mut World, who: usize, items: &[deaddrop_crypto::Content]) -> Vec<u8> {
    // All 64 places, also the one that is the contact's own.
    let parts = items.chunks(32).flat_map(|part| deaddrop_crypto::content::encode(part).unwrap().to_vec());
    let content: Vec<u8> = parts.collect();
    let engine = world.people[who].engine();
    let session = engine.contacts.get_mut(&1).unwrap().session.as_mut().unwrap();
    session.encrypt(&content, &mut rand::rng()).unwrap().0.into_bytes()
}

fn text(stream: [u8; 16], number: u64) -> deaddrop_crypto::Content {
    deaddrop_crypto::Content::Text {
        stream: deaddrop_crypto::StreamId(stream),
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
        assert_eq!(world.people[0].engine().delivered(name, &last, today), Ok(inbox::Ack::Stored));
        for _ in 0..turns {
            world.say(0);
            world.settle();
            hostile(&mut world, 1, &[]);
            let last = hostile(&mut world, 1, &[]);
            assert_eq!(world.people[0].engine().delivered(name, &last, today), Ok(inbox::Ack::Stored));
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
        assert_eq!(world.people[0].engine().delivered(name, blob, today), Ok(inbox::Ack::Stored));
    };
    let first = hostile(&mut world, 1, &[]);
    deliver(&mut world, &first);
    for _ in 1..deaddrop_crypto::MAX_TURN_LEN - 2 {
        hostile(&mut world, 1, &[]);
    }
    world.say(0);
    world.put(0, false);
    world.deliver(1, false);
    for _ in 1..deaddrop_crypto::MAX_TURN_LEN {
        hostile(&mut world, 1, &[]);
    }
    let row = &world.people[1].engine().contacts[&1].row;
    let items: Vec<_> = (0..64).map(|n| text(row.out_stream, row.next_number + n)).collect();
    let last = hostile(&mut world, 1, &items);
    deliver(&mut world, &last);
    let ada = world.people[0].engine();
    assert!(ada.vault.keys(Table::Skipped).len() > 3_900);
    assert_eq!(
        ada.contacts[&1].session.as_ref().unwrap().skipped_keys(),
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
    let stream = world.people[0].engine().contacts[&1].row.out_stream;
    let stream = deaddrop_crypto::StreamId(stream);
    let receipts: Vec<_> = (1..=64)
        .map(|n| deaddrop_crypto::Content::DeliveryReceipt { stream, low_water: 100 * n, sparse: vec![] })
        .collect();
    let blob = hostile(&mut world, 1, &receipts);
    let name = world.people[0].engine().mailboxes_at(RELAY)[0].name;
    assert_eq!(world.people[0].engine().delivered(name, &blob, today), Ok(inbox::Ack::Stored));
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
        (row.out_stream, row.next_number)
    };
    let gaps: Vec<u64> = (0..8).map(|n| first + 100 * n).collect();
    let held: Vec<u64> = (first..first + 800).filter(|number| !gaps.contains(number)).collect();
    for numbers in held.chunks(50) {
        let items: Vec<_> = numbers.iter().map(|number| text(stream, *number)).collect();
        let blob = hostile(&mut world, 1, &items);
        assert_eq!(world.people[0].engine().delivered(name, &blob, today), Ok(inbox::Ack::Stored));
    }
    let items: Vec<_> = gaps.iter().map(|number| text(stream, *number)).collect();
    let blob = hostile(&mut world, 1, &items);
    assert_eq!(world.people[0].engine().delivered(name, &blob, today), Ok(inbox::Ack::Stored));
    assert_eq!(world.people[0].texts().len(), 800);
}

#[test]
fn long_texts_that_waited_for_the_session_are_sealed() {
    let mut world = World::new(21);
    let long = "y".repeat(deaddrop_crypto::MAX_TEXT);
    for _ in 0..150 {
        let number = world.people[0].engine().send_text("Ben", &long).unwrap();
        world.people[0].sent.push(format!("{number} {long}"));
    }
    world.settle();
    world.check();
}
