//! Derivations one by one.

use crate::{
    json::{BadField, Json, Object, hex},
    outcome::Outcome,
    second,
};
use deaddrop_e2ee::{
    hazmat,
    identity::{IdentityKeyPair, IdentitySeed},
};
use deaddrop_link::{RelayIdentity, RelaySeed};

/// Computes the bytes of labels from their texts.
pub(super) fn labels(input: &Object) -> Result<Outcome, BadField> {
    let labels = input.list("texts")?.iter().map(|text| match text {
        Json::Text(text) => Ok(hex(second::label(text))),
        _ => Err(BadField("texts".to_owned())),
    });
    Ok(Outcome::ok(Object::new().with("labels", labels.collect::<Result<Vec<Json>, _>>()?)))
}

/// Derives the keys and the identity hash of a person from the identity seed.
pub(super) fn identity(input: &Object) -> Result<Outcome, BadField> {
    let seed = input.array("seed")?;
    let (ed25519, x25519, kem) = hazmat::identity_secrets(&seed);
    let pair = IdentityKeyPair::from_seed(IdentitySeed::from_bytes(seed));
    let secrets =
        Object::new().hex("ed25519_secret", ed25519).hex("x25519_secret", x25519).hex("ml_kem_seed", kem);
    let output = Object::new()
        .hex("identity_key", pair.identity_key().as_bytes())
        .hex("identity_hash", pair.identity_key().hash().as_bytes());
    Ok(Outcome::traced(secrets, output))
}

/// Derives the keys of an invite from h, the hash of its bundle.
pub(super) fn invite(input: &Object) -> Result<Outcome, BadField> {
    Ok(Outcome::ok(invite_keys(&input.array("h")?)))
}

pub(super) fn invite_keys(h: &[u8; 32]) -> Object {
    let keys = hazmat::invite(h);
    Object::new()
        .hex("read", keys.read)
        .hex("k_bundle", keys.k_bundle)
        .hex("k_init", keys.k_init)
        .hex("psk", keys.psk)
}

/// Derives the first keys of a session from the session secret S.
pub(super) fn session(input: &Object) -> Result<Outcome, BadField> {
    Ok(Outcome::ok(session_keys(&input.array("s")?)))
}

pub(super) fn session_keys(s: &[u8; 32]) -> Object {
    let keys = hazmat::session(s);
    let [hk_0, hk_1, hk_2] = keys.headers;
    Object::new()
        .hex("rk_0", keys.root)
        .hex("ck_0", keys.chain)
        .hex("hk_0", hk_0)
        .hex("hk_1", hk_1)
        .hex("hk_2", hk_2)
        .hex("rs_0", keys.reset)
        .hex("sid", keys.id)
}

/// Derives the message keys of consecutive messages from a chain key, and the body key of each.
pub(super) fn chain(input: &Object) -> Result<Outcome, BadField> {
    let mut chain = input.array("ck")?;
    let mut steps = Vec::new();
    for nonce in input.list("nonces")? {
        let nonce = Object::new().with("nonces", nonce.clone()).array("nonces")?;
        let (message, next) = hazmat::chain_step(&chain);
        chain = next;
        let body = hazmat::body_key(&message, &nonce);
        steps.push(Object::new().hex("mk", message).hex("bk", body).hex("ck", chain));
    }
    Ok(Outcome::ok(Object::new().with("steps", steps)))
}

/// Computes the keys of one turn at its receiver.
pub(super) fn turn(input: &Object) -> Result<Outcome, BadField> {
    let identity = match input.find("identity_seed") {
        Some(_) => Some(IdentityKeyPair::from_seed(IdentitySeed::from_bytes(input.array("identity_seed")?))),
        None => None,
    };
    let trace = hazmat::receive_turn(
        &input.array("rk_before")?,
        input.number("turn")?,
        &input.array("own_ratchet_secret")?,
        &input.array("own_ml_kem_seed")?,
        &input.bytes("constants")?,
        identity.as_ref(),
    );
    let trace = trace.ok_or_else(|| BadField("constants".to_owned()))?;
    let output = Object::new()
        .hex("x_t", trace.transcript)
        .hex("rk_t", trace.root)
        .hex("ck_t", trace.chain)
        .hex("hk_t_plus_2", trace.header)
        .hex("rs_t", trace.reset);
    Ok(Outcome::ok(output))
}

/// Derives a relay's public identity and fingerprint from its seed.
pub(super) fn relay_identity(input: &Object) -> Result<Outcome, BadField> {
    let seed: [u8; 32] = input.array("seed")?;
    let identity = RelayIdentity::from_seed(&RelaySeed::from_bytes(seed));
    let prk = second::ext(&second::label("relay identity"), &[&seed]);
    let secrets = Object::new().hex("x25519_secret", second::exp(&prk, "relay identity x25519", &[]));
    let output = Object::new()
        .hex("public", identity.public_bytes())
        .hex("fingerprint", identity.fingerprint().as_bytes())
        .with("fingerprint_text", identity.fingerprint().to_string());
    Ok(Outcome::traced(secrets, output))
}
