//! A bound on the frames without content that a peer may send: control frames, empty messages, and
//! fragments shorter than [`FREE_FRAGMENT`](crate::FREE_FRAGMENT).

/// Number of frames without content that a peer may send at once: control frames, empty messages
/// and small fragments.
pub const BURST: u32 = 128;
/// Number of frames without content that a peer may send per second once it has sent [`BURST`] at
/// once.
pub const PER_SECOND: u32 = 8;

/// The number of frames without content that the peer of one connection may still send. It begins
/// at [`BURST`], and grows back to it by [`PER_SECOND`].
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    /// Number of frames that may still come, in thousandths of a frame.
    left: u64,
    at_ms: u64,
}

impl Budget {
    const FULL: u64 = BURST as u64 * 1_000;

    /// Creates a budget of [`BURST`] frames.
    #[must_use]
    pub const fn new() -> Self {
        Self { left: Self::FULL, at_ms: 0 }
    }

    /// Counts one frame without content that came at the time `now_ms`, in milliseconds of a clock
    /// of the caller. Returns `false` if the peer has sent too many: end the connection.
    #[must_use]
    pub fn take(&mut self, now_ms: u64) -> bool {
        let regained = now_ms.saturating_sub(self.at_ms).saturating_mul(u64::from(PER_SECOND));
        self.left = self.left.saturating_add(regained).min(Self::FULL);
        self.at_ms = self.at_ms.max(now_ms);
        match self.left.checked_sub(1_000) {
            Some(left) => {
                self.left = left;
                true
            }
            None => false,
        }
    }
}

impl Default for Budget {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_then_the_rate() {
        let mut budget = Budget::new();
        for _ in 0..BURST {
            assert!(budget.take(5));
        }
        assert!(!budget.take(5));
        for _ in 0..PER_SECOND {
            assert!(budget.take(1_005));
        }
        assert!(!budget.take(1_005));
        // A clock that steps back gives nothing.
        assert!(!budget.take(0));
    }
}
