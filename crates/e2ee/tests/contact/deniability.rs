//! Each side can make the whole transcript alone: with its own secrets, the other's public identity
//! and its own session's state it writes both halves of a conversation, and the code accepts the
//! other half as the other person's. So a transcript proves to a third party only that one of the
//! two wrote it.

use super::people::{NOW, Person, TODAY, pass, strangers};
use deaddrop_e2ee::{
    contact::{InvitePolicy, ResetError, ResetKind},
    content::{self, Content, StreamId},
    identity::IDENTITY_KEY_LEN,
    invite::PendingInvite,
    session::{Session, Standing},
};
use deaddrop_primitives::{
    aead,
    hash::sha256,
    hkdf::{Prk, extract},
    kem, x25519,
};
use deaddrop_testkit::rng;
use rand_chacha::ChaCha20Rng;
use rand_core::Rng;

const NONCE_0: [u8; 12] = [0; 12];
/// Number of bytes of one receiving chain in a session's snapshot: turn, header key, message
/// number, flag, chain key, and the traces of read messages.
const CHAIN: usize = 4 + 32 + 4 + 1 + 32 + 8 + 64 * 4;

fn label(text: &str) -> Vec<u8> {
    format!("deaddrop/1 {text}\0").into_bytes()
}

fn expand<const N: usize>(prk: &Prk, text: &str, context: &[u8]) -> [u8; N] {
    prk.expand(&[&label(text), context])
}

fn hash(text: &str, parts: &[&[u8]]) -> [u8; 32] {
    sha256(&[&label(text), &parts.concat()])
}

/// Returns the other side's session, made from the forger's own snapshot (spec/08-snapshots.md).
/// The newest turn must be the forger's.
fn mirror(forger: &Person) -> Session {
    let own = forger.identity.identity_key();
    let row = forger.contact.sending().unwrap().snapshot();
    let turn = u32::from_le_bytes(row[50..54].try_into().unwrap());
    let chains = usize::from(row[154]);
    // What the other side has said in its turn before; the next message says this number.
    let spoken: &[u8] = if chains == 0 { &[0; 4] } else { &row[155 + 36..155 + 40] };
    let side = &row[155 + chains * CHAIN..];
    assert_eq!(side[0], 0, "the newest turn is one's own");
    let (secrets, rest) = side[1..].split_at(32 + 64);
    let (chain, rest) = rest.split_at(32);
    let (header, rest) = rest.split_at(32);
    let (number, rest) = rest.split_at(4);
    // The public keys of the turn; behind them the ciphertexts and a number.
    let (keys, rest) = rest.split_at(32 + 1_184);
    let secret = x25519::SecretKey::from_bytes(secrets[..32].try_into().unwrap());
    assert_eq!(secret.public_key().as_bytes(), &keys[..32]);
    let (identity, initial) = if turn == 0 {
        // To answer, the responder needs the initiator's ML-KEM key, and knows the first message.
        let initial = &rest[4..];
        assert_eq!(initial[0], 1);
        let identity = [&[1], &own.as_bytes()[64..]].concat();
        (identity, [&[2], &initial[1..33], &sha256(&[&initial[33..]])].concat())
    } else {
        (vec![0], vec![0])
    };
    let mirrored = [
        &[row[0], 1 - row[1]],
        &row[2..18],
        own.hash().as_bytes(),
        &row[50..150],
        spoken,
        &[1],
        &turn.to_le_bytes(),
        header,
        number,
        &[1],
        chain,
        &[0; 8 + 64 * 4],
        &[1],
        keys,
        &identity,
        &initial,
    ]
    .concat();
    let no_reset_secrets = [&[1][..], &[0; 3 * 37]].concat();
    Session::load(&mirrored, &no_reset_secrets, []).unwrap()
}

