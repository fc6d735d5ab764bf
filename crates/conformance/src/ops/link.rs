//! Links: all values of a handshake with records after it, and the refusals of each side.

use crate::{
    class::Class as _,
    json::{BadField, Json, Object},
    outcome::Outcome,
    random::Script,
    second::{LinkSecrets, link_keys},
};
use deaddrop_link::{
    ClientFinished, ClientHandshake, ClientHandshakeError, ClientHello, ClientStep, Cookie, CookieKey,
    LinkSession, RecordError, RelayHandshake, RelayIdentity, RelaySeed, UnprovenLink, retry,
};
use deaddrop_primitives::{kem, x25519};
use deaddrop_wire::{Features, Fingerprint, Item, Offer, Received, Version, decode_items, item::Hello};

fn offer(input: &Object, name: &str) -> Result<Offer, BadField> {
    let bad = || BadField(name.to_owned());
    let object = input.object(name)?;
    let versions = object.list("versions")?.iter().map(|version| match version {
        Json::Number(version) => u16::try_from(*version).map(Version).map_err(|_| bad()),
        _ => Err(bad()),
    });
    let features = Features(object.number("features")?);
    Offer::new(versions.collect::<Result<_, _>>()?, features).ok_or_else(bad)
}

fn items(input: &Object, name: &str) -> Result<Vec<Item>, BadField> {
    let received = decode_items(&input.bytes(name)?).map_err(|_| BadField(name.to_owned()))?;
    Ok(received.items)
}

fn greeting(input: &Object) -> Result<Hello, BadField> {
    match items(input, "hello")?.as_slice() {
        [Item::Hello(hello)] => Ok(*hello),
        _ => Err(BadField("hello".to_owned())),
    }
}

fn identity(input: &Object) -> Result<RelayIdentity, BadField> {
    Ok(RelayIdentity::from_seed(&RelaySeed::from_bytes(input.array("relay_seed")?)))
}

/// Makes the client's first message C1. If the vector has a cookie, makes the C1 with which the
/// client answers the relay's Retry.
fn client_c1(input: &Object, pinned: &Fingerprint) -> Result<(ClientHandshake, Vec<u8>), BadField> {
    let mut random = Script::new(input.bytes("client_random_1")?);
    let (client, c1) = ClientHandshake::start(pinned, offer(input, "client_offer")?, &mut random);
    random.finish("client_random_1")?;
    if input.find("cookie").is_none() {
        return Ok((client, c1));
    }
    let again = retry(&Cookie::from_bytes(input.array("cookie")?));
    match client.on_message(&again, &greeting(input)?, &mut Script::new(Vec::new())) {
        Ok(ClientStep::Again(client, c1)) => Ok((client, c1)),
        _ => Err(BadField("cookie".to_owned())),
    }
}

fn finished(step: Result<ClientStep, ClientHandshakeError>) -> Result<ClientFinished, String> {
    match step {
        Ok(ClientStep::Finished(finished)) => Ok(finished),
        Ok(ClientStep::Again(..)) => Err("again".to_owned()),
        Err(error) => Err(error.class()),
    }
}

/// Runs a handshake of client and relay, and the steps after it.
pub(super) fn link(input: &Object) -> Result<Outcome, BadField> {
    let bad = |field: &str| BadField(field.to_owned());
    let identity = identity(input)?;
    let (client, c1) = client_c1(input, identity.fingerprint())?;
    let hello = ClientHello::parse(&c1).map_err(|_| bad("client_offer"))?;
    let mut random = Script::new(input.bytes("relay_random")?);
    let answered = RelayHandshake::answer(&identity, &offer(input, "relay_offer")?, &hello, &mut random);
    let (relay, s1) = answered.map_err(|_| bad("relay_offer"))?;
    random.finish("relay_random")?;
    let mut random = Script::new(input.bytes("client_random_2")?);
    let greeting = greeting(input)?;
    let client = finished(client.on_message(&s1, &greeting, &mut random)).map_err(|_| bad("hello"))?;
    random.finish("client_random_2")?;
    let c2 = client.c2;
    let (relay, received) = relay.on_c2(&identity, &c2).map_err(|_| bad("hello"))?;
    if received != greeting {
        return Err(bad("hello"));
    }
    let intermediate = trace(input, &identity, [&c1, &s1, &c2]).ok_or_else(|| bad("relay_random"))?;
    let version = relay.version().0;
    let (expect, steps) = steps(input, End::Unproven(client.link), End::Open(relay))?;
    let output = Object::new()
        .hex("c1", &c1)
        .hex("s1", &s1)
        .hex("c2", c2)
        .with("version", version)
        .with("steps", steps);
    Ok(Outcome { expect, intermediate, output })
}

