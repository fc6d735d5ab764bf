//! The one place where randomness enters.

use rand::{SeedableRng, rngs::StdRng};

/// A generator seeded by the operating system.
pub(crate) fn fresh() -> StdRng {
    StdRng::from_rng(&mut rand::rng())
}