/// Returns the body of a reset bundle in the name of the identity `of`, with prekeys that the
/// forger generates and so knows.
fn forged_bundle(of: &[u8; IDENTITY_KEY_LEN], random: &mut ChaCha20Rng) -> Vec<u8> {
    let mut salt = [0; 32];
    random.fill_bytes(&mut salt);
    let px = x25519::SecretKey::generate(random);
    let pk = kem::DecapsulationKey::generate(random);
    let last_day = TODAY.plus(90).number().to_le_bytes();
    let ek = pk.encapsulation_key().as_bytes();
    [&[2, 1], &last_day[..], &salt, of, px.public_key().as_bytes(), ek, &[0; 2]].concat()
}

/// Returns two envelopes that the forger makes in the other person's name: a text with the first
/// number, then a reset bundle and a text with the second number.
fn say_as_the_other(forger: &Person, other: &[u8; IDENTITY_KEY_LEN], numbers: [u64; 2]) -> Vec<Vec<u8>> {
    let mut random = rng(numbers[0]);
    let mut session = mirror(forger);
    let bundle = forged_bundle(other, &mut random);
    let text = |number: u64| Content::Text { stream: StreamId([9; 16]), number, text: "never said".into() };
    [vec![text(numbers[0])], vec![Content::ResetBundle { bundle }, text(numbers[1])]]
        .map(|items| {
            let bytes = content::encode(&items).unwrap();
            session.encrypt(&bytes, &mut random).unwrap().0.into_bytes()
        })
        .into()
}

/// Makes both halves of a conversation as one person, and asserts that the forger's own code
/// accepts the other half.
fn talk_alone(forger: &mut Person, other: &[u8; IDENTITY_KEY_LEN]) {
    assert_eq!(forger.reset(ResetKind::Hard, NOW), Err(ResetError::NoBundle));
    for numbers in [[1, 2], [3, 4]] {
        for envelope in say_as_the_other(forger, other, numbers) {
            forger.hear(&envelope).unwrap();
        }
        assert!(numbers.iter().all(|number| forger.read.contains(number)));
        assert!(forger.say());
    }
    assert_eq!(forger.contact.standing(), Some(Standing::Established));
    assert_eq!(forger.reset(ResetKind::Hard, NOW), Ok(()), "the forged bundle was taken for the other's");
}

#[test]
fn the_initiator_alone_makes_the_whole_transcript() {
    // Of the other person: an invite, and nothing more.
    let (mut forger, mut other) = strangers(61);
    let (pending, blob) = other.invite();
    let public = *other.identity.identity_key().as_bytes();
    drop(other);
    forger.take(&pending, &blob, InvitePolicy::KeepSessions);
    forger.say();
    talk_alone(&mut forger, &public);
}

