//! A token bucket over any clock that counts milliseconds. `per_s` is the number of tokens that it
//! regains in a second, and `burst` the number that it holds.

/// A bucket of tokens, which starts full. The caller gives rate and burst with each call.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Bucket {
    /// Number of thousandths of a token that were missing at `at_ms`.
    spent: u64,
    at_ms: u64,
}

impl Bucket {
    /// Takes `tokens`, or fails with the number of seconds, at least 1, until there are enough. A
    /// request for more than `burst` tokens succeeds only when the bucket is full.
    pub(crate) fn take(&mut self, tokens: u64, per_s: u64, burst: u64, now_ms: u64) -> Result<(), u16> {
        self.refill(per_s, now_ms);
        let after = self.spent.saturating_add(tokens.saturating_mul(1_000));
        let over = after.saturating_sub(burst.saturating_mul(1_000));
        if over == 0 || self.spent == 0 {
            self.spent = after;
            return Ok(());
        }
        // A request for more than the bucket holds waits until it is full, and no longer.
        let wait = over.min(self.spent).div_ceil(1_000).div_ceil(per_s.max(1));
        Err(u16::try_from(wait.max(1)).unwrap_or(u16::MAX))
    }

    /// Whether no token is missing at `now_ms`.
    pub(crate) fn is_full(&self, per_s: u64, now_ms: u64) -> bool {
        self.spent <= now_ms.saturating_sub(self.at_ms).saturating_mul(per_s)
    }

    /// Takes `tokens` even if there are too few. The bucket regains the missing ones at its rate
    /// before it fills again.
    pub(crate) fn owe(&mut self, tokens: u64, per_s: u64, now_ms: u64) {
        self.refill(per_s, now_ms);
        self.spent = self.spent.saturating_add(tokens.saturating_mul(1_000));
    }

    const fn refill(&mut self, per_s: u64, now_ms: u64) {
        // A token a second is a thousandth of a token a millisecond.
        let regained = now_ms.saturating_sub(self.at_ms).saturating_mul(per_s);
        self.spent = self.spent.saturating_sub(regained);
        if now_ms > self.at_ms {
            self.at_ms = now_ms;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_then_the_rate() {
        let mut bucket = Bucket::default();
        for _ in 0..10 {
            assert_eq!(bucket.take(1, 2, 10, 5), Ok(()));
        }
        assert_eq!(bucket.take(1, 2, 10, 5), Err(1));
        assert_eq!(bucket.take(10, 2, 10, 5), Err(5));
        assert_eq!(bucket.take(1, 2, 10, 505), Ok(()));
        assert_eq!(bucket.take(1, 2, 10, 505), Err(1));
        assert_eq!(bucket.take(10, 2, 10, 1_000_000), Ok(()));
        // A clock that steps back adds no tokens.
        assert_eq!(bucket.take(1, 2, 10, 0), Err(1));
    }

    #[test]
    fn what_is_owed_is_paid_off_first() {
        let mut bucket = Bucket::default();
        bucket.owe(15, 1, 0);
        assert_eq!(bucket.take(1, 1, 10, 0), Err(6));
        assert_eq!(bucket.take(1, 1, 10, 5_000), Err(1));
        assert_eq!(bucket.take(1, 1, 10, 6_000), Ok(()));
    }

    #[test]
    fn more_than_the_burst_waits_for_a_full_bucket() {
        let mut bucket = Bucket::default();
        assert_eq!(bucket.take(100, 1, 10, 0), Ok(()));
        assert!(bucket.take(1, 1, 10, 80_000).is_err());
        assert_eq!(bucket.take(100, 1, 10, 80_000), Err(20), "until it is full");
        assert_eq!(bucket.take(100, 1, 10, 100_000), Ok(()));
    }
}
