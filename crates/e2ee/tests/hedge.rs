//! A state that is copied and resumed twice with one generator (a snapshot of a virtual machine,
//! taken alive): no key and nonce seal two different texts. Each pair of clones draws the same
//! random bytes.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use deaddrop_e2ee::{
    content::{self, Content},
    identity::IdentityKeyPair,
    invite::{PendingInvite, VerifiedBundle},
    session::Session,
};
use deaddrop_testkit::rng;
use deaddrop_wire::{Blob, Day};
use rand_core::CryptoRng;

const TODAY: Day = Day::from_number(20_780);
/// Stored row without any reset secret: the version 1, then three empty places of 37 bytes.
const NO_RESETS: [u8; 112] = {
    let mut row = [0; 112];
    row[0] = 1;
    row
};
/// Number of bytes of the header box of a turn above 1: nonce 12, ratchet keys 32 and 1,184,
/// ciphertext 1,088, `pn` and `n` 8, tag 16.
const HEADER_BOX: usize = 12 + 32 + 1_184 + 1_088 + 8 + 16;
/// Number of bytes of the flight, the handshake part of an InitialMessage.
const FLIGHT: usize = 3_472;

struct Pair {
    alice: IdentityKeyPair,
    bob: IdentityKeyPair,
    pending: PendingInvite,
    one: Session,
}

fn hello(text: &str) -> Vec<u8> {
    content::encode(&[Content::Hello { address: text.as_bytes().to_vec() }]).unwrap().to_vec()
}

fn invited(seed: u64) -> Pair {
    let random = &mut rng(seed);
    let (alice, bob) = (IdentityKeyPair::generate(random), IdentityKeyPair::generate(random));
    let (pending, blob) = PendingInvite::create(&bob, TODAY.plus(7), b"landing", random).unwrap();
    let own = alice.identity_key().hash();
    let bundle = VerifiedBundle::open(pending.secret(), &blob, own, None, TODAY).unwrap();
    let (one, _) = Session::initiate(&alice, &bundle, random).unwrap();
    Pair { alice, bob, pending, one }
}

impl Pair {
    /// Returns Alice's session, in a pair with both identities, and Bob's. The newest turn is turn
    /// 2, which Alice sent, so Bob's next message begins turn 3.
    fn established(seed: u64) -> (Self, Session) {
        let mut pair = invited(seed);
        let random = &mut rng(seed + 1);
        let (first, _) = pair.one.encrypt(&hello("here"), random).unwrap();
        let mut bob = pair.pending.accept(&pair.bob, first.as_bytes(), |_| false, TODAY).unwrap().session;
        pair.answer(&mut bob, random);
        let (envelope, _) = pair.one.encrypt(b"turn 2", random).unwrap();
        bob.decrypt(&pair.bob, envelope.as_bytes(), TODAY).unwrap();
        (pair, bob)
    }

    fn answer(&mut self, bob: &mut Session, random: &mut impl CryptoRng) -> Blob {
        let (envelope, _) = bob.encrypt(b"answer", random).unwrap();
        self.one.decrypt(&self.alice, envelope.as_bytes(), TODAY).unwrap();
        envelope
    }
}

fn clone(session: &Session) -> Session {
    Session::load(&session.snapshot(), &NO_RESETS, []).unwrap()
}

/// Seals one text with each of two copies of a session, which draw the same random bytes. Returns
/// the two envelopes.
fn both(one: &mut Session, other: &mut Session, texts: [&[u8]; 2]) -> [Vec<u8>; 2] {
    let [a, b] = texts;
    [
        one.encrypt(a, &mut rng(9)).unwrap().0.into_bytes(),
        other.encrypt(b, &mut rng(9)).unwrap().0.into_bytes(),
    ]
}

/// Whether two envelopes were sealed under one key and nonce: after texts of equal length comes
/// equal padding, which is then sealed to equal bytes.
fn is_same_stream(a: &[u8], b: &[u8]) -> bool {
    let tail = a.len() - 16 - 200..a.len() - 16;
    a[tail.clone()] == b[tail]
}

