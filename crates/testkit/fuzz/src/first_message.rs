//! InitialMessages: the plaintext behind the link's key, and all messages that an initiator with any identity could
//! forge.

use super::{input::Input, scenes};
use deaddrop_conformance::second::{MessageKeys, NONCE_0, boxed, exp, ext, hash, label, message};
use deaddrop_e2ee::{
    content::{self as codec, Content},
    hazmat,
    invite::{AcceptError, PendingInvite},
    session::{DecryptError, Standing},
};
use deaddrop_primitives::{aead, kem, x25519};
use deaddrop_testkit::rng;

const LEN: usize = 16_384;

pub fn first_message(data: &[u8]) {
    let mut input = Input(data);
    let people = scenes::people();
    let pending = PendingInvite::from_bytes(&people.pending).expect("stored");
    let keys = hazmat::invite(pending.secret().expose());
    let mode = input.u8();
    let (envelope, forged) = match mode % 3 {
        0 => {
            let (nonce, sealed) = people.first_envelope.split_first_chunk().expect("long");
            let mut plain = aead::open(&keys.k_init, nonce, &label("initial"), sealed).expect("genuine");
            input.change(&mut plain);
            (boxed(&keys.k_init, &input.array(), "initial", &plain), None)
        }
        1 => {
            let mut plain = input.rest().to_vec();
            plain.resize(if mode & 0x80 == 0 { LEN } else { 65_536 } - 28, 0);
            (boxed(&keys.k_init, &[9; 12], "initial", &plain), None)
        }
        _ => {
            let forged = Forged::new(mode, &mut input);
            (forged.envelope(&pending, &keys), Some(forged))
        }
    };
    match pending.accept(&people.responder, &envelope, |_| false, scenes::TODAY) {
        Ok(accepted) => {
            let content = codec::decode(&accepted.content);
            assert!(matches!(content.as_deref(), Ok([Content::Hello { .. }, ..])));
            assert!(accepted.session.standing() == Standing::Unconfirmed && accepted.session.turn() == 0);
            assert!(accepted.changes.invite_consumed);
            if let Some(forged) = &forged {
                assert_eq!(accepted.peer.as_bytes()[..], forged.identity[..]);
                assert_eq!(*accepted.content, forged.content);
                assert_eq!(forged.previous_chain_length, 0);
            }
            let mut side = scenes::Side::new(&people.responder, scenes::Rows::new(accepted.changes));
            side.rows.are_of(&accepted.session);
            // The same again is a repeat, and an answer goes out.
            assert_eq!(
                side.session.decrypt(side.identity, &envelope, scenes::TODAY).err(),
                Some(DecryptError::Duplicate)
            );
            side.say(0, &mut rng(1));
        }
        Err(error) => {
            if let Some(forged) = &forged {
                assert!(!forged.is_honest(), "{error:?}");
                assert_ne!(error, AcceptError::Expired);
            }
        }
    }
    // A responder that has its session already.
    let scene = &scenes::scenes()[1];
    let mut side = scene.receiving_side();
    let before = side.session.snapshot();
    match side.session.decrypt(side.identity, &envelope, scenes::TODAY) {
        Ok(_) => {
            // Number 0 of the same flight, which was skipped.
            assert_eq!(mode % 3, 0);
        }
        Err(_) => {
            assert!(*side.session.snapshot() == *before);
            scene.goes_on(&mut side);
        }
    }
}

/// The parts of a first message that is written from the formulas of the spec's chapters 04 and 05.
struct Forged {
    ephemeral: Option<[u8; 32]>,
    identity: Vec<u8>,
    constants: Vec<u8>,
    previous_chain_length: u32,
    message_number: u32,
    content: Vec<u8>,
}

