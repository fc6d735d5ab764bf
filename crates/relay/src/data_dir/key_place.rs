//! The place where a key of the relay really lies: links are followed, file systems are asked
//! (spec/12-relay.md section 9).

use super::key_source::KeySource;
use super::{DataDir, DataDirError};
use serde::{Serialize, Serializer};
use std::fs::{self, Metadata};
use std::path::{Path, PathBuf};

/// The storage that holds a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Medium {
    /// The file system of the store.
    StoreFileSystem,
    /// A file system of its own on a disk. Both can be on one disk, in different partitions.
    OtherFileSystem,
    /// A file system in memory. Nothing of it survives a reboot.
    Memory,
    /// The environment of the process.
    Environment,
    /// A file of which this system does not tell the file system.
    Unknown,
    /// Nothing: the key is not there, or this user may not see it.
    Missing,
}

impl Medium {
    /// Returns a description for users of the relay and for its operator. It names no path.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::StoreFileSystem => "on the file system of the store",
            Self::OtherFileSystem => "on another file system than the store",
            Self::Memory => "in memory, in a file system that does not survive a reboot",
            Self::Environment => "in the environment of the process",
            Self::Unknown => "in a file, on a file system that this system does not tell",
            Self::Missing => "not found",
        }
    }

    /// Returns what a thief can do who takes the disk of the store.
    #[must_use]
    pub const fn consequence(self) -> &'static str {
        match self {
            Self::StoreFileSystem => {
                "a thief of this disk opens the store like the running relay, without what was destroyed"
            }
            Self::OtherFileSystem => {
                "a thief needs both file systems to open the store; two partitions of one disk are no protection"
            }
            Self::Memory => {
                "a thief of the disk alone does not open the store, unless the place from which the key comes at a boot, \
                 or swap, is on that disk; if the key is in no other place, a reboot loses the store"
            }
            Self::Environment => {
                "the key is in /proc/PID/environ of the process, for root, as long as it runs, and wherever the variable is set \
                 (a unit file, a script, the history of a shell): this is the weakest place that is not beside the store"
            }
            Self::Unknown => "it is not known which disks a thief needs to open the store",
            Self::Missing => "the store does not open, neither for a thief nor for the relay",
        }
    }
}

/// The place of a key. Its parts name no key, only paths.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KeyPlace {
    /// The source that the configuration names, or the file in the relay's directory.
    pub source: KeySource,
    /// Path of the file that the source names; `None` if the source is no file, or if there is no
    /// folder of credentials.
    pub path: Option<PathBuf>,
    /// Path of the file that holds the key after all links; `None` if there is none.
    pub real_path: Option<PathBuf>,
    /// Whether a link leads from the one to the other.
    pub is_link: bool,
    /// The storage that holds the key.
    pub medium: Medium,
    /// Name of the file system's kind, such as `tmpfs`; `None` if it is not known.
    pub file_system: Option<&'static str>,
    /// Permission bits of the file, printed in octal; `None` without a file, and on systems that have none.
    #[serde(serialize_with = "octal")]
    pub mode: Option<u32>,
    /// Number of the user that owns the file; `None` without a file, and on systems that have none.
    pub owner: Option<u32>,
}

impl KeyPlace {
    /// Finds the place of the key with this source. `directory` is the relay's, which holds the store.
    #[must_use]
    pub fn find(source: KeySource, directory: &Path) -> Self {
        let path = source.path(directory);
        let mut place = Self {
            medium: Medium::Missing,
            real_path: None,
            is_link: false,
            file_system: None,
            mode: None,
            owner: None,
            path,
            source,
        };
        if let KeySource::Environment(name) = &place.source {
            if std::env::var_os(name).is_some() {
                place.medium = Medium::Environment;
            }
            return place;
        }
        let Some(path) = &place.path else { return place };
        let (Ok(real), Ok(found)) = (fs::canonicalize(path), fs::metadata(path)) else { return place };
        place.is_link = fs::symlink_metadata(path).is_ok_and(|file| file.is_symlink());
        place.file_system = file_system_name(&real);
        place.medium = medium(&found, place.file_system, directory);
        (place.mode, place.owner) = rights(&found);
        place.real_path = Some(real);
        place
    }

