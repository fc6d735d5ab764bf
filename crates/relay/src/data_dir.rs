//! The operator's directory: configuration, two keys, the store (spec/12-relay.md section 9).
//!
//! The store key lies beside the store. A person who takes the disk can open it like the running
//! relay, without the destroyed records. An operator who wants more keeps the key elsewhere
//! ([`KeySource`]), or runs the relay without a store (`--volatile`).

mod config_fault;
mod key_place;
mod key_source;
mod new_config;
mod rotation;

pub(crate) use key_place::file_system_name;
pub use key_place::{KeyPlace, Medium};
pub(crate) use key_source::parse_hex;
pub use key_source::{CREDENTIALS_DIRECTORY, KeyError, KeySource, NotAKeySource};
pub(crate) use new_config::NEW_CONFIG;
pub use rotation::{RotateError, Rotated, RotationStep};

use crate::about::Contact;
use crate::kept::{KeptStore, OpenStoreError, ShredBacking};
use crate::limits::Limits;
use crate::names::StoreKey;
use crate::proxy::ProxyName;
use deaddrop_link::{RelayIdentity, RelaySeed};
use deaddrop_shred::{CreateError, FileDisk, Geometry, OpenError, Shred};
use rand::CryptoRng;
use serde::{Deserialize, Serialize};
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Name of the file with the configuration.
pub const CONFIG: &str = "config.toml";
/// Name of the file from which the relay's identity derives.
pub const IDENTITY_KEY: &str = "identity.key";
/// Name of the store key's file.
pub const STORE_KEY: &str = "store.key";
/// Name of the store's file.
pub const STORE: &str = "store.shred";
/// Name of the file that marks a relay as moved to another host.
pub const MOVED: &str = "moved.json";
/// Name of the file with the one-time key of a directory that waits for an import.
pub const IMPORT_KEY: &str = "import.key";

/// Address at which a relay listens if nothing else is said: loopback, for a proxy on this machine.
pub const DEFAULT_LISTEN: &str = "127.0.0.1:7700";

/// The configuration of a relay, as `config.toml` holds it.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RelayConfig {
    /// Address (host and port) to listen on; port 0 takes a free one. Without it the relay listens
    /// on the unix socket alone if `unix` is given, and else at [`DEFAULT_LISTEN`].
    pub listen: Option<String>,
    /// Path of a unix socket to listen on, for a proxy on this machine.
    pub unix: Option<PathBuf>,
    /// Path of the file with the TLS certificate and its chain (PEM). Without it the relay speaks
    /// no TLS.
    pub tls_cert: Option<PathBuf>,
    /// Path of the file with the certificate's key (PEM, P-256 or P-384).
    pub tls_key: Option<PathBuf>,
    /// The URL for clients, if it differs from the address on which the relay listens: behind a
    /// proxy.
    pub url: Option<String>,
    /// The token that a client must show to create mailboxes. Without it every client may create
    /// them.
    pub create_token: Option<CreateToken>,
    /// Whether the relay believes the system's clock at once, however far it is ahead of the stored
    /// day.
    pub trust_clock: bool,
    /// Proxies in front of the relay: the client addresses that they report are believed.
    pub proxies: Vec<ProxyName>,
    /// Whether the proxies begin each connection with a header of the PROXY protocol.
    pub proxy_protocol: bool,
    /// Address of loopback, or `unix:` and a path, at which the relay shows its metrics. Without it
    /// the relay shows none.
    pub metrics: Option<String>,
    /// The operator's contact, for the relay's page.
    pub contact: Option<Contact>,
    /// Source of the store key, if it is not the file in the directory.
    pub store_key: Option<KeySource>,
    /// Source of the key of the relay's identity, if it is not the file in the directory.
    pub identity_key: Option<KeySource>,
    /// The limits. The file needs to name only those that differ from the defaults.
    pub limits: Limits,
}

/// The token that a client shows to create mailboxes. It is wiped when it is dropped, and `Debug`
/// does not print it.
#[derive(PartialEq, Eq)]
pub struct CreateToken(Zeroizing<String>);

impl CreateToken {
    /// Returns the token's text.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl core::fmt::Debug for CreateToken {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("CreateToken(..)")
    }
}

impl Serialize for CreateToken {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for CreateToken {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|token| Self(Zeroizing::new(token)))
    }
}

