//! The folder of one person, and the file that holds the key of a vault without a passphrase.

use std::{
    env, fs,
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use zeroize::Zeroizing;

use crate::failure::Failure;

/// Name of the key file inside the home folder.
pub const KEY_FILE: &str = "vault.key";
/// Bytes in the key file.
pub const KEY_BYTES: usize = 32;

/// The folder of one person.
#[derive(Debug, Clone)]
pub struct Home {
    folder: PathBuf,
}

impl Home {
    /// The folder asked for, or the default: `$XDG_DATA_HOME/deaddrop`, else `~/.local/share/deaddrop`.
    pub fn find(asked: Option<&Path>) -> Result<Self, Failure> {
        if let Some(folder) = asked {
            return Ok(Self { folder: folder.to_owned() });
        }
        let absolute = |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let data =
            absolute("XDG_DATA_HOME").or_else(|| absolute("HOME").map(|home| home.join(".local/share")));
        let data = data.ok_or_else(|| {
            Failure::new("no folder to keep a vault in: give --home DIR or set DEADDROP_HOME")
        })?;
        Ok(Self { folder: data.join("deaddrop") })
    }

    /// The folder itself.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Makes the folder, open to its owner only.
    pub fn make(&self) -> Result<(), Failure> {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&self.folder).map_err(|error| {
            Failure::new(format_args!("the folder {} cannot be made: {error}", self.folder.display()))
        })
    }

    /// The key in the key file; nothing if there is no such file.
    pub fn key(&self) -> Result<Option<Zeroizing<[u8; KEY_BYTES]>>, Failure> {
        let path = self.key_path();
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        let read = fs::File::open(&path).and_then(|mut file| {
            file.read_exact(key.as_mut())?;
            let longer = file.read(&mut [0])? > 0;
            if longer { Err(io::ErrorKind::InvalidData.into()) } else { Ok(()) }
        });
        match read {
            Ok(()) => Ok(Some(key)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Failure::new(format_args!(
                "the vault's key in {} cannot be read ({error}); it must be the {KEY_BYTES} bytes that init wrote",
                path.display()
            ))),
        }
    }

    /// Writes a fresh key to the key file, readable by its owner only, and makes it durable. Never replaces one.
    pub fn write_key(&self, key: &[u8; KEY_BYTES]) -> Result<(), Failure> {
        let path = self.key_path();
        let mut options = fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let write = || {
            let mut file = options.open(&path)?;
            file.write_all(key)?;
            file.sync_all()?;
            // The entry in the folder must be as durable as the vault that needs it.
            fs::File::open(&self.folder)?.sync_all()
        };
        write().map_err(|error| {
            Failure::new(format_args!("the key file {} cannot be written: {error}", path.display()))
        })
    }

    /// Takes back a key file whose vault could not be made.
    pub fn remove_key(&self) {
        let _ = fs::remove_file(self.key_path());
    }

    /// Where the key file is.
    pub fn key_path(&self) -> PathBuf {
        self.folder.join(KEY_FILE)
    }
}
