//! Random histories of two sessions in which messages are lost, repeated, reordered, flipped or
//! delivered to the wrong session, and states are loaded from change sets at any moment. Each
//! message is read once, and a failed call changes nothing.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use deaddrop_e2ee::{
    LoadError,
    content::{self, Content},
    identity::IdentityKeyPair,
    invite::{PendingInvite, VerifiedBundle},
    session::{ChangeSet, DecryptError, MAX_CLOSED_CHAINS, Session, SkippedId},
};
use deaddrop_testkit::rng;
use deaddrop_wire::{Day, SizeClass};
use rand_chacha::rand_core::Rng;
use std::collections::BTreeMap;

const TODAY: Day = Day::from_number(20_780);
const SEEDS: u64 = 40;
const STEPS: usize = 400;

/// The rows of a session as an app has stored them, from change sets alone.
#[derive(Clone)]
struct Rows {
    session: Vec<u8>,
    resets: Vec<u8>,
    skipped: BTreeMap<SkippedId, Vec<u8>>,
}

impl Rows {
    fn new(first: ChangeSet) -> Self {
        let mut rows = Self { session: vec![], resets: vec![], skipped: BTreeMap::new() };
        rows.store(first);
        rows
    }

    fn store(&mut self, set: ChangeSet) {
        // Of its exact length: growing would leave copies behind.
        assert_eq!(set.session.capacity(), set.session.len());
        self.session = set.session.to_vec();
        if let Some(resets) = set.reset_secrets {
            assert_eq!(resets.capacity(), resets.len());
            self.resets = resets.to_vec();
        }
        for row in set.skipped_added {
            assert_eq!(row.bytes.capacity(), row.bytes.len());
            self.skipped.insert(row.id, row.bytes.to_vec());
        }
        for id in set.skipped_removed {
            self.skipped.remove(&id).expect("only what was added is removed");
        }
    }

    fn load(&self) -> Session {
        let skipped = self.skipped.iter().map(|(id, bytes)| (*id, bytes.as_slice()));
        Session::load(&self.session, &self.resets, skipped).unwrap()
    }
}

struct Message {
    envelope: Vec<u8>,
    text: Vec<u8>,
    turn: u32,
    read: bool,
}

/// One side of a session, with the rows that its app has stored.
struct Side {
    identity: IdentityKeyPair,
    session: Session,
    rows: Rows,
    /// The messages that this side has sent.
    sent: Vec<Message>,
}

impl Side {
    fn say(&mut self, random: &mut impl rand_core::CryptoRng) {
        let text = match self.session.standing() {
            // Until an answer comes, content says where to write.
            deaddrop_e2ee::session::Standing::Unanswered => {
                content::encode(&[Content::Hello { address: self.sent.len().to_le_bytes().to_vec() }])
                    .unwrap()
                    .to_vec()
            }
            _ => format!("text {}", self.sent.len()).into_bytes(),
        };
        let (envelope, set) = self.session.encrypt(&text, random).unwrap();
        self.rows.store(set);
        assert!(SizeClass::of_len(envelope.as_bytes().len()).is_some());
        let turn = self.session.turn();
        self.sent.push(Message { envelope: envelope.into_bytes(), text, turn, read: false });
    }

    /// Asserts that an envelope is refused and that the failed call changes nothing. `why` names
    /// the case if the test fails.
    fn refuses(&mut self, envelope: &[u8], why: &str) {
        let (before, keys) = (self.session.snapshot(), self.session.skipped_keys());
        assert!(self.session.decrypt(&self.identity, envelope, TODAY).is_err(), "{why}");
        assert!(*self.session.snapshot() == *before, "{why} changed the session");
        assert_eq!(self.session.skipped_keys(), keys, "{why}");
    }
}