/// The reason for which a relay's directory was not used. The text says what to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DataDirError {
    /// The directory for `init` is not empty.
    #[error(
        "there is something in this directory already; choose an empty or a new one, or remove what an interrupted `init` has left"
    )]
    NotEmpty,
    /// The directory holds no relay: `init` has not been run.
    #[error("this is no relay's directory; run `deaddrop-relay init --data DIR` first")]
    NotInitialised,
    /// The directory was prepared for an import, which has not been made.
    #[error(
        "this directory waits for an import; run `deaddrop-relay import --data DIR FILE` with the file that the old host exported"
    )]
    AwaitsImport,
    /// The relay has moved to another host, so its store is not served or changed any more.
    #[error(
        "this relay has moved to another host, so its store is not used any more; `deaddrop-relay check --data DIR` says more"
    )]
    Moved,
    /// The system does not let this user read the directory or a file of it.
    #[error("this user may not read the relay's directory; run the command as the user that made it")]
    Denied,
    /// The store would be larger than the operator asked for: it has at least four segments.
    #[error(
        "a store has at least four segments; raise --max-mib to four times --segment-mib, or lower --segment-mib"
    )]
    TooFewSegments,
    /// A file of the relay is missing.
    #[error("a file of this relay is missing; restore the directory, or begin with a new one")]
    Incomplete,
    /// A key file does not have 32 bytes.
    #[error("a key file is damaged; it holds 32 bytes, restore it")]
    BadKey,
    /// The configuration does not parse.
    #[error(
        "config.toml has a line that the relay does not understand; `deaddrop-relay check --data DIR` says which"
    )]
    BadConfig,
    /// Another configuration than the directory's own names the source of a key.
    #[error(
        "`store_key` and `identity_key` belong into config.toml of the relay's directory: every command reads them there"
    )]
    KeyNamedElsewhere,
    /// A key could not be read from the source that the configuration names.
    #[error(transparent)]
    Key(KeyError),
    /// The store could not be created.
    #[error(transparent)]
    Create(#[from] CreateError),
    /// The store could not be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The store was opened, but could not be made ready for serving.
    #[error(transparent)]
    Ready(#[from] OpenStoreError),
    /// The system refused to read or write a file.
    #[error("the directory cannot be read or written; check the disk and the permissions")]
    Io,
}

/// The directory of a relay, by its path: configuration, two keys, and the store.
#[derive(Clone, Debug)]
pub struct DataDir {
    path: PathBuf,
}

/// The sizes that are chosen when a store is created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreSize {
    /// MiB of one segment, the step in which the store's file grows: 1 to 256.
    pub segment_mib: u32,
    /// MiB to which the store's file may grow. There are always at least 4 segments.
    pub max_mib: u32,
}

impl Default for StoreSize {
    fn default() -> Self {
        Self { segment_mib: 64, max_mib: 8_192 }
    }
}

impl StoreSize {
    pub(crate) fn geometry(self) -> Geometry {
        // One slot per 4 KiB of the segment, as a 4 KiB blob takes one page and a slot.
        let segment_bytes = self.segment_mib.clamp(1, 256) << 20;
        Geometry {
            segment_bytes,
            slots_per_segment: segment_bytes / 4_096,
            max_segments: (self.max_mib / self.segment_mib.clamp(1, 256)).max(4),
            ..Geometry::server()
        }
    }
}

impl DataDir {
    /// Makes the value for the directory at `path`. Nothing is read yet.
    #[must_use]
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Whether the relay has moved to another host, as far as its directory tells: then its store
    /// is never served again.
    #[must_use]
    pub fn has_moved(&self) -> bool {
        let found = fs::symlink_metadata(self.path.join(MOVED));
        !found.is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
    }

