//! A vault in a store keeps the engine's contract, and an engine on it copes with the faults of a disk.

mod disk;
mod years;

use super::*;
use crate::engine::{Engine, open_in};
use deaddrop_e2ee::invite::InviteLink;
use deaddrop_engine::{
    Acceptance, BlobLives, EventKind, MailboxState, PutJob, VaultRoom,
    testing::{VaultFixture, check_contract},
};
use deaddrop_shred::{MasterKey, MemoryDisk, Unlock};
use deaddrop_wire::Day;
use std::{collections::BTreeSet, sync::Arc};

const RELAY: &str = "ws://127.0.0.1:4000/#AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
const TODAY: Day = Day::from_number(20_000);
const NAMES: [&str; 2] = ["Ada", "Ben"];

type MemoryEngine = Engine<Arc<MemoryDisk>>;

fn unlock() -> Unlock {
    Unlock::Key(MasterKey::from_bytes([7; 32]))
}

/// Returns the geometry of a store of 4 MiB.
fn small() -> Geometry {
    Geometry { segment_bytes: 256 << 10, slots_per_segment: 256, max_segments: 16, ..Geometry::vault() }
}

/// A vault of this geometry on a disk in memory.
struct Stored {
    disk: Arc<MemoryDisk>,
    geometry: Geometry,
}

impl Stored {
    fn new(geometry: Geometry) -> Self {
        let disk = Arc::new(MemoryDisk::new());
        Shred::create(Arc::clone(&disk), &geometry, &unlock(), &mut SystemRandom).unwrap();
        Self { disk, geometry }
    }

    fn store(&self) -> Shred<Arc<MemoryDisk>> {
        Shred::open(Arc::clone(&self.disk), &unlock(), &mut SystemRandom).unwrap()
    }
}

impl VaultFixture for Stored {
    type Vault = ShredVault<Arc<MemoryDisk>>;

    /// Makes a store in which the largest row is small against a segment, as in a client's vault.
    fn empty() -> Self {
        let segments = Geometry { segment_bytes: 1 << 20, slots_per_segment: 1_024, ..small() };
        Self::new(Geometry { max_segments: 24, ..segments })
    }

    fn open(&self) -> Self::Vault {
        ShredVault::start_with(self.store(), &self.geometry).unwrap()
    }
}

#[test]
fn a_store_keeps_the_contract_of_a_vault() {
    check_contract::<Stored>();
}

#[test]
fn the_spec_names_the_least_weight_of_a_row() {
    let spec = include_str!("../../../../spec/14-client.md");
    let row = format!("| least weight of a row | {} bytes |", Sizes::of(&Geometry::vault()).share);
    assert!(spec.contains(&row), "{row}");
}

/// A person whose vault is in a store in memory.
struct Person {
    stored: Stored,
    engine: Option<MemoryEngine>,
}

impl Person {
    fn new(geometry: Geometry) -> Self {
        let stored = Stored::new(geometry);
        let relay = RELAY.parse().unwrap();
        let vault = stored.open();
        let engine = Engine::create(vault, SystemRandom, Some(&relay), TODAY.unix_seconds()).unwrap();
        Self { stored, engine: Some(engine) }
    }

    fn engine(&mut self) -> &mut MemoryEngine {
        self.engine.as_mut().unwrap()
    }

    /// Drops everything in memory and opens the vault again, with the rows that were committed.
    fn crash(&mut self, day: Day) {
        let disk = Arc::new(MemoryDisk::from_bytes(self.stored.disk.to_bytes()));
        drop(self.engine.take());
        self.stored.disk = disk;
        self.engine = Some(Engine::open(self.stored.open(), SystemRandom, day.unix_seconds()).unwrap());
    }

    /// Notes that the relay has made the mailboxes that are wanted, and has deleted those that are
    /// not.
    fn make_mailboxes(&mut self) {
        for mailbox in self.engine().mailboxes_at(RELAY) {
            match mailbox.state {
                MailboxState::Wanted | MailboxState::Lost => {
                    self.engine().mailbox_created(mailbox.name).unwrap()
                }
                MailboxState::Retiring => self.engine().mailbox_gone(mailbox.name).unwrap(),
                MailboxState::Live => {}
            }
        }
    }

    /// Returns the texts that were received, and erases their events.
    fn take_texts(&mut self) -> Vec<String> {
        let events = self.engine().events_after(0, usize::MAX).unwrap().into_iter();
        let texts = events.filter_map(|event| match event.kind {
            EventKind::MessageReceived { text, .. } => Some(text),
            _ => None,
        });
        let texts = texts.collect();
        let last = self.engine().last_event();
        self.engine().forget_events_before(last + 1).unwrap();
        texts
    }
}

/// Passes all messages of the person `from` (0 or 1) to the other person, as the relay does, and a
/// receipt if one is owed. Fails if the receiver has no room; the last messages, up to 16 and some
/// of them taken, stay with `from` then.
fn pass(people: &mut [Person; 2], from: usize, day: Day) -> Result<(), VaultError> {
    let to = 1 - from;
    if let Some(id) = people[from].engine().receipts_due().first().copied() {
        people[from].engine().seal_receipt(id, day).unwrap();
    }
    loop {
        let jobs = people[from].engine().take_puts(1, &BTreeSet::new(), 16);
        if jobs.is_empty() {
            return Ok(());
        }
        let puts: Vec<_> = jobs.iter().map(PutJob::sent).collect();
        let mailboxes = people[to].engine().mailboxes_at(RELAY);
        for job in jobs {
            let named = mailboxes.iter().find(|mailbox| mailbox.send.expose() == job.address.send.expose());
            let Some(name) = named.map(|mailbox| mailbox.name) else { continue };
            people[to].engine().delivered(name, &job.envelope, day)?;
            people[to].engine().acked(name, job.envelope.first_chunk().unwrap());
        }
        people[from].engine().mark_stored_at_relay(1, &puts, BlobLives::DEFAULT, day)?;
    }
}

/// Returns two people who have met and talked, with stores of these geometries.
fn friends(geometries: [Geometry; 2]) -> [Person; 2] {
    let mut people = geometries.map(Person::new);
    let [ada, ben] = &mut people;
    let id = ada.engine().begin_invite("Ben", TODAY, 7).unwrap();
    let bundle = ada.engine().publication(id).unwrap().bundle;
    ada.engine().published(id).unwrap();
    let link: InviteLink = ada.engine().link_text(id).unwrap().parse().unwrap();
    ben.engine().begin_accept(&Acceptance::of("Ada", &link, &bundle), TODAY).unwrap();
    for round in 0..6 {
        people.iter_mut().for_each(Person::make_mailboxes);
        let from = (round + 1) % 2;
        people[from].engine().send_text(NAMES[1 - from], "hello", TODAY.unix_seconds()).unwrap();
        pass(&mut people, from, TODAY).unwrap();
    }
    let read = BTreeSet::from([RELAY.to_owned()]);
    for person in &mut people {
        person.engine().tidy_read(&read, TODAY).unwrap();
        person.make_mailboxes();
        assert_eq!(person.take_texts(), ["hello"; 3]);
    }
    people
}
