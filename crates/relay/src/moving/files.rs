//! The changes of files that a move makes: durable, one after the other, with a point for a crash
//! between any two.

use super::error::MoveError;
use super::progress::Progress;
use super::steps::crash_point;
use crate::data_dir::{DataDirError, sync_directory};
use deaddrop_shred::{Disk, FileDisk, OpenError};
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Number of bytes that are overwritten at a time. The first of them hold a store's data key.
const PIECE: usize = 1 << 20;
/// Number of bytes by which the file of a store is cut off at a time, after they are overwritten.
const CUT: u64 = 16 << 20;

/// Returns `path` with `ending` appended to its name.
pub(super) fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(ending);
    PathBuf::from(name)
}

/// Whether something has this name, also a link that leads nowhere.
pub(super) fn is_there(path: &Path) -> Result<bool, MoveError> {
    match fs::symlink_metadata(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Makes a new file that only the owner can read. A file that has this name already is removed.
pub(super) fn create_private(path: &Path) -> Result<File, MoveError> {
    remove(path)?;
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    Ok(options.open(path)?)
}

/// Writes a file under a temporary name, and gives it the name `path` when it is on the disk. A file
/// of this name is replaced at once: after a crash there is the old one or the new one.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> Result<(), MoveError> {
    let temporary = with_ending(path, ".new");
    let mut file = create_private(&temporary)?;
    crash_point();
    file.write_all(bytes)?;
    file.sync_all()?;
    crash_point();
    rename(&temporary, path)
}

/// Renames a file of a directory, and makes that durable.
pub(super) fn rename(from: &Path, to: &Path) -> Result<(), MoveError> {
    fs::rename(from, to)?;
    crash_point();
    sync_directory(parent(to))?;
    crash_point();
    Ok(())
}

/// Removes a file if it is there.
pub(super) fn remove(path: &Path) -> Result<(), MoveError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

/// Reads a file of at most `most` bytes; `None` if it is not there. A longer one is cut off behind
/// the next byte.
pub(super) fn read_bounded(path: &Path, most: usize) -> Result<Option<Zeroizing<Vec<u8>>>, MoveError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            return Err(DataDirError::Denied.into());
        }
        Err(error) => return Err(error.into()),
    };
    let mut bytes = Zeroizing::new(Vec::with_capacity(most.saturating_add(1)));
    file.take(most.saturating_add(1) as u64).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

/// Overwrites a file with zeros on the disk and then removes it, with the link that leads to it if
/// `path` is one. Does nothing if it is not there.
pub(super) fn destroy(path: &Path) -> Result<(), MoveError> {
    if let Some(real) = target(path)? {
        let mut file = OpenOptions::new().write(true).open(&real)?;
        let length = file.metadata()?.len();
        io::copy(&mut io::repeat(0).take(length), &mut file)?;
        file.sync_all()?;
        crash_point();
        unlink(path, &real)?;
    }
    Ok(())
}

/// Overwrites the first part of a store's file with zeros, with the store's data key: without it no
/// record opens. Does nothing if the store is not there.
pub(super) fn destroy_head(path: &Path) -> Result<(), MoveError> {
    match target(path)? {
        Some(real) => open_headless(&real).map(|_| ()),
        None => Ok(()),
    }
}

/// Overwrites the file of a store with zeros and then removes it. The part with the store's data key
/// comes first. The rest is overwritten and cut off from the end, so that an interrupted destruction
/// is continued and not begun again. Does nothing if the store is not there.
pub(super) fn destroy_store(path: &Path, tell: &mut dyn FnMut(Progress)) -> Result<(), MoveError> {
    let Some(real) = target(path)? else { return Ok(()) };
    let Some(disk) = open_headless(&real)? else { return Ok(()) };
    let (zeros, total, head) = (vec![0; PIECE], disk.length()?, PIECE as u64);
    let mut end = total;
    while end > head {
        let begin = end.saturating_sub(CUT).max(head);
        overwrite(&disk, &zeros, begin, end)?;
        disk.sync()?;
        disk.set_length(begin)?;
        end = begin;
        tell(Progress { done: total - end, total });
    }
    disk.sync()?;
    crash_point();
    unlink(path, &real)
}

/// Opens the file of a store, and overwrites its first part on the disk. The lock keeps an export
/// out. `None` if the file is not there.
fn open_headless(real: &Path) -> Result<Option<FileDisk>, MoveError> {
    let disk = match FileDisk::open(real) {
        Err(OpenError::Absent) => return Ok(None),
        opened => opened?,
    };
    overwrite(&disk, &vec![0; PIECE], 0, disk.length()?.min(PIECE as u64))?;
    disk.sync()?;
    crash_point();
    Ok(Some(disk))
}

