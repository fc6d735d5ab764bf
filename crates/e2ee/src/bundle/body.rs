//! The body of invites and reset bundles, with an identity and one prekey pair (spec/03-invite.md
//! section 1).

use crate::{
    identity::{IDENTITY_KEY_LEN, IdentityHash, IdentityKey, IdentityKeyPair},
    labels,
};
use alloc::vec::Vec;
use deaddrop_primitives::{ed25519, hash::sha256_of_secret, kem, x25519};
use deaddrop_wire::Day;
use rand_core::CryptoRng;
use zeroize::Zeroizing;

/// Maximum length of an encoded mailbox address in a bundle or a content, in bytes: that of
/// `MailboxAddress` in `deaddrop-link`.
pub const MAX_ADDRESS: usize = 512;
/// Number of the suite of this version: X25519, Ed25519, ML-KEM-768, HKDF-SHA-256,
/// ChaCha20-Poly1305.
pub const SUITE: u8 = 1;

/// Number of bytes of the Ed25519 signature behind the body of an invite's bundle.
pub(crate) const SIGNATURE_LEN: usize = 64;
/// Number of bytes of stored prekey secrets: last day 4, X25519 secret 32, ML-KEM seed 64.
pub(crate) const PREKEYS_LEN: usize = 4 + 32 + kem::SEED_LEN;

const SALT_LEN: usize = 32;
const FIXED_LEN: usize =
    1 + 1 + 4 + SALT_LEN + IDENTITY_KEY_LEN + x25519::KEY_LEN + kem::ENCAPSULATION_KEY_LEN + 2;
/// Maximum length of the body of a bundle, in bytes.
pub(crate) const MAX_BODY: usize = FIXED_LEN + MAX_ADDRESS;

/// The error of a mailbox address that is longer than [`MAX_ADDRESS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("mailbox address over 512 bytes; use a shorter relay URL")]
pub struct AddressTooLong;

/// The error of a bundle that was refused. No session can be begun with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BundleError {
    /// The blob is not the one that the link commits to: the mailbox holds something else, or the
    /// link was changed. Of a reset bundle: its body is malformed.
    #[error("the link does not fit what lies in its mailbox; ask for a new link")]
    NotThisBundle,
    /// The bundle has a suite of a newer version, or the wrong kind (a reset bundle in place of an
    /// invite, or the reverse).
    #[error("the invite needs a newer version; update, or ask for another link")]
    Unsupported,
    /// The last day of the bundle has passed. Ask for a new link.
    #[error("the invite has expired; ask for a new link")]
    Expired,
    /// The bundle has the user's own identity.
    #[error("this is your own invite; give it to somebody else")]
    Own,
    /// A key or the signature in the bundle is not valid. Do not use the bundle.
    #[error("the invite holds an invalid key or signature; do not use it")]
    BadKey,
    /// The bundle is from another person than the expected one.
    #[error("the invite comes from another person than the one expected; do not use it")]
    OtherPerson,
}

/// The purpose of a bundle, stated in the first byte of its body.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// To begin a first session with the person who has the link.
    Invite = 1,
    /// To begin a new session with an existing contact.
    Reset = 2,
}

/// The way by which the body of a bundle came. It determines how the body is authenticated and
/// which [`Kind`] it must have, so an invite is never mistaken for a reset bundle.
#[derive(Clone, Copy)]
pub(crate) enum Origin<'a> {
    /// The body was in the mailbox of an invite, with this signature by the identity in it.
    Invite(&'a [u8; SIGNATURE_LEN]),
    /// The body was in a message of a session. Only the two sides can write one, so there is no
    /// signature: a signature would prove to others that the peer took part in a session.
    Session,
}

impl Origin<'_> {
    const fn kind(self) -> Kind {
        match self {
            Self::Invite(_) => Kind::Invite,
            Self::Session => Kind::Reset,
        }
    }
}

/// The secret prekeys of one own bundle, and the last day on which it can be used.
pub(crate) struct Prekeys {
    pub(crate) not_after: Day,
    pub(crate) x25519: x25519::SecretKey,
    pub(crate) kem: kem::DecapsulationKey,
}

impl Prekeys {
    /// Generates prekeys, and the encoded body of a bundle with their public halves. The body is
    /// secret: it holds the right to send to the address, and the hash of an invite's body is the
    /// secret of its link. Draws: salt 32 bytes, X25519 prekey 32, ML-KEM prekey 64.
    pub(crate) fn generate(
        kind: Kind,
        identity: &IdentityKeyPair,
        not_after: Day,
        address: &[u8],
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<(Self, Zeroizing<Vec<u8>>), AddressTooLong> {
        let address_len = u16::try_from(address.len()).map_err(|_| AddressTooLong)?;
        if address.len() > MAX_ADDRESS {
            return Err(AddressTooLong);
        }
        let mut salt = [0; SALT_LEN];
        rng.fill_bytes(&mut salt);
        let keys = Self {
            not_after,
            x25519: x25519::SecretKey::generate(rng),
            kem: kem::DecapsulationKey::generate(rng),
        };
        let mut body = Zeroizing::new(Vec::with_capacity(FIXED_LEN + address.len()));
        body.extend_from_slice(&[kind as u8, SUITE]);
        body.extend_from_slice(&not_after.number().to_le_bytes());
        body.extend_from_slice(&salt);
        body.extend_from_slice(identity.identity_key().as_bytes());
        body.extend_from_slice(keys.x25519.public_key().as_bytes());
        body.extend_from_slice(keys.kem.encapsulation_key().as_bytes());
        body.extend_from_slice(&address_len.to_le_bytes());
        body.extend_from_slice(address);
        Ok((keys, body))
    }

    /// Appends the stored form: last day 4 bytes, X25519 secret 32, ML-KEM seed 64.
    pub(crate) fn write(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&self.not_after.number().to_le_bytes());
        bytes.extend_from_slice(self.x25519.expose());
        bytes.extend_from_slice(self.kem.expose_seed());
    }

