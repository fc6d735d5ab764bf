//! A store in a file: lock, refusals, atomic creation (S14).
//!
//! Rules S1 to S16 are the table at the end of spec/13-shred.md.

use crate::disk::Disk;
use crate::error::{CreateError, OpenError};
use crate::volume;
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// A disk that is a file.
///
/// `Shred::create(FileDisk::create(path)?, ..)` and `Shred::open(FileDisk::open(path)?, ..)`. The lock lasts as
/// long as the disk; it belongs to the open file, so it also keeps out a second handle of the same process, and
/// the system drops it when the process dies.
#[derive(Debug)]
pub struct FileDisk {
    file: File,
    /// The names of a store that is being created: the one it has so far, and the one it will have.
    /// `None` for a finished store.
    unfinished: Mutex<Option<Names>>,
}

#[derive(Debug)]
struct Names {
    temporary: PathBuf,
    proper: PathBuf,
}

impl FileDisk {
    /// Creates a new file for a new store. The file gets the name `path` only when `Shred::create`
    /// has finished; until then the name is `path` with `.new` appended. A file that has that name
    /// already loses its content. Missing directories are made, readable by the owner only.
    ///
    /// # Errors
    /// Fails with `Exists` when the name `path` is taken, with `InUse` when another process, or
    /// another handle of this one, is creating a store there, with `UnsupportedFileSystem` when the
    /// file system keeps old bytes, and with `Full` or `Io` when the file cannot be made.
    pub fn create(path: impl AsRef<Path>) -> Result<Self, CreateError> {
        let proper = path.as_ref().to_path_buf();
        let mut temporary = OsString::from(&proper);
        temporary.push(".new");
        let temporary = PathBuf::from(temporary);
        make_directory(parent(&proper)).map_err(|error| CreateError::of_disk(&error))?;
        if exists(&proper)? {
            return Err(CreateError::Exists);
        }
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(&temporary).map_err(|error| CreateError::of_disk(&error))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(CreateError::InUse),
            Err(TryLockError::Error(_)) => return Err(CreateError::Io),
        }
        // Between opening and locking, another process may have finished: then this is its store.
        if exists(&proper)? || !is_still(&file, &temporary) {
            return Err(CreateError::Exists);
        }
        let disk = Self { file, unfinished: Mutex::new(Some(Names { temporary, proper })) };
        if !volume::can_delete(&disk.file).map_err(|error| CreateError::of_disk(&error))? {
            return Err(CreateError::UnsupportedFileSystem);
        }
        // What a killed creation left behind is no store and never was; whatever else has the name keeps neither its bytes nor its mode.
        disk.file.set_len(0).map_err(|error| CreateError::of_disk(&error))?;
        #[cfg(unix)]
        disk.file
            .set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o600))
            .map_err(|error| CreateError::of_disk(&error))?;
        Ok(disk)
    }

    /// Opens the file of a store, locked against other writers. Its content is not looked at:
    /// [`Shred::open`](crate::Shred::open) does that.
    ///
    /// # Errors
    /// Fails with `Absent` when nothing has this name, with `NotAStore` when it is not a file, with
    /// `InUse` when another writer has the lock, with `UnsupportedFileSystem` when the file system
    /// keeps old bytes, else with `Io`.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        let file = open_with(path.as_ref(), OpenOptions::new().read(true).write(true))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(OpenError::InUse),
            Err(TryLockError::Error(_)) => return Err(OpenError::Io),
        }
        if !volume::can_delete(&file).map_err(|_| OpenError::Io)? {
            return Err(OpenError::UnsupportedFileSystem);
        }
        Ok(Self { file, unfinished: Mutex::new(None) })
    }

    /// Opens the file of a store for [`Shred::open_read_only`](crate::Shred::open_read_only): no
    /// lock, no writing, on any file system. Its content is not looked at.
    ///
    /// # Errors
    /// Fails with `Absent` when nothing has this name, with `NotAStore` when it is not a file, and
    /// with `Io` when it cannot be opened.
    pub fn open_read_only(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        let file = open_with(path.as_ref(), OpenOptions::new().read(true))?;
        Ok(Self { file, unfinished: Mutex::new(None) })
    }
}

impl Disk for FileDisk {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        #[cfg(unix)]
        return std::os::unix::fs::FileExt::read_exact_at(&self.file, buffer, offset);
        #[cfg(windows)]
        return positioned::read(&self.file, offset, buffer);
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        #[cfg(unix)]
        return std::os::unix::fs::FileExt::write_all_at(&self.file, bytes, offset);
        #[cfg(windows)]
        return positioned::write(&self.file, offset, bytes);
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        self.file.set_len(length)
    }

    /// Links the finished file to its name. Fails with `AlreadyExists` if the name was taken
    /// meanwhile.
    fn publish(&self) -> io::Result<()> {
        let mut unfinished = self.unfinished.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(Names { temporary, proper }) = unfinished.as_ref() else { return Ok(()) };
        self.file.sync_all()?;
        match fs::hard_link(temporary, proper) {
            Ok(()) => fs::remove_file(temporary)?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(error),
            // A file system without hard links. The lock on the temporary name keeps other creators out.
            Err(_) if !proper.try_exists()? => fs::rename(temporary, proper)?,
            Err(_) => return Err(io::ErrorKind::AlreadyExists.into()),
        }
        sync_directory(parent(proper))?;
        *unfinished = None;
        Ok(())
    }
}

impl Drop for FileDisk {
    /// Removes the unfinished file of a creation that was given up.
    fn drop(&mut self) {
        if let Some(names) = self.unfinished.get_mut().unwrap_or_else(PoisonError::into_inner) {
            let _ = fs::remove_file(&names.temporary);
        }
    }
}

fn open_with(path: &Path, options: &OpenOptions) -> Result<File, OpenError> {
    // Looked at first: opening a pipe for reading would wait for somebody to write.
    let kind = fs::metadata(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => OpenError::Absent,
        _ => OpenError::Io,
    })?;
    if !kind.is_file() {
        return Err(OpenError::NotAStore);
    }
    options.open(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => OpenError::Absent,
        _ => OpenError::Io,
    })
}

fn exists(path: &Path) -> Result<bool, CreateError> {
    match fs::symlink_metadata(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(_) => Err(CreateError::Io),
    }
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn make_directory(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// Whether `path` still names exactly this file, and the file has no other name.
#[cfg(unix)]
fn is_still(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    match (file.metadata(), fs::symlink_metadata(path)) {
        (Ok(a), Ok(b)) => a.dev() == b.dev() && a.ino() == b.ino() && a.nlink() == 1 && b.is_file(),
        _ => false,
    }
}

#[cfg(not(unix))]
fn is_still(_file: &File, path: &Path) -> bool {
    path.is_file()
}

#[cfg(unix)]
fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

#[cfg(not(unix))]
fn sync_directory(_path: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(windows)]
mod positioned {
    //! Positioned reads and writes until all is done.
    use std::fs::File;
    use std::io;
    use std::os::windows::fs::FileExt;

    pub(super) fn read(file: &File, mut offset: u64, mut buffer: &mut [u8]) -> io::Result<()> {
        while !buffer.is_empty() {
            let n = file.seek_read(buffer, offset)?;
            if n == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            buffer = buffer.get_mut(n..).unwrap_or_default();
            offset += n as u64;
        }
        Ok(())
    }

    pub(super) fn write(file: &File, mut offset: u64, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let n = file.seek_write(bytes, offset)?;
            if n == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            bytes = bytes.get(n..).unwrap_or_default();
            offset += n as u64;
        }
        Ok(())
    }
}
