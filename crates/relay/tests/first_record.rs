//! The relay takes a Hello as the first record of a link, and nothing else. The client of this test
//! computes the handshake from the formulas of spec/10-link.md, because the link crate cannot send
//! anything else in C2.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::{Relay, blob, hello, init, websocket};
use deaddrop_link::capability::SendCapability;
use deaddrop_primitives::{aead, hash::sha256, hkdf, kem, x25519};
use deaddrop_wire::item::{Ping, Put};
use deaddrop_wire::{Item, RelayAddress, SizeClass, encode_items};
use futures_util::{SinkExt, StreamExt};
use tokio_websockets::Message;

const NONCE_0: [u8; 12] = [0; 12];

fn label(text: &str) -> Vec<u8> {
    format!("deaddrop/1 {text}\0").into_bytes()
}

fn extract(salt: &[u8], parts: &[&[u8]]) -> hkdf::Prk {
    hkdf::extract(salt, parts)
}

fn expand(prk: &hkdf::Prk, text: &str, transcript: &[u8; 32]) -> [u8; 32] {
    prk.expand(&[&label(text), transcript])
}

fn transcript(number: u8, parts: &[&[u8]]) -> [u8; 32] {
    sha256(&[&label(&format!("link transcript {number}")), &parts.concat()])
}

/// Sends C1, receives S1 and sends a C2 whose record holds `plaintext`. Returns true if the relay
/// answers with a record, false if it closes the connection.
async fn is_answered(address: &RelayAddress, plaintext: &[u8]) -> bool {
    let mut rng = rand::rng();
    let e_c = x25519::SecretKey::generate(&mut rng);
    let dk_c = kem::DecapsulationKey::generate(&mut rng);
    let c1 = [
        &b"ddC1\x01\x01\0"[..],
        &[0; 8],
        &[0],
        e_c.public_key().as_bytes(),
        dk_c.encapsulation_key().as_bytes(),
    ]
    .concat();
    let mut ws = websocket(address).await.unwrap();
    ws.send(Message::binary(c1.clone())).await.unwrap();
    let s1 = ws.next().await.unwrap().unwrap().as_payload().to_vec();
    let (head, rest) = s1.split_at(1_134);
    let (sealed, confirmation) = rest.split_at(1_232);

    let e_r = x25519::PublicKey::from_bytes(head[14..46].try_into().unwrap()).unwrap();
    let ss_e = dk_c.decapsulate(head[46..].try_into().unwrap());
    let h1 = transcript(1, &[&c1, head]);
    let p1 = extract(&label("link"), &[e_c.diffie_hellman(&e_r).unwrap().expose(), ss_e.expose()]);
    let public = aead::open(&expand(&p1, "link static", &h1), &NONCE_0, &h1, sealed).unwrap();
    let (x, ek) = public.split_at(32);
    let x = x25519::PublicKey::from_bytes(x.try_into().unwrap()).unwrap();
    let ek = kem::EncapsulationKey::from_bytes(ek.try_into().unwrap()).unwrap();
    let h2 = transcript(2, &[&h1, sealed]);
    let chain = expand(&p1, "link chain 1", &h1);
    let p2 = extract(&chain, &[e_c.diffie_hellman(&x).unwrap().expose()]);
    let (ct_s, ss_s) = ek.encapsulate(&mut rng);
    let head = [&b"ddC2"[..], &ct_s].concat();
    let h3 = transcript(3, &[&h2, confirmation, &head]);
    let p3 = extract(&expand(&p2, "link chain 2", &h2), &[ss_s.expose()]);
    let mut plaintext = plaintext.to_vec();
    plaintext.resize(if plaintext.len() <= 512 { 512 } else { 4_608 }, 0);
    let record = aead::seal(&expand(&p3, "link client", &h3), &NONCE_0, &[], &plaintext);
    ws.send(Message::binary([head, record].concat())).await.unwrap();
    match tokio::time::timeout(common::PATIENCE, ws.next()).await.expect("an answer, or the end") {
        Some(Ok(message)) => message.is_binary(),
        Some(Err(_)) | None => false,
    }
}

#[tokio::test]
async fn the_first_record_of_a_link_holds_hello_alone() {
    let dir = tempfile::tempdir().unwrap();
    init(dir.path());
    let relay = Relay::serve(dir.path(), &[]);
    let address = &relay.address;
    let put = || {
        let send = SendCapability::generate(&mut rand::rng()).present(address.fingerprint());
        Item::from(Put { req: 1, send, blob: blob(SizeClass::Small) })
    };
    let bytes = |items: &[Item]| encode_items(items).unwrap();
    let hello = || Item::from(hello(1));
    assert!(is_answered(address, &bytes(&[hello()])).await);
    // The same in a longer record.
    let longer = [bytes(&[hello()]), vec![0; 4_000]].concat();
    assert!(!is_answered(address, &longer).await, "a longer C2");

    let ping = || Item::from(Ping { nonce: 1 });
    for refused in [vec![hello(), put()], vec![put()], vec![hello(), ping()], vec![hello(), hello()], vec![]]
    {
        assert!(!is_answered(address, &bytes(&refused)).await, "{refused:?}");
    }
    // A Put of a size class that this version does not know is short enough for C2, and shows a right.
    let put = [&[0x20, 0, 1, 34, 0, 0, 1][..], &[0x5e; 32], &[9]].concat();
    assert!(!is_answered(address, &[bytes(&[hello()]), put].concat()).await, "a Put of an unknown class");
    // An item that this version does not know, with the critical bit and without.
    for flags in 0..=1 {
        let unknown = [&bytes(&[hello()])[..], &[0xff, 0x7f, flags, 0, 0, 0]].concat();
        assert!(!is_answered(address, &unknown).await, "flags {flags}");
    }
    assert!(relay.stop());
}
