//! The choices of one step: each step has its own randomness, so that a history without some of its
//! steps stays alike.

use rand::RngExt;

/// The random choices of one step of a history.
pub struct Chance(Box<dyn rand::Rng>);

impl Chance {
    /// Returns the choices of the step `step` of the history `seed`, always the same. Step 0
    /// chooses the limits.
    pub fn new(seed: u64, step: u64) -> Self {
        Self(Box::new(deaddrop_testkit::rng(seed.wrapping_mul(1_000_003).wrapping_add(step))))
    }

    pub fn below(&mut self, end: usize) -> usize {
        self.0.random_range(0..end)
    }

    pub fn number(&mut self, first: u8, last: u8) -> u8 {
        self.0.random_range(first..=last)
    }

    pub fn pick<T: Copy>(&mut self, values: &[T]) -> T {
        values[self.below(values.len())]
    }
}
