//! First messages of handshakes and resets, and segments, that one check alone refuses: a receiver that makes no check reads them.
//! The vector shows when an implementation leaves the check out (spec/15-conformance.md section 2 names the files).
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use deaddrop_conformance::{
    json::{Json, Object},
    random::Script,
    runner,
    second::{NONCE_0, exp, ext, hash, label},
};
use deaddrop_e2ee::{
    hazmat,
    identity::{IdentityKeyPair, IdentitySeed},
};
use deaddrop_primitives::{
    aead,
    kem::{CIPHERTEXT_LEN, DecapsulationKey},
    x25519,
};
use deaddrop_wire::Day;

/// The cases, without `refused-`, that break no rule but the named one. C-48 has no case in which
/// C-45 is not broken, too.
const ALONE: [&str; 27] = [
    "c-23-behind",
    "c-23-marker",
    "c-29-number",
    "c-40-length",
    "c-42-expired",
    "c-43-above-p",
    "c-43-below-p",
    "c-43-order-8",
    "c-43-top-bit",
    "c-43-zero",
    "c-45-above-p",
    "c-45-ml-kem",
    "c-45-top-bit",
    "c-46-own",
    "c-47-blocked",
    "c-48-zero",
    "c-50-pn",
    "c-51-low-order",
    "c-51-ml-kem",
    "c-51-x25519",
    "c-52-critical",
    "c-52-form",
    "c-52-late",
    "c-52-malformed",
    "c-52-message-first",
    "c-52-no-hello",
    "c-52-numbered",
];

/// The secrets with which the owner of a bundle reads a first message.
struct Responder {
    seed: [u8; 32],
    h: [u8; 32],
    k_init: [u8; 32],
    psk: Vec<[u8; 32]>,
    px: [u8; 32],
    pk: [u8; 64],
}

impl Responder {
    fn of_invite(input: &Object) -> Self {
        // The stored invite: version 1, h 32, day 4, X25519 prekey 32, ML-KEM seed 64.
        let stored = input.bytes("invite").unwrap();
        let h = stored[1..33].try_into().unwrap();
        let keys = hazmat::invite(&h);
        Self {
            seed: input.array("identity_seed").unwrap(),
            h,
            k_init: keys.k_init,
            psk: vec![keys.psk],
            px: stored[37..69].try_into().unwrap(),
            pk: stored[69..].try_into().unwrap(),
        }
    }

    fn of_reset(input: &Object) -> Self {
        let seed = input.array("responder_seed").unwrap();
        let owner = IdentityKeyPair::from_seed(IdentitySeed::from_bytes(seed));
        let mut random = Script::new(input.bytes("bundle_random").unwrap());
        let not_after = Day::from_number(input.number("not_after").unwrap());
        let bundle = hazmat::create_reset_bundle(&owner, not_after, b"", &mut random).unwrap();
        let proofs = input.list("proofs").unwrap().iter();
        let proofs = proofs.map(|proof| Object::new().with("proof", proof.clone()).array("proof").unwrap());
        let psk = proofs.map(|proof| hazmat::reset(&bundle.hash, &proof).1).collect();
        let k_init = hazmat::reset(&bundle.hash, &[0; 32]).0;
        Self { seed, h: bundle.hash, k_init, psk, px: bundle.px, pk: bundle.pk }
    }

