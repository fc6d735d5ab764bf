//! The sockets on which a relay listens: one of TCP, a unix socket, or both.

mod metrics;

pub use metrics::MetricsSocketError;

use super::stream::Stream;
use crate::proxy::Proxies;
use std::io;
use std::net::SocketAddr;
#[cfg(unix)]
use std::path::{Path, PathBuf};
use std::time::Duration;
#[cfg(unix)]
use tokio::net::UnixListener;
use tokio::net::{TcpListener, TcpSocket};

/// The sockets on which a relay listens. The default value has none.
#[derive(Debug, Default)]
pub struct Listeners {
    tcp: Option<TcpListener>,
    #[cfg(unix)]
    unix: Option<UnixSocket>,
    /// The socket on which the relay answers questions about itself; it has no socket for metrics.
    metrics: Option<Box<Self>>,
}

/// The other end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Peer {
    /// Address and port of the peer of a TCP connection.
    Address(SocketAddr),
    /// A process of this machine that has connected to the unix socket.
    #[cfg(unix)]
    Local,
}

impl Peer {
    /// Whether the configuration names this peer as a proxy.
    pub(super) fn is_proxy(self, proxies: &Proxies) -> bool {
        match self {
            Self::Address(address) => proxies.contains(address.ip()),
            #[cfg(unix)]
            Self::Local => proxies.contains_unix(),
        }
    }
}

/// Pause before the next accept after the system has refused to give a connection (spec/12-relay.md
/// section 7.2).
pub(super) const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

/// Maximum number of connections that the system keeps until the relay accepts them, unless its own
/// limit is lower. A connection of a burst that finds no place waits until TCP tries again, for a
/// second or more.
const BACKLOG: u32 = 4_096;

impl Listeners {
    /// Listens on a TCP socket at `place`, a host and a port: at the first address of the host that
    /// works.
    ///
    /// # Errors
    /// Fails with the error of the system when the host is not found, and with that for its last
    /// address when none of its addresses works.
    pub async fn bind(place: &str) -> io::Result<Self> {
        let mut failed = io::Error::from(io::ErrorKind::AddrNotAvailable);
        for address in tokio::net::lookup_host(place).await? {
            let listen = || {
                let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
                // As the standard library does: a relay that starts again does not wait for connections of the one before.
                #[cfg(unix)]
                socket.set_reuseaddr(true)?;
                socket.bind(address)?;
                socket.listen(BACKLOG)
            };
            match listen() {
                Ok(tcp) => return Ok(tcp.into()),
                Err(error) => failed = error,
            }
        }
        Err(failed)
    }
}

impl From<TcpListener> for Listeners {
    fn from(tcp: TcpListener) -> Self {
        Self { tcp: Some(tcp), ..Self::default() }
    }
}

impl Listeners {
    /// Listens on a unix socket, too. Replaces a socket file on which no process listens. Processes
    /// of the same user and group may connect. The file is removed when the `Listeners` are
    /// dropped.
    ///
    /// # Errors
    /// Fails with [`UnixSocketError`] when a process listens there, the file there is not a socket,
    /// or the system refuses.
    #[cfg(unix)]
    pub fn add_unix(&mut self, path: &Path) -> Result<(), UnixSocketError> {
        self.unix = Some(UnixSocket::bind(path)?);
        Ok(())
    }

    /// Listens on sockets that another process has bound and that listen already: a service manager
    /// hands them over. The file of the unix socket is not removed at the end.
    ///
    /// # Errors
    /// Fails with the error of the system when a socket cannot be made non-blocking.
    #[cfg(unix)]
    pub fn adopt(
        tcp: Option<std::net::TcpListener>,
        unix: Option<std::os::unix::net::UnixListener>,
    ) -> io::Result<Self> {
        let tcp = tcp.map(|tcp| tcp.set_nonblocking(true).and_then(|()| TcpListener::from_std(tcp)));
        let unix = unix.map(|unix| unix.set_nonblocking(true).and_then(|()| UnixListener::from_std(unix)));
        let unix = unix.transpose()?.map(|listener| UnixSocket { listener, path: None });
        Ok(Self { tcp: tcp.transpose()?, unix, metrics: None })
    }

