//! The public IP addresses: the IANA special-purpose address registries as a table (RFC 6890), with the multicast and the
//! unallocated space, which the registries leave out.
//!
//! The standard library's `is_global` is not stable, and it passes addresses that carry an IPv4 address inside.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The class of the addresses of a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    /// Hosts of the internet.
    Public,
    /// Not hosts of the internet: this machine, a network behind a router, documentation, reserved space.
    Special,
    /// Addresses that carry an IPv4 address, whose class decides. The value is the number of bytes in front of it.
    Carries(usize),
}

/// A range: its first address, the length of its prefix in bits, its class. The first range of a
/// table that holds an address decides.
type Range<A> = (A, u32, Class);

use Class::{Carries, Public, Special};

/// The ranges of IPv4, from the IANA IPv4 special-purpose address registry. Other addresses are
/// public.
const V4: &[Range<Ipv4Addr>] = &[
    // This network, RFC 791.
    (Ipv4Addr::new(0, 0, 0, 0), 8, Special),
    // Private use, RFC 1918.
    (Ipv4Addr::new(10, 0, 0, 0), 8, Special),
    // Shared address space of carriers (CGNAT), RFC 6598.
    (Ipv4Addr::new(100, 64, 0, 0), 10, Special),
    // Loopback, RFC 1122.
    (Ipv4Addr::new(127, 0, 0, 0), 8, Special),
    // Link-local, RFC 3927; the metadata services of cloud providers are here.
    (Ipv4Addr::new(169, 254, 0, 0), 16, Special),
    // Private use, RFC 1918.
    (Ipv4Addr::new(172, 16, 0, 0), 12, Special),
    // IETF protocol assignments, RFC 6890.
    (Ipv4Addr::new(192, 0, 0, 0), 24, Special),
    // Documentation, RFC 5737.
    (Ipv4Addr::new(192, 0, 2, 0), 24, Special),
    // 6to4 relay anycast, withdrawn by RFC 7526.
    (Ipv4Addr::new(192, 88, 99, 0), 24, Special),
    // Private use, RFC 1918.
    (Ipv4Addr::new(192, 168, 0, 0), 16, Special),
    // Benchmarking, RFC 2544.
    (Ipv4Addr::new(198, 18, 0, 0), 15, Special),
    // Documentation, RFC 5737.
    (Ipv4Addr::new(198, 51, 100, 0), 24, Special),
    // Documentation, RFC 5737.
    (Ipv4Addr::new(203, 0, 113, 0), 24, Special),
    // Multicast, RFC 5771.
    (Ipv4Addr::new(224, 0, 0, 0), 4, Special),
    // Reserved, RFC 1112, and limited broadcast, RFC 8190.
    (Ipv4Addr::new(240, 0, 0, 0), 4, Special),
    (Ipv4Addr::UNSPECIFIED, 0, Public),
];

/// The ranges of IPv6, from the IANA IPv6 special-purpose address registry. Outside of 2000::/3 only the addresses that are named
/// here are public.
const V6: &[Range<Ipv6Addr>] = &[
    // IPv4-mapped, RFC 4291.
    (Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0, 0), 96, Carries(12)),
    // Unspecified, loopback and the withdrawn IPv4-compatible addresses, RFC 4291.
    (Ipv6Addr::UNSPECIFIED, 96, Special),
    // Translation to IPv4 (NAT64), RFC 6052.
    (Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0), 96, Carries(12)),
    // Translation to IPv4 inside one network, RFC 8215: where the IPv4 address stands is that network's affair.
    (Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, 0, 0), 48, Special),
    // Discard, RFC 6666.
    (Ipv6Addr::new(0x100, 0, 0, 0, 0, 0, 0, 0), 64, Special),
    // Teredo, RFC 4380: carries addresses that the tunnel's server chooses.
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 32, Special),
    // Benchmarking, RFC 5180.
    (Ipv6Addr::new(0x2001, 2, 0, 0, 0, 0, 0, 0), 48, Special),
    // ORCHID, RFC 4843, withdrawn.
    (Ipv6Addr::new(0x2001, 0x10, 0, 0, 0, 0, 0, 0), 28, Special),
    // ORCHID version 2, RFC 7343: hashes that are not routed.
    (Ipv6Addr::new(0x2001, 0x20, 0, 0, 0, 0, 0, 0), 28, Special),
    // IETF protocol assignments, RFC 2928, the rest of them.
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23, Special),
    // Documentation, RFC 3849.
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32, Special),
    // 6to4, RFC 3056.
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16, Carries(2)),
    // Documentation, RFC 9637.
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20, Special),
    // Segment routing, RFC 9602.
    (Ipv6Addr::new(0x5f00, 0, 0, 0, 0, 0, 0, 0), 16, Special),
    // Unique local, RFC 4193.
    (Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0), 7, Special),
    // Link-local, RFC 4291.
    (Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10, Special),
    // Site-local, withdrawn by RFC 3879.
    (Ipv6Addr::new(0xfec0, 0, 0, 0, 0, 0, 0, 0), 10, Special),
    // Multicast, RFC 4291.
    (Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0), 8, Special),
    // Global unicast: all that is allocated, RFC 4291.
    (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3, Public),
    (Ipv6Addr::UNSPECIFIED, 0, Special),
];

/// Whether an address is that of a host of the internet, as far as the address itself shows.
pub(crate) fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => class_v4(ip) == Public,
        IpAddr::V6(ip) => match class_v6(ip) {
            Carries(at) => ip
                .octets()
                .get(at..)
                .and_then(|rest| rest.first_chunk::<4>())
                .is_some_and(|inner| class_v4(Ipv4Addr::from(*inner)) == Public),
            class => class == Public,
        },
    }
}

fn class_v4(ip: Ipv4Addr) -> Class {
    let holds = |(first, len, _): &&Range<Ipv4Addr>| {
        let mask = u32::MAX.checked_shl(32_u32.saturating_sub(*len)).unwrap_or(0);
        (ip.to_bits() ^ first.to_bits()) & mask == 0
    };
    V4.iter().find(holds).map_or(Special, |range| range.2)
}

fn class_v6(ip: Ipv6Addr) -> Class {
    let holds = |(first, len, _): &&Range<Ipv6Addr>| {
        let mask = u128::MAX.checked_shl(128_u32.saturating_sub(*len)).unwrap_or(0);
        (ip.to_bits() ^ first.to_bits()) & mask == 0
    };
    V6.iter().find(holds).map_or(Special, |range| range.2)
}

#[cfg(test)]
mod tests;
