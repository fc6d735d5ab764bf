//! The pace of a peer: whether a slow one still makes progress, or has stalled.

/// Number of bytes that must move within a time limit of the caller's choice, else the connection
/// has stalled.
pub const MIN_PROGRESS: u64 = 1_024;
/// The usual limit for [`Pace`]: milliseconds within which [`MIN_PROGRESS`] bytes must move in a
/// direction in which bytes wait. A line of 2 KB/s moves twenty times as much.
pub const STALL_MS: u64 = 10_000;
/// Number of stall times ([`STALL_MS`]) that a side waits for progress of what it sends. The system
/// takes bytes in steps of up to [`UNSENT_IN_SYSTEM`], which need two stall times to leave it at
/// the slowest allowed pace.
pub const WRITE_STALLS: u64 = 2;
/// Maximum number of bytes that may wait in the buffers of the operating system before the network
/// takes them. With more, the caller could not see how fast the network takes bytes.
pub const UNSENT_IN_SYSTEM: u32 = 2_048;

/// A watch over one direction of a connection. While bytes wait to be moved, [`MIN_PROGRESS`] bytes
/// must move within each time limit of the caller's choice; the whole message may take any time.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pace {
    /// The time in milliseconds of the last progress, and the number of bytes moved until then;
    /// `None` while no bytes wait.
    last: Option<(u64, u64)>,
}

impl Pace {
    /// Whether bytes wait, and fewer than [`MIN_PROGRESS`] have moved for `limit_ms`. `bytes` is
    /// the number of bytes moved since the connection began; if it shows progress, the time starts
    /// again at `now_ms`.
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

    /// Returns the number of milliseconds until the direction has stalled if no more bytes have
    /// moved since the last call of [`is_stalled`](Self::is_stalled); `None` if none waited then.
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
