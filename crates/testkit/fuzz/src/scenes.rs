//! Two people, and states between them in which messages are still to arrive: made once, loaded for each input.

use deaddrop_conformance::second::label;
use deaddrop_e2ee::{
    content::{self, Content},
    identity::{IdentityKeyPair, IdentitySeed},
    invite::{PendingInvite, VerifiedBundle},
    session::{ChangeSet, Session, SkippedId, Standing},
};
use deaddrop_primitives::aead;
use deaddrop_testkit::rng;
use deaddrop_wire::Day;
use rand_core::CryptoRng;
use std::{collections::BTreeMap, sync::OnceLock};

pub const TODAY: Day = Day::from_number(20_780);

/// The rows that an app has stored for a session, taken from change sets alone.
#[derive(Clone)]
pub struct Rows {
    pub session: Vec<u8>,
    pub resets: Vec<u8>,
    pub skipped: BTreeMap<SkippedId, Vec<u8>>,
}

impl Rows {
    pub fn new(first: ChangeSet) -> Self {
        let mut rows = Self { session: vec![], resets: vec![], skipped: BTreeMap::new() };
        rows.store(first);
        rows
    }

    pub fn store(&mut self, set: ChangeSet) {
        self.session = set.session.to_vec();
        if let Some(resets) = set.reset_secrets {
            self.resets = resets.to_vec();
        }
        for row in set.skipped_added {
            assert!(self.skipped.insert(row.id, row.bytes.to_vec()).is_none(), "a key is skipped once");
        }
        for id in set.skipped_removed {
            self.skipped.remove(&id).expect("only what was added is removed");
        }
    }

    pub fn load(&self) -> Session {
        let skipped = self.skipped.iter().map(|(id, bytes)| (*id, bytes.as_slice()));
        Session::load(&self.session, &self.resets, skipped).expect("what was stored loads")
    }

    /// Checks that these rows are those of the session in memory.
    pub fn are_of(&self, session: &Session) {
        assert!(self.session == *session.snapshot());
        assert_eq!(self.skipped.len(), session.skipped_keys());
    }
}

/// Two people, and an invite of the responder that the initiator has accepted.
pub struct People {
    pub initiator_seed: [u8; 32],
    pub responder_seed: [u8; 32],
    pub initiator: IdentityKeyPair,
    pub responder: IdentityKeyPair,
    /// The bytes of the stored invite.
    pub pending: Vec<u8>,
    /// The plaintext of the invite's bundle, without signature and padding.
    pub bundle_body: Vec<u8>,
    /// The rows of the initiator before its first message.
    pub initial: Rows,
    /// The first envelope of the initiator.
    pub first_envelope: Vec<u8>,
}

pub fn person(seed: [u8; 32]) -> IdentityKeyPair {
    IdentityKeyPair::from_seed(IdentitySeed::from_bytes(seed))
}

pub fn hello(text: &str) -> Vec<u8> {
    content::encode(&[Content::Hello { address: text.as_bytes().to_vec() }]).expect("short").to_vec()
}

/// Returns the two people of all scenes.
pub fn people() -> &'static People {
    static PEOPLE: OnceLock<People> = OnceLock::new();
    PEOPLE.get_or_init(|| People::new([1; 32], [2; 32]))
}

/// Returns envelopes of two other people: a first message, an answer, and the message after it.
pub fn foreign() -> &'static [Vec<u8>] {
    static FOREIGN: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    FOREIGN.get_or_init(|| {
        static OTHERS: OnceLock<People> = OnceLock::new();
        let others = OTHERS.get_or_init(|| People::new([3; 32], [4; 32]));
        let mut one = Side::new(&others.initiator, others.initial.clone());
        one.say(0, &mut rng(71));
        let mut two = accept(others, &mut one, 0);
        two.say(0, &mut rng(72));
        read(&mut two, &mut one, 0);
        one.say(20_000, &mut rng(73));
        [one.sent, two.sent].concat().into_iter().map(|message| message.envelope).collect()
    })
}

