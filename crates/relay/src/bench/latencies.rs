//! Times, and their percentiles.

use std::time::Duration;

/// A set of measured times, of which percentiles are asked for.
#[derive(Clone, Debug, Default)]
pub struct Latencies {
    micros: Vec<u32>,
}

impl Latencies {
    /// Adds a time, in whole microseconds.
    pub fn push(&mut self, time: Duration) {
        self.micros.push(u32::try_from(time.as_micros()).unwrap_or(u32::MAX));
    }

    /// Adds all times of another set.
    pub fn append(&mut self, mut other: Self) {
        self.micros.append(&mut other.micros);
    }

    /// Returns percentiles in milliseconds: for each number of `thousandths` the shortest time in
    /// the set that is not exceeded by this part of its times. 500 gives the median, 1,000 the
    /// maximum. Zeros for an empty set.
    #[must_use]
    pub fn quantiles_ms<const N: usize>(mut self, thousandths: [usize; N]) -> [f64; N] {
        self.micros.sort_unstable();
        thousandths.map(|thousandths| {
            let rank = self.micros.len().saturating_mul(thousandths).div_ceil(1_000);
            let micros = self.micros.get(rank.saturating_sub(1)).copied();
            f64::from(micros.unwrap_or(0)) / 1_000.0
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_times_of_the_set() {
        let mut times = Latencies::default();
        for ms in (1..=100).rev() {
            times.push(Duration::from_millis(ms));
        }
        let mut more = Latencies::default();
        more.push(Duration::from_millis(900));
        times.append(more);
        assert_eq!(times.quantiles_ms([500, 990, 1_000]), [51.0, 100.0, 900.0]);
        assert_eq!(Latencies::default().quantiles_ms([500, 1_000]), [0.0, 0.0]);
    }
}
