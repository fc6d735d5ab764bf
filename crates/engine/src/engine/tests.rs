//! Two engines over a relay that loses, repeats, reorders and forgets, and vaults that crash at any
//! step.

mod addresses;
mod bounds;
mod crossing;
mod delivery;
mod edges;
mod full;
mod gaps;
mod healing;
mod hostile;
mod meeting;
mod moving;
mod needs;
mod relay_moves;
mod restored;
mod rows;
mod streams;

use super::*;
use crate::{
    event::EventKind,
    testing::{MemoryLimits, MemoryVault, random},
    vault::MailboxState,
};
use deaddrop_e2ee::invite::InviteLink;
use rand::{RngExt, SeedableRng, rngs::StdRng};

const RELAY: &str = "ws://127.0.0.1:4000/#AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
/// The address of a second relay, to which people move.
const OTHER: &str = "ws://127.0.0.2:4000/#HxECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
const LIVES: BlobLives = BlobLives::DEFAULT;
const NOW: u64 = 20_000 * 86_400;
const DAY: Day = Day::from_number(20_000);
const NAMES: [&str; 2] = ["Ada", "Ben"];

/// An engine over a vault in memory.
pub(super) type TestEngine = Engine<MemoryVault, StdRng>;

struct Person {
    disk: MemoryVault,
    engine: Option<TestEngine>,
    sent: Vec<String>,
}

impl Person {
    fn new() -> Self {
        Self::with(MemoryLimits::default())
    }

    /// Creates a person whose vault has these limits.
    fn with(limits: MemoryLimits) -> Self {
        let disk = MemoryVault::with_limits(limits);
        let engine = Engine::create(disk.clone(), random(), Some(&RELAY.parse().unwrap()), NOW).unwrap();
        Self { disk, engine: Some(engine), sent: Vec::new() }
    }

    fn engine(&mut self) -> &mut TestEngine {
        self.engine.as_mut().unwrap()
    }

    /// Drops the engine and opens the vault again with what was committed, as after a crash.
    fn crash(&mut self, today: Day) {
        let copy = self.copy();
        self.put_back(&copy, today);
    }

    /// Returns a copy of the vault, as of its file.
    fn copy(&self) -> MemoryVault {
        self.disk.copy()
    }

    /// Drops the engine and opens a copy of the vault in place of the vault, as a restore does.
    fn put_back(&mut self, copy: &MemoryVault, today: Day) {
        drop(self.engine.take());
        self.disk = copy.copy();
        self.engine = Some(Engine::open_on_day(self.disk.clone(), random(), today).unwrap());
    }

    fn kinds(&mut self) -> Vec<EventKind> {
        self.engine().events_after(0, usize::MAX).unwrap().into_iter().map(|event| event.kind).collect()
    }

    fn saw(&mut self, kind: &EventKind) -> bool {
        self.kinds().contains(kind)
    }

    fn texts(&mut self) -> Vec<String> {
        let mut texts = Vec::new();
        for event in self.engine().events_after(0, usize::MAX).unwrap() {
            if let EventKind::MessageReceived { text, .. } | EventKind::MessageOfLeftSession { text } =
                event.kind
            {
                texts.push(text);
            }
        }
        texts
    }
}

