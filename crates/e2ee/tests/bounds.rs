//! The bounds of a session, from both sides: at the bound all works, beyond it the call fails with
//! the documented error.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use deaddrop_e2ee::{
    content::{self, Content},
    identity::IdentityKeyPair,
    invite::{PendingInvite, VerifiedBundle},
    session::{
        DecryptError, EncryptError, MAX_CLOSED_CHAINS, MAX_SKIP, MAX_SKIP_AGE, MAX_SKIPPED_KEYS,
        MAX_TURN_LEN, REWIND_WINDOW, Session, Standing,
    },
};
use deaddrop_testkit::rng;
use deaddrop_wire::{Day, SizeClass};
use rand_chacha::ChaCha20Rng;

const TODAY: Day = Day::from_number(20_780);
/// Stored row without any reset secret: the version 1, then three empty places of 37 bytes.
const NO_RESETS: [u8; 1 + 3 * 37] = {
    let mut row = [0; 1 + 3 * 37];
    row[0] = 1;
    row
};

struct Side {
    identity: IdentityKeyPair,
    session: Session,
    rng: ChaCha20Rng,
}

impl Side {
    fn say(&mut self) -> Vec<u8> {
        let hello = [Content::Hello { address: b"here".to_vec() }];
        self.session.encrypt(&content::encode(&hello).unwrap(), &mut self.rng).unwrap().0.into_bytes()
    }

    fn hear_on(&mut self, envelope: &[u8], day: Day) -> Result<usize, DecryptError> {
        let opened = self.session.decrypt(&self.identity, envelope, day)?;
        Ok(opened.changes.skipped_added.len())
    }

    fn hear(&mut self, envelope: &[u8]) -> Result<usize, DecryptError> {
        self.hear_on(envelope, TODAY)
    }
}

/// Returns the initiator before its first message, and the responder's invite and identity.
fn begin(seed: u64) -> (Side, PendingInvite, IdentityKeyPair) {
    let mut random = rng(seed);
    let (a, b) = (IdentityKeyPair::generate(&mut random), IdentityKeyPair::generate(&mut random));
    let (pending, blob) = PendingInvite::create(&b, TODAY.plus(7), b"landing", &mut random).unwrap();
    let own = a.identity_key().hash();
    let bundle = VerifiedBundle::open(pending.secret(), &blob, own, None, TODAY).unwrap();
    let (session, _) = Session::initiate(&a, &bundle, &mut random).unwrap();
    (Side { identity: a, session, rng: rng(seed + 1) }, pending, b)
}

/// Returns the responder after it has accepted the first message.
fn accept(pending: &PendingInvite, identity: IdentityKeyPair, first: &[u8], seed: u64) -> Side {
    let session = pending.accept(&identity, first, |_| false, TODAY).unwrap().session;
    Side { identity, session, rng: rng(seed + 2) }
}

/// Returns the initiator and the responder of an established session. The newest turn is the
/// responder's, so the initiator begins the next one.
fn pair(seed: u64) -> (Side, Side) {
    let (mut one, pending, b) = begin(seed);
    let mut two = accept(&pending, b, &one.say(), seed);
    turn(&mut two, &mut one);
    turn(&mut one, &mut two);
    turn(&mut two, &mut one);
    (one, two)
}

fn turn(from: &mut Side, to: &mut Side) {
    let envelope = from.say();
    to.hear(&envelope).unwrap();
}

#[test]
fn a_turn_is_as_long_as_a_receiver_can_skip() {
    let (mut one, mut two) = pair(10);
    let mut sent: Vec<_> = (0..MAX_TURN_LEN).map(|_| one.say()).collect();
    let full = one.session.encrypt(b"", &mut one.rng);
    assert_eq!(full.err(), Some(EncryptError::TurnFull));
    // All but the last are lost, and the last is read; then the others, in any order.
    let last = sent.pop().unwrap();
    assert_eq!(two.hear(&last), Ok(MAX_TURN_LEN as usize - 1));
    assert_eq!(MAX_SKIP, MAX_TURN_LEN);
    sent.iter().rev().for_each(|envelope| assert_eq!(two.hear(envelope), Ok(0)));
    assert_eq!(two.session.skipped_keys(), 0);
    // An answer frees the direction.
    turn(&mut two, &mut one);
    turn(&mut one, &mut two);
}

#[test]
fn from_before_a_gap_after_thousands_of_newer_ones() {
    let (mut one, mut two) = pair(20);
    let early: Vec<_> = (0..10).map(|_| one.say()).collect();
    // One turn later by the other side, the early ones still missing.
    let known = one.say();
    two.hear(&known).unwrap();
    let size = two.session.snapshot().len();
    for _ in 0..1_900 {
        turn(&mut one, &mut two);
    }
    assert_eq!(two.session.snapshot().len(), size, "the size does not grow");
    turn(&mut two, &mut one);
    for _ in 0..1_900 {
        turn(&mut one, &mut two);
    }
    assert_eq!(two.session.skipped_keys(), 10);
    for envelope in &early {
        assert_eq!(two.hear(envelope), Ok(0));
        assert_eq!(two.hear(envelope).err(), Some(two.hear(&early[0]).unwrap_err()));
    }
    assert_eq!(two.session.skipped_keys(), 0);
}

