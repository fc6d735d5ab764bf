//! The only source of secret randomness: the operating system. (Pauses of connections are drawn elsewhere; nothing secret depends
//! on them.)

use rand::{TryCryptoRng, TryRng, rngs::SysRng};
use std::convert::Infallible;

/// The error of an operating system that returns no random bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NoRandomness;

/// The operating system's generator, which is asked for each value.
///
/// The generator keeps nothing in this process, so a snapshot of the process's memory that is resumed twice (of a virtual machine, say)
/// repeats no bytes unless the system itself does.
///
/// If a system once returned random bytes and then refuses them, the call panics: no key is ever made from anything else.
/// [`check`] shows before the start whether the system has random bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SystemRandom;

/// Fails if the system returns no random bytes.
pub(crate) fn check() -> Result<(), NoRandomness> {
    SysRng.try_fill_bytes(&mut [0; 32]).map_err(|_| NoRandomness)
}

/// Fills `bytes` with random bytes. Panics if the system refuses.
#[expect(clippy::panic, reason = "the trait has no error, and weak bytes would be worse than an end")]
fn fill(source: &mut impl TryRng, bytes: &mut [u8]) {
    if source.try_fill_bytes(bytes).is_err() {
        panic!("the operating system gives no random bytes");
    }
}

impl TryRng for SystemRandom {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        fill(&mut SysRng, &mut bytes);
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        fill(&mut SysRng, &mut bytes);
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        fill(&mut SysRng, bytes);
        Ok(())
    }
}

impl TryCryptoRng for SystemRandom {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_the_generator_is_in_this_process() {
        assert_eq!(size_of::<SystemRandom>(), 0);
        assert_eq!(check(), Ok(()));
    }

    /// A system that returns no random bytes.
    struct Refusing;

    impl TryRng for Refusing {
        type Error = std::io::Error;

        fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
            Err(std::io::ErrorKind::PermissionDenied.into())
        }

        fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
            Err(std::io::ErrorKind::PermissionDenied.into())
        }

        fn try_fill_bytes(&mut self, _: &mut [u8]) -> Result<(), Self::Error> {
            Err(std::io::ErrorKind::PermissionDenied.into())
        }
    }

    #[test]
    #[should_panic(expected = "the operating system gives no random bytes")]
    fn a_system_that_refuses_ends_the_call() {
        fill(&mut Refusing, &mut [0; 32]);
    }
}
