//! The proxies that the operator has configured, and the addresses of clients that they name
//! (spec/12-relay.md section 7.1). The same headers from any other address are ignored.

pub mod forwarded;
mod network;
pub mod protocol;
mod proxies;

pub use network::{Network, NotANetwork};
pub use proxies::{Proxies, ProxyName};

use std::net::IpAddr;

/// The statement of a proxy in front of a request, in the PROXY protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Named {
    /// The connection has no header of the PROXY protocol.
    Nothing,
    /// The header names no address: the proxy speaks for itself, or does not know the address.
    Unknown,
    /// The address of the peer that connected to the proxy.
    Address(IpAddr),
}

impl Proxies {
    /// Returns the address of the client behind a configured proxy, from which the connection must
    /// have come: from the header of the PROXY protocol (`named`); or, if there is no header or it
    /// names another configured proxy, from the head of the HTTP request (`head`). Returns `None`
    /// if the proxy does not tell the address: the connection then counts for the proxies
    /// themselves.
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
        let proxies = Proxies::new(vec!["127.0.0.1".parse().unwrap(), "10.0.0.0/8".parse().unwrap()], true);
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
