//! The sockets under connections.

use super::delegate_io::delegate_io;
use std::io;
use tokio::net::TcpStream;
#[cfg(unix)]
use tokio::net::UnixStream;

/// An accepted connection of one of the kinds of sockets on which a relay listens.
#[derive(Debug)]
pub(super) enum Stream {
    /// A TCP connection.
    Tcp(TcpStream),
    /// A connection to a unix socket.
    #[cfg(unix)]
    Unix(UnixStream),
}

impl Stream {
    /// Lets TCP send small records at once, and keep few unsent bytes in the system (Linux,
    /// Android). Ignores failures, because the link works without these settings.
    pub(super) fn tune(&self) {
        let stream = match self {
            Self::Tcp(stream) => stream,
            #[cfg(unix)]
            Self::Unix(_) => return,
        };
        // Small records matter more than full packets.
        let _ = stream.set_nodelay(true);
        // Unsent bytes wait in this process, where they are counted: then the pace of a slow client shows soon.
        #[cfg(any(target_os = "linux", target_os = "android"))]
        let _ = socket2::SockRef::from(stream).set_tcp_notsent_lowat(deaddrop_websocket::UNSENT_IN_SYSTEM);
    }

    /// Reads the bytes that have arrived, without waiting. Returns 0 at the end of the stream.
    /// Fails with `WouldBlock` if nothing has arrived.
    pub(super) fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.try_read(buffer),
            #[cfg(unix)]
            Self::Unix(stream) => stream.try_read(buffer),
        }
    }

    /// Writes as much as the socket takes without waiting, and returns the number of bytes. Fails
    /// with `WouldBlock` if it takes nothing.
    pub(super) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.try_write(bytes),
            #[cfg(unix)]
            Self::Unix(stream) => stream.try_write(bytes),
        }
    }
}

delegate_io!(Stream {
    Tcp,
    #[cfg(unix)]
    Unix
});
