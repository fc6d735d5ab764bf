//! Times, and their percentiles.

use std::time::Duration;

/// A set of times.
#[derive(Clone, Debug, Default)]
pub struct Latencies {
    micros: Vec<u32>,
}

impl Latencies {
    /// Adds a time.
    pub fn push(&mut self, time: Duration) {
        self.micros.push(u32::try_from(time.as_micros()).unwrap_or(u32::MAX));
    }

    /// Adds all times of another set.
    pub fn append(&mut self, mut other: Self) {
        self.micros.append(&mut other.micros);
    }

    /// Returns, for each of these numbers of thousandths, the shortest time in milliseconds that so many thousandths of the set do not
    /// exceed: 500 gives the median, 1,000 the maximum. An empty set has zeros.
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