#[test]
fn clones_of_a_state_share_no_body_key() {
    let (pair, mut bob) = Pair::established(1);
    let mut other = clone(&pair.one);
    let mut one = pair.one;
    let [a, b] = both(&mut one, &mut other, [b"attack at dawn", b"retreat tonight"]);
    assert_ne!(a[..12], b[..12], "r is that of another text");
    assert!(!is_same_stream(&a, &b));
    // Header boxes are sealed under one header key: they may share no key stream either.
    assert_ne!(a[12..12 + 32], b[12..12 + 32]);
    // Whichever comes first is read.
    assert_eq!(&bob.decrypt(&pair.bob, &b, TODAY).unwrap().content[..], b"retreat tonight");
    assert!(bob.decrypt(&pair.bob, &a, TODAY).is_err());
}

#[test]
fn clones_that_say_the_same_send_the_same() {
    let (mut pair, _) = Pair::established(3);
    let mut other = clone(&pair.one);
    let [a, b] = both(&mut pair.one, &mut other, [b"the same", b"the same"]);
    assert_eq!(a, b);
    // Fresh bytes alone make another envelope of the same text.
    let mut third = clone(&other);
    let (one, _) = other.encrypt(b"once more", &mut rng(10)).unwrap();
    let (two, _) = third.encrypt(b"once more", &mut rng(11)).unwrap();
    assert_ne!(one.as_bytes()[..12], two.as_bytes()[..12]);
}

#[test]
fn clones_that_begin_a_turn_share_no_body_key() {
    let (mut pair, mut bob) = Pair::established(5);
    pair.answer(&mut bob, &mut rng(6));
    let mut other = clone(&pair.one);
    let [a, b] = both(&mut pair.one, &mut other, [b"one turn, two texts", b"one turn, a texts!!"]);
    // The turn's keys are equal, for they are drawn; the bodies are not sealed under one key.
    assert_eq!(a.len(), 4_096);
    assert_ne!(a[..12], b[..12]);
    assert!(!is_same_stream(&a, &b));
    assert_ne!(a[HEADER_BOX - 16..HEADER_BOX], b[HEADER_BOX - 16..HEADER_BOX]);
}

#[test]
fn clones_whose_turn_before_had_other_lengths_share_no_header() {
    let (mut pair, mut bob) = Pair::established(7);
    let mut other = clone(&pair.one);
    let _ = pair.one.encrypt(b"one more in the turn before", &mut rng(8)).unwrap();
    let answer = pair.answer(&mut bob, &mut rng(8));
    other.decrypt(&pair.alice, answer.as_bytes(), TODAY).unwrap();
    // The same text, the same keys of the turn: only `pn` differs.
    let [a, b] = both(&mut pair.one, &mut other, [b"the same", b"the same"]);
    assert_ne!(a[..12], b[..12]);
    assert_ne!(a[12..44], b[12..44]);
}

#[test]
fn clones_of_an_initiator_share_no_outer_key_stream() {
    let mut pair = invited(11);
    let mut other = clone(&pair.one);
    let [a, b] = both(&mut pair.one, &mut other, [&hello("here"), &hello("hire")]);
    assert_ne!(a[..12], b[..12]);
    assert_ne!(a[12..12 + FLIGHT], b[12..12 + FLIGHT], "the flight is the same, its key stream is not");
    assert!(pair.pending.accept(&pair.bob, &a, |_| false, TODAY).is_ok());
    assert!(pair.pending.accept(&pair.bob, &b, |_| false, TODAY).is_ok());
}

#[test]
fn invites_made_twice_share_no_nonce() {
    let bob = IdentityKeyPair::generate(&mut rng(13));
    let made = |address: &[u8]| PendingInvite::create(&bob, TODAY, address, &mut rng(14)).unwrap().1;
    assert_ne!(made(b"one")[..12], made(b"two")[..12]);
    assert_eq!(made(b"one"), made(b"one"));
}