    /// Returns the address of the TCP socket; fails if there is none.
    pub(super) fn tcp_address(&self) -> io::Result<SocketAddr> {
        self.tcp.as_ref().ok_or(io::ErrorKind::NotConnected)?.local_addr()
    }

    /// Waits for the next connection. The future may be dropped before it resolves; no connection
    /// is lost.
    pub(super) async fn accept(&self) -> io::Result<(Stream, Peer)> {
        let tcp = async {
            match &self.tcp {
                Some(tcp) => {
                    tcp.accept().await.map(|(stream, address)| (Stream::Tcp(stream), Peer::Address(address)))
                }
                None => std::future::pending().await,
            }
        };
        #[cfg(unix)]
        {
            let unix = async {
                match &self.unix {
                    Some(unix) => {
                        unix.listener.accept().await.map(|(stream, _)| (Stream::Unix(stream), Peer::Local))
                    }
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                accepted = tcp => accepted,
                accepted = unix => accepted,
            }
        }
        #[cfg(not(unix))]
        tcp.await
    }
}

/// A unix socket on which the relay listens. The file at `path` is removed when this is dropped.
#[cfg(unix)]
#[derive(Debug)]
struct UnixSocket {
    listener: UnixListener,
    path: Option<PathBuf>,
}

/// The reason for which a unix socket was not made.
#[cfg(unix)]
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UnixSocketError {
    /// A process listens at the path.
    #[error("another process listens on this unix socket; stop it, or choose another path")]
    InUse,
    /// The file at the path is not a socket. It is left as it is.
    #[error("the path of the unix socket is that of another file; choose another path")]
    Occupied,
    /// The system refused to make the socket.
    #[error(
        "the unix socket cannot be made; its directory must exist and belong to the relay's user, and the path must be shorter than 108 bytes"
    )]
    System(#[source] io::Error),
}

#[cfg(unix)]
impl UnixSocket {
    fn bind(path: &Path) -> Result<Self, UnixSocketError> {
        use std::os::unix::fs::{FileTypeExt, PermissionsExt};
        match std::fs::symlink_metadata(path) {
            Ok(file) if !file.file_type().is_socket() => return Err(UnixSocketError::Occupied),
            Ok(_) if std::os::unix::net::UnixStream::connect(path).is_ok() => {
                return Err(UnixSocketError::InUse);
            }
            Ok(_) => std::fs::remove_file(path).map_err(UnixSocketError::System)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(UnixSocketError::System(error)),
        }
        let listener = UnixListener::bind(path).map_err(UnixSocketError::System)?;
        let socket = Self { listener, path: Some(path.to_owned()) };
        // The user of the proxy joins the relay's group.
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o660)).map_err(UnixSocketError::System)?;
        Ok(socket)
    }
}

#[cfg(unix)]
impl Drop for UnixSocket {
    fn drop(&mut self) {
        if let Some(path) = &self.path {
            let _ = std::fs::remove_file(path);
        }
    }
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_socket_file_that_was_left_behind_is_replaced_and_another_file_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("relay.sock");
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        let mut listeners = Listeners::default();
        listeners.add_unix(&path).unwrap();
        let again = Listeners::default().add_unix(&path);
        assert!(matches!(again, Err(UnixSocketError::InUse)), "{again:?}");
        let (accepted, _client) = tokio::join!(listeners.accept(), tokio::net::UnixStream::connect(&path));
        assert_eq!(accepted.unwrap().1, Peer::Local);
        drop(listeners);
        assert!(!path.exists());
        std::fs::write(&path, "notes").unwrap();
        let refused = Listeners::default().add_unix(&path);
        assert!(matches!(refused, Err(UnixSocketError::Occupied)), "{refused:?}");
        assert_eq!(std::fs::read(&path).unwrap(), b"notes");
    }
}