/// Computes all intermediate values of chapter 10 section 4 without the crate `link`; `None` if an
/// input is missing, a length is wrong or a key is invalid.
fn trace(input: &Object, identity: &RelayIdentity, [c1, s1, c2]: [&[u8]; 3]) -> Option<Object> {
    let client_random: [u8; 96] = input.array("client_random_1").ok()?;
    let (e_c, kem_seed) = client_random.split_first_chunk::<32>()?;
    let relay_random: [u8; 64] = input.array("relay_random").ok()?;
    let (e_r, _) = relay_random.split_first_chunk::<32>()?;
    let (e_c, e_r) = (x25519::SecretKey::from_bytes(e_c), x25519::SecretKey::from_bytes(e_r));
    let dk_c = kem::DecapsulationKey::from_seed(kem_seed.try_into().ok()?);
    let (x, ek) = identity.public_bytes().split_first_chunk::<32>()?;
    let ek = kem::EncapsulationKey::from_bytes(ek.try_into().ok()?).ok()?;
    let (c2_head, _) = c2.split_at_checked(1_092)?;
    let ct_e = s1.get(46..1_134)?;
    let (_, ss_s) = ek.encapsulate(&mut Script::new(input.bytes("client_random_2").ok()?));
    let secrets = LinkSecrets {
        dh_ephemeral: *e_c.diffie_hellman(e_r.public_key()).ok()?.expose(),
        kem_ephemeral: *dk_c.decapsulate(ct_e.try_into().ok()?).expose(),
        dh_identity: *e_c.diffie_hellman(&x25519::PublicKey::from_bytes(x).ok()?).ok()?.expose(),
        kem_identity: *ss_s.expose(),
    };
    let keys = link_keys(c1, s1, c2_head, &secrets)?;
    let ([h1, h2, h3], [k_static, chain_1, k_confirm, chain_2]) = (keys.transcripts, keys.stages);
    let [k_client, k_relay] = keys.records;
    Some(
        Object::new()
            .hex("relay_public", identity.public_bytes())
            .hex("fingerprint", identity.fingerprint().as_bytes())
            .hex("dh_ephemeral", secrets.dh_ephemeral)
            .hex("ss_e", secrets.kem_ephemeral)
            .hex("h1", h1)
            .hex("k_static", k_static)
            .hex("c1", chain_1)
            .hex("dh_identity", secrets.dh_identity)
            .hex("h2", h2)
            .hex("k_confirm", k_confirm)
            .hex("c2", chain_2)
            .hex("ss_s", secrets.kem_identity)
            .hex("h3", h3)
            .hex("k_client", k_client)
            .hex("k_relay", k_relay),
    )
}

/// One side of a link after the handshake.
enum End {
    Unproven(UnprovenLink),
    Open(LinkSession),
    Dead,
}

impl End {
    /// Seals items as one record. Returns `None` when this side cannot send yet, or if the items
    /// need several records.
    fn seal(&mut self, items: &[Item]) -> Option<Vec<u8>> {
        let Self::Open(link) = self else { return None };
        let mut sealed = link.seal(items).ok()?;
        sealed.pop().filter(|_| sealed.is_empty())
    }

    fn open(&mut self, record: &[u8]) -> Result<Received, RecordError> {
        match core::mem::replace(self, Self::Dead) {
            Self::Unproven(link) => {
                let (link, received) = link.on_first_record(record)?;
                *self = Self::Open(link);
                Ok(received)
            }
            Self::Open(mut link) => {
                let received = link.open(record);
                *self = Self::Open(link);
                received
            }
            Self::Dead => Err(RecordError::Dead),
        }
    }
}

