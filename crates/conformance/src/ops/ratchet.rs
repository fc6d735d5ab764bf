//! Conversations: steps of both sides over one session, refusals among them.

use super::handshake::begin;
use crate::{
    class::Class as _,
    json::{BadField, Object, len},
    outcome::Outcome,
    random::Script,
};
use deaddrop_e2ee::{
    hazmat,
    session::{MAX_TURN_LEN, Session},
};
use deaddrop_wire::SizeClass;

/// Runs steps of a conversation. `send` yields an envelope (with `times` the last of so many
/// messages), `receive` takes the envelope of an earlier step (`of`) or one given in full. The
/// class of the vector is that of the first refusal; the conversation continues after it, since a
/// refusal changes nothing.
pub(super) fn converse(input: &Object) -> Result<Outcome, BadField> {
    let bad = |field: &str| BadField(field.to_owned());
    let pair = begin(input)?;
    let mut initiator = pair.session;
    let mut responder: Option<Session> = None;
    let mut envelopes: Vec<Vec<u8>> = Vec::new();
    let mut expect = "ok".to_owned();
    let (mut turns, mut outputs) = (Vec::new(), Vec::new());
    let mut refused = |class: String| {
        if expect == "ok" {
            expect.clone_from(&class);
        }
        Object::new().with("refused", class)
    };
    for step in input.objects("steps")? {
        let by_initiator = match step.text("by")? {
            "initiator" => true,
            "responder" => false,
            _ => return Err(bad("by")),
        };
        let mut envelope = Vec::new();
        let output = match step.text("do")? {
            "send" => {
                let session = if by_initiator { Some(&mut initiator) } else { responder.as_mut() };
                let session = session.ok_or_else(|| bad("by"))?;
                let before = session.turn();
                let (mut random, content) = (Script::new(step.bytes("random")?), step.bytes("content")?);
                let times = if step.find("times").is_some() { step.number("times")? } else { 1 };
                if !(1..=MAX_TURN_LEN).contains(&times) {
                    return Err(bad("times"));
                }
                let hedged = step.find("nonces").is_some();
                if hedged && step.text("nonces")? != "derived" {
                    return Err(bad("nonces"));
                }
                let mut send = || match hedged {
                    true => session.encrypt(&content, &mut random),
                    false => session.hazmat_encrypt(&content, &mut random),
                };
                let sent: Result<Vec<_>, _> = (0..times).map(|_| send().map(|sent| sent.0)).collect();
                random.finish("random")?;
                if session.turn() != before {
                    turns.push(turn(session).ok_or_else(|| bad("by"))?);
                }
                match sent.map(|mut sent| sent.pop()) {
                    Ok(last) => {
                        envelope = last.ok_or_else(|| bad("times"))?.into_bytes();
                        shown(&envelope)
                    }
                    Err(error) => refused(error.class()),
                }
            }
            "receive" => {
                let taken = match step.find("of") {
                    Some(_) => {
                        envelopes.get(step.number::<usize>("of")?).cloned().ok_or_else(|| bad("of"))?
                    }
                    None => step.bytes("envelope")?,
                };
                let result = match (by_initiator, responder.as_mut()) {
                    (true, _) => initiator
                        .decrypt(&pair.initiator, &taken, pair.today)
                        .map(|opened| opened.content)
                        .map_err(|error| error.class()),
                    (false, Some(session)) => session
                        .decrypt(&pair.responder, &taken, pair.today)
                        .map(|opened| opened.content)
                        .map_err(|error| error.class()),
                    (false, None) => pair
                        .invite
                        .accept(&pair.responder, &taken, |_| false, pair.today)
                        .map(|accepted| {
                            responder = Some(accepted.session);
                            accepted.content
                        })
                        .map_err(|error| error.class()),
                };
                match result {
                    Ok(content) => Object::new().hex("content", &*content),
                    Err(class) => refused(class),
                }
            }
            _ => return Err(bad("do")),
        };
        envelopes.push(envelope);
        outputs.push(output);
    }
    let intermediate = Object::new().with("own_turns", turns);
    Ok(Outcome { expect, intermediate, output: Object::new().with("steps", outputs) })
}

/// Computes the two nonces of a message, from all values on which they depend.
pub(super) fn nonces(input: &Object) -> Result<Outcome, BadField> {
    let head = [input.bytes("constants")?, input.number::<u32>("pn")?.to_le_bytes().to_vec()].concat();
    let (r, outer) = hazmat::nonces(
        &input.array("message_key")?,
        &input.array("random")?,
        input.number("turn")?,
        &head,
        input.number("n")?,
        &input.bytes("content")?,
    );
    Ok(Outcome::ok(Object::new().hex("r", r).hex("r_outer", outer)))
}

/// Returns an envelope of the smallest class in full, and larger ones by their hash, so that files
/// stay short.
fn shown(envelope: &[u8]) -> Object {
    if envelope.len() <= SizeClass::Small.bytes() {
        return Object::new().hex("envelope", envelope);
    }
    let hash = deaddrop_primitives::hash::sha256(&[envelope]);
    Object::new().with("envelope_len", len(envelope.len())).hex("envelope_sha256", hash)
}

/// Returns the secrets of the session's newest turn after its first message; `None` if that turn is
/// the peer's.
fn turn(session: &Session) -> Option<Object> {
    let trace = session.hazmat_sending()?;
    Some(
        Object::new()
            .with("turn", session.turn())
            .hex("ratchet_secret", trace.ratchet)
            .hex("ml_kem_seed", trace.kem_seed)
            .hex("rk_t", session.hazmat_root())
            .hex("hk_t", trace.header)
            .hex("ck_after_first_message", trace.chain)
            .hex("constants_and_pn", trace.head),
    )
}
