//! The change of the store key, while no relay serves (spec/12-relay.md section 9.2).
//!
//! At each moment the old or the new key opens the store, and both lie in files until one of them is
//! known to be the one. Opening the store finishes or undoes a change that was cut short.

use super::key_source::{KeyError, KeySource, read_key_file};
use super::{DataDir, DataDirError, sync_directory};
use crate::index_record::{self, index_records};
use crate::names::StoreKey;
use deaddrop_shred::{Batch, ChangeError, CommitError, FileDisk, OpenError, PassphraseCost, Reader, Shred};
use rand::CryptoRng;
use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Ending that is appended to the name of the key's file for the file of the new key.
const NEW: &str = ".new";
/// Time since the opening, as the store's upkeep is told while the data key is replaced: the store
/// counts as quiet, so that no step waits.
const QUIET: Duration = Duration::from_secs(10);

/// A finished step of a change of the store key, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RotationStep {
    /// The new key is in a file.
    NewKeyWritten,
    /// The store holds the key of the index, which the new store key does not give.
    IndexKeyStored,
    /// The new key opens the store, and the old one does not.
    StoreChanged,
    /// The file of the old key has the new key, or is overwritten and removed.
    OldKeyDestroyed,
    /// All records are sealed again under a new data key, and the old one is destroyed.
    RecordsSealedAgain,
}

/// The result of a change of the store key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotated {
    /// Path of the file with the new key.
    pub key: PathBuf,
    /// Source of the old key, if the operator has to destroy it: it is no file that this program may
    /// overwrite.
    pub left: Option<KeySource>,
    /// Number of records that were damaged, and could not be sealed again.
    pub given_up: u64,
}