    /// Makes a new relay in the directory, which is made if it does not exist: keys, store, and
    /// last the configuration, which shows that everything is there.
    ///
    /// # Errors
    /// Fails with [`DataDirError`] when the directory is not empty, the sizes do not fit, or a file
    /// cannot be written. Then everything is as before: what was there is not touched, and what was
    /// made is removed.
    pub fn init(&self, size: StoreSize, rng: &mut (impl CryptoRng + ?Sized)) -> Result<(), DataDirError> {
        if size.max_mib / 4 < size.segment_mib {
            return Err(DataDirError::TooFewSegments);
        }
        let was_there = self.path.is_dir();
        make_directory(&self.path)?;
        if fs::read_dir(&self.path).map_err(reading)?.next().is_some() {
            return Err(DataDirError::NotEmpty);
        }
        let seed = RelaySeed::generate(rng);
        let begun = write_new(&self.path.join(IDENTITY_KEY), seed.expose());
        if begun == Err(DataDirError::NotEmpty) {
            // Another `init` has begun here: its files stay.
            return begun;
        }
        begun.and_then(|()| self.fill(size, rng)).inspect_err(|_| {
            for name in [CONFIG, STORE, &format!("{STORE}.new"), STORE_KEY, IDENTITY_KEY] {
                let _ = fs::remove_file(self.path.join(name));
            }
            if !was_there {
                let _ = fs::remove_dir(&self.path);
            }
        })
    }

    /// Writes the files of a new relay, all but that of its identity, into the directory.
    fn fill(&self, size: StoreSize, rng: &mut (impl CryptoRng + ?Sized)) -> Result<(), DataDirError> {
        let key = StoreKey::generate(rng);
        write_new(&self.path.join(STORE_KEY), key.expose())?;
        let disk = FileDisk::create(self.path.join(STORE))?;
        Shred::create(disk, &size.geometry(), &key.unlock(), rng)?;
        write_new(&self.path.join(CONFIG), NEW_CONFIG.as_bytes())?;
        sync_directory(&self.path)
    }

    /// Reads the configuration from the file `instead`, or else from the directory's own.
    ///
    /// # Errors
    /// Fails with [`DataDirError`] when the file cannot be read or does not parse, and also when
    /// the directory has no configuration of its own.
    pub fn config(&self, instead: Option<&Path>) -> Result<RelayConfig, DataDirError> {
        let text = self.config_text(instead)?;
        let config: RelayConfig = toml::from_str(&text).map_err(|_| DataDirError::BadConfig)?;
        if instead.is_some() && (config.store_key.is_some() || config.identity_key.is_some()) {
            return Err(DataDirError::KeyNamedElsewhere);
        }
        Ok(config)
    }

    /// Returns the source of the store key.
    ///
    /// # Errors
    /// Fails with [`DataDirError`] when the directory's configuration cannot be read.
    pub fn store_key_source(&self) -> Result<KeySource, DataDirError> {
        Ok(self.config(None)?.store_key.unwrap_or_else(|| KeySource::File(STORE_KEY.into())))
    }

    /// Returns the source of the key of the relay's identity.
    ///
    /// # Errors
    /// Fails with [`DataDirError`] when the directory's configuration cannot be read.
    pub fn identity_key_source(&self) -> Result<KeySource, DataDirError> {
        Ok(self.config(None)?.identity_key.unwrap_or_else(|| KeySource::File(IDENTITY_KEY.into())))
    }

    /// Describes the first fault of the configuration (of the file `instead`, or else of the
    /// directory's own) with file, line and a suggestion, but without the text of the line, which
    /// may hold the token. Returns `None` if there is no fault.
    ///
    /// # Errors
    /// Fails with [`DataDirError`] when the file cannot be read, and also when the directory has no
    /// configuration of its own.
    pub fn config_fault(&self, instead: Option<&Path>) -> Result<Option<String>, DataDirError> {
        let text = self.config_text(instead)?;
        let Err(error) = toml::from_str::<RelayConfig>(&text) else { return Ok(None) };
        let own = self.path.join(CONFIG);
        Ok(Some(config_fault::describe(&error, &text, instead.unwrap_or(&own))))
    }

    fn config_text(&self, instead: Option<&Path>) -> Result<String, DataDirError> {
        let own = self.own_config()?;
        fs::read_to_string(instead.unwrap_or(&own)).map_err(reading)
    }

    /// Returns the path of the directory's own configuration, which shows that there is a relay.
    fn own_config(&self) -> Result<PathBuf, DataDirError> {
        let own = self.path.join(CONFIG);
        match fs::metadata(&own) {
            Ok(found) if found.is_file() => Ok(own),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Err(DataDirError::Denied),
            _ if self.path.join(IMPORT_KEY).is_file() => Err(DataDirError::AwaitsImport),
            _ => Err(DataDirError::NotInitialised),
        }
    }

