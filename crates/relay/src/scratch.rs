//! The folder of a measurement or a test.

use crate::random::SystemRandom;
use rand::RngExt;
use std::fs::{self, DirBuilder};
use std::io;
use std::path::{Path, PathBuf};

/// The reason for which a folder was not made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScratchError {
    /// The system refused to make the folder.
    #[error("no folder can be made in it: {0}")]
    Folder(io::Error),
    /// The file system has too little space.
    #[error("its file system has {free_mib} MiB of free space, and {needed_mib} MiB are needed")]
    Space {
        /// Number of MiB that are free for this user.
        free_mib: u64,
        /// Number of MiB that are needed.
        needed_mib: u64,
    },
}

/// A new folder for one measurement or test within another folder. Removed with everything in it when this
/// value is dropped.
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
}

impl Scratch {
    /// Makes a folder with an unused name in `folder`, which must exist, for the purpose `name`,
    /// which needs `needed_mib` MiB of free space.
    ///
    /// # Errors
    /// Fails with [`ScratchError`] when the system refuses, or when the purpose could fill the file
    /// system. Nothing is left in `folder` then.
    pub(crate) fn create_in(folder: &Path, name: &str, needed_mib: u64) -> Result<Self, ScratchError> {
        let number: u64 = SystemRandom.random();
        let path = folder.join(format!("deaddrop-{name}-{number:016x}"));
        let mut builder = DirBuilder::new();
        builder.recursive(false);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&path).map_err(ScratchError::Folder)?;
        let scratch = Self { path };
        match free_mib(&scratch.path) {
            Some(free_mib) if free_mib < needed_mib => Err(ScratchError::Space { free_mib, needed_mib }),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_goes_with_its_contents_when_it_is_dropped() {
        let place = tempfile::tempdir().unwrap();
        let scratch = Scratch::create_in(place.path(), "test", 0).unwrap();
        fs::write(scratch.path().join("file"), b"contents").unwrap();
        assert!(scratch.path().starts_with(place.path()));
        drop(scratch);
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0);
    }

    #[cfg(unix)]
    #[test]
    fn a_purpose_that_could_fill_the_file_system_is_refused_and_leaves_nothing() {
        let place = tempfile::tempdir().unwrap();
        let refused = Scratch::create_in(place.path(), "test", u64::MAX);
        assert!(matches!(refused, Err(ScratchError::Space { needed_mib: u64::MAX, .. })));
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0);
    }
}
