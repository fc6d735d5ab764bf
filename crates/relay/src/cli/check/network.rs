//! Sockets, TLS, the URL for clients, and proxies.

use super::finding::Finding;
use super::sockets;
use crate::data_dir::RelayConfig;
use deaddrop_tls::Reloader;
use deaddrop_wire::{Fingerprint, RelayAddress};
use std::io;
use std::net::{TcpListener, ToSocketAddrs};
#[cfg(unix)]
use std::path::Path;
use std::time::SystemTime;

/// Checks what clients meet. `is_serving`: a relay serves this directory now, so that its sockets
/// are in use.
pub(super) fn check(settings: &RelayConfig, is_serving: bool) -> Vec<Finding> {
    let mut findings = Vec::new();
    if is_serving {
        findings
            .push(Finding::good("ports", "a relay serves this directory now, so its sockets were not tried"));
    } else {
        findings.extend(sockets::tcp_place(settings).map(port));
        #[cfg(unix)]
        findings.extend(settings.unix.as_deref().map(unix_socket));
    }
    findings.extend(certificate(settings));
    findings.push(url(settings));
    findings.push(proxies(settings));
    findings
}

/// Tries to listen at `place`, and stops at once.
fn port(place: &str) -> Finding {
    match listen(place) {
        Ok(()) => Finding::good("ports", "the relay can listen on its address"),
        Err(error) => Finding::fault(
            "ports",
            format!("the relay cannot listen on {place}: {}", sockets::explain(&error)),
        ),
    }
}

fn listen(place: &str) -> io::Result<()> {
    let addresses: Vec<_> = place.to_socket_addrs()?.collect();
    TcpListener::bind(addresses.as_slice()).map(drop)
}

/// Maximum number of bytes of the path of a unix socket, on the systems that have the least room.
#[cfg(unix)]
const MAX_SOCKET_PATH: usize = 103;

#[cfg(unix)]
fn unix_socket(path: &Path) -> Finding {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let shown = path.display();
    if path.as_os_str().len() > MAX_SOCKET_PATH {
        return Finding::fault(
            "ports",
            format!("{shown}: the path is too long for a unix socket; choose a shorter one"),
        );
    }
    let can_write =
        rustix::fs::access(folder, rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK).is_ok();
    if !folder.is_dir() || !can_write {
        let folder = folder.display();
        return Finding::fault(
            "ports",
            format!(
                "{shown}: {folder} must be a folder in which the relay's user may write (RuntimeDirectory= in a systemd unit)"
            ),
        );
    }
    Finding::good("ports", format!("the relay can listen on {shown}"))
}

/// Judges the certificate; `None` if the configuration names none.
fn certificate(settings: &RelayConfig) -> Option<Finding> {
    let (certificate, key) = match (&settings.tls_cert, &settings.tls_key) {
        (None, None) => return None,
        (Some(certificate), Some(key)) => (certificate, key),
        _ => return Some(Finding::fault("tls", "give both `tls_cert` and `tls_key`, or neither")),
    };
    let now = SystemTime::now();
    Some(match Reloader::load(certificate, key, now) {
        Err(error) => Finding::fault("tls", error.to_string()),
        Ok(loaded) => match loaded.current().warning(now) {
            Some(warning) => Finding::warning("tls", format!("{}: {warning}", certificate.display())),
            None => Finding::good("tls", format!("{} can be used", certificate.display())),
        },
    })
}

/// Judges the URL for clients beside TLS.
fn url(settings: &RelayConfig) -> Finding {
    let Some(url) = &settings.url else {
        return Finding::warning(
            "url",
            "none is set: clients get the address on which the relay listens. Set `url` to the name by which they come (wss://HOST/)",
        );
    };
    let Ok(address) = RelayAddress::new(Fingerprint::from_bytes([0; 32]), url) else {
        return Finding::fault("url", "it is none of a relay: wss://HOST/ or ws://HOST:PORT/");
    };
    match (address.is_tls(), settings.tls_cert.is_some()) {
        (false, true) => {
            Finding::fault("url", format!("{url}: the relay speaks TLS, so clients need wss://HOST/"))
        }
        (true, false) => Finding::good("url", format!("{url}: a proxy in front of the relay must speak TLS")),
        (true, true) => Finding::good("url", url.clone()),
        (false, false) => Finding::good(
            "url",
            format!(
                "{url}: without TLS. Messages and rights are encrypted by the link all the same; observers see that it is a relay"
            ),
        ),
    }
}

fn proxies(settings: &RelayConfig) -> Finding {
    let needs_one =
        settings.url.as_ref().is_some_and(|url| url.starts_with("wss:")) && settings.tls_cert.is_none();
    match (settings.proxies.len(), needs_one) {
        (0, true) => Finding::warning(
            "proxies",
            "a proxy speaks TLS in front of this relay and is not named: all clients count as one address, so that one can keep out \
             all others. Name it in `proxies`",
        ),
        (0, false) => Finding::good("proxies", "none is named: each client counts by its own address"),
        (count, _) => Finding::good(
            "proxies",
            format!(
                "{count} are named: what they say about the addresses of clients is believed. Their own logs keep these addresses"
            ),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Level;
    use super::*;

    #[test]
    fn a_port_in_use_and_a_foreign_address_are_told_apart() {
        let used = TcpListener::bind("127.0.0.1:0").unwrap();
        let place = used.local_addr().unwrap().to_string();
        let finding = port(&place);
        assert!(finding.level == Level::Fault && finding.text.contains("another program"), "{finding}");
        let foreign = port("192.0.2.1:7700");
        assert!(
            foreign.level == Level::Fault && foreign.text.contains("no address of this machine"),
            "{foreign}"
        );
        drop(used);
        assert_eq!(port(&place).level, Level::Good);
    }

    #[cfg(unix)]
    #[test]
    fn a_unix_socket_needs_a_folder() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(unix_socket(&dir.path().join("relay.sock")).level, Level::Good);
        assert_eq!(unix_socket(&dir.path().join("absent/relay.sock")).level, Level::Fault);
        assert_eq!(unix_socket(&dir.path().join("a".repeat(120))).level, Level::Fault);
    }

    #[test]
    fn a_url_fits_what_the_relay_speaks() {
        let told = |url: Option<&str>, tls: bool, proxy: bool| {
            let settings = RelayConfig {
                url: url.map(str::to_owned),
                tls_cert: tls.then(|| "relay.pem".into()),
                proxies: if proxy { vec!["unix".parse().unwrap()] } else { Vec::new() },
                ..RelayConfig::default()
            };
            (super::url(&settings).level, proxies(&settings).level)
        };
        assert_eq!(told(None, false, false), (Level::Warning, Level::Good));
        assert_eq!(told(Some("wss://a/"), false, false), (Level::Good, Level::Warning));
        assert_eq!(told(Some("wss://a/"), false, true), (Level::Good, Level::Good));
        assert_eq!(told(Some("wss://a/"), true, false), (Level::Good, Level::Good));
        assert_eq!(told(Some("ws://a/"), true, false), (Level::Fault, Level::Good));
        assert_eq!(told(Some("http://a/"), false, false), (Level::Fault, Level::Good));
    }
}
