//! Address prefixes, known by a keyed hash only (spec/12-relay.md section 7).

use crate::labels;
use deaddrop_primitives::{hash::sha256, secret_bytes};
use rand::CryptoRng;
use std::net::IpAddr;

secret_bytes! {
    /// The key of the hash by which prefixes are known. Drawn at each start and never stored.
    pub(crate) struct PrefixKey[32];
}

/// The network that a connection comes from: /24 of IPv4 or /56 of IPv6, as a keyed hash.
///
/// Loopback and configured proxies have no prefix of their own. They count as one prefix together,
/// which has no limits of its own, because many people may be behind it. A connection from a
/// configured proxy that has not said yet for whom it comes counts as a second such prefix.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Prefix(Network);

#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Network {
    Shared,
    Announced,
    Hashed([u8; 16]),
}

impl Prefix {
    /// The one prefix of loopback, and of connections from configured proxies that name no address.
    pub const SHARED: Self = Self(Network::Shared);
    /// The one prefix of connections from configured proxies whose head has not been read: an address is expected in it.
    pub(crate) const ANNOUNCED: Self = Self(Network::Announced);

    /// Whether this is the prefix of loopback and the proxies, to which limits for one prefix do
    /// not apply.
    pub(crate) const fn is_shared(self) -> bool {
        matches!(self.0, Network::Shared | Network::Announced)
    }

    /// Returns the hash, to which a cookie is bound; empty for loopback and the proxies.
    pub(crate) const fn bytes(&self) -> &[u8] {
        match &self.0 {
            Network::Hashed(bytes) => bytes.as_slice(),
            Network::Shared | Network::Announced => &[],
        }
    }

    #[cfg(test)]
    pub(crate) fn numbered(number: u32) -> Self {
        let mut bytes = [0; 16];
        bytes[..4].copy_from_slice(&number.to_be_bytes());
        Self(Network::Hashed(bytes))
    }
}

impl std::fmt::Debug for Prefix {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Prefix(..)")
    }
}

impl PrefixKey {
    /// Draws a new key.
    pub(crate) fn draw(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        Self::generate(rng)
    }

    /// Returns the prefix of an address: [`Prefix::SHARED`] for loopback. An IPv4-mapped IPv6
    /// address counts as IPv4.
    pub(crate) fn prefix(&self, address: IpAddr) -> Prefix {
        let address = address.to_canonical();
        if address.is_loopback() {
            return Prefix::SHARED;
        }
        let hash = |kind: u8, bytes: &[u8]| {
            let hash = sha256(&[labels::RELAY_PREFIX, self.expose(), &[kind], bytes]);
            Network::Hashed(*first_16(&hash))
        };
        Prefix(match address {
            IpAddr::V4(v4) => hash(4, v4.octets().first_chunk::<3>().map_or(&[], |prefix| prefix)),
            IpAddr::V6(v6) => hash(6, v6.octets().first_chunk::<7>().map_or(&[], |prefix| prefix)),
        })
    }
}

const fn first_16(hash: &[u8; 32]) -> &[u8; 16] {
    match hash.first_chunk() {
        Some(first) => first,
        None => &[0; 16],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_share_a_prefix_and_loopback_has_none() {
        let key = PrefixKey::draw(&mut deaddrop_testkit::rng(1));
        let prefix = |address: &str| key.prefix(address.parse().unwrap());
        assert!(prefix("192.0.2.1") == prefix("::ffff:192.0.2.255"));
        assert!(prefix("192.0.2.1") != prefix("192.0.3.1"));
        assert!(prefix("2001:db8:0:1ff::1") == prefix("2001:db8:0:100::2"));
        assert!(prefix("2001:db8:0:1ff::1") != prefix("2001:db8:0:200::1"));
        assert!(prefix("127.0.0.1").is_shared() && prefix("::1").is_shared());
        assert!(prefix("::ffff:127.0.0.9").is_shared() && !prefix("10.0.0.1").is_shared());
    }
}
