//! Proxies that the operator has named, and what they say about where a connection comes from (spec/12-relay.md
//! section 7). From anybody else such words are ignored.

pub mod forwarded;
pub mod protocol;

use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// An address, or all addresses that begin alike: `127.0.0.1`, `10.0.0.0/8`, `2001:db8::/32`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

/// The text is not an address or a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotANetwork;

impl fmt::Display for NotANetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not an address or a network; write 192.0.2.1, 10.0.0.0/8 or 2001:db8::/32")
    }
}

impl std::error::Error for NotANetwork {}

impl Network {
    /// Whether the address lies in this network. An IPv4 address that is written as IPv6 counts as IPv4.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let same = |ours: u128, other: u128, width: u8| {
            let rest = u32::from(width.saturating_sub(self.bits));
            ours.checked_shr(rest).unwrap_or(0) == other.checked_shr(rest).unwrap_or(0)
        };
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(ours), IpAddr::V4(other)) => same(ours.to_bits().into(), other.to_bits().into(), 32),
            (IpAddr::V6(ours), IpAddr::V6(other)) => same(ours.to_bits(), other.to_bits(), 128),
            _ => false,
        }
    }
}

impl FromStr for Network {
    type Err = NotANetwork;

    fn from_str(text: &str) -> Result<Self, NotANetwork> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse().map_err(|_| NotANetwork)?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| NotANetwork)?;
        if address.to_canonical() != address {
            return Err(NotANetwork);
        }
        let width = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.unwrap_or(width);
        (bits <= width).then_some(Self { address, bits }).ok_or(NotANetwork)
    }
}

impl TryFrom<String> for Network {
    type Error = NotANetwork;

    fn try_from(text: String) -> Result<Self, NotANetwork> {
        text.parse()
    }
}

impl From<Network> for String {
    fn from(network: Network) -> Self {
        network.to_string()
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

/// What a proxy says in front of a request, in the PROXY protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Named {
    /// No header is expected.
    Nothing,
    /// The proxy speaks for itself, or does not know.
    Unknown,
    /// The address that called it.
    Address(IpAddr),
}

/// The proxies of one relay.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proxies {
    networks: Vec<Network>,
    /// They begin each connection with a header of the PROXY protocol.
    pub speak_proxy_protocol: bool,
}

impl Proxies {
    /// These networks.
    #[must_use]
    pub const fn new(networks: Vec<Network>, speak_proxy_protocol: bool) -> Self {
        Self { networks, speak_proxy_protocol }
    }

    /// Whether the address is that of a configured proxy.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(address))
    }

    /// Where a connection from a configured proxy comes from, by what the proxy says in front of the request and in its
    /// head. `None` if it cannot be known: the connection then counts for the proxies themselves.
    #[must_use]
    pub fn client(&self, named: Named, head: &[u8]) -> Option<IpAddr> {
        match named {
            Named::Address(address) if !self.contains(address) => Some(address),
            // The head was written by a proxy only if a proxy sent it.
            Named::Nothing | Named::Address(_) => forwarded::client_address(head, self),
            Named::Unknown => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn network(text: &str) -> Network {
        text.parse().unwrap()
    }

    fn at(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_network_contains_what_begins_alike() {
        assert!(
            network("10.0.0.0/8").contains(at("10.200.3.4"))
                && !network("10.0.0.0/8").contains(at("11.0.0.0"))
        );
        assert!(network("10.0.0.0/8").contains(at("::ffff:10.1.1.1")));
        assert!(
            network("192.0.2.1").contains(at("192.0.2.1")) && !network("192.0.2.1").contains(at("192.0.2.2"))
        );
        assert!(network("0.0.0.0/0").contains(at("192.0.2.2")) && !network("0.0.0.0/0").contains(at("::1")));
        assert!(network("2001:db8::/33").contains(at("2001:db8:7fff::1")));
        assert!(!network("2001:db8::/33").contains(at("2001:db8:8000::1")));
        assert!(network("::/0").contains(at("2001:db8::1")));
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in [
            "",
            "proxy.example",
            "10.0.0.0/33",
            "::1/129",
            "10.0.0.0/",
            "10.0.0.0/-1",
            "10.0.0/8",
            "::ffff:10.0.0.1",
        ] {
            assert_eq!(text.parse::<Network>(), Err(NotANetwork), "{text}");
        }
    }

    #[test]
    fn a_head_is_believed_only_from_a_proxy() {
        let head = b"GET / HTTP/1.1\r\nX-Forwarded-For: 203.0.113.7\r\n\r\n";
        let proxies = Proxies::new(vec![network("127.0.0.1"), network("10.0.0.0/8")], true);
        assert_eq!(proxies.client(Named::Nothing, head), Some(at("203.0.113.7")));
        assert_eq!(proxies.client(Named::Address(at("198.51.100.1")), head), Some(at("198.51.100.1")));
        assert_eq!(proxies.client(Named::Address(at("10.0.0.9")), head), Some(at("203.0.113.7")));
        assert_eq!(proxies.client(Named::Unknown, head), None);
    }

    proptest! {
        #[test]
        fn a_network_is_read_as_it_is_written(address: IpAddr, bits in 0_u8..=128) {
            let address = address.to_canonical();
            let text = format!("{address}/{bits}");
            match text.parse::<Network>() {
                Ok(network) => {
                    prop_assert_eq!(network.to_string(), text);
                    prop_assert!(network.contains(address));
                }
                Err(NotANetwork) => prop_assert!(address.is_ipv4() && bits > 32),
            }
        }
    }
}