impl Forged {
    fn new(mode: u8, input: &mut Input<'_>) -> Self {
        let mut identity = scenes::people().initiator.identity_key().as_bytes().to_vec();
        input.change(&mut identity);
        let mut constants = x25519::SecretKey::from_bytes(&[5; 32]).public_key().as_bytes().to_vec();
        constants
            .extend_from_slice(kem::DecapsulationKey::from_seed(&[6; 64]).encapsulation_key().as_bytes());
        input.change(&mut constants);
        let ephemeral = (mode & 0x80 != 0).then(|| input.array());
        let previous_chain_length = if mode & 0x40 != 0 { input.u32() } else { 0 };
        let message_number = if mode & 0x20 != 0 { input.u32() } else { u32::from(input.u8()) };
        let rest = input.rest();
        let content = if rest.is_empty() { scenes::hello("forged") } else { rest.to_vec() };
        Self { ephemeral, identity, constants, previous_chain_length, message_number, content }
    }

    /// Whether the message breaks no rule, so that it must be accepted.
    fn is_honest(&self) -> bool {
        let people = scenes::people();
        let [rk, ek] = [&self.constants[..32], &self.constants[32..]];
        self.ephemeral.is_none()
            && self.identity == people.initiator.identity_key().as_bytes()
            && x25519::PublicKey::from_bytes(rk.try_into().expect("32")).is_ok()
            && kem::EncapsulationKey::from_bytes(ek.try_into().expect("1,184")).is_ok()
            && self.previous_chain_length == 0
            && self.message_number < deaddrop_e2ee::session::MAX_TURN_LEN
            && matches!(codec::decode(&self.content).as_deref(), Ok([Content::Hello { .. }, ..]))
    }

    fn envelope(&self, pending: &PendingInvite, keys: &hazmat::InviteTrace) -> Vec<u8> {
        let people = scenes::people();
        let r = &mut rng(7);
        let stored = pending.to_bytes();
        let h: [u8; 32] = stored[1..33].try_into().expect("32 bytes");
        let px = x25519::SecretKey::from_bytes(stored[37..69].try_into().expect("32 bytes"));
        let pk = kem::DecapsulationKey::from_seed(stored[69..].try_into().expect("64 bytes"));
        let id_b = people.responder.identity_key().as_bytes();
        let x_b = x25519::PublicKey::from_bytes(id_b[32..64].try_into().expect("32")).expect("canonical");
        let k_b = kem::EncapsulationKey::from_bytes(id_b[64..].try_into().expect("1,184")).expect("reduced");
        let dh = |secret: &x25519::SecretKey, public: &x25519::PublicKey| {
            *secret.diffie_hellman(public).expect("not of low order").expose()
        };
        let (_, x_a, _) = hazmat::identity_secrets(&people.initiator_seed);
        let x_a = x25519::SecretKey::from_bytes(&x_a);
        let e = x25519::SecretKey::from_bytes(&[8; 32]);
        let shown = self.ephemeral.unwrap_or(*e.public_key().as_bytes());
        let (ct_id, ss_id) = k_b.encapsulate(r);
        let (ct_pre, ss_pre) = pk.encapsulation_key().encapsulate(r);
        let t1 = hash("handshake 1", &[&h, &shown, &ct_id, &ct_pre]);
        let p1 = ext(&keys.psk, &[&dh(&e, &x_b), &dh(&e, px.public_key()), ss_id.expose(), ss_pre.expose()]);
        let id_box = aead::seal(&exp(&p1, "handshake identity", &t1), &NONCE_0, &t1, &self.identity);
        let t2 = hash("handshake 2", &[&t1, &self.identity]);
        let p2 = ext(&exp(&p1, "handshake chain", &t1), &[&dh(&x_a, px.public_key()), &dh(&x_a, &x_b)]);
        let s = exp(&p2, "handshake session", &t2);
        let session =
            MessageKeys { header: exp(&s, "session header 0", &[]), chain: exp(&s, "session chain", &[]) };
        let (pn, n) = (self.previous_chain_length.to_le_bytes(), self.message_number.to_le_bytes());
        let header = [&self.constants[..], &pn, &n].concat();
        let flight = [&shown[..], &ct_id, &ct_pre, &id_box].concat();
        let keep = self.content.len().min(8_000);
        let session = session.later(self.message_number.min(deaddrop_e2ee::session::MAX_TURN_LEN));
        let message = message(&session, &header, &[3; 12], &self.content[..keep], LEN - 28 - flight.len());
        boxed(&keys.k_init, &[4; 12], "initial", &[flight, message].concat())
    }
}
