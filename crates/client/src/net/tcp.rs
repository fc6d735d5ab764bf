//! WebSockets over TCP, with TLS for `wss://` (spec/10-link.md sections 7 and 10).

use super::{
    dial::dial,
    transport::{ConnectedStream, Connecting, Destination, MessageStream, StreamEvent, Transport},
};
use crate::config::Config;
use deaddrop_engine::conversation::{ConnectError, TlsFault};
use deaddrop_tls::{CertificateError, TlsError, rustls::ClientConfig};
use deaddrop_websocket::{Progress, Socket};
use deaddrop_wire::RelayAddress;
use std::{
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::OnceCell,
};

/// A transport by WebSockets over TCP.
pub(super) struct TcpTransport {
    config: Config,
    /// The TLS configuration. It is made when the first relay with TLS is connected to, because the
    /// certificates of the system have to be read from its disk.
    tls: OnceCell<Arc<ClientConfig>>,
}

impl TcpTransport {
    /// Creates a transport with the resolver, the rule about private addresses and the rule about certificates of these settings.
    pub(super) const fn new(config: Config) -> Self {
        Self { config, tls: OnceCell::const_new() }
    }

    async fn tls(&self) -> Result<Arc<ClientConfig>, ConnectError> {
        let make = async || {
            let verify = self.config.tls_verify.clone();
            let made = tokio::task::spawn_blocking(move || deaddrop_tls::client_config(&verify)).await;
            made.map_err(|_| ConnectError::Down)?.map_err(|error| connect_error(&error))
        };
        self.tls.get_or_try_init(make).await.map(Arc::clone)
    }
}

impl Transport for TcpTransport {
    fn check(&self, _: &RelayAddress) -> Result<(), ConnectError> {
        Ok(())
    }

    fn open_stream<'a>(&'a self, target: Destination<'a>, max_message: usize) -> Connecting<'a> {
        Box::pin(async move {
            let (stream, address) = dial(&self.config, &target).await?;
            // Bytes wait here, where they are counted, and not in the system: what a slow line takes is seen soon.
            #[cfg(any(target_os = "linux", target_os = "android"))]
            let _ =
                socket2::SockRef::from(&stream).set_tcp_notsent_lowat(deaddrop_websocket::UNSENT_IN_SYSTEM);
            let stream = if target.relay.is_tls() {
                let tls = self.tls().await?;
                let stream = deaddrop_tls::connect(stream, tls, target.relay.host()).await;
                upgrade(stream.map_err(|error| connect_error(&error))?, target.relay, max_message).await?
            } else {
                upgrade(stream, target.relay, max_message).await?
            };
            Ok(ConnectedStream { stream, address })
        })
    }
}

async fn upgrade<T: AsyncRead + AsyncWrite + Send + Unpin + 'static>(
    stream: T,
    relay: &RelayAddress,
    max_message: usize,
) -> Result<Box<dyn MessageStream>, ConnectError> {
    let upgraded = deaddrop_websocket::upgrade(stream, &host_header(relay), relay.path(), max_message).await;
    Ok(Box::new(upgraded.map_err(|_| ConnectError::Down)?))
}

/// Returns the value of the Host header (RFC 9110 section 7.2).
fn host_header(relay: &RelayAddress) -> String {
    let host = relay.host();
    let (open, close) = if host.contains(':') { ("[", "]") } else { ("", "") };
    format!("{open}{host}{close}:{}", relay.port())
}

/// Returns the error for the app. A fault that goes away by itself counts as a relay that cannot be reached.
fn connect_error(error: &TlsError) -> ConnectError {
    let fault = match error {
        TlsError::Certificate(CertificateError::WrongHost) => TlsFault::WrongHost,
        TlsError::Certificate(CertificateError::Expired) => TlsFault::Expired,
        TlsError::Certificate(CertificateError::NotYetValid) => TlsFault::NotYetValid,
        TlsError::Certificate(CertificateError::UnknownIssuer) => TlsFault::UnknownIssuer,
        TlsError::Certificate(_) => TlsFault::BadCertificate,
        TlsError::NotTls | TlsError::NothingInCommon => TlsFault::NotTls,
        TlsError::NoPlatformRoots | TlsError::NoRoots => TlsFault::NoAuthorities,
        _ => return ConnectError::Down,
    };
    ConnectError::Tls(fault)
}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> MessageStream for Socket<T> {
    fn set_max_message(&mut self, max_message: usize) {
        self.set_max_message(max_message);
    }

    fn send(&mut self, message: Vec<u8>, reply_bytes: usize) {
        self.send(message, reply_bytes);
    }

    fn poll_event(&mut self, context: &mut Context<'_>, read: bool) -> Poll<StreamEvent> {
        // The future holds nothing between two polls.
        pin!(self.progress(read)).poll(context).map(|progress| match progress {
            Progress::Message(message) => StreamEvent::Message(message),
            Progress::Sent | Progress::Partial => StreamEvent::Moved,
            Progress::Over(_) => StreamEvent::Over,
        })
    }

    fn is_sending(&self) -> bool {
        self.is_sending()
    }

    fn is_in_message(&self) -> bool {
        self.is_in_message()
    }

    fn bytes_read(&self) -> u64 {
        self.bytes_read()
    }

    fn bytes_written(&self) -> u64 {
        self.bytes_written()
    }

    fn unsent_bytes(&self) -> usize {
        self.unsent_bytes()
    }

    fn unsent_reply_bytes(&self) -> usize {
        self.unsent_reply_bytes()
    }

    fn close(self: Box<Self>) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin((*self).close())
    }
}
