//! Random bytes of the operating system.

use rand::{TryRng, rand_core::UnwrapErr, rngs::SysRng};
use rustls::crypto::{GetRandomFailed, SecureRandom};
use zeroize::Zeroizing;

/// The random generator of the operating system, for rustls.
#[derive(Debug)]
pub(super) struct System;

impl SecureRandom for System {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), GetRandomFailed> {
        SysRng.try_fill_bytes(bytes).map_err(|_| GetRandomFailed)
    }
}

/// Draws `N` secret bytes; fails if the operating system refuses.
pub(super) fn draw<const N: usize>() -> Result<Zeroizing<[u8; N]>, GetRandomFailed> {
    let mut bytes = Zeroizing::new([0; N]);
    System.fill(bytes.as_mut())?;
    Ok(bytes)
}

/// Returns the random generator for a function that cannot take an error from it. Draws bytes once,
/// and fails if the operating system refuses them. If it refuses later, the generator panics: weak
/// bytes would be worse.
pub(super) fn checked() -> Result<UnwrapErr<SysRng>, GetRandomFailed> {
    System.fill(&mut [0; 32])?;
    Ok(UnwrapErr(SysRng))
}
