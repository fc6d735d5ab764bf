//! The counts of a store, and its health (spec/12-relay.md section 10).

use super::space::Space;
use crate::clock::Calendar;
use crate::limits::Limits;

/// The counts of a store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// Number of mailboxes.
    pub mailboxes: u64,
    /// Number of blobs.
    pub blobs: u64,
    /// Number of bytes of blobs.
    pub bytes: u64,
    /// Number of bytes of blobs, if the store itself is memory; else 0.
    pub memory_bytes: u64,
    /// The calendar that the store remembers; `None` if it remembers none.
    pub calendar: Option<Calendar>,
    /// Number of commits since the start that found no room on the disk or in the store's file.
    pub without_room: u64,
    /// Whether the last commit found no room. A destruction is a commit that needs none.
    pub is_full: bool,
    /// Number of puts and changes since the start that were refused because dead bytes (destroyed,
    /// but not zeroed on the disk) wait for too long.
    pub overdue: u64,
    /// Number of damaged blobs since the start that were erased when they were to be delivered.
    pub damaged: u64,
    /// Figures of the store's file; `None` if the store is memory.
    pub space: Option<Space>,
    /// Whether the store has failed.
    pub stopped: bool,
}

impl Census {
    /// Whether blobs or their bytes, or the bytes in memory if the store is memory, have reached
    /// the percentage of their limits (`put_percent`) at which puts are refused.
    pub(crate) const fn is_at_its_limits(&self, limits: &Limits) -> bool {
        let percent = limits.put_percent;
        Limits::reached(self.blobs, limits.blobs, percent)
            || Limits::reached(self.bytes, limits.store_bytes, percent)
            || self.memory_bytes > 0 && Limits::reached(self.memory_bytes, limits.memory_bytes, percent)
    }
}

/// The health of a relay: whether it accepts puts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// The relay takes puts.
    Ok,
    /// Puts are refused.
    NotTakingPuts(Trouble),
    /// The store has failed.
    Stopped,
}

/// The reason for which puts are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Blobs or their bytes have reached the percentage `put_percent` of their limits.
    AtLimits,
    /// The store has grown to its limit, or the disk is full.
    Full,
    /// Dead bytes (destroyed, but still on the disk) wait to be zeroed for three quarters of
    /// `dead_bytes_s` or longer.
    Overdue,
}

impl Trouble {
    /// Returns a description for the operator and for the page `/health`.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::AtLimits => "blobs or bytes are at their limits",
            Self::Full => "the store or its disk is full",
            Self::Overdue => "the disk is too slow to zero dead bytes in time",
        }
    }
}

impl Health {
    /// Returns the health of a relay whose store has these counts. Of several troubles, that is the
    /// one that [`Trouble`] names first.
    #[must_use]
    pub fn of(census: &Census, limits: &Limits) -> Self {
        if census.stopped {
            Self::Stopped
        } else if census.is_at_its_limits(limits) {
            Self::NotTakingPuts(Trouble::AtLimits)
        } else if census.is_full {
            Self::NotTakingPuts(Trouble::Full)
        } else if census.space.is_some_and(|space| space.is_overdue(limits.dead_bytes())) {
            Self::NotTakingPuts(Trouble::Overdue)
        } else {
            Self::Ok
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relay_is_well_while_it_takes_puts() {
        let limits =
            Limits { blobs: 100, store_bytes: 1_000, memory_bytes: 500, put_percent: 95, ..Limits::DEFAULT };
        let health = |census: Census| Health::of(&census, &limits);
        let census = Census { blobs: 94, bytes: 949, memory_bytes: 474, ..Census::default() };
        assert_eq!(health(census), Health::Ok);
        let late = Space { oldest_dead: Some(limits.dead_bytes()), ..Space::default() };
        for (full, why) in [
            (Census { blobs: 95, ..census }, Trouble::AtLimits),
            (Census { bytes: 950, ..census }, Trouble::AtLimits),
            (Census { memory_bytes: 475, ..census }, Trouble::AtLimits),
            (Census { is_full: true, ..census }, Trouble::Full),
            (Census { space: Some(late), ..census }, Trouble::Overdue),
        ] {
            assert_eq!(health(full), Health::NotTakingPuts(why));
            assert_eq!(health(Census { stopped: true, ..full }), Health::Stopped);
        }
    }
}
