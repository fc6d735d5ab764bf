//! Nonces that derive from key, random bytes and content (chapters 03, 05 and 06).

use super::{
    family::Family,
    talk::{A, B, Talk},
    world::{ADDRESS, NOT_AFTER, hello, plain},
};
use crate::{json::Object, random::Recorder};

pub(super) fn cases(f: &mut Family) {
    let mut r = Recorder::new(39);
    let (message_key, random): ([u8; 32], [u8; 32]) = (r.bytes(), r.bytes());
    let input = |turn: u32, constants: usize, pn: u32, n: u32, content: &[u8]| {
        Object::new()
            .hex("message_key", message_key)
            .hex("random", random)
            .with("turn", turn)
            .hex("constants", vec![0xcc; constants])
            .with("pn", pn)
            .with("n", n)
            .hex("content", content)
    };
    for (name, comment, input) in [
        ("message", "r of a message: from its key, 32 random bytes, pn, n and content.", {
            input(2, 2_304, 3, 4, b"oak")
        }),
        ("content", "Another content of the same message: another r.", input(2, 2_304, 3, 4, b"elm")),
        ("previous", "Another pn: another r.", input(2, 2_304, 2, 4, b"oak")),
        ("constants", "From turn 1 on the constants are in the message key, and not in r.", {
            input(4, 64, 3, 4, b"oak")
        }),
        ("initial", "At turn 0 the constants enter; r_outer is the nonce of the InitialMessage.", {
            input(0, 1_216, 0, 0, b"oak")
        }),
    ] {
        f.add("derive-nonces", &format!("hedge-{name}"), comment, input);
    }
    let mut talk = Talk::new(40);
    let first = talk.send_hedged(A, &hello("first"));
    talk.receive(B, first);
    let answer = talk.send_hedged(B, &plain("answer"));
    talk.receive(A, answer);
    let next = talk.send_hedged(A, &plain("next"));
    talk.receive(B, next);
    talk.end(f, "hedge-conversation", "Every message draws 32 bytes, from which its nonces derive.");

    let input = Object::new()
        .hex("identity_seed", r.bytes::<32>())
        .with("not_after", NOT_AFTER)
        .hex("address", ADDRESS)
        .hex("random", r.vec(128));
    f.add("create-bundle", "hedge-invite", "The nonce of a sealed bundle derives from its hash.", input);

    let key: [u8; 32] = r.bytes();
    for (name, comment, length) in [
        ("segment", "The nonce of a segment derives from key, place, length and bytes.", 5_u64),
        ("segment-length", "The same bytes in a longer attachment: another nonce.", 65_509),
    ] {
        let bytes = length.min(65_508);
        let input = Object::new().hex("key", key).with("length", length).with("segment", 0_u8);
        f.add("seal-segment", &format!("hedge-{name}"), comment, input.with("bytes_61", bytes));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        random::Script,
        second::{exp, label, nonces},
    };
    use deaddrop_primitives::{hash::sha256, hkdf::Prk};

    // The nonces that the crates send, beside the formulas.
    #[test]
    fn nonces_are_those_of_the_formulas() {
        let mut talk = Talk::new(41);
        let random = [7; 32];
        for text in ["one", "two"] {
            let before = talk.trace(A);
            let key = exp(&before.chain, "message", &[]);
            let content = hello(text);
            let (_, outer) = nonces(&key, &random, &before.head, before.message_number, &content);
            let (envelope, _) =
                talk.world.session.encrypt(&content, &mut Script::new(random.to_vec())).unwrap();
            assert_eq!(envelope.as_bytes()[..12], outer);
        }
        let first = talk.send_hedged(A, &hello("three"));
        talk.receive(B, first);
        let answer = talk.send(B, &plain("answer"));
        talk.receive(A, answer);
        let turn = talk.send(A, &plain("a turn"));
        talk.receive(B, turn);
        let before = talk.trace(A);
        let key = exp(&before.chain, "message", &[]);
        let content = plain("four");
        let pn = &before.head[before.head.len() - 4..];
        let (r, _) = nonces(&key, &random, pn, before.message_number, &content);
        let (envelope, _) = talk.world.session.encrypt(&content, &mut Script::new(random.to_vec())).unwrap();
        assert_eq!(envelope.as_bytes()[..12], r);
    }

    #[test]
    fn the_nonce_of_a_segment_is_that_of_the_formula() {
        let (key, bytes) = ([5; 32], [0x61; 9]);
        let hash = sha256(&[&label("attachment segment"), &bytes]);
        let place = [&0_u32.to_le_bytes()[..], &9_u64.to_le_bytes(), &hash].concat();
        let nonce: [u8; 12] = Prk::from_bytes(key).expand(&[&label("attachment nonce"), &place]);
        let sealer = deaddrop_e2ee::attachment::AttachmentSealer::new(
            deaddrop_e2ee::attachment::AttachmentKey::from_bytes(key),
            bytes.len() as u64,
        );
        let sealed = sealer.unwrap().seal(0, &bytes).unwrap();
        assert_eq!(sealed.blob.as_bytes()[..12], nonce);
        assert_eq!(sealed.hash.as_bytes(), &hash);
    }
}
