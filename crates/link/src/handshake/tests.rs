//! Both sides of the handshake against each other and against bytes from nowhere.

use super::{messages::C2_HEAD_LEN, *};
use crate::{Cookie, CookieKey, LinkSession, RecordError, RelayIdentity, RelaySeed};
use deaddrop_testkit::rng;
use deaddrop_wire::{
    ClientToken, Features, Item, Offer, Version, encode_items,
    item::{Hello, Ping, Pong},
};
use proptest::prelude::*;

fn identity(seed: u8) -> RelayIdentity {
    RelayIdentity::from_seed(&RelaySeed::from_bytes([seed; 32]))
}

fn ping(nonce: u32) -> Item {
    Ping { nonce }.into()
}

fn greeting() -> Hello {
    let client = ClientToken::from_bytes([5; 16]);
    Hello { features: 0, ping_s: 45, window_blobs: 64, window_bytes: 1 << 20, client, relay: None }
}

/// Returns the identity of relay 1, a client that has sent C1, the relay's state after its answer,
/// and its S1.
fn half_way() -> (RelayIdentity, ClientHandshake, RelayHandshake, Vec<u8>) {
    let identity = identity(1);
    let (client, c1) = ClientHandshake::start(identity.fingerprint(), Offer::v1(), &mut rng(1));
    let hello = ClientHello::parse(&c1).unwrap();
    let (relay, s1) = RelayHandshake::answer(&identity, &Offer::v1(), &hello, &mut rng(2)).unwrap();
    (identity, client, relay, s1)
}

fn finished(step: Result<ClientStep, ClientHandshakeError>) -> Result<ClientFinished, ClientHandshakeError> {
    match step? {
        ClientStep::Finished(finished) => Ok(finished),
        ClientStep::Again(..) => panic!("no retry was asked for"),
    }
}

fn linked() -> (LinkSession, LinkSession) {
    let (identity, client, relay, s1) = half_way();
    let client = finished(client.on_message(&s1, &greeting(), &mut rng(3))).unwrap();
    let (relay, received) = relay.on_c2(&identity, &client.c2).unwrap();
    assert_eq!(received, greeting());
    proven(client, relay)
}

/// Returns the client's and the relay's link after the relay's first record, which proves the
/// relay.
fn proven(client: ClientFinished, mut relay: LinkSession) -> (LinkSession, LinkSession) {
    let record = relay.seal(&[ping(0)]).unwrap().remove(0);
    let (client, received) = client.link.on_first_record(&record).unwrap();
    assert_eq!(received.items, [ping(0)]);
    (client, relay)
}

#[test]
fn both_sides_meet_and_hello_rides_along() {
    let (identity, client, relay, s1) = half_way();
    let client = finished(client.on_message(&s1, &greeting(), &mut rng(3))).unwrap();
    assert_eq!(client.c2.len(), C2_HEAD_LEN + 512 + 16);
    let (relay, received) = relay.on_c2(&identity, &client.c2).unwrap();
    assert_eq!(received, greeting());
    let (mut client, mut relay) = proven(client, relay);
    for nonce in 0..3 {
        let records = relay.seal(&[Pong { nonce }.into()]).unwrap();
        assert_eq!(client.open(&records[0]).unwrap().items, [Pong { nonce }.into()]);
        let records = client.seal(&[ping(nonce)]).unwrap();
        assert_eq!(relay.open(&records[0]).unwrap().items, [ping(nonce)]);
    }
    assert_eq!((relay.version(), client.version()), (Version::V1, Version::V1));
}

#[test]
fn messages_have_the_specified_lengths() {
    let identity = identity(1);
    let (client, c1) = ClientHandshake::start(identity.fingerprint(), Offer::v1(), &mut rng(1));
    assert_eq!(c1.len(), 1_232);
    let (_, _, _, s1) = half_way();
    assert_eq!(s1.len(), 2_382);
    let ClientStep::Again(_, again) =
        client.on_message(&retry(&Cookie([7; 32])), &greeting(), &mut rng(3)).unwrap()
    else {
        panic!("a retry leads to another C1");
    };
    assert_eq!(again.len(), 1_264);
}

