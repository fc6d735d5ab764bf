//! The bytes of handshake messages (spec/10-link.md section 3). This module computes on no key.
//!
//! C1 is the client's first message, S1 the relay's answer, C2 the client's last message; the
//! module `handshake` says what each contains.

use crate::{cookie::Cookie, handshake::RelayHandshakeError, identity::PUBLIC_LEN, record::FIRST_RECORD_LEN};
use deaddrop_primitives::{aead::TAG_LEN, kem, x25519};
use deaddrop_wire::{Features, Offer, Version, limits::MAX_VERSIONS};

/// The first bytes of C1, the client's first message, with its keys and offer.
pub(crate) const MAGIC_C1: &[u8; 4] = b"ddC1";
/// The first bytes of S1, the relay's answer, with its key and proof.
pub(crate) const MAGIC_S1: &[u8; 4] = b"ddS1";
/// The first bytes of C2, the client's last message, with a ciphertext to the relay's identity and
/// the client's first record.
pub(crate) const MAGIC_C2: &[u8; 4] = b"ddC2";
/// The first bytes of an answer in place of S1 that asks the client to come again with the cookie
/// in it.
const MAGIC_RETRY: &[u8; 4] = b"ddRT";
/// The first bytes of an answer in place of S1 that lists the relay's versions, none of which the
/// client has offered.
const MAGIC_NO_VERSION: &[u8; 4] = b"ddNV";

/// Number of bytes of S1 in front of the sealed identity: [`MAGIC_S1`], version 2, features 8,
/// X25519 key, ML-KEM ciphertext.
pub(crate) const S1_HEAD_LEN: usize = 4 + 2 + 8 + x25519::KEY_LEN + kem::CIPHERTEXT_LEN;
/// Number of bytes of the relay's sealed identity in S1.
pub(crate) const STATIC_BOX_LEN: usize = PUBLIC_LEN + TAG_LEN;
/// Number of bytes of C2 in front of the first record: [`MAGIC_C2`], ML-KEM ciphertext.
pub(crate) const C2_HEAD_LEN: usize = 4 + kem::CIPHERTEXT_LEN;

/// A parsed C1. Its form is checked; no key of it has been used yet.
#[derive(Debug)]
pub struct ClientHello<'a> {
    pub(crate) offer: Offer,
    pub(crate) cookie: Option<Cookie>,
    pub(crate) x25519: &'a [u8; x25519::KEY_LEN],
    pub(crate) kem: &'a [u8; kem::ENCAPSULATION_KEY_LEN],
    pub(crate) bytes: &'a [u8],
}

impl<'a> ClientHello<'a> {
    /// Parses C1: checks its first bytes, its lengths, and the form of the offer.
    ///
    /// # Errors
    /// Fails with [`RelayHandshakeError::NotAHandshake`].
    pub fn parse(bytes: &'a [u8]) -> Result<Self, RelayHandshakeError> {
        parse_c1(bytes).ok_or(RelayHandshakeError::NotAHandshake) // K-01: the form of C1.
    }

    /// Returns the cookie that the client echoes, if there is one.
    #[must_use]
    pub const fn cookie(&self) -> Option<&Cookie> {
        self.cookie.as_ref()
    }

    /// Returns the versions and features that the client offers.
    #[must_use]
    pub const fn offer(&self) -> &Offer {
        &self.offer
    }
}

/// Encodes the message that asks a client to come again with `cookie`.
#[must_use]
pub fn retry(cookie: &Cookie) -> Vec<u8> {
    [&MAGIC_RETRY[..], cookie.as_bytes()].concat()
}

/// Encodes the message that tells a client which versions this relay speaks.
#[must_use]
pub fn no_common_version(offer: &Offer) -> Vec<u8> {
    let mut bytes = MAGIC_NO_VERSION.to_vec();
    push_versions(&mut bytes, offer);
    bytes
}

/// Encodes C1 from its parts.
pub(crate) fn c1(
    offer: &Offer,
    cookie: Option<&Cookie>,
    x25519: &[u8; x25519::KEY_LEN],
    kem: &[u8; kem::ENCAPSULATION_KEY_LEN],
) -> Vec<u8> {
    let mut bytes = MAGIC_C1.to_vec();
    push_versions(&mut bytes, offer);
    bytes.extend_from_slice(&offer.features().0.to_le_bytes());
    bytes.push(cookie.is_some().into());
    bytes.extend_from_slice(cookie.map_or(&[][..], |cookie| cookie.as_bytes()));
    bytes.extend_from_slice(x25519);
    bytes.extend_from_slice(kem);
    bytes
}

/// Encodes the part of S1 in front of the sealed identity.
pub(crate) fn s1_head(
    version: Version,
    features: Features,
    x25519: &[u8; x25519::KEY_LEN],
    ciphertext: &[u8; kem::CIPHERTEXT_LEN],
) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(S1_HEAD_LEN + STATIC_BOX_LEN + TAG_LEN);
    bytes.extend_from_slice(MAGIC_S1);
    bytes.extend_from_slice(&version.0.to_le_bytes());
    bytes.extend_from_slice(&features.0.to_le_bytes());
    bytes.extend_from_slice(x25519);
    bytes.extend_from_slice(ciphertext);
    bytes
}

