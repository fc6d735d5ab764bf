//! The address of a mailbox for one sender: a relay and a send capability (spec/11-capabilities.md
//! section 4).
//!
//! `deaddrop-e2ee` carries these bytes as the opaque address of a bundle and of its
//! `Content::Hello`.

use crate::capability::SendCapability;
use deaddrop_wire::{Fingerprint, RelayAddress};
use zeroize::Zeroizing;

/// The address of a mailbox for one sender.
#[derive(PartialEq, Eq)]
pub struct MailboxAddress {
    /// The address of the relay that holds the mailbox.
    pub relay: RelayAddress,
    /// The capability to put into the mailbox.
    pub send: SendCapability,
}

/// The error of bytes that are no mailbox address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the mailbox address is damaged; ask the peer for a new one")]
pub struct BadMailboxAddress;

impl MailboxAddress {
    /// Maximum number of bytes of an encoding: fingerprint 32, send capability 32, length 2, URL at
    /// most 446.
    pub const MAX_LEN: usize = 512;

    /// Encodes fingerprint 32 bytes, send capability 32, length of the URL 2, URL. The result holds
    /// a secret and is wiped on drop.
    #[must_use]
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        let url = self.relay.url().as_bytes();
        // A relay address holds at most 446 bytes of URL.
        let len = u16::try_from(url.len()).unwrap_or(u16::MAX);
        let mut bytes = Zeroizing::new(Vec::with_capacity(64 + 2 + url.len()));
        bytes.extend_from_slice(self.relay.fingerprint().as_bytes());
        bytes.extend_from_slice(self.send.expose());
        bytes.extend_from_slice(&len.to_le_bytes());
        bytes.extend_from_slice(url);
        bytes
    }

    /// Decodes the bytes of [`encode`](Self::encode). Every address has exactly one encoding.
    ///
    /// # Errors
    /// Fails with [`BadMailboxAddress`].
    pub fn decode(bytes: &[u8]) -> Result<Self, BadMailboxAddress> {
        Self::parse(bytes).ok_or(BadMailboxAddress) // K-18: the one encoding of an address.
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let (fingerprint, rest) = bytes.split_first_chunk::<32>()?;
        let (send, rest) = rest.split_first_chunk::<32>()?;
        let (len, url) = rest.split_first_chunk::<2>()?;
        if usize::from(u16::from_le_bytes(*len)) != url.len() {
            return None;
        }
        let url = core::str::from_utf8(url).ok()?;
        let relay = RelayAddress::new(Fingerprint::from_bytes(*fingerprint), url).ok()?;
        Some(Self { relay, send: SendCapability::copy_of(send) })
    }
}

impl core::fmt::Debug for MailboxAddress {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("MailboxAddress(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn address(url: &str) -> MailboxAddress {
        let relay = RelayAddress::new(Fingerprint::from_bytes([3; 32]), url).unwrap();
        MailboxAddress { relay, send: SendCapability::from_bytes([4; 32]) }
    }

    #[test]
    fn bytes_are_as_specified() {
        let bytes = address("ws://a/").encode();
        assert_eq!(*bytes, [&[3; 32][..], &[4; 32], &[7, 0], b"ws://a/"].concat());
        assert_eq!(MailboxAddress::decode(&bytes), Ok(address("ws://a/")));
    }

    #[test]
    fn the_longest_url_fits() {
        let url = format!("ws://a/{}/", "x".repeat(446 - 8));
        let bytes = address(&url).encode();
        assert_eq!(bytes.len(), MailboxAddress::MAX_LEN);
        assert_eq!(MailboxAddress::decode(&bytes), Ok(address(&url)));
    }

    #[test]
    fn nothing_trails_and_nothing_lacks() {
        let bytes = address("wss://relay.example/drop/").encode();
        for len in 0..bytes.len() {
            assert_eq!(MailboxAddress::decode(&bytes[..len]), Err(BadMailboxAddress));
        }
        let longer = [&bytes[..], b"/"].concat();
        assert_eq!(MailboxAddress::decode(&longer), Err(BadMailboxAddress));
    }

    proptest! {
        #[test]
        fn any_bytes_decode_to_what_encodes_to_them(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            if let Ok(address) = MailboxAddress::decode(&bytes) {
                prop_assert_eq!(&*address.encode(), &bytes);
            }
        }
    }
}
