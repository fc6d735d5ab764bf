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

delegate_io!(Connection { Plain, Tls });
