//! `X-Forwarded-For`: each proxy appends the address that it was called from, so only the right end
//! can be believed, as far as it consists of configured proxies.

use super::Proxies;
use std::net::{IpAddr, SocketAddr};

/// Name of the header, in lower case. Names of headers are compared without regard to case.
const NAME: &str = "x-forwarded-for";

/// Returns the rightmost address in the `X-Forwarded-For` lines of a head that is not itself a
/// configured proxy. Returns `None` if there is no such address, or if an entry that is not an
/// address is to the right of it.
#[must_use]
pub fn client_address(head: &[u8], proxies: &Proxies) -> Option<IpAddr> {
    let head = head.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    // The first line is the request; the head ends with an empty one.
    let lines = head.skip(1).take_while(|line| !line.is_empty());
    let values: Vec<&[u8]> = lines.filter_map(value).collect();
    for value in values.iter().rev() {
        for entry in value.rsplit(|byte| *byte == b',') {
            let address = address(entry)?;
            if !proxies.contains(address) {
                return Some(address);
            }
        }
    }
    None
}

/// Returns the bytes after the colon if this line is an `X-Forwarded-For` line, and else `None`.
fn value(line: &[u8]) -> Option<&[u8]> {
    let (name, value) = line.split_at_checked(NAME.len())?;
    name.eq_ignore_ascii_case(NAME.as_bytes()).then_some(())?;
    value.strip_prefix(b":")
}

/// Parses an address, in brackets or not, with a port or without; `None` if the entry is no IP
/// address.
fn address(entry: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(entry.trim_ascii()).ok()?;
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let parsed = bare.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|place| place.ip()));
    parsed.map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn proxies() -> Proxies {
        Proxies::new(vec!["127.0.0.1".parse().unwrap(), "10.0.0.0/8".parse().unwrap()], false)
    }

    fn said(lines: &[&str]) -> Option<IpAddr> {
        let head = format!("GET /v1 HTTP/1.1\r\nHost: a\r\n{}\r\n\r\n", lines.join("\r\n"));
        client_address(head.as_bytes(), &proxies())
    }

    fn at(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn the_rightmost_address_that_is_no_proxy_counts() {
        assert_eq!(said(&["X-Forwarded-For: 203.0.113.7"]), at("203.0.113.7"));
        assert_eq!(
            said(&["x-forwarded-for:198.51.100.1, 203.0.113.7 , 10.1.2.3,127.0.0.1"]),
            at("203.0.113.7")
        );
        assert_eq!(
            said(&["X-Forwarded-For: 198.51.100.1", "X-FORWARDED-FOR: 203.0.113.7"]),
            at("203.0.113.7")
        );
        assert_eq!(
            said(&["X-Forwarded-For: 203.0.113.7", "A: b", "X-Forwarded-For: 10.0.0.1"]),
            at("203.0.113.7")
        );
        assert_eq!(said(&["X-Forwarded-For: [2001:db8::1]:443"]), at("2001:db8::1"));
        assert_eq!(said(&["X-Forwarded-For: [2001:db8::1]"]), at("2001:db8::1"));
        assert_eq!(said(&["X-Forwarded-For: 2001:db8::1"]), at("2001:db8::1"));
        assert_eq!(said(&["X-Forwarded-For: 203.0.113.7:5000"]), at("203.0.113.7"));
        assert_eq!(said(&["X-Forwarded-For: ::ffff:203.0.113.7"]), at("203.0.113.7"));
    }

    #[test]
    fn an_unreadable_header_names_no_client() {
        assert_eq!(said(&["A: b"]), None);
        assert_eq!(said(&["X-Forwarded-For: 10.0.0.1"]), None, "only proxies");
        assert_eq!(said(&["X-Forwarded-For: 203.0.113.7, unknown"]), None);
        assert_eq!(said(&["X-Forwarded-For: 203.0.113.7,"]), None);
        assert_eq!(said(&["X-Forwarded-For: 203.0.113.7, unknown, 10.0.0.1"]), None);
        assert_eq!(said(&["X-Forwarded-For:"]), None);
        assert_eq!(said(&["X-Forwarded-Fo: 203.0.113.7"]), None);
        assert_eq!(said(&["X-Forwarded-For : 203.0.113.7"]), None);
        let after_the_head = b"GET / HTTP/1.1\r\n\r\nX-Forwarded-For: 203.0.113.7\r\n";
        assert_eq!(client_address(after_the_head, &proxies()), None);
        assert_eq!(
            client_address(b"X-Forwarded-For: 203.0.113.7\r\n\r\n", &proxies()),
            None,
            "the request line"
        );
    }

    proptest! {
        #[test]
        fn any_head_is_read(head in proptest::collection::vec(any::<u8>(), 0..300)) {
            if let Some(address) = client_address(&head, &proxies()) {
                prop_assert!(!proxies().contains(address));
            }
        }

        #[test]
        fn what_a_client_writes_itself_changes_nothing(before in "[ -~]{0,60}", address: IpAddr) {
            let address = address.to_canonical();
            prop_assume!(!proxies().contains(address));
            prop_assert_eq!(said(&[&format!("X-Forwarded-For: {before}"), &format!("X-Forwarded-For: {address}")]), Some(address));
            prop_assert_eq!(said(&[&format!("X-Forwarded-For: {before}, {address}, 10.0.0.1")]), Some(address));
        }
    }
}
