//! Envelopes for a session: any bytes, changed genuine ones, and messages that the peer itself could forge.

use super::{input::Input, scenes};
use deaddrop_conformance::second::{MessageKeys, NONCE_0, boxed, exp, pad};
use deaddrop_e2ee::{hazmat, session::MAX_TURN_LEN};
use deaddrop_primitives::{aead, kem, x25519};

const SIZES: [usize; 3] = [4_096, 16_384, 65_536];

/// Runs the target `envelope`: an envelope that is not genuine is refused and leaves no trace.
pub fn envelope(data: &[u8]) {
    let mut input = Input(data);
    let scene = &scenes::scenes()[input.pick(scenes::scenes().len())];
    let mut side = scene.receiving_side();
    let mode = input.u8();
    let genuine = |input: &mut Input<'_>| scene.sent[input.pick(scene.sent.len())].envelope.clone();
    let envelope = match mode % 4 {
        0 => {
            let mut bytes = genuine(&mut input);
            input.change(&mut bytes);
            bytes
        }
        1 => {
            let mut bytes = input.rest().to_vec();
            bytes.resize(SIZES[usize::from(mode >> 2) % SIZES.len()], 0);
            bytes
        }
        2 => {
            let (front, back) = (genuine(&mut input), genuine(&mut input));
            let at = usize::from(input.u16()).min(front.len());
            [&front[..at], back.get(at..).unwrap_or_default()].concat()
        }
        _ => {
            let mut bytes = genuine(&mut input);
            bytes.truncate(bytes.len().saturating_sub(usize::from(input.u16())));
            bytes.extend_from_slice(input.rest());
            bytes
        }
    };
    if scene.sent.iter().all(|message| message.envelope != envelope) {
        side.refuses(&envelope);
    }
    scene.goes_on(&mut side);
}

/// Runs the target `message`: seals any header and body with the peer's own secrets, and delivers
/// the message, which is read only if it breaks no rule.
pub fn message(data: &[u8]) {
    let mut input = Input(data);
    // Scenes in which the sender's newest turn is the receiver's open one, or the next.
    let usable = [0, 2, 3, 4, 5];
    let scene = &scenes::scenes()[usable[input.pick(usable.len())]];
    let mut side = scene.receiving_side();
    let sender = scene.sender.load();
    let trace = sender.hazmat_sending().expect("the sender is in its turn");
    let next = sender.turn() == side.session.turn() + 1;
    let flags = input.u8();
    let n =
        if flags & 1 == 0 { trace.message_number.wrapping_add(u32::from(input.u8())) } else { input.u32() };
    let mut head = trace.head.clone();
    input.change(&mut head);
    if flags & 2 != 0 {
        let at = head.len() - 4;
        head[at..].copy_from_slice(&input.u32().to_le_bytes());
    }
    let constants = &head[..head.len() - 4];

    // The chain that a receiver would compute, or nothing if the keys are not valid.
    let own = side.session.hazmat_sending();
    let chain = match (&own, next) {
        (Some(own), true) => {
            let root = side.session.hazmat_root();
            hazmat::receive_turn(
                &root,
                sender.turn(),
                &own.ratchet,
                &own.kem_seed,
                constants,
                (sender.turn() == 1).then_some(side.identity),
            )
            .map(|turn| (turn.chain, 0))
        }
        _ => Some((trace.chain, trace.message_number)),
    };
    let (chain, from) = chain.unwrap_or(([0; 32], 0));
    let steps = n.checked_sub(from).filter(|steps| *steps <= MAX_TURN_LEN + 1);
    let keys = MessageKeys { header: trace.header, chain }.later(steps.unwrap_or(0));
    let len = SIZES[usize::from(flags >> 6) % SIZES.len()];
    let header = [&head[..], &n.to_le_bytes()].concat();
    let nonce = input.array();
    let header_box = boxed(&keys.header, &nonce, "header", &header);
    let room = len - header_box.len() - aead::TAG_LEN;
    let content = input.rest();
    let content = &content[..content.len().min(room - 1)];
    let padded = if flags & 4 == 0 {
        pad(content, room)
    } else {
        let mut bytes = content.to_vec();
        bytes.resize(room, 0);
        bytes
    };
    let body_key = exp(&exp(&keys.chain, "message", &[]), "body", &nonce);
    let envelope = [&header_box[..], &aead::seal(&body_key, &NONCE_0, &header_box, &padded)].concat();

    let (before, turn, skipped) = (side.session.snapshot(), side.session.turn(), side.session.skipped_keys());
    match side.session.decrypt(side.identity, &envelope, scenes::TODAY) {
        Ok(opened) => {
            assert!(steps.is_some() && n < MAX_TURN_LEN);
            assert_eq!(pad(&opened.content, room), padded);
            assert_eq!(side.session.turn(), turn + u32::from(next));
            assert!(side.session.skipped_keys() <= skipped + 2 * MAX_TURN_LEN as usize);
            if next {
                assert!(well_formed(constants), "keys that are not valid were taken");
                assert_ne!(constants[..32], own.expect("the receiver waits for a turn").head[..32]);
            }
            side.rows.store(opened.changes);
            side.rows.are_of(&side.session);
            // A message is read once, whatever it says.
            side.refuses(&envelope);
            side.say(0, &mut deaddrop_testkit::rng(1));
        }
        Err(error) => {
            assert!(*side.session.snapshot() == *before, "{error:?}");
            let honest = head == trace.head && n >= from && n < MAX_TURN_LEN && flags & 4 == 0;
            assert!(!honest, "the peer's own message was refused: {error:?}");
            scene.goes_on(&mut side);
        }
    }
}

/// Whether the two public keys at the front of a turn's constants are valid, as the crate
/// `primitives` judges.
fn well_formed(constants: &[u8]) -> bool {
    let ek = constants[32..][..kem::ENCAPSULATION_KEY_LEN].try_into().expect("long enough");
    x25519::PublicKey::from_bytes(constants[..32].try_into().expect("long enough")).is_ok()
        && kem::EncapsulationKey::from_bytes(ek).is_ok()
}
