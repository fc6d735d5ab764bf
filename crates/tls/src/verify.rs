//! The ways in which a client verifies a server's certificate.

use crate::{
    error::{CertificateError, TlsError},
    x509::Fields,
};
use rustls::{
    DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
};
use std::{path::Path, sync::Arc};

/// The way in which a client verifies a server's certificate.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Verify {
    /// Verifies as the operating system does. On Unix systems other than Apple's and Android, uses
    /// the system's certificate files.
    ///
    /// On Android the app must call `rustls_platform_verifier::android::init_with_env` first:
    /// without it, connecting panics. A program without a Java machine uses [`Roots`](Self::Roots)
    /// there.
    #[cfg(feature = "platform")]
    Platform,
    /// Accepts every certificate, and verifies only that the server has the private key of the
    /// certificate that it sent.
    ///
    /// **This authenticates no server.** Use it for a link that authenticates the relay itself, by
    /// its fingerprint (spec/10-link.md section 2); then an attacker in place of the server can
    /// only cut the connection, and see what TLS would have hidden: the opening handshake of the
    /// WebSocket, and the encrypted bytes of the link.
    PinnedOnly,
    /// Verifies the certificate with these roots, and trusts no others.
    Roots(Roots),
}

/// Root certificates of the authorities that are trusted to sign certificates of servers.
#[derive(Clone, Debug)]
pub struct Roots(Arc<RootCertStore>);

impl Roots {
    /// Reads the certificates of a PEM file. Certificates in it that cannot be used are skipped.
    ///
    /// # Errors
    /// Fails with [`TlsError::Io`] when the file cannot be read, [`TlsError::NoRoots`] when no
    /// certificate in it can be used.
    pub fn load(path: &Path) -> Result<Self, TlsError> {
        Self::from_pem(&std::fs::read(path)?)
    }

    /// Reads the certificates of PEM text. Certificates in it that cannot be used are skipped.
    ///
    /// # Errors
    /// Fails with [`TlsError::NoRoots`] when no certificate in it can be used.
    pub fn from_pem(pem: &[u8]) -> Result<Self, TlsError> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(CertificateDer::pem_slice_iter(pem).filter_map(Result::ok));
        if roots.is_empty() {
            return Err(TlsError::NoRoots);
        }
        Ok(Self(Arc::new(roots)))
    }
}

/// Makes the verifier of rustls that verifies in the way of `verify`; fails with `NoPlatformRoots`
/// or `NoRoots`.
pub(crate) fn verifier(
    verify: &Verify,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>, TlsError> {
    let algorithms = provider.signature_verification_algorithms;
    match verify {
        #[cfg(feature = "platform")]
        Verify::Platform => {
            let inner = rustls_platform_verifier::Verifier::new(Arc::clone(provider))
                .map_err(|_| TlsError::NoPlatformRoots)?;
            Ok(Arc::new(Explained { inner, algorithms }))
        }
        Verify::PinnedOnly => Ok(Arc::new(AnyCertificate { algorithms })),
        Verify::Roots(roots) => {
            let builder =
                WebPkiServerVerifier::builder_with_provider(Arc::clone(&roots.0), Arc::clone(provider));
            let inner = builder.build().map_err(|_| TlsError::NoRoots)?;
            Ok(Arc::new(Explained { inner, algorithms }))
        }
    }
}

/// Verifies the server's signature over the handshake (RFC 8446 section 4.4.3).
fn verify_handshake(
    message: &[u8],
    certificate: &CertificateDer<'_>,
    signed: &DigitallySignedStruct,
    algorithms: &WebPkiSupportedAlgorithms,
) -> Result<HandshakeSignatureValid, Error> {
    verify_tls13_signature(message, certificate, signed, algorithms).map_err(|error| match error {
        // The kind of signature does not go with the kind of key: it is not of this key.
        Error::InvalidCertificate(
            rustls::CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. },
        ) => CertificateError::BadSignature.into(),
        error => error,
    })
}

/// A verifier whose refusals name a broken hash or a weak key, if that is the reason.
#[derive(Debug)]
struct Explained<V> {
    inner: V,
    algorithms: WebPkiSupportedAlgorithms,
}

/// A verifier of rustls or of the platform, as [`Explained`] wraps it.
trait Inner: std::fmt::Debug + Send + Sync {
    fn as_verifier(&self) -> &dyn ServerCertVerifier;
}

impl Inner for Arc<WebPkiServerVerifier> {
    fn as_verifier(&self) -> &dyn ServerCertVerifier {
        self.as_ref()
    }
}

#[cfg(feature = "platform")]
impl Inner for rustls_platform_verifier::Verifier {
    fn as_verifier(&self) -> &dyn ServerCertVerifier {
        self
    }
}

/// Returns the error that names a broken hash or a weak key in `chain`, if that explains `error`,
/// else `error`. Called only after a refusal: a chain that is accepted may hold an unused root with
/// such a fault.
fn explain(error: Error, chain: &[&CertificateDer<'_>]) -> Error {
    let Error::InvalidCertificate(_) = &error else { return error };
    let fields = || chain.iter().filter_map(|certificate| Fields::parse(certificate));
    let known: CertificateError = match &error {
        Error::InvalidCertificate(error) => error.clone().into(),
        _ => return error,
    };
    match known {
        CertificateError::UnsupportedAlgorithm
            if fields().any(|certificate| certificate.has_broken_signature()) =>
        {
            CertificateError::BrokenHash.into()
        }
        CertificateError::BadSignature | CertificateError::UnsupportedAlgorithm
            if fields().any(|certificate| certificate.has_weak_key()) =>
        {
            CertificateError::WeakKey.into()
        }
        _ => error,
    }
}

/// Implements the verification of the handshake's signatures, the same for both verifiers of this
/// module.
macro_rules! handshake_signatures {
    () => {
        fn verify_tls12_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            Err(Error::PeerIncompatible(rustls::PeerIncompatible::Tls12NotOfferedOrEnabled))
        }

        fn verify_tls13_signature(
            &self,
            message: &[u8],
            certificate: &CertificateDer<'_>,
            signed: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            verify_handshake(message, certificate, signed, &self.algorithms)
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            self.algorithms.supported_schemes()
        }
    };
}

impl<V: Inner> ServerCertVerifier for Explained<V> {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        // A key that no signature of the handshake could verify with is named at once.
        if Fields::parse(end_entity).is_some_and(|fields| fields.has_weak_key()) {
            return Err(CertificateError::WeakKey.into());
        }
        let verifier = self.inner.as_verifier();
        verifier.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now).map_err(
            |error| {
                let chain: Vec<_> = std::iter::once(end_entity).chain(intermediates).collect();
                explain(error, &chain)
            },
        )
    }

    handshake_signatures!();
}

/// The verifier of [`Verify::PinnedOnly`].
#[derive(Debug)]
struct AnyCertificate {
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    handshake_signatures!();
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr
)]
mod limbo;
