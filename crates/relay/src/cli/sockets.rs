//! The sockets on which a relay listens, by its configuration.

use super::terminal::Failure;
use crate::data_dir::{DEFAULT_LISTEN, RelayConfig};
use crate::server::Listeners;
use std::io;

/// Returns the address of the TCP socket that the configuration asks for: loopback if it names no
/// socket at all; `None` if it names a unix socket alone.
pub(super) fn tcp_place(config: &RelayConfig) -> Option<&str> {
    match (&config.listen, &config.unix) {
        (Some(listen), _) => Some(listen),
        (None, None) => Some(DEFAULT_LISTEN),
        (None, Some(_)) => None,
    }
}

/// Opens the sockets that the configuration names: TCP on loopback if it names none.
pub(super) async fn bind(config: &RelayConfig) -> Result<Listeners, Failure> {
    let mut listeners = match tcp_place(config) {
        Some(place) => Listeners::bind(place)
            .await
            .map_err(|error| Failure::Say(format!("cannot listen on {place}: {}", explain(&error))))?,
        None => Listeners::default(),
    };
    #[cfg(unix)]
    if let Some(path) = &config.unix {
        listeners.add_unix(path).map_err(|error| Failure::Say(format!("{}: {error}", path.display())))?;
    }
    #[cfg(not(unix))]
    if config.unix.is_some() {
        return Err(Failure::Say(
            "this system has no unix sockets; remove `unix` from the configuration".to_owned(),
        ));
    }
    #[cfg(not(unix))]
    let _ = &mut listeners;
    Ok(listeners)
}

/// Describes why a TCP socket cannot be opened, and what to do about it.
pub(super) fn explain(error: &io::Error) -> String {
    let advice = match error.kind() {
        io::ErrorKind::AddrInUse => {
            "another program listens there, or another relay; stop that, or choose another port with --listen"
        }
        io::ErrorKind::PermissionDenied => {
            "this user may not open a port below 1024; listen on a higher one behind a proxy, or give the right: \
             AmbientCapabilities=CAP_NET_BIND_SERVICE in a systemd unit, or `setcap cap_net_bind_service=+ep` on the program"
        }
        io::ErrorKind::AddrNotAvailable => {
            "this is no address of this machine; take one of its addresses, or 0.0.0.0 or [::] for all of them"
        }
        io::ErrorKind::InvalidInput => "write HOST:PORT, such as 127.0.0.1:7700 or [::]:7700",
        _ => return format!("{error}; choose another address or port with --listen"),
    };
    advice.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_has_its_own_advice() {
        let said = |kind: io::ErrorKind| explain(&io::Error::from(kind));
        assert!(said(io::ErrorKind::AddrInUse).contains("another program"));
        assert!(said(io::ErrorKind::PermissionDenied).contains("CAP_NET_BIND_SERVICE"));
        assert!(said(io::ErrorKind::AddrNotAvailable).contains("no address of this machine"));
        assert!(said(io::ErrorKind::TimedOut).contains("--listen"));
    }

    #[test]
    fn loopback_is_the_default_without_a_unix_socket() {
        let unix = RelayConfig { unix: Some("/run/relay.sock".into()), ..RelayConfig::default() };
        assert_eq!(tcp_place(&RelayConfig::default()), Some("127.0.0.1:7700"));
        assert_eq!(tcp_place(&unix), None);
        let both = RelayConfig { listen: Some("[::]:80".into()), ..unix };
        assert_eq!(tcp_place(&both), Some("[::]:80"));
    }
}
