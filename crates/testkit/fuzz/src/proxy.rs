//! Texts that proxies send in front of a request and in its head.

use deaddrop_relay::proxy::{
    Proxies,
    forwarded::client_address,
    protocol::{MAX_V2, Parsed, parse},
};
use std::net::IpAddr;

/// Runs the target `proxy_header`: parses any first bytes of a connection. A proxy's header ends
/// within its bounds, bytes behind it do not change it, and the client address that is believed is
/// not a proxy's.
pub fn header(data: &[u8]) {
    let networks =
        ["127.0.0.1", "10.0.0.0/8", "2001:db8::/32"].map(|network| network.parse().expect("a network"));
    let proxies = Proxies::new(networks.to_vec(), true);
    let head = match parse(data) {
        Parsed::Incomplete => {
            assert!(data.len() < MAX_V2, "it waits without a bound");
            data
        }
        Parsed::Header { source, len } => {
            assert_eq!(parse(&data[..len]), Parsed::Header { source, len });
            for shorter in 0..len {
                assert_eq!(parse(&data[..shorter]), Parsed::Incomplete);
            }
            &data[len..]
        }
        Parsed::Malformed => data,
    };
    let Some(address) = client_address(head, &proxies) else { return };
    assert!(!proxies.contains(address));
    // The entry of one more proxy stands further right, and is believed instead.
    let nearer: IpAddr = "203.0.113.7".parse().expect("an address");
    let end = head.windows(4).position(|bytes| bytes == b"\r\n\r\n");
    if let Some(end) = end {
        let longer = [&head[..end], b"\r\nX-Forwarded-For: 203.0.113.7, 10.0.0.1", &head[end..]].concat();
        let lines_before =
            head[..end].split(|byte| *byte == b'\n').skip(1).all(|line| !matches!(line, b"" | b"\r"));
        if lines_before {
            assert_eq!(client_address(&longer, &proxies), Some(nearer));
        }
    }
}
