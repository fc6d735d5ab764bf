//! Nothing that is printed carries a key, a word, or an identity: neither `Debug` of anything
//! public, nor any error.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use deaddrop_e2ee::{
    attachment::{AttachmentSealer, SegmentHashes},
    contact::{Contact, InvitePolicy, StoredSession},
    content::{self, Content, StreamId},
    identity::{IdentityKeyPair, SafetyNumber, UnconfirmedIdentity},
    invite::{InviteLink, PendingInvite, VerifiedBundle},
    session::Session,
};
use deaddrop_primitives::x25519;
use deaddrop_testkit::rng;
use deaddrop_wire::{Day, Fingerprint, RelayAddress};

const TODAY: Day = Day::from_number(20_780);
const WORD: &str = "swordfish";
const STREAM: [u8; 16] = *b"one-way-stream-7";

/// Asserts that none of the printed texts has [`WORD`] or the first bytes of a secret, as hex or as
/// a list of numbers.
fn silent(printed: &[String], secrets: &[&[u8]]) {
    for text in printed {
        assert!(!text.contains(WORD), "{text}");
        for secret in secrets {
            let hex: String = secret[..8].iter().map(|byte| format!("{byte:02x}")).collect();
            let list: Vec<String> = secret[..4].iter().map(ToString::to_string).collect();
            let bytes: Vec<String> = secret[..4].iter().map(|byte| format!("{byte:#04x}")).collect();
            for form in [hex, list.join(", "), list.join(","), bytes.join(", ")] {
                assert!(!text.to_lowercase().contains(&form), "{text} shows {form}");
            }
        }
    }
}

