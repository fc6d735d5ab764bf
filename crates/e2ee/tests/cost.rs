//! The cost of a rejected envelope, in operations and not in time: the same few tag checks for any
//! bytes, and no key derivation, Diffie-Hellman or KEM before a header is authentic.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use deaddrop_e2ee::{
    content::{self, Content},
    identity::IdentityKeyPair,
    invite::{PendingInvite, VerifiedBundle},
    session::{DecryptError, Session},
};
use deaddrop_primitives::count::{self, Counts};
use deaddrop_testkit::rng;
use deaddrop_wire::Day;
use rand_chacha::{ChaCha20Rng, rand_core::Rng};

const TODAY: Day = Day::from_number(20_780);
/// Maximum number of tag checks for one envelope: current turn, next turn, two closed turns, the
/// outer box of an InitialMessage.
const MOST_TAG_CHECKS: u64 = 5;

struct Side {
    identity: IdentityKeyPair,
    session: Session,
}

impl Side {
    fn say(&mut self, rng: &mut ChaCha20Rng) -> Vec<u8> {
        let hello = [Content::Hello { address: b"here".to_vec() }];
        self.session.encrypt(&content::encode(&hello).unwrap(), rng).unwrap().0.into_bytes()
    }

    fn hear(&mut self, envelope: &[u8]) -> Result<(), DecryptError> {
        self.session.decrypt(&self.identity, envelope, TODAY).map(|_| ())
    }

    fn cost(&mut self, envelope: &[u8]) -> (Result<(), DecryptError>, Counts) {
        count::of(|| self.hear(envelope))
    }
}

fn pair(rng: &mut ChaCha20Rng) -> (PendingInvite, Side, IdentityKeyPair) {
    let (a, b) = (IdentityKeyPair::generate(rng), IdentityKeyPair::generate(rng));
    let (pending, blob) = PendingInvite::create(&b, TODAY.plus(7), b"landing", rng).unwrap();
    let own = a.identity_key().hash();
    let bundle = VerifiedBundle::open(pending.secret(), &blob, own, None, TODAY).unwrap();
    let (session, _) = Session::initiate(&a, &bundle, rng).unwrap();
    (pending, Side { identity: a, session }, b)
}

/// Returns an initiator, a responder, and messages that the responder has not read yet. The
/// responder holds all that a session can hold: an open chain, two closed ones with gaps, and the
/// key of the outer box.
fn laden(rng: &mut ChaCha20Rng) -> (Side, Side, Vec<Vec<u8>>) {
    let (pending, mut one, b) = pair(rng);
    let (_gap, first) = (one.say(rng), one.say(rng));
    let session = pending.accept(&b, &first, |_| false, TODAY).unwrap().session;
    let mut two = Side { identity: b, session };
    let mut late = Vec::new();
    for _ in 0..2 {
        let answer = two.say(rng);
        one.hear(&answer).unwrap();
        late.push(one.say(rng));
        let known = one.say(rng);
        two.hear(&known).unwrap();
    }
    (one, two, late)
}

#[test]
fn an_unauthentic_envelope_costs_a_few_tag_checks_and_nothing_else() {
    let rng = &mut rng(1);
    let (mut one, mut two, _) = laden(rng);
    let genuine = [one.say(rng), one.say(rng)];
    let mut seen = Vec::new();
    for answer_first in [false, true] {
        if answer_first {
            two.say(rng);
        }
        for len in [4_096, 16_384, 65_536] {
            let mut junk = vec![0; len];
            let mut costs = Vec::new();
            for _ in 0..8 {
                rng.fill_bytes(&mut junk);
                costs.push(two.cost(&junk));
            }
            costs.push(two.cost(&vec![0; len]));
            // Whatever is changed in a genuine header, and whatever stands behind it.
            for place in [0, 11, 12, 100, 1_000, 2_200, 2_300, 2_339] {
                let mut forged = genuine[0].clone();
                forged[place] ^= 1;
                forged.resize(len, 0xee);
                costs.push(two.cost(&forged));
            }
            for (result, counts) in &costs {
                assert_eq!(*result, Err(DecryptError::Junk));
                assert_eq!((counts.diffie_hellman, counts.kem, counts.kdf, counts.seals), (0, 0, 0, 0));
                assert!((1..=MOST_TAG_CHECKS).contains(&counts.opens), "{counts:?}");
                assert_eq!(counts, &costs[0].1, "the cost depends on what is claimed");
            }
            seen.push(costs[0].1.opens);
        }
    }
    assert!(seen.contains(&3) || seen.contains(&4), "the session was not laden: {seen:?}");
    // None of it did any harm.
    two.hear(&genuine[1]).unwrap();
    two.hear(&genuine[0]).unwrap();
}

#[test]
fn a_forged_first_message_costs_one_tag_check() {
    let rng = &mut rng(2);
    let (pending, mut one, b) = pair(rng);
    let first = one.say(rng);
    // The keys of the link derive from its secret each time: two extractions' worth, the same for all.
    let mut costs = Vec::new();
    for place in [0, 12, 500, 3_500, 16_383] {
        let mut forged = first.clone();
        forged[place] ^= 1;
        let (result, counts) = count::of(|| pending.accept(&b, &forged, |_| false, TODAY).map(|_| ()));
        assert!(result.is_err());
        assert_eq!((counts.diffie_hellman, counts.kem, counts.opens), (0, 0, 1));
        costs.push(counts);
    }
    assert!(costs.windows(2).all(|pair| pair[0] == pair[1]));
}

#[test]
fn a_known_header_costs_the_same_whatever_is_behind_it() {
    // A body that was changed behind a genuine header: bounded by what the header, which is the peer's own, says.
    let rng = &mut rng(3);
    let (mut one, mut two, late) = laden(rng);
    let mut changed = one.say(rng);
    changed[4_095] ^= 1;
    let (result, first) = two.cost(&changed);
    assert_eq!(result, Err(DecryptError::Junk));
    assert_eq!((first.diffie_hellman, first.kem, first.seals), (0, 0, 0));
    assert!(first.kdf <= 5, "one step of the chain and a body key: {first:?}");
    // A number that was read, and one that was skipped, cost no more.
    let read = one.say(rng);
    two.hear(&read).unwrap();
    let (result, counts) = two.cost(&read);
    assert_eq!(result, Err(DecryptError::Duplicate));
    assert_eq!((counts.diffie_hellman, counts.kem, counts.kdf), (0, 0, 0));
    let (result, counts) = two.cost(&late[0]);
    assert_eq!((result, counts.diffie_hellman, counts.kem), (Ok(()), 0, 0));
    assert!(counts.kdf <= 1 && counts.opens <= MOST_TAG_CHECKS + 1, "{counts:?}");
}

#[test]
fn later_messages_cost_the_same_with_thousands_of_skipped_keys() {
    let rng = &mut rng(4);
    let (mut one, mut two, _) = laden(rng);
    let plain = one.say(rng);
    let (_, light) = two.cost(&plain);
    for _ in 0..1_900 {
        one.say(rng);
    }
    let after = one.say(rng);
    two.hear(&after).unwrap();
    assert!(two.session.skipped_keys() > 1_900);
    let size = two.session.snapshot().len();
    let next = one.say(rng);
    let (result, laden) = two.cost(&next);
    result.unwrap();
    assert_eq!(light, laden);
    assert_eq!(two.session.snapshot().len(), size);
}
