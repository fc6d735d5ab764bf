//! Random times.

use rand_core::Rng;
use std::{ops::Range, time::Duration};

/// Returns a time that is uniformly distributed over a range: the start of the range if it is
/// empty. Of a range of more than 584 years, only the first 584 count (as many nanoseconds as a
/// `u64` holds).
pub(crate) fn duration_within(range: Range<Duration>, rng: &mut dyn Rng) -> Duration {
    let span = u128::from(u64::MAX).min(range.end.saturating_sub(range.start).as_nanos());
    let part = (span * u128::from(rng.next_u64())) >> 64;
    range.start.saturating_add(Duration::from_nanos(u64::try_from(part).unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{SeedableRng, rngs::StdRng};

    #[test]
    fn times_fill_their_range_evenly() {
        let mut rng = StdRng::seed_from_u64(1);
        let (start, tenth) = (Duration::from_secs(5), Duration::from_millis(100));
        let mut counts = [0_u32; 10];
        for _ in 0..10_000 {
            let time = duration_within(start..start + tenth * 10, &mut rng);
            counts[usize::try_from((time - start).as_nanos() / tenth.as_nanos()).unwrap()] += 1;
        }
        assert!(counts.iter().all(|count| (900..1_100).contains(count)), "{counts:?}");
    }

    #[test]
    fn extreme_ranges_have_times() {
        let mut rng = StdRng::seed_from_u64(1);
        assert_eq!(duration_within(tenth()..tenth(), &mut rng), tenth());
        assert_eq!(duration_within(tenth()..Duration::ZERO, &mut rng), tenth());
        for _ in 0..100 {
            assert!(duration_within(Duration::ZERO..Duration::MAX, &mut rng) < Duration::MAX);
            assert_eq!(duration_within(Duration::MAX..Duration::MAX, &mut rng), Duration::MAX);
        }
    }

    fn tenth() -> Duration {
        Duration::from_millis(100)
    }
}
