//! Our client with our server: each suite, each group, each certificate, and the parameters that
//! both agree on.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::{NAME, fixture, pair, send, server, trusting, try_pair, usual_pair, within};
use deaddrop_tls::{
    ALPN, Roots, TlsError, Verify, client_config, provider,
    rustls::{
        CipherSuite, ClientConfig, NamedGroup, RootCertStore,
        crypto::CryptoProvider,
        pki_types::{CertificateDer, pem::PemObject},
        version::TLS13,
    },
};
use std::sync::Arc;

/// Returns the configuration of a client that offers the suites and groups that `change` leaves in
/// the provider.
fn client_with(change: impl FnOnce(&mut CryptoProvider)) -> Arc<ClientConfig> {
    let mut some = (*provider()).clone();
    change(&mut some);
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(fixture("root.pem")).unwrap()).unwrap();
    let builder =
        ClientConfig::builder_with_provider(Arc::new(some)).with_protocol_versions(&[&TLS13]).unwrap();
    Arc::new(builder.with_root_certificates(roots).with_no_client_auth())
}

#[tokio::test]
async fn each_suite_carries_data_both_ways() {
    for suite in [
        CipherSuite::TLS13_CHACHA20_POLY1305_SHA256,
        CipherSuite::TLS13_AES_128_GCM_SHA256,
        CipherSuite::TLS13_AES_256_GCM_SHA384,
    ] {
        let client = client_with(|some| some.cipher_suites.retain(|one| one.suite() == suite));
        let (mut near, mut far) = within(pair(client, server("p256.pem", "p256.key"))).await;
        assert_eq!((near.suite(), far.suite()), (Some(suite), Some(suite)));
        for len in [1, 1_000, 16_384, 16_385, 300_000] {
            within(send(&mut near, &mut far, len)).await;
            within(send(&mut far, &mut near, len)).await;
        }
    }
}

#[tokio::test]
async fn each_group_agrees() {
    for group in [NamedGroup::X25519MLKEM768, NamedGroup::X25519, NamedGroup::secp256r1] {
        let client = client_with(|some| some.kx_groups.retain(|one| one.name() == group));
        let (mut near, mut far) = within(pair(client, server("p256.pem", "p256.key"))).await;
        assert_eq!((near.group(), far.group()), (Some(group), Some(group)));
        within(send(&mut near, &mut far, 10)).await;
    }
}

#[tokio::test]
async fn the_first_choices_are_the_hybrid_group_and_http() {
    let (near, far) = within(usual_pair()).await;
    assert_eq!(near.group(), Some(NamedGroup::X25519MLKEM768));
    assert_eq!((near.alpn(), far.alpn()), (Some(ALPN), Some(ALPN)));
    let first = if deaddrop_tls::is_fast() { 0x1301 } else { 0x1303 };
    assert_eq!(near.suite(), Some(CipherSuite::from(first)));
}

/// A server that lacks the group of the client's key share asks for another one by a
/// HelloRetryRequest.
#[tokio::test]
async fn another_hello_follows_a_retry() {
    let client = client_with(|some| {
        // The client sends a key share only for its first group, which the server lacks.
        some.kx_groups.retain(|one| one.name() != NamedGroup::X25519);
    });
    let builder = {
        let mut some = (*provider()).clone();
        some.kx_groups.retain(|one| one.name() == NamedGroup::secp256r1);
        deaddrop_tls::rustls::ServerConfig::builder_with_provider(Arc::new(some))
    };
    let builder = builder.with_protocol_versions(&[&TLS13]).unwrap().with_no_client_auth();
    let chain = CertificateDer::pem_file_iter(fixture("p256.pem")).unwrap().map(Result::unwrap).collect();
    let key = deaddrop_tls::rustls::pki_types::PrivateKeyDer::from_pem_file(fixture("p256.key")).unwrap();
    let server = Arc::new(builder.with_single_cert(chain, key).unwrap());
    let (mut near, mut far) = within(pair(client, server)).await;
    assert_eq!(near.group(), Some(NamedGroup::secp256r1));
    within(send(&mut near, &mut far, 10)).await;
}

#[tokio::test]
async fn each_kind_of_certificate_is_taken() {
    for (certificate, key, root) in [
        ("p256.pem", "p256.key", "root.pem"),
        ("p256.pem", "p256-sec1.key", "root.pem"),
        ("p384.pem", "p384.key", "root.pem"),
        ("chained.pem", "p256.key", "root.pem"),
        ("by-rsa.pem", "p256.key", "root-rsa.pem"),
        ("by-pss.pem", "p256.key", "root-rsa.pem"),
    ] {
        let (mut near, mut far) = within(pair(trusting(root), server(certificate, key))).await;
        within(send(&mut near, &mut far, 10)).await;
    }
    let (client, _) =
        within(try_pair(trusting("root.pem"), server("p256.pem", "p256.key"), "127.0.0.1")).await;
    client.unwrap();
}

