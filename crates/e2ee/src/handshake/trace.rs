//! Values that the handshake computes, for test vectors.

use super::keys::transcript_2;
use crate::{
    bundle::PendingInvite,
    identity::{IdentityKey, IdentityKeyPair},
    session::initial::OpenedInitial,
};
use alloc::vec::Vec;

/// Intermediate values of a handshake as the responder computes them, named as in
/// spec/04-handshake.md.
pub struct HandshakeTrace {
    /// The flight: ephemeral key E, ciphertexts ct_id and ct_pre, box id_box with the identity.
    pub flight: Vec<u8>,
    /// The message of turn 0: header box `hbox` and body box `bbox`.
    pub message: Vec<u8>,
    /// The value `T1`, the first transcript hash.
    pub t1: [u8; 32],
    /// The value `k_id`, the key of the box with the initiator's identity.
    pub k_id: [u8; 32],
    /// The value `c1`, the result of the first step of the key schedule.
    pub c1: [u8; 32],
    /// The value `Id_A`, the initiator's public identity.
    pub id_a: Vec<u8>,
    /// The value `T2`, the second transcript hash.
    pub t2: [u8; 32],
    /// The value `S`, the session secret.
    pub s: [u8; 32],
}

/// Computes the values of the handshake for an InitialMessage to this invite. Returns `None` if the
/// handshake fails before `S`.
#[must_use]
pub fn handshake(
    invite: &PendingInvite,
    identity: &IdentityKeyPair,
    envelope: &[u8],
) -> Option<HandshakeTrace> {
    let keys = invite.secret.keys();
    let OpenedInitial { flight, message } = OpenedInitial::open(&keys.initial, envelope)?;
    let awaiting = invite.awaiting(identity);
    let first = awaiting.open_flight(&flight).ok()?.with_psk(&keys.psk)?;
    let peer = IdentityKey::from_bytes(&first.initiator).ok()?;
    let secret = awaiting.session_secret(&first, &peer).ok()?;
    Some(HandshakeTrace {
        flight,
        message,
        t1: first.t1,
        k_id: *first.box_key.expose(),
        c1: *first.chain.expose(),
        id_a: first.initiator.to_vec(),
        t2: transcript_2(&first.t1, &first.initiator),
        s: *secret.expose(),
    })
}

impl core::fmt::Debug for HandshakeTrace {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("HandshakeTrace(..)")
    }
}
