//! Troubles that an operator should know of. Each is logged in one line with a count, at the
//! intervals that the limits set. The line says nothing about the peers that caused it.

use crate::store::Trouble;

/// A kind of trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Notice {
    /// The system refused connections because it had no descriptors or no memory for them.
    NoDescriptors,
    /// Accepting failed for another reason.
    NotAccepted,
    /// WebSockets came without the header Upgrade.
    WithoutUpgrade,
    /// Connections on which no handshake was over yet lost their places to others.
    HalfOpenEnded,
    /// Links lost their places to other connections.
    LinksEnded,
    /// Connections got no place.
    ConnectionsRefused,
    /// Handshakes came too fast.
    HandshakesRefused,
    /// TLS handshakes came too fast.
    TlsRefused,
    /// Creates or changes of mailboxes came too fast.
    CreatesRefused,
    /// Networks, or all links together, put too many bytes.
    PutsRefused,
    /// Networks, or all links together, sent more entries than the limits allow
    /// (`entries_per_s_per_prefix`, `all_entries_per_s`), so links were not read for a while.
    LinksPaused,
    /// Requests were refused because the store is at a limit.
    Busy,
    /// Writes found no room: the disk or the store's file is full.
    NoRoom,
    /// Puts and changes were refused because dead bytes (destroyed, but still on the disk) wait for
    /// too long to be zeroed.
    Overdue,
    /// Blobs were damaged on the disk.
    Damaged,
    /// The system's clock is not believed.
    ClockRefused,
}

impl Notice {
    /// All kinds, in the order of the counts that [`Notices::due`] takes.
    pub(crate) const ALL: [Self; 16] = [
        Self::NoDescriptors,
        Self::NotAccepted,
        Self::WithoutUpgrade,
        Self::HalfOpenEnded,
        Self::LinksEnded,
        Self::ConnectionsRefused,
        Self::HandshakesRefused,
        Self::TlsRefused,
        Self::CreatesRefused,
        Self::PutsRefused,
        Self::LinksPaused,
        Self::Busy,
        Self::NoRoom,
        Self::Overdue,
        Self::Damaged,
        Self::ClockRefused,
    ];

    /// Returns the name of the trouble in the line that shows all counters.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::NoDescriptors => "without descriptors",
            Self::NotAccepted => "not accepted",
            Self::WithoutUpgrade => "websockets without upgrade",
            Self::HalfOpenEnded => "half-open connections ended",
            Self::LinksEnded => "links ended",
            Self::ConnectionsRefused => "connections refused",
            Self::HandshakesRefused => "handshakes refused",
            Self::TlsRefused => "TLS handshakes refused",
            Self::CreatesRefused => "creates refused",
            Self::PutsRefused => "puts refused",
            Self::LinksPaused => "links paused",
            Self::Busy => "refused by a full store",
            Self::NoRoom => "writes without room",
            Self::Overdue => "refused until dead bytes are zeroed",
            Self::Damaged => "damaged blobs erased",
            Self::ClockRefused => "looks at a clock that is not believed",
        }
    }

    /// Describes the trouble, and what the operator can do about it.
    pub(crate) const fn text(self) -> &'static str {
        match self {
            Self::NoDescriptors => {
                "the system refused connections: raise the limit of open files above `connections`, or add memory"
            }
            Self::NotAccepted => "connections broke off before they were accepted",
            Self::WithoutUpgrade => {
                "WebSockets came without their header Upgrade: if clients cannot connect, the proxy in front must pass Upgrade and Connection, and speak HTTP/1.1"
            }
            Self::HalfOpenEnded => {
                "half-open connections gave their places to others: a flood, or a proxy that is not in `proxies`"
            }
            Self::LinksEnded => "links gave their places to others: `connections` is reached",
            Self::ConnectionsRefused => {
                "connections were refused: `connections` or `connections_per_prefix` is reached"
            }
            Self::HandshakesRefused => "handshakes were refused: they came too fast",
            Self::TlsRefused => "TLS handshakes were refused: they came too fast",
            Self::CreatesRefused => "creates were refused: they came too fast",
            Self::PutsRefused => {
                "puts were refused: more bytes came than `put_bytes_per_s_per_prefix` or `all_put_bytes_per_s` allow"
            }
            Self::LinksPaused => {
                "links were not read for a while: more requests came than `entries_per_s_per_prefix` or `all_entries_per_s` allow"
            }
            Self::Busy => "puts or creates were refused: the store is at a limit",
            Self::NoRoom => "writes found no room: the disk is full, or the store has grown to its limit",
            Self::Overdue => {
                "puts were refused: the disk is too slow to zero dead bytes within `dead_bytes_s`; raise that, or take a faster disk"
            }
            Self::Damaged => {
                "damaged blobs were erased instead of delivered: check the disk; all others are not affected"
            }
            Self::ClockRefused => {
                "the system's clock is not believed: it is more than two days ahead of the relay's day or behind it, or \
                 outside of the years of this build; `deaddrop-relay day show` tells more"
            }
        }
    }
}