    /// Returns the content of an InitialMessage when only tags and padding are checked; `None` if
    /// it does not open.
    fn read(&self, envelope: &[u8]) -> Option<Vec<u8>> {
        let (_, x_b, k_b) = hazmat::identity_secrets(&self.seed);
        let (nonce, sealed) = envelope.split_first_chunk()?;
        let plain = aead::open(&self.k_init, nonce, &label("initial"), sealed).ok()?;
        let (flight, message) = plain.split_at_checked(3_472)?;
        let (e, rest) = flight.split_at(32);
        let (ct_id, rest) = rest.split_at(CIPHERTEXT_LEN);
        let (ct_pre, id_box) = rest.split_at(CIPHERTEXT_LEN);
        let open = |seed: &[u8; 64], ciphertext: &[u8]| {
            *DecapsulationKey::from_seed(seed).decapsulate(ciphertext.try_into().unwrap()).expose()
        };
        let (ss_id, ss_pre) = (open(&k_b, ct_id), open(&self.pk, ct_pre));
        let t1 = hash("handshake 1", &[&self.h, e, ct_id, ct_pre]);
        let products = [product(&x_b, e), product(&self.px, e)];
        let (p1, id_a) = self.psk.iter().find_map(|psk| {
            let p1 = ext(psk, &[&products[0], &products[1], &ss_id, &ss_pre]);
            let id_a = aead::open(&exp(&p1, "handshake identity", &t1), &NONCE_0, &t1, id_box).ok()?;
            Some((p1, id_a))
        })?;
        let x_a = &id_a[32..64];
        let t2 = hash("handshake 2", &[&t1, &id_a]);
        let products = [product(&self.px, x_a), product(&x_b, x_a)];
        let p2 = ext(&exp(&p1, "handshake chain", &t1), &[&products[0], &products[1]]);
        let s = exp(&p2, "handshake session", &t2);
        let header = hazmat::open_header(&exp(&s, "session header 0", &[]), 0, message)?;
        let n = u32::from_le_bytes(*header.last_chunk().unwrap());
        let chain = (0..n).fold(exp(&s, "session chain", &[]), |chain, _| exp(&chain, "chain", &[]));
        let (header_box, body) = message.split_at(12 + header.len() + 16);
        let key = exp(&exp(&chain, "message", &[]), "body", &message[..12]);
        let mut padded = aead::open(&key, &NONCE_0, header_box, body).ok()?;
        padded.truncate(padded.iter().rposition(|byte| *byte != 0)?);
        Some(padded)
    }
}

/// Computes X25519 of RFC 7748 without any check: the top bit is ignored, a value from p on is reduced, low order
/// yields zeros.
fn product(secret: &[u8; 32], public: &[u8]) -> [u8; 32] {
    let mut public: [u8; 32] = public.try_into().unwrap();
    public[31] &= 0x7f;
    if public[0] >= 0xed && public[1..31].iter().all(|byte| *byte == 0xff) && public[31] == 0x7f {
        let rest = public[0] - 0xed;
        public = [0; 32];
        public[0] = rest;
    }
    match x25519::PublicKey::from_bytes(&public) {
        Ok(public) => *x25519::SecretKey::from_bytes(secret).diffie_hellman(&public).unwrap().expose(),
        Err(_) => [0; 32],
    }
}

#[test]
fn what_one_check_of_a_first_message_refuses_is_read_without_it() {
    let mut read = Vec::new();
    for (case, text) in runner::all().unwrap() {
        let Some(name) = case.name.strip_prefix("refused-") else { continue };
        let Ok(Json::Object(file)) = Json::parse(&text) else { continue };
        let input = file.object("input").unwrap();
        let responder = match case.operation {
            "accept" => Responder::of_invite(input),
            "reset" if input.find("envelope").is_some() => Responder::of_reset(input),
            _ => continue,
        };
        // Two rules are broken, to show the order of the checks.
        if name.contains("-before-") {
            continue;
        }
        if responder.read(&input.bytes("envelope").unwrap()).is_some() {
            read.push((case.operation, name.to_owned()));
        }
    }
    let accept = ALONE.map(|name| ("accept", name.to_owned()));
    let reset = ALONE.into_iter().filter(|name| *name != "c-47-blocked");
    let reset = reset.map(|name| ("reset", name.to_owned()));
    let mut said: Vec<_> = accept.into_iter().chain(reset).collect();
    said.sort();
    read.sort();
    assert_eq!(read, said);
}

#[test]
fn a_segment_of_another_length_opens_without_the_check() {
    let mut opened = Vec::new();
    for (case, text) in runner::all().unwrap() {
        let Some(name) = case.name.strip_prefix("refused-c-60-") else { continue };
        if case.operation != "open-segment" {
            continue;
        }
        let Ok(Json::Object(file)) = Json::parse(&text) else { continue };
        let input = file.object("input").unwrap();
        let number = |name| input.number::<u32>(name).unwrap();
        let place = [number("segment"), 1, number("length"), 0].map(u32::to_le_bytes).concat();
        let (sealed, key) = (input.bytes("sealed").unwrap(), input.array("key").unwrap());
        let (nonce, sealed) = sealed.split_first_chunk().unwrap();
        let data = [label("attachment"), place].concat();
        let Ok(bytes) = aead::open(&key, nonce, &data, sealed) else { continue };
        let own = if number("segment") == 0 { 5 } else { 0 };
        assert!(bytes[own..].iter().all(|byte| *byte == 0), "{name} breaks C-62, too");
        opened.push(name.to_owned());
    }
    assert_eq!(opened, ["class", "less", "behind"]);
}
