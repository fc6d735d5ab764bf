//! Exact draws from the discrete Laplace distribution, by integers alone (spec/16-statistics.md
//! section 4).
//!
//! The method is that of Canonne, Kamath and Steinke, "The Discrete Gaussian for Differential
//! Privacy" (2020), algorithms 1 and 2. Floating-point numbers could not give the exact
//! distribution, and the bound on what the figures tell rests on it.

use rand::CryptoRng;

/// Draws the integer x with a probability proportional to exp(-|x| / `scale`), for a `scale` of at
/// least 1.
pub(super) fn draw(scale: u32, random: &mut impl CryptoRng) -> i64 {
    let scale = u64::from(scale.max(1));
    loop {
        let low = uniform_below(scale, random);
        if !is_exp(low, scale, random) {
            continue;
        }
        let mut high: u64 = 0;
        while is_exp(1, 1, random) {
            high = high.saturating_add(1);
        }
        let amount = i64::try_from(high.saturating_mul(scale).saturating_add(low)).unwrap_or(i64::MAX);
        match (uniform_below(2, random), amount) {
            // Zero has no sign: without this it would come twice as often.
            (1, 0) => {}
            (1, amount) => return -amount,
            (_, amount) => return amount,
        }
    }
}

/// Returns `true` with the probability exp(-`part` / `whole`), for a `part` of at most `whole`.
fn is_exp(part: u64, whole: u64, random: &mut impl CryptoRng) -> bool {
    let mut round: u64 = 1;
    // Each round goes on with the probability part / (whole * round).
    while uniform_below(whole.saturating_mul(round), random) < part {
        round = round.saturating_add(1);
    }
    round % 2 == 1
}

/// Draws a number below `bound`, each with the same probability. With a bound of 0, returns 0.
fn uniform_below(bound: u64, random: &mut impl CryptoRng) -> u64 {
    let bound = bound.max(1);
    // Numbers of the last, incomplete row of multiples of the bound are drawn again.
    let incomplete = (u64::MAX % bound + 1) % bound;
    loop {
        let number = random.next_u64();
        if number <= u64::MAX - incomplete {
            return number % bound;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use deaddrop_testkit::rng;

    /// Returns the sum of (seen - expected)² / expected over numbers from `-most` to `most` and
    /// both tails, for `draws` draws at this scale.
    fn chi_square(mut draw: impl FnMut() -> i64, scale: u32, most: i64, draws: u32) -> f64 {
        let bins = usize::try_from(2 * most + 3).unwrap();
        let mut seen = vec![0_u32; bins];
        for _ in 0..draws {
            seen[usize::try_from(draw().clamp(-most - 1, most + 1) + most + 1).unwrap()] += 1;
        }
        let p = (-1.0 / f64::from(scale)).exp();
        let tail = p.powi(i32::try_from(most).unwrap() + 1) / (1.0 + p);
        let chance = |bin: usize| match i64::try_from(bin).unwrap() - most - 1 {
            x if x.abs() > most => tail,
            x => (1.0 - p) / (1.0 + p) * p.powi(i32::try_from(x.abs()).unwrap()),
        };
        let part = |(bin, seen): (usize, &u32)| {
            let expected = chance(bin) * f64::from(draws);
            (f64::from(*seen) - expected).powi(2) / expected
        };
        seen.iter().enumerate().map(part).sum()
    }

    #[test]
    fn draws_have_the_discrete_laplace_distribution() {
        for (scale, most, seed) in [(1, 6, 1), (8, 40, 2), (3, 15, 3)] {
            let mut random = rng(seed);
            let chi = chi_square(|| draw(scale, &mut random), scale, most, 200_000);
            // Of a chi-square distribution with k degrees of freedom, 99.9 % are below this.
            let k = f64::from(2 * u32::try_from(most).unwrap() + 2);
            let limit = k + 3.1 * (2.0 * k).sqrt() + 6.0;
            assert!(chi < limit, "scale {scale}: {chi} of {limit}");
        }
    }

    #[test]
    fn a_distribution_that_is_nearly_right_would_be_seen() {
        let mut random = rng(4);
        let without_rejection = |random: &mut _| {
            let amount = draw(8, random).abs();
            if uniform_below(2, random) == 1 { -amount } else { amount }
        };
        assert!(chi_square(|| without_rejection(&mut random), 8, 40, 200_000) < 200.0);
        // Zero with its double weight.
        let doubled = |random: &mut _| if uniform_below(17, random) == 0 { 0 } else { draw(8, random) };
        assert!(chi_square(|| doubled(&mut random), 8, 40, 200_000) > 400.0);
        let mut random = rng(5);
        assert!(chi_square(|| draw(9, &mut random), 8, 40, 200_000) > 400.0, "another scale");
    }

    #[test]
    fn numbers_below_a_bound_are_all_equal() {
        let mut random = rng(6);
        let mut seen = [0_u32; 5];
        for _ in 0..50_000 {
            seen[usize::try_from(uniform_below(5, &mut random)).unwrap()] += 1;
        }
        assert!(seen.iter().all(|seen| (9_600..10_400).contains(seen)), "{seen:?}");
        assert_eq!((uniform_below(1, &mut random), uniform_below(0, &mut random)), (0, 0));
        let high = (1 << 63) + 1;
        assert!((0..100).all(|_| uniform_below(high, &mut random) < high));
    }
}