/// Returns a first message to an own invite in the name of `sender`, made from the inviter's
/// secrets and the public keys of `sender` (spec/04-handshake.md).
fn forged_first_message(
    inviter: &Person,
    pending: &PendingInvite,
    sender: &[u8; IDENTITY_KEY_LEN],
    items: &[Content],
) -> Vec<u8> {
    let mut random = rng(5);
    let row = pending.to_bytes();
    let h: &[u8; 32] = row[1..33].try_into().unwrap();
    let px = x25519::SecretKey::from_bytes(row[37..69].try_into().unwrap());
    let pk = kem::DecapsulationKey::from_seed(row[69..].try_into().unwrap());
    let seed = extract(&label("identity"), &[inviter.identity.seed().expose()]);
    let x_b = x25519::SecretKey::from_bytes(&expand(&seed, "identity x25519", &[]));
    let k_b = kem::DecapsulationKey::from_seed(&seed.expand(&[&label("identity ml-kem-768")]));
    let x_a = x25519::PublicKey::from_bytes(sender[32..64].try_into().unwrap()).unwrap();

    let invite = extract(&label("invite"), &[h]);
    let e = x25519::SecretKey::generate(&mut random);
    let (ct_id, ss_id) = k_b.encapsulation_key().encapsulate(&mut random);
    let (ct_pre, ss_pre) = pk.encapsulation_key().encapsulate(&mut random);
    let ratchet = x25519::SecretKey::generate(&mut random);
    let ratchet_kem = kem::DecapsulationKey::generate(&mut random);
    let t1 = hash("handshake 1", &[h, e.public_key().as_bytes(), &ct_id, &ct_pre]);
    let dh =
        |secret: &x25519::SecretKey, key: &x25519::PublicKey| *secret.diffie_hellman(key).unwrap().expose();
    let psk: [u8; 32] = expand(&invite, "invite psk", &[]);
    let ephemeral = [dh(&e, x_b.public_key()), dh(&e, px.public_key()), *ss_id.expose(), *ss_pre.expose()];
    let p1 = extract(&psk, &ephemeral.each_ref().map(|secret| &secret[..]));
    let id_box = aead::seal(&expand(&p1, "handshake identity", &t1), &NONCE_0, &t1, sender);
    let t2 = hash("handshake 2", &[&t1, sender]);
    let chain: [u8; 32] = expand(&p1, "handshake chain", &t1);
    let p2 = extract(&chain, &[&dh(&px, &x_a), &dh(&x_b, &x_a)]);
    let s = Prk::from_bytes(expand(&p2, "handshake session", &t2));

    let mut r = [0; 12];
    random.fill_bytes(&mut r);
    let constants =
        [&ratchet.public_key().as_bytes()[..], ratchet_kem.encapsulation_key().as_bytes()].concat();
    let header = [&constants[..], &[0; 8]].concat();
    let sealed = aead::seal(&expand(&s, "session header 0", &[]), &r, &label("header"), &header);
    let header_box = [&r[..], &sealed].concat();
    let chain = Prk::from_bytes(expand(&s, "session chain", &[]));
    let message = Prk::from_bytes(expand(&chain, "message", &[]));
    let flight = [&e.public_key().as_bytes()[..], &ct_id, &ct_pre, &id_box].concat();
    let mut padded = content::encode(items).unwrap().to_vec();
    padded.push(0x80);
    padded.resize(16_384 - 28 - flight.len() - header_box.len() - 16, 0);
    let body = aead::seal(&expand(&message, "body", &r), &NONCE_0, &header_box, &padded);
    let plain = [flight, header_box, body].concat();
    let k_init: [u8; 32] = expand(&invite, "invite initial", &[]);
    [&r[..], &aead::seal(&k_init, &r, &label("initial"), &plain)].concat()
}

#[test]
fn the_responder_alone_makes_the_whole_transcript() {
    // Of the other person: the public identity, and nothing more.
    let (other, mut forger) = strangers(62);
    let public = *other.identity.identity_key().as_bytes();
    drop(other);
    let (pending, _) = forger.invite();
    let text = Content::Text { stream: StreamId([9; 16]), number: 100, text: "never said".into() };
    let items = [Content::Hello { address: b"nowhere".to_vec() }, text];
    let first = forged_first_message(&forger, &pending, &public, &items);
    forger.accept(&pending, &first, InvitePolicy::KeepSessions);
    assert!(forger.read.contains(&100));
    forger.say();
    talk_alone(&mut forger, &public);
}

#[test]
fn the_same_conversation_can_be_had_with_the_other_person() {
    // What the forgers above do alone is what two people do.
    let (mut one, mut two) = strangers(63);
    let (pending, blob) = two.invite();
    one.take(&pending, &blob, InvitePolicy::KeepSessions);
    one.say();
    let first = one.sent.pop().unwrap();
    two.accept(&pending, &first, InvitePolicy::KeepSessions);
    for _ in 0..2 {
        two.say();
        pass(&mut two, &mut one);
        one.say();
        pass(&mut one, &mut two);
    }
    for person in [&mut one, &mut two] {
        assert_eq!(person.reset(ResetKind::Hard, NOW), Ok(()));
    }
}
