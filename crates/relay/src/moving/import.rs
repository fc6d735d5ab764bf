//! The import of a relay: a transfer file becomes a relay's directory by one rename.

use super::contents::{Frame, Head, read_frame};
use super::error::MoveError;
use super::files::{
    create_private, demand_space, destroy, destroy_store, is_there, remove, rename, with_ending,
};
use super::key_hash::KeyHash;
use super::preparation::read_secret;
use super::progress::Progress;
use super::receipt::Receipt;
use super::sealed::Opener;
use super::steps::crash_point;
use super::transfer_key::TransferSecret;
use crate::data_dir::{
    CONFIG, DataDir, IDENTITY_KEY, IMPORT_KEY, NEW_CONFIG, RelayConfig, STORE_KEY, StoreSize,
};
use crate::limits::Limits;
use deaddrop_link::RelayIdentity;
use deaddrop_shred::{Batch, CommitError, FileDisk, Record, Shred};
use deaddrop_wire::{Fingerprint, RelayUrl};
use rand::CryptoRng;
use std::fs::{self, File, TryLockError};
use std::io::{BufReader, Write};
use std::path::{Path, PathBuf};

/// Name of the file with the hash of the key by which a relay was imported.
const IMPORTED: &str = "imported.key";
/// Ending of the name of the store while it is being built.
const UNFINISHED: &str = ".import";
/// Maximum number of bytes of bodies, and of records, that one commit stores.
const COMMIT_BYTES: usize = 4 << 20;
const COMMIT_RECORDS: usize = 1_024;
/// Number of bytes that a record takes in a store beside its body, at most on average: its slot, and
/// padding.
const RECORD_BYTES: u64 = 256;

/// The result of an import.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// The fingerprint of the relay, the same as at the old host.
    pub fingerprint: Fingerprint,
    /// The receipt with which the old host destroys its store.
    pub receipt: Receipt,
    /// URL at which the relay must serve now.
    pub url: RelayUrl,
    /// Number of records: mailboxes, blobs, and few others.
    pub records: u64,
    /// Number of bytes of their bodies.
    pub bytes: u64,
    /// Whether the old host demanded a token for new mailboxes. The operator must set one here, too.
    pub needs_token: bool,
    /// Whether the store key was a file at the old host, as it is here.
    pub has_key_in_file: bool,
    /// The limits that differed from the defaults at the old host.
    pub limits: TakenLimits,
}

/// The limits of the old host that differ from the defaults, as TOML.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TakenLimits {
    /// The limits stand in the new configuration.
    Taken(String),
    /// This version does not know all of the limits, so none of them was taken.
    Unknown(String),
}

/// Makes a relay in a prepared directory from the file that the old host exported, and destroys the
/// one-time key of the directory. `max_mib` is the number of MiB to which the store may grow; as at
/// the old host if it is `None`.
///
/// All of the file is verified before anything of it counts: the store is built under another name,
/// and the configuration, by which a directory is a relay's, gets its name last. An interrupted
/// import can be repeated. If it fails, the directory is as before.
///
/// # Errors
/// Fails with [`MoveError`].
pub fn import(
    data: &DataDir,
    file: &Path,
    max_mib: Option<u32>,
    rng: &mut (impl CryptoRng + ?Sized),
    tell: &mut dyn FnMut(Progress),
) -> Result<Imported, MoveError> {
    let key_path = data.path().join(IMPORT_KEY);
    if is_there(&data.path().join(CONFIG))? {
        return Err(refuse_again(data)?);
    }
    let secret = read_secret(data)?.ok_or(MoveError::NotPrepared)?;
    let lock = File::open(&key_path)?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(MoveError::InUse),
        Err(TryLockError::Error(error)) => return Err(error.into()),
    }
    // Another import may have ended before the lock was taken.
    if is_there(&data.path().join(CONFIG))? {
        return Err(refuse_again(data)?);
    }
    clear(data, tell)?;
    let imported = build(data, file, &secret, max_mib, rng, tell).inspect_err(|_| {
        let _ = clear(data, &mut |_| ());
    })?;
    // The commit: from here on the directory is a relay's.
    rename(&with_ending(&data.path().join(CONFIG), ".new"), &data.path().join(CONFIG))?;
    destroy(&key_path)?;
    drop(lock);
    Ok(imported)
}

