//! Faults of a server's certificate files, each with a text that says what to do.

use std::{
    io,
    path::{Path, PathBuf},
};

/// A certificate file or a key file was not taken.
#[derive(Debug)]
pub struct LoadError {
    path: PathBuf,
    fault: LoadFault,
}

impl LoadError {
    pub(crate) fn new(path: &Path, fault: LoadFault) -> Self {
        Self { path: path.to_owned(), fault }
    }

    /// The file to look at.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The reason.
    #[must_use]
    pub fn fault(&self) -> &LoadFault {
        &self.fault
    }
}

/// The reason why a certificate file or a key file was not taken.
#[derive(Debug)]
#[non_exhaustive]
pub enum LoadFault {
    /// There is no such file.
    Missing,
    /// The file cannot be read.
    Unreadable(io::Error),
    /// The file is empty.
    Empty,
    /// The file is longer than such files are.
    TooLarge,
    /// The file has a PEM section that does not end or does not decode.
    BadPem,
    /// The certificate file holds no certificate.
    NoCertificate,
    /// The certificate file holds a private key.
    KeyInCertificateFile,
    /// A certificate of the file cannot be read.
    MalformedCertificate,
    /// The key file holds no private key.
    NoKey,
    /// The key file holds a certificate in place of a private key.
    CertificateInKeyFile,
    /// The key file holds several private keys.
    SeveralKeys,
    /// The private key is encrypted with a passphrase.
    EncryptedKey,
    /// The private key is an RSA key.
    RsaKey,
    /// The private key is for another algorithm or curve than P-256 and P-384.
    OtherKey,
    /// The private key cannot be read.
    MalformedKey,
    /// The private key fits a certificate of the file that is not the first.
    WrongOrder,
    /// The private key fits no certificate of the file.
    DoesNotFit,
    /// A file changed while both were read.
    Changing,
}

impl std::fmt::Display for LoadError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.fault)
    }
}

impl std::error::Error for LoadError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.fault {
            LoadFault::Unreadable(error) => Some(error),
            _ => None,
        }
    }
}

/// The command that makes a key which is taken.
const MAKE_KEY: &str = "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out key.pem";

impl std::fmt::Display for LoadFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Missing => f.write_str("there is no such file: check the path"),
            Self::Unreadable(error) => {
                write!(f, "the file cannot be read ({error}): let the user that runs the relay read it")
            }
            Self::Empty => f.write_str("the file is empty: write it again"),
            Self::TooLarge => f.write_str("the file is larger than 1 MiB: check the path"),
            Self::BadPem => f.write_str("a PEM section is cut off or damaged: write the file again"),
            Self::NoCertificate => {
                f.write_str("the file holds no certificate (a section that begins with -----BEGIN CERTIFICATE-----): check the path")
            }
            Self::KeyInCertificateFile => {
                f.write_str("the certificate file holds a private key: keep the key in a file of its own, and check that the two paths are not swapped")
            }
            Self::MalformedCertificate => f.write_str("a certificate cannot be read: get the file again from its authority"),
            Self::NoKey => {
                f.write_str("the file holds no private key (a section that begins with -----BEGIN PRIVATE KEY-----): check the path")
            }
            Self::CertificateInKeyFile => {
                f.write_str("the file holds a certificate and no private key: check that the two paths are not swapped")
            }
            Self::SeveralKeys => f.write_str("the file holds several private keys: keep only the one of the certificate"),
            Self::EncryptedKey => {
                f.write_str("the private key is encrypted: write it without a passphrase (openssl pkey -in encrypted.pem -out key.pem)")
            }
            Self::RsaKey => write!(
                f,
                "this is an RSA key, and a P-256 or P-384 key is needed: make one with `{MAKE_KEY}` and ask for a certificate for it \
                 (certbot: --key-type ecdsa)"
            ),
            Self::OtherKey => write!(
                f,
                "this key is of a kind that is not supported (Ed25519 or another curve), and a P-256 or P-384 key is needed: make one with \
                 `{MAKE_KEY}` and ask for a certificate for it"
            ),
            Self::MalformedKey => f.write_str("the private key cannot be read: write the file again"),
            Self::WrongOrder => {
                f.write_str("the key fits a certificate that is not the first: put the server's own certificate first, then the intermediate ones")
            }
            Self::DoesNotFit => {
                f.write_str("the key fits no certificate of the certificate file: check that both files are of the same renewal")
            }
            Self::Changing => f.write_str("the file changed while it was read: it is read again at the next check"),
        }
    }
}

/// A fault of a certificate that was loaded, which clients object to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CertificateWarning {
    /// It is no longer valid.
    Expired,
    /// It is not valid yet.
    NotYetValid,
}

impl std::fmt::Display for CertificateWarning {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Expired => "the certificate has expired, and clients that verify it will refuse it: renew it",
            Self::NotYetValid => {
                "the certificate is not valid yet, and clients that verify it will refuse it: check the date of this machine"
            }
        })
    }
}
