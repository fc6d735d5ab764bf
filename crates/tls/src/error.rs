//! Errors of a connection, each with a text that tells a person what to do.

use rustls::{AlertDescription, InvalidMessage, PeerIncompatible, PeerMisbehaved};
use std::{io, sync::Arc};

/// The reason for which a connection was not made, or has ended.
///
/// No variant holds a name, an address or received bytes.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// Reading from or writing to the connection failed.
    #[error("the connection failed: {0}")]
    Io(io::Error),
    /// The peer closed the connection during the handshake.
    #[error(
        "the peer closed the connection during the TLS handshake: try again, or check the address and port"
    )]
    Closed,
    /// The name given to [`connect`](crate::connect) is neither a host name nor an IP address.
    #[error("this is no host name and no address: give one such as relay.example.org")]
    BadName,
    /// The server's certificate was refused.
    #[error(transparent)]
    Certificate(CertificateError),
    /// The peer speaks something other than TLS.
    #[error("the peer does not speak TLS: check the port and whether the address asks for TLS")]
    NotTls,
    /// The peer has no TLS version, cipher suite, key exchange group, signature scheme or ALPN
    /// protocol in common with this crate.
    #[error("the peer has no TLS 1.3, or no algorithm in common with us: it needs newer software")]
    NothingInCommon,
    /// The peer refused the connection, and sent this alert (RFC 8446 section 6). It is none of the
    /// alerts that mean [`NothingInCommon`](Self::NothingInCommon).
    #[error("the peer refused the TLS connection ({0:?})")]
    Refused(AlertDescription),
    /// The peer sent too many bytes: in a handshake ([`MAX_CLIENT_HELLO`](crate::MAX_CLIENT_HELLO),
    /// [`MAX_HANDSHAKE`](crate::MAX_HANDSHAKE)), in records without data
    /// ([`MAX_QUIET`](crate::MAX_QUIET)), or in one record.
    #[error("the peer sent too many bytes that carry no data, or too long a record")]
    TooLarge,
    /// The certificates of the operating system cannot be used.
    #[error(
        "the certificates of this system cannot be used: install its package of certificates (ca-certificates), or give a file of root certificates"
    )]
    NoPlatformRoots,
    /// A file of root certificates holds none that can be used.
    #[error("the file of root certificates holds no certificate that can be used: give a PEM file")]
    NoRoots,
    /// The peer broke a rule of TLS.
    #[error("the peer broke a rule of TLS: {0}")]
    Protocol(rustls::Error),
}

/// The reason for which a server's certificate was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// The certificate is for other names than the one that was asked for.
    #[error(
        "the server's certificate is for another host name: check the address; the operator needs a certificate for it"
    )]
    WrongHost,
    /// The certificate, or another one of its chain, is no longer valid.
    #[error(
        "the server's certificate has expired: check the date of this machine; if it is right, the operator must renew the certificate"
    )]
    Expired,
    /// The certificate, or another one of its chain, is not valid yet.
    #[error(
        "the server's certificate is not valid yet: check the date of this machine; if it is right, wait or tell the operator"
    )]
    NotYetValid,
    /// No trusted authority signed the certificate, or the chain to one lacks a certificate.
    #[error(
        "the server's certificate is not signed by an authority that is trusted here: the operator must send the whole chain; for an authority of your own, give its certificate file"
    )]
    UnknownIssuer,
    /// The certificate, or another one of its chain, is signed with SHA-1 or MD5.
    #[error(
        "the server's certificate is signed with SHA-1 or MD5, which can be forged: the operator needs a new certificate"
    )]
    BrokenHash,
    /// The certificate, or another one of its chain, has an RSA key of fewer than 2,048 or more
    /// than 8,192 bits.
    #[error(
        "the server's certificate has an RSA key of an unsafe size: the operator needs a new key (P-256, or RSA of 2,048 to 8,192 bits)"
    )]
    WeakKey,
    /// The certificate, or another one of its chain, uses an algorithm that this crate does not
    /// have.
    #[error(
        "the server's certificate uses an algorithm that is not supported: the operator needs one with ECDSA (P-256, P-384), RSA or Ed25519"
    )]
    UnsupportedAlgorithm,
    /// The certificate was revoked.
    #[error("the server's certificate was revoked: do not connect; the operator needs a new certificate")]
    Revoked,
    /// The certificate may not be used by TLS servers, by its own statement of purpose.
    #[error("the certificate is not for servers: the operator needs a certificate for TLS servers")]
    NotForServers,
    /// A signature of the certificate or of the handshake does not verify.
    #[error(
        "a signature of the server does not verify: someone may be changing the connection; try another network, or tell the operator"
    )]
    BadSignature,
    /// The certificate cannot be read, or breaks a rule of certificates.
    #[error("the server's certificate is malformed: the operator needs a new certificate")]
    Malformed,
}

