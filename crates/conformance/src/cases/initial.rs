//! InitialMessages that no honest initiator makes, written from the formulas of chapters 04 and 05,
//! whose names (E, Id_A, x_B, px, rk_0) the comments use.

use super::world::{World, hello, person};
use crate::{
    random::Recorder,
    second::{self, MessageKeys, NONCE_0, boxed, exp, ext, hash},
};
use deaddrop_e2ee::{hazmat, identity::IdentityKeyPair};
use deaddrop_primitives::{aead, kem, x25519};

/// The differences of a first message from an honest one.
#[derive(Clone, Default)]
pub(super) struct Tweak {
    /// The ephemeral key E that is shown, if it is not the public key of the secret e.
    pub(super) ephemeral: Option<[u8; 32]>,
    /// Whether the top bit of E is set, which X25519 itself ignores.
    pub(super) ephemeral_top_bit: bool,
    /// The products DH(x_B, E) and DH(px, E) to use, if they are not those of e.
    pub(super) ephemeral_products: Option<Products>,
    /// The identity Id_A that is shown, if it is not that of the sender's seed.
    pub(super) identity: Option<Vec<u8>>,
    /// The products DH(x_B, x_A) and DH(px, x_A) to use, if they are not those of the sender's
    /// seed.
    pub(super) identity_products: Option<Products>,
    /// The identity seed of the sender, if the sender is not the initiator.
    pub(super) speaker: Option<[u8; 32]>,
    pub(super) changed_identity_box: bool,
    /// The ratchet key rk_0 in the header, if it is not the honest one.
    pub(super) ratchet: Option<[u8; 32]>,
    /// The ML-KEM key ek_0 in the header, if it is not the honest one.
    pub(super) kem: Option<Vec<u8>>,
    pub(super) previous_chain_length: u32,
    pub(super) message_number: u32,
    pub(super) changed_header: bool,
    pub(super) changed_body: bool,
    pub(super) content: Option<Vec<u8>>,
    /// The bytes behind the content and in front of the zeros of the padding, if they are not the
    /// one byte 0x80.
    pub(super) padding: Option<Vec<u8>>,
    /// Number of bytes of the envelope, if it is not 16 KiB.
    pub(super) envelope_len: Option<usize>,
}

/// The X25519 products of one key with two others: the identity key and the prekey of a bundle's
/// owner.
pub(super) type Products = [[u8; 32]; 2];

/// The products of a key of low order, such as zero: all are zero.
pub(super) const ZERO_PRODUCTS: Products = [[0; 32]; 2];

/// The value p + 9: above p, and to X25519 the same as 9, the base point. Products with the base
/// point are the public keys themselves.
pub(super) const ABOVE_P: [u8; 32] = {
    let mut bytes = [0xff; 32];
    bytes[0] = 0xf6;
    bytes[31] = 0x7f;
    bytes
};

/// The owner of a bundle, with the secrets that the formulas of a first message need.
pub(super) struct Addressee {
    pub(super) identity: IdentityKeyPair,
    pub(super) h: [u8; 32],
    pub(super) k_init: [u8; 32],
    pub(super) psk: [u8; 32],
    /// The secret of the X25519 prekey.
    pub(super) px: [u8; 32],
    /// The seed of the ML-KEM prekey.
    pub(super) pk: [u8; 64],
}

impl Addressee {
    /// Returns the products of the base point with the owner's two keys.
    pub(super) fn public_products(&self) -> Products {
        let x_b = &self.identity.identity_key().as_bytes()[32..64];
        let px = x25519::SecretKey::from_bytes(&self.px);
        [x_b.try_into().expect("32 bytes"), *px.public_key().as_bytes()]
    }
}

