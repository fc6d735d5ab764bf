//! Certificates that a client refuses, each for one reason, and the text that a person reads.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::{NAME, fixture, server, trusting, try_pair, within};
use deaddrop_tls::{
    CertificateError, TlsError, provider,
    rustls::{
        ServerConfig,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
        sign::{CertifiedKey, SingleCertAndKey},
        version::TLS13,
    },
};
use std::sync::Arc;

/// Lets a client that trusts `root` connect to `name` at `server`, and expects that both fail.
/// Returns the error of the client and its text.
async fn refused(root: &str, server: Arc<ServerConfig>, name: &str) -> (CertificateError, String) {
    let (near, far) = within(try_pair(trusting(root), server, name)).await;
    let error = near.unwrap_err();
    assert!(matches!(far.unwrap_err(), TlsError::Refused(_)), "the server learns of it by an alert");
    let text = error.to_string();
    match error {
        TlsError::Certificate(error) => (error, text),
        other => panic!("{other:?}"),
    }
}

/// Returns the configuration of a server that sends `certificate`, whose key this crate cannot sign
/// with, and signs with another key.
fn server_that_shows(certificate: &str) -> Arc<ServerConfig> {
    let key = PrivateKeyDer::from_pem_file(fixture("p256.key")).unwrap();
    let key = provider().key_provider.load_private_key(key).unwrap();
    let chain = CertificateDer::pem_file_iter(fixture(certificate)).unwrap().map(Result::unwrap).collect();
    let builder = ServerConfig::builder_with_provider(provider()).with_protocol_versions(&[&TLS13]).unwrap();
    let resolver = SingleCertAndKey::from(CertifiedKey::new(chain, key));
    Arc::new(builder.with_no_client_auth().with_cert_resolver(Arc::new(resolver)))
}

#[tokio::test]
async fn each_fault_has_its_error_and_its_text() {
    use CertificateError as E;
    for (root, certificate, name, error, says) in [
        ("root.pem", "p256.pem", "other.test", E::WrongHost, "for another host name: check the address"),
        ("root.pem", "p256.pem", "127.0.0.2", E::WrongHost, "for another host name: check the address"),
        ("root.pem", "expired.pem", NAME, E::Expired, "has expired: check the date of this machine"),
        ("root.pem", "early.pem", NAME, E::NotYetValid, "is not valid yet: check the date of this machine"),
        ("other.pem", "p256.pem", NAME, E::UnknownIssuer, "not signed by an authority that is trusted here"),
        ("root.pem", "client.pem", NAME, E::NotForServers, "is not for servers"),
        ("root-rsa.pem", "sha1.pem", NAME, E::BrokenHash, "signed with SHA-1 or MD5"),
        ("root.pem", "by-weak.pem", NAME, E::WeakKey, "has an RSA key of an unsafe size"),
    ] {
        let (found, text) = refused(root, server(certificate, "p256.key"), name).await;
        assert_eq!(found, error, "{certificate}");
        assert!(text.contains(says), "{certificate}: {text}");
    }
    let (found, _) = refused("root.pem", server_that_shows("weak.pem"), NAME).await;
    assert_eq!(found, E::WeakKey);
    // The key of a good RSA certificate is another one than the server signs with.
    let (found, text) = refused("root.pem", server_that_shows("rsa.pem"), NAME).await;
    assert_eq!(found, E::BadSignature);
    assert!(text.contains("someone may be changing the connection"), "{text}");
}

/// A chain without its intermediate certificate is refused: the client fetches none from elsewhere.
#[tokio::test]
async fn an_incomplete_chain_has_an_unknown_issuer() {
    let chain = std::fs::read_to_string(fixture("chained.pem")).unwrap();
    let own = chain.split_inclusive("-----END CERTIFICATE-----\n").next().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("own.pem");
    std::fs::write(&path, own).unwrap();
    let reloader =
        deaddrop_tls::Reloader::load(&path, &fixture("p256.key"), std::time::SystemTime::now()).unwrap();
    let server = deaddrop_tls::server_config(reloader.resolver()).unwrap();
    let (found, text) = refused("root.pem", server, NAME).await;
    assert_eq!(found, CertificateError::UnknownIssuer);
    assert!(text.contains("must send the whole chain"), "{text}");
}

#[cfg(feature = "platform")]
#[tokio::test]
async fn the_platform_does_not_trust_an_authority_of_the_tests() {
    use deaddrop_tls::{Verify, client_config};
    let client = match client_config(&Verify::Platform) {
        Ok(client) => client,
        // This machine has no certificates.
        Err(error) => {
            assert!(matches!(error, TlsError::NoPlatformRoots), "{error:?}");
            return;
        }
    };
    let (near, _) = within(try_pair(client, server("p256.pem", "p256.key"), NAME)).await;
    let error = near.unwrap_err();
    assert!(matches!(error, TlsError::Certificate(CertificateError::UnknownIssuer)), "{error:?}");
}
