//! Two people from the invite to established turns, and the calls that must fail.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use deaddrop_e2ee::{
    content::{self, Content},
    identity::IdentityKeyPair,
    invite::{InviteLink, PendingInvite, VerifiedBundle},
    session::{DecryptError, Session, Standing},
};
use deaddrop_wire::{Day, Fingerprint, RelayAddress};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};

const TODAY: Day = Day::from_number(20_780);

struct Pair {
    rng: ChaCha20Rng,
    a: IdentityKeyPair,
    b: IdentityKeyPair,
    alice: Session,
    pending: PendingInvite,
}

fn invite(seed: u64) -> Pair {
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    let (a, b) = (IdentityKeyPair::generate(&mut rng), IdentityKeyPair::generate(&mut rng));
    let (pending, blob) = PendingInvite::create(&b, TODAY.plus(7), b"landing", &mut rng).unwrap();
    assert_eq!(blob.len(), 4_096);
    let relay = RelayAddress::new(Fingerprint::from_bytes([3; 32]), "ws://127.0.0.1:4000/").unwrap();
    let text = InviteLink::new(relay, pending.secret().duplicate()).to_text();
    assert!(text.starts_with("deaddrop:ws://127.0.0.1:4000/i#"));
    let link: InviteLink = text.parse().unwrap();
    let own = a.identity_key().hash();
    let bundle = VerifiedBundle::open(link.secret(), &blob, own, None, TODAY).unwrap();
    assert_eq!(bundle.address(), b"landing");
    let (alice, _) = Session::initiate(&a, &bundle, &mut rng).unwrap();
    Pair { rng, a, b, alice, pending }
}

fn hello() -> Vec<u8> {
    content::encode(&[Content::Hello { address: b"here".to_vec() }]).unwrap().to_vec()
}

#[test]
fn two_people_talk() {
    let mut p = invite(1);
    let (first, _) = p.alice.encrypt(&hello(), &mut p.rng).unwrap();
    let (second, _) = p.alice.encrypt(&hello(), &mut p.rng).unwrap();
    assert_eq!(first.as_bytes().len(), 16_384);
    assert_eq!(p.alice.standing(), Standing::Unanswered);
    let accepted = p.pending.accept(&p.b, second.as_bytes(), |_| false, TODAY).unwrap();
    assert!(accepted.changes.invite_consumed);
    assert_eq!(accepted.peer.hash(), p.a.identity_key().hash());
    let mut bob = accepted.session;
    assert_eq!(bob.id(), p.alice.id());
    assert_eq!(&bob.decrypt(&p.b, first.as_bytes(), TODAY).unwrap().content[..], &hello()[..]);
    for envelope in [&first, &second] {
        assert_eq!(bob.decrypt(&p.b, envelope.as_bytes(), TODAY).err(), Some(DecryptError::Duplicate));
    }
    for round in 0..6_u32 {
        let text = round.to_le_bytes();
        let (envelope, _) = bob.encrypt(&text, &mut p.rng).unwrap();
        assert_eq!(envelope.as_bytes().len(), 4_096);
        assert_eq!(&p.alice.decrypt(&p.a, envelope.as_bytes(), TODAY).unwrap().content[..], &text);
        let (envelope, _) = p.alice.encrypt(&text, &mut p.rng).unwrap();
        assert_eq!(&bob.decrypt(&p.b, envelope.as_bytes(), TODAY).unwrap().content[..], &text);
        assert_eq!(bob.standing(), Standing::Established);
        assert_eq!(p.alice.standing(), Standing::Established);
    }
    assert_eq!(bob.decrypt(&p.b, first.as_bytes(), TODAY).err(), Some(DecryptError::Junk));
}