/// Gives message number `at` of `from` to `to`. Returns whether this call read it.
fn deliver(from: &mut Side, to: &mut Side, at: usize) -> bool {
    let message = &mut from.sent[at];
    let before = to.session.snapshot();
    match to.session.decrypt(&to.identity, &message.envelope, TODAY) {
        Ok(opened) => {
            assert!(!message.read, "read twice");
            assert_eq!(*opened.content, message.text);
            to.rows.store(opened.changes);
            message.read = true;
            true
        }
        Err(error) => {
            assert!(*to.session.snapshot() == *before);
            // Whole turns are forgotten beyond the bound, and nothing else is.
            let forgotten = to.session.turn() > message.turn + 2 * u32::try_from(MAX_CLOSED_CHAINS).unwrap();
            assert!(message.read || forgotten, "a genuine message was refused: {error:?}");
            assert!(matches!(error, DecryptError::Duplicate | DecryptError::Junk), "{error:?}");
            false
        }
    }
}

fn connect(seed: u64) -> (Side, Side) {
    let mut random = rng(seed);
    let (alice, bob) = (IdentityKeyPair::generate(&mut random), IdentityKeyPair::generate(&mut random));
    let (pending, blob) = PendingInvite::create(&bob, TODAY.plus(7), b"landing", &mut random).unwrap();
    let own = alice.identity_key().hash();
    let bundle = VerifiedBundle::open(pending.secret(), &blob, own, None, TODAY).unwrap();
    let (session, set) = Session::initiate(&alice, &bundle, &mut random).unwrap();
    let mut one = Side { identity: alice, session, rows: Rows::new(set), sent: vec![] };
    // Any of the first messages may be the one that arrives.
    for _ in 0..1 + seed % 3 {
        one.say(&mut random);
    }
    let first = one.sent.last_mut().unwrap();
    let accepted = pending.accept(&bob, &first.envelope, |_| false, TODAY).unwrap();
    assert_eq!(*accepted.content, first.text);
    first.read = true;
    let two =
        Side { identity: bob, session: accepted.session, rows: Rows::new(accepted.changes), sent: vec![] };
    (one, two)
}

#[test]
fn each_message_is_read_once_and_failures_leave_no_trace() {
    for seed in 0..SEEDS {
        let random = &mut rng(1_000 + seed);
        let (mut one, mut two) = connect(seed);
        let (mut stranger, _) = connect(seed + 500);
        stranger.say(random);
        let foreign = stranger.sent.last().unwrap().envelope.clone();
        for _ in 0..STEPS {
            let turned = random.next_u32().is_multiple_of(2);
            let (from, to) = if turned { (&mut one, &mut two) } else { (&mut two, &mut one) };
            let pick = |count: usize, random: &mut dyn Rng| random.next_u32() as usize % count.max(1);
            match random.next_u32() % 12 {
                0..4 => from.say(random),
                // Mostly what is new, sometimes anything that was ever sent.
                4..9 if !from.sent.is_empty() => {
                    let recent =
                        from.sent.len().min(if random.next_u32().is_multiple_of(4) { usize::MAX } else { 6 });
                    let at = from.sent.len() - 1 - pick(recent, random);
                    deliver(from, to, at);
                }
                9 if !from.sent.is_empty() => {
                    let at = pick(from.sent.len(), random);
                    let mut envelope = from.sent[at].envelope.clone();
                    let place = pick(envelope.len(), random);
                    envelope[place] ^= 1 << (random.next_u32() % 8);
                    to.refuses(&envelope, "a flipped bit");
                    let own = from.sent[at].envelope.clone();
                    from.refuses(&own, "an own message");
                }
                10 => to.refuses(&foreign, "another session's message"),
                11 => {
                    assert!(*to.rows.session == *to.session.snapshot());
                    assert_eq!(to.rows.skipped.len(), to.session.skipped_keys());
                    to.session = to.rows.load();
                }
                _ => {}
            }
        }
        // What is left arrives, newest first: everything the bounds still hold is read.
        for _ in 0..2 {
            for at in (0..one.sent.len()).rev() {
                deliver(&mut one, &mut two, at);
            }
            for at in (0..two.sent.len()).rev() {
                deliver(&mut two, &mut one, at);
            }
        }
        assert!(one.sent.iter().filter(|message| message.read).count() > one.sent.len() / 3);
    }
}