#[test]
fn directions_have_different_keys() {
    let (mut client, mut relay) = linked();
    let record = client.seal(&[ping(1)]).unwrap().remove(0);
    assert!(client.open(&record).is_err());
    assert!(relay.open(&record).is_ok());
}

#[test]
fn another_relay_is_seen() {
    let (named, true_relay) = (identity(1), identity(2));
    let (client, c1) = ClientHandshake::start(named.fingerprint(), Offer::v1(), &mut rng(1));
    let hello = ClientHello::parse(&c1).unwrap();
    let (_, s1) = RelayHandshake::answer(&true_relay, &Offer::v1(), &hello, &mut rng(2)).unwrap();
    let error = finished(client.on_message(&s1, &greeting(), &mut rng(3))).unwrap_err();
    assert_eq!(error, ClientHandshakeError::WrongRelay);
}

#[test]
fn a_relay_without_the_ml_kem_key_reads_nothing() {
    let (_, client, relay, s1) = half_way();
    let client = finished(client.on_message(&s1, &greeting(), &mut rng(3))).unwrap();
    // Its classical half is stolen, the other is not: decapsulation gives another secret.
    let thief = identity(2);
    let error = relay.on_c2(&thief, &client.c2).unwrap_err();
    assert_eq!(error, RelayHandshakeError::Unauthentic);
}

#[test]
fn the_highest_common_version_and_the_common_features_hold() {
    let identity = identity(1);
    let offer = |versions: &[u16], features| {
        Offer::new(versions.iter().map(|v| Version(*v)).collect(), Features(features)).unwrap()
    };
    let (client, c1) = ClientHandshake::start(identity.fingerprint(), offer(&[1, 2, 3], 0b110), &mut rng(1));
    let hello = ClientHello::parse(&c1).unwrap();
    let (relay, s1) =
        RelayHandshake::answer(&identity, &offer(&[2, 3, 9], 0b011), &hello, &mut rng(2)).unwrap();
    let client = finished(client.on_message(&s1, &greeting(), &mut rng(3))).unwrap();
    let (relay, _) = relay.on_c2(&identity, &client.c2).unwrap();
    let (client, relay) = proven(client, relay);
    for session in [&client, &relay] {
        assert_eq!(session.version(), Version(3));
        assert_eq!(session.features(), Features(0b010));
    }
    let refused = RelayHandshake::answer(&identity, &offer(&[4], 0), &hello, &mut rng(2)).unwrap_err();
    assert_eq!(refused, RelayHandshakeError::NoCommonVersion);
    let (client, _) = ClientHandshake::start(identity.fingerprint(), Offer::v1(), &mut rng(1));
    let answer = no_common_version(&offer(&[4], 0));
    let error = finished(client.on_message(&answer, &greeting(), &mut rng(3))).unwrap_err();
    assert_eq!(error, ClientHandshakeError::NoCommonVersion);
}

#[test]
fn an_offer_cannot_be_lowered_on_the_way() {
    let identity = identity(1);
    let both = Offer::new(vec![Version(1), Version(2)], Features::NONE).unwrap();
    let (client, c1) = ClientHandshake::start(identity.fingerprint(), both.clone(), &mut rng(1));
    // The attacker strikes version 2 out.
    let lowered = [&c1[..4], &[1, 1, 0], &c1[9..]].concat();
    let hello = ClientHello::parse(&lowered).unwrap();
    let (_, s1) = RelayHandshake::answer(&identity, &both, &hello, &mut rng(2)).unwrap();
    let error = finished(client.on_message(&s1, &greeting(), &mut rng(3))).unwrap_err();
    assert_eq!(error, ClientHandshakeError::Unauthentic);
}

