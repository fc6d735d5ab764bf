//! Randomness that is written down: vectors give every random byte as an input.

use crate::json::BadField;
use rand_chacha::{
    ChaCha20Rng,
    rand_core::{Rng, SeedableRng, TryCryptoRng, TryRng},
};
use std::convert::Infallible;

/// A generator that yields the random bytes of a vector, in order, and zeros behind them.
pub struct Script {
    bytes: std::vec::IntoIter<u8>,
    overrun: bool,
}

impl Script {
    /// Makes a generator that yields these bytes.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self { bytes: bytes.into_iter(), overrun: false }
    }

    /// Checks that exactly all bytes were drawn. To be called after the computation.
    ///
    /// # Errors
    /// Fails with [`BadField`], which names the field of the bytes, when some bytes are left or too few were there.
    pub fn finish(self, field: &str) -> Result<(), BadField> {
        if self.overrun || self.bytes.len() > 0 { Err(BadField(field.to_owned())) } else { Ok(()) }
    }
}

impl TryRng for Script {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        for place in out {
            *place = self.bytes.next().unwrap_or_else(|| {
                self.overrun = true;
                0
            });
        }
        Ok(())
    }
}

impl TryCryptoRng for Script {}

/// A generator from a seed that notes the bytes it yields, for the inputs of a vector.
pub struct Recorder {
    rng: ChaCha20Rng,
    drawn: Vec<u8>,
}

impl Recorder {
    /// Makes a generator from a seed, which has noted nothing.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { rng: ChaCha20Rng::seed_from_u64(seed), drawn: Vec::new() }
    }

    /// Returns the bytes that were drawn since the last call, or since the beginning.
    #[must_use]
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.drawn)
    }

    /// Returns fresh bytes, which [`take`](Self::take) does not return.
    #[must_use]
    pub fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.rng.fill_bytes(&mut bytes);
        bytes
    }

    /// Returns `len` fresh bytes, which [`take`](Self::take) does not return.
    #[must_use]
    pub fn vec(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        self.rng.fill_bytes(&mut bytes);
        bytes
    }
}

impl TryRng for Recorder {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        self.rng.fill_bytes(out);
        self.drawn.extend_from_slice(out);
        Ok(())
    }
}

impl TryCryptoRng for Recorder {}