/// A parsed answer to C1.
pub(crate) enum Reply<'a> {
    S1(S1<'a>),
    Retry(Cookie),
    NoCommonVersion,
}

/// The fields of a parsed S1. `head` is everything in front of the sealed identity `static_box`.
pub(crate) struct S1<'a> {
    pub(crate) version: Version,
    pub(crate) features: Features,
    pub(crate) x25519: &'a [u8; x25519::KEY_LEN],
    pub(crate) ciphertext: &'a [u8; kem::CIPHERTEXT_LEN],
    pub(crate) head: &'a [u8],
    pub(crate) static_box: &'a [u8],
    pub(crate) confirmation: &'a [u8; TAG_LEN],
}

impl<'a> Reply<'a> {
    pub(crate) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (magic, rest) = bytes.split_first_chunk()?;
        match magic {
            MAGIC_S1 => parse_s1(bytes).map(Self::S1),
            MAGIC_RETRY => Some(Self::Retry(Cookie(rest.try_into().ok()?))),
            MAGIC_NO_VERSION => {
                let (versions, rest) = parse_versions(rest)?;
                let is_offer = Offer::new(versions, Features::NONE).is_some();
                (is_offer && rest.is_empty()).then_some(Self::NoCommonVersion)
            }
            _ => None,
        }
    }
}

/// The fields of a parsed C2: the ciphertext, the head that the transcript covers, the first
/// record.
pub(crate) struct C2<'a> {
    pub(crate) ciphertext: &'a [u8; kem::CIPHERTEXT_LEN],
    pub(crate) head: &'a [u8],
    pub(crate) record: &'a [u8],
}

impl<'a> C2<'a> {
    pub(crate) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (head, record) = bytes.split_at_checked(C2_HEAD_LEN)?;
        let (magic, ciphertext) = head.split_first_chunk()?;
        let well_formed = magic == MAGIC_C2 && record.len() == FIRST_RECORD_LEN;
        well_formed.then_some(Self { ciphertext: ciphertext.try_into().ok()?, head, record })
    }
}

fn parse_c1(bytes: &[u8]) -> Option<ClientHello<'_>> {
    let (magic, rest) = bytes.split_first_chunk()?;
    if magic != MAGIC_C1 {
        return None;
    }
    let (versions, rest) = parse_versions(rest)?;
    let (features, rest) = rest.split_first_chunk()?;
    let offer = Offer::new(versions, Features(u64::from_le_bytes(*features)))?;
    let (cookie, rest) = match rest.split_first()? {
        (0, rest) => (None, rest),
        (1, rest) => rest.split_first_chunk().map(|(cookie, rest)| (Some(Cookie(*cookie)), rest))?,
        _ => return None,
    };
    let (x25519, rest) = rest.split_first_chunk()?;
    Some(ClientHello { offer, cookie, x25519, kem: rest.try_into().ok()?, bytes })
}

fn parse_s1(bytes: &[u8]) -> Option<S1<'_>> {
    let (head, rest) = bytes.split_at_checked(S1_HEAD_LEN)?;
    let (static_box, confirmation) = rest.split_at_checked(STATIC_BOX_LEN)?;
    let (_magic, fields) = head.split_first_chunk::<4>()?;
    let (version, fields) = fields.split_first_chunk()?;
    let (features, fields) = fields.split_first_chunk()?;
    let (x25519, ciphertext) = fields.split_first_chunk()?;
    Some(S1 {
        version: Version(u16::from_le_bytes(*version)),
        features: Features(u64::from_le_bytes(*features)),
        x25519,
        ciphertext: ciphertext.try_into().ok()?,
        head,
        static_box,
        confirmation: confirmation.try_into().ok()?,
    })
}

fn push_versions(bytes: &mut Vec<u8>, offer: &Offer) {
    // An offer holds at most eight.
    bytes.push(u8::try_from(offer.versions().len()).unwrap_or(u8::MAX));
    for version in offer.versions() {
        bytes.extend_from_slice(&version.0.to_le_bytes());
    }
}

/// Splits a list of versions off from the bytes after it; `None` if the list is too long or cut
/// short.
fn parse_versions(bytes: &[u8]) -> Option<(Vec<Version>, &[u8])> {
    let (count, rest) = bytes.split_first()?;
    let count = usize::from(*count);
    if count > MAX_VERSIONS {
        return None;
    }
    let (list, rest) = rest.split_at_checked(count.checked_mul(2)?)?;
    let (pairs, _) = list.as_chunks();
    Some((pairs.iter().map(|pair| Version(u16::from_le_bytes(*pair))).collect(), rest))
}