impl People {
    fn new(initiator_seed: [u8; 32], responder_seed: [u8; 32]) -> Self {
        // Nonces are drawn as they are, so that the corpora stay those of these people.
        let random = &mut rng(u64::from(initiator_seed[0]));
        let (initiator, responder) = (person(initiator_seed), person(responder_seed));
        let (pending, blob) =
            deaddrop_e2ee::hazmat::create_invite(&responder, TODAY.plus(7), b"landing", random)
                .expect("short");
        let own = initiator.identity_key().hash();
        let bundle = VerifiedBundle::open(pending.secret(), &blob, own, None, TODAY).expect("just made");
        let (mut session, set) = Session::initiate(&initiator, &bundle, random).expect("honest");
        let initial = Rows::new(set);
        let (first, _) = session.hazmat_encrypt(&hello("first"), random).expect("short");
        let keys = deaddrop_e2ee::hazmat::invite(pending.secret().expose());
        let (nonce, sealed) = blob.split_first_chunk().expect("long enough");
        let padded = aead::open(&keys.k_bundle, nonce, &label("invite"), sealed).expect("just sealed");
        let mark = padded.iter().rposition(|byte| *byte == 0x80).expect("padded");
        People {
            initiator_seed,
            responder_seed,
            initiator,
            responder,
            pending: pending.to_bytes().to_vec(),
            bundle_body: padded[..mark - 64].to_vec(),
            initial,
            first_envelope: first.into_bytes(),
        }
    }
}

/// A sent message, and whether it was read.
#[derive(Clone)]
pub struct Message {
    pub envelope: Vec<u8>,
    pub text: Vec<u8>,
    /// The number of the sender's turn when it was sent.
    pub turn: u32,
    pub read: bool,
}

/// One of the two sides: its session, the stored rows, and the messages that it has sent.
pub struct Side {
    pub identity: &'static IdentityKeyPair,
    pub session: Session,
    pub rows: Rows,
    pub sent: Vec<Message>,
}

impl Side {
    pub fn new(identity: &'static IdentityKeyPair, rows: Rows) -> Self {
        Self { identity, session: rows.load(), rows, sent: vec![] }
    }

    pub fn say(&mut self, extra: usize, random: &mut impl CryptoRng) {
        let name = format!("{:?} {} {}", self.session.role(), self.session.turn(), self.sent.len());
        let text = match self.session.standing() {
            // Until an answer comes, content says where to write.
            Standing::Unanswered => hello(&name),
            _ => [name.as_bytes(), &vec![0x80; extra]].concat(),
        };
        let (envelope, set) = self.session.encrypt(&text, random).expect("turns are short here");
        self.rows.store(set);
        let (envelope, turn) = (envelope.into_bytes(), self.session.turn());
        self.sent.push(Message { envelope, text, turn, read: false });
    }

    /// Checks that the envelope is refused, and that the refusal leaves no trace.
    pub fn refuses(&mut self, envelope: &[u8]) {
        let before = self.session.snapshot();
        assert!(self.session.decrypt(self.identity, envelope, TODAY).is_err());
        assert!(*self.session.snapshot() == *before);
        self.rows.are_of(&self.session);
    }
}

/// Lets `to` read the message number `at` of `from`, which must open.
pub fn read(from: &mut Side, to: &mut Side, at: usize) {
    let message = &mut from.sent[at];
    let opened = to.session.decrypt(to.identity, &message.envelope, TODAY).expect("genuine");
    assert!(*opened.content == message.text);
    to.rows.store(opened.changes);
    message.read = true;
}

/// Makes the responder's side from the invite and the first message number `at` of `from`.
pub fn accept(people: &'static People, from: &mut Side, at: usize) -> Side {
    let pending = PendingInvite::from_bytes(&people.pending).expect("stored");
    let message = &mut from.sent[at];
    let accepted = pending.accept(&people.responder, &message.envelope, |_| false, TODAY).expect("genuine");
    assert!(*accepted.content == message.text);
    message.read = true;
    Side::new(&people.responder, Rows::new(accepted.changes))
}

