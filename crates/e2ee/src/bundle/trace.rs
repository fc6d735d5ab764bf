//! Keys and bytes of bundles, for test vectors.

use super::{
    AddressTooLong, InviteSecret, PendingInvite,
    body::{Kind, Prekeys},
    invite::seal_body,
};
use crate::identity::IdentityKeyPair;
use alloc::vec::Vec;
use deaddrop_primitives::aead;
use deaddrop_wire::Day;
use rand_core::CryptoRng;

/// The keys that derive from an [`InviteSecret`], named as in spec/03-invite.md.
pub struct InviteTrace {
    /// The value `read`: the read capability of the invite mailbox.
    pub read: [u8; 32],
    /// The value `k_bundle`: the key of the sealed bundle.
    pub k_bundle: [u8; 32],
    /// The value `k_init`: the key of the outer box of an InitialMessage.
    pub k_init: [u8; 32],
    /// The value `psk`: the secret that enters the handshake.
    pub psk: [u8; 32],
}

/// Derives the keys of an invite from the secret of its link.
#[must_use]
pub fn invite(secret: &[u8; 32]) -> InviteTrace {
    let keys = InviteSecret::from_bytes(*secret).keys();
    InviteTrace {
        read: *keys.read.expose(),
        k_bundle: *keys.bundle.expose(),
        k_init: *keys.initial.expose(),
        psk: *keys.psk.expose(),
    }
}

/// Signs `body`, which can be any bytes, and seals it under `nonce` as the bundle of an invite.
/// Returns the secret of the link and the blob; `None` if the body is too long for the blob.
#[must_use]
pub fn seal_bundle(signer: &IdentityKeyPair, body: &[u8], nonce: &[u8; 12]) -> Option<([u8; 32], Vec<u8>)> {
    seal_body(signer, body, Some(nonce)).map(|(secret, blob)| (*secret.expose(), blob))
}

/// Derives the nonce of an invite's sealed bundle from the secret of its link.
#[must_use]
pub fn invite_nonce(secret: &[u8; 32]) -> [u8; 12] {
    InviteSecret::from_bytes(*secret).keys().nonce
}

/// Does the same as [`PendingInvite::create`], but draws the nonce, 12 bytes, from `rng` after all
/// other values instead of deriving it.
///
/// # Errors
/// Fails as [`PendingInvite::create`] does.
pub fn create_invite(
    identity: &IdentityKeyPair,
    not_after: Day,
    address: &[u8],
    rng: &mut impl CryptoRng,
) -> Result<(PendingInvite, Vec<u8>), AddressTooLong> {
    let (prekeys, body) = Prekeys::generate(Kind::Invite, identity, not_after, address, rng)?;
    let mut nonce = [0; aead::NONCE_LEN];
    rng.fill_bytes(&mut nonce);
    let (secret, blob) = seal_body(identity, &body, Some(&nonce)).ok_or(AddressTooLong)?;
    Ok((PendingInvite { secret, prekeys }, blob))
}

impl core::fmt::Debug for InviteTrace {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("InviteTrace(..)")
    }
}
