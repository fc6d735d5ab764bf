//! Messages that come late, twice, changed, or not at all; and a state that was put back to an
//! older one.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout)]

use deaddrop_e2ee::{
    content::{self, Content},
    identity::IdentityKeyPair,
    invite::{PendingInvite, VerifiedBundle},
    session::{DecryptError, Session},
};
use deaddrop_wire::Day;
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};

pub(crate) fn main() {
    let rng = &mut ChaCha20Rng::seed_from_u64(2);
    let today = Day::from_number(20_780);
    let (alice, bob) = (IdentityKeyPair::generate(rng), IdentityKeyPair::generate(rng));
    let (pending, blob) = PendingInvite::create(&bob, today.plus(7), b"bob's mailbox", rng).unwrap();
    let own = alice.identity_key().hash();
    let bundle = VerifiedBundle::open(pending.secret(), &blob, own, None, today).unwrap();
    let (mut alices, _) = Session::initiate(&alice, &bundle, rng).unwrap();
    let hello = content::encode(&[Content::Hello { address: b"alice's mailbox".to_vec() }]).unwrap();
    let (first, _) = alices.encrypt(&hello, rng).unwrap();
    let mut bobs = pending.accept(&bob, first.as_bytes(), |_| false, today).unwrap().session;

    // Bob sends five; they come as 4, 0, 2, and 1 comes after Alice has answered. 3 is lost.
    let before = bobs.encrypt(b"number 0", rng).unwrap();
    let reset_secrets = before.1.reset_secrets.unwrap();
    let mut sent = vec![before.0];
    for number in 1..5 {
        let (envelope, _) = bobs.encrypt(format!("number {number}").as_bytes(), rng).unwrap();
        sent.push(envelope);
    }
    let arrive = |session: &mut Session, number: usize| {
        let envelope = sent.get(number).unwrap().as_bytes();
        let opened = session.decrypt(&alice, envelope, today)?;
        println!(
            "{} is read; rows added {}, removed {}",
            String::from_utf8_lossy(&opened.content),
            opened.changes.skipped_added.len(),
            opened.changes.skipped_removed.len()
        );
        Ok::<_, DecryptError>(())
    };
    for number in [4, 0, 2] {
        arrive(&mut alices, number).unwrap();
    }
    // Twice: the error says what to do, and nothing has changed.
    let twice = arrive(&mut alices, 2).unwrap_err();
    println!("number 2 again: {twice}");
    assert_eq!(twice, DecryptError::Duplicate);

    let (answer, _) = alices.encrypt(b"answer", rng).unwrap();
    // A changed copy comes first: it is refused, and the genuine one is read all the same.
    let mut changed = answer.as_bytes().to_vec();
    if let Some(byte) = changed.last_mut() {
        *byte ^= 1;
    }
    assert_eq!(bobs.decrypt(&bob, &changed, today).err(), Some(DecryptError::Junk));
    // Bob's state as his backup will have it.
    let backup = bobs.snapshot();
    assert!(bobs.decrypt(&bob, answer.as_bytes(), today).is_ok());
    arrive(&mut alices, 1).unwrap();
    println!("still waited for: {}", alices.skipped_keys());
    assert_eq!(alices.skipped_keys(), 1);

    // Bob says number 5; then his phone is put back to the backup, and he says another number 5.
    let (fifth, _) = bobs_twin(&backup, &reset_secrets).encrypt(b"number 5", rng).unwrap();
    assert!(alices.decrypt(&alice, fifth.as_bytes(), today).is_ok());
    let (other, _) = bobs_twin(&backup, &reset_secrets).encrypt(b"another number 5", rng).unwrap();
    // No key has sealed two texts, and Alice is told.
    let rewound = alices.decrypt(&alice, other.as_bytes(), today).unwrap_err();
    println!("from the backup: {rewound}");
    assert_eq!(rewound, DecryptError::PeerRewound);
}

fn bobs_twin(backup: &[u8], reset_secrets: &[u8]) -> Session {
    Session::load(backup, reset_secrets, []).unwrap()
}
