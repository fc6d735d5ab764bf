//! The only code that opens a TCP connection, with the rule about IP addresses (spec/14-client.md section 6.1).
//!
//! Contacts, invite links and bundles name hosts. A name can lead to another address at each look, so the rule is applied to the
//! address that the connection then goes to, and the name is not resolved a second time.

use super::{
    race::{first_done, interleave, race},
    special::is_public,
    transport::{Consent, Destination},
};
use crate::config::{Config, PrivateAddresses};
use deaddrop_engine::{Reach, conversation::ConnectError};
use deaddrop_wire::RelayAddress;
use std::net::{IpAddr, SocketAddr};
use tokio::{net::TcpStream, time::timeout};

/// Maximum number of allowed addresses of one name to which a connection is tried. It bounds the
/// connections that a name chosen by a contact can cause (spec/14-client.md section 6.1).
const MAX_TRIED: usize = 8;
/// Maximum number of addresses of one name that are checked; the rest is ignored. It bounds the
/// work that a name chosen by a contact can cause (spec/14-client.md section 6.1).
const MAX_RESOLVED: usize = 64;

/// Opens a TCP connection to a relay. Returns the connection, and the address to which it goes in
/// its canonical form (an IPv4-mapped one as IPv4). Fails with [`ConnectError::Private`] if the
/// host has addresses and the rule refuses all of them, and with [`ConnectError::Down`] if no
/// allowed one is reached. The caller bounds the time.
pub(super) async fn dial(
    config: &Config,
    target: &Destination<'_>,
) -> Result<(TcpStream, IpAddr), ConnectError> {
    let relay = target.relay;
    let addresses = resolve(config, relay.host()).await;
    let private: Vec<IpAddr> = addresses.iter().copied().filter(|ip| !is_public(*ip)).collect();
    let own = if private.is_empty() { Own::default() } else { Own::of(config, target, &private).await };
    let is_allowed =
        |ip: &IpAddr| is_public(*ip) || own.allows(*ip) || is_consented(config, relay, *ip, target.consent);
    let (mut tried, refused): (Vec<IpAddr>, Vec<IpAddr>) = addresses.into_iter().partition(is_allowed);
    if let Some(first) = refused.first().filter(|_| tried.is_empty()) {
        return Err(ConnectError::Private(*first));
    }
    tried = interleave(&tried);
    tried.truncate(MAX_TRIED);
    let connect = |ip| TcpStream::connect(SocketAddr::new(ip, relay.port()));
    let (stream, ip) = race(&tried, connect).await.ok_or(ConnectError::Down)?;
    let _ = stream.set_nodelay(true);
    Ok((stream, ip))
}

/// Returns the addresses of a host in their canonical form (IPv4-mapped ones as IPv4), at most
/// [`MAX_RESOLVED`]; none if the host has none or cannot be resolved now.
async fn resolve(config: &Config, host: &str) -> Vec<IpAddr> {
    let found = match host.parse() {
        Ok(ip) => vec![ip],
        Err(_) => config.resolver.resolve(host).await.unwrap_or_default(),
    };
    // The same address has one form in all comparisons below, and in what is connected to.
    found.iter().take(MAX_RESOLVED).map(IpAddr::to_canonical).collect()
}

/// The private addresses that the user allows: those of relays that the user has named, and those
/// allowed one by one.
#[derive(Default)]
struct Own {
    /// Whether the user has named the host that is dialled as a relay, so that all its addresses
    /// are allowed.
    is_named: bool,
    /// The addresses that the hosts of named relays have now, and the addresses that the user has
    /// allowed.
    addresses: Vec<IpAddr>,
}

impl Own {
    /// Collects the allowed addresses for a connection to `target`: resolves the hosts of all named
    /// relays at once, until all of `private` are known to be allowed. A host that is not resolved
    /// within half of [`Config::patience`] allows nothing this time.
    async fn of(config: &Config, target: &Destination<'_>, private: &[IpAddr]) -> Self {
        let Some(Reach { named, allowed }) = (target.reach)() else { return Self::default() };
        if named.iter().any(|own| own.host() == target.relay.host()) {
            return Self { is_named: true, addresses: Vec::new() };
        }
        let mut own = Self { is_named: false, addresses: allowed };
        let mut lookups: Vec<_> =
            named.iter().map(|named| ((), Box::pin(resolve(config, named.host())))).collect();
        let asking = async {
            while !lookups.is_empty() && !private.iter().all(|ip| own.allows(*ip)) {
                let ((), found) = first_done(&mut lookups).await;
                own.addresses.extend(found);
            }
        };
        let _ = timeout(config.patience / 2, asking).await;
        own
    }

    fn allows(&self, ip: IpAddr) -> bool {
        self.is_named || self.addresses.contains(&ip)
    }
}

/// Whether the settings of the app, or the user's consent for this connection, allow an address
/// that is not public.
fn is_consented(config: &Config, relay: &RelayAddress, ip: IpAddr, consent: Consent) -> bool {
    let in_call = match consent {
        Consent::Given => true,
        Consent::Shown => relay.host() == "localhost" || relay.host().parse::<IpAddr>().is_ok(),
        Consent::Rule => false,
    };
    in_call
        || match &config.private_addresses {
            PrivateAddresses::Refuse => false,
            PrivateAddresses::Allow => true,
            PrivateAddresses::AllowRelays(allowed) => allowed.iter().any(|entry| {
                entry == relay.host() || entry.parse::<IpAddr>().is_ok_and(|entry| entry.to_canonical() == ip)
            }),
        }
}

#[cfg(test)]
mod tests;
