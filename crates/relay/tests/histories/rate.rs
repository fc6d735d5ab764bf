//! A rate as spec/12-relay.md section 8 specifies it: a bucket of tokens that begins full and fills
//! with time.

/// A bucket of tokens. `most` and `level` are in thousandths of a token, and `level` may be
/// negative.
#[derive(Clone, Debug)]
pub struct Rate {
    per_s: i64,
    most: i64,
    level: i64,
    at_ms: u64,
}

impl Rate {
    pub fn new(per_s: u32, burst: u32) -> Self {
        let most = i64::from(burst) * 1_000;
        Self { per_s: per_s.into(), most, level: most, at_ms: 0 }
    }

    /// Takes `tokens` tokens; fails with the number of seconds until the rate allows them. A
    /// request for more than a full bucket passes when the bucket is full, and the level becomes
    /// negative.
    pub fn take(&mut self, tokens: usize, now_ms: u64) -> Result<(), u16> {
        let passed = i64::try_from(now_ms - self.at_ms).unwrap();
        self.level = self.most.min(self.level + passed * self.per_s);
        self.at_ms = now_ms;
        let tokens = i64::try_from(tokens).unwrap() * 1_000;
        let needed = tokens.min(self.most);
        if self.level >= needed {
            self.level -= tokens;
            return Ok(());
        }
        let wait = (needed - self.level + self.per_s * 1_000 - 1) / (self.per_s * 1_000);
        Err(u16::try_from(wait.max(1)).unwrap_or(u16::MAX))
    }
}
