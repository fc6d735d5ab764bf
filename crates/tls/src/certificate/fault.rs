//! Faults of a server's certificate files, each with a text that says what to do.

use std::{
    io,
    path::{Path, PathBuf},
};

/// The error of a certificate file or a key file that was refused.
#[derive(Debug, thiserror::Error)]
#[error("{}: {fault}", path.display())]
pub struct LoadError {
    path: PathBuf,
    fault: LoadFault,
}

impl LoadError {
    pub(crate) fn new(path: &Path, fault: LoadFault) -> Self {
        Self { path: path.to_owned(), fault }
    }

    /// Returns the path of the file that was refused.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the reason for which the file was refused.
    #[must_use]
    pub fn fault(&self) -> &LoadFault {
        &self.fault
    }
}

/// The reason for which a certificate file or a key file was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadFault {
    /// There is no such file.
    #[error("there is no such file: check the path")]
    Missing,
    /// The file cannot be read.
    #[error("the file cannot be read ({0}): let the user that runs the relay read it")]
    Unreadable(io::Error),
    /// The file is empty.
    #[error("the file is empty: write it again")]
    Empty,
    /// The file has more than 1 MiB, which no certificate or key file needs.
    #[error("the file is larger than 1 MiB: check the path")]
    TooLarge,
    /// The file has a PEM section without an end, or whose content cannot be decoded.
    #[error("a PEM section is cut off or damaged: write the file again")]
    BadPem,
    /// The certificate file holds no certificate.
    #[error(
        "the file holds no certificate (a section that begins with -----BEGIN CERTIFICATE-----): check the path"
    )]
    NoCertificate,
    /// The certificate file holds a private key.
    #[error(
        "the certificate file holds a private key: keep the key in a file of its own, and check that the two paths are not swapped"
    )]
    KeyInCertificateFile,
    /// A certificate of the file is not well-formed X.509. Those behind the one that fits the key
    /// are not checked.
    #[error("a certificate cannot be read: get the file again from its authority")]
    MalformedCertificate,
    /// The key file holds no private key.
    #[error(
        "the file holds no private key (a section that begins with -----BEGIN PRIVATE KEY-----): check the path"
    )]
    NoKey,
    /// The key file holds a certificate and no private key.
    #[error("the file holds a certificate and no private key: check that the two paths are not swapped")]
    CertificateInKeyFile,
    /// The key file holds several private keys.
    #[error("the file holds several private keys: keep only the one of the certificate")]
    SeveralKeys,
    /// The private key is encrypted with a passphrase.
    #[error(
        "the private key is encrypted: write it without a passphrase (openssl pkey -in encrypted.pem -out key.pem)"
    )]
    EncryptedKey,
    /// The private key is an RSA key.
    #[error(
        "this is an RSA key, and a P-256 or P-384 key is needed: make one with `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out key.pem` and ask for a certificate for it (certbot: --key-type ecdsa)"
    )]
    RsaKey,
    /// The private key is for another algorithm or curve than P-256 and P-384.
    #[error(
        "this key is of a kind that is not supported (Ed25519 or another curve), and a P-256 or P-384 key is needed: make one with `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out key.pem` and ask for a certificate for it"
    )]
    OtherKey,
    /// The private key is not well-formed PKCS#8 or SEC 1.
    #[error("the private key cannot be read: write the file again")]
    MalformedKey,
    /// The private key fits a certificate of the file that is not the first.
    #[error(
        "the key fits a certificate that is not the first: put the server's own certificate first, then the intermediate ones"
    )]
    WrongOrder,
    /// The private key fits no certificate of the file.
    #[error(
        "the key fits no certificate of the certificate file: check that both files are of the same renewal"
    )]
    DoesNotFit,
    /// The certificate file or the key file changed while the two were read.
    #[error("the file changed while it was read: it is read again at the next check")]
    Changing,
}

/// A fault of the server's own certificate, which was loaded all the same. Clients refuse it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateWarning {
    /// The certificate is no longer valid.
    #[error("the certificate has expired, and clients that verify it will refuse it: renew it")]
    Expired,
    /// The certificate is not valid yet.
    #[error(
        "the certificate is not valid yet, and clients that verify it will refuse it: check the date of this machine"
    )]
    NotYetValid,
}