/// Ends an import after its commit, and returns the reason for which none is made into a directory
/// with a configuration.
fn refuse_again(data: &DataDir) -> Result<MoveError, MoveError> {
    finish_import(data)?;
    let is_imported = is_there(&data.path().join(IMPORTED))?;
    Ok(if is_imported { MoveError::AlreadyImported } else { MoveError::NotPrepared })
}

/// Destroys the one-time key of an import that was interrupted after its commit. Does nothing if there
/// is none.
///
/// # Errors
/// Fails with [`MoveError`] when the disk fails.
pub fn finish_import(data: &DataDir) -> Result<(), MoveError> {
    if is_there(&data.path().join(CONFIG))? { destroy(&data.path().join(IMPORT_KEY)) } else { Ok(()) }
}

/// Returns the receipt of the import into this directory.
///
/// # Errors
/// Fails with [`MoveError::NotPrepared`] when no import was made into this directory, and with other
/// errors when it cannot be read.
pub fn show_receipt(data: &DataDir) -> Result<Receipt, MoveError> {
    let bytes = super::files::read_bounded(&data.path().join(IMPORTED), 64)?.ok_or(MoveError::NotPrepared)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| MoveError::NotPrepared)?;
    let key = KeyHash::from_hex(text).ok_or(MoveError::NotPrepared)?;
    Ok(Receipt::of(&data.seed()?, &key))
}

/// Builds all files of the relay; the configuration has a temporary name.
fn build(
    data: &DataDir,
    file: &Path,
    secret: &TransferSecret,
    max_mib: Option<u32>,
    rng: &mut (impl CryptoRng + ?Sized),
    tell: &mut dyn FnMut(Progress),
) -> Result<Imported, MoveError> {
    let mut opener = Opener::begin(BufReader::new(File::open(file)?), secret)?;
    let head = Head::read(&mut opener)?;
    let mut size = head.size;
    size.max_mib = max_mib.unwrap_or(size.max_mib).max(size.segment_mib.saturating_mul(4));
    let segments = u64::from(size.segment_mib) << 20;
    let records = head.records.saturating_mul(RECORD_BYTES);
    demand_space(data.path(), head.bytes.saturating_add(records).saturating_add(3 * segments))?;
    let unfinished = with_ending(&data.store_path(), UNFINISHED);
    let (records, bytes) = fill_store(&unfinished, size, &head, &mut opener, rng, tell)?;
    write_private(data.path().join(IDENTITY_KEY), head.seed.expose())?;
    write_private(data.path().join(STORE_KEY), head.store_key.expose())?;
    let key = secret.key();
    write_private(data.path().join(IMPORTED), key.hash().to_hex().as_bytes())?;
    let (config, limits) = new_config(key.url().as_str(), head.limits);
    write_private(with_ending(&data.path().join(CONFIG), ".new"), config.as_bytes())?;
    // Its sync of the folder covers the names of all files.
    rename(&unfinished, &data.store_path())?;
    Ok(Imported {
        fingerprint: *RelayIdentity::from_seed(&head.seed).fingerprint(),
        receipt: Receipt::of(&head.seed, &key.hash()),
        url: key.url().clone(),
        records,
        bytes,
        needs_token: head.needs_token,
        has_key_in_file: head.has_key_in_file,
        limits,
    })
}

/// Makes a store at `path` with all records of the file. Returns the number of these, and of bytes
/// of their bodies.
fn fill_store(
    path: &Path,
    size: StoreSize,
    head: &Head,
    opener: &mut Opener<BufReader<File>>,
    rng: &mut (impl CryptoRng + ?Sized),
    tell: &mut dyn FnMut(Progress),
) -> Result<(u64, u64), MoveError> {
    let disk = FileDisk::create(path)?;
    crash_point();
    let mut store = Shred::create(disk, &size.geometry(), &head.store_key.unlock(), rng)?;
    crash_point();
    let (mut records, mut bytes) = (0, 0);
    let (mut puts, mut waiting) = (Vec::new(), 0);
    loop {
        match read_frame(opener)? {
            Frame::Record(record) => {
                if store.entry(&record.key).is_some() {
                    return Err(MoveError::Malformed); // a record comes once.
                }
                records += 1;
                bytes += record.body.len() as u64;
                waiting += record.body.len();
                puts.push(record);
                if waiting >= COMMIT_BYTES || puts.len() >= COMMIT_RECORDS {
                    commit(&mut store, std::mem::take(&mut puts), rng)?;
                    waiting = 0;
                    tell(Progress { done: bytes, total: head.bytes });
                }
            }
            // the end counts what came before it.
            Frame::End { records: all, bytes: of } if (all, of) != (records, bytes) => {
                return Err(MoveError::Malformed);
            }
            Frame::End { .. } => break,
        }
    }
    if !puts.is_empty() {
        commit(&mut store, puts, rng)?;
    }
    store.settle()?;
    crash_point();
    tell(Progress { done: bytes, total: head.bytes });
    Ok((records, bytes))
}

