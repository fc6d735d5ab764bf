//! Every range at its edges, and addresses that carry another one.

use super::*;

fn public(text: &str) -> bool {
    is_public(text.parse().unwrap_or_else(|_| panic!("{text}")))
}

/// Addresses that are not public: the first and the last of each range of the tables, and some in
/// between.
const REFUSED: &[&[&str]] = &[
    &["0.0.0.0", "0.0.0.1", "0.255.255.255"],
    &["10.0.0.0", "10.1.2.3", "10.255.255.255"],
    &["100.64.0.0", "100.100.100.200", "100.127.255.255"],
    &["127.0.0.0", "127.0.0.1", "127.0.0.53", "127.255.255.255"],
    &["169.254.0.0", "169.254.169.254", "169.254.255.255"],
    &["172.16.0.0", "172.20.1.1", "172.31.255.255"],
    &["192.0.0.0", "192.0.0.9", "192.0.0.255"],
    &["192.0.2.0", "192.0.2.255"],
    &["192.88.99.0", "192.88.99.255"],
    &["192.168.0.0", "192.168.1.1", "192.168.255.255"],
    &["198.18.0.0", "198.19.255.255"],
    &["198.51.100.0", "198.51.100.255"],
    &["203.0.113.0", "203.0.113.255"],
    &["224.0.0.0", "224.0.0.251", "239.255.255.255"],
    &["240.0.0.0", "255.255.255.254", "255.255.255.255"],
    &[
        "::ffff:0.0.0.0",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:192.168.1.1",
        "::ffff:255.255.255.255",
    ],
    &["::", "::1", "::2", "::127.0.0.1", "::8.8.8.8", "::ffff:ffff"],
    &["64:ff9b::", "64:ff9b::127.0.0.1", "64:ff9b::10.0.0.1", "64:ff9b::169.254.169.254"],
    &["64:ff9b:1::", "64:ff9b:1::8.8.8.8", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff"],
    &["100::", "100::1", "100:0:0:0:ffff:ffff:ffff:ffff"],
    &["2001::", "2001:0:5ef5:79fd::1", "2001:0:ffff:ffff:ffff:ffff:ffff:ffff"],
    &["2001:2::", "2001:2:0:ffff:ffff:ffff:ffff:ffff"],
    &["2001:10::", "2001:1f:ffff:ffff:ffff:ffff:ffff:ffff"],
    &["2001:20::", "2001:2f:ffff:ffff:ffff:ffff:ffff:ffff"],
    &["2001:1::1", "2001:30::1", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff"],
    &["2001:db8::", "2001:db8::1", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"],
    &["2002::", "2002:7f00:1::", "2002:7f00:1::1", "2002:a00:1::1", "2002:c0a8:101::1", "2002:e000::1"],
    &["3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff"],
    &["5f00::", "5f00:ffff:ffff:ffff:ffff:ffff:ffff:ffff"],
    &["fc00::", "fd12:3456::1", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"],
    &["fe80::", "fe80::1", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff"],
    &["fec0::", "feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"],
    &["ff00::", "ff02::1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"],
    // Outside of what is allocated.
    &["1::1", "200::1", "1fff:ffff::", "4000::1", "8000::1", "e000::1", "fe00::1"],
];

/// Public addresses, on both sides of the ranges in [`REFUSED`].
const PUBLIC: &[&str] = &[
    "1.0.0.0",
    "8.8.8.8",
    "9.255.255.255",
    "11.0.0.0",
    "100.63.255.255",
    "100.128.0.0",
    "126.255.255.255",
    "128.0.0.0",
    "169.253.255.255",
    "169.255.0.0",
    "172.15.255.255",
    "172.32.0.0",
    "191.255.255.255",
    "192.0.1.0",
    "192.0.3.0",
    "192.88.98.255",
    "192.88.100.0",
    "192.167.255.255",
    "192.169.0.0",
    "198.17.255.255",
    "198.20.0.0",
    "198.51.99.255",
    "198.51.101.0",
    "203.0.112.255",
    "203.0.114.0",
    "223.255.255.255",
    "::ffff:8.8.8.8",
    "64:ff9b::8.8.8.8",
    "2000::1",
    "2001:200::1",
    "2001:4860:4860::8888",
    "2001:db7:ffff::1",
    "2001:db9::1",
    "2002:808:808::1",
    "2003::1",
    "2606:4700:4700::1111",
    "3ffe:ffff::1",
    "3fff:1000::1",
];

#[test]
fn each_range_is_refused_and_its_neighbours_are_not() {
    for range in REFUSED {
        for ip in *range {
            assert!(!public(ip), "{ip}");
        }
    }
    for ip in PUBLIC {
        assert!(public(ip), "{ip}");
    }
}

/// A row of the tables that holds none of the addresses above could be deleted without a test
/// noticing.
#[test]
fn each_row_of_the_table_decides_for_an_address_above() {
    let all = || REFUSED.iter().flat_map(|range| range.iter()).chain(PUBLIC);
    let mut decided_v4 = vec![false; V4.len()];
    let mut decided_v6 = vec![false; V6.len()];
    for text in all() {
        match text.parse::<IpAddr>().unwrap() {
            IpAddr::V4(ip) => {
                let mask = |len: u32| u32::MAX.checked_shl(32 - len).unwrap_or(0);
                let at = V4.iter().position(|row| (ip.to_bits() ^ row.0.to_bits()) & mask(row.1) == 0);
                decided_v4[at.unwrap()] = true;
            }
            IpAddr::V6(ip) => {
                let mask = |len: u32| u128::MAX.checked_shl(128 - len).unwrap_or(0);
                let at = V6.iter().position(|row| (ip.to_bits() ^ row.0.to_bits()) & mask(row.1) == 0);
                decided_v6[at.unwrap()] = true;
            }
        }
    }
    assert!(decided_v4.iter().all(|decided| *decided), "{decided_v4:?}");
    assert!(decided_v6.iter().all(|decided| *decided), "{decided_v6:?}");
}

#[test]
fn rows_begin_at_their_first_address() {
    for (first, len, _) in V4 {
        assert_eq!(first.to_bits() & u32::MAX.checked_shr(*len).unwrap_or(0), 0, "{first}/{len}");
    }
    for (first, len, _) in V6 {
        assert_eq!(first.to_bits() & u128::MAX.checked_shr(*len).unwrap_or(0), 0, "{first}/{len}");
    }
}
