//! A connection on which requests come: a socket, or TLS over one.

use super::delegate_io::delegate_io;
use super::stream::Stream;
use deaddrop_tls::TlsStream;

/// A connection, with TLS or without.
#[derive(Debug)]
pub(super) enum Connection {
    /// A socket. A proxy may have removed TLS.
    Plain(Stream),
    /// TLS that ends here.
    Tls(Box<TlsStream<Stream>>),
}

impl Connection {
    /// Bytes of memory that TLS holds for it.
    pub(super) const fn held_bytes(&self) -> usize {
        match self {
            Self::Plain(_) => 0,
            Self::Tls(stream) => stream.held_bytes(),
        }
    }
}

delegate_io!(Connection { Plain, Tls });
