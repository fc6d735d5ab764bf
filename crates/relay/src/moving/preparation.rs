//! The preparation of a new host: a one-time key pair in an empty directory.

use super::error::MoveError;
use super::files::{read_bounded, replace, with_ending};
use super::transfer_key::{MAX_SECRET_LEN, TransferKey, TransferSecret};
use crate::data_dir::{DataDir, DataDirError, IMPORT_KEY, make_directory};
use deaddrop_shred::FileDisk;
use deaddrop_wire::RelayUrl;
use rand::CryptoRng;
use std::ffi::OsStr;
use std::fs;
#[cfg(unix)]
use std::fs::{File, TryLockError};
#[cfg(unix)]
use std::path::Path;

/// Name of the file of a store that is made and removed to test the file system.
const TRIAL: &str = "trial.shred";

/// Makes a one-time key pair for an import into this directory, which is made if it does not exist.
/// The private half is in the directory, for its owner alone. Returns the public half. Of a
/// directory that was prepared before for the same URL, returns the same key.
///
/// # Errors
/// Fails with [`MoveError`] when the directory holds anything else, was prepared for another URL,
/// cannot be written, or lies on a file system on which a store cannot be kept.
pub fn prepare(
    data: &DataDir,
    url: &RelayUrl,
    rng: &mut (impl CryptoRng + ?Sized),
) -> Result<TransferKey, MoveError> {
    let path = data.path().join(IMPORT_KEY);
    make_directory(data.path())?;
    // Two that prepare at once would print two keys, of which one has no private half.
    #[cfg(unix)]
    let _lock = lock(data.path())?;
    let (unfinished, trial) = (with_ending(&path, ".new"), data.path().join(TRIAL));
    let left = with_ending(&trial, ".new");
    for entry in fs::read_dir(data.path())? {
        let name = entry?.file_name();
        if ![path.file_name(), unfinished.file_name(), left.file_name()].contains(&Some(OsStr::new(&name))) {
            return Err(DataDirError::NotEmpty.into());
        }
    }
    // A file system that cannot keep a store is refused before the old host has moved. The file is
    // removed when it is closed.
    drop(FileDisk::create(&trial)?);
    if let Some(secret) = read_secret(data)? {
        let key = secret.key();
        return if key.url() == url { Ok(key) } else { Err(MoveError::OtherUrl) };
    }
    let secret = TransferSecret::generate(url.clone(), rng);
    replace(&path, &secret.to_bytes())?;
    Ok(secret.key())
}

/// Locks the directory against another preparation, until the returned file is closed.
#[cfg(unix)]
fn lock(directory: &Path) -> Result<File, MoveError> {
    let opened = File::open(directory)?;
    match opened.try_lock() {
        Ok(()) => Ok(opened),
        Err(TryLockError::WouldBlock) => Err(MoveError::InUse),
        Err(TryLockError::Error(error)) => Err(error.into()),
    }
}

/// Reads the private half from a directory; `None` if there is none.
pub(super) fn read_secret(data: &DataDir) -> Result<Option<TransferSecret>, MoveError> {
    let Some(bytes) = read_bounded(&data.path().join(IMPORT_KEY), MAX_SECRET_LEN)? else { return Ok(None) };
    TransferSecret::from_bytes(&bytes).map(Some).ok_or(MoveError::BadSecret)
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_cannot_prepare_one_directory_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let data = DataDir::at(dir.path());
        let url = RelayUrl::new("wss://new.example/").unwrap();
        let other = lock(dir.path()).unwrap();
        assert!(matches!(prepare(&data, &url, &mut rand::rng()), Err(MoveError::InUse)));
        drop(other);
        let key = prepare(&data, &url, &mut rand::rng()).unwrap();
        assert_eq!(prepare(&data, &url, &mut rand::rng()).unwrap().to_string(), key.to_string());
    }
}