/// A mailbox at the relay, with the person who reads it and the blobs that lie there.
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
        Self::with(seed, [MemoryLimits::default(); 2])
    }

    /// Creates a world of two people whose vaults have these limits. `Ada` has invited `Ben`, who
    /// has accepted.
    fn with(seed: u64, limits: [MemoryLimits; 2]) -> Self {
        let mut world = Self {
            rng: StdRng::seed_from_u64(seed),
            today: Day::from_number(20_000),
            people: limits.map(Person::with),
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
        assert!(
            ada.engine().begin_accept(&Acceptance::of("Eve", &link, &publication.bundle), today).is_err()
        );
        ben.engine().begin_accept(&Acceptance::of("Ada", &link, &publication.bundle), today).unwrap();
        world.make_mailboxes();
        world
    }

    /// Creates and deletes the own mailboxes of both people as the relays do.
    fn make_mailboxes(&mut self) {
        for (owner, person) in self.people.iter_mut().enumerate() {
            let mailboxes = [RELAY, OTHER].map(|relay| person.engine().mailboxes_at(relay));
            for mailbox in mailboxes.into_iter().flatten() {
                match mailbox.state {
                    MailboxState::Retiring => {
                        self.boxes.remove(mailbox.send.expose());
                        person.engine().mailbox_gone(mailbox.name).unwrap();
                    }
                    MailboxState::Wanted | MailboxState::Lost => {
                        person.engine().mailbox_created(mailbox.name).unwrap()
                    }
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
        self.people[who].engine().send_text(NAMES[1 - who], &text, NOW).unwrap();
        self.people[who].sent.push(text);
    }

    /// Puts one envelope of the person `who` at the relay. Returns whether one waited. With `loss`,
    /// the put or its answer may be lost at random.
    fn put(&mut self, who: usize, loss: bool) -> bool {
        let today = self.today;
        let most = self.rng.random_range(1..4);
        let jobs = self.people[who].engine().take_puts(1, &BTreeSet::new(), most);
        let Some(job) = jobs.into_iter().last() else { return false };
        let way = if loss { self.rng.random_range(0..10) } else { 9 };
        if way == 0 {
            return true;
        }
        let sent = job.sent();
        match self.boxes.get_mut(job.address.send.expose()) {
            Some(mailbox) if !mailbox.blobs.contains(&job.envelope) => mailbox.blobs.push(job.envelope),
            Some(_) => {}
            None => {
                self.people[who].engine().refused(1, &sent, today).unwrap();
                return true;
            }
        }
        if way > 2 {
            self.people[who].engine().mark_stored_at_relay(1, &[sent], LIVES, today).unwrap();
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
        let today = self.today;
        let due = self.people[who].engine().receipts_due();
        due.iter().for_each(|id| assert!(self.people[who].engine().seal_receipt(*id, today).unwrap()));
        !due.is_empty()
    }

    fn forget_a_blob(&mut self) {
        if let Some(mailbox) = self.boxes.values_mut().find(|mailbox| !mailbox.blobs.is_empty()) {
            mailbox.blobs.remove(0);
        }
    }

    /// Lets envelopes, blobs and receipts of both people move, without losses, until none is left.
    fn settle(&mut self) {
        loop {
            self.make_mailboxes();
            let mut moved = false;
            for who in [0, 1] {
                moved |= self.put(who, false) | self.deliver(who, false);
            }
            if !moved {
                let (today, read) = (self.today, BTreeSet::from([RELAY, OTHER].map(str::to_owned)));
                for person in &mut self.people {
                    person.engine().tidy_read(&read, today).unwrap();
                }
                self.make_mailboxes();
                moved = self.receipt(0) | self.receipt(1);
            }
            if !moved {
                break;
            }
        }
    }

    /// Does the same as [`settle`](Self::settle), and lets the hours of a day pass, in which
    /// missing items are sent again and lost sessions heal.
    fn settle_in_time(&mut self) {
        let today = self.today;
        let read = BTreeSet::from([RELAY.to_owned()]);
        for hour in 0..23 {
            self.settle();
            let now = u64::from(today.number()) * 86_400 + hour * 3_600;
            for person in &mut self.people {
                person.engine().resend_missing(now).unwrap();
                person.engine().reset_lost(now, Day::of_unix_seconds(now)).unwrap();
                person.engine().show_gaps(now, 30, &read, today).unwrap();
            }
        }
        self.settle();
    }

    fn check(&mut self) {
        for who in [0, 1] {
            let sent = self.people[who].sent.clone();
            let received: Vec<String> = self.people[1 - who].texts();
            assert_eq!(received, sent, "from {}", NAMES[who]);
            assert_eq!(self.people[who].engine().waiting(), (0, 0));
        }
        assert!(self.boxes.values().all(|mailbox| mailbox.blobs.is_empty()));
    }
}