/// For each trouble, the number that was logged so far and the time in milliseconds of the last
/// line.
#[derive(Debug, Default)]
pub(crate) struct Notices {
    told: [(u64, Option<u64>); Notice::ALL.len()],
}

impl Notices {
    /// Returns the troubles to be logged now, each with how often it happened since its last line.
    /// Each is logged at most once in `every_ms`, a wrong clock once in 60 times that. `totals` are
    /// the numbers since the start, in the order of [`Notice::ALL`].
    pub(crate) fn due(
        &mut self,
        totals: [u64; Notice::ALL.len()],
        now_ms: u64,
        every_ms: u64,
    ) -> Vec<(Notice, u64)> {
        let mut due = Vec::new();
        for ((notice, total), (told, at_ms)) in Notice::ALL.into_iter().zip(totals).zip(&mut self.told) {
            // A clock stays wrong for days, and each look at it counts.
            let every_ms = every_ms.saturating_mul(if notice == Notice::ClockRefused { 60 } else { 1 });
            let is_time = at_ms.is_none_or(|at| now_ms.saturating_sub(at) >= every_ms);
            if total > *told && is_time {
                due.push((notice, total - *told));
                (*told, *at_ms) = (total, Some(now_ms));
            }
        }
        due
    }
}

/// The last notice about whether puts are accepted.
#[derive(Debug, Default)]
pub(crate) struct Intake {
    told: Option<Trouble>,
    at_ms: Option<u64>,
}

impl Intake {
    /// Returns what to log now: `Some(Some(_))` is the reason for which puts are refused, and
    /// `Some(None)` says that they are accepted again. Returns `None` if nothing has changed since
    /// the last notice, or if that is less than `every_ms` ago.
    pub(crate) fn due(
        &mut self,
        trouble: Option<Trouble>,
        now_ms: u64,
        every_ms: u64,
    ) -> Option<Option<Trouble>> {
        let is_time = self.at_ms.is_none_or(|at| now_ms.saturating_sub(at) >= every_ms);
        if trouble == self.told || !is_time {
            return None;
        }
        (self.told, self.at_ms) = (trouble, Some(now_ms));
        Some(trouble)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns totals in which only that of `notice` is not 0.
    fn only(notice: Notice, total: u64) -> [u64; Notice::ALL.len()] {
        Notice::ALL.map(|other| if other == notice { total } else { 0 })
    }

    #[test]
    fn a_store_that_is_full_by_turns_is_told_once_a_minute_and_its_end_in_the_end() {
        let mut intake = Intake::default();
        let full = Some(Trouble::Full);
        assert_eq!(intake.due(None, 0, 60_000), None);
        assert_eq!(intake.due(full, 1_000, 60_000), Some(full));
        for second in 2..61 {
            assert_eq!(intake.due((second % 2 == 0).then_some(Trouble::Full), second * 1_000, 60_000), None);
        }
        assert_eq!(intake.due(None, 61_000, 60_000), Some(None));
        assert_eq!(intake.due(None, 200_000, 60_000), None);
        assert_eq!(intake.due(Some(Trouble::Overdue), 201_000, 60_000), Some(Some(Trouble::Overdue)));
    }

    #[test]
    fn a_trouble_is_told_at_once_and_then_counted_for_a_while() {
        let mut notices = Notices::default();
        let totals = |busy: u64| only(Notice::Busy, busy);
        assert_eq!(notices.due(totals(0), 5, 60_000), []);
        assert_eq!(notices.due(totals(3), 10, 60_000), [(Notice::Busy, 3)]);
        for ms in 11..1_000 {
            assert_eq!(notices.due(totals(ms), ms, 60_000), []);
        }
        assert_eq!(notices.due(totals(2_000), 60_010, 60_000), [(Notice::Busy, 1_997)]);
        assert_eq!(notices.due(totals(2_000), 200_000, 60_000), []);
    }

    #[test]
    fn a_wrong_clock_is_told_once_an_hour() {
        let mut notices = Notices::default();
        let lines = (0..180_u64).filter(|minute| {
            !notices.due(only(Notice::ClockRefused, minute + 1), minute * 60_000, 60_000).is_empty()
        });
        assert_eq!(lines.count(), 3);
    }

    #[test]
    fn lines_name_the_settings_that_help() {
        for notice in Notice::ALL {
            let text = notice.text();
            assert!(text.len() > 30 && text.contains(": ") || notice == Notice::NotAccepted, "{text}");
        }
    }
}