#[tokio::test]
async fn a_client_of_a_pinned_link_takes_each_certificate() {
    let client = client_config(&Verify::PinnedOnly).unwrap();
    for certificate in ["p256.pem", "expired.pem", "client.pem", "sha1.pem"] {
        let pair = try_pair(Arc::clone(&client), server(certificate, "p256.key"), "elsewhere.test");
        let (near, far) = within(pair).await;
        within(send(&mut near.unwrap(), &mut far.unwrap(), 10)).await;
    }
}

/// A server needs the private key of its certificate, even if the client accepts every certificate.
#[tokio::test]
async fn a_server_without_the_key_of_its_certificate_is_refused() {
    let client = client_config(&Verify::PinnedOnly).unwrap();
    let (near, far) = within(try_pair(client, common_mismatch(), NAME)).await;
    let error = near.unwrap_err();
    assert!(
        matches!(error, TlsError::Certificate(deaddrop_tls::CertificateError::BadSignature)),
        "{error:?}"
    );
    assert!(matches!(far.unwrap_err(), TlsError::Refused(_)));
}

/// Returns the configuration of a server that sends one certificate and signs with the key of
/// another one.
fn common_mismatch() -> Arc<deaddrop_tls::rustls::ServerConfig> {
    use deaddrop_tls::rustls::{ServerConfig, pki_types::PrivateKeyDer, sign::CertifiedKey};
    let key = PrivateKeyDer::from_pem_file(fixture("renewed.key")).unwrap();
    let key = provider().key_provider.load_private_key(key).unwrap();
    let chain = vec![CertificateDer::from_pem_file(fixture("p256.pem")).unwrap()];
    let pair: Arc<CertifiedKey> = Arc::new(CertifiedKey::new(chain, key));
    let builder = ServerConfig::builder_with_provider(provider()).with_protocol_versions(&[&TLS13]).unwrap();
    let resolver = Arc::new(deaddrop_tls::rustls::sign::SingleCertAndKey::from(pair));
    Arc::new(builder.with_no_client_auth().with_cert_resolver(resolver))
}

#[tokio::test]
async fn nothing_in_common_is_said_on_both_sides() {
    // Another protocol inside.
    let mut client = (*client_config(&Verify::PinnedOnly).unwrap()).clone();
    client.alpn_protocols = vec![b"h2".to_vec()];
    let (near, far) = within(try_pair(Arc::new(client), server("p256.pem", "p256.key"), NAME)).await;
    assert!(matches!(near.unwrap_err(), TlsError::Refused(_)));
    assert!(matches!(far.unwrap_err(), TlsError::NothingInCommon));
    // No protocol named.
    let mut client = (*client_config(&Verify::PinnedOnly).unwrap()).clone();
    client.alpn_protocols = Vec::new();
    let (near, far) = within(try_pair(Arc::new(client), server("p256.pem", "p256.key"), NAME)).await;
    assert_eq!((near.unwrap().alpn(), far.unwrap().alpn()), (None, None));
}

#[tokio::test]
async fn a_name_that_is_none_is_refused_before_anything_is_sent() {
    let client = client_config(&Verify::PinnedOnly).unwrap();
    for name in ["", "two words", "[::1]", "relay.test:443", "-"] {
        let (near, far) = tokio::io::duplex(64);
        let error = deaddrop_tls::connect(near, Arc::clone(&client), name).await.unwrap_err();
        assert!(matches!(error, TlsError::BadName), "{name}");
        let mut far = far;
        assert_eq!(tokio::io::AsyncReadExt::read(&mut far, &mut [0; 8]).await.unwrap(), 0);
    }
}

#[test]
fn files_of_roots_say_what_is_wrong() {
    assert!(matches!(Roots::load(&fixture("none.pem")), Err(TlsError::Io(_))));
    assert!(matches!(Roots::load(&fixture("p256.key")), Err(TlsError::NoRoots)));
    assert!(matches!(Roots::from_pem(b""), Err(TlsError::NoRoots)));
    assert!(Roots::load(&fixture("root.pem")).is_ok());
}

/// The configurations offer no resumption and no early data (0-RTT).
#[test]
fn no_ticket_is_sent_and_no_early_data_is_taken() {
    let config = server("p256.pem", "p256.key");
    assert_eq!((config.send_tls13_tickets, config.max_early_data_size), (0, 0));
    assert!(!config.session_storage.can_cache());
    let client = client_config(&Verify::PinnedOnly).unwrap();
    assert!(!client.enable_early_data);
}
