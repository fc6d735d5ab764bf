//! Crafted messages of turn 1.

use super::talk::{A, B, Talk};
use crate::second::{MessageKeys, exp, ext, hash, message};
use deaddrop_e2ee::hazmat;
use deaddrop_primitives::{kem, x25519};

/// Returns message 0 of turn 1 with the header `head`, under the keys that follow from the
/// constants in it and from `dh`, which an honest sender computes as DH(rk_1, rk_0) (chapter 05
/// section 1).
pub(super) fn turn_1(talk: &mut Talk, head: &[u8], dh: &[u8; 32]) -> Vec<u8> {
    let (a, root, header) = (talk.trace(A), talk.world.session.hazmat_root(), talk.trace(B).header);
    let constants = &head[..head.len() - 4];
    let ciphertext = |at: usize| constants[at..at + kem::CIPHERTEXT_LEN].try_into().expect("1,088 bytes");
    let (_, _, identity) = hazmat::identity_secrets(&talk.world.initiator_seed);
    let ss_t = kem::DecapsulationKey::from_seed(&a.kem_seed).decapsulate(ciphertext(1_216));
    let ss_a =
        kem::DecapsulationKey::from_seed(&identity).decapsulate(ciphertext(1_216 + kem::CIPHERTEXT_LEN));
    let x = hash("turn", &[&1_u32.to_le_bytes(), &a.head[..1_216], constants]);
    let q = ext(&root, &[dh, ss_t.expose(), ss_a.expose()]);
    let keys = MessageKeys { header, chain: exp(&q, "turn chain", &x) };
    let header = [head, &0_u32.to_le_bytes()].concat();
    message(&keys, &header, &talk.world.recorder.bytes(), b"forged", 4_096)
}

/// Returns the product DH(rk_1, rk_0) of the ratchet keys that both sides have in turn 1.
pub(super) fn honest_dh(talk: &mut Talk) -> [u8; 32] {
    let (a, b) = (talk.trace(A).ratchet, talk.trace(B).ratchet);
    let b = x25519::SecretKey::from_bytes(&b);
    *x25519::SecretKey::from_bytes(&a).diffie_hellman(b.public_key()).expect("not of low order").expose()
}
