//! The certificate files of a running server. They can change, and new handshakes then use the new
//! *pair*: a chain of certificates with its private key.

use crate::certificate::{CertificateWarning, LoadError, LoadFault, ServerCertificate};
use rustls::{
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use std::{
    fs::Metadata,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, SystemTime},
};

/// Time after a change of a file within which a second change may leave the same time stamp. The
/// coarsest time stamps of usual file systems (FAT) have 2 s.
const TICK: Duration = Duration::from_secs(2);

/// The result of [`Reloader::check`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reload {
    /// The files still hold the pair that is in use.
    Unchanged,
    /// New handshakes use another pair from now on. The pair may have a fault for which clients
    /// refuse it.
    Replaced(Option<CertificateWarning>),
}

/// The certificate file and the key file of a server, with the pair that was read from them.
///
/// A reloader follows symbolic links, so it notices when certbot or Kubernetes points them
/// elsewhere. The two files need not change at once: the old pair stays in use until the new key
/// fits the new certificate.
#[derive(Debug)]
pub struct Reloader {
    certificate_path: PathBuf,
    key_path: PathBuf,
    current: ServerCertificate,
    slot: Arc<Slot>,
    /// The stamps of the two files when the current pair was read; `None` if the next check must
    /// read them in any case.
    seen: Option<[Stamp; 2]>,
}

impl Reloader {
    /// Reads the files for the first time. `now` is the time by the clock of the system.
    ///
    /// # Errors
    /// Fails as [`ServerCertificate::load`] does, and with [`LoadFault::Changing`] if a file
    /// changed meanwhile.
    pub fn load(certificate_path: &Path, key_path: &Path, now: SystemTime) -> Result<Self, LoadError> {
        let (current, seen) = read(certificate_path, key_path, now)?;
        let slot = Arc::new(Slot(RwLock::new(current.certified_key())));
        let (certificate_path, key_path) = (certificate_path.to_owned(), key_path.to_owned());
        Ok(Self { certificate_path, key_path, current, slot, seen })
    }

    /// Returns the resolver for [`server_config`](crate::server_config). It gives each handshake
    /// the pair that is in use then.
    #[must_use]
    pub fn resolver(&self) -> Arc<dyn ResolvesServerCert> {
        Arc::clone(&self.slot) as Arc<dyn ResolvesServerCert>
    }

    /// Returns the pair in use.
    #[must_use]
    pub fn current(&self) -> &ServerCertificate {
        &self.current
    }

    /// Reads the files if they changed, and uses their pair in new handshakes. The call blocks on
    /// the file system: make it on a thread that may block.
    ///
    /// # Errors
    /// Fails as [`ServerCertificate::load`] does, and with [`LoadFault::Changing`] if a file
    /// changed meanwhile. The pair in use stays, and the next check tries again.
    pub fn check(&mut self, now: SystemTime) -> Result<Reload, LoadError> {
        if let Some(seen) = self.seen
            && stamps(&self.certificate_path, &self.key_path)? == seen
        {
            return Ok(Reload::Unchanged);
        }
        let (certificate, seen) = read(&self.certificate_path, &self.key_path, now)?;
        self.seen = seen;
        if certificate.chain() == self.current.chain() {
            return Ok(Reload::Unchanged);
        }
        *self.slot.0.write().unwrap_or_else(PoisonError::into_inner) = certificate.certified_key();
        self.current = certificate;
        Ok(Reload::Replaced(self.current.warning(now)))
    }
}

/// The pair in use, shared by the reloader and the handshakes.
#[derive(Debug)]
struct Slot(RwLock<Arc<CertifiedKey>>);

impl ResolvesServerCert for Slot {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

/// Reads both files, and fails with `Changing` if one of them changed meanwhile. The returned
/// stamps are `None` if a later change might leave them the same.
fn read(
    certificate_path: &Path,
    key_path: &Path,
    now: SystemTime,
) -> Result<(ServerCertificate, Option<[Stamp; 2]>), LoadError> {
    let before = stamps(certificate_path, key_path)?;
    let certificate = ServerCertificate::load(certificate_path, key_path)?;
    let after = stamps(certificate_path, key_path)?;
    if before != after {
        let path = if before[0] == after[0] { key_path } else { certificate_path };
        return Err(LoadError::new(path, LoadFault::Changing));
    }
    let settled = before.iter().all(|stamp| stamp.is_settled(now));
    Ok((certificate, settled.then_some(before)))
}

fn stamps(certificate_path: &Path, key_path: &Path) -> Result<[Stamp; 2], LoadError> {
    let stamp = |path: &Path| {
        std::fs::metadata(path).map(|metadata| Stamp::of(&metadata)).map_err(|error| {
            let missing = error.kind() == std::io::ErrorKind::NotFound;
            LoadError::new(path, if missing { LoadFault::Missing } else { LoadFault::Unreadable(error) })
        })
    };
    Ok([stamp(certificate_path)?, stamp(key_path)?])
}

/// The metadata of a file by which a change is noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    len: u64,
    modified: Option<SystemTime>,
    /// The device, the inode, and the seconds and nanoseconds of the last change of the contents or
    /// the inode.
    #[cfg(unix)]
    inode: (u64, u64, i64, i64),
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        #[cfg(unix)]
        use std::os::unix::fs::MetadataExt;
        Self {
            len: metadata.len(),
            modified: metadata.modified().ok(),
            #[cfg(unix)]
            inode: (metadata.dev(), metadata.ino(), metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// Whether each later change will change the stamp, because the last change was more than
    /// [`TICK`] ago.
    fn is_settled(&self, now: SystemTime) -> bool {
        let modified = self.modified.and_then(|modified| now.duration_since(modified).ok());
        modified.is_some_and(|age| age > TICK)
    }
}
