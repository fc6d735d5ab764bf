//! Random bytes of the operating system.

use rand::{TryRng, rand_core::UnwrapErr, rngs::SysRng};
use rustls::crypto::{GetRandomFailed, SecureRandom};
use zeroize::Zeroizing;

/// The operating system's generator.
#[derive(Debug)]
pub(super) struct System;

impl SecureRandom for System {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), GetRandomFailed> {
        SysRng.try_fill_bytes(bytes).map_err(|_| GetRandomFailed)
    }
}

/// Draws `N` secret bytes.
pub(super) fn draw<const N: usize>() -> Result<Zeroizing<[u8; N]>, GetRandomFailed> {
    let mut bytes = Zeroizing::new([0; N]);
    System.fill(bytes.as_mut())?;
    Ok(bytes)
}

/// Returns the generator for a call that takes no error, once it has returned bytes. It panics if the system refuses after that:
/// weak bytes would be worse.
pub(super) fn checked() -> Result<UnwrapErr<SysRng>, GetRandomFailed> {
    System.fill(&mut [0; 32])?;
    Ok(UnwrapErr(SysRng))
}
