//! The address of a relay: its URL and its fingerprint (spec/09-wire.md section 2).

use crate::{Fingerprint, limits::MAX_URL};
use alloc::{
    boxed::Box,
    string::{String, ToString},
};
use core::{
    fmt,
    net::{Ipv4Addr, Ipv6Addr},
    str::FromStr,
};
use data_encoding::BASE64URL_NOPAD;

/// The address of a relay: the WebSocket URL at which it listens, and the fingerprint by which a
/// client verifies that the right relay answers. The text form is `URL#FINGERPRINT`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct RelayAddress {
    fingerprint: Fingerprint,
    url: String,
    host: String,
    port: u16,
    path: String,
    tls: bool,
}

/// The URL of a relay, in the form that [`RelayAddress::new`] describes.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct RelayUrl(Box<str>);

impl RelayUrl {
    /// Makes a URL of its text.
    ///
    /// # Errors
    /// Fails with [`AddressError::Url`] if the text has another form.
    pub fn new(url: &str) -> Result<Self, AddressError> {
        split_url(url).map(|_| Self(url.into())).ok_or(AddressError::Url) // W-10: the URL's form.
    }

    /// Returns the text of the URL.
    #[must_use]
    pub const fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for RelayUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RelayUrl(..)")
    }
}

/// The error of a text that is not the address of a relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressError {
    /// The URL does not have the form that [`RelayAddress::new`] describes.
    #[error("not a relay address; it looks like ws://HOST:PORT/#FINGERPRINT (or wss://), in lower case")]
    Url,
    /// The part after the `#` is missing, or is not 43 characters of base64url that encode a
    /// fingerprint.
    #[error("the relay's fingerprint (43 characters behind #) is missing or damaged; copy the whole address")]
    Fingerprint,
}

impl RelayAddress {
    /// Creates an address. The URL has at most [`MAX_URL`] bytes: `ws://` or `wss://`, a host in
    /// lower case (a name, an IPv4 address, or an IPv6 address in brackets), optionally `:PORT`,
    /// and a path of `A-Z a-z 0-9 / - . _ ~` that begins and ends with `/`. It has no user and no
    /// query. spec/09-wire.md section 2 has the exact form.
    ///
    /// # Errors
    /// Fails with [`AddressError::Url`] if the URL has another form.
    pub fn new(fingerprint: Fingerprint, url: &str) -> Result<Self, AddressError> {
        let (tls, host, port, path) = split_url(url).ok_or(AddressError::Url)?; // W-10: the URL's form.
        Ok(Self {
            fingerprint,
            url: url.to_string(),
            host: host.to_string(),
            port,
            path: path.to_string(),
            tls,
        })
    }

    /// Returns the fingerprint: the hash of the relay's identity keys.
    #[must_use]
    pub const fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }

    /// Returns the URL without the fingerprint.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns the address of the same relay at another URL.
    ///
    /// # Panics
    /// Never: a [`RelayUrl`] has the accepted form.
    #[must_use]
    pub fn with_url(&self, url: &RelayUrl) -> Self {
        Self::new(self.fingerprint, url.as_str()).unwrap_or_else(|_| self.clone())
    }

    /// Returns the host: a name or an IP address, an IPv6 address without its brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Returns the TCP port; the scheme's own (80 for `ws`, 443 for `wss`) if the URL names none.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Returns the path, which begins and ends with `/`.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Whether the WebSocket is inside TLS.
    #[must_use]
    pub const fn is_tls(&self) -> bool {
        self.tls
    }
}

impl fmt::Display for RelayAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.url, self.fingerprint)
    }
}

impl fmt::Debug for RelayAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RelayAddress(..)")
    }
}

impl FromStr for RelayAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let (url, fragment) = text.split_once('#').ok_or(AddressError::Fingerprint)?;
        // W-11: the fingerprint is 43 characters of base64url without padding, in its one canonical form.
        let bytes = BASE64URL_NOPAD.decode(fragment.as_bytes()).map_err(|_| AddressError::Fingerprint)?;
        let bytes = bytes.try_into().map_err(|_| AddressError::Fingerprint)?;
        Self::new(Fingerprint::from_bytes(bytes), url)
    }
}

