//! The folder of a measurement.

use super::error::BenchError;
use crate::random::SystemRandom;
use rand::RngExt;
use std::fs::{self, DirBuilder};
use std::io;
use std::path::{Path, PathBuf};

/// MiB to which the store of the measured relay can grow.
pub(super) const MAX_STORE_MIB: u32 = 512;
/// MiB of free space that a measurement asks for: the store's maximum, and 64 for the floor and the
/// file system.
pub const NEEDED_MIB: u64 = MAX_STORE_MIB as u64 + 64;

/// A new folder for one measurement within another folder. Removed with everything in it when this
/// value is dropped.
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
}

impl Scratch {
    /// Makes a folder with an unused name in `folder`, which must exist.
    ///
    /// # Errors
    /// Fails with [`BenchError::Folder`] when the system refuses, and with [`BenchError::Space`]
    /// when a measurement could fill the file system. Nothing is left in `folder` then.
    pub fn create_in(folder: &Path) -> Result<Self, BenchError> {
        Self::create_with(folder, "bench", NEEDED_MIB)
    }

    /// Makes a folder like [`create_in`](Self::create_in) for the purpose `name`, which needs
    /// `needed_mib` MiB of free space.
    pub(crate) fn create_with(folder: &Path, name: &str, needed_mib: u64) -> Result<Self, BenchError> {
        let number: u64 = SystemRandom.random();
        let path = folder.join(format!("deaddrop-{name}-{number:016x}"));
        let mut builder = DirBuilder::new();
        builder.recursive(false);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&path).map_err(BenchError::Folder)?;
        let scratch = Self { path };
        match free_mib(&scratch.path) {
            Some(free_mib) if free_mib < needed_mib => Err(BenchError::Space { free_mib, needed_mib }),
            _ => Ok(scratch),
        }
    }

    /// Returns the path of the folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Removes the folder with everything in it.
    ///
    /// # Errors
    /// Fails when the system refuses to remove a file.
    pub fn remove(self) -> io::Result<()> {
        fs::remove_dir_all(&self.path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// Returns the MiB of free space that this user may fill; `None` if the system does not tell.
#[cfg(unix)]
fn free_mib(path: &Path) -> Option<u64> {
    let found = rustix::fs::statvfs(path).ok()?;
    Some(found.f_bavail.saturating_mul(found.f_frsize) >> 20)
}

#[cfg(not(unix))]
const fn free_mib(_path: &Path) -> Option<u64> {
    None
}
