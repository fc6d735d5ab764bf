//! Rows about relays that have moved to another URL (spec/14-client.md section 6.5).

use deaddrop_wire::{RelayAddress, RelayUrl};
use serde::{Deserialize, Serialize};

/// Maximum number of moves that are kept for the links of one purpose (spec/14-client.md section
/// 6.5). Of more the oldest is forgotten.
pub(crate) const MAX_MOVED: usize = 16;

/// The moves of relays of which the links of one purpose have learnt, oldest first. The owner of
/// the row is 0 for the reading links, and else the contact to which the links put.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct MovedRelaysRow {
    pub(crate) moves: Vec<RelayMove>,
}

/// A move of a relay.
#[derive(Serialize, Deserialize)]
pub(crate) struct RelayMove {
    /// The address at which the relay was.
    pub(crate) old: String,
    /// The URL at which it is now.
    pub(crate) url: String,
    /// The day on which this client learnt it.
    pub(crate) day: u32,
}

impl MovedRelaysRow {
    /// Notes that a relay is at `place` and has left the places `left`. A move to a place that is
    /// left is replaced by one to the new place, so that each move leads to the end of its chain.
    pub(crate) fn note(&mut self, left: &[RelayAddress], place: &RelayAddress, day: u32) {
        let is_left = |known: &RelayMove| left.iter().any(|old| old.to_string() == known.old);
        let here = place.to_string();
        self.moves.retain(|known| known.old != here && !is_left(known));
        for known in &mut self.moves {
            let is_of_relay = known.address().is_some_and(|old| old.fingerprint() == place.fingerprint());
            if is_of_relay && left.iter().any(|old| old.url() == known.url) {
                place.url().clone_into(&mut known.url);
            }
        }
        let left = left.iter().map(ToString::to_string).filter(|old| *old != here);
        self.moves.extend(left.map(|old| RelayMove { old, url: place.url().to_owned(), day }));
        let over = self.moves.len().saturating_sub(MAX_MOVED);
        self.moves.drain(..over);
    }

    /// Notes that the relay is at this address again, which it had left. Returns whether a move
    /// away from there was known.
    pub(crate) fn forget(&mut self, place: &RelayAddress) -> bool {
        let (here, before) = (place.to_string(), self.moves.len());
        self.moves.retain(|known| known.old != here);
        self.moves.len() != before
    }

    /// Returns the address at which the relay with this address is now; `None` if no move is known.
    pub(crate) fn place_of(&self, relay: &RelayAddress) -> Option<RelayAddress> {
        let text = relay.to_string();
        let known = self.moves.iter().find(|known| known.old == text)?;
        RelayUrl::new(&known.url).ok().map(|url| relay.with_url(&url))
    }

    /// Returns the addresses from which moves lead to `place`; none if the user has named it.
    pub(crate) fn origins(&self, place: &RelayAddress) -> impl Iterator<Item = RelayAddress> {
        let leads_here = |old: &RelayAddress| {
            old.fingerprint() == place.fingerprint() && self.place_of(old).as_ref() == Some(place)
        };
        self.moves.iter().filter_map(RelayMove::address).filter(leads_here)
    }

    /// Forgets the moves that lead to `place`. Returns whether there were any.
    pub(crate) fn forget_to(&mut self, place: &RelayAddress) -> bool {
        let before = self.moves.len();
        let origins: Vec<String> = self.origins(place).map(|old| old.to_string()).collect();
        self.moves.retain(|known| !origins.contains(&known.old));
        self.moves.len() != before
    }

    /// Whether a move of this relay was learnt on this day.
    pub(crate) fn has_learnt_on(&self, relay: &RelayAddress, day: u32) -> bool {
        let is_of_relay =
            |known: &RelayMove| known.address().is_some_and(|old| old.fingerprint() == relay.fingerprint());
        self.moves.iter().any(|known| known.day == day && is_of_relay(known))
    }
}

impl RelayMove {
    fn address(&self) -> Option<RelayAddress> {
        self.old.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(port: u16) -> RelayAddress {
        format!("ws://a.example:{port}/#AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8").parse().unwrap()
    }

    #[test]
    fn rows_have_the_shape_of_the_specification() {
        let row = MovedRelaysRow { moves: vec![RelayMove { old: "a".into(), url: "b".into(), day: 300 }] };
        let bytes = postcard::to_allocvec(&row).unwrap();
        assert_eq!(bytes, [1, 1, b'a', 1, b'b', 0xac, 2]);
        for end in 0..bytes.len() {
            assert!(postcard::from_bytes::<MovedRelaysRow>(&bytes[..end]).is_err(), "{end}");
        }
    }

    #[test]
    fn every_move_leads_to_the_end_of_its_chain() {
        let mut row = MovedRelaysRow::default();
        row.note(&[place(1)], &place(2), 1);
        row.note(&[place(2), place(3)], &place(4), 2);
        for port in 1..=3 {
            assert_eq!(row.place_of(&place(port)), Some(place(4)));
        }
        assert_eq!(row.place_of(&place(4)), None);
        assert!(row.has_learnt_on(&place(9), 2) && !row.has_learnt_on(&place(9), 3));
        // The relay goes back to its first place.
        row.note(&[place(4)], &place(1), 3);
        for port in 2..=4 {
            assert_eq!(row.place_of(&place(port)), Some(place(1)));
        }
        assert_eq!(row.place_of(&place(1)), None);
        assert!(row.forget(&place(3)) && !row.forget(&place(3)));
        assert_eq!(row.place_of(&place(3)), None);
    }

    #[test]
    fn the_oldest_of_many_moves_is_forgotten() {
        let mut row = MovedRelaysRow::default();
        for port in 1..=20 {
            row.note(&[place(port)], &place(port + 100), 1);
        }
        assert_eq!(row.moves.len(), MAX_MOVED);
        assert_eq!((row.place_of(&place(4)), row.place_of(&place(5))), (None, Some(place(105))));
    }

    #[test]
    fn another_relay_of_the_same_url_does_not_move_along() {
        let other: RelayAddress =
            format!("{}#HxECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8", place(1).url()).parse().unwrap();
        let mut row = MovedRelaysRow::default();
        row.note(&[place(1)], &place(2), 1);
        assert_eq!(row.place_of(&other), None);
        let gone = other.with_url(&RelayUrl::new(place(2).url()).unwrap());
        row.note(&[gone], &other, 1);
        assert_eq!(row.place_of(&place(1)), Some(place(2)));
    }
}
