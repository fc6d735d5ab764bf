//! Resets: keys, bundles, and the handling of an InitialMessage by the owner of a bundle.

use crate::{
    json::{BadField, Json, Object},
    outcome::Outcome,
    random::Script,
};
use deaddrop_e2ee::{
    hazmat::{self, ResetBundleTrace, ResetOutcome, ResetRules},
    identity::{IdentityHash, IdentityKeyPair, IdentitySeed},
};
use deaddrop_wire::Day;

/// Derives the keys of a reset from h, the hash of its bundle, and from the reset secret RS.
pub(super) fn keys(input: &Object) -> Result<Outcome, BadField> {
    let (initial, soft, hard) = hazmat::reset(&input.array("h")?, &input.array("rs")?);
    Ok(Outcome::ok(Object::new().hex("k_init", initial).hex("psk", soft).hex("psk_hard", hard)))
}

fn person(input: &Object, name: &str) -> Result<IdentityKeyPair, BadField> {
    Ok(IdentityKeyPair::from_seed(IdentitySeed::from_bytes(input.array(name)?)))
}

fn bundle(input: &Object) -> Result<(IdentityKeyPair, ResetBundleTrace), BadField> {
    let owner = person(input, "responder_seed")?;
    let mut random = Script::new(input.bytes("bundle_random")?);
    let not_after = Day::from_number(input.number("not_after")?);
    let bundle = hazmat::create_reset_bundle(&owner, not_after, &input.bytes("bundle_address")?, &mut random);
    random.finish("bundle_random")?;
    Ok((owner, bundle.ok_or_else(|| BadField("bundle_address".to_owned()))?))
}

/// Makes a reset bundle, as its owner does.
pub(super) fn create(input: &Object) -> Result<Outcome, BadField> {
    let (_, bundle) = bundle(input)?;
    let secrets = Object::new().hex("px_secret", bundle.px).hex("pk_seed", bundle.pk);
    Ok(Outcome::traced(secrets, Object::new().hex("h", bundle.hash).hex("bundle", bundle.body)))
}

/// Opens a reset bundle that arrives, as a contact of its maker does.
pub(super) fn open(input: &Object) -> Result<Outcome, BadField> {
    let opened = hazmat::open_reset_bundle(
        &input.bytes("bundle")?,
        &IdentityHash::from_bytes(input.array("own")?),
        &IdentityHash::from_bytes(input.array("expected")?),
        Day::from_number(input.number("today")?),
    );
    Ok(match opened {
        Err(error) => Outcome::refused(error),
        Ok(opened) => Outcome::ok(
            Object::new()
                .hex("h", opened.hash)
                .hex("address", opened.address)
                .with("not_after", opened.not_after.number()),
        ),
    })
}

/// Runs one reset from the bundle to the first content. If the vector has `bundle`, the initiator
/// uses that body instead of the responder's; if it has `envelope`, that arrives instead of the
/// initiator's message.
pub(super) fn reset(input: &Object) -> Result<Outcome, BadField> {
    let (responder, bundle) = bundle(input)?;
    let initiator = person(input, "initiator_seed")?;
    let today = Day::from_number(input.number("today")?);
    let expected = IdentityHash::from_bytes(input.array("peer")?);
    let mut intermediate = Object::new().hex("h", bundle.hash);
    let envelope = if input.find("envelope").is_some() {
        input.bytes("envelope")?
    } else {
        let proof = input.find("proof").map(|_| input.array("proof")).transpose()?;
        let mut random = Script::new(input.bytes("initiator_random")?);
        let peer = responder.identity_key().hash();
        let given = input.find("bundle").map(|_| input.bytes("bundle")).transpose()?;
        let body = given.as_ref().unwrap_or(&bundle.body);
        let begun = hazmat::initiate_reset(&initiator, body, peer, proof.as_ref(), today, &mut random);
        let mut session = match begun {
            Ok(session) => session,
            Err(error) => return Ok(Outcome::refused(error)),
        };
        random.finish("initiator_random")?;
        let mut random = Script::new(input.bytes("message_random")?);
        let envelope = session.hazmat_encrypt(&input.bytes("content")?, &mut random);
        random.finish("message_random")?;
        intermediate = intermediate.hex("session_id", session.id().0);
        envelope.map_err(|_| BadField("content".to_owned()))?.0.into_bytes()
    };
    let list = |name: &str| -> Result<Vec<[u8; 32]>, BadField> {
        let items = input.list(name)?.iter();
        items.map(|json: &Json| Object::new().with(name, json.clone()).array(name)).collect()
    };
    let held: Vec<[u8; 16]> = input
        .list("held")?
        .iter()
        .map(|json: &Json| Object::new().with("held", json.clone()).array("held"))
        .collect::<Result<_, _>>()?;
    let agreed = match input.text("agreed")? {
        "yes" => true,
        "no" => false,
        _ => return Err(BadField("agreed".to_owned())),
    };
    let proofs = list("proofs")?;
    let begun = list("begun")?;
    let rules = ResetRules { proofs: &proofs, agreed, peer: &expected, held: &held, begun: &begun };
    Ok(match bundle.attempt(&responder, &envelope, &rules, today) {
        ResetOutcome::Accepted(session, content, proof) => {
            let proof = proof.map_or_else(|| "none".to_owned(), |place| place.to_string());
            let output = Object::new()
                .hex("envelope_sha256", deaddrop_primitives::hash::sha256(&[&envelope]))
                .hex("session_id", session.id().0)
                .with("proof_place", proof)
                .hex("content", content);
            Outcome::traced(intermediate, output)
        }
        ResetOutcome::Hard => Outcome::of_class("hard"),
        ResetOutcome::Stale => Outcome::of_class("stale"),
        ResetOutcome::Known => Outcome::of_class("known"),
        ResetOutcome::Refused(error) => Outcome::refused(error),
    })
}
