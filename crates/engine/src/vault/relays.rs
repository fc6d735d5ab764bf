//! Rows about relays: allowed addresses, and tokens for new mailboxes.

use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// The settings and permissions of the user for relays.
#[derive(Default, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
pub(crate) struct RelaysRow {
    /// The address of the relay that was set by accepting an invite, and that the user has not
    /// named; `None`: there is none.
    #[zeroize(skip)]
    pub(crate) adopted: Option<String>,
    /// IP addresses that are not public and that the user has allowed, oldest first.
    #[zeroize(skip)]
    pub(crate) allowed: Vec<IpAddr>,
    /// The tokens for new mailboxes, at most one for each relay.
    pub(crate) tokens: Vec<RelayToken>,
}

/// The token that a relay wants to be shown before it makes a mailbox.
#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
pub(crate) struct RelayToken {
    /// The relay's fingerprint.
    #[zeroize(skip)]
    pub(crate) relay: [u8; 32],
    pub(crate) token: Vec<u8>,
}

/// The IP address to which a contact's address leads, and to which the client does not connect.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(crate) struct BlockedRow {
    pub(crate) address: IpAddr,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_have_the_shape_of_the_specification() {
        let row = RelaysRow {
            adopted: Some("a".to_owned()),
            allowed: vec!["1.2.3.4".parse().unwrap(), "::1".parse().unwrap()],
            tokens: vec![RelayToken { relay: [7; 32], token: b"xy".to_vec() }],
        };
        let bytes = postcard::to_allocvec(&row).unwrap();
        let localhost = std::net::Ipv6Addr::LOCALHOST.octets();
        let wanted = [
            &[1, 1, b'a', 2, 0, 1, 2, 3, 4, 1][..],
            &localhost[..],
            &[1][..],
            &[7; 32][..],
            &[2, b'x', b'y'][..],
        ]
        .concat();
        assert_eq!(bytes, wanted);
        let back: RelaysRow = postcard::from_bytes(&bytes).unwrap();
        assert_eq!(postcard::to_allocvec(&back).unwrap(), bytes);
        for end in 0..bytes.len() {
            assert!(postcard::from_bytes::<RelaysRow>(&bytes[..end]).is_err(), "{end}");
        }
        let blocked = BlockedRow { address: "1.2.3.4".parse().unwrap() };
        assert_eq!(postcard::to_allocvec(&blocked).unwrap(), [0, 1, 2, 3, 4]);
    }
}