    /// Whether users other than the owner of the file have a right to it.
    #[must_use]
    pub fn is_open_to_others(&self) -> bool {
        self.mode.is_some_and(|mode| mode & 0o077 != 0)
    }
}

impl DataDir {
    /// Finds the place of the store key. The key is not read.
    ///
    /// # Errors
    /// Fails with [`DataDirError`] when the directory has no configuration, or one that does not
    /// parse.
    pub fn store_key_place(&self) -> Result<KeyPlace, DataDirError> {
        Ok(KeyPlace::find(self.store_key_source()?, self.path()))
    }

    /// Finds the place of the key of the relay's identity. The key is not read.
    ///
    /// # Errors
    /// Fails with [`DataDirError`] when the directory has no configuration, or one that does not
    /// parse.
    pub fn identity_key_place(&self) -> Result<KeyPlace, DataDirError> {
        Ok(KeyPlace::find(self.identity_key_source()?, self.path()))
    }
}

#[expect(clippy::ref_option, reason = "the signature that serde asks for")]
fn octal<S: Serializer>(mode: &Option<u32>, serializer: S) -> Result<S::Ok, S::Error> {
    match mode {
        Some(mode) => serializer.collect_str(&format_args!("{mode:04o}")),
        None => serializer.serialize_none(),
    }
}

/// Magic numbers of file systems, as `statfs` tells them, with their names.
#[cfg(target_os = "linux")]
const FILE_SYSTEMS: [(u64, &str); 14] = [
    (0x0102_1994, TMPFS),
    (0x8584_58f6, RAMFS),
    (0xef53, "ext4"),
    (0x5846_5342, "xfs"),
    (0x9123_683e, "btrfs"),
    (0x2fc1_2fc1, "zfs"),
    (0xf2f5_2010, "f2fs"),
    (0x794c_7630, "overlay"),
    (0x6969, "nfs"),
    (0xff53_4d42, "cifs"),
    (0xfe53_4d42, "smb2"),
    (0x0102_1997, "9p"),
    (0x6573_5546, "fuse"),
    (0x4d44, "vfat"),
];
const TMPFS: &str = "tmpfs";
const RAMFS: &str = "ramfs";

/// Returns the name of the file system of this file; `None` if it is not known.
#[cfg(target_os = "linux")]
pub(crate) fn file_system_name(path: &Path) -> Option<&'static str> {
    let kind = rustix::fs::statfs(path).ok()?.f_type as u64 & 0xffff_ffff;
    FILE_SYSTEMS.iter().find(|(magic, _)| *magic == kind).map(|(_, name)| *name)
}

/// Returns `None`: this system is not asked.
#[cfg(not(target_os = "linux"))]
pub(crate) fn file_system_name(_path: &Path) -> Option<&'static str> {
    None
}

/// Returns the storage of a file that was found. `directory` is that of the store.
fn medium(found: &Metadata, file_system: Option<&str>, directory: &Path) -> Medium {
    if matches!(file_system, Some(TMPFS | RAMFS)) {
        return Medium::Memory;
    }
    match (device(found), fs::metadata(directory.join(super::STORE)).ok().and_then(|store| device(&store))) {
        (Some(key), Some(store)) if key == store => Medium::StoreFileSystem,
        (Some(_), Some(_)) => Medium::OtherFileSystem,
        _ => Medium::Unknown,
    }
}

#[cfg(unix)]
#[expect(clippy::unnecessary_wraps, reason = "other systems do not tell it")]
fn device(file: &Metadata) -> Option<u64> {
    Some(std::os::unix::fs::MetadataExt::dev(file))
}

#[cfg(not(unix))]
fn device(_file: &Metadata) -> Option<u64> {
    None
}

/// Returns the permission bits and the owner of a file.
#[cfg(unix)]
fn rights(file: &Metadata) -> (Option<u32>, Option<u32>) {
    use std::os::unix::fs::MetadataExt;
    (Some(file.mode() & 0o7777), Some(file.uid()))
}

/// Returns nothing: this system has no permission bits.
#[cfg(not(unix))]
fn rights(_file: &Metadata) -> (Option<u32>, Option<u32>) {
    (None, None)
}
