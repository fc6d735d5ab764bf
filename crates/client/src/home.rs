//! The folder of a person: the vault's file, and the key file if there is no passphrase.

use crate::{
    config::{MAX_VAULT_MIB, MIN_VAULT_MIB},
    error::OpenError,
    random::{self, NoRandomness, SystemRandom},
};
use deaddrop_shred::{CreateError, FileDisk, Geometry, MasterKey, Passphrase, PassphraseCost, Shred};
use rand::Rng;
use std::{
    fs,
    io::{Read, Write},
    path::{Path, PathBuf},
};
use zeroize::Zeroizing;

/// The key or passphrase that opens a vault.
pub enum Unlock {
    /// A passphrase. The key derives from it with Argon2id, at the cost that
    /// [`Config::passphrase_cost`](crate::Config::passphrase_cost) had when the vault was made.
    Passphrase(Zeroizing<String>),
    /// A key of 32 random bytes in a file beside the vault, readable by its owner alone. Anyone who has the folder can read
    /// everything in it.
    KeyFile,
}

impl core::fmt::Debug for Unlock {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Passphrase(_) => "Passphrase(..)",
            Self::KeyFile => "KeyFile",
        })
    }
}

const KEY_LEN: usize = 32;

fn vault_file(home: &Path) -> PathBuf {
    home.join("vault")
}

fn key_file(home: &Path) -> PathBuf {
    home.join("vault.key")
}

/// The files and folders that an attempt to make a vault has made. Dropping the value removes them,
/// unless [`keep`](Self::keep) was called.
pub(crate) struct Unfinished {
    home: PathBuf,
    /// The folders that were missing before the attempt, the innermost first.
    folders: Vec<PathBuf>,
    files: Vec<PathBuf>,
}

impl Unfinished {
    fn begin(home: &Path) -> Self {
        let missing =
            home.ancestors().take_while(|folder| !folder.as_os_str().is_empty() && !folder.exists());
        Self { home: home.to_owned(), folders: missing.map(Path::to_owned).collect(), files: Vec::new() }
    }

    /// Keeps all files and folders, because the vault is made.
    pub(crate) fn keep(mut self) {
        self.files.clear();
        self.folders.clear();
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        for file in &self.files {
            let _ = fs::remove_file(file);
        }
        // A folder in which something else lies stays.
        for folder in &self.folders {
            let _ = fs::remove_dir(folder);
        }
    }
}

/// Makes an empty vault. Existing files are not overwritten. Dropping the second value removes what
/// was made; an attempt that fails leaves nothing behind.
pub(crate) fn begin(
    home: &Path,
    unlock: &Unlock,
    passphrase_cost: PassphraseCost,
    vault_mib: u32,
) -> Result<(Shred<FileDisk>, Unfinished), OpenError> {
    if !passphrase_cost.is_bounded() {
        return Err(OpenError::BadCost);
    }
    check_limit(vault_mib)?;
    if vault_file(home).exists() {
        return Err(OpenError::Exists);
    }
    random::check().map_err(|NoRandomness| OpenError::NoRandomness)?;
    let mut made = Unfinished::begin(home);
    make_folder(home).map_err(|error| disk_error(&error))?;
    // Keeps other attempts away until the vault stands.
    let disk = FileDisk::create(vault_file(home)).map_err(create_error)?;
    let unlock = match unlock {
        Unlock::Passphrase(passphrase) => with_passphrase(passphrase),
        Unlock::KeyFile => deaddrop_shred::Unlock::Key(match read_key(home) {
            // Left by an attempt that ended before the vault stood.
            Ok(key) => key,
            Err(OpenError::KeyFileMissing) => write_key(&mut made)?,
            Err(error) => return Err(error),
        }),
    };
    let geometry = Geometry { passphrase_cost, max_segments: segments(vault_mib), ..Geometry::vault() };
    let store = Shred::create(disk, &geometry, &unlock, &mut SystemRandom).map_err(create_error)?;
    made.files.push(vault_file(home));
    Ok((store, made))
}

#[cfg(test)]
use crate::config::DEFAULT_VAULT_MIB;

/// Makes an empty vault of the default size, for tests.
#[cfg(test)]
pub(crate) fn create(
    home: &Path,
    unlock: &Unlock,
    passphrase_cost: PassphraseCost,
) -> Result<Shred<FileDisk>, OpenError> {
    let (store, made) = begin(home, unlock, passphrase_cost, DEFAULT_VAULT_MIB)?;
    made.keep();
    Ok(store)
}

/// Whether the vault in a folder opens with a passphrase, and not with a key file.
pub(crate) fn has_passphrase(home: &Path) -> Result<bool, OpenError> {
    let disk = FileDisk::open_read_only(vault_file(home)).map_err(open_error)?;
    Shred::has_passphrase(&disk).map_err(open_error)
}

/// Opens the vault. Nothing is changed on any error.
pub(crate) fn open(home: &Path, unlock: &Unlock) -> Result<Shred<FileDisk>, OpenError> {
    open_with(home, &of_store(home, unlock)?)
}

/// Changes the maximum size of the vault's file, in MiB. Nothing is changed on any error except one
/// of the disk.
pub(crate) fn change_limit(home: &Path, unlock: &Unlock, vault_mib: u32) -> Result<(), OpenError> {
    check_limit(vault_mib)?;
    let unlock = of_store(home, unlock)?;
    let mut store = open_with(home, &unlock)?;
    let changed = store.change_max_segments(segments(vault_mib), &unlock, &mut SystemRandom);
    changed.map(|_| ()).map_err(|error| match error {
        deaddrop_shred::ChangeError::OutOfMemory => OpenError::OutOfMemory,
        _ => OpenError::Io,
    })
}

