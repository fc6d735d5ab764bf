//! Randomness from the seed of a run.

use rand::{SeedableRng, TryCryptoRng, TryRng};
use rand_chacha::ChaCha20Rng;
use std::{
    convert::Infallible,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// A generator whose copies share one state.
#[derive(Clone)]
pub(crate) struct SimRandom(Arc<Mutex<ChaCha20Rng>>);

impl SimRandom {
    /// Makes a generator from the seed of a run. Generators of different streams are independent.
    pub(crate) fn of(seed: u64, stream: u64) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        rng.set_stream(stream);
        Self(Arc::new(Mutex::new(rng)))
    }

    fn locked(&self) -> MutexGuard<'_, ChaCha20Rng> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TryRng for SimRandom {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        self.locked().try_next_u32()
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        self.locked().try_next_u64()
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        self.locked().try_fill_bytes(bytes)
    }
}

impl TryCryptoRng for SimRandom {}
