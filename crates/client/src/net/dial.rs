//! The one place where this crate opens a TCP connection: which IP addresses it may connect to (spec/14-client.md section 6.1).
//!
//! Contacts, invite links and bundles name hosts. A name can lead to another address at each look, so the rule is applied to the
//! address that the connection then goes to, and the name is not resolved a second time.

use super::{connection::ConnectError, shared::Shared, special::is_public};
use crate::{
    config::PrivateAddresses,
    engine::{Engine, Reach},
};
use deaddrop_wire::RelayAddress;
use std::net::{IpAddr, SocketAddr};
use tokio::net::TcpStream;

/// Maximum number of addresses of one name that are tried.
const MAX_TRIED: usize = 8;
/// Maximum number of addresses of one name that are looked at.
const MAX_RESOLVED: usize = 64;

/// What the caller adds to the rule for one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Consent {
    /// Nothing: only the rule decides.
    Rule,
    /// The user has pasted this relay's address and has no other relay: an IP address that stands in it is allowed.
    Shown,
    /// The user allows a private address for this connection.
    Given,
}

/// Connects to a relay, and gives the address that was connected to, in its canonical form.
pub(super) async fn dial(
    shared: &Shared,
    relay: &RelayAddress,
    consent: Consent,
) -> Result<(TcpStream, IpAddr), ConnectError> {
    let addresses = resolve(shared, relay.host()).await;
    let own = match addresses.iter().all(|ip| is_public(*ip)) {
        true => Own::default(),
        false => Own::of(shared, relay).await,
    };
    let (mut refused, mut tried) = (None, 0);
    for ip in addresses {
        if !(is_public(ip) || own.allows(ip) || is_consented(shared, relay, ip, consent)) {
            refused.get_or_insert(ip);
            continue;
        }
        if tried == MAX_TRIED {
            break;
        }
        tried += 1;
        if let Ok(stream) = TcpStream::connect(SocketAddr::new(ip, relay.port())).await {
            let _ = stream.set_nodelay(true);
            return Ok((stream, ip));
        }
    }
    match refused {
        Some(ip) if tried == 0 => Err(ConnectError::Private(ip)),
        _ => Err(ConnectError::Down),
    }
}

/// The addresses of a host; none if it has none or cannot be resolved now.
async fn resolve(shared: &Shared, host: &str) -> Vec<IpAddr> {
    let found = match host.parse() {
        Ok(ip) => vec![ip],
        Err(_) => shared.config.resolver.resolve(host).await.unwrap_or_default(),
    };
    // The same address has one form in all comparisons below, and in what is connected to.
    found.iter().take(MAX_RESOLVED).map(IpAddr::to_canonical).collect()
}

/// What the user allows by having named relays, or addresses.
#[derive(Default)]
struct Own {
    /// The user has named this very host as a relay.
    is_named: bool,
    /// Addresses of the relays that the user has named, as they are now, and addresses that the user has allowed.
    addresses: Vec<IpAddr>,
}

impl Own {
    async fn of(shared: &Shared, relay: &RelayAddress) -> Self {
        let Ok(Reach { named, allowed }) = shared.look(Engine::reach) else { return Self::default() };
        if named.iter().any(|own| own.host() == relay.host()) {
            return Self { is_named: true, addresses: Vec::new() };
        }
        let mut addresses = allowed;
        for own in named {
            addresses.extend(resolve(shared, own.host()).await);
        }
        Self { is_named: false, addresses }
    }

    fn allows(&self, ip: IpAddr) -> bool {
        self.is_named || self.addresses.contains(&ip)
    }
}

/// Whether the app, or the user in this call, allows a connection to an address that is not public.
fn is_consented(shared: &Shared, relay: &RelayAddress, ip: IpAddr, consent: Consent) -> bool {
    let in_call = match consent {
        Consent::Given => true,
        Consent::Shown => relay.host() == "localhost" || relay.host().parse::<IpAddr>().is_ok(),
        Consent::Rule => false,
    };
    in_call
        || match &shared.config.private_addresses {
            PrivateAddresses::Refuse => false,
            PrivateAddresses::Allow => true,
            PrivateAddresses::AllowRelays(allowed) => allowed.iter().any(|entry| {
                entry == relay.host() || entry.parse::<IpAddr>().is_ok_and(|entry| entry.to_canonical() == ip)
            }),
        }
}

#[cfg(test)]
mod tests;
