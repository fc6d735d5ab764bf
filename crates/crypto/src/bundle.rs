//! The bundle: what an inviter lets one other person know (spec/03-invite.md).

use crate::{
    identity::{IDENTITY_KEY_LEN, IdentityHash, IdentityKey, IdentityKeyPair},
    invite::{InviteKeys, InviteSecret},
    labels,
    padding::{pad, unpad},
};
use alloc::vec::Vec;
use deaddrop_primitives::{aead, ed25519, hash::sha256, kem, x25519};
use deaddrop_wire::{Day, SizeClass};
use rand_core::CryptoRng;
use zeroize::Zeroizing;

/// Longest mailbox address in a bundle, in bytes.
pub const MAX_ADDRESS: usize = 512;
/// The suite of this version: X25519, Ed25519, ML-KEM-768, HKDF-SHA-256, ChaCha20-Poly1305.
pub const SUITE: u8 = 1;

const KIND_INVITE: u8 = 1;
const SALT_LEN: usize = 32;
const BLOB_LEN: usize = SizeClass::Small.bytes();
const FIXED_LEN: usize =
    1 + 1 + 4 + SALT_LEN + IDENTITY_KEY_LEN + x25519::KEY_LEN + kem::ENCAPSULATION_KEY_LEN + 2;

/// The inviter's secrets of one bundle: destroyed when a session stands, when the invite is withdrawn, or at its end.
pub struct PendingInvite {
    pub(crate) secret: InviteSecret,
    pub(crate) not_after: Day,
    pub(crate) prekey_x25519: x25519::SecretKey,
    pub(crate) prekey_kem: kem::DecapsulationKey,
}

/// A bundle that came by its link and passed every check.
pub struct VerifiedBundle {
    pub(crate) keys: InviteKeys,
    pub(crate) secret: InviteSecret,
    pub(crate) identity: IdentityKey,
    pub(crate) prekey_x25519: x25519::PublicKey,
    pub(crate) prekey_kem: kem::EncapsulationKey,
    address: Vec<u8>,
    not_after: Day,
}

/// The address is longer than [`MAX_ADDRESS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressTooLong;

impl core::fmt::Display for AddressTooLong {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("mailbox address over 512 bytes; use a shorter relay URL")
    }
}

impl core::error::Error for AddressTooLong {}

/// A bundle was refused. Nothing was written, nothing may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BundleError {
    /// Not what this link points to: the mailbox holds something else, or the link was changed.
    NotThisBundle,
    /// Made by a newer version, or of a kind that cannot be accepted.
    Unsupported,
    /// Its last day has passed: ask for a new link.
    Expired,
    /// It is one's own.
    Own,
    /// A key or the signature is not valid: do not use it.
    BadKey,
    /// Another person than the one expected.
    OtherPerson,
}

impl core::fmt::Display for BundleError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::NotThisBundle => "the link does not fit what lies in its mailbox; ask for a new link",
            Self::Unsupported => "the invite needs a newer version; update, or ask for another link",
            Self::Expired => "the invite has expired; ask for a new link",
            Self::Own => "this is your own invite; give it to somebody else",
            Self::BadKey => "the invite holds an invalid key or signature; do not use it",
            Self::OtherPerson => "the invite comes from another person than the one expected; do not use it",
        })
    }
}

impl core::error::Error for BundleError {}