    /// Reads the relay's identity.
    ///
    /// # Errors
    /// Fails with [`DataDirError`] when the key cannot be read from its source, or does not have 32 bytes.
    pub fn identity(&self) -> Result<RelayIdentity, DataDirError> {
        Ok(RelayIdentity::from_seed(&self.seed()?))
    }

    /// Reads the seed of the relay's identity.
    pub(crate) fn seed(&self) -> Result<RelaySeed, DataDirError> {
        Ok(RelaySeed::copy_of(&*self.read_key(&self.identity_key_source()?)?))
    }

    /// Reads the key that opens the store.
    ///
    /// # Errors
    /// Fails with [`DataDirError`] when the key cannot be read from its source, or does not have 32 bytes.
    pub fn store_key(&self) -> Result<StoreKey, DataDirError> {
        Ok(StoreKey::from_bytes(*self.read_key(&self.store_key_source()?)?))
    }

    /// Opens the store for serving.
    ///
    /// # Errors
    /// Fails with [`DataDirError`] when the key cannot be read or the store cannot be opened.
    pub fn open(
        &self,
        limits: Limits,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<KeptStore<ShredBacking>, DataDirError> {
        let shred = self.open_store(rng)?;
        KeptStore::over(shred, &self.store_key()?, limits, rng).map_err(DataDirError::Ready)
    }

    /// Opens the record store, locked against other processes and other handles of this one.
    ///
    /// # Errors
    /// Fails with [`DataDirError`] when the key cannot be read or the store cannot be opened, and
    /// with [`DataDirError::Moved`] when the relay has moved to another host.
    pub fn open_store(&self, rng: &mut (impl CryptoRng + ?Sized)) -> Result<Shred<FileDisk>, DataDirError> {
        if self.has_moved() {
            return Err(DataDirError::Moved);
        }
        let store = self.open_for_export(rng)?;
        // An export may have marked the relay before it gave the lock back.
        if self.has_moved() { Err(DataDirError::Moved) } else { Ok(store) }
    }

    /// Whether another process holds the lock of the store: a relay that serves, or a command that
    /// changes the store.
    #[must_use]
    pub fn is_in_use(&self) -> bool {
        matches!(FileDisk::open(self.store_path()), Err(OpenError::InUse))
    }

    /// Returns the path of the store's file.
    #[must_use]
    pub fn store_path(&self) -> PathBuf {
        self.path.join(STORE)
    }

    /// Returns the path of the directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn read_key(&self, source: &KeySource) -> Result<Zeroizing<[u8; 32]>, DataDirError> {
        source.read(&self.path).map_err(|error| match (error, source) {
            (KeyError::Absent, KeySource::File(name)) if name.is_relative() => DataDirError::Incomplete,
            (KeyError::Denied, _) => DataDirError::Denied,
            (KeyError::BadLength, _) => DataDirError::BadKey,
            (KeyError::Io, _) => DataDirError::Io,
            (error, _) => DataDirError::Key(error),
        })
    }
}

fn reading(error: io::Error) -> DataDirError {
    match error.kind() {
        io::ErrorKind::PermissionDenied => DataDirError::Denied,
        _ => DataDirError::Io,
    }
}

fn opening(error: OpenError) -> DataDirError {
    match error {
        OpenError::Absent => DataDirError::Incomplete,
        other => DataDirError::Open(other),
    }
}

pub(crate) fn make_directory(path: &Path) -> Result<(), DataDirError> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(|_| DataDirError::Io)
}

/// Writes a new file that only the owner can read. Fails if something is at `path` already.
fn write_new(path: &Path, bytes: &[u8]) -> Result<(), DataDirError> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => DataDirError::NotEmpty,
        _ => DataDirError::Io,
    })?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(|_| DataDirError::Io)
}

#[cfg(unix)]
pub(crate) fn sync_directory(path: &Path) -> Result<(), DataDirError> {
    fs::File::open(path).and_then(|directory| directory.sync_all()).map_err(|_| DataDirError::Io)
}

#[cfg(not(unix))]
pub(crate) fn sync_directory(_path: &Path) -> Result<(), DataDirError> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_create_token_is_not_printed() {
        let config: RelayConfig = toml::from_str("create_token = \"hunter2-secret\"").unwrap();
        assert_eq!(config.create_token.as_ref().map(CreateToken::expose), Some("hunter2-secret"));
        assert!(!format!("{config:?}").contains("hunter2"));
    }
}
