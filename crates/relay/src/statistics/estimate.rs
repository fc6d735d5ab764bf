//! Estimates with error bars from the recorded figures (spec/16-statistics.md section 6).
//!
//! An estimate uses nothing but a recorded figure, so floating-point numbers do no harm here.

use super::parameters::{BLOB_NOISE, ONES_OF_EIGHT, TABLE_NOISE};
use serde::Serialize;

/// Number of standard deviations from an estimate to each of its bounds: about 95 % of all true
/// numbers are between the bounds.
const DEVIATIONS: f64 = 2.0;
/// Number of standard deviations from 0 below which a figure is shown as small. Noise alone exceeds
/// them in one of 700 figures.
const FLOOR_DEVIATIONS: f64 = 3.0;
/// Percent of true numbers that are within their bounds.
pub(super) const CONFIDENCE_PERCENT: u8 = 95;

/// A published figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Figure {
    /// The number is too small to be told from none.
    Few {
        /// The upper bound of the number.
        fewer_than: u64,
    },
    /// The number is known with error bars.
    About {
        /// The estimate.
        estimate: u64,
        /// The lower bound of the number.
        low: u64,
        /// The upper bound of the number.
        high: u64,
    },
    /// The table is too small for the number.
    Many {
        /// The lower bound of the number.
        more_than: u64,
    },
}

/// Returns the number by which a coin of a touched slot is 1 more often than one of two times.
fn bias() -> f64 {
    f64::from(ONES_OF_EIGHT) / 8.0 - 0.5
}

/// Returns the variance of the discrete Laplace distribution with this scale.
fn laplace_variance(scale: u32) -> f64 {
    let p = (-1.0 / f64::from(scale)).exp();
    2.0 * p / (1.0 - p).powi(2)
}

/// Estimates the share of touched slots in a table of `slots` slots, of which `ones` are 1. Returns
/// it with its standard deviation.
fn share_of_touched(ones: u32, slots: u32) -> (f64, f64) {
    let (size, bias) = (f64::from(slots), bias());
    // Each bit, which slots are touched, and the noise.
    let variance = size / 4.0 * (1.0 + bias.powi(2)) + laplace_variance(TABLE_NOISE);
    ((f64::from(ones) / size - 0.5) / bias, variance.sqrt() / (size * bias))
}

/// Whether the number of mailboxes that touched such a table is not shown as small.
pub(super) fn is_above_floor(ones: u32, slots: u32) -> bool {
    let (touched, deviation) = share_of_touched(ones, slots);
    touched > FLOOR_DEVIATIONS * deviation
}

/// Estimates the number of mailboxes that touched a table of `slots` slots, of which `ones` are 1.
pub(super) fn of_mailboxes(ones: u32, slots: u32) -> Figure {
    let size = f64::from(slots);
    let (touched, deviation) = share_of_touched(ones, slots);
    let spread = DEVIATIONS * deviation;
    // Mailboxes that share a slot are one touched slot.
    let mailboxes = |touched: f64| (1.0 - touched).ln() / (1.0 - 1.0 / size).ln();
    if !is_above_floor(ones, slots) {
        let floor = FLOOR_DEVIATIONS * deviation;
        Figure::Few { fewer_than: whole(mailboxes(floor + spread).ceil()) }
    } else if touched >= 1.0 - spread {
        Figure::Many { more_than: whole(mailboxes(1.0 - 2.0 * spread).floor()) }
    } else {
        Figure::About {
            estimate: whole(mailboxes(touched).round()),
            low: whole(mailboxes(touched - spread).floor()),
            high: whole(mailboxes(touched + spread).ceil()),
        }
    }
}

/// Adds error bars to a recorded number of blobs.
pub(super) fn of_blobs(blobs: u64) -> Figure {
    let deviation = (2.0 * laplace_variance(BLOB_NOISE)).sqrt();
    let (spread, floor) =
        (whole((DEVIATIONS * deviation).ceil()), whole((FLOOR_DEVIATIONS * deviation).ceil()));
    if blobs <= floor {
        return Figure::Few { fewer_than: floor.saturating_add(spread) };
    }
    Figure::About { estimate: blobs, low: blobs.saturating_sub(spread), high: blobs.saturating_add(spread) }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates")]
fn whole(number: f64) -> u64 {
    number as u64
}

impl std::fmt::Display for Figure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Few { fewer_than } => write!(f, "fewer than {fewer_than}"),
            Self::About { estimate, low, high } => write!(f, "about {estimate} ({low} to {high})"),
            Self::Many { more_than } => write!(f, "more than {more_than}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_bars_are_those_of_the_specification() {
        let spec = include_str!("../../../../spec/16-statistics.md");
        let few = |slots| match of_mailboxes(slots / 2, slots) {
            Figure::Few { fewer_than } => fewer_than,
            other => panic!("{other:?}"),
        };
        let many = |slots| match of_mailboxes(slots, slots) {
            Figure::Many { more_than } => more_than,
            other => panic!("{other:?}"),
        };
        for slots in [1_024_u32, 4_096, 16_384, 65_536] {
            // The expected number of ones if as many mailboxes as there are slots touched it.
            let ones = f64::from(slots) * (0.5 + (1.0 - (-1.0_f64).exp()) / 8.0);
            let Figure::About { low, high, .. } = of_mailboxes(u32::try_from(whole(ones)).unwrap(), slots)
            else {
                panic!("{slots}")
            };
            let row = format!("| {slots} | {} | {low} to {high} | {} |", few(slots), many(slots));
            assert!(spec.contains(&row), "{row}");
        }
        assert_eq!(of_blobs(0), Figure::Few { fewer_than: 80 });
        assert_eq!(of_blobs(1_000), Figure::About { estimate: 1_000, low: 968, high: 1_032 });
    }

    #[test]
    fn the_floor_is_three_standard_deviations_above_an_unused_table() {
        for (slots, deviation) in [(1_024_u32, 19.7), (4_096, 34.2), (65_536, 129.5)] {
            let above = (0..=slots).filter(|ones| is_above_floor(*ones, slots)).min().unwrap();
            let distance = f64::from(above) - f64::from(slots) / 2.0;
            assert!((distance / deviation - 3.0).abs() < 0.1, "{slots}: {distance}");
            assert!(matches!(of_mailboxes(above - 1, slots), Figure::Few { .. }));
            assert!(matches!(of_mailboxes(above, slots), Figure::About { .. }));
        }
    }

    #[test]
    fn estimates_grow_with_the_ones_and_lie_between_their_bounds() {
        let mut before = (0, 0);
        for ones in 0..=1_024 {
            let bounds = match of_mailboxes(ones, 1_024) {
                Figure::Few { fewer_than } => (0, fewer_than),
                Figure::About { estimate, low, high } => {
                    assert!(low < estimate && estimate < high);
                    (low, high)
                }
                Figure::Many { more_than } => (more_than, u64::MAX),
            };
            assert!(bounds.0 >= before.0 && bounds.1 >= before.1, "{ones}: {bounds:?} after {before:?}");
            before = bounds;
        }
        assert_eq!(before.1, u64::MAX);
    }
}
