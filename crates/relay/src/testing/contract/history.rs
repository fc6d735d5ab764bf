//! Random histories of a store: requests of owners, senders and several readers, days, sweeps and
//! crashes, each compared with the model.

use super::factory::{StoreFactory, StoredCounts};
use super::kit::*;
use super::model::{ModelClaim, ModelStore};
use crate::clock::{Calendar, Now};
use crate::limits::Limits;
use crate::store::{Change, Claim, Claimed, ConnectedReader, NewMailbox, Peek, RecordId, Store};
use deaddrop_wire::item::{CreateFlags, LeaseClass, QuotaClass, SendGrant};
use deaddrop_wire::{Blob, SizeClass};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::fmt::Debug;

/// Number of different owners; the next two constants are those of readers and of senders. Few, so
/// that random requests often name the same one.
const OWNERS: u32 = 10;
const READERS: u32 = 12;
const SENDERS: u32 = 16;
/// Token of each connection, one byte repeated. The first two are the same reader; the last, zeros,
/// is never the same reader as another.
const TOKENS: [u8; 4] = [1, 1, 2, 0];

/// Returns whether this factory can reopen a store.
pub(super) async fn can_reopen(factory: &mut impl StoreFactory) -> bool {
    let store = factory.create(limits()).await;
    factory.reopen(store, limits()).await.is_some()
}

/// Runs one random history of `steps` steps with the seed `seed` on a new store, and compares each
/// answer with that of the model. With `can_reopen`, also crashes and reopens the store at times.
pub(super) async fn run(factory: &mut impl StoreFactory, seed: u64, steps: u32, can_reopen: bool) {
    let limits = Limits {
        mailboxes: 10,
        blobs: 120,
        create_percent: 80,
        put_percent: 95,
        sends_per_mailbox: 4,
        ..limits()
    };
    let store = factory.create(limits.clone()).await;
    let mut history = History {
        store: Some(store),
        factory,
        model: ModelStore::new(limits),
        random: StdRng::seed_from_u64(seed),
        seed,
        step: 0,
        now: now(0),
        readers: Vec::new(),
        connections: 0,
        claims: Vec::new(),
        blobs: 0,
        can_reopen,
    };
    for token in TOKENS {
        let connected = history.connect(token);
        history.readers.push(connected);
    }
    for step in 0..steps {
        history.step = step;
        Box::pin(history.take_step()).await;
        history.compare_counts();
    }
    history.check_stored().await;
}

/// One random history: the store, its model, and the readers and claims that both know.
struct History<'a, F: StoreFactory> {
    factory: &'a mut F,
    /// The store; `None` only while it is reopened.
    store: Option<F::Store>,
    model: ModelStore,
    random: StdRng,
    seed: u64,
    step: u32,
    now: Now,
    /// The connections in the order of [`TOKENS`], each with its number in the model.
    readers: Vec<(u64, ConnectedReader)>,
    connections: u64,
    /// Claims since the store was opened, each with its counterpart in the model; also those that
    /// are over.
    claims: Vec<(Claimed, ModelClaim)>,
    /// Number of different blobs that were put so far.
    blobs: u32,
    can_reopen: bool,
}