/// Returns the owner of the invite in a world.
pub(super) fn addressee(world: &World) -> Addressee {
    // The stored invite: version 1, h 32, day 4, X25519 prekey 32, ML-KEM seed 64.
    let stored = world.invite.to_bytes();
    let h: [u8; 32] = stored[1..33].try_into().expect("32 bytes");
    let keys = hazmat::invite(&h);
    Addressee {
        identity: person(world.responder_seed),
        h,
        k_init: keys.k_init,
        psk: keys.psk,
        px: stored[37..69].try_into().expect("32 bytes"),
        pk: stored[69..].try_into().expect("64 bytes"),
    }
}

/// Returns an InitialMessage from the initiator of a world on its invite, with these differences.
pub(super) fn initial_message(world: &mut World, tweak: &Tweak) -> Vec<u8> {
    initial_message_to(&addressee(world), world.initiator_seed, &mut world.recorder, tweak)
}

/// Returns an InitialMessage to the owner of any bundle. `initiator` is the identity seed of the
/// sender unless `tweak` has another, `r` the source of all randomness.
pub(super) fn initial_message_to(
    to: &Addressee,
    initiator: [u8; 32],
    r: &mut Recorder,
    tweak: &Tweak,
) -> Vec<u8> {
    let speaker = tweak.speaker.unwrap_or(initiator);
    let (_, x_a, _) = hazmat::identity_secrets(&speaker);
    let x_a = x25519::SecretKey::from_bytes(&x_a);
    let own = tweak.identity.clone().unwrap_or_else(|| person(speaker).identity_key().as_bytes().to_vec());
    let px = x25519::SecretKey::from_bytes(&to.px);
    let pk = kem::DecapsulationKey::from_seed(&to.pk);
    let id_b = to.identity.identity_key().as_bytes();
    let x_b = x25519::PublicKey::from_bytes(id_b[32..64].try_into().expect("32 bytes")).expect("canonical");
    let k_b = kem::EncapsulationKey::from_bytes(id_b[64..].try_into().expect("1184 bytes")).expect("reduced");
    let products = |secret: &x25519::SecretKey| {
        let dh = |public| *secret.diffie_hellman(public).expect("honest keys").expose();
        [dh(&x_b), dh(px.public_key())]
    };

    let e = x25519::SecretKey::from_bytes(&r.bytes());
    let (ct_id, ss_id) = k_b.encapsulate(r);
    let (ct_pre, ss_pre) = pk.encapsulation_key().encapsulate(r);
    let mut shown_e = tweak.ephemeral.unwrap_or(*e.public_key().as_bytes());
    shown_e[31] |= u8::from(tweak.ephemeral_top_bit) << 7;
    let t1 = hash("handshake 1", &[&to.h, &shown_e, &ct_id, &ct_pre]);
    let [of_identity, of_prekey] = tweak.ephemeral_products.unwrap_or_else(|| products(&e));
    let p1 = ext(&to.psk, &[&of_identity, &of_prekey, ss_id.expose(), ss_pre.expose()]);
    let mut id_box = aead::seal(&exp(&p1, "handshake identity", &t1), &NONCE_0, &t1, &own);
    id_box[0] ^= u8::from(tweak.changed_identity_box);
    let t2 = hash("handshake 2", &[&t1, &own]);
    let [of_identity, of_prekey] = tweak.identity_products.unwrap_or_else(|| products(&x_a));
    let p2 = ext(&exp(&p1, "handshake chain", &t1), &[&of_prekey, &of_identity]);
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
    let len = tweak.envelope_len.unwrap_or(16_384) - 28 - flight.len();
    let session = session.later(tweak.message_number);
    let mut padded = [&content[..], tweak.padding.as_deref().unwrap_or(&[0x80])].concat();
    padded.resize(len - header.len() - 12 - 2 * aead::TAG_LEN, 0);
    let mut message = second::message_of_padded(&session, &header, &r.bytes(), &padded);
    message[20] ^= u8::from(tweak.changed_header);
    *message.last_mut().expect("not empty") ^= u8::from(tweak.changed_body);
    drop(r.take());
    boxed(&to.k_init, &r.bytes(), "initial", &[flight, message].concat())
}