#[test]
fn closed_turns_with_gaps_are_kept_up_to_the_bound() {
    let (mut one, mut two) = pair(30);
    let mut lost = Vec::new();
    for turns in 0..4 {
        lost.push(one.say());
        turn(&mut one, &mut two);
        // The open turn's key is held in any case.
        assert_eq!(two.session.skipped_keys(), (turns + 1).min(MAX_CLOSED_CHAINS + 1), "{turns}");
        turn(&mut two, &mut one);
    }
    // The oldest turn went with its keys when a newer one took its place: what comes of it is junk.
    assert_eq!(two.hear(&lost[0]), Err(DecryptError::Junk));
    for envelope in &lost[1..] {
        assert_eq!(two.hear(envelope), Ok(0));
    }
    // A closed turn without a gap is forgotten at once.
    assert_eq!(two.hear(&lost[1]), Err(DecryptError::Junk));
}

#[test]
fn skipped_keys_are_bounded_by_count() {
    let (mut one, mut two) = pair(40);
    let mut lost = Vec::new();
    for _ in 0..3 {
        let skipped: Vec<_> = (0..1_990).map(|_| one.say()).collect();
        turn(&mut one, &mut two);
        turn(&mut two, &mut one);
        lost.push(skipped);
    }
    assert_eq!(two.session.skipped_keys(), MAX_SKIPPED_KEYS);
    // The oldest have gone.
    let gone = 3 * 1_990 - MAX_SKIPPED_KEYS;
    assert_eq!(two.hear(&lost[0][gone - 1]), Err(DecryptError::Duplicate));
    assert_eq!(two.hear(&lost[0][gone]), Ok(0));
    assert_eq!(two.hear(&lost[2][0]), Ok(0));
}

#[test]
fn skipped_keys_are_bounded_by_age() {
    let (mut one, mut two) = pair(50);
    let (early, later) = (one.say(), one.say());
    two.hear_on(&later, TODAY).unwrap();
    assert!(two.session.expire(TODAY.plus(MAX_SKIP_AGE)).is_none());
    let changes = two.session.expire(TODAY.plus(MAX_SKIP_AGE + 1)).unwrap();
    assert_eq!(changes.skipped_removed.len(), 1);
    assert_eq!(two.hear_on(&early, TODAY.plus(MAX_SKIP_AGE + 1)), Err(DecryptError::Duplicate));
    turn(&mut one, &mut two);
}

/// With a wrong clock, no key lasts longer than twice [`MAX_SKIP_AGE`]: a key of a day that is more
/// than [`MAX_SKIP_AGE`] days ahead is dropped.
#[test]
fn skipped_keys_of_a_day_that_lies_far_ahead_are_dropped() {
    for (ahead, dropped) in [(MAX_SKIP_AGE, false), (MAX_SKIP_AGE + 1, true)] {
        let (mut one, mut two) = pair(51);
        let (early, later) = (one.say(), one.say());
        two.hear_on(&later, TODAY.plus(ahead)).unwrap();
        let removed = two.session.expire(TODAY).map(|changes| changes.skipped_removed.len());
        assert_eq!(removed, dropped.then_some(1));
        assert_eq!(two.hear(&early), if dropped { Err(DecryptError::Duplicate) } else { Ok(0) });
    }
}

#[test]
fn an_old_state_never_seals_two_texts_under_one_key() {
    // The same state goes on twice: every envelope has a header nonce of its own, and the body key hangs on it.
    let (mut one, mut two) = pair(60);
    turn(&mut one, &mut two);
    let (snapshot, first) = (one.session.snapshot(), one.session.turn());
    let mut nonces = std::collections::BTreeSet::new();
    for seed in 0..20 {
        let mut again = Session::load(&snapshot, &NO_RESETS, []).unwrap();
        let (envelope, _) = again.encrypt(format!("text {seed}").as_bytes(), &mut rng(seed)).unwrap();
        assert_eq!(again.turn(), first);
        assert!(nonces.insert(envelope.as_bytes()[..12].to_vec()));
        // The first of them is read; every other is recognised as another one.
        let answer = two.hear(envelope.as_bytes());
        assert_eq!(answer, if seed == 0 { Ok(0) } else { Err(DecryptError::PeerRewound) });
    }
}

/// Returns a copy of the side with the older session of `snapshot`, while its peer has gone on.
fn put_back(side: &Side, snapshot: &[u8]) -> Side {
    let identity = IdentityKeyPair::from_seed(deaddrop_e2ee::identity::IdentitySeed::from_bytes(
        *side.identity.seed().expose(),
    ));
    Side { identity, session: Session::load(snapshot, &NO_RESETS, []).unwrap(), rng: rng(61) }
}

