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

/// Derives three values from the hash of a reset bundle: `k_init`, the `psk` of a soft reset that
/// `secret` proves, and the `psk` of a hard reset.
#[must_use]
pub fn reset(hash: &[u8; 32], secret: &[u8; 32]) -> ([u8; 32], [u8; 32], [u8; 32]) {
    let keys = ResetKeys::of(&ResetHash::from_bytes(*hash));
    let soft = keys.psk(Some(&ResetSecret::from_bytes(*secret)));
    (*keys.initial().expose(), *soft.expose(), *keys.psk(None).expose())
}

/// An own reset bundle: its hash, prekey secrets and body.
pub struct ResetBundleTrace {
    /// The value `h`, the hash of the body.
    pub hash: [u8; 32],
    /// The secret of the X25519 prekey.
    pub px: [u8; 32],
    /// The seed of the ML-KEM prekey.
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

/// The result of trying an envelope on a reset bundle.
pub enum ResetOutcome {
    /// The reset is accepted: a session, its first content, and the index in [`ResetRules::proofs`]
    /// of the secret that proved it (`None`: a hard reset).
    Accepted(Box<Session>, Vec<u8>, Option<usize>),
    /// A reset that is proved by the identity alone, and to which the user has not agreed.
    Hard,
    /// A soft reset that none of [`ResetRules::proofs`] proves, or a reset on a bundle that has
    /// begun its maximum number of sessions.
    Stale,
    /// A repeat of the handshake of a session that is or was held, or that the bundle has begun.
    Known,
    /// The envelope was refused with this error.
    Refused(AcceptError),
}

/// The conditions on which a reset is accepted.
#[derive(Clone, Copy, Debug)]
pub struct ResetRules<'a> {
    /// The reset secrets that count as recent: each of them proves a soft reset.
    pub proofs: &'a [[u8; 32]],
    /// Whether the user has agreed to a hard reset.
    pub agreed: bool,
    /// The hash of the contact's identity: a reset from any other is refused.
    pub peer: &'a IdentityHash,
    /// Ids of the sessions that are or were held.
    pub held: &'a [[u8; 16]],
    /// SHA-256 of the flights of the sessions that the bundle has begun before.
    pub begun: &'a [[u8; 32]],
}

/// Makes a reset bundle; `None` if the address is too long. Draws salt 32, X25519 prekey 32, ML-KEM
/// prekey 64.
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
    /// Tries an envelope on the bundle as its owner does. The state of the bundle does not change.
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

/// The fields of a reset bundle of the contact that has passed every check.
#[derive(Debug)]
pub struct OpenedResetBundle {
    /// The value `h`, the hash of the body.
    pub hash: [u8; 32],
    /// The encoded mailbox address at which the first message is awaited; empty: the mailbox in
    /// use.
    pub address: Vec<u8>,
    /// The last day on which the bundle can be used.
    pub not_after: Day,
}

/// Checks a reset bundle as its receiver does when it arrives. `own` is the hash of the receiver's
/// identity, `peer` that of the maker's.
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

/// Begins a session with the reset bundle in `body`: a soft reset with the secret `proof`, a hard
/// one without. Draws from `rng` as [`Session::initiate`] does.
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

/// Returns a copy of the bundle that counts these flights as those of sessions that it has begun.
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
