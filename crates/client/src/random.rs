//! The one place where randomness enters.

use rand::{rand_core::UnwrapErr, rngs::SysRng};

/// The operating system's generator. It keeps no output in the memory of this process.
pub(crate) type SystemRng = UnwrapErr<SysRng>;

/// The operating system's generator.
pub(crate) const fn fresh() -> SystemRng {
    UnwrapErr(SysRng)
}
