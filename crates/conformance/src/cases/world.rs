//! Two people and a bundle, and first messages that no honest initiator makes.

use crate::{
    json::Object,
    random::Recorder,
    second::{self, MessageKeys, NONCE_0, boxed, exp, ext, hash},
};
use deaddrop_crypto::{
    Content, IdentityKeyPair, IdentitySeed, PendingInvite, Session, VerifiedBundle, content, hazmat,
};
use deaddrop_primitives::{aead, kem, x25519};
use deaddrop_wire::Day;

/// The day of all vectors: 2026-11-23.
pub(super) const TODAY: u32 = 20_780;
/// The last day of their bundles.
pub(super) const NOT_AFTER: u32 = TODAY + 7;

/// The bundle's and the initiator's mailbox address; opaque here.
pub(super) const ADDRESS: &[u8] = b"an address of up to 512 bytes";

/// Initiator, responder, a bundle, the initiator's session, and the inputs that lead there.
pub(super) struct World {
    pub(super) recorder: Recorder,
    pub(super) initiator_seed: [u8; 32],
    pub(super) responder_seed: [u8; 32],
    pub(super) initiator: IdentityKeyPair,
    pub(super) responder: IdentityKeyPair,
    pub(super) invite: PendingInvite,
    pub(super) blob: Vec<u8>,
    pub(super) session: Session,
    pub(super) input: Object,
}

pub(super) fn person(seed: [u8; 32]) -> IdentityKeyPair {
    IdentityKeyPair::from_seed(IdentitySeed::from_bytes(seed))
}

/// Content that begins with Hello and carries a text.
pub(super) fn hello(text: &str) -> Vec<u8> {
    let items = [Content::Hello { address: ADDRESS.to_vec() }, note(text)];
    content::encode(&items).expect("short").to_vec()
}

/// Content of one text.
pub(super) fn plain(text: &str) -> Vec<u8> {
    content::encode(&[note(text)]).expect("short").to_vec()
}

fn note(text: &str) -> Content {
    Content::Text { stream: deaddrop_crypto::StreamId([0x5a; 16]), number: 1, text: text.to_owned() }
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        let mut recorder = Recorder::new(seed);
        let (initiator_seed, responder_seed) = (recorder.bytes(), recorder.bytes());
        let (initiator, responder) = (person(initiator_seed), person(responder_seed));
        let (invite, blob) =
            hazmat::create_invite(&responder, Day::from_number(NOT_AFTER), ADDRESS, &mut recorder)
                .expect("short address");
        let bundle_random = recorder.take();
        let own = initiator.identity_key().hash();
        let today = Day::from_number(TODAY);
        let bundle = VerifiedBundle::open(invite.secret(), &blob, own, None, today).expect("just made");
        let (session, _) = Session::initiate(&initiator, &bundle, &mut recorder).expect("honest keys");
        let initiator_random = recorder.take();
        let input = Object::new()
            .hex("initiator_seed", initiator_seed)
            .hex("responder_seed", responder_seed)
            .with("today", TODAY)
            .with("not_after", NOT_AFTER)
            .hex("bundle_address", ADDRESS)
            .hex("bundle_random", bundle_random)
            .hex("initiator_random", initiator_random);
        Self { recorder, initiator_seed, responder_seed, initiator, responder, invite, blob, session, input }
    }
}

/// How a first message differs from an honest one.
#[derive(Default)]
pub(super) struct Tweak {
    pub(super) ephemeral: Option<[u8; 32]>,
    pub(super) identity: Option<Vec<u8>>,
    /// Whose secrets speak, if not the initiator's.
    pub(super) speaker: Option<[u8; 32]>,
    pub(super) changed_identity_box: bool,
    pub(super) ratchet: Option<[u8; 32]>,
    pub(super) kem: Option<Vec<u8>>,
    pub(super) previous_chain_length: u32,
    pub(super) message_number: u32,
    pub(super) changed_header: bool,
    pub(super) changed_body: bool,
    pub(super) content: Option<Vec<u8>>,
}

