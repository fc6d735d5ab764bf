//! The secret in an invite link, the keys that derive from it, and the link's text
//! (spec/03-invite.md).

use crate::{handshake::keys::Psk, labels, session::initial::InitialKey};
use alloc::{
    string::{String, ToString},
    vec,
};
use core::str::FromStr;
use data_encoding::BASE64URL_NOPAD;
use deaddrop_primitives::{aead::NONCE_LEN, assert_secret, hkdf, secret_bytes};
use deaddrop_wire::{Fingerprint, RelayAddress};
use zeroize::{ZeroizeOnDrop, Zeroizing};

/// Version of the form of a link, stated in the first byte behind the `#`.
pub const LINK_VERSION: u8 = 1;
/// Number of characters after the `#` of a link: version 1 byte, fingerprint 32, secret 32, in
/// base64url without padding.
pub const FRAGMENT_LEN: usize = 87;

const BYTES_LEN: usize = 1 + 32 + 32;

secret_bytes! {
    /// The secret of an invite: the hash of its bundle. A link that contains it commits to the
    /// bundle, so the bundle cannot be replaced.
    pub struct InviteSecret[32];
}
secret_bytes! {
    /// The read capability of the invite mailbox: the right to fetch the sealed bundle.
    pub struct InviteRead[32];
}
secret_bytes! {
    pub(crate) struct BundleKey[32];
}

/// The keys that derive from an [`InviteSecret`].
pub(crate) struct InviteKeys {
    pub(crate) read: InviteRead,
    pub(crate) bundle: BundleKey,
    pub(crate) initial: InitialKey,
    pub(crate) psk: Psk,
    /// The nonce under which the key `bundle` seals the bundle. Key and nonce derive from the hash
    /// of the sealed body, so they seal nothing else.
    pub(crate) nonce: [u8; NONCE_LEN],
}

impl InviteSecret {
    /// Derives the read capability of the mailbox in which the sealed bundle lies.
    #[must_use]
    pub fn read_capability(&self) -> InviteRead {
        self.keys().read
    }

    pub(crate) fn keys(&self) -> InviteKeys {
        let prk = hkdf::extract(labels::INVITE, &[self.expose()]);
        let expander = prk.ready();
        InviteKeys {
            read: InviteRead::derive(&expander, &[labels::INVITE_READ]),
            bundle: BundleKey::derive(&expander, &[labels::INVITE_BUNDLE]),
            initial: InitialKey::derive(&expander, &[labels::INVITE_INITIAL]),
            psk: Psk::derive(&expander, &[labels::INVITE_PSK]),
            nonce: expander.expand(&[labels::INVITE_NONCE]),
        }
    }
}

/// The link of an invite: the relay of its mailbox, and its secret.
pub struct InviteLink {
    relay: RelayAddress,
    secret: InviteSecret,
}

/// The error of reading an invite link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LinkError {
    /// The text does not have the form of an invite link.
    #[error("this is not an invite link; one begins with deaddrop: and holds /i#")]
    NotALink,
    /// The text ends too early: the part behind the `#` is too short, or there is no `#` in a text
    /// that begins with `deaddrop:`.
    #[error("the invite link is cut off; copy all of it")]
    Truncated,
    /// The part behind the `#` is too long or holds characters that do not belong there, or the
    /// address of the relay is not valid.
    #[error("the invite link is damaged; copy it again, or ask for a new one")]
    Damaged,
    /// The link's version is not [`LINK_VERSION`]: a newer version of this program made it.
    #[error("the invite link needs a newer version of this program; update")]
    NewerVersion,
}

impl InviteLink {
    /// Creates the link of an invite whose mailbox lies at `relay`.
    #[must_use]
    pub fn new(relay: RelayAddress, secret: InviteSecret) -> Self {
        Self { relay, secret }
    }

    /// Returns the relay of the invite mailbox.
    #[must_use]
    pub const fn relay(&self) -> &RelayAddress {
        &self.relay
    }

    /// Returns the secret of the invite.
    #[must_use]
    pub const fn secret(&self) -> &InviteSecret {
        &self.secret
    }

    /// Returns the text of the link. Anyone who reads it can use the invite, so the text is wiped,
    /// and there is no `Display`.
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        let mut bytes = Zeroizing::new([0; BYTES_LEN]);
        let parts = [&[LINK_VERSION][..], self.relay.fingerprint().as_bytes(), self.secret.expose()];
        for (place, byte) in bytes.iter_mut().zip(parts.into_iter().flatten()) {
            *place = *byte;
        }
        let mut text = Zeroizing::new(String::from("deaddrop:"));
        // The URL ends with `/`.
        text.push_str(self.relay.url());
        text.push_str("i#");
        BASE64URL_NOPAD.encode_append(bytes.as_ref(), &mut text);
        text
    }
}

// The secret wipes itself; where the mailbox is, is no secret.
impl ZeroizeOnDrop for InviteLink {}
assert_secret!(InviteLink);

impl FromStr for InviteLink {
    type Err = LinkError;

    fn from_str(text: &str) -> Result<Self, LinkError> {
        let text = text.trim();
        let (place, fragment) = text.split_once('#').ok_or(if text.starts_with("deaddrop:") {
            LinkError::Truncated
        } else {
            LinkError::NotALink
        })?;
        let url = relay_url(place).ok_or(LinkError::NotALink)?;
        if fragment.len() < FRAGMENT_LEN && fragment.bytes().all(is_base64url) {
            return Err(LinkError::Truncated);
        }
        let len = BASE64URL_NOPAD.decode_len(fragment.len()).map_err(|_| LinkError::Damaged)?;
        let mut decoded = Zeroizing::new(vec![0; len]);
        BASE64URL_NOPAD.decode_mut(fragment.as_bytes(), &mut decoded).map_err(|_| LinkError::Damaged)?;
        let (version, rest) = decoded.split_first().ok_or(LinkError::Damaged)?;
        if *version != LINK_VERSION {
            return Err(LinkError::NewerVersion);
        }
        let (fingerprint, secret) = rest.split_first_chunk().ok_or(LinkError::Damaged)?;
        let secret = InviteSecret::copy_of(secret.as_array().ok_or(LinkError::Damaged)?);
        let relay = RelayAddress::new(Fingerprint::from_bytes(*fingerprint), &url);
        Ok(Self { relay: relay.map_err(|_| LinkError::Damaged)?, secret })
    }
}

impl core::fmt::Debug for InviteLink {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("InviteLink(..)")
    }
}

fn is_base64url(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'
}

/// Returns the URL of the relay: `deaddrop:ws://R/i` and `http://R/i` mean `ws://R/`;
/// `deaddrop:wss://R/i` and `https://R/i` mean `wss://R/`. Returns `None` for any other form.
fn relay_url(place: &str) -> Option<String> {
    let place = place.strip_suffix("/i")?;
    let (scheme, rest) = place.strip_prefix("deaddrop:").unwrap_or(place).split_once("://")?;
    let scheme = match (scheme, place.starts_with("deaddrop:")) {
        ("ws", true) | ("http", false) => "ws://",
        ("wss", true) | ("https", false) => "wss://",
        _ => return None,
    };
    Some([scheme, rest, "/"].concat().to_string())
}
