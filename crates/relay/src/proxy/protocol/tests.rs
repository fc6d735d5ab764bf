//! Headers that are right, cut short, too long, almost right, and any bytes.

use super::*;
use proptest::prelude::*;

fn header(source: &str, len: usize) -> Parsed {
    Parsed::Header { source: Some(source.parse().unwrap()), len }
}

fn v2(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
    let len = u16::try_from(body.len()).unwrap();
    [&SIGNATURE[..], &[command, family], &len.to_be_bytes(), body].concat()
}

const INET: [u8; 12] = [203, 0, 113, 7, 127, 0, 0, 1, 0x12, 0x34, 0, 80];

fn inet6() -> Vec<u8> {
    let address: Ipv6Addr = "2001:db8::7".parse().unwrap();
    [&address.octets()[..], &address.octets(), &[0, 1, 0, 2]].concat()
}

#[test]
fn text_headers() {
    let line = b"PROXY TCP4 203.0.113.7 127.0.0.1 4660 80\r\n";
    assert_eq!(parse(line), header("203.0.113.7", line.len()));
    assert_eq!(parse(&[&line[..], b"GET / HTTP/1.1\r\n"].concat()), header("203.0.113.7", line.len()));
    let line = b"PROXY TCP6 2001:db8::7 ::1 0 65535\r\n";
    assert_eq!(parse(line), header("2001:db8::7", line.len()));
    let line = b"PROXY UNKNOWN anything at all\r\n";
    assert_eq!(parse(line), Parsed::Header { source: None, len: line.len() });
    let longest = [b"PROXY UNKNOWN ", &[b'x'; 91][..], b"\r\n"].concat();
    assert_eq!(longest.len(), MAX_V1);
    assert_eq!(parse(&longest), Parsed::Header { source: None, len: MAX_V1 });
    assert_eq!(parse(&[b"PROXY UNKNOWN ", &[b'x'; 92][..], b"\r\n"].concat()), Parsed::Malformed);
}

#[test]
fn text_that_is_almost_right_is_refused() {
    for line in [
        "PROXY TCP4 203.0.113.7 127.0.0.1 4660 80\n",
        "PROXY TCP4 203.0.113.7 127.0.0.1 4660 80 \r\n",
        "PROXY TCP4 203.0.113.7 127.0.0.1 4660\r\n",
        "PROXY TCP4  203.0.113.7 127.0.0.1 4660 80\r\n",
        "PROXY TCP4 203.0.113.7 127.0.0.1 04660 80\r\n",
        "PROXY TCP4 203.0.113.7 127.0.0.1 4660 65536\r\n",
        "PROXY TCP4 203.0.113 127.0.0.1 4660 80\r\n",
        "PROXY TCP4 2001:db8::7 ::1 4660 80\r\n",
        "PROXY TCP6 203.0.113.7 127.0.0.1 4660 80\r\n",
        "PROXY UDP4 203.0.113.7 127.0.0.1 4660 80\r\n",
        "PROXY \r\n",
        "proxy TCP4 203.0.113.7 127.0.0.1 4660 80\r\n",
        "GET / HTTP/1.1\r\n",
    ] {
        assert_eq!(parse(line.as_bytes()), Parsed::Malformed, "{line}");
    }
}

#[test]
fn binary_headers() {
    let bytes = v2(0x21, 0x11, &INET);
    assert_eq!(parse(&bytes), header("203.0.113.7", 28));
    let with_extensions = v2(0x21, 0x11, &[&INET[..], &[0x04, 0, 3, 1, 2, 3]].concat());
    assert_eq!(parse(&with_extensions), header("203.0.113.7", 34));
    assert_eq!(parse(&v2(0x21, 0x21, &inet6())), header("2001:db8::7", 52));
    for (command, family, body) in
        [(0x20, 0x11, &INET[..]), (0x20, 0x55, &[]), (0x21, 0x00, &[1, 2]), (0x21, 0x31, &[0; 216])]
    {
        let bytes = v2(command, family, body);
        assert_eq!(parse(&bytes), Parsed::Header { source: None, len: bytes.len() });
    }
    let longest = v2(0x21, 0x11, &[&INET[..], &[0; 508]].concat());
    assert_eq!(parse(&longest), header("203.0.113.7", MAX_V2));
}

#[test]
fn binary_that_is_almost_right_is_refused() {
    let longer = [&INET[..], &[0; 509]].concat();
    for (command, family, body) in [
        (0x11, 0x11, &INET[..]),
        (0x22, 0x11, &INET),
        (0x21, 0x12, &INET),
        (0x21, 0x41, &INET),
        (0x21, 0x11, &INET[..11]),
        (0x21, 0x21, &INET),
        (0x21, 0x11, &longer),
    ] {
        assert_eq!(parse(&v2(command, family, body)), Parsed::Malformed, "{command:x} {family:x}");
    }
}

#[test]
fn a_header_that_is_cut_short_is_waited_for() {
    for bytes in
        [b"PROXY TCP4 203.0.113.7 127.0.0.1 4660 80\r\n".to_vec(), v2(0x21, 0x11, &INET), v2(0x20, 0, &[])]
    {
        for len in 0..bytes.len() {
            assert_eq!(parse(&bytes[..len]), Parsed::Incomplete, "{len} of {}", bytes.len());
        }
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_within_the_bounds(begin in 0..3_usize, bytes in proptest::collection::vec(any::<u8>(), 0..700)) {
        let bytes = [[&b""[..], TEXT, SIGNATURE][begin], &bytes].concat();
        match parse(&bytes) {
            Parsed::Incomplete => prop_assert!(bytes.len() < MAX_V2),
            Parsed::Header { len, .. } => {
                prop_assert!(len <= bytes.len() && len <= MAX_V2);
                prop_assert_eq!(parse(&bytes[..len]), parse(&bytes), "what follows changes nothing");
            }
            Parsed::Malformed => {}
        }
    }

    #[test]
    fn every_source_is_found(source: IpAddr, port: u16) {
        let (family, other) = if source.is_ipv4() { ("TCP4", "0.0.0.0") } else { ("TCP6", "::") };
        let line = format!("PROXY {family} {source} {other} {port} 1\r\n");
        let expected = Parsed::Header { source: Some(source.to_canonical()), len: line.len() };
        prop_assert_eq!(parse(line.as_bytes()), expected);
    }
}

/// Reading as many bytes as `missing` returns leaves the bytes after a header unread.
#[test]
fn the_missing_bytes_never_reach_behind_the_header() {
    let mut v2 = [&SIGNATURE[..], &[0x21, 0x11, 0, 20]].concat();
    v2.extend([7; 20]);
    let local = [&SIGNATURE[..], &[0x20, 0, 0, 0]].concat();
    let v1: [&[u8]; 2] = [b"PROXY UNKNOWN\r\n", b"PROXY TCP4 203.0.113.7 192.0.2.1 1 2\r\n"];
    for header in v1.into_iter().chain([&v2[..], &local]) {
        for cut in 0..header.len() {
            let missing = usize::try_from(missing(&header[..cut])).unwrap();
            assert!((1..=header.len() - cut).contains(&missing), "{header:?} {cut}: {missing}");
        }
    }
}