/// Runs steps over a link. `seal` yields a record (with `times` the last of so many records of the
/// same items, of which the other side opens the earlier ones); `open` takes a record given in
/// full, or that of an earlier step. Returns the class of the first refusal, or `ok`, and the
/// result of each step.
fn steps(input: &Object, mut client: End, mut relay: End) -> Result<(String, Vec<Object>), BadField> {
    let bad = |field: &str| BadField(field.to_owned());
    let mut expect = "ok".to_owned();
    let (mut outputs, mut records) = (Vec::new(), Vec::new());
    for step in input.objects("steps")? {
        let (own, other) = match step.text("by")? {
            "client" => (&mut client, &mut relay),
            "relay" => (&mut relay, &mut client),
            _ => return Err(bad("by")),
        };
        let mut last = Vec::new();
        let output = match step.text("do")? {
            "seal" => {
                let items = items(step, "items")?;
                let times: u32 = if step.find("times").is_some() { step.number("times")? } else { 1 };
                if times == 0 || times > 70_000 {
                    return Err(bad("times"));
                }
                for round in 0..times {
                    last = own.seal(&items).ok_or_else(|| bad("items"))?;
                    if round + 1 < times {
                        other.open(&last).map_err(|_| bad("times"))?;
                    }
                }
                Object::new().hex("record", &last)
            }
            "open" => {
                let record: Vec<u8> = match step.find("of") {
                    Some(_) => records.get(step.number::<usize>("of")?).cloned().ok_or_else(|| bad("of"))?,
                    None => step.bytes("record")?,
                };
                match own.open(&record) {
                    Ok(received) => {
                        let items = received.items.iter().map(super::item_as_json);
                        Object::new().with("items", items.collect::<Result<Vec<_>, _>>()?)
                    }
                    Err(error) => {
                        let class = error.class();
                        if expect == "ok" {
                            expect.clone_from(&class);
                        }
                        Object::new().with("refused", class)
                    }
                }
            }
            _ => return Err(bad("do")),
        };
        records.push(last);
        outputs.push(output);
    }
    Ok((expect, outputs))
}

/// Computes a relay's answer S1 to C1.
pub(super) fn relay_answer(input: &Object) -> Result<Outcome, BadField> {
    let c1 = input.bytes("c1")?;
    let hello = match ClientHello::parse(&c1) {
        Ok(hello) => hello,
        Err(error) => return Ok(Outcome::refused(error)),
    };
    let mut random = Script::new(input.bytes("relay_random")?);
    let answered =
        RelayHandshake::answer(&identity(input)?, &offer(input, "relay_offer")?, &hello, &mut random);
    Ok(match answered {
        Ok((_, s1)) => Outcome::ok(Object::new().hex("s1", s1)),
        Err(error) => Outcome::refused(error),
    })
}

/// Computes a client's answer to the message that the relay sent for its C1.
pub(super) fn client_step(input: &Object) -> Result<Outcome, BadField> {
    let pinned = Fingerprint::from_bytes(input.array("fingerprint")?);
    let (client, _) = client_c1(input, &pinned)?;
    let mut random = Script::new(input.bytes("client_random_2")?);
    let step = client.on_message(&input.bytes("message")?, &greeting(input)?, &mut random);
    Ok(match step {
        Ok(ClientStep::Finished(finished)) => Outcome::ok(Object::new().hex("c2", finished.c2)),
        Ok(ClientStep::Again(_, c1)) => Outcome::ok(Object::new().hex("c1", c1)),
        Err(error) => Outcome::refused(error),
    })
}

/// Lets a relay finish the handshake with C2.
pub(super) fn relay_finish(input: &Object) -> Result<Outcome, BadField> {
    let bad = |field: &str| BadField(field.to_owned());
    let identity = identity(input)?;
    let c1 = input.bytes("c1")?;
    let hello = ClientHello::parse(&c1).map_err(|_| bad("c1"))?;
    let mut random = Script::new(input.bytes("relay_random")?);
    let answered = RelayHandshake::answer(&identity, &offer(input, "relay_offer")?, &hello, &mut random);
    let (relay, _) = answered.map_err(|_| bad("c1"))?;
    Ok(match relay.on_c2(&identity, &input.bytes("c2")?) {
        Ok((_, received)) => Outcome::ok(Object::new().with("hello", super::item_as_json(&received.into())?)),
        Err(error) => Outcome::refused(error),
    })
}

/// Computes the cookie for a prefix of an address. If the vector has `shown`, checks this cookie
/// instead, and refuses a bad one as `stale`.
pub(super) fn cookie(input: &Object) -> Result<Outcome, BadField> {
    let mut random = Script::new(input.bytes("key")?);
    let key = CookieKey::generate(&mut random);
    random.finish("key")?;
    let prefix = input.bytes("prefix")?;
    let now = input.number("now_s")?;
    if input.find("shown").is_none() {
        return Ok(Outcome::ok(Object::new().hex("cookie", key.issue(&prefix, now).as_bytes())));
    }
    let shown = Cookie::from_bytes(input.array("shown")?);
    let good = key.verify(&shown, &prefix, now);
    Ok(if good { Outcome::ok(Object::new().with("good", true)) } else { Outcome::of_class("stale") })
}