impl<F: StoreFactory> History<'_, F> {
    async fn take_step(&mut self) {
        self.now.ms += self.random.random_range(0..3_000);
        match self.random.random_range(0..100) {
            0..8 => self.create().await,
            8..18 => self.change().await,
            18..48 => self.put().await,
            48..58 => self.claim().await,
            58..62 => self.release().await,
            62..64 => {
                let place = self.random.random_range(0..TOKENS.len());
                self.model.connections.remove(&self.readers[place].0);
                self.readers[place] = self.connect(TOKENS[place]);
            }
            64..76 => self.look().await,
            76..90 => self.ack().await,
            90..95 => self.pass_days().await,
            _ => self.sweep().await,
        }
        self.compare_counts();
        if self.can_reopen && self.random.random_range(0..25) == 0 {
            self.crash().await;
        }
    }

    async fn create(&mut self) {
        let (own, read) = (self.random.random_range(0..OWNERS), self.random.random_range(0..READERS));
        let first = self.random.random_range(0..SENDERS);
        let sends = (0..self.random.random_range(0..3)).map(|number| grant(first + number)).collect();
        let quotas = [QuotaClass::Few, QuotaClass::Few, QuotaClass::Usual, QuotaClass::Single];
        let leases = [LeaseClass::Week, LeaseClass::Month, LeaseClass::Month];
        let flags = [CreateFlags::NONE, CreateFlags::NONE, CreateFlags::FIXED, CreateFlags::VOLATILE];
        let new = NewMailbox {
            sends,
            read: super::kit::read(read),
            lease: self.pick(&leases),
            flags: self.pick(&flags),
            ..mailbox(own, self.pick(&quotas))
        };
        let expected = self.model.create(&new, self.now);
        let found = self.store().create(vec![new], self.now).await;
        self.compare("create", found, vec![expected]);
    }

    async fn change(&mut self) {
        let owner = own(self.random.random_range(0..OWNERS));
        let sender = send(self.random.random_range(0..SENDERS));
        let change = match self.random.random_range(0..12) {
            0..5 => Change::Grant(SendGrant { send: sender, via: self.random.random() }),
            5..7 => Change::Revoke(sender),
            7..9 => Change::Renew,
            9..11 => Change::Rekey(read(self.random.random_range(0..READERS))),
            _ => Change::Delete,
        };
        let expected = self.model.change(&owner, change, self.now);
        let found = self.store().change(vec![(owner, change)], self.now).await;
        self.compare("change", found, vec![expected]);
    }

    async fn put(&mut self) {
        let mut puts = Vec::new();
        for _ in 0..self.random.random_range(1..4) {
            let is_retry = self.blobs > 0 && self.random.random_range(0..4) == 0;
            let number = if is_retry {
                self.random.random_range(self.blobs.saturating_sub(12)..self.blobs)
            } else {
                self.blobs += 1;
                self.blobs - 1
            };
            puts.push((send(self.random.random_range(0..SENDERS)), numbered(number)));
        }
        let (model, now) = (&mut self.model, self.now);
        let expected = puts.iter().map(|(send, blob)| model.put(send, blob, now)).collect();
        let found = self.store().put(puts, self.now).await;
        self.compare("put", found, expected);
    }

    async fn claim(&mut self) {
        let place = self.random.random_range(0..TOKENS.len());
        let count = self.random.random_range(1..4);
        let numbers = (0..count).map(|_| self.random.random_range(0..READERS)).collect();
        self.claim_all(place, numbers).await;
    }

    /// Claims the mailboxes of the readers `numbers` for the connection at `place`, and compares
    /// the answers with those of the model.
    async fn claim_all(&mut self, place: usize, numbers: Vec<u32>) {
        let claims = numbers.iter().map(|number| Claim { read: read(*number), sub: *number }).collect();
        let found = self.store().claim(claims, &self.readers[place].1, self.now).await;
        self.compare("number of answers", found.len(), numbers.len());
        for (number, found) in numbers.into_iter().zip(found) {
            let connection = self.readers[place].0;
            let expected = self.model.claim(&read(number), connection, TOKENS[place], self.now);
            self.compare("claim", found.map(|_| ()), expected.map(|_| ()));
            let (Ok(found), Ok(expected)) = (found, expected) else { continue };
            let older = self.claims.iter().rev().find(|(_, older)| older.mailbox == expected.mailbox);
            if let Some((older, _)) = older {
                assert!(found.fence > older.fence, "a fence does not grow ({})", self.place());
                self.compare("handle", found.handle, older.handle);
            }
            let newest = self.model.mailboxes[&expected.mailbox].blobs.last();
            self.compare("newest", found.newest.is_some(), newest.is_some());
            if let Some(record) = newest.and_then(|newest| newest.record) {
                self.compare("newest", found.newest, Some(record));
            }
            self.claims.push((found, expected));
        }
    }

    async fn release(&mut self) {
        let Some((found, claim)) = self.pick_claim() else { return };
        self.store().release(vec![(found.handle, found.fence)]).await;
        self.model.release(claim);
    }

    async fn look(&mut self) {
        let Some((found, claim)) = self.pick_claim() else { return };
        let known: Vec<_> = self.used(claim);
        let peek = Peek {
            in_flight: known.into_iter().filter(|_| self.random.random_range(0..3) == 0).collect(),
            blobs: self.pick(&[0, 1, 3, 1_000]),
            bytes: self.pick(&[0, 5_000, 70_000, 1 << 30]),
            any_first: self.random.random(),
            ..wide(&found)
        };
        let expected = self.model.peek(claim, &peek, self.now);
        let in_flight = peek.in_flight.clone();
        let peeked = self.store().peek(peek, self.now).await;
        let (peeked, (places, more)) = match (peeked, expected) {
            (Ok(peeked), Ok(expected)) => (peeked, expected),
            (peeked, expected) => {
                return self.compare("look", peeked.map(|_| ()), expected.map(|_| ()));
            }
        };
        let place = self.place();
        let mailbox = self.model.mailboxes.get_mut(&claim.mailbox).unwrap();
        let is_there = |id: &RecordId| mailbox.blobs.iter().any(|blob| blob.record == Some(*id));
        let gone: Vec<_> = in_flight.iter().copied().filter(|record| !is_there(record)).collect();
        assert_eq!(peeked.gone, gone, "gone ({place})");
        assert_eq!((peeked.more, peeked.unread), (more, false), "more ({place})");
        assert_eq!(peeked.blobs.len(), places.len(), "number of blobs ({place})");
        for (stored, at) in peeked.blobs.iter().zip(places) {
            let blob = &mut mailbox.blobs[at];
            assert_eq!(number_of(&stored.blob), number_of(&blob.blob), "blob ({place})");
            assert!(stored.blob == blob.blob, "the bytes of a blob changed ({place})");
            assert_eq!(stored.via, blob.via, "via ({place})");
            let is_new = blob.record.is_none() && mailbox.used.insert(stored.record);
            assert!(is_new || blob.record == Some(stored.record), "a number is used twice ({place})");
            blob.record = Some(stored.record);
        }
        let records: Vec<_> = mailbox.blobs.iter().filter_map(|blob| blob.record).collect();
        assert!(records.is_sorted(), "numbers do not grow with the order ({place})");
    }

    async fn ack(&mut self) {
        let Some((found, claim)) = self.pick_claim() else { return };
        let records: Vec<_> =
            self.used(claim).into_iter().filter(|_| self.random.random_range(0..2) == 0).collect();
        let expected = self.model.ack(claim, &records, self.now);
        let acked = self.store().ack(vec![(found.handle, found.fence, records)], self.now).await;
        self.compare("ack", acked, vec![expected]);
    }

    /// Moves the clock on by some days, and then sweeps, or claims and looks. A large step begins a
    /// pause of expiry.
    async fn pass_days(&mut self) {
        self.make_certain().await;
        let days = self.pick(&[1, 1, 2, 3, 9]);
        self.now.day = self.now.day.plus(days);
        self.now.ms += 86_400_000 * u64::from(days);
        if days == 9 {
            self.now.expires_from = self.now.day.plus(7);
        }
        if self.random.random() {
            return self.sweep().await;
        }
        for _ in 0..3 {
            self.claim().await;
            self.look().await;
        }
    }

    /// Renews, as their owners, the mailboxes whose lease or use a crash may undo. After the answer
    /// a crash can undo neither.
    async fn make_certain(&mut self) {
        let uncertain = self.model.mailboxes.values().filter(|mailbox| mailbox.is_uncertain);
        let owners: Vec<_> = uncertain.map(|mailbox| mailbox.rights.own).collect();
        for owner in owners {
            let expected = self.model.change(&owner, Change::Renew, self.now);
            let found = self.store().change(vec![(owner, Change::Renew)], self.now).await;
            self.compare("renew", found, vec![expected]);
        }
    }

    async fn sweep(&mut self) {
        sweep_all(self.store(), self.now).await;
        self.model.sweep(self.now);
    }

    /// Crashes the store and reopens it. Claims the mailboxes whose use the crash may have undone,
    /// so that store and model agree again.
    async fn crash(&mut self) {
        if self.random.random() {
            self.check_stored().await;
        }
        let store = self.store.take().unwrap();
        let store = self.factory.reopen(store, self.model.limits.clone()).await;
        self.store = Some(store.expect("a store that could be reopened before"));
        self.model.reopen();
        self.claims.clear();
        self.compare_counts();
        let uncertain = self.model.mailboxes.values().filter(|mailbox| mailbox.is_uncertain);
        let reads: Vec<_> = uncertain.map(|mailbox| mailbox.rights.read).collect();
        let numbers = (0..READERS).filter(|number| reads.contains(&read(*number))).collect();
        self.claim_all(0, numbers).await;
        self.make_certain().await;
    }

    /// Makes a connection with this token. Returns the connection with its number in the model.
    fn connect(&mut self, token: u8) -> (u64, ConnectedReader) {
        self.connections += 1;
        self.model.connections.insert(self.connections);
        (self.connections, reader(token))
    }

    fn pick<T: Copy>(&mut self, values: &[T]) -> T {
        values[self.random.random_range(0..values.len())]
    }

    /// Returns a random one of the last claims since the store was opened; `None` if there is none.
    fn pick_claim(&mut self) -> Option<(Claimed, ModelClaim)> {
        let late = self.claims.len().saturating_sub(self.pick(&[6, 12, 24]));
        let place = (!self.claims.is_empty()).then(|| self.random.random_range(late..self.claims.len()));
        place.map(|place| self.claims[place])
    }

    /// Returns the numbers of the latest 16 blobs of the claimed mailbox that a reader has seen,
    /// also of destroyed ones.
    fn used(&self, claim: ModelClaim) -> Vec<RecordId> {
        let mailbox = self.model.mailboxes.get(&claim.mailbox);
        mailbox.map_or(vec![], |mailbox| mailbox.used.iter().rev().take(16).rev().copied().collect())
    }

    async fn check_stored(&mut self) {
        self.make_certain().await;
        let mailboxes = self.model.mailboxes.values();
        let lasting = mailboxes.filter(|mailbox| !mailbox.is_volatile());
        let stored = StoredCounts {
            mailboxes: self.model.mailboxes.len() as u64,
            blobs: lasting.map(|mailbox| mailbox.blobs.len() as u64).sum(),
            has_day: self.model.calendar.is_some(),
        };
        self.factory.check_stored(self.store.as_ref().unwrap(), stored);
    }

    fn compare_counts(&self) {
        self.compare("counts", counts(self.store()), self.model.counts());
        // A pause that is over may be forgotten.
        let pause = |calendar: Calendar| (calendar.day, calendar.expires_from.max(calendar.day));
        let found = self.store().census().calendar.map(pause);
        self.compare("calendar", found, self.model.calendar.map(pause));
    }

    fn compare<T: Debug + PartialEq>(&self, what: &str, found: T, expected: T) {
        assert_eq!(found, expected, "{what} ({})", self.place());
    }

    fn place(&self) -> String {
        format!("seed {}, step {}", self.seed, self.step)
    }

    fn store(&self) -> &F::Store {
        self.store.as_ref().unwrap()
    }
}

/// Returns the blob with this number. One in eight is of the largest class, one in eight of the
/// middle one.
fn numbered(number: u32) -> Blob {
    let class = match number % 8 {
        6 => SizeClass::Medium,
        7 => SizeClass::Large,
        _ => SizeClass::Small,
    };
    blob_of(class, number)
}
