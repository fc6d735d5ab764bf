//! Values that the handshake computes, for test vectors.

use super::keys::transcript_2;
use crate::{
    bundle::PendingInvite,
    identity::{IdentityKey, IdentityKeyPair},
    session::initial::OpenedInitial,
};
use alloc::vec::Vec;

/// Values of the handshake, on the responder's side.
pub struct HandshakeTrace {
    /// The flight: E, ct_id, ct_pre, id_box.
    pub flight: Vec<u8>,
    /// The message of turn 0: `hbox` and `bbox`.
    pub message: Vec<u8>,
    /// The value `T1`.
    pub t1: [u8; 32],
    /// The value `k_id`.
    pub k_id: [u8; 32],
    /// The value `c1`.
    pub c1: [u8; 32],
    /// The value `Id_A`.
    pub id_a: Vec<u8>,
    /// The value `T2`.
    pub t2: [u8; 32],
    /// The value `S`.
    pub s: [u8; 32],
}

/// Computes the values of the handshake for an InitialMessage. Returns `None` if it fails before `S`.
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