#[test]
fn junk_of_any_kind_is_refused_without_a_trace() {
    let random = &mut rng(7);
    let (mut one, mut two) = connect(1);
    two.say(random);
    assert!(deliver(&mut two, &mut one, 0));
    for len in [0, 1, 15, 16, 4_095, 4_096, 4_097, 16_384, 65_535, 65_536, 65_537] {
        let mut bytes = vec![0; len];
        random.fill_bytes(&mut bytes);
        one.refuses(&bytes, "random bytes");
        one.refuses(&vec![0; len], "zeros");
    }
    two.say(random);
    let whole = two.sent.last().unwrap().envelope.clone();
    for cut in [1, 16, 2_048, 4_095] {
        one.refuses(&whole[cut..], "a truncated head");
        one.refuses(&whole[..whole.len() - cut], "a truncated tail");
    }
    one.refuses(&[&whole[..], &[0]].concat(), "something appended");
    assert!(deliver(&mut two, &mut one, 1));
}

#[test]
fn a_damaged_row_is_refused_and_a_newer_one_told_apart() {
    let random = &mut rng(8);
    let (mut one, mut two) = connect(2);
    two.say(random);
    two.say(random);
    assert!(deliver(&mut two, &mut one, 1));
    assert_eq!(one.rows.skipped.len(), 1);
    let good = one.rows.clone();
    let reload = |rows: &Rows| {
        let skipped = rows.skipped.iter().map(|(id, bytes)| (*id, bytes.as_slice()));
        Session::load(&rows.session, &rows.resets, skipped)
    };
    for cut in 0..good.session.len() {
        let mut rows = good.clone();
        rows.session.truncate(cut);
        assert!(reload(&rows).is_err(), "{cut}");
    }
    for cut in 0..good.resets.len() {
        let mut rows = good.clone();
        rows.resets.truncate(cut);
        assert!(reload(&rows).is_err(), "{cut}");
    }
    let mut rows = good.clone();
    rows.session[0] = 3;
    assert_eq!(reload(&rows).err(), Some(LoadError::NewerVersion));
    let mut rows = good.clone();
    rows.resets[0] = 2;
    assert_eq!(reload(&rows).err(), Some(LoadError::NewerVersion));
    // Also when another row is damaged.
    let mut rows = good.clone();
    rows.session.truncate(9);
    rows.skipped.values_mut().for_each(|row| row[0] = 2);
    assert_eq!(reload(&rows).err(), Some(LoadError::NewerVersion));
    // Whatever bytes stand there: an answer, never a panic.
    for _ in 0..2_000 {
        let mut rows = good.clone();
        let at = random.next_u32() as usize % rows.session.len();
        rows.session[at] ^= 1 << (random.next_u32() % 8);
        if let Ok(mut session) = reload(&rows) {
            let _ = session.decrypt(&one.identity, &two.sent[0].envelope, TODAY);
        }
    }
    let mut session = reload(&good).unwrap();
    assert_eq!(
        *session.decrypt(&one.identity, &two.sent[0].envelope, TODAY).unwrap().content,
        two.sent[0].text
    );
}