#[test]
fn a_retry_is_followed_once() {
    let identity = identity(1);
    let key = CookieKey::generate(&mut rng(9));
    let (client, c1) = ClientHandshake::start(identity.fingerprint(), Offer::v1(), &mut rng(1));
    assert_eq!(ClientHello::parse(&c1).unwrap().cookie(), None);
    let again = retry(&key.issue(b"prefix", 100));
    let ClientStep::Again(client, c1) = client.on_message(&again, &greeting(), &mut rng(3)).unwrap() else {
        panic!("a retry leads to another C1");
    };
    let hello = ClientHello::parse(&c1).unwrap();
    assert!(key.verify(hello.cookie().unwrap(), b"prefix", 110));
    let (relay, s1) = RelayHandshake::answer(&identity, &Offer::v1(), &hello, &mut rng(2)).unwrap();
    let client = finished(client.on_message(&s1, &greeting(), &mut rng(3))).unwrap();
    assert!(relay.on_c2(&identity, &client.c2).is_ok());

    let (client, _) = ClientHandshake::start(identity.fingerprint(), Offer::v1(), &mut rng(1));
    let ClientStep::Again(client, _) = client.on_message(&again, &greeting(), &mut rng(3)).unwrap() else {
        panic!("a retry leads to another C1");
    };
    let error = client.on_message(&again, &greeting(), &mut rng(3)).unwrap_err();
    assert_eq!(error, ClientHandshakeError::Overloaded);
}

#[test]
fn bad_keys_of_a_client_are_refused() {
    let identity = identity(1);
    let (_, c1) = ClientHandshake::start(identity.fingerprint(), Offer::v1(), &mut rng(1));
    let x25519_at = c1.len() - 32 - 1_184;
    let kem_at = c1.len() - 1_184;
    for (at, bytes) in [(x25519_at, [0xff; 32]), (x25519_at, [0; 32]), (kem_at, [0xff; 32])] {
        let mut bad = c1.clone();
        bad[at..at + 32].copy_from_slice(&bytes);
        let hello = ClientHello::parse(&bad).unwrap();
        let error = RelayHandshake::answer(&identity, &Offer::v1(), &hello, &mut rng(2)).unwrap_err();
        assert_eq!(error, RelayHandshakeError::BadKey);
    }
}

/// Returns the C2 of a client that breaks the rules: its first record holds `plaintext`.
fn c2_with(client: ClientHandshake, s1: &[u8], plaintext: &[u8]) -> Vec<u8> {
    let finished = finished(client.on_message(s1, &greeting(), &mut rng(3))).unwrap();
    let record = finished.link.reseal_first(plaintext);
    [&finished.c2[..C2_HEAD_LEN], &record].concat()
}

#[test]
fn c2_holds_hello_alone() {
    let greeting = || Item::from(greeting());
    let bytes = |items: &[Item]| encode_items(items).unwrap();
    // Types that this version does not know, with the critical bit and without.
    let unknown = |flags: u8| [&bytes(&[greeting()])[..], &[0xff, 0x7f, flags, 0, 0, 0]].concat();
    // A Put of a size class that this version does not know shows a right as well.
    let unknown_class = [&bytes(&[greeting()])[..], &[0x20, 0, 1, 34, 0, 0, 1], &[1; 32], &[9]].concat();
    for (plaintext, is_taken) in [
        (bytes(&[greeting()]), true),
        (bytes(&[ping(1), greeting()]), false),
        (bytes(&[ping(1)]), false),
        (bytes(&[greeting(), ping(1)]), false),
        (bytes(&[greeting(), greeting()]), false),
        (vec![], false),
        (unknown(0), false),
        (unknown(1), false),
        (unknown_class, false),
    ] {
        let (identity, client, relay, s1) = half_way();
        let result = relay.on_c2(&identity, &c2_with(client, &s1, &plaintext));
        let error = result.as_ref().err().copied();
        assert_eq!(error, (!is_taken).then_some(RelayHandshakeError::NotHelloAlone), "{plaintext:?}");
    }
}

#[test]
fn c2_has_one_length() {
    let mut plaintext = encode_items(&[greeting().into()]).unwrap();
    for (padded_to, expected) in [
        (512, Ok(1_620)),
        (4_608, Err(RelayHandshakeError::NotAHandshake)),
        (264_192, Err(RelayHandshakeError::NotAHandshake)),
    ] {
        plaintext.resize(padded_to, 0);
        let (identity, client, relay, s1) = half_way();
        let c2 = c2_with(client, &s1, &plaintext);
        assert_eq!(relay.on_c2(&identity, &c2).map(|_| c2.len()), expected);
    }
}