#[test]
fn a_state_put_back_within_a_turn_is_seen_when_it_comes_into_the_window() {
    let (mut one, mut two) = pair(62);
    let (behind, sent) = (5, REWIND_WINDOW + 6);
    let mut old = Vec::new();
    for number in 0..sent {
        if number == behind {
            old = one.session.snapshot().to_vec();
        }
        turn(&mut one, &mut two);
    }
    // Number 5 is 65 below the next one, which is 70; number 6 is 64 below it.
    let mut again = put_back(&one, &old);
    assert_eq!(two.hear(&again.say()), Err(DecryptError::Duplicate));
    for _ in behind + 1..sent {
        assert_eq!(two.hear(&again.say()), Err(DecryptError::PeerRewound));
    }
    // What it says with numbers that were not read is read.
    assert_eq!(two.hear(&again.say()), Ok(0));
}

#[test]
fn a_peer_that_goes_on_with_an_ended_turn_was_put_back() {
    let (mut one, mut two) = pair(63);
    let lost = one.say();
    turn(&mut one, &mut two);
    let mut again = put_back(&one, &one.session.snapshot());
    turn(&mut two, &mut one);
    turn(&mut one, &mut two);
    // The ended turn had two messages and is held for the one that is missing: there is no third or later one.
    for _ in 0..3 {
        assert_eq!(two.hear(&again.say()), Err(DecryptError::PeerRewound));
    }
    assert_eq!(two.hear(&lost), Ok(0));
    // With its last key the turn is forgotten.
    assert_eq!(two.hear(&again.say()), Err(DecryptError::Junk));
    turn(&mut two, &mut one);
    turn(&mut one, &mut two);
}

#[test]
fn a_repeat_from_a_turn_that_ended_with_a_gap_is_no_rewind() {
    let (mut one, mut two) = pair(60);
    let sent: Vec<_> = (0..70).map(|_| one.say()).collect();
    assert_eq!(two.hear(&sent[1]), Ok(1));
    // The turn ends while most of it is on its way; then that comes, and then everything once more.
    turn(&mut two, &mut one);
    let next = one.say();
    assert_eq!(two.hear(&next), Ok(68));
    for late in sent.iter().skip(2).rev() {
        assert_eq!(two.hear(late), Ok(0));
    }
    for repeated in sent.iter().skip(1) {
        assert_eq!(two.hear(repeated), Err(DecryptError::Duplicate));
    }
    assert_eq!(two.hear(&sent[0]), Ok(0));
}

/// Returns the bytes of content that fit into each size class, and asserts that so many are sealed
/// into that class and one byte more into the next.
fn rooms(side: &Side) -> [Option<usize>; 3] {
    let rooms = SizeClass::ALL.map(|class| side.session.room(class));
    for (at, room) in rooms.iter().enumerate() {
        let Some(room) = room else { continue };
        for (len, class) in [(*room, Some(at)), (room + 1, Some(at + 1).filter(|next| *next < 3))] {
            let mut copy = Side {
                identity: IdentityKeyPair::generate(&mut rng(0)),
                session: Session::load(&side.session.snapshot(), &NO_RESETS, []).unwrap(),
                rng: rng(9),
            };
            let sealed = copy.session.encrypt(&vec![7; len], &mut copy.rng);
            let len = sealed.map(|(envelope, _)| envelope.as_bytes().len());
            assert_eq!(len, class.map_or(Err(EncryptError::TooLong), |at| Ok(SizeClass::ALL[at].bytes())));
        }
    }
    rooms
}

#[test]
fn room_and_standing_are_those_of_the_spec_at_every_step() {
    let (mut one, pending, b) = begin(70);
    assert_eq!(rooms(&one), [None, Some(11_615), Some(60_767)]);
    assert_eq!(one.session.standing(), Standing::Unanswered);
    let first = one.say();
    let mut two = accept(&pending, b, &first, 70);
    assert_eq!(rooms(&two), [Some(651), Some(12_939), Some(62_091)]);
    assert_eq!(two.session.standing(), Standing::Unconfirmed);
    turn(&mut two, &mut one);
    assert_eq!((rooms(&two)[0], two.session.standing()), (Some(651), Standing::Unconfirmed));
    assert_eq!(rooms(&one), [Some(1_739), Some(14_027), Some(63_179)]);
    assert_eq!(one.session.standing(), Standing::Established);
    // The InitialMessage is known until the first turn behind it has come, and then is junk like any other.
    assert_eq!(two.hear(&first), Err(DecryptError::Duplicate));
    turn(&mut one, &mut two);
    assert_eq!(two.session.standing(), Standing::Established);
    assert_eq!(two.hear(&first), Err(DecryptError::Junk));
    turn(&mut two, &mut one);
    assert_eq!((rooms(&one)[0], rooms(&two)[0]), (Some(1_739), Some(1_739)));
}
