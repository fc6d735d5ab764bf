//! The socket for metrics: on loopback or a unix socket, and nowhere else.

use super::Listeners;
#[cfg(unix)]
use super::UnixSocketError;
use std::io;
use std::net::SocketAddr;
use tokio::net::TcpListener;

/// The beginning of a place that is the path of a unix socket.
const UNIX: &str = "unix:";

/// The reason for which the socket for metrics was not made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MetricsSocketError {
    /// The address can be reached from other machines.
    #[error(
        "metrics are for this machine alone: give an address of loopback, as in 127.0.0.1:9464, or unix:/PATH; to read them from \
         another machine, let a program on this one pass them on"
    )]
    NotLoopback,
    /// The unix socket was not made.
    #[cfg(unix)]
    #[error(transparent)]
    Unix(#[from] UnixSocketError),
    /// This system has no unix sockets.
    #[error("this system has no unix sockets; give an address of loopback, as in 127.0.0.1:9464")]
    NoUnixSockets,
    /// The host was not found, or the system refused to listen at the address.
    #[error("the relay cannot listen at this address; choose another address or port")]
    System(#[source] io::Error),
}

impl Listeners {
    /// Answers questions about the relay (`/metrics`, `/health`, `/ready`) on a socket of its own,
    /// too: at `place`, a host and a port, or `unix:` and the path of a unix socket. The socket is
    /// made like [`add_unix`](Self::add_unix) makes one.
    ///
    /// # Errors
    /// Fails with [`MetricsSocketError`] when an address of the host is not on loopback, when the
    /// unix socket is not made, or when the system refuses.
    pub async fn add_metrics(&mut self, place: &str) -> Result<(), MetricsSocketError> {
        let mut own = Self::default();
        if let Some(path) = place.strip_prefix(UNIX) {
            #[cfg(unix)]
            own.add_unix(std::path::Path::new(path))?;
            #[cfg(not(unix))]
            return Err(if path.is_empty() {
                MetricsSocketError::NotLoopback
            } else {
                MetricsSocketError::NoUnixSockets
            });
        } else {
            let found = tokio::net::lookup_host(place).await.map_err(MetricsSocketError::System)?;
            let addresses: Vec<SocketAddr> = found.collect();
            // No address of another network, not even beside one of loopback.
            if addresses.is_empty()
                || addresses.iter().any(|address| !address.ip().to_canonical().is_loopback())
            {
                return Err(MetricsSocketError::NotLoopback);
            }
            own.tcp = Some(TcpListener::bind(&*addresses).await.map_err(MetricsSocketError::System)?);
        }
        self.metrics = Some(Box::new(own));
        Ok(())
    }

    /// Returns the address of the TCP socket for metrics; `None` if there is none.
    #[must_use]
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.metrics.as_ref().and_then(|metrics| metrics.tcp_address().ok())
    }

    /// Returns the socket for metrics; `None` if there is none.
    pub(in crate::server) fn metrics(&self) -> Option<&Self> {
        self.metrics.as_deref()
    }

    /// Takes the socket for metrics out.
    pub(in crate::server) fn take_metrics(&mut self) -> Option<Box<Self>> {
        self.metrics.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn metrics_are_served_on_loopback_alone() {
        for place in ["127.0.0.1:0", "[::ffff:127.0.0.1]:0", "127.7.7.7:0"] {
            let mut listeners = Listeners::default();
            listeners.add_metrics(place).await.unwrap();
            assert!(listeners.metrics_address().unwrap().ip().to_canonical().is_loopback(), "{place}");
        }
        for place in
            ["0.0.0.0:0", "[::]:0", "192.0.2.1:9464", "[::ffff:192.0.2.1]:9464", "[2001:db8::1]:9464"]
        {
            let refused = Listeners::default().add_metrics(place).await;
            assert!(matches!(refused, Err(MetricsSocketError::NotLoopback)), "{place}: {refused:?}");
        }
        let refused = Listeners::default().add_metrics("no port").await;
        assert!(matches!(refused, Err(MetricsSocketError::System(_))), "{refused:?}");
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn metrics_are_served_on_a_unix_socket_for_the_group() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.sock");
        let place = format!("unix:{}", path.display());
        let mut listeners = Listeners::default();
        listeners.add_metrics(&place).await.unwrap();
        assert_eq!(listeners.metrics_address(), None);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o660);
        let again = Listeners::default().add_metrics(&place).await;
        assert!(matches!(again, Err(MetricsSocketError::Unix(UnixSocketError::InUse))), "{again:?}");
    }
}