#[test]
fn debug_and_errors_say_nothing() {
    let rng = &mut rng(1);
    let (a, b) = (IdentityKeyPair::generate(rng), IdentityKeyPair::generate(rng));
    let (pending, blob) = PendingInvite::create(&b, TODAY.plus(7), WORD.as_bytes(), rng).unwrap();
    let own = a.identity_key().hash();
    let bundle = VerifiedBundle::open(pending.secret(), &blob, own, None, TODAY).unwrap();
    let relay = RelayAddress::new(Fingerprint::from_bytes([3; 32]), "ws://127.0.0.1:4000/").unwrap();
    let link = InviteLink::new(relay, pending.secret().duplicate());
    let (session, begun) = Session::initiate(&a, &bundle, rng).unwrap();
    let mut printed = vec![
        format!("{a:?} {:?} {:?}", a.seed(), a.identity_key()),
        format!("{pending:?} {:?} {bundle:?} {link:?}", pending.secret()),
        format!("{:?}", pending.secret().read_capability()),
        format!("{session:?} {begun:?}"),
        format!("{:#?}", begun),
    ];
    let mut one = Contact::new(*b.identity_key().hash());
    let snapshot = begun.session.to_vec();
    let resets = begun.reset_secrets.as_ref().unwrap().to_vec();
    let added = one.add_initiated(session, begun, TODAY, InvitePolicy::KeepSessions).unwrap();
    printed.push(format!("{one:?} {added:?} {added:#?}"));
    let id = one.sessions().next().unwrap();
    printed.push(format!(
        "{:?}",
        StoredSession { id, snapshot: &snapshot, reset_secrets: &resets, skipped: vec![] }
    ));
    let text = Content::Text { stream: StreamId(STREAM), number: 1, text: WORD.to_owned() };
    let hello = Content::Hello { address: WORD.as_bytes().to_vec() };
    printed.push(format!("{text:?} {hello:?}"));
    let said = content::encode(&[hello, text]).unwrap();
    let (_skipped, _) = one.encrypt(&said, rng).unwrap();
    let (envelope, changes) = one.encrypt(&said, rng).unwrap();
    printed.push(format!("{changes:?} {changes:#?}"));
    let accepted = pending.accept(&b, envelope.as_bytes(), |_| false, TODAY).unwrap();
    assert_eq!(accepted.changes.skipped_added.len(), 1);
    let skipped = accepted.changes.skipped_added[0].bytes.to_vec();
    printed.push(format!("{accepted:?} {accepted:#?} {:?}", accepted.changes.skipped_added));
    let mut two = Contact::new(*a.identity_key().hash());
    let received = two.add_accepted(accepted, InvitePolicy::KeepSessions).unwrap();
    printed.push(format!("{received:?} {received:#?}"));
    let (bundle_item, _) = two.renew_bundle(&b, WORD.as_bytes(), TODAY, rng).unwrap().unwrap();
    printed.push(format!("{bundle_item:?}"));
    let sealer = AttachmentSealer::generate(5, rng).unwrap();
    let sealed = sealer.seal(0, &WORD.as_bytes()[..5]).unwrap();
    let mut hashes = SegmentHashes::new();
    hashes.insert(sealed.hash);
    let manifest = sealer.finish(&hashes).unwrap();
    printed.push(format!("{sealer:?} {sealed:?} {manifest:?} {:?} {hashes:?}", manifest.key()));
    printed.push(format!("{:?} {:?}", manifest.hash(), manifest.layout()));
    let mut bytes = sealed.blob.into_bytes();
    printed.push(format!("{:?}", manifest.open(0, &mut bytes).unwrap()));
    // Events that name sessions and people.
    let (answer, _) = two.encrypt(&[], rng).unwrap();
    let established = one.decrypt(&a, answer.as_bytes(), TODAY).unwrap();
    assert!(!established.events.is_empty());
    printed.push(format!("{established:?} {:?}", established.events));
    let mut third = Contact::new(*own);
    let changed = third.change_identity(*b.identity_key().hash());
    assert!(!changed.events.is_empty());
    printed.push(format!("{changed:?} {changed:#?} {:?}", changed.events));
    let number = SafetyNumber::new(own, b.identity_key().hash());
    printed.push(format!("{own:?} {id:?} {:?} {number:?}", StreamId(STREAM)));
    assert_eq!(printed.last().unwrap(), "IdentityHash(..) SessionId(..) StreamId(..) SafetyNumber(..)");
    let public = *x25519::SecretKey::from_bytes(&[7; 32]).public_key();
    let mut alone = Session::load(&snapshot, &resets, []).unwrap();
    let opened = alone.decrypt(&a, answer.as_bytes(), TODAY).unwrap();
    printed.push(format!("{public:?} {opened:?} {opened:#?}"));
    let error = two.decrypt(&b, &[0; 4_096], TODAY).unwrap_err();
    printed.push(format!("{error:?} {error}"));
    let words = a.seed().to_words();
    let found = UnconfirmedIdentity::from_words(&words).unwrap();
    printed.push(format!("{found:?} {:?}", found.number()));
    assert_eq!(printed.last().unwrap(), "UnconfirmedIdentity(..) IdentityNumber(..)");
    let error = UnconfirmedIdentity::from_words(&words.replacen(' ', " x", 1)).unwrap_err();
    printed.push(format!("{error:?} {error}"));

    let row = two.row();
    let payload = number.to_qr_payload();
    // Keys as they stand in stored rows: seeds, the link's secret, root and chain keys, reset secrets, skipped keys.
    let stored = pending.to_bytes();
    let mut secrets: Vec<&[u8]> = vec![
        a.seed().expose(),
        b.seed().expose(),
        pending.secret().expose(),
        manifest.key().expose(),
        manifest.hash().as_bytes(),
        &stored[37..69],
        &stored[69..133],
        &skipped[5..37],
        &resets[42..74],
        own.as_bytes(),
        b.identity_key().hash().as_bytes(),
        &a.identity_key().as_bytes()[32..],
        &id.0,
        &STREAM,
        &payload[1..33],
        &payload[33..],
        public.as_bytes(),
    ];
    secrets.extend(snapshot[54..150].chunks_exact(32));
    secrets.push(&row[43 + 29 + 1..][..32]);
    silent(&printed, &secrets);
}
