//! The sockets under connections.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
#[cfg(unix)]
use tokio::net::UnixStream;

/// A socket of one of the kinds on which a relay listens.
#[derive(Debug)]
pub(super) enum Stream {
    /// A TCP connection.
    Tcp(TcpStream),
    /// A connection to a unix socket.
    #[cfg(unix)]
    Unix(UnixStream),
}

impl Stream {
    /// Sets what suits the links of a relay. A socket without these settings works, too.
    pub(super) fn tune(&self) {
        let Self::Tcp(stream) = self else { return };
        // Small records matter more than full packets.
        let _ = stream.set_nodelay(true);
        // Unsent bytes wait in this process, where they are counted: then the pace of a slow client shows soon.
        #[cfg(any(target_os = "linux", target_os = "android"))]
        let _ = socket2::SockRef::from(stream).set_tcp_notsent_lowat(deaddrop_websocket::UNSENT_IN_SYSTEM);
    }

    /// Reads what has come, without waiting.
    pub(super) fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.try_read(buffer),
            #[cfg(unix)]
            Self::Unix(stream) => stream.try_read(buffer),
        }
    }

    /// Writes as much as the socket takes, without waiting.
    pub(super) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.try_write(bytes),
            #[cfg(unix)]
            Self::Unix(stream) => stream.try_write(bytes),
        }
    }
}

/// Calls the same method of the socket, whatever its kind.
macro_rules! of_each_kind {
    ($this:expr, $method:ident, $($argument:expr),*) => {
        match $this.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).$method($($argument),*),
            #[cfg(unix)]
            Self::Unix(stream) => Pin::new(stream).$method($($argument),*),
        }
    };
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        of_each_kind!(self, poll_read, context, buffer)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        of_each_kind!(self, poll_write, context, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        of_each_kind!(self, poll_write_vectored, context, parts)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        of_each_kind!(self, poll_flush, context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        of_each_kind!(self, poll_shutdown, context)
    }
}
