//! The configured proxies of a relay.

use super::network::Network;
use std::net::IpAddr;

/// The proxies of one relay.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proxies {
    networks: Vec<Network>,
    /// Whether they begin each connection with a header of the PROXY protocol.
    pub speak_proxy_protocol: bool,
}

impl Proxies {
    /// Makes the proxies of these networks.
    #[must_use]
    pub const fn new(networks: Vec<Network>, speak_proxy_protocol: bool) -> Self {
        Self { networks, speak_proxy_protocol }
    }

    /// Whether the address is that of a configured proxy.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(address))
    }
}
