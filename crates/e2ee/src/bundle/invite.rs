//! The invite: its secrets on the inviter's side, its checked bundle on the other side
//! (spec/03-invite.md).

use super::{
    body::{
        AddressTooLong, Bundle, BundleError, Kind, Origin, PREKEYS_LEN, Prekeys, SIGNATURE_LEN, hash, sign,
    },
    link::{InviteKeys, InviteSecret},
};
use crate::{
    identity::{IdentityHash, IdentityKey, IdentityKeyPair},
    labels,
    load_error::LoadError,
    padding::{pad, unpad},
};
use alloc::vec::Vec;
use deaddrop_primitives::{
    aead::{self, NONCE_LEN, TAG_LEN},
    assert_secret,
};
use deaddrop_wire::{Day, SizeClass};
use rand_core::CryptoRng;
use zeroize::{ZeroizeOnDrop, Zeroizing};

const BLOB_LEN: usize = SizeClass::Small.bytes();
const VERSION: u8 = 1;

/// The inviter's secrets of one invite. Destroy them when the invite is used, withdrawn or expired.
pub struct PendingInvite {
    pub(crate) secret: InviteSecret,
    pub(crate) prekeys: Prekeys,
}

/// The bundle of an invite that passed every check.
pub struct VerifiedBundle {
    pub(crate) keys: InviteKeys,
    pub(crate) secret: InviteSecret,
    pub(crate) bundle: Bundle,
}

impl PendingInvite {
    /// Makes an invite for one other person. Returns its secrets, and the 4,096-byte sealed bundle
    /// to put into the invite mailbox. Draws from `rng`: salt 32 bytes, X25519 prekey 32, ML-KEM
    /// prekey 64.
    ///
    /// `not_after` is the last day on which the invite can be used. `address` is the encoded
    /// mailbox address where the first message is awaited.
    ///
    /// # Errors
    /// Fails with [`AddressTooLong`].
    pub fn create(
        identity: &IdentityKeyPair,
        not_after: Day,
        address: &[u8],
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<(Self, Vec<u8>), AddressTooLong> {
        let (prekeys, body) = Prekeys::generate(Kind::Invite, identity, not_after, address, rng)?;
        // At most 2,504 + 512 + 64 bytes: always fits.
        let (secret, blob) = seal_body(identity, &body, None).ok_or(AddressTooLong)?;
        Ok((Self { secret, prekeys }, blob))
    }

    /// Returns the secret that the link of the invite contains.
    #[must_use]
    pub const fn secret(&self) -> &InviteSecret {
        &self.secret
    }

    /// Returns the last day on which the bundle may be used.
    #[must_use]
    pub const fn not_after(&self) -> Day {
        self.prekeys.not_after
    }

    /// Encodes the row to store until the invite ends: version 1 byte, hash of the bundle 32, last
    /// day 4, X25519 secret 32, ML-KEM seed 64.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(1 + 32 + PREKEYS_LEN));
        bytes.push(VERSION);
        bytes.extend_from_slice(self.secret.expose());
        self.prekeys.write(&mut bytes);
        bytes
    }

    /// Reads the bytes of [`to_bytes`](Self::to_bytes).
    ///
    /// # Errors
    /// Fails with [`LoadError`]; do not overwrite the stored row.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, LoadError> {
        if bytes.first().is_some_and(|version| *version > VERSION) {
            return Err(LoadError::NewerVersion);
        }
        Self::parse(bytes).ok_or(LoadError::Corrupt)
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let (&VERSION, rest) = bytes.split_first()? else { return None };
        let (secret, rest) = rest.split_first_chunk()?;
        Some(Self { secret: InviteSecret::copy_of(secret), prekeys: Prekeys::read(rest.as_array()?)? })
    }
}

// The link's secret and the prekeys wipe themselves.
impl ZeroizeOnDrop for PendingInvite {}
assert_secret!(PendingInvite);

impl core::fmt::Debug for PendingInvite {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("PendingInvite(..)")
    }
}

impl VerifiedBundle {
    /// Opens and checks the blob that came from the invite mailbox. `secret` is that of the link.
    ///
    /// `own` is the hash of the user's identity. `expected` is the hash of the contact from which
    /// the bundle must come; `None` accepts any person.
    ///
    /// # Errors
    /// Fails with [`BundleError`].
    pub fn open(
        secret: &InviteSecret,
        blob: &[u8],
        own: &IdentityHash,
        expected: Option<&IdentityHash>,
        today: Day,
    ) -> Result<Self, BundleError> {
        use BundleError::NotThisBundle;
        let keys = secret.keys();
        if blob.len() != BLOB_LEN {
            return Err(NotThisBundle); // C-01: the size of a sealed bundle.
        }
        let (nonce, sealed) = blob.split_first_chunk().ok_or(NotThisBundle)?;
        // C-02: sealed under the key that the link yields.
        let padded = aead::open(keys.bundle.expose(), nonce, labels::INVITE, sealed);
        let padded = Zeroizing::new(padded.map_err(|_| NotThisBundle)?);
        let signed = unpad(&padded).ok_or(NotThisBundle)?; // C-03: padding.
        let (body, signature) = signed.split_last_chunk().ok_or(NotThisBundle)?; // C-05: a signature.
        if InviteSecret::from_bytes(hash(body)) != *secret {
            return Err(NotThisBundle); // C-04: the link commits to this body.
        }
        let bundle = Bundle::check(Origin::Invite(signature), body, own, expected, today)?;
        Ok(Self { keys, secret: secret.duplicate(), bundle })
    }

    /// Returns the identity of the inviter.
    #[must_use]
    pub const fn identity(&self) -> &IdentityKey {
        &self.bundle.identity
    }

    /// Returns the encoded mailbox address where the first message is awaited.
    #[must_use]
    pub fn address(&self) -> &[u8] {
        &self.bundle.address
    }

    /// Returns the last day on which the bundle may be used.
    #[must_use]
    pub const fn not_after(&self) -> Day {
        self.bundle.not_after
    }
}

// The link's secret, what derives from it, and the address wipe themselves.
impl ZeroizeOnDrop for VerifiedBundle {}
assert_secret!(VerifiedBundle);

impl core::fmt::Debug for VerifiedBundle {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("VerifiedBundle(..)")
    }
}

/// Hashes a body into the secret of its link, signs it, and seals body and signature under a key
/// that derives from this secret. Returns the secret and the blob; `None` if the body is too long
/// for the blob. Without `nonce`, the nonce derives from the secret, too: key and nonce seal this
/// body alone.
pub(crate) fn seal_body(
    signer: &IdentityKeyPair,
    body: &[u8],
    nonce: Option<&[u8; NONCE_LEN]>,
) -> Option<(InviteSecret, Vec<u8>)> {
    if NONCE_LEN + body.len() + SIGNATURE_LEN >= BLOB_LEN - TAG_LEN {
        return None;
    }
    let secret = InviteSecret::from_bytes(hash(body));
    let keys = secret.keys();
    let nonce = nonce.unwrap_or(&keys.nonce);
    let mut blob = Vec::with_capacity(BLOB_LEN);
    blob.extend_from_slice(nonce);
    blob.extend_from_slice(body);
    blob.extend_from_slice(&sign(signer, body));
    pad(&mut blob, BLOB_LEN - TAG_LEN)?;
    let padded = blob.get_mut(NONCE_LEN..)?;
    let tag = aead::seal_in_place(keys.bundle.expose(), nonce, labels::INVITE, padded);
    blob.extend_from_slice(&tag);
    Some((secret, blob))
}
