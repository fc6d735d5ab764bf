//! Versions and features: what each side of a link offers, and what both agree on (spec/09-wire.md
//! section 1).

use crate::limits::MAX_VERSIONS;
use alloc::vec::Vec;

/// A version of the protocol between client and relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Version(pub u16);

impl Version {
    /// The version that this crate speaks.
    pub const V1: Self = Self(1);
}

/// Optional abilities, one bit each. Those that both sides offer may be used; unknown bits are no
/// error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Features(pub u64);

impl Features {
    /// No feature: version 1 defines no feature bit yet.
    pub const NONE: Self = Self(0);

    /// Returns the features that both sides offer.
    #[must_use]
    pub const fn both(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether every bit of `other` is set.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// The versions and features that one side of a link offers. There is at least one version and at
/// most [`MAX_VERSIONS`], the lowest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    versions: Vec<Version>,
    features: Features,
}

impl Offer {
    /// Returns the offer of version 1 without optional features.
    #[must_use]
    pub fn v1() -> Self {
        Self { versions: Vec::from([Version::V1]), features: Features::NONE }
    }

    /// Creates an offer. Returns `None` unless `versions` are strictly ascending, and at least one
    /// and at most [`MAX_VERSIONS`].
    #[must_use]
    pub fn new(versions: Vec<Version>, features: Features) -> Option<Self> {
        let ascending = versions.windows(2).all(|pair| matches!(pair, [a, b] if a < b));
        let well_formed = ascending && !versions.is_empty() && versions.len() <= MAX_VERSIONS;
        well_formed.then_some(Self { versions, features })
    }

    /// Returns the versions, lowest first.
    #[must_use]
    pub fn versions(&self) -> &[Version] {
        &self.versions
    }

    /// Returns the features.
    #[must_use]
    pub const fn features(&self) -> Features {
        self.features
    }

    /// Returns the highest version that both sides offer; `None` if they have none in common.
    #[must_use]
    pub fn highest_common(&self, other: &Self) -> Option<Version> {
        self.versions.iter().rev().copied().find(|version| other.versions.contains(version))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn offer(versions: &[u16]) -> Option<Offer> {
        Offer::new(versions.iter().map(|v| Version(*v)).collect(), Features::NONE)
    }

    #[test]
    fn the_highest_common_version_wins() {
        let (a, b) = (offer(&[1, 2, 4]).unwrap(), offer(&[2, 3]).unwrap());
        assert_eq!(a.highest_common(&b), Some(Version(2)));
        assert_eq!(b.highest_common(&a), Some(Version(2)));
        assert_eq!(offer(&[3]).unwrap().highest_common(&a), None);
        assert_eq!(Offer::v1().highest_common(&a), Some(Version::V1));
    }

    #[test]
    fn an_offer_is_ascending_and_short() {
        assert_eq!(offer(&[]), None);
        assert_eq!(offer(&[2, 1]), None);
        assert_eq!(offer(&[1, 1]), None);
        assert_eq!(Offer::new(vec![Version(0); 9], Features::NONE), None);
        assert!(offer(&[1, 2, 3, 4, 5, 6, 7, 8]).is_some());
    }
}
