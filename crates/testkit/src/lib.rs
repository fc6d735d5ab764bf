//! Test helpers of deaddrop. A dev-dependency only.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

pub mod line;

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

/// Returns randomness that is the same in every run: ChaCha20 seeded with `seed`.
#[must_use]
pub fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}
