//! The handshake of two people: all values of one, and the refusals of a responder.

use super::key_schedule::{invite_keys, session_keys};
use crate::{
    json::{BadField, Json, Object},
    outcome::Outcome,
    random::Script,
};
use deaddrop_e2ee::{
    hazmat,
    identity::{IdentityHash, IdentityKeyPair, IdentitySeed},
    invite::{PendingInvite, VerifiedBundle},
    session::Session,
};
use deaddrop_wire::Day;

/// Initiator and responder, the responder's invite, and the initiator's session.
pub(super) struct Pair {
    pub(super) initiator: IdentityKeyPair,
    pub(super) responder: IdentityKeyPair,
    pub(super) invite: PendingInvite,
    pub(super) blob: Vec<u8>,
    pub(super) session: Session,
    pub(super) today: Day,
}

/// Makes both identities, a bundle and the initiator's session, from the inputs of a vector.
pub(super) fn begin(input: &Object) -> Result<Pair, BadField> {
    let person = |name| Ok(IdentityKeyPair::from_seed(IdentitySeed::from_bytes(input.array(name)?)));
    let (initiator, responder) = (person("initiator_seed")?, person("responder_seed")?);
    let today = Day::from_number(input.number("today")?);
    let not_after = Day::from_number(input.number("not_after")?);
    let bad = |field: &str| BadField(field.to_owned());
    let mut random = Script::new(input.bytes("bundle_random")?);
    let (invite, blob) =
        hazmat::create_invite(&responder, not_after, &input.bytes("bundle_address")?, &mut random)
            .map_err(|_| bad("bundle_address"))?;
    random.finish("bundle_random")?;
    let own = initiator.identity_key().hash();
    let bundle =
        VerifiedBundle::open(invite.secret(), &blob, own, None, today).map_err(|_| bad("responder_seed"))?;
    let mut random = Script::new(input.bytes("initiator_random")?);
    let (session, _) =
        Session::initiate(&initiator, &bundle, &mut random).map_err(|_| bad("initiator_random"))?;
    random.finish("initiator_random")?;
    Ok(Pair { initiator, responder, invite, blob, session, today })
}

/// Runs a whole handshake, up to the reading of the first message's content.
pub(super) fn handshake(input: &Object) -> Result<Outcome, BadField> {
    let mut pair = begin(input)?;
    let bad = |field: &str| BadField(field.to_owned());
    let mut random = Script::new(input.bytes("message_random")?);
    let (envelope, _) =
        pair.session.hazmat_encrypt(&input.bytes("content")?, &mut random).map_err(|_| bad("content"))?;
    random.finish("message_random")?;
    let envelope = envelope.as_bytes();
    let trace = hazmat::handshake(&pair.invite, &pair.responder, envelope).ok_or_else(|| bad("content"))?;
    let keys = hazmat::session(&trace.s);
    let [header_key, ..] = keys.headers;
    let header = hazmat::open_header(&header_key, 0, &trace.message).ok_or_else(|| bad("content"))?;
    let accepted = pair.invite.accept(&pair.responder, envelope, |_| false, pair.today);
    let accepted = match accepted {
        Ok(accepted) => accepted,
        Err(error) => return Ok(Outcome::refused(error)),
    };
    let piece = |from: usize, to: usize| trace.flight.get(from..to).unwrap_or_default();
    let intermediate = Object::new()
        .hex("h", pair.invite.secret().expose())
        .with("invite_keys", invite_keys(pair.invite.secret().expose()))
        .hex("e", piece(0, 32))
        .hex("ct_id", piece(32, 1_120))
        .hex("ct_pre", piece(1_120, 2_208))
        .hex("t1", trace.t1)
        .hex("k_id", trace.k_id)
        .hex("c1", trace.c1)
        .hex("id_box", piece(2_208, 3_472))
        .hex("t2", trace.t2)
        .hex("s", trace.s)
        .with("session_keys", session_keys(&trace.s))
        .hex("header", header);
    let output = Object::new()
        .hex("bundle_blob", &pair.blob)
        .hex("envelope", envelope)
        .hex("peer", accepted.peer.hash().as_bytes())
        .hex("session_id", accepted.session.id().0)
        .hex("content", &*accepted.content);
    Ok(Outcome::traced(intermediate, output))
}

/// Accepts an InitialMessage, as a responder does. An implementation must keep the invite usable
/// after a refusal; `PendingInvite::accept` does not change it.
pub(super) fn accept(input: &Object) -> Result<Outcome, BadField> {
    let identity = IdentityKeyPair::from_seed(IdentitySeed::from_bytes(input.array("identity_seed")?));
    let invite =
        PendingInvite::from_bytes(&input.bytes("invite")?).map_err(|_| BadField("invite".to_owned()))?;
    let blocked = input.list("blocked")?.iter().map(|json: &Json| {
        Object::new().with("blocked", json.clone()).array("blocked").map(IdentityHash::from_bytes)
    });
    let blocked: Vec<IdentityHash> = blocked.collect::<Result<_, _>>()?;
    let today = Day::from_number(input.number("today")?);
    let accepted = invite.accept(&identity, &input.bytes("envelope")?, |peer| blocked.contains(peer), today);
    Ok(match accepted {
        Err(error) => Outcome::refused(error),
        Ok(accepted) => Outcome::ok(
            Object::new()
                .hex("peer", accepted.peer.hash().as_bytes())
                .hex("session_id", accepted.session.id().0)
                .hex("content", &*accepted.content),
        ),
    })
}
