//! Messages that one check alone refuses: the formulas, without any check, read them. So the vector shows when an
//! implementation leaves the check out (spec/15-conformance.md section 2 names these files).
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use deaddrop_conformance::{
    json::{Json, Object},
    random::Script,
    runner,
    second::{MessageKeys, NONCE_0, exp, ext, hash, label},
};
use deaddrop_e2ee::{
    hazmat,
    identity::{IdentityKeyPair, IdentitySeed},
    invite::{PendingInvite, VerifiedBundle},
    session::Session,
};
use deaddrop_primitives::{
    aead,
    kem::{CIPHERTEXT_LEN, DecapsulationKey},
    x25519,
};
use deaddrop_wire::Day;

/// Number of bytes of the keys rk and ek at the beginning of a header.
const KEYS: usize = 1_216;

/// The secrets of a vector's conversation with which its messages can be read.
struct Known {
    session: Session,
    k_init: [u8; 32],
    identity: [u8; 64],
    turns: Vec<Object>,
}

impl Known {
    fn of(file: &Object) -> Self {
        let input = file.object("input").unwrap();
        let person = |name| IdentityKeyPair::from_seed(IdentitySeed::from_bytes(input.array(name).unwrap()));
        let script = |name| Script::new(input.bytes(name).unwrap());
        let day = |name| Day::from_number(input.number(name).unwrap());
        let (initiator, responder) = (person("initiator_seed"), person("responder_seed"));
        let address = input.bytes("bundle_address").unwrap();
        let (invite, blob) =
            PendingInvite::create(&responder, day("not_after"), &address, &mut script("bundle_random"))
                .unwrap();
        let own = initiator.identity_key().hash();
        let bundle = VerifiedBundle::open(invite.secret(), &blob, own, None, day("today")).unwrap();
        let (session, _) = Session::initiate(&initiator, &bundle, &mut script("initiator_random")).unwrap();
        let k_init = hazmat::invite(invite.secret().expose()).k_init;
        let (_, _, identity) = hazmat::identity_secrets(&input.array("initiator_seed").unwrap());
        let turns = file.object("intermediate").unwrap().objects("own_turns").unwrap();
        Self { session, k_init, identity, turns: turns.into_iter().cloned().collect() }
    }

    /// Whether an envelope opens when only the tags are checked.
    fn read(&self, envelope: &[u8]) -> bool {
        let (nonce, sealed) = envelope.split_first_chunk().unwrap();
        if let Ok(plain) = aead::open(&self.k_init, nonce, &label("initial"), sealed) {
            let turn = self.session.hazmat_sending().unwrap();
            let keys = MessageKeys { header: turn.header, chain: turn.chain };
            return read(&keys, 0, &plain[3_472..], |_, n| Some(keys.later(n)));
        }
        self.turns.iter().any(|turn| {
            let keys = MessageKeys {
                header: turn.array("hk_t").unwrap(),
                chain: turn.array("ck_after_first_message").unwrap(),
            };
            read(&keys, turn.number("turn").unwrap(), envelope, |constants, n| match n.checked_sub(1) {
                Some(later) => Some(keys.later(later)),
                None if constants.len() == KEYS + 2 * CIPHERTEXT_LEN => Some(self.turn_1(&keys, constants)),
                None => None,
            })
        })
    }

    /// Returns the keys of message 0 of turn 1 for the constants of its header, without checking
    /// them. X25519 ignores the top bit.
    fn turn_1(&self, keys: &MessageKeys, constants: &[u8]) -> MessageKeys {
        let own = self.session.hazmat_sending().unwrap();
        let mut rk: [u8; 32] = constants[..32].try_into().unwrap();
        rk[31] &= 0x7f;
        let rk = x25519::PublicKey::from_bytes(&rk).unwrap();
        let dh = x25519::SecretKey::from_bytes(&own.ratchet).diffie_hellman(&rk).unwrap();
        let open = |seed: &[u8; 64], at: usize| {
            let ciphertext = constants[at..at + CIPHERTEXT_LEN].try_into().unwrap();
            *DecapsulationKey::from_seed(seed).decapsulate(ciphertext).expose()
        };
        let (ss_t, ss_a) = (open(&own.kem_seed, KEYS), open(&self.identity, KEYS + CIPHERTEXT_LEN));
        let x = hash("turn", &[&1_u32.to_le_bytes(), &own.head[..KEYS], constants]);
        let q = ext(&self.session.hazmat_root(), &[dh.expose(), &ss_t, &ss_a]);
        MessageKeys { header: keys.header, chain: exp(&q, "turn chain", &x) }
    }
}

/// Whether header and body of a message open. `of` gives the keys of the message from the constants
/// and the number in the header.
fn read(
    keys: &MessageKeys,
    turn: u32,
    message: &[u8],
    of: impl Fn(&[u8], u32) -> Option<MessageKeys>,
) -> bool {
    let Some(header) = hazmat::open_header(&keys.header, turn, message) else { return false };
    let (constants, numbers) = header.split_at(header.len() - 8);
    let n = u32::from_le_bytes(numbers[4..].try_into().unwrap());
    let Some(keys) = of(constants, n) else { return false };
    let (header_box, body) = message.split_at(12 + header.len() + 16);
    let key = exp(&exp(&keys.chain, "message", &[]), "body", &message[..12]);
    aead::open(&key, &NONCE_0, header_box, body).is_ok()
}

/// Returns the envelopes in a vector that are given in full and refused.
fn refused(file: &Object) -> Vec<Vec<u8>> {
    let steps = file.object("input").unwrap().objects("steps").unwrap();
    let outcomes = file.object("output").unwrap().objects("steps").unwrap();
    let refused = steps
        .into_iter()
        .zip(outcomes)
        .filter(|(step, outcome)| step.find("envelope").is_some() && outcome.find("refused").is_some());
    refused.map(|(step, _)| step.bytes("envelope").unwrap()).collect()
}

#[test]
fn what_one_check_refuses_is_read_without_it() {
    let mut read = 0;
    for (case, text) in runner::all().unwrap() {
        let check = case.name.strip_prefix("refused-").and_then(|name| name.get(..4));
        let (Some(check), "ratchet") = (check, case.family) else { continue };
        let Ok(Json::Object(file)) = Json::parse(&text) else { continue };
        let check = match case.name.as_str() {
            "refused-c-54-pn" | "refused-c-20-sealed" | "refused-c-22-flight" | "refused-c-23-padding" => {
                "one"
            }
            _ => check,
        };
        match check {
            "one" | "c-25" | "c-26" | "c-27" | "c-29" | "c-53" => {
                let known = Known::of(&file);
                let refused = refused(&file);
                assert!(!refused.is_empty(), "{}", case.name);
                for envelope in refused {
                    assert!(known.read(&envelope), "{}: something else is wrong, too", case.name);
                    read += 1;
                }
            }
            "c-23" => {
                let known = Known::of(&file);
                assert!(refused(&file).iter().all(|envelope| !known.read(envelope)), "{}", case.name);
            }
            _ => {}
        }
    }
    assert_eq!(read, 13);
}
