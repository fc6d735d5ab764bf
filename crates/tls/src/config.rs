//! The configurations, with TLS 1.3 alone, no resumption, no 0-RTT, and one protocol inside.

use crate::{
    error::TlsError,
    provider::provider,
    verify::{Verify, verifier},
};
use rustls::{
    ClientConfig, ServerConfig,
    client::Resumption,
    server::{NoServerSessionStorage, ResolvesServerCert},
    version::TLS13,
};
use std::sync::Arc;

/// The name by which both sides agree in ALPN (RFC 7301) on the protocol inside TLS: HTTP/1.1, in
/// which the opening handshake of a WebSocket is made.
pub const ALPN: &[u8] = b"http/1.1";

/// Makes the configuration of a server, which takes its certificate from `resolver` for each
/// handshake.
///
/// A client whose ALPN offer lacks [`ALPN`] is refused; a client without an ALPN offer is accepted.
///
/// # Errors
/// Fails with [`TlsError::Protocol`] if rustls refuses the provider. This does not happen with the
/// provider of this crate.
pub fn server_config(resolver: Arc<dyn ResolvesServerCert>) -> Result<Arc<ServerConfig>, TlsError> {
    let builder = ServerConfig::builder_with_provider(provider()).with_protocol_versions(&[&TLS13])?;
    let mut config = builder.with_no_client_auth().with_cert_resolver(resolver);
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.max_early_data_size = 0;
    Ok(Arc::new(config))
}

/// Makes the configuration of a client, which offers [`ALPN`] and also accepts a server that
/// chooses no protocol.
///
/// # Errors
/// Fails with [`TlsError::NoPlatformRoots`] or [`TlsError::NoRoots`] when there are no trusted
/// certificates to verify with.
pub fn client_config(verify: &Verify) -> Result<Arc<ClientConfig>, TlsError> {
    let provider = provider();
    let verifier = verifier(verify, &provider)?;
    let builder = ClientConfig::builder_with_provider(provider).with_protocol_versions(&[&TLS13])?;
    let mut config = builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth();
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.resumption = Resumption::disabled();
    config.enable_early_data = false;
    Ok(Arc::new(config))
}