    /// Reads the bytes of [`write`](Self::write). Never returns `None`, because the array has their
    /// exact length.
    pub(crate) fn read(bytes: &[u8; PREKEYS_LEN]) -> Option<Self> {
        let (day, rest) = bytes.split_first_chunk()?;
        let (x25519, rest) = rest.split_first_chunk()?;
        Some(Self {
            not_after: Day::from_number(u32::from_le_bytes(*day)),
            x25519: x25519::SecretKey::from_bytes(x25519),
            kem: kem::DecapsulationKey::from_seed(rest.as_array()?),
        })
    }
}

/// Returns the signature of the body of an own bundle.
pub(crate) fn sign(signer: &IdentityKeyPair, body: &[u8]) -> [u8; SIGNATURE_LEN] {
    signer.ed25519.sign(&signed_message(body))
}

/// Returns the message that the signature of a body covers. The message is wiped, because the hash
/// of a body is the secret of its link.
fn signed_message(body: &[u8]) -> Zeroizing<Vec<u8>> {
    Zeroizing::new([labels::BUNDLE, body].concat())
}

/// Returns the hash of a body, `h` in the spec, which represents the whole bundle in the handshake.
pub(crate) fn hash(body: &[u8]) -> [u8; 32] {
    sha256_of_secret(&[labels::BUNDLE_HASH, body])
}

/// Returns the last day on which the bundle with this body can be used; `None` if the body is
/// malformed.
pub(crate) fn last_day(body: &[u8]) -> Option<Day> {
    Some(Fields::parse(body)?.not_after)
}

/// A bundle of another person that has passed [`check`](Self::check).
pub(crate) struct Bundle {
    pub(crate) identity: IdentityKey,
    pub(crate) prekey_x25519: x25519::PublicKey,
    pub(crate) prekey_kem: kem::EncapsulationKey,
    /// The encoded mailbox address, which holds the right to send there.
    pub(crate) address: Zeroizing<Vec<u8>>,
    pub(crate) not_after: Day,
}

impl Bundle {
    /// Checks a body and returns its bundle; fails with the [`BundleError`] of the first check that
    /// fails. `own` is the user's identity; `expected` is the identity that the bundle must have,
    /// if the person is a contact already.
    pub(crate) fn check(
        origin: Origin<'_>,
        body: &[u8],
        own: &IdentityHash,
        expected: Option<&IdentityHash>,
        today: Day,
    ) -> Result<Self, BundleError> {
        use BundleError::{BadKey, Expired, NotThisBundle, OtherPerson, Own, Unsupported};
        let fields = Fields::parse(body).ok_or(NotThisBundle)?; // C-05: the form of the body.
        if fields.kind != origin.kind() as u8 || fields.suite != SUITE {
            return Err(Unsupported); // C-06: kind and suite.
        }
        if fields.not_after < today {
            return Err(Expired); // C-07: not past its last day.
        }
        if let Origin::Invite(signature) = origin {
            // C-08: the owner of the identity signed an invite.
            let (ed, _) = fields.identity.split_first_chunk().ok_or(BadKey)?;
            ed25519::verify(ed, &signed_message(body), signature).map_err(|_| BadKey)?;
        }
        // C-09: the identity's keys are valid.
        let identity = IdentityKey::from_bytes(fields.identity).map_err(|_| BadKey)?;
        if identity.hash() == own {
            return Err(Own); // C-10: not one's own.
        }
        // C-11: the prekeys are valid.
        let prekey_x25519 = x25519::PublicKey::from_bytes(fields.prekey_x25519).map_err(|_| BadKey)?;
        let prekey_kem = kem::EncapsulationKey::from_bytes(fields.prekey_kem).map_err(|_| BadKey)?;
        if expected.is_some_and(|expected| identity.hash() != expected) {
            return Err(OtherPerson); // C-12: a known contact is still the same person.
        }
        let (address, not_after) = (Zeroizing::new(fields.address.to_vec()), fields.not_after);
        Ok(Self { identity, prekey_x25519, prekey_kem, address, not_after })
    }
}

/// The fields of a body. Their lengths are checked, their values are not.
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
        if body.len() < FIXED_LEN || body.len() > MAX_BODY {
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