#[test]
fn an_answer_without_a_list_of_versions_is_no_relay() {
    let identity = identity(1);
    let too_many: Vec<u8> = [vec![9], (1..10).flat_map(|version| [version, 0]).collect()].concat();
    for list in [&[0][..], &[2, 3, 0, 2, 0], &[2, 2, 0, 2, 0], &[1, 2], &[1, 2, 0, 0], &[], &too_many] {
        let (client, _) = ClientHandshake::start(identity.fingerprint(), Offer::v1(), &mut rng(1));
        let error = finished(client.on_message(&[b"ddNV", list].concat(), &greeting(), &mut rng(3)));
        assert_eq!(error.unwrap_err(), ClientHandshakeError::NotARelay, "{list:?}");
    }
}

#[test]
fn an_impostor_without_the_ml_kem_key_gets_no_link() {
    let (identity, client, _, s1) = half_way();
    let client = finished(client.on_message(&s1, &greeting(), &mut rng(3))).unwrap();
    // The same S1, and another ML-KEM secret: all that an impostor can have that holds the X25519 half alone.
    let (_, other, relay, s1) = half_way();
    let other = finished(other.on_message(&s1, &greeting(), &mut rng(4))).unwrap();
    let (mut relay, _) = relay.on_c2(&identity, &other.c2).unwrap();
    let record = relay.seal(&[ping(0)]).unwrap().remove(0);
    assert_eq!(client.link.on_first_record(&record).unwrap_err(), RecordError::Unauthentic);
}

#[test]
fn every_changed_byte_of_s1_is_seen() {
    let (_, _, _, s1) = half_way();
    // Beyond the head's fields a sample will do: it is all ciphertext.
    let positions = (0..64).chain((64..s1.len()).step_by(61)).chain([s1.len() - 1]);
    for at in positions {
        let (_, client, _, mut s1) = half_way();
        s1[at] ^= 1;
        assert!(finished(client.on_message(&s1, &greeting(), &mut rng(3))).is_err(), "byte {at}");
    }
}

#[test]
fn every_changed_byte_of_c2_is_seen() {
    let (_, client, _, s1) = half_way();
    let c2 = finished(client.on_message(&s1, &greeting(), &mut rng(3))).unwrap().c2;
    for at in (0..8).chain((8..c2.len()).step_by(61)).chain([c2.len() - 1]) {
        let (identity, _, relay, _) = half_way();
        let mut c2 = c2.clone();
        c2[at] ^= 1;
        assert!(relay.on_c2(&identity, &c2).is_err(), "byte {at}");
    }
}

#[test]
fn every_truncation_is_refused() {
    let (identity, client, relay, s1) = half_way();
    let (_, c1) = ClientHandshake::start(identity.fingerprint(), Offer::v1(), &mut rng(1));
    for len in (0..c1.len()).chain([c1.len() + 1]) {
        let mut cut = c1.clone();
        cut.resize(len, 0);
        assert!(ClientHello::parse(&cut).is_err());
    }
    for len in (0..s1.len()).step_by(7).chain([s1.len() + 1]) {
        let (_, client, _, _) = if len % 3 == 0 { half_way() } else { continue };
        let mut cut = s1.clone();
        cut.resize(len, 0);
        let error = finished(client.on_message(&cut, &greeting(), &mut rng(3))).unwrap_err();
        assert_eq!(error, ClientHandshakeError::NotARelay);
    }
    let c2 = finished(client.on_message(&s1, &greeting(), &mut rng(3))).unwrap().c2;
    let error = relay.on_c2(&identity, &c2[..c2.len() - 1]).unwrap_err();
    assert_eq!(error, RelayHandshakeError::NotAHandshake);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn bytes_from_nowhere_do_no_harm(tail in proptest::collection::vec(any::<u8>(), 0..2_500), magic in 0..4_usize) {
        let magic: &[u8] = [&b"ddC1"[..], b"ddS1", b"ddRT", b"ddNV"][magic];
        let message = [magic, &tail].concat();
        let _ = ClientHello::parse(&message).is_err();
        let pinned = deaddrop_wire::Fingerprint::from_bytes([0; 32]);
        let (client, _) = ClientHandshake::start(&pinned, Offer::v1(), &mut rng(1));
        let _ = client.on_message(&message, &greeting(), &mut rng(3)).is_err();
    }
}