/// Splits a URL into whether it is `wss`, host, port and path; `None` if it does not have the form
/// that [`RelayAddress::new`] describes.
fn split_url(url: &str) -> Option<(bool, &str, u16, &str)> {
    if url.len() > MAX_URL {
        return None;
    }
    let (tls, rest) = match url.strip_prefix("wss://") {
        Some(rest) => (true, rest),
        None => (false, url.strip_prefix("ws://")?),
    };
    let (authority, path) = rest.split_at(rest.find('/')?);
    let (host, port) = match authority.strip_prefix('[') {
        Some(bracketed) => {
            let (host, port) = bracketed.split_once(']')?;
            // One text per address: compressed and in lower case.
            let canonical = Ipv6Addr::from_str(host).ok()?.to_string() == host;
            let port = match port.strip_prefix(':') {
                Some(port) => Some(port),
                None => port.is_empty().then_some(None)?,
            };
            (canonical.then_some(host)?, port)
        }
        None => match authority.split_once(':') {
            Some((host, port)) => (is_host(host).then_some(host)?, Some(port)),
            None => (is_host(authority).then_some(authority)?, None),
        },
    };
    let port = match port {
        Some(text) => parse_port(text)?,
        None if tls => 443,
        None => 80,
    };
    let path_ok = path.bytes().all(|b| b.is_ascii_alphanumeric() || b"/-._~".contains(&b));
    // A link puts its own word behind the path, and must give the same path back.
    (path_ok && path.ends_with('/')).then_some((tls, host, port, path))
}

/// Parses a port: 1 to 65535 without sign and leading zeros; `None` for any other text.
fn parse_port(text: &str) -> Option<u16> {
    let digits = !text.starts_with('0') && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

/// Whether `host` is a dotted IPv4 address, or a domain name in lower case. IPv6 addresses are
/// checked by `split_url`.
fn is_host(host: &str) -> bool {
    let label = |label: &str| {
        let edges = !label.starts_with('-') && !label.ends_with('-');
        let bytes =
            label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_');
        (1..=63).contains(&label.len()) && edges && bytes
    };
    let numeric = host.rsplit('.').next().is_some_and(|last| last.bytes().all(|b| b.is_ascii_digit()));
    if numeric { Ipv4Addr::from_str(host).is_ok() } else { host.len() <= 253 && host.split('.').all(label) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    const FINGERPRINT: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

    fn parse(url: &str) -> Result<RelayAddress, AddressError> {
        format!("{url}#{FINGERPRINT}").parse()
    }

    #[test]
    fn text_round_trips() {
        for url in [
            "ws://127.0.0.1:4711/",
            "wss://relay.example/",
            "wss://relay.example:8443/drop/box-1/",
            "ws://[::1]:80/",
            "ws://[2001:db8::1]/",
            "ws://abcdefghijklmnopqrstuvwxyz234567.onion/",
            "ws://localhost:65535/",
        ] {
            let address = parse(url).unwrap_or_else(|_| panic!("{url}"));
            assert_eq!(address.to_string(), format!("{url}#{FINGERPRINT}"));
            assert_eq!(address.url(), url);
        }
    }

    #[test]
    fn parts_are_given() {
        let address = parse("wss://relay.example/drop/").unwrap();
        assert_eq!((address.host(), address.port(), address.path()), ("relay.example", 443, "/drop/"));
        assert!(address.is_tls());
        let address = parse("ws://[::1]:4711/").unwrap();
        assert_eq!((address.host(), address.port(), address.path()), ("::1", 4711, "/"));
        assert!(!address.is_tls());
    }

    #[test]
    fn other_urls_are_refused() {
        for url in [
            "",
            "ws://",
            "ws:///",
            "ws://host",
            "http://host/",
            "WS://host/",
            "ws://Host/",
            "ws://host:0/",
            "ws://host:01/",
            "ws://host:65536/",
            "ws://host:/",
            "ws://host:+1/",
            "ws://user@host/",
            "ws://host/?a",
            "ws://host/%41",
            "ws://-host/",
            "ws://ho st/",
            "ws://host../",
            "ws://.host/",
            "ws://1.2.3/",
            "ws://1.2.3.256/",
            "ws://[::1/",
            "ws://[::1]x/",
            "ws://[::1]:/",
            "ws://[0::1]/",
            "ws://[fe80::1%25eth0]/",
            " ws://host/",
        ] {
            assert_eq!(parse(url), Err(AddressError::Url), "{url}");
        }
        assert_eq!(parse(&format!("ws://{}/", "a.".repeat(300))), Err(AddressError::Url));
    }

    #[test]
    fn damaged_fingerprints_are_refused() {
        for text in [
            "ws://host/".to_string(),
            "ws://host/#".to_string(),
            format!("ws://host/#{}", &FINGERPRINT[1..]),
            format!("ws://host/#{FINGERPRINT}A"),
            format!("ws://host/#{FINGERPRINT}="),
            format!("ws://host/#{}9", &FINGERPRINT[..42]),
            format!("ws://host/##{}", &FINGERPRINT[1..]),
        ] {
            assert_eq!(text.parse::<RelayAddress>(), Err(AddressError::Fingerprint), "{text}");
        }
    }
}