impl From<io::Error> for TlsError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<TlsError> for io::Error {
    fn from(error: TlsError) -> Self {
        match error {
            TlsError::Io(error) => error,
            TlsError::Closed => Self::new(io::ErrorKind::UnexpectedEof, error),
            TlsError::BadName => Self::new(io::ErrorKind::InvalidInput, error),
            _ => Self::new(io::ErrorKind::InvalidData, error),
        }
    }
}

impl From<rustls::Error> for TlsError {
    fn from(error: rustls::Error) -> Self {
        match error {
            rustls::Error::InvalidCertificate(error) => Self::Certificate(error.into()),
            // RFC 8446 section 6.2: the peer speaks older versions alone, or shares no algorithm.
            rustls::Error::AlertReceived(
                AlertDescription::ProtocolVersion
                | AlertDescription::HandshakeFailure
                | AlertDescription::InsufficientSecurity,
            ) => Self::NothingInCommon,
            rustls::Error::AlertReceived(alert) => Self::Refused(alert),
            rustls::Error::InvalidMessage(
                InvalidMessage::InvalidContentType | InvalidMessage::UnknownProtocolVersion,
            ) => Self::NotTls,
            rustls::Error::PeerIncompatible(
                PeerIncompatible::ServerSentHelloRetryRequestWithUnknownExtension,
            ) => Self::Protocol(error),
            rustls::Error::PeerIncompatible(_) | rustls::Error::NoApplicationProtocol => {
                Self::NothingInCommon
            }
            rustls::Error::PeerMisbehaved(
                PeerMisbehaved::IllegalHelloRetryRequestWithUnofferedNamedGroup,
            ) => Self::NothingInCommon,
            error => Self::Protocol(error),
        }
    }
}

impl From<rustls::CertificateError> for CertificateError {
    fn from(error: rustls::CertificateError) -> Self {
        use rustls::CertificateError as Theirs;
        match error {
            Theirs::NotValidForName | Theirs::NotValidForNameContext { .. } => Self::WrongHost,
            Theirs::Expired | Theirs::ExpiredContext { .. } => Self::Expired,
            Theirs::NotValidYet | Theirs::NotValidYetContext { .. } => Self::NotYetValid,
            Theirs::UnknownIssuer => Self::UnknownIssuer,
            Theirs::UnsupportedSignatureAlgorithmContext { .. }
            | Theirs::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => Self::UnsupportedAlgorithm,
            Theirs::Revoked => Self::Revoked,
            Theirs::InvalidPurpose | Theirs::InvalidPurposeContext { .. } => Self::NotForServers,
            Theirs::BadSignature => Self::BadSignature,
            Theirs::Other(error) => error.0.downcast_ref::<Self>().copied().unwrap_or(Self::Malformed),
            _ => Self::Malformed,
        }
    }
}

impl From<CertificateError> for rustls::Error {
    fn from(error: CertificateError) -> Self {
        Self::InvalidCertificate(rustls::CertificateError::Other(rustls::OtherError(Arc::new(error))))
    }
}
