//! Following a relay that has moved: the places that one link dials, one after the other
//! (spec/14-client.md section 6.5).

use super::states::ConnectError;
use deaddrop_wire::{RelayAddress, RelayUrl};

/// Maximum number of moves that are followed for one link (spec/14-client.md section 6.5).
pub const MAX_MOVES: usize = 4;

/// The places of one relay that a link has dialled, in their order. All have the same fingerprint.
///
/// The caller dials [`place`](Self::place). If the relay proves there that it is the pinned one and
/// says that it has moved, the caller closes that link, calls [`on_moved`](Self::on_moved), and
/// dials the next place. When a link is open, the caller stores what [`moves`](Self::moves)
/// returns.
#[derive(Debug)]
pub struct Following {
    place: RelayAddress,
    left: Vec<RelayAddress>,
}

impl Following {
    /// Begins at the place that is known.
    #[must_use]
    pub const fn begin(place: RelayAddress) -> Self {
        Self { place, left: Vec::new() }
    }

    /// Returns the place to dial now.
    #[must_use]
    pub const fn place(&self) -> &RelayAddress {
        &self.place
    }

    /// Handles the relay's word that it has moved from the present place to `url`.
    ///
    /// # Errors
    /// Fails with [`ConnectError::Down`] if the relay has named this place before, if the link has
    /// followed [`MAX_MOVES`] moves, or if the move leads from TLS to a place without.
    pub fn on_moved(&mut self, url: &RelayUrl) -> Result<(), ConnectError> {
        let next = self.place.with_url(url);
        let leaves_tls = self.place.is_tls() && !next.is_tls();
        if leaves_tls || self.left.len() >= MAX_MOVES || next == self.place || self.left.contains(&next) {
            return Err(ConnectError::Down);
        }
        self.left.push(std::mem::replace(&mut self.place, next));
        Ok(())
    }

    /// Returns the places that the relay has left, and the one at which it is; `None` if it is at
    /// the first one.
    #[must_use]
    pub fn moves(self) -> Option<(Vec<RelayAddress>, RelayAddress)> {
        (!self.left.is_empty()).then_some((self.left, self.place))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(port: u16) -> RelayAddress {
        format!("ws://relay.example:{port}/#AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8").parse().unwrap()
    }

    fn url(port: u16) -> RelayUrl {
        RelayUrl::new(place(port).url()).unwrap()
    }

    #[test]
    fn a_chain_of_moves_is_followed_to_its_bound() {
        let mut following = Following::begin(place(1));
        for port in 2..=5 {
            assert!(following.on_moved(&url(port)).is_ok());
            assert_eq!(following.place(), &place(port));
        }
        assert!(matches!(following.on_moved(&url(6)), Err(ConnectError::Down)));
        let (left, at) = following.moves().unwrap();
        assert_eq!(left, [1, 2, 3, 4].map(place));
        assert_eq!(at, place(5));
    }

    #[test]
    fn a_relay_that_names_a_place_again_is_not_followed() {
        let mut following = Following::begin(place(1));
        assert!(following.on_moved(&url(1)).is_err(), "its own place");
        following.on_moved(&url(2)).unwrap();
        assert!(following.on_moved(&url(1)).is_err(), "a place that it has left");
        assert!(Following::begin(place(1)).moves().is_none());
    }

    #[test]
    fn a_move_does_not_lead_from_tls_to_a_place_without() {
        let tls = RelayUrl::new("wss://relay.example/").unwrap();
        let mut following = Following::begin(place(1));
        following.on_moved(&tls).unwrap();
        assert!(matches!(following.on_moved(&url(2)), Err(ConnectError::Down)));
        assert_eq!(following.place().url(), tls.as_str());
    }
}
