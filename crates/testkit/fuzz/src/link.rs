//! Links: each handshake message of any bytes, records of any items.

use super::input::Input;
use deaddrop_link::{
    ClientFinished, ClientHandshake, ClientHandshakeError, ClientHello, ClientStep, LinkSession, RecordError,
    RelayHandshake, RelayIdentity, RelaySeed,
};
use deaddrop_testkit::rng;
use deaddrop_wire::{ClientToken, Offer, decode_items, item::Hello};
use std::sync::OnceLock;

fn relay() -> &'static RelayIdentity {
    static RELAY: OnceLock<RelayIdentity> = OnceLock::new();
    RELAY.get_or_init(|| RelayIdentity::from_seed(&RelaySeed::from_bytes([3; 32])))
}

fn start() -> (ClientHandshake, Vec<u8>) {
    ClientHandshake::start(relay().fingerprint(), Offer::v1(), &mut rng(1))
}

fn answer(c1: &[u8]) -> Option<(RelayHandshake, Vec<u8>)> {
    let hello = ClientHello::parse(c1).ok()?;
    RelayHandshake::answer(relay(), &Offer::v1(), &hello, &mut rng(2)).ok()
}

fn greeting() -> Hello {
    let client = ClientToken::from_bytes([5; 16]);
    Hello { features: 0, ping_s: 45, window_blobs: 64, window_bytes: 1 << 20, client, relay: None }
}

fn finish(client: ClientHandshake, s1: &[u8]) -> Result<ClientFinished, Option<ClientHandshakeError>> {
    match client.on_message(s1, &greeting(), &mut rng(4)) {
        Ok(ClientStep::Finished(finished)) => Ok(finished),
        Ok(ClientStep::Again(..)) => Err(None),
        Err(error) => Err(Some(error)),
    }
}

/// Returns the genuine message with changes that the input chooses, or bytes in place of it. The
/// bits of `mode` choose the kinds of changes.
fn changed(genuine: &[u8], input: &mut Input<'_>, mode: u8) -> Vec<u8> {
    let mut bytes = genuine.to_vec();
    input.change(&mut bytes);
    if mode & 0x10 != 0 {
        bytes.truncate(usize::from(input.u16()));
    }
    if mode & 0x20 != 0 {
        bytes.splice(..usize::from(input.u16()).min(bytes.len()), input.rest().iter().copied());
    } else {
        bytes.extend_from_slice(input.rest());
    }
    bytes
}

pub fn handshake(data: &[u8]) {
    let mut input = Input(data);
    let mode = input.u8();
    let (client, c1) = start();
    match mode % 3 {
        0 => {
            let bytes = changed(&c1, &mut input, mode);
            let Some((_, s1)) = answer(&bytes) else {
                assert_ne!(bytes, c1);
                return;
            };
            assert_eq!(finish(client, &s1).is_ok(), bytes == c1, "both must have seen the same C1");
        }
        1 => {
            let (_, s1) = answer(&c1).expect("genuine");
            let bytes = changed(&s1, &mut input, mode);
            match client.on_message(&bytes, &greeting(), &mut rng(4)) {
                Ok(ClientStep::Finished(_)) => assert_eq!(bytes, s1, "a changed S1 was taken"),
                Ok(ClientStep::Again(client, again)) => {
                    assert!(ClientHello::parse(&again).expect("genuine").cookie().is_some());
                    assert_eq!(
                        client.on_message(&bytes, &greeting(), &mut rng(4)).err(),
                        Some(ClientHandshakeError::Overloaded)
                    );
                }
                Err(_) => assert_ne!(bytes, s1),
            }
        }
        _ => {
            let (relay_side, s1) = answer(&c1).expect("genuine");
            let c2 = finish(client, &s1).expect("genuine").c2;
            let bytes = changed(&c2, &mut input, mode);
            let opened = relay_side.on_c2(relay(), &bytes);
            assert_eq!(opened.is_ok(), bytes == c2, "exactly the genuine C2 is taken");
        }
    }
}

/// Returns the two sides of an open link: client, relay.
fn established() -> (LinkSession, LinkSession) {
    let (client, c1) = start();
    let (relay_side, s1) = answer(&c1).expect("genuine");
    let client = finish(client, &s1).expect("genuine");
    let (mut relay_side, _) = relay_side.on_c2(relay(), &client.c2).expect("genuine");
    let first = relay_side.seal(&[greeting().into()]).expect("short");
    let (client, _) = client.link.on_first_record(&first[0]).expect("genuine");
    (client, relay_side)
}

/// Runs the target `link_record`: seals items at the client and opens them at the relay. The items
/// arrive as they were, and a changed record ends the link.
pub fn record(data: &[u8]) {
    let mut input = Input(data);
    let (at, mask) = (input.u32() as usize, input.u8());
    let Ok(received) = decode_items(input.rest()) else { return };
    let (mut client, mut relay_side) = established();
    let records = client.seal(&received.items).expect("what decodes can be sent");
    let mut arrived = Vec::new();
    let last = records.len().saturating_sub(1);
    for (number, mut record) in records.into_iter().enumerate() {
        if number == last && mask != 0 {
            let at = at % record.len();
            record[at] ^= mask;
            assert_eq!(relay_side.open(&record).err(), Some(RecordError::Unauthentic));
            record[at] ^= mask;
            assert_eq!(relay_side.open(&record).err(), Some(RecordError::Dead));
            return;
        }
        let received = relay_side.open(&record).expect("genuine, in order");
        assert!(received.unsupported.is_empty());
        arrived.extend(received.items);
    }
    assert!(arrived == received.items);
}