impl PendingInvite {
    /// Makes a bundle for one other person. Draws from `rng`: salt 32, X25519 prekey 32, ML-KEM prekey 64, nonce 12.
    ///
    /// `address` is the encoded mailbox address where the first message is awaited. The second value is the
    /// 4,096-byte sealed bundle for the invite mailbox.
    ///
    /// # Errors
    /// [`AddressTooLong`].
    pub fn create(
        identity: &IdentityKeyPair,
        not_after: Day,
        address: &[u8],
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<(Self, Vec<u8>), AddressTooLong> {
        let address_len = u16::try_from(address.len()).map_err(|_| AddressTooLong)?;
        if address.len() > MAX_ADDRESS {
            return Err(AddressTooLong);
        }
        let mut salt = [0; SALT_LEN];
        rng.fill_bytes(&mut salt);
        let prekey_x25519 = x25519::SecretKey::generate(rng);
        let prekey_kem = kem::DecapsulationKey::generate(rng);

        let mut bytes = Vec::from([KIND_INVITE, SUITE]);
        bytes.extend_from_slice(&not_after.number().to_le_bytes());
        bytes.extend_from_slice(&salt);
        bytes.extend_from_slice(identity.identity_key().as_bytes());
        bytes.extend_from_slice(prekey_x25519.public_key().as_bytes());
        bytes.extend_from_slice(prekey_kem.encapsulation_key().as_bytes());
        bytes.extend_from_slice(&address_len.to_le_bytes());
        bytes.extend_from_slice(address);
        let mut nonce = [0; aead::NONCE_LEN];
        rng.fill_bytes(&mut nonce);
        // At most 2,504 + 512 + 64 bytes: always fits.
        let (secret, blob) = seal_body(identity, bytes, &nonce).ok_or(AddressTooLong)?;
        Ok((Self { secret, not_after, prekey_x25519, prekey_kem }, blob))
    }

    /// The secret for the link.
    #[must_use]
    pub const fn secret(&self) -> &InviteSecret {
        &self.secret
    }

    /// The last day on which the bundle may be used.
    #[must_use]
    pub const fn not_after(&self) -> Day {
        self.not_after
    }

    /// To be stored until the invite ends: version 1, hash 32, day 4, X25519 32, ML-KEM seed 64.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(133));
        bytes.push(1);
        bytes.extend_from_slice(self.secret.expose());
        bytes.extend_from_slice(&self.not_after.number().to_le_bytes());
        bytes.extend_from_slice(self.prekey_x25519.expose());
        bytes.extend_from_slice(self.prekey_kem.expose_seed());
        bytes
    }

    /// What [`to_bytes`](Self::to_bytes) made; `None` for anything else.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (1, rest) = bytes.split_first()? else { return None };
        let (secret, rest) = rest.split_first_chunk()?;
        let (day, rest) = rest.split_first_chunk()?;
        let (x25519, rest) = rest.split_first_chunk()?;
        Some(Self {
            secret: InviteSecret::from_bytes(*secret),
            not_after: Day::from_number(u32::from_le_bytes(*day)),
            prekey_x25519: x25519::SecretKey::from_bytes(x25519),
            prekey_kem: kem::DecapsulationKey::from_seed(rest.as_array()?),
        })
    }
}

impl core::fmt::Debug for PendingInvite {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("PendingInvite(..)")
    }
}

impl VerifiedBundle {
    /// Opens and checks what the invite mailbox held.
    ///
    /// `expected` is the hash of a contact that the bundle must come from, if there is one.
    ///
    /// # Errors
    /// See [`BundleError`].
    pub fn open(
        secret: &InviteSecret,
        blob: &[u8],
        own: &IdentityHash,
        expected: Option<&IdentityHash>,
        today: Day,
    ) -> Result<Self, BundleError> {
        use BundleError::{BadKey, Expired, NotThisBundle, OtherPerson, Own, Unsupported};
        let keys = secret.keys();
        if blob.len() != BLOB_LEN {
            return Err(NotThisBundle); // C-01: the size of a sealed bundle.
        }
        let (nonce, sealed) = blob.split_first_chunk().ok_or(NotThisBundle)?;
        // C-02: sealed under the key that the link yields.
        let padded =
            aead::open(keys.bundle.expose(), nonce, labels::INVITE, sealed).map_err(|_| NotThisBundle)?;
        let signed = unpad(&padded).ok_or(NotThisBundle)?; // C-03: padding.
        let (body, signature) = signed.split_last_chunk().ok_or(NotThisBundle)?;
        if InviteSecret::from_bytes(sha256(&[labels::BUNDLE_HASH, body])) != *secret {
            return Err(NotThisBundle); // C-04: the link commits to this body.
        }
        let fields = Fields::parse(body).ok_or(NotThisBundle)?; // C-05: the form of the body.
        if fields.kind != KIND_INVITE || fields.suite != SUITE {
            return Err(Unsupported); // C-06: kind and suite.
        }
        if fields.not_after < today {
            return Err(Expired); // C-07: not past its last day.
        }
        // C-08: the owner of the identity signed it.
        let (ed, _) = fields.identity.split_first_chunk().ok_or(BadKey)?;
        let message = [labels::BUNDLE, body].concat();
        ed25519::verify(ed, &message, signature).map_err(|_| BadKey)?;
        // C-09: the identity's keys are valid.
        let identity = IdentityKey::from_bytes(fields.identity).map_err(|_| BadKey)?;
        if identity.hash().is(own) {
            return Err(Own); // C-10: not one's own.
        }
        // C-11: the prekeys are valid.
        let prekey_x25519 = x25519::PublicKey::from_bytes(fields.prekey_x25519).map_err(|_| BadKey)?;
        let prekey_kem = kem::EncapsulationKey::from_bytes(fields.prekey_kem).map_err(|_| BadKey)?;
        if expected.is_some_and(|expected| !identity.hash().is(expected)) {
            return Err(OtherPerson); // C-12: a known contact is still the same person.
        }
        let (address, not_after) = (fields.address.to_vec(), fields.not_after);
        Ok(Self { keys, secret: secret.duplicate(), identity, prekey_x25519, prekey_kem, address, not_after })
    }