#[test]
fn a_damaged_skipped_row_costs_its_own_message() {
    let random = &mut rng(9);
    let (mut one, mut two) = connect(2);
    for _ in 0..4 {
        two.say(random);
    }
    assert!(deliver(&mut two, &mut one, 3));
    assert_eq!(one.rows.skipped.len(), 3);
    let id = SkippedId { turn: 1, message_number: 1 };
    for damaged in [vec![], vec![0; 37], vec![1; 36], vec![1; 38]] {
        let mut rows = one.rows.clone();
        rows.skipped.insert(id, damaged);
        let mut session = rows.load();
        assert_eq!(session.skipped_keys(), 2);
        let mut hear = |at: usize| {
            let opened = session.decrypt(&one.identity, &two.sent[at].envelope, TODAY);
            opened.map(|opened| opened.content.to_vec())
        };
        assert_eq!(hear(0), Ok(two.sent[0].text.clone()));
        assert_eq!(hear(1), Err(DecryptError::Duplicate));
        assert_eq!(hear(2), Ok(two.sent[2].text.clone()));
    }
}

#[test]
fn no_more_chains_are_loaded_than_a_session_holds() {
    const COUNT_AT: usize = 154;
    const CHAIN: usize = 4 + 32 + 4 + 1 + 32 + 8 + 4 * 64;
    let random = &mut rng(10);
    let (mut one, mut two) = connect(2);
    two.say(random);
    assert!(deliver(&mut two, &mut one, 0));
    let good = &one.rows.session;
    assert_eq!(good[COUNT_AT], 1);
    let (head, rest) = good.split_at(COUNT_AT);
    let (chain, rest) = rest[1..].split_at(CHAIN);
    let with = |count: usize| {
        let row = [head, &[u8::try_from(count).unwrap()], &chain.repeat(count), rest].concat();
        Session::load(&row, &one.rows.resets, []).map(|session| session.snapshot().to_vec() == row)
    };
    for count in 0..=1 + MAX_CLOSED_CHAINS {
        assert!(with(count).unwrap(), "{count}");
    }
    for count in [2 + MAX_CLOSED_CHAINS, 255] {
        assert_eq!(with(count).err(), Some(LoadError::Corrupt), "{count}");
    }
}

#[test]
fn a_damaged_invite_row_is_refused_and_a_newer_one_told_apart() {
    let random = &mut rng(11);
    let bob = IdentityKeyPair::generate(random);
    let (pending, _) = PendingInvite::create(&bob, TODAY, b"landing", random).unwrap();
    let good = pending.to_bytes();
    assert_eq!(*PendingInvite::from_bytes(&good).unwrap().to_bytes(), *good);
    for cut in 0..good.len() {
        assert_eq!(PendingInvite::from_bytes(&good[..cut]).err(), Some(LoadError::Corrupt), "{cut}");
    }
    let longer = [&good[..], &[0]].concat();
    assert_eq!(PendingInvite::from_bytes(&longer).err(), Some(LoadError::Corrupt));
    for (version, error) in [(0, LoadError::Corrupt), (2, LoadError::NewerVersion)] {
        let mut row = good.to_vec();
        row[0] = version;
        assert_eq!(PendingInvite::from_bytes(&row).err(), Some(error));
        assert_eq!(PendingInvite::from_bytes(&row[..1]).err(), Some(error));
    }
}

#[test]
fn a_row_without_the_key_that_its_next_turn_needs_is_not_loaded() {
    let (_, two) = connect(3);
    // An unanswered responder's row ends with: 1, the initiator's ML-KEM key, 2, k_init, hs_hash.
    let good = two.session.snapshot().to_vec();
    let load = |row: &[u8]| Session::load(row, &two.rows.resets, []).map(|_| ());
    assert_eq!(load(&good), Ok(()));
    let mut row = good.clone();
    let at = row.len() - 65 - 1_184 - 1;
    assert_eq!(row[at], 1);
    row[at] = 0;
    row.drain(at + 1..at + 1 + 1_184);
    assert_eq!(load(&row), Err(LoadError::Corrupt));
    // Nor is one that keeps the key beyond that turn: version 1, role 1, id 16, peer 32, then the turn.
    let mut row = good;
    row[50] = 1;
    assert_eq!(load(&row), Err(LoadError::Corrupt));
}
