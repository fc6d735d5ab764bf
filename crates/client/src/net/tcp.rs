//! WebSockets over TCP (spec/10-link.md section 7).

use super::{
    dial::dial,
    transport::{ConnectedStream, Connecting, Destination, MessageStream, StreamEvent, Transport},
};
use crate::config::Config;
use deaddrop_engine::conversation::ConnectError;
use deaddrop_websocket::{Progress, Socket};
use deaddrop_wire::RelayAddress;
use std::{
    pin::{Pin, pin},
    task::{Context, Poll},
};
use tokio::net::TcpStream;

/// Makes WebSockets over TCP. It has no TLS.
pub(super) struct TcpTransport {
    config: Config,
}

impl TcpTransport {
    /// With the resolver and the rule about private addresses of these settings.
    pub(super) const fn new(config: Config) -> Self {
        Self { config }
    }
}

impl Transport for TcpTransport {
    fn check(&self, relay: &RelayAddress) -> Result<(), ConnectError> {
        if relay.is_tls() { Err(ConnectError::NoTls) } else { Ok(()) }
    }

    fn open_stream<'a>(&'a self, target: Destination<'a>, max_message: usize) -> Connecting<'a> {
        Box::pin(async move {
            let (stream, address) = dial(&self.config, &target).await?;
            // Bytes wait here, where they are counted, and not in the system: what a slow line takes is seen soon.
            #[cfg(any(target_os = "linux", target_os = "android"))]
            let _ =
                socket2::SockRef::from(&stream).set_tcp_notsent_lowat(deaddrop_websocket::UNSENT_IN_SYSTEM);
            let host = host_header(target.relay);
            let upgraded = deaddrop_websocket::upgrade(stream, &host, target.relay.path(), max_message).await;
            let stream = Box::new(upgraded.map_err(|_| ConnectError::Down)?);
            Ok(ConnectedStream { stream, address })
        })
    }
}

/// The value of the Host header (RFC 9110 section 7.2).
fn host_header(relay: &RelayAddress) -> String {
    let host = relay.host();
    let (open, close) = if host.contains(':') { ("[", "]") } else { ("", "") };
    format!("{open}{host}{close}:{}", relay.port())
}

impl MessageStream for Socket<TcpStream> {
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
