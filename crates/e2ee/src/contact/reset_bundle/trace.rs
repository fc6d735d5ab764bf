//! Reset bundles with their secrets, for test vectors.

use super::{Attempt, PeerBundle, PendingReset, ResetHash, ResetKeys, Rules};
use crate::{
    bundle::{BundleError, body::Prekeys},
    handshake::AcceptError,
    identity::{IdentityHash, IdentityKeyPair},
    session::{Session, SessionId, keys::ResetSecret},
};
use alloc::{boxed::Box, vec::Vec};
use deaddrop_primitives::kem;
use deaddrop_wire::Day;
use rand_core::CryptoRng;

/// Derives `k_init`, the soft `psk` with a reset secret, and the hard `psk`, from the hash of a reset bundle.
#[must_use]
pub fn reset(hash: &[u8; 32], secret: &[u8; 32]) -> ([u8; 32], [u8; 32], [u8; 32]) {
    let keys = ResetKeys::of(&ResetHash::from_bytes(*hash));
    let soft = keys.psk(Some(&ResetSecret::from_bytes(*secret)));
    (*keys.initial().expose(), *soft.expose(), *keys.psk(None).expose())
}

/// A reset bundle: its hash, prekey secrets and body.
pub struct ResetBundleTrace {
    /// The value `h`.
    pub hash: [u8; 32],
    /// The X25519 prekey's secret.
    pub px: [u8; 32],
    /// The ML-KEM prekey's seed.
    pub pk: [u8; kem::SEED_LEN],
    /// The body that is sent to the contact.
    pub body: Vec<u8>,
    pending: PendingReset,
}

impl core::fmt::Debug for ResetBundleTrace {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("ResetBundleTrace(..)")
    }
}

/// The result of an InitialMessage on a reset bundle.
pub enum ResetOutcome {
    /// A session, its first content, and the place of the proof that fitted (`None`: hard).
    Accepted(Box<Session>, Vec<u8>, Option<usize>),
    /// A reset that is proved by the identity alone, and to which the user has not agreed.
    Hard,
    /// A soft reset without a proof that counts.
    Stale,
    /// The handshake of a known session.
    Known,
    /// The envelope was refused.
    Refused(AcceptError),
}

/// The conditions on which a reset is accepted.
#[derive(Clone, Copy, Debug)]
pub struct ResetRules<'a> {
    /// The reset secrets that count.
    pub proofs: &'a [[u8; 32]],
    /// Whether the user has agreed to a hard reset.
    pub agreed: bool,
    /// The identity of the contact.
    pub peer: &'a IdentityHash,
    /// The sessions that are or were held.
    pub held: &'a [[u8; 16]],
    /// SHA-256 of the flights of the sessions that the bundle has begun before.
    pub begun: &'a [[u8; 32]],
}

/// Makes a reset bundle; `None` if the address is too long. Draws salt 32, X25519 prekey 32, ML-KEM prekey 64.
#[must_use]
pub fn create_reset_bundle(
    identity: &IdentityKeyPair,
    not_after: Day,
    address: &[u8],
    rng: &mut impl CryptoRng,
) -> Option<ResetBundleTrace> {
    let (pending, mut body) = PendingReset::create(identity, not_after, address, rng).ok()?;
    let hash = *pending.hash.expose();
    let (px, pk) = (*pending.prekeys.x25519.expose(), *pending.prekeys.kem.expose_seed());
    Some(ResetBundleTrace { hash, px, pk, body: core::mem::take(&mut *body), pending })
}

impl ResetBundleTrace {
    /// Tries an envelope as the bundle's owner does.
    #[must_use]
    pub fn attempt(
        &self,
        identity: &IdentityKeyPair,
        envelope: &[u8],
        rules: &ResetRules<'_>,
        today: Day,
    ) -> ResetOutcome {
        let proofs: Vec<_> = rules.proofs.iter().map(|proof| ResetSecret::from_bytes(*proof)).collect();
        let proofs: Vec<&ResetSecret> = proofs.iter().collect();
        let is_held = |id: &SessionId| rules.held.contains(&id.0);
        let mut pending = with_begun(&self.pending, rules.begun);
        let rules = Rules { proofs: &proofs, agreed: rules.agreed, peer: rules.peer };
        if rules.agreed {
            // The user agrees only to a reset that was asked about.
            let asking = Rules { agreed: false, ..rules };
            let _ = pending.attempt(identity, envelope, &asking, is_held, today);
        }
        match pending.attempt(identity, envelope, &rules, is_held, today) {
            Ok(Attempt::Accepted { session, content, proof }) => {
                ResetOutcome::Accepted(session, content.to_vec(), proof)
            }
            Ok(Attempt::Hard { .. }) => ResetOutcome::Hard,
            Ok(Attempt::Stale) => ResetOutcome::Stale,
            Ok(Attempt::Known) => ResetOutcome::Known,
            Err(error) => ResetOutcome::Refused(error),
        }
    }
}

/// A reset bundle of the contact that passed every check.
#[derive(Debug)]
pub struct OpenedResetBundle {
    /// The value `h`.
    pub hash: [u8; 32],
    /// The encoded mailbox address; empty: the mailbox in use.
    pub address: Vec<u8>,
    /// The last day on which the bundle can be used.
    pub not_after: Day,
}

/// Checks a reset bundle as the contact of its maker does when it arrives.
///
/// # Errors
/// Fails with the [`BundleError`] of the check that failed.
pub fn open_reset_bundle(
    body: &[u8],
    own: &IdentityHash,
    peer: &IdentityHash,
    today: Day,
) -> Result<OpenedResetBundle, BundleError> {
    let taken = PeerBundle::from_content(body, own, peer, today)?;
    let usable = taken.usable(own, peer, today)?;
    let (address, not_after) = (usable.bundle.address.to_vec(), usable.bundle.not_after);
    Ok(OpenedResetBundle { hash: *usable.hash.expose(), address, not_after })
}

/// Begins a session on a reset bundle, with a proof or without. Draws as [`Session::initiate`].
///
/// # Errors
/// Fails with the [`BundleError`] of the check that failed.
pub fn initiate_reset(
    identity: &IdentityKeyPair,
    body: &[u8],
    peer: &IdentityHash,
    proof: Option<&[u8; 32]>,
    today: Day,
    rng: &mut impl CryptoRng,
) -> Result<Session, BundleError> {
    let own = identity.identity_key().hash();
    let bundle = PeerBundle::from_content(body, own, peer, today)?;
    let proof = proof.map(|proof| ResetSecret::from_bytes(*proof));
    let usable = bundle.usable(own, peer, today)?;
    usable.initiate(identity, proof.as_ref(), rng).map_err(|_| BundleError::BadKey)
}

/// Returns the same bundle after it has begun sessions by these flights.
fn with_begun(pending: &PendingReset, flights: &[[u8; 32]]) -> PendingReset {
    let mut bytes = Vec::new();
    pending.prekeys.write(&mut bytes);
    let prekeys = bytes.as_array().and_then(Prekeys::read);
    #[expect(clippy::expect_used, reason = "reads what it has just written")]
    let prekeys = prekeys.expect("just written");
    PendingReset::new(pending.hash.duplicate(), prekeys, flights.to_vec(), Vec::new())
}

impl core::fmt::Debug for ResetOutcome {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("ResetOutcome(..)")
    }
}