    /// Who invites.
    #[must_use]
    pub const fn identity(&self) -> &IdentityKey {
        &self.identity
    }

    /// The encoded mailbox address where the first message is awaited.
    #[must_use]
    pub fn address(&self) -> &[u8] {
        &self.address
    }

    /// The last day on which the bundle may be used.
    #[must_use]
    pub const fn not_after(&self) -> Day {
        self.not_after
    }
}

impl core::fmt::Debug for VerifiedBundle {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("VerifiedBundle(..)")
    }
}

/// Signs a body, hashes it into the link's secret, and seals both; `None` when it is too long for the blob.
pub(crate) fn seal_body(
    signer: &IdentityKeyPair,
    mut body: Vec<u8>,
    nonce: &[u8; aead::NONCE_LEN],
) -> Option<(InviteSecret, Vec<u8>)> {
    let signature = signer.ed25519.sign(&[labels::BUNDLE, &body].concat());
    let secret = InviteSecret::from_bytes(sha256(&[labels::BUNDLE_HASH, &body]));
    body.extend_from_slice(&signature);
    pad(&mut body, BLOB_LEN - aead::NONCE_LEN - aead::TAG_LEN)?;
    let mut blob = nonce.to_vec();
    blob.extend_from_slice(&aead::seal(secret.keys().bundle.expose(), nonce, labels::INVITE, &body));
    Some((secret, blob))
}

/// The fields of a body, nothing checked but their lengths.
struct Fields<'a> {
    kind: u8,
    suite: u8,
    not_after: Day,
    identity: &'a [u8; IDENTITY_KEY_LEN],
    prekey_x25519: &'a [u8; x25519::KEY_LEN],
    prekey_kem: &'a [u8; kem::ENCAPSULATION_KEY_LEN],
    address: &'a [u8],
}

impl<'a> Fields<'a> {
    fn parse(body: &'a [u8]) -> Option<Self> {
        if body.len() < FIXED_LEN || body.len() > FIXED_LEN + MAX_ADDRESS {
            return None;
        }
        let (&[kind, suite], rest) = body.split_first_chunk()?;
        let (day, rest) = rest.split_first_chunk()?;
        let (_salt, rest) = rest.split_first_chunk::<SALT_LEN>()?;
        let (identity, rest) = rest.split_first_chunk()?;
        let (prekey_x25519, rest) = rest.split_first_chunk()?;
        let (prekey_kem, rest) = rest.split_first_chunk()?;
        let (len, address) = rest.split_first_chunk()?;
        let not_after = Day::from_number(u32::from_le_bytes(*day));
        (usize::from(u16::from_le_bytes(*len)) == address.len()).then_some(Self {
            kind,
            suite,
            not_after,
            identity,
            prekey_x25519,
            prekey_kem,
            address,
        })
    }
}
