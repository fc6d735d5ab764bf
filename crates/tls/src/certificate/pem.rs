//! The PEM sections (RFC 7468) of a certificate file and of a key file.

use super::{LoadError, LoadFault};
use rustls::pki_types::{
    CertificateDer, PrivateKeyDer,
    pem::{PemObject, SectionKind},
};
use std::{fs::File, io::Read, path::Path};
use zeroize::{Zeroize, Zeroizing};

/// Maximum number of bytes of a certificate or key file: chains have a few KiB, so a larger file is
/// a wrong path.
const MAX_FILE: u64 = 1 << 20;

/// The certificates of a certificate file, in the order of the file.
pub(super) struct CertificateFile(pub(super) Vec<CertificateDer<'static>>);

/// The private key of a key file, in DER. It is wiped on drop.
pub(super) struct KeyFile(PrivateKeyDer<'static>);

impl KeyFile {
    pub(super) fn der(&self) -> &PrivateKeyDer<'static> {
        &self.0
    }
}

impl Drop for KeyFile {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// Reads a whole file into memory that is wiped on drop. Fails if it is empty, or longer than
/// [`MAX_FILE`].
pub(super) fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, LoadError> {
    let fail = |error: std::io::Error| {
        let missing = error.kind() == std::io::ErrorKind::NotFound;
        LoadError::new(path, if missing { LoadFault::Missing } else { LoadFault::Unreadable(error) })
    };
    let file = File::open(path).map_err(fail)?;
    let len = file.metadata().map_err(fail)?.len();
    let room = usize::try_from(len.min(MAX_FILE)).unwrap_or_default();
    // With room for the whole file, the buffer does not move and leaves no copy of a key behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(room.saturating_add(64)));
    file.take(MAX_FILE.saturating_add(1)).read_to_end(&mut bytes).map_err(fail)?;
    if bytes.is_empty() {
        return Err(LoadError::new(path, LoadFault::Empty));
    }
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > MAX_FILE {
        return Err(LoadError::new(path, LoadFault::TooLarge));
    }
    Ok(bytes)
}

/// A PEM section: its kind (the label, such as CERTIFICATE) and its decoded content.
type Section = (SectionKind, Zeroizing<Vec<u8>>);

/// Returns the sections of a file, without those of kinds that rustls does not know; fails with
/// `BadPem`.
fn sections(pem: &[u8]) -> Result<Vec<Section>, LoadFault> {
    let sections = <(SectionKind, Vec<u8>)>::pem_slice_iter(pem);
    sections
        .map(|section| section.map(|(kind, der)| (kind, Zeroizing::new(der))).map_err(|_| LoadFault::BadPem))
        .collect()
}

fn is_key(kind: SectionKind) -> bool {
    matches!(kind, SectionKind::PrivateKey | SectionKind::RsaPrivateKey | SectionKind::EcPrivateKey)
}

/// Returns the certificates of a certificate file; fails if it has none, has a private key, or is
/// damaged.
pub(super) fn certificates(pem: &[u8]) -> Result<CertificateFile, LoadFault> {
    let sections = sections(pem)?;
    if sections.iter().any(|(kind, _)| is_key(*kind)) || is_encrypted(pem) {
        return Err(LoadFault::KeyInCertificateFile);
    }
    let certificates = sections.into_iter().filter(|(kind, _)| *kind == SectionKind::Certificate);
    let certificates: Vec<_> = certificates.map(|(_, der)| CertificateDer::from(der.to_vec())).collect();
    if certificates.is_empty() {
        return Err(LoadFault::NoCertificate);
    }
    Ok(CertificateFile(certificates))
}

/// Returns the private key of a key file, which may hold certificates, too; fails unless it has
/// exactly one private key that is not encrypted, and if it is damaged.
pub(super) fn private_key(pem: &[u8]) -> Result<KeyFile, LoadFault> {
    if is_encrypted(pem) {
        return Err(LoadFault::EncryptedKey);
    }
    let sections = sections(pem)?;
    let mut keys = sections.iter().filter(|(kind, _)| is_key(*kind));
    let Some((kind, der)) = keys.next() else {
        let certificate = sections.iter().any(|(kind, _)| *kind == SectionKind::Certificate);
        return Err(if certificate { LoadFault::CertificateInKeyFile } else { LoadFault::NoKey });
    };
    if keys.next().is_some() {
        return Err(LoadFault::SeveralKeys);
    }
    PrivateKeyDer::from_pem(*kind, der.to_vec()).map(KeyFile).ok_or(LoadFault::NoKey)
}

/// Whether the file has an encrypted key: in PKCS#8 (RFC 7468 section 11), or in the older form
/// with a `Proc-Type` header.
fn is_encrypted(pem: &[u8]) -> bool {
    let has = |text: &[u8]| pem.windows(text.len()).any(|window| window == text);
    has(b"-----BEGIN ENCRYPTED PRIVATE KEY-----") || has(b"\nProc-Type: 4,ENCRYPTED")
}
