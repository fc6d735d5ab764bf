//! An honest handshake of a client with a relay.

use crate::{
    json::{Json, Object},
    random::Recorder,
};
use deaddrop_link::{ClientHandshake, ClientHello, ClientStep, RelayHandshake, RelayIdentity, RelaySeed};
use deaddrop_wire::{ClientToken, Fingerprint, Item, Offer, encode_items, item::Hello};

pub(super) fn offer(versions: &[u16], features: u64) -> Object {
    let versions: Vec<Json> = versions.iter().map(|version| Json::from(*version)).collect();
    Object::new().with("versions", versions).with("features", features)
}

pub(super) fn one_item(item: Item) -> Vec<u8> {
    encode_items(&[item]).expect("short")
}

/// Returns the Hello that the client sends in every handshake of the vectors.
pub(super) fn greeting() -> Hello {
    Hello {
        features: 0,
        ping_s: 45,
        window_blobs: 64,
        window_bytes: 1 << 20,
        client: ClientToken::from_bytes([0x0c; 16]),
        relay: None,
    }
}

/// An honest handshake: its inputs and its three messages.
pub(super) struct Shake {
    pub(super) relay_seed: [u8; 32],
    pub(super) random: [Vec<u8>; 3],
    pub(super) identity: RelayIdentity,
    pub(super) c1: Vec<u8>,
    pub(super) s1: Vec<u8>,
    pub(super) c2: Vec<u8>,
}

impl Shake {
    pub(super) fn new(seed: u64) -> Self {
        let mut r = Recorder::new(seed);
        let relay_seed = r.bytes();
        let identity = RelayIdentity::from_seed(&RelaySeed::from_bytes(relay_seed));
        let (client, c1) = ClientHandshake::start(identity.fingerprint(), Offer::v1(), &mut r);
        let first = r.take();
        let hello = ClientHello::parse(&c1).expect("honest");
        let (_, s1) = RelayHandshake::answer(&identity, &Offer::v1(), &hello, &mut r).expect("honest");
        let second = r.take();
        let greeting = greeting();
        let Ok(ClientStep::Finished(finished)) = client.on_message(&s1, &greeting, &mut r) else {
            unreachable!("an honest answer finishes")
        };
        let random = [first, second, r.take()];
        Self { relay_seed, random, identity, c1, s1, c2: finished.c2 }
    }

    pub(super) fn input(&self, steps: Vec<Object>) -> Object {
        Object::new()
            .hex("relay_seed", self.relay_seed)
            .with("client_offer", offer(&[1], 0))
            .with("relay_offer", offer(&[1], 0))
            .hex("client_random_1", &self.random[0])
            .hex("relay_random", &self.random[1])
            .hex("client_random_2", &self.random[2])
            .hex("hello", one_item(greeting().into()))
            .with("steps", steps)
    }

    pub(super) fn answer(&self, c1: &[u8], relay_offer: Object) -> Object {
        Object::new()
            .hex("relay_seed", self.relay_seed)
            .with("relay_offer", relay_offer)
            .hex("c1", c1)
            .hex("relay_random", &self.random[1])
    }

    pub(super) fn step(&self, fingerprint: &Fingerprint, message: &[u8]) -> Object {
        Object::new()
            .hex("fingerprint", fingerprint.as_bytes())
            .with("client_offer", offer(&[1], 0))
            .hex("client_random_1", &self.random[0])
            .hex("message", message)
            .hex("client_random_2", &self.random[2])
            .hex("hello", one_item(greeting().into()))
    }

    pub(super) fn honest(&self, message: &[u8]) -> Object {
        self.step(self.identity.fingerprint(), message)
    }

    pub(super) fn finish(&self, c2: &[u8]) -> Object {
        self.answer(&self.c1, offer(&[1], 0)).hex("c2", c2)
    }
}