/// An InitialMessage of 16 KiB, written from the formulas of chapters 04 and 05.
pub(super) fn initial_message(world: &mut World, tweak: &Tweak) -> Vec<u8> {
    let r = &mut world.recorder;
    let speaker = tweak.speaker.unwrap_or(world.initiator_seed);
    let (_, x_a, _) = hazmat::identity_secrets(&speaker);
    let x_a = x25519::SecretKey::from_bytes(&x_a);
    let own = tweak.identity.clone().unwrap_or_else(|| person(speaker).identity_key().as_bytes().to_vec());
    // The stored invite: version 1, h 32, day 4, X25519 prekey 32, ML-KEM seed 64.
    let stored = world.invite.to_bytes();
    let h: [u8; 32] = stored[1..33].try_into().expect("32 bytes");
    let px = x25519::SecretKey::from_bytes(stored[37..69].try_into().expect("32 bytes"));
    let pk = kem::DecapsulationKey::from_seed(stored[69..].try_into().expect("64 bytes"));
    let id_b = world.responder.identity_key().as_bytes();
    let x_b = x25519::PublicKey::from_bytes(id_b[32..64].try_into().expect("32 bytes")).expect("canonical");
    let k_b = kem::EncapsulationKey::from_bytes(id_b[64..].try_into().expect("1184 bytes")).expect("reduced");
    let dh = |secret: &x25519::SecretKey, public: &x25519::PublicKey| {
        *secret.diffie_hellman(public).expect("honest keys").expose()
    };

    let e = x25519::SecretKey::from_bytes(&r.bytes());
    let (ct_id, ss_id) = k_b.encapsulate(r);
    let (ct_pre, ss_pre) = pk.encapsulation_key().encapsulate(r);
    let shown_e = tweak.ephemeral.unwrap_or(*e.public_key().as_bytes());
    let t1 = hash("handshake 1", &[&h, &shown_e, &ct_id, &ct_pre]);
    let keys = hazmat::invite(&h);
    let p1 = ext(&keys.psk, &[&dh(&e, &x_b), &dh(&e, px.public_key()), ss_id.expose(), ss_pre.expose()]);
    let mut id_box = aead::seal(&exp(&p1, "handshake identity", &t1), &NONCE_0, &t1, &own);
    id_box[0] ^= u8::from(tweak.changed_identity_box);
    let t2 = hash("handshake 2", &[&t1, &own]);
    let p2 = ext(&exp(&p1, "handshake chain", &t1), &[&dh(&x_a, px.public_key()), &dh(&x_a, &x_b)]);
    let s = exp(&p2, "handshake session", &t2);
    let session =
        MessageKeys { header: exp(&s, "session header 0", &[]), chain: exp(&s, "session chain", &[]) };

    let rk = x25519::SecretKey::from_bytes(&r.bytes());
    let ek = kem::DecapsulationKey::from_seed(&r.bytes());
    let header = [
        &tweak.ratchet.unwrap_or(*rk.public_key().as_bytes())[..],
        tweak.kem.as_deref().unwrap_or(ek.encapsulation_key().as_bytes()),
        &tweak.previous_chain_length.to_le_bytes(),
        &tweak.message_number.to_le_bytes(),
    ]
    .concat();
    let flight = [&shown_e[..], &ct_id, &ct_pre, &id_box].concat();
    let content = tweak.content.clone().unwrap_or_else(|| hello("crafted"));
    let len = 16_384 - 28 - flight.len();
    let session = session.later(tweak.message_number);
    let mut message = second::message(&session, &header, &r.bytes(), &content, len);
    message[20] ^= u8::from(tweak.changed_header);
    *message.last_mut().expect("not empty") ^= u8::from(tweak.changed_body);
    drop(r.take());
    boxed(&keys.k_init, &r.bytes(), "initial", &[flight, message].concat())
}
