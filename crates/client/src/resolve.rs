//! The resolution of names of relays to IP addresses.

use std::{future::Future, io, net::IpAddr, pin::Pin};

/// The future of the IP addresses of a host.
pub type Resolving<'a> = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send + 'a>>;

/// A resolver that turns the host names of relays into IP addresses. An app sets its own to ask
/// another service than the system's.
///
/// The answers are not trusted: the client connects only to addresses that its rule allows
/// (spec/14-client.md section 6.1). The resolver is never asked for a host that is an IP address
/// already.
pub trait Resolve: Send + Sync {
    /// Resolves a host to its addresses, in the order in which they are tried. Dropping the future must be harmless.
    fn resolve<'a>(&'a self, host: &'a str) -> Resolving<'a>;
}

/// The system's resolver.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve<'a>(&'a self, host: &'a str) -> Resolving<'a> {
        // The port is of no matter here: the caller has its own.
        Box::pin(async move {
            Ok(tokio::net::lookup_host((host, 0)).await?.map(|address| address.ip()).collect())
        })
    }
}
