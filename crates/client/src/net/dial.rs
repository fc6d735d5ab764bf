//! The one place where this crate opens a TCP connection: which IP addresses it may connect to (spec/14-client.md section 6.1).
//!
//! Contacts, invite links and bundles name hosts. A name can lead to another address at each look, so the rule is applied to the
//! address that the connection then goes to, and the name is not resolved a second time.

use super::{connection::ConnectError, shared::Shared, special::is_public};
use crate::config::PrivateAddresses;
use deaddrop_wire::RelayAddress;
use std::net::{IpAddr, SocketAddr};
use tokio::net::TcpStream;

/// Maximum number of addresses of one name that are tried.
const MAX_TRIED: usize = 8;

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
    let (mut refused, mut tried) = (None, 0);
    for ip in resolve(shared, relay.host()).await {
        if !is_allowed(shared, relay, ip, consent).await {
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
    let mut addresses: Vec<IpAddr> = Vec::new();
    for ip in found.iter().map(IpAddr::to_canonical) {
        if !addresses.contains(&ip) {
            addresses.push(ip);
        }
    }
    addresses
}

/// Whether a connection may go to this address.
async fn is_allowed(shared: &Shared, relay: &RelayAddress, ip: IpAddr, consent: Consent) -> bool {
    if is_public(ip) {
        return true;
    }
    let shows_address = relay.host() == "localhost" || relay.host().parse::<IpAddr>().is_ok();
    let is_consented = match consent {
        Consent::Given => true,
        Consent::Shown => shows_address,
        Consent::Rule => false,
    };
    let by_app = match &shared.config.private_addresses {
        PrivateAddresses::Refuse => false,
        PrivateAddresses::Allow => true,
        PrivateAddresses::AllowRelays(allowed) => allowed.iter().any(|entry| {
            entry == relay.host() || entry.parse::<IpAddr>().is_ok_and(|entry| entry.to_canonical() == ip)
        }),
    };
    if is_consented || by_app {
        return true;
    }
    let Ok(reach) = shared.look(crate::engine::Engine::reach) else { return false };
    if reach.allowed.contains(&ip) || reach.named.iter().any(|own| own.host() == relay.host()) {
        return true;
    }
    for own in reach.named {
        if resolve(shared, own.host()).await.contains(&ip) {
            return true;
        }
    }
    false
}

// The whole of 127.0.0.0/8 is this machine on Linux alone.
#[cfg(all(test, target_os = "linux"))]
mod tests;
