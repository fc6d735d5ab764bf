//! Safety numbers, the identity on paper, and what ends a verification.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout)]

use deaddrop_e2ee::{
    contact::{Contact, ContactEvent},
    identity::{IdentityKeyPair, SafetyNumber, UnconfirmedIdentity},
};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};

pub(crate) fn main() {
    let rng = &mut ChaCha20Rng::seed_from_u64(3);
    let (alice, bob) = (IdentityKeyPair::generate(rng), IdentityKeyPair::generate(rng));
    let (own, peer) = (alice.identity_key().hash(), bob.identity_key().hash());

    // To read aloud, as digits or as words; the same on both sides.
    let number = SafetyNumber::new(own, peer);
    assert_eq!(number.to_digits(), SafetyNumber::new(peer, own).to_digits());
    println!("digits: {}", number.to_digits());
    println!("words:  {}", number.to_words());

    // To scan: Bob's screen shows the payload as a QR code, Alice's camera reads it.
    let shown = SafetyNumber::new(peer, own).to_qr_payload();
    let mut contact = Contact::new(*peer);
    let _stored = contact.verify_scanned(own, &shown).unwrap();
    assert!(contact.is_verified());

    // Somebody else's code is refused, and changes nothing.
    let mallory = IdentityKeyPair::generate(rng);
    let foreign = SafetyNumber::new(mallory.identity_key().hash(), own).to_qr_payload();
    println!("a foreign code: {}", contact.verify_scanned(own, &foreign).unwrap_err());
    assert!(contact.is_verified());

    // Bob's identity on paper, and beside it the number that tells a slip of the pen. A person who has the words can be Bob.
    let words = bob.seed().to_words();
    println!("Bob's words begin with: {} ...", words.split(' ').next().unwrap());
    println!("the number beside them: {}", bob.identity_key().number().to_digits());
    let found = UnconfirmedIdentity::from_words(&words).unwrap();
    println!("is this the number on your paper? {}", found.number().to_digits());
    let again = found.confirm();
    assert_eq!(again.identity_key(), bob.identity_key());

    // Another identity of the same person ends the verification, and the user is told.
    let new = *mallory.identity_key().hash();
    let changed = contact.change_identity(new);
    for event in &changed.events {
        println!("event: {event:?}");
    }
    assert!(changed.events.contains(&ContactEvent::VerificationCleared));
    assert!(!contact.is_verified());
}