/// The reason for which the store key was not changed, or not to the end. Whatever it is, the old or
/// the new key opens the store, and running the same command again continues.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RotateError {
    /// The directory or the store could not be used.
    #[error(transparent)]
    Directory(#[from] DataDirError),
    /// The key is in no file, and no file of a new key was named.
    #[error(
        "the store key is a credential or an environment variable, which only you can replace: make a new key with --out FILE, \
         put it where it is to lie, and give the command again with --use FILE"
    )]
    NeedsKey,
    /// The file for a new key exists.
    #[error("the file of --out exists already; nothing was changed: name another file")]
    OutExists,
    /// The file of the new key holds no key of 32 bytes, or one that the relay uses already.
    #[error("the file of --use holds no new key; nothing was changed: make one with --out FILE")]
    NoNewKey,
    /// A key file could not be written.
    #[error(
        "a file of a key cannot be written: {0}; the old or the new key opens the store, run the command again"
    )]
    KeyFile(io::ErrorKind),
    /// The store could not be sealed under the new key.
    #[error(transparent)]
    Change(#[from] ChangeError),
    /// The store could not be written.
    #[error(transparent)]
    Commit(#[from] CommitError),
}

impl DataDir {
    /// Writes a new store key into the file `out`, and changes nothing else, so that the operator can
    /// put it where it is to lie before the old key is destroyed.
    ///
    /// # Errors
    /// Fails with [`RotateError::OutExists`] if the file exists, and with
    /// [`RotateError::KeyFile`] if it cannot be written.
    pub fn make_store_key(&self, out: &Path, rng: &mut (impl CryptoRng + ?Sized)) -> Result<(), RotateError> {
        self.store_key_source()?;
        let new = StoreKey::generate(rng);
        write_key(out, &new, OpenOptions::new().create_new(true)).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => RotateError::OutExists,
            _ => of_file(error),
        })
    }

    /// Changes the store key, and seals all records again under a new data key, so that the old key
    /// opens nothing, not even together with an old copy of the store's superblock. The new key is
    /// the one in the file `made`, which [`make_store_key`](Self::make_store_key) has written and
    /// which stays as it is; without it the key's file gets a new key. `tell` is called after each
    /// step. After an interruption the same call continues.
    ///
    /// # Errors
    /// Fails with [`RotateError`].
    pub fn rotate_store_key(
        &self,
        made: Option<&Path>,
        rng: &mut (impl CryptoRng + ?Sized),
        mut tell: impl FnMut(RotationStep),
    ) -> Result<Rotated, RotateError> {
        let source = self.store_key_source()?;
        let old_file = match &source {
            KeySource::File(_) => source.path(self.path()).and_then(|path| fs::canonicalize(path).ok()),
            KeySource::Credential(_) | KeySource::Environment(_) => None,
        };
        let (new_file, (mut store, new, is_changed)) = match (made, &old_file) {
            (Some(made), _) => (made.to_owned(), self.open_for(made, rng)?),
            (None, Some(file)) => {
                (new_file_of(file), (self.open_store(rng)?, StoreKey::generate(rng), false))
            }
            (None, None) if matches!(source, KeySource::File(_)) => {
                return Err(self
                    .store_key()
                    .map(|_| RotateError::NeedsKey)
                    .unwrap_or_else(RotateError::from));
            }
            (None, None) => return Err(RotateError::NeedsKey),
        };
        if !is_changed {
            // The file of the old key is written at the end: if it cannot be, nothing begins.
            if let Some(file) = &old_file {
                OpenOptions::new().write(true).open(file).map_err(of_file)?;
            }
            if made.is_none() {
                write_key(&new_file, &new, OpenOptions::new().create_new(true)).map_err(of_file)?;
            }
            tell(RotationStep::NewKeyWritten);
            let former = self.store_key()?;
            let index = index_record::find(&store.reader(), &former)
                .map_err(|lost| DataDirError::Ready(lost.into()))?;
            if !index_record::is_stored(&store.reader()) {
                store.commit(Batch { puts: index_records(&index), erases: Vec::new() }, rng)?;
                store.settle()?;
            }
            tell(RotationStep::IndexKeyStored);
            store.change_unlock(&new.unlock(), PassphraseCost::default(), rng)?;
        }
        tell(RotationStep::StoreChanged);
        let key = self.finish_files(&new, &new_file, made.is_some(), old_file.as_deref()).map_err(of_file)?;
        tell(RotationStep::OldKeyDestroyed);
        let given_up = seal_again(&mut store, &new, rng)?;
        tell(RotationStep::RecordsSealedAgain);
        let left =
            old_file.is_none().then_some(source).filter(|source| !matches!(source, KeySource::File(_)));
        Ok(Rotated { key, left, given_up })
    }

    /// Opens the record store like [`open_store`](Self::open_store), also of a relay that has moved. A
    /// change of the store key that was cut short is finished or undone first.
    pub(crate) fn open_for_export(
        &self,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Shred<FileDisk>, DataDirError> {
        let key = self.store_key()?;
        let Some(file) = self.key_file()?.filter(|file| new_file_of(file).exists()) else {
            return self.open_with(&key, rng);
        };
        let new_file = new_file_of(&file);
        match self.open_with(&key, rng) {
            Ok(store) => {
                remove(&new_file).map_err(|_| DataDirError::Io)?;
                Ok(store)
            }
            Err(DataDirError::Open(OpenError::WrongKey)) => {
                let wrong = DataDirError::Open(OpenError::WrongKey);
                let new = read_key_file(&new_file).map_err(|_| wrong)?;
                let new = StoreKey::from_bytes(*new);
                let store = self.open_with(&new, rng)?;
                self.finish_files(&new, &new_file, false, Some(&file)).map_err(|_| DataDirError::Io)?;
                Ok(store)
            }
            Err(error) => Err(error),
        }
    }

    /// Opens the store for reading only. Another process may be serving it.
    ///
    /// # Errors
    /// Fails with [`DataDirError`] when the key cannot be read or the store cannot be opened.
    pub fn look(&self) -> Result<Reader<FileDisk>, DataDirError> {
        self.look_at(FileDisk::open_read_only)
    }

    /// Opens the store for reading only, locked like [`open_store`](Self::open_store): no process
    /// serves it, and none can begin to. Nothing is written.
    ///
    /// # Errors
    /// Fails with [`DataDirError`] when the key cannot be read, the store cannot be opened, or
    /// another process has it open.
    pub fn look_locked(&self) -> Result<Reader<FileDisk>, DataDirError> {
        self.look_at(FileDisk::open)
    }

    fn look_at(
        &self,
        open: impl Fn(PathBuf) -> Result<FileDisk, OpenError>,
    ) -> Result<Reader<FileDisk>, DataDirError> {
        let look = |key: &StoreKey| {
            let disk = open(self.store_path())?;
            Shred::open_read_only(disk, &key.unlock())
        };
        let key = self.store_key().map_err(|error| match error {
            DataDirError::Incomplete if self.has_moved() => DataDirError::Moved,
            error => error,
        })?;
        let looked = match look(&key) {
            // The key may be one that is being changed.
            Err(OpenError::WrongKey) => {
                let new = self.key_file()?.and_then(|file| read_key_file(&new_file_of(&file)).ok());
                new.map_or(Err(OpenError::WrongKey), |new| look(&StoreKey::from_bytes(*new)))
            }
            looked => looked,
        };
        looked.map_err(super::opening)
    }

    fn open_with(
        &self,
        key: &StoreKey,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Shred<FileDisk>, DataDirError> {
        let disk = FileDisk::open(self.store_path()).map_err(super::opening)?;
        Shred::open(disk, &key.unlock(), rng).map_err(super::opening)
    }

    /// Opens the store for a change to the key in the file `made`, and returns it with this key.
    /// Returns `true` with them if that key opens the store already, after a change that was cut
    /// short.
    fn open_for(
        &self,
        made: &Path,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<(Shred<FileDisk>, StoreKey, bool), RotateError> {
        let new = read_key_file(made).map_err(|error| match error {
            KeyError::Denied => RotateError::Directory(DataDirError::Denied),
            _ => RotateError::NoNewKey,
        })?;
        let new = StoreKey::from_bytes(*new);
        if self.seed().is_ok_and(|seed| seed.expose() == new.expose()) {
            return Err(RotateError::NoNewKey);
        }
        match self.open_store(rng) {
            Ok(_) if self.store_key()?.expose() == new.expose() => return Err(RotateError::NoNewKey),
            Ok(store) => return Ok((store, new, false)),
            // The old key is destroyed already, or opens nothing any more.
            Err(
                DataDirError::Open(OpenError::WrongKey) | DataDirError::Incomplete | DataDirError::Key(_),
            ) => {}
            Err(error) => return Err(error.into()),
        }
        match self.open_with(&new, rng) {
            Ok(store) => Ok((store, new, true)),
            Err(DataDirError::Open(OpenError::WrongKey)) => Err(RotateError::NoNewKey),
            Err(error) => Err(error.into()),
        }
    }

    /// Returns the path of the file that holds the store key, after all links; `None` if it is in no
    /// file.
    fn key_file(&self) -> Result<Option<PathBuf>, DataDirError> {
        let source = self.store_key_source()?;
        let path = matches!(source, KeySource::File(_)).then(|| source.path(self.path())).flatten();
        Ok(path.and_then(|path| fs::canonicalize(path).ok()))
    }

    /// Destroys the old key, after the store was changed to `new`. With `is_made`, `new` stays in
    /// `new_file`, and the file of the old key is overwritten and removed; else the file of the old
    /// key gets the new one, in place, and `new_file` is removed. Returns the path of the file with
    /// the new key.
    fn finish_files(
        &self,
        new: &StoreKey,
        new_file: &Path,
        is_made: bool,
        old_file: Option<&Path>,
    ) -> io::Result<PathBuf> {
        match old_file {
            Some(old) if is_made => {
                write_key(old, &StoreKey::from_bytes([0; 32]), &mut OpenOptions::new())?;
                remove(old)?;
                // A link in the directory would lead nowhere.
                if let KeySource::File(name) = self.store_key_source().map_err(|_| io::ErrorKind::Other)? {
                    let link = self.path().join(name);
                    if fs::symlink_metadata(&link).is_ok_and(|file| file.is_symlink()) {
                        remove(&link)?;
                    }
                }
                Ok(new_file.to_owned())
            }
            Some(old) => {
                // 32 bytes lie in one sector, which a power loss leaves old or new.
                write_key(old, new, &mut OpenOptions::new())?;
                remove(new_file)?;
                Ok(old.to_owned())
            }
            None => Ok(new_file.to_owned()),
        }
    }
}

/// Seals all records again under a new data key. Returns the number of records that did not open,
/// which are lost.
fn seal_again(
    store: &mut Shred<FileDisk>,
    key: &StoreKey,
    rng: &mut (impl CryptoRng + ?Sized),
) -> Result<u64, RotateError> {
    let before = store.stats().records;
    // An older replacement that was cut short is finished first: its data key may be known.
    finish_replacing(store, rng)?;
    store.replace_data_key(&key.unlock(), rng)?;
    finish_replacing(store, rng)?;
    Ok(before.saturating_sub(store.stats().records))
}

fn finish_replacing(
    store: &mut Shred<FileDisk>,
    rng: &mut (impl CryptoRng + ?Sized),
) -> Result<(), CommitError> {
    let mut now = QUIET;
    while store.stats().is_replacing_key {
        now = store.maintain(now, rng)?.map_or(now + QUIET, |next| next.max(now));
    }
    Ok(())
}

/// Returns the path of the file of the new key while that in `file` is changed.
fn new_file_of(file: &Path) -> PathBuf {
    let mut name = OsString::from(file);
    name.push(NEW);
    name.into()
}

/// Writes a key into a file that only its owner can read, durably. An existing file keeps its
/// length: the former key is overwritten in place.
fn write_key(path: &Path, key: &StoreKey, options: &mut OpenOptions) -> io::Result<()> {
    options.write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(key.expose())?;
    file.sync_all()?;
    sync_parent(path)
}

/// Removes a file, durably. Does nothing if there is none.
fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => sync_parent(path),
    }
}

fn sync_parent(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    sync_directory(parent).map_err(|_| io::ErrorKind::Other.into())
}

fn of_file(error: io::Error) -> RotateError {
    RotateError::KeyFile(error.kind())
}
