//! Two people without any transport: an invite, a conversation, and a state that was stored and
//! loaded again.
//!
//! An app would carry everything that is printed here: the link by any way the two trust (a QR
//! code, another messenger), the sealed bundle and the envelopes by anything that carries bytes.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout)]

use deaddrop_e2ee::{
    content::{self, Content},
    identity::{IdentityKeyPair, SafetyNumber},
    invite::{InviteLink, PendingInvite, VerifiedBundle},
    session::Session,
};
use deaddrop_wire::{Day, Fingerprint, RelayAddress};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};

pub(crate) fn main() {
    // An app gives the system's randomness and its day; the crate has neither.
    let rng = &mut ChaCha20Rng::seed_from_u64(1);
    let today = Day::from_number(20_780);
    let (alice, bob) = (IdentityKeyPair::generate(rng), IdentityKeyPair::generate(rng));

    // Bob invites. `pending` is stored until somebody comes; the sealed bundle lies where the link points.
    let (pending, sealed_bundle) = PendingInvite::create(&bob, today.plus(7), b"bob's mailbox", rng).unwrap();
    let relay = RelayAddress::new(Fingerprint::from_bytes([3; 32]), "ws://relay.example:7700/").unwrap();
    let link = InviteLink::new(relay, pending.secret().duplicate()).to_text();
    println!("link: {}", *link);

    // Alice accepts. Her messages begin with a Hello until an answer comes.
    let link: InviteLink = link.parse().unwrap();
    let own = alice.identity_key().hash();
    let bundle = VerifiedBundle::open(link.secret(), &sealed_bundle, own, None, today).unwrap();
    let (mut alices, mut stored) = Session::initiate(&alice, &bundle, rng).unwrap();
    let hello = Content::Hello { address: b"alice's mailbox".to_vec() };
    let (envelope, changes) = alices.encrypt(&content::encode(&[hello]).unwrap(), rng).unwrap();
    // Each call gives a change set: store it as a whole, then let the envelope leave.
    stored.session = changes.session;
    println!("first envelope: {} bytes", envelope.as_bytes().len());

    // Bob takes it; his invite is used up in the same change set.
    let accepted = pending.accept(&bob, envelope.as_bytes(), |_| false, today).unwrap();
    let mut bobs = accepted.session;
    let (answer, _changes) = bobs.encrypt(b"hello Alice", rng).unwrap();
    println!("answer: {} bytes", answer.as_bytes().len());

    // Alice's app was closed meanwhile: her session comes back from what was stored.
    let resets = stored.reset_secrets.unwrap();
    let mut alices = Session::load(&stored.session, &resets, []).unwrap();
    let opened = alices.decrypt(&alice, answer.as_bytes(), today).unwrap();
    println!("Alice reads: {}", String::from_utf8_lossy(&opened.content));

    // The same number on both sides: there is no attacker in between.
    let alices_number = SafetyNumber::new(own, bundle.identity().hash());
    let bobs_number = SafetyNumber::new(bob.identity_key().hash(), accepted.peer.hash());
    assert_eq!(alices_number, bobs_number);
    println!("safety number: {}", alices_number.to_digits());
}
