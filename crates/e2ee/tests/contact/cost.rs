//! The cost, in operations, of an envelope that leads to nothing: it is bounded by what the contact
//! holds, for any bytes.

use crate::people::*;
use deaddrop_e2ee::{
    contact::{Hour, MAX_OWN_BUNDLES, MAX_SESSIONS, ResetKind},
    session::DecryptError,
};
use deaddrop_primitives::count::{self, Counts};
use deaddrop_testkit::rng;
use rand_chacha::rand_core::Rng;

/// Maximum number of tag checks that one session spends on an envelope: current turn, next turn,
/// two closed turns, and the outer box.
const MOST_OF_A_SESSION: u64 = 5;

/// Returns a person who holds as many sessions and bundles as a contact can, the peer, and the
/// envelope of a reset that the person has accepted.
fn laden() -> (Person, Person, Vec<u8>) {
    let (mut one, mut two) = friends(30, 2);
    let mut hour = NOW.number();
    let mut repeat = vec![];
    for _ in 0..5 {
        for _ in 0..3 {
            one.lose_sessions();
            hour += 1;
            one.reset(ResetKind::Soft, Hour::from_number(hour)).unwrap();
            one.say();
            repeat = one.sent[0].clone();
            pass(&mut one, &mut two);
        }
        two.say();
        pass(&mut two, &mut one);
    }
    assert_eq!(two.contact.sessions().count(), MAX_SESSIONS);
    assert_eq!(two.contact.row()[43 + 29 * MAX_SESSIONS], u8::try_from(MAX_OWN_BUNDLES).unwrap());
    (one, two, repeat)
}

#[test]
fn junk_costs_a_contact_a_bounded_number_of_tag_checks_and_nothing_else() {
    let (mut one, mut two, repeat) = laden();
    let most = MOST_OF_A_SESSION * MAX_SESSIONS as u64 + MAX_OWN_BUNDLES as u64;
    let mut random = rng(31);
    for len in [4_096, 16_384, 65_536] {
        let mut junk = vec![0; len];
        let costs: Vec<Counts> = (0..4)
            .map(|_| {
                random.fill_bytes(&mut junk);
                let (heard, counts) = count::of(|| two.contact.decrypt(&two.identity, &junk, TODAY));
                assert_eq!(heard.err(), Some(DecryptError::Junk));
                counts
            })
            .collect();
        let Counts { diffie_hellman, kem, kdf, seals, opens } = costs[0];
        assert_eq!((diffie_hellman, kem, kdf, seals), (0, 0, 0, 0), "{len}");
        assert!((MAX_SESSIONS as u64..=most).contains(&opens), "{opens} tag checks");
        assert!(costs.iter().all(|counts| *counts == costs[0]), "the cost depends on what is claimed");
    }
    // A repeated reset, too.
    let (heard, counts) = count::of(|| two.contact.decrypt(&two.identity, &repeat, TODAY));
    assert_eq!(heard.err(), Some(DecryptError::Duplicate));
    assert_eq!((counts.diffie_hellman, counts.kem, counts.kdf), (0, 0, 0));
    assert_converged(&mut one, &mut two);
}