/// A receiver and the sender at one moment. Some of the sender's messages were not delivered yet.
pub struct Scene {
    pub receiver: Rows,
    pub receiver_seed: [u8; 32],
    pub identity: &'static IdentityKeyPair,
    pub sender: Rows,
    /// All messages of the sender, delivered or not.
    pub sent: Vec<Message>,
}

impl Scene {
    fn new(receiver: Side, sender: Side) -> Self {
        let people = people();
        let initiator = std::ptr::eq(receiver.identity, &raw const people.initiator);
        Self {
            receiver_seed: if initiator { people.initiator_seed } else { people.responder_seed },
            identity: receiver.identity,
            receiver: receiver.rows,
            sender: sender.rows,
            sent: sender.sent,
        }
    }

    pub fn receiving_side(&self) -> Side {
        Side::new(self.identity, self.receiver.clone())
    }

    /// Checks that each message that was not read arrives, and that no other one does.
    pub fn goes_on(&self, side: &mut Side) {
        let mut sent = self.sent.clone();
        for message in &mut sent {
            match side.session.decrypt(side.identity, &message.envelope, TODAY) {
                Ok(opened) => {
                    assert!(!message.read && *opened.content == message.text);
                    side.rows.store(opened.changes);
                }
                Err(error) => assert!(message.read, "{error:?}"),
            }
        }
        side.rows.are_of(&side.session);
    }
}

/// Returns all scenes, made at the first call.
pub fn scenes() -> &'static [Scene] {
    static SCENES: OnceLock<Vec<Scene>> = OnceLock::new();
    SCENES.get_or_init(|| vec![first_answer(), repeats(), open_turn(), next_turn(), closed_turns(), alone()])
}

fn met(seed: u64, first: usize, accepted: usize) -> (Side, Side) {
    let random = &mut rng(seed);
    let mut one = Side::new(&people().initiator, people().initial.clone());
    for _ in 0..first {
        one.say(0, random);
    }
    let two = accept(people(), &mut one, accepted);
    (one, two)
}

/// Makes a scene in which the initiator has no answer yet, and three messages of turn 1 were sent.
fn first_answer() -> Scene {
    let (one, mut two) = met(10, 1, 0);
    (0..3).for_each(|_| two.say(0, &mut rng(11)));
    Scene::new(one, two)
}

/// Makes a scene in which the responder has read the second of three InitialMessages.
fn repeats() -> Scene {
    let (one, two) = met(20, 3, 1);
    Scene::new(two, one)
}

/// Makes a scene in which the initiator has read the second of three messages of turn 1.
fn open_turn() -> Scene {
    let (mut one, mut two) = met(30, 1, 0);
    (0..3).for_each(|_| two.say(0, &mut rng(31)));
    read(&mut two, &mut one, 1);
    Scene::new(one, two)
}

/// Makes a scene in which three messages of turn 3, and two of turn 1, were not delivered yet.
fn next_turn() -> Scene {
    let (mut one, mut two) = met(40, 1, 0);
    let random = &mut rng(41);
    (0..3).for_each(|_| two.say(0, random));
    read(&mut two, &mut one, 0);
    (0..2).for_each(|_| one.say(0, random));
    read(&mut one, &mut two, 1);
    (0..3).for_each(|_| two.say(5_000, random));
    Scene::new(one, two)
}

/// Makes a scene in which keys of skipped messages are left at the responder, in two closed turns
/// and an open one.
fn closed_turns() -> Scene {
    let (mut one, mut two) = met(50, 3, 1);
    let random = &mut rng(51);
    for _ in 0..2 {
        two.say(0, random);
        let last = two.sent.len() - 1;
        read(&mut two, &mut one, last);
        (0..3).for_each(|_| one.say(0, random));
        let middle = one.sent.len() - 2;
        read(&mut one, &mut two, middle);
    }
    Scene::new(two, one)
}

/// Makes a scene in which the responder has sent turn 1 and waits for turn 2, which was sent.
fn alone() -> Scene {
    let (mut one, mut two) = met(60, 2, 0);
    let random = &mut rng(61);
    (0..2).for_each(|_| two.say(0, random));
    read(&mut two, &mut one, 1);
    (0..2).for_each(|_| one.say(0, random));
    Scene::new(two, one)
}
