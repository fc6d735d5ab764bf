//! A server's certificate and private key, read from two PEM files (RFC 7468).

mod fault;
mod pem;

pub use fault::{CertificateWarning, LoadError, LoadFault};

use crate::{
    provider::signing::{EcKey, KeyFault},
    x509::Fields,
};
use pem::{CertificateFile, KeyFile};
use rustls::{pki_types::CertificateDer, sign::CertifiedKey};
use std::{
    path::Path,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

/// A chain of certificates with the private key that fits the first of them, the server's own.
#[derive(Clone, Debug)]
pub struct ServerCertificate {
    key: Arc<CertifiedKey>,
    not_before: u64,
    not_after: u64,
}

impl ServerCertificate {
    /// Reads a chain and its private key from PEM files. The server's own certificate comes first
    /// in the file of the chain.
    ///
    /// # Errors
    /// Fails with [`LoadError`], which names the file and says what is wrong with it and what to
    /// do. An expired certificate is no error; see [`warning`](Self::warning).
    pub fn load(certificate_path: &Path, key_path: &Path) -> Result<Self, LoadError> {
        let chain = pem::read(certificate_path)?;
        let key = pem::read(key_path)?;
        let chain = pem::certificates(&chain).map_err(|fault| LoadError::new(certificate_path, fault))?;
        let key = pem::private_key(&key).map_err(|fault| LoadError::new(key_path, fault))?;
        Self::fit(chain, &key, certificate_path, key_path)
    }

    fn fit(
        chain: CertificateFile,
        key: &KeyFile,
        certificate_path: &Path,
        key_path: &Path,
    ) -> Result<Self, LoadError> {
        let key = EcKey::from_der(key.der()).map_err(|fault| {
            LoadError::new(
                key_path,
                match fault {
                    KeyFault::Rsa => LoadFault::RsaKey,
                    KeyFault::Other => LoadFault::OtherKey,
                    KeyFault::Malformed => LoadFault::MalformedKey,
                },
            )
        })?;
        let point = key.public_point();
        let mut own = None;
        for (index, certificate) in chain.0.iter().enumerate() {
            let fields = Fields::parse(certificate)
                .ok_or_else(|| LoadError::new(certificate_path, LoadFault::MalformedCertificate))?;
            if fields.key == point {
                own = Some((index, fields.not_before, fields.not_after));
                break;
            }
        }
        let (not_before, not_after) = match own {
            Some((0, not_before, not_after)) => (not_before, not_after),
            Some(_) => return Err(LoadError::new(certificate_path, LoadFault::WrongOrder)),
            None => return Err(LoadError::new(key_path, LoadFault::DoesNotFit)),
        };
        Ok(Self { key: Arc::new(CertifiedKey::new(chain.0, Arc::new(key))), not_before, not_after })
    }

    /// Returns the fault for which clients refuse the certificate at the time `now`; `None` if it
    /// is valid then. Only the dates of the server's own certificate are looked at.
    #[must_use]
    pub fn warning(&self, now: SystemTime) -> Option<CertificateWarning> {
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        if now > self.not_after {
            Some(CertificateWarning::Expired)
        } else if now < self.not_before {
            Some(CertificateWarning::NotYetValid)
        } else {
            None
        }
    }

    /// Returns the last moment at which the server's own certificate is valid.
    #[must_use]
    pub fn not_after(&self) -> SystemTime {
        UNIX_EPOCH + std::time::Duration::from_secs(self.not_after)
    }

    /// Returns the chain, the server's own certificate first.
    #[must_use]
    pub fn chain(&self) -> &[CertificateDer<'static>] {
        &self.key.cert
    }

    /// Returns the chain and its key in the form that rustls takes.
    pub(crate) fn certified_key(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.key)
    }
}
