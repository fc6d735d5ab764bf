//! The reasons for which no TLS connection to a relay was made.

/// The reason for which no TLS connection was made. None of these faults goes away soon without the
/// operator or the user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum TlsFault {
    /// The certificate is for other host names than that of the address.
    #[error("the relay's TLS certificate is for another host name; check the address, or tell the operator")]
    WrongHost,
    /// The certificate has expired.
    #[error(
        "the relay's TLS certificate has expired; if the date of this device is right, the operator must renew it"
    )]
    Expired,
    /// The certificate is not valid yet.
    #[error(
        "the relay's TLS certificate is not valid yet; check the date of this device, or tell the operator"
    )]
    NotYetValid,
    /// No trusted authority has signed the certificate.
    #[error(
        "no authority that is trusted here has signed the relay's TLS certificate; the link inside is safe without one \
                 (verify by the pinned key only), or trust the operator's own authority"
    )]
    UnknownIssuer,
    /// The certificate is weak, revoked, damaged, or of a kind that is not known.
    #[error("the relay's TLS certificate is weak, revoked or damaged; the operator needs a new one")]
    BadCertificate,
    /// Nothing that speaks TLS 1.3 answers at the address.
    #[error("what answers at the relay's address does not speak TLS 1.3; check the address and its port")]
    NotTls,
    /// This system has no list of certificate authorities that can be used.
    #[error(
        "this system has no list of certificate authorities; install it (ca-certificates), or verify by the pinned key only"
    )]
    NoAuthorities,
}

impl TlsFault {
    /// Returns the identifier of the fault for programs, such as `tls_expired`. It never changes.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::WrongHost => "tls_wrong_host",
            Self::Expired => "tls_expired",
            Self::NotYetValid => "tls_not_yet_valid",
            Self::UnknownIssuer => "tls_unknown_issuer",
            Self::BadCertificate => "tls_bad_certificate",
            Self::NotTls => "tls_not_spoken",
            Self::NoAuthorities => "tls_no_authorities",
        }
    }
}
