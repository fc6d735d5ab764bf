//! The bytes of the blobs of an answer, as files.

use super::{DisclosedBlob, Disclosure};
use deaddrop_shred::{Disk, ReadError, Reader};
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

/// The reason for which the bytes of blobs were not written to files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// The folder exists.
    #[error("the folder for the blobs exists already; name a new one")]
    Exists,
    /// The folder or a file could not be written.
    #[error("the blobs cannot be written: {0}")]
    Write(io::ErrorKind),
    /// The disk of the store failed.
    #[error("the store cannot be read; check the disk")]
    Read,
}

impl From<io::Error> for ExportError {
    fn from(error: io::Error) -> Self {
        Self::Write(error.kind())
    }
}

/// Makes the folder, and writes each blob of the answer into a file there. The answer gets the names
/// of the files. The bytes are those that the sender's client sealed: the relay's own encryption is
/// removed, that of the users is not.
///
/// # Errors
/// Fails with [`ExportError`]. Damaged blobs are no error: the answer marks them.
pub fn export_blobs<D: Disk>(
    answer: &mut Disclosure,
    reader: &Reader<D>,
    folder: &Path,
) -> Result<(), ExportError> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(false);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => ExportError::Exists,
        kind => ExportError::Write(kind),
    })?;
    for (mailbox, place) in answer.mailboxes.iter_mut().zip(1_u64..) {
        write_blobs(&mut mailbox.blobs, reader, folder, &format!("mailbox-{place:06}"))?;
    }
    write_blobs(&mut answer.blobs_without_mailbox, reader, folder, "no-mailbox")
}

/// Writes each of the blobs into a file of the folder, whose name begins with `name`.
fn write_blobs<D: Disk>(
    blobs: &mut [DisclosedBlob],
    reader: &Reader<D>,
    folder: &Path,
    name: &str,
) -> Result<(), ExportError> {
    for (blob, number) in blobs.iter_mut().zip(1_u64..) {
        let body = match reader.read_secret(&blob.key) {
            Ok(body) => body,
            Err(ReadError::Io) => return Err(ExportError::Read),
            Err(_) => {
                blob.damaged = Some(true);
                continue;
            }
        };
        let name = format!("{name}-blob-{number:04}.sealed");
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(folder.join(&name))?;
        file.write_all(&body)?;
        file.sync_all()?;
        (blob.file, blob.damaged) = (Some(name), Some(false));
    }
    Ok(())
}