/// Overwrites the bytes from `begin` to `end` with zeros, a piece at a time.
fn overwrite(disk: &FileDisk, zeros: &[u8], begin: u64, end: u64) -> Result<(), MoveError> {
    let mut at = begin;
    while at < end {
        let length = usize::try_from(end - at).unwrap_or(zeros.len()).min(zeros.len());
        disk.write_at(at, zeros.get(..length).unwrap_or_default())?;
        at += length as u64;
    }
    Ok(())
}

/// Returns the file to which a path leads. Removes a link that leads nowhere.
fn target(path: &Path) -> Result<Option<PathBuf>, MoveError> {
    match fs::canonicalize(path) {
        Ok(real) => Ok(Some(real)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => remove(path).map(|()| None),
        Err(error) => Err(error.into()),
    }
}

/// Removes the file `real` and the link `path` to it.
fn unlink(path: &Path, real: &Path) -> Result<(), MoveError> {
    remove(real)?;
    remove(path)?;
    crash_point();
    sync_directory(parent(real))?;
    sync_directory(parent(path))?;
    crash_point();
    Ok(())
}

/// Returns the folder of a file.
pub(super) fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Fails with [`MoveError::Space`] if the file system of `folder` has fewer than `needed` bytes of
/// free space. Succeeds if the system does not tell.
pub(super) fn demand_space(folder: &Path, needed: u64) -> Result<(), MoveError> {
    match free_bytes(folder) {
        Some(free) if free < needed => {
            Err(MoveError::Space { free_mib: free >> 20, needed_mib: needed.div_ceil(1 << 20) })
        }
        _ => Ok(()),
    }
}

#[cfg(unix)]
fn free_bytes(folder: &Path) -> Option<u64> {
    let found = rustix::fs::statvfs(folder).ok()?;
    Some(found.f_bavail.saturating_mul(found.f_frsize))
}

#[cfg(not(unix))]
const fn free_bytes(_folder: &Path) -> Option<u64> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_overwritten_before_it_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        let (path, other) = (dir.path().join("key"), dir.path().join("other"));
        fs::write(&path, [7; 100]).unwrap();
        // A second name of the same file shows its bytes after the first is gone.
        fs::hard_link(&path, &other).unwrap();
        destroy(&path).unwrap();
        assert!(!is_there(&path).unwrap());
        assert_eq!(fs::read(&other).unwrap(), [0; 100]);
        destroy(&path).unwrap();
    }

    #[test]
    fn a_store_is_overwritten_from_its_end_before_it_is_cut_off() {
        let dir = tempfile::tempdir().unwrap();
        let (path, other) = (dir.path().join("store"), dir.path().join("other"));
        let length = PIECE + usize::try_from(CUT).unwrap() + 5;
        fs::write(&path, vec![7; length]).unwrap();
        fs::hard_link(&path, &other).unwrap();
        destroy_head(&path).unwrap();
        let bytes = fs::read(&path).unwrap();
        assert!(bytes.len() == length && bytes[..PIECE].iter().all(|byte| *byte == 0) && bytes[PIECE] == 7);
        let mut lengths = Vec::new();
        destroy_store(&path, &mut |_| lengths.push(fs::metadata(&path).unwrap().len())).unwrap();
        assert_eq!(lengths, [PIECE as u64 + 5, PIECE as u64]);
        assert!(!is_there(&path).unwrap());
        assert_eq!(fs::read(&other).unwrap(), vec![0; PIECE]);
        destroy_store(&path, &mut |_| ()).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn a_link_is_removed_with_the_file_behind_it() {
        let dir = tempfile::tempdir().unwrap();
        let (path, real) = (dir.path().join("link"), dir.path().join("real"));
        fs::write(&real, [7; 100]).unwrap();
        std::os::unix::fs::symlink(&real, &path).unwrap();
        destroy(&path).unwrap();
        assert!(!is_there(&path).unwrap() && !is_there(&real).unwrap());
        std::os::unix::fs::symlink(&real, &path).unwrap();
        destroy(&path).unwrap();
        assert!(!is_there(&path).unwrap(), "a link that leads nowhere");
    }

    #[test]
    fn space_is_demanded() {
        let dir = tempfile::tempdir().unwrap();
        assert!(demand_space(dir.path(), 1).is_ok());
        if cfg!(unix) {
            assert!(matches!(demand_space(dir.path(), u64::MAX), Err(MoveError::Space { .. })));
        }
    }
}