fn open_with(home: &Path, unlock: &deaddrop_shred::Unlock) -> Result<Shred<FileDisk>, OpenError> {
    random::check().map_err(|NoRandomness| OpenError::NoRandomness)?;
    let disk = FileDisk::open(vault_file(home)).map_err(open_error)?;
    Shred::open(disk, unlock, &mut SystemRandom).map_err(open_error)
}

/// Returns the key or passphrase in the form that the store takes. Fails if there is no vault, or,
/// for [`Unlock::KeyFile`], no key file that can be used.
fn of_store(home: &Path, unlock: &Unlock) -> Result<deaddrop_shred::Unlock, OpenError> {
    if !vault_file(home).exists() {
        return Err(OpenError::Absent);
    }
    Ok(match unlock {
        Unlock::Passphrase(passphrase) => with_passphrase(passphrase),
        Unlock::KeyFile => deaddrop_shred::Unlock::Key(read_key(home)?),
    })
}

fn check_limit(vault_mib: u32) -> Result<(), OpenError> {
    if (MIN_VAULT_MIB..=MAX_VAULT_MIB).contains(&vault_mib) { Ok(()) } else { Err(OpenError::BadLimit) }
}

/// Returns the number of segments (the units in which the store's file grows) of a file of this
/// many MiB.
fn segments(vault_mib: u32) -> u32 {
    vault_mib / (Geometry::vault().segment_bytes >> 20)
}

fn with_passphrase(passphrase: &Zeroizing<String>) -> deaddrop_shred::Unlock {
    deaddrop_shred::Unlock::Passphrase(Passphrase::from_bytes(passphrase.as_bytes().to_vec()))
}

fn make_folder(home: &Path) -> std::io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(home)
}

/// Makes a new key and writes it into the key file: first under another name, so that a crash
/// leaves no key file that is incomplete.
fn write_key(made: &mut Unfinished) -> Result<MasterKey, OpenError> {
    let (proper, temporary) = (key_file(&made.home), made.home.join("vault.key.new"));
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut key = Box::new(Zeroizing::new([0; KEY_LEN]));
    SystemRandom.fill_bytes(key.as_mut_slice());
    made.files.push(temporary.clone());
    let written = options.open(&temporary).and_then(|mut file| {
        file.write_all(key.as_slice())?;
        file.sync_all()?;
        fs::rename(&temporary, &proper)
    });
    written.map_err(|error| disk_error(&error))?;
    made.files.push(proper);
    Ok(MasterKey::copy_of(&key))
}

/// Fails with [`OpenError::KeyFileExposed`] if other users of the machine may read or change the
/// key file.
#[cfg(unix)]
fn check_mode(file: &fs::File) -> Result<(), OpenError> {
    use std::os::unix::fs::PermissionsExt;
    let mode = file.metadata().map_err(|_| OpenError::Io)?.permissions().mode();
    if mode & 0o066 == 0 { Ok(()) } else { Err(OpenError::KeyFileExposed) }
}

#[cfg(not(unix))]
fn check_mode(_file: &fs::File) -> Result<(), OpenError> {
    Ok(())
}

fn read_key(home: &Path) -> Result<MasterKey, OpenError> {
    // Read to where it is wiped; one byte more tells a longer file.
    let mut bytes = Box::new(Zeroizing::new([0; KEY_LEN + 1]));
    let mut file = match fs::File::open(key_file(home)) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(OpenError::KeyFileMissing),
        Err(_) => return Err(OpenError::Io),
    };
    check_mode(&file)?;
    let mut len = 0;
    while let Some(rest) = bytes.get_mut(len..).filter(|rest| !rest.is_empty()) {
        match file.read(rest) {
            Ok(0) => break,
            Ok(more) => len += more,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => return Err(OpenError::Io),
        }
    }
    let key = bytes.get(..len).and_then(|bytes| bytes.as_array()).ok_or(OpenError::WrongPassphrase)?;
    Ok(MasterKey::copy_of(key))
}

fn disk_error(error: &std::io::Error) -> OpenError {
    use std::io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    match error.kind() {
        StorageFull | QuotaExceeded | FileTooLarge => OpenError::DiskFull,
        _ => OpenError::Io,
    }
}

fn create_error(error: CreateError) -> OpenError {
    match error {
        CreateError::Exists => OpenError::Exists,
        CreateError::InUse => OpenError::InUse,
        CreateError::Full => OpenError::DiskFull,
        CreateError::UnsupportedFileSystem => OpenError::UnsupportedFileSystem,
        _ => OpenError::Io,
    }
}

fn open_error(error: deaddrop_shred::OpenError) -> OpenError {
    use deaddrop_shred::OpenError as Store;
    match error {
        Store::Absent => OpenError::Absent,
        Store::WrongKey => OpenError::WrongPassphrase,
        Store::InUse => OpenError::InUse,
        Store::OutOfMemory => OpenError::OutOfMemory,
        Store::UnsupportedFormat => OpenError::NewerVersion,
        Store::UnsupportedFileSystem => OpenError::UnsupportedFileSystem,
        Store::NotAStore | Store::Corrupt => OpenError::Corrupt,
        _ => OpenError::Io,
    }
}
