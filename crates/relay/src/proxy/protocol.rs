//! The PROXY protocol, versions 1 (text) and 2 (binary): a proxy begins a connection with a header
//! that holds the address of the peer that connected to the proxy. Strict: a header that is not
//! exactly right ends the connection.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Maximum number of bytes of a header of version 1, with its line end, as the PROXY protocol says.
pub const MAX_V1: usize = 107;
/// Maximum number of bytes of a header of version 2, with its extensions (spec/12-relay.md section
/// 7.1).
pub const MAX_V2: usize = 536;

/// Number of bytes of the shortest header of version 1: `PROXY UNKNOWN` and the line end.
const SHORTEST_V1: usize = 15;
/// First bytes of a header of version 2.
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// First bytes of a header of version 1.
const TEXT: &[u8; 6] = b"PROXY ";
/// Number of bytes of a header of version 2 before its addresses and extensions.
const V2_HEAD: usize = 16;
/// Number of bytes of the addresses and ports in a header of version 2 for IPv4. The next two
/// constants are the same for IPv6 and for unix sockets.
const V2_INET: usize = 12;
const V2_INET6: usize = 36;
const V2_UNIX: usize = 216;

/// The result of parsing the first bytes of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parsed {
    /// The bytes are the beginning of a header, and more bytes are needed.
    Incomplete,
    /// The bytes begin with a whole header.
    Header {
        /// The IP address of the client; `None` if the proxy speaks for itself, does not know it, or
        /// took the client's connection on a unix socket.
        source: Option<IpAddr>,
        /// Number of bytes of the header.
        len: usize,
    },
    /// The bytes are not a header.
    Malformed,
}

/// Parses the header at the beginning of a connection. `bytes` are all bytes that were read so far.
#[must_use]
pub fn parse(bytes: &[u8]) -> Parsed {
    let begins = |with: &[u8]| bytes.iter().zip(with).all(|(byte, expected)| byte == expected);
    // R-82: a configured proxy that speaks the PROXY protocol begins with its header.
    let parsed = match bytes.first() {
        None => Some(Parsed::Incomplete),
        Some(b'P') if begins(TEXT) => parse_v1(bytes),
        Some(b'\r') if begins(SIGNATURE) => parse_v2(bytes),
        Some(_) => None,
    };
    parsed.unwrap_or(Parsed::Malformed)
}

/// Returns how many more bytes, at least 1, must belong to the incomplete header that `bytes`
/// begin. A caller that reads no more than these leaves the bytes after the header unread.
#[must_use]
pub fn missing(bytes: &[u8]) -> u64 {
    let least = match (bytes.first(), bytes.get(V2_HEAD - 2..V2_HEAD)) {
        (Some(b'\r'), Some(&[high, low])) => V2_HEAD + usize::from(u16::from_be_bytes([high, low])),
        (Some(b'\r'), _) => V2_HEAD,
        _ => SHORTEST_V1,
    };
    least.saturating_sub(bytes.len()).max(1) as u64
}

fn parse_v1(bytes: &[u8]) -> Option<Parsed> {
    let within = bytes.get(..MAX_V1).unwrap_or(bytes);
    let Some(end) = within.iter().position(|byte| *byte == b'\n') else {
        return (bytes.len() < MAX_V1).then_some(Parsed::Incomplete);
    };
    let line = std::str::from_utf8(bytes.get(..end)?.strip_suffix(b"\r")?).ok()?;
    let mut words = line.split(' ').skip(1);
    let family = words.next()?;
    if family == "UNKNOWN" {
        return Some(Parsed::Header { source: None, len: end + 1 });
    }
    let (source, destination) = (words.next()?, words.next()?);
    let (source, destination): (IpAddr, IpAddr) = match family {
        "TCP4" => (source.parse::<Ipv4Addr>().ok()?.into(), destination.parse::<Ipv4Addr>().ok()?.into()),
        "TCP6" => (source.parse::<Ipv6Addr>().ok()?.into(), destination.parse::<Ipv6Addr>().ok()?.into()),
        _ => return None,
    };
    let _ = destination;
    for port in [words.next()?, words.next()?] {
        let number: u16 = port.parse().ok()?;
        if number.to_string() != port {
            return None;
        }
    }
    words.next().is_none().then_some(Parsed::Header { source: Some(source.to_canonical()), len: end + 1 })
}

fn parse_v2(bytes: &[u8]) -> Option<Parsed> {
    let Some((head, rest)) = bytes.split_first_chunk::<V2_HEAD>() else {
        return Some(Parsed::Incomplete);
    };
    let [.., command, family, high, low] = *head;
    let body = usize::from(u16::from_be_bytes([high, low]));
    let len = V2_HEAD + body;
    if len > MAX_V2 {
        return None;
    }
    let is_local = match command {
        0x20 => true,
        0x21 => false,
        _ => return None,
    };
    // Address family and transport: only streams come here.
    let addresses = match family {
        0x00 => 0,
        0x11 => V2_INET,
        0x21 => V2_INET6,
        0x31 => V2_UNIX,
        _ if is_local => 0,
        _ => return None,
    };
    if !is_local && body < addresses {
        return None;
    }
    let Some(rest) = rest.get(..body) else { return Some(Parsed::Incomplete) };
    let source = match family {
        _ if is_local => None,
        0x11 => rest.first_chunk::<4>().map(|octets| IpAddr::from(*octets)),
        0x21 => rest.first_chunk::<16>().map(|octets| IpAddr::from(*octets).to_canonical()),
        _ => None,
    };
    Some(Parsed::Header { source, len })
}

#[cfg(test)]
mod tests;