fn commit(
    store: &mut Shred<FileDisk>,
    puts: Vec<Record>,
    rng: &mut (impl CryptoRng + ?Sized),
) -> Result<(), MoveError> {
    let done = store.commit(Batch { puts, erases: Vec::new() }, rng);
    crash_point();
    match done {
        Ok(_) => Ok(()),
        // a record comes once, and fits into the store that the head describes.
        Err(CommitError::DuplicateKey | CommitError::TooLarge) => Err(MoveError::Malformed),
        Err(CommitError::Full) => Err(MoveError::StoreFull),
        Err(error) => Err(error.into()),
    }
}

/// Writes a new configuration with the URL, and with the limits of the old host if this version
/// knows all of them.
fn new_config(url: &str, limits: String) -> (String, TakenLimits) {
    let plain = format!("url = \"{url}\"\n\n{NEW_CONFIG}");
    let with_limits = format!("{plain}{limits}");
    let is_known = toml::from_str::<Limits>(&limits).is_ok_and(|limits| {
        toml::from_str::<RelayConfig>(&with_limits).is_ok_and(|config| config.limits == limits)
    });
    if is_known { (with_limits, TakenLimits::Taken(limits)) } else { (plain, TakenLimits::Unknown(limits)) }
}

/// Destroys what an interrupted import has left in the directory. The store comes first: without the
/// file nothing opens it, and with the file nothing of an earlier try may open.
fn clear(data: &DataDir, tell: &mut dyn FnMut(Progress)) -> Result<(), MoveError> {
    let unfinished = with_ending(&data.store_path(), UNFINISHED);
    for store in [with_ending(&unfinished, ".new"), unfinished, data.store_path()] {
        if is_link(&store)? {
            remove(&store)?;
        } else if is_there(&store)? {
            destroy_store(&store, tell)?;
        }
    }
    for name in [IDENTITY_KEY, STORE_KEY, IMPORTED] {
        let path = data.path().join(name);
        if is_link(&path)? { remove(&path)? } else { destroy(&path)? }
    }
    destroy(&with_ending(&data.path().join(CONFIG), ".new"))
}

/// Whether the path is a link. An import has made none, and must not destroy the file behind it.
fn is_link(path: &Path) -> Result<bool, MoveError> {
    Ok(is_there(path)? && fs::symlink_metadata(path)?.is_symlink())
}

fn write_private(path: PathBuf, bytes: &[u8]) -> Result<(), MoveError> {
    let mut file = create_private(&path)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    crash_point();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_move_into_a_commented_configuration() {
        let (text, taken) = new_config("wss://new.example/", "puts_per_s = 7\n".to_owned());
        let config: RelayConfig = toml::from_str(&text).unwrap();
        assert_eq!(config.url.as_deref(), Some("wss://new.example/"));
        assert_eq!(config.limits, Limits { puts_per_s: 7, ..Limits::DEFAULT });
        assert_eq!(taken, TakenLimits::Taken("puts_per_s = 7\n".to_owned()));
        for unknown in ["later = 7\n", "half_open = 1\n", "[limits]\n", "\"", "]"] {
            let (text, taken) = new_config("wss://new.example/", unknown.to_owned());
            assert_eq!(taken, TakenLimits::Unknown(unknown.to_owned()));
            assert_eq!(toml::from_str::<RelayConfig>(&text).unwrap().limits, Limits::DEFAULT);
        }
    }
    #[cfg(unix)]
    #[test]
    fn the_files_behind_links_are_not_destroyed() {
        let dir = tempfile::tempdir().unwrap();
        let (victim, data) = (dir.path().join("victim"), DataDir::at(dir.path().join("data")));
        fs::create_dir(data.path()).unwrap();
        fs::write(&victim, "notes").unwrap();
        for name in [IDENTITY_KEY, STORE_KEY, "store.shred"] {
            std::os::unix::fs::symlink(&victim, data.path().join(name)).unwrap();
        }
        clear(&data, &mut |_| ()).unwrap();
        assert_eq!(fs::read(&victim).unwrap(), b"notes");
        assert_eq!(fs::read_dir(data.path()).unwrap().count(), 0, "the links are removed");
    }
}
