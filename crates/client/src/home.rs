//! The folder of a person: the vault's file, and the key file if there is no passphrase.

use crate::{
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
    /// A passphrase; the key derives from it with Argon2id, at the cost that
    /// [`Config::passphrase_cost`](crate::Config::passphrase_cost) gave when the vault was made.
    Passphrase(Zeroizing<String>),
    /// 32 random bytes in a file beside the vault, readable by its owner alone: who has the folder has everything in it.
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

/// Makes an empty vault. Nothing that is there is overwritten.
pub(crate) fn create(
    home: &Path,
    unlock: &Unlock,
    passphrase_cost: PassphraseCost,
) -> Result<Shred<FileDisk>, OpenError> {
    if !passphrase_cost.is_bounded() {
        return Err(OpenError::BadCost);
    }
    if vault_file(home).exists() {
        return Err(OpenError::Exists);
    }
    random::check().map_err(|NoRandomness| OpenError::NoRandomness)?;
    make_folder(home).map_err(|_| OpenError::Io)?;
    let unlock = match unlock {
        Unlock::Passphrase(passphrase) => with_passphrase(passphrase),
        Unlock::KeyFile => deaddrop_shred::Unlock::Key(match read_key(home) {
            // Left by an attempt that ended before the vault stood.
            Ok(key) => key,
            Err(OpenError::KeyFileMissing) => write_key(home)?,
            Err(error) => return Err(error),
        }),
    };
    let disk = FileDisk::create(vault_file(home)).map_err(create_error)?;
    let geometry = Geometry { passphrase_cost, ..Geometry::vault() };
    Shred::create(disk, &geometry, &unlock, &mut SystemRandom).map_err(create_error)
}

/// Opens the vault. Nothing is changed on any error.
pub(crate) fn open(home: &Path, unlock: &Unlock) -> Result<Shred<FileDisk>, OpenError> {
    if !vault_file(home).exists() {
        return Err(OpenError::Absent);
    }
    random::check().map_err(|NoRandomness| OpenError::NoRandomness)?;
    let unlock = match unlock {
        Unlock::Passphrase(passphrase) => with_passphrase(passphrase),
        Unlock::KeyFile => deaddrop_shred::Unlock::Key(read_key(home)?),
    };
    let disk = FileDisk::open(vault_file(home)).map_err(open_error)?;
    Shred::open(disk, &unlock, &mut SystemRandom).map_err(open_error)
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

fn write_key(home: &Path) -> Result<MasterKey, OpenError> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut key = Box::new(Zeroizing::new([0; KEY_LEN]));
    SystemRandom.fill_bytes(key.as_mut_slice());
    let written = options.open(key_file(home)).and_then(|mut file| {
        file.write_all(key.as_slice())?;
        file.sync_all()
    });
    written.map(|()| MasterKey::copy_of(&key)).map_err(|_| OpenError::Io)
}

fn read_key(home: &Path) -> Result<MasterKey, OpenError> {
    // Read to where it is wiped; one byte more tells a longer file.
    let mut bytes = Box::new(Zeroizing::new([0; KEY_LEN + 1]));
    let mut file = match fs::File::open(key_file(home)) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(OpenError::KeyFileMissing),
        Err(_) => return Err(OpenError::Io),
    };
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

fn create_error(error: CreateError) -> OpenError {
    match error {
        CreateError::Exists => OpenError::Exists,
        CreateError::InUse => OpenError::InUse,
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
