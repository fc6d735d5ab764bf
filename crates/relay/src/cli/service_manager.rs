//! The service manager that started the relay, such as systemd: the sockets that it hands over, and
//! the states that it is told. Without one, nothing here has an effect.

use super::signals::Signals;
use super::terminal::Failure;
use crate::server::{Heartbeat, Listeners, Order};
use tokio::sync::mpsc;

/// A state of the relay, as the service manager is told it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ServiceState {
    /// The sockets are open, and the store is being opened.
    Opening,
    /// The relay serves.
    Serving,
    /// Files are being read again.
    Reloading,
    /// The relay asks its clients to come back later, and ends.
    Stopping,
}

/// Tells the service manager the state. A failure is logged.
#[cfg(target_os = "linux")]
pub(super) fn tell(state: ServiceState) {
    use sd_notify::NotifyState;
    let told = match state {
        ServiceState::Opening => sd_notify::notify(&[NotifyState::Status("opening the store")]),
        ServiceState::Serving => sd_notify::notify(&[NotifyState::Ready, NotifyState::Status("serving")]),
        // systemd from version 253 on wants the time with it.
        ServiceState::Reloading => NotifyState::monotonic_usec_now().and_then(|now| {
            sd_notify::notify(&[NotifyState::Reloading, now, NotifyState::Status("reading files again")])
        }),
        ServiceState::Stopping => {
            sd_notify::notify(&[NotifyState::Stopping, NotifyState::Status("stopping")])
        }
    };
    if let Err(error) = told {
        tracing::warn!("the service manager cannot be told the relay's state: {}", error.kind());
    }
}

/// Does nothing: this system has no such service manager.
#[cfg(not(target_os = "linux"))]
pub(super) const fn tell(_state: ServiceState) {}

/// Returns the heartbeat that the service manager waits for: two in each of its intervals. Without
/// such a service manager it does nothing.
pub(super) fn heartbeat() -> Heartbeat {
    #[cfg(target_os = "linux")]
    if let Some(interval) = sd_notify::watchdog_enabled() {
        return Heartbeat::new(interval / 2, || {
            let _ = sd_notify::notify(&[sd_notify::NotifyState::Watchdog]);
        });
    }
    Heartbeat::default()
}

/// Passes the operator's signals on to the server as orders, until the server has ended, and tells
/// the service manager of them.
pub(super) async fn pass_orders(mut signals: Signals, orders: mpsc::Sender<Order>) {
    loop {
        let order = signals.next().await;
        match order {
            Order::Stop => tell(ServiceState::Stopping),
            Order::Reload => tell(ServiceState::Reloading),
            Order::Report => {}
        }
        if orders.send(order).await.is_err() {
            return;
        }
        // There is room again when the server has taken the order.
        if order == Order::Reload && orders.reserve().await.is_ok() {
            tell(ServiceState::Serving);
        }
    }
}

/// The sockets that the service manager has bound for the relay: at most one of TCP and one unix
/// socket.
#[derive(Debug, Default)]
pub(super) struct HandedSockets {
    #[cfg(target_os = "linux")]
    tcp: Option<std::net::TcpListener>,
    #[cfg(target_os = "linux")]
    unix: Option<std::os::unix::net::UnixListener>,
}

#[cfg(target_os = "linux")]
impl HandedSockets {
    /// Takes the sockets over that the environment names (`LISTEN_FDS`), and removes its variables,
    /// so that no child process takes them for its own. Call it before the program has threads.
    /// Fails if something else than two such sockets is handed over.
    pub(super) fn take() -> Result<Self, Failure> {
        let refuse = |what: &str| {
            Failure::Say(format!(
                "the service manager hands over {what}; the relay takes one TCP socket and one unix socket that \
                 listen, with Accept=no: mend the socket unit"
            ))
        };
        let mut handed = listenfd::ListenFd::from_env();
        let mut taken = Self::default();
        for index in 0..handed.len() {
            if let Ok(Some(socket)) = handed.take_tcp_listener(index) {
                if !is_listening(&socket) {
                    return Err(refuse("a TCP socket that does not listen"));
                }
                if taken.tcp.replace(socket).is_some() {
                    return Err(refuse("more than one TCP socket"));
                }
            } else if let Ok(Some(socket)) = handed.take_unix_listener(index) {
                if !is_listening(&socket) {
                    return Err(refuse("a unix socket that does not listen"));
                }
                if taken.unix.replace(socket).is_some() {
                    return Err(refuse("more than one unix socket"));
                }
            } else {
                return Err(refuse("a file that is no stream socket"));
            }
        }
        Ok(taken)
    }

    /// Whether there is none.
    pub(super) const fn is_empty(&self) -> bool {
        self.tcp.is_none() && self.unix.is_none()
    }

    /// Listens on them.
    pub(super) fn listen(self) -> Result<Listeners, Failure> {
        Listeners::adopt(self.tcp, self.unix).map_err(|error| {
            Failure::Say(format!("the sockets of the service manager cannot be used: {}", error.kind()))
        })
    }
}

/// Whether connections can be accepted from the socket.
#[cfg(target_os = "linux")]
fn is_listening(socket: &impl std::os::fd::AsFd) -> bool {
    socket2::SockRef::from(socket).is_listener().unwrap_or(false)
}

/// This system has no service manager that hands sockets over.
#[cfg(not(target_os = "linux"))]
impl HandedSockets {
    /// Returns an empty value.
    pub(super) fn take() -> Result<Self, Failure> {
        Ok(Self::default())
    }

    /// Returns `true`.
    pub(super) const fn is_empty(&self) -> bool {
        true
    }

    /// Returns no sockets.
    pub(super) fn listen(self) -> Result<Listeners, Failure> {
        Ok(Listeners::default())
    }
}
