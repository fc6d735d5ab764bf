//! A connection on which requests come: a socket, or TLS over one.

use super::delegate_io::delegate_io;
use super::stream::Stream;
use deaddrop_tls::TlsStream;

/// A connection, with TLS or without.
#[derive(Debug)]
pub(super) enum Connection {
    /// A socket without TLS: the client uses none, or TLS ends at a proxy.
    Plain(Stream),
    /// A TLS stream over a socket. TLS ends in this process.
    Tls(Box<TlsStream<Stream>>),
}

impl Connection {
    /// Returns the number of bytes that TLS has received and not passed on, or encrypted and not
    /// sent; 0 without TLS.
    pub(super) const fn held_bytes(&self) -> usize {
        match self {
            Self::Plain(_) => 0,
            Self::Tls(stream) => stream.held_bytes(),
        }
    }
}

delegate_io!(Connection { Plain, Tls });
