//! The configured proxies of a relay.

use super::network::{Network, NotANetwork};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// The name of a proxy in the configuration: an address, a network, or the word `unix` for the unix
/// socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum ProxyName {
    /// Proxies at these addresses.
    Network(Network),
    /// The proxy that connects to the unix socket.
    Unix,
}

impl FromStr for ProxyName {
    type Err = NotANetwork;

    fn from_str(text: &str) -> Result<Self, NotANetwork> {
        if text == "unix" { Ok(Self::Unix) } else { text.parse().map(Self::Network) }
    }
}

impl TryFrom<String> for ProxyName {
    type Error = NotANetwork;

    fn try_from(text: String) -> Result<Self, NotANetwork> {
        text.parse()
    }
}

impl From<ProxyName> for String {
    fn from(name: ProxyName) -> Self {
        name.to_string()
    }
}

impl fmt::Display for ProxyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network(network) => network.fmt(f),
            Self::Unix => f.write_str("unix"),
        }
    }
}

/// The configured proxies of one relay. Only these are believed when they name a client's address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proxies {
    names: Vec<ProxyName>,
    /// Whether these proxies begin each connection with a header of the PROXY protocol.
    pub speak_proxy_protocol: bool,
}

impl Proxies {
    /// Makes the list of the proxies that have these names.
    #[must_use]
    pub const fn new(names: Vec<ProxyName>, speak_proxy_protocol: bool) -> Self {
        Self { names, speak_proxy_protocol }
    }

    /// Whether the address is that of a configured proxy.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        self.names.iter().any(|name| match name {
            ProxyName::Network(network) => network.contains(address),
            ProxyName::Unix => false,
        })
    }

    /// Whether connections to the unix socket are those of a configured proxy.
    #[must_use]
    pub fn contains_unix(&self) -> bool {
        self.names.contains(&ProxyName::Unix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unix_socket_is_a_proxy_only_by_its_name() {
        let named = |text: &str| Proxies::new(vec![text.parse().unwrap()], false);
        assert!(named("unix").contains_unix() && !named("unix").contains([127, 0, 0, 1].into()));
        assert!(!named("127.0.0.1").contains_unix());
        assert_eq!(String::from(ProxyName::Unix), "unix");
        assert!("Unix".parse::<ProxyName>().is_err());
    }
}
