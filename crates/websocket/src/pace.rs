//! The pace of a peer, which shows whether a slow one still makes progress.

/// Number of bytes that count as progress within the caller's time.
pub const MIN_PROGRESS: u64 = 1_024;
/// Milliseconds within which [`MIN_PROGRESS`] bytes must move in a direction in which bytes wait. A line of 2 KB/s moves twenty
/// times as much.
pub const STALL_MS: u64 = 10_000;
/// Number of stall times that a side waits for progress of what it sends. A system takes bytes in steps of up to
/// [`UNSENT_IN_SYSTEM`], which at the slowest pace leave it within two stall times.
pub const WRITE_STALLS: u64 = 2;
/// Number of bytes that may wait in the system before the network takes them. More would hide how fast a line is.
pub const UNSENT_IN_SYSTEM: u32 = 2_048;

/// A watch over one direction of a connection. While bytes wait, [`MIN_PROGRESS`] bytes must move within a time of the caller's
/// choice, however long the whole takes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pace {
    /// The time in milliseconds and the count of bytes at the last progress, while bytes wait.
    last: Option<(u64, u64)>,
}

impl Pace {
    /// Whether bytes have waited for `limit_ms` without progress. Notes the count of bytes moved so far.
    #[must_use]
    pub fn is_stalled(&mut self, is_waiting: bool, bytes: u64, now_ms: u64, limit_ms: u64) -> bool {
        match self.last {
            _ if !is_waiting => {
                self.last = None;
                false
            }
            Some((since, before)) if bytes.saturating_sub(before) < MIN_PROGRESS => {
                now_ms.saturating_sub(since) >= limit_ms
            }
            _ => {
                self.last = Some((now_ms, bytes));
                false
            }
        }
    }

    /// Returns the milliseconds until the direction is stalled if no bytes move; `None` while none wait.
    #[must_use]
    pub fn left_ms(&self, now_ms: u64, limit_ms: u64) -> Option<u64> {
        self.last.map(|(since, _)| limit_ms.saturating_sub(now_ms.saturating_sub(since)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slow_is_not_stalled_and_a_drip_is() {
        let mut slow = Pace::default();
        for second in 0..1_000 {
            assert!(!slow.is_stalled(true, second * 200, second * 1_000, 10_000));
        }
        let mut drip = Pace::default();
        let ended = (0..1_000).find(|second| drip.is_stalled(true, second * 100, second * 1_000, 10_000));
        assert_eq!(ended, Some(10));
    }

    #[test]
    fn nothing_that_waits_is_never_stalled_and_the_time_begins_when_something_does() {
        let mut pace = Pace::default();
        assert!(!pace.is_stalled(false, 0, 0, 10));
        assert!(!pace.is_stalled(true, 0, 100, 10));
        assert_eq!(pace.left_ms(104, 10), Some(6));
        assert!(!pace.is_stalled(true, 0, 109, 10));
        assert!(pace.is_stalled(true, 0, 110, 10));
        assert!(!pace.is_stalled(false, 0, 111, 10));
        assert!(!pace.is_stalled(true, 0, 300, 10));
        assert_eq!(Pace::default().left_ms(0, 10), None);
    }
}
