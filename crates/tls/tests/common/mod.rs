//! Fixtures and pairs of connected streams for the tests.
#![allow(dead_code, reason = "not every test uses every helper")]

use deaddrop_tls::{
    Reloader, Roots, TlsError, TlsStream, Verify, accept, client_config, connect,
    rustls::{ClientConfig, ServerConfig},
    server_config,
};
use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, SystemTime},
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream};

/// Host name in the certificates of `fixtures/`.
pub(crate) const NAME: &str = "relay.test";

/// Returns the path of a file of `fixtures/`.
pub(crate) fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

/// Returns the configuration of a server with this certificate file and this key file of
/// `fixtures/`.
pub(crate) fn server(certificate: &str, key: &str) -> Arc<ServerConfig> {
    let reloader = Reloader::load(&fixture(certificate), &fixture(key), SystemTime::now()).unwrap();
    server_config(reloader.resolver()).unwrap()
}

/// Returns the configuration of a client that trusts only the root certificate in this file of
/// `fixtures/`.
pub(crate) fn trusting(root: &str) -> Arc<ClientConfig> {
    client_config(&Verify::Roots(Roots::load(&fixture(root)).unwrap())).unwrap()
}

/// The two ends of a connection: the client's, then the server's.
pub(crate) type Pair = (TlsStream<DuplexStream>, TlsStream<DuplexStream>);

/// Performs a handshake and returns both results: the client's, then the server's.
pub(crate) async fn try_pair(
    client: Arc<ClientConfig>,
    server: Arc<ServerConfig>,
    name: &str,
) -> (Result<TlsStream<DuplexStream>, TlsError>, Result<TlsStream<DuplexStream>, TlsError>) {
    let (near, far) = tokio::io::duplex(4 << 10);
    tokio::join!(connect(near, client, name), accept(far, server))
}

/// Performs a handshake that must succeed, for the host [`NAME`].
pub(crate) async fn pair(client: Arc<ClientConfig>, server: Arc<ServerConfig>) -> Pair {
    let (client, server) = try_pair(client, server, NAME).await;
    (client.unwrap(), server.unwrap())
}

/// Performs a handshake with the certificate `p256.pem` and a client that trusts its root.
pub(crate) async fn usual_pair() -> Pair {
    pair(trusting("root.pem"), server("p256.pem", "p256.key")).await
}

/// Returns `len` bytes in a pattern that repeats after 251, so that lost or swapped bytes are
/// noticed.
pub(crate) fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|i| u8::try_from(i * 31 % 251).unwrap()).collect()
}

/// Sends `len` bytes through `from` and expects them at `to`.
pub(crate) async fn send<A: AsyncRead + AsyncWrite + Unpin, B: AsyncRead + AsyncWrite + Unpin>(
    from: &mut A,
    to: &mut B,
    len: usize,
) {
    let bytes = pattern(len);
    let mut got = vec![0; len];
    let write = async {
        from.write_all(&bytes).await.unwrap();
        from.flush().await.unwrap();
    };
    let (_, read) = tokio::join!(write, to.read_exact(&mut got));
    assert_eq!(read.unwrap(), len);
    assert!(got == bytes, "other bytes arrived");
}

/// Awaits `future`. Panics after 60 s, so that a test that hangs ends.
pub(crate) async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(60), future).await.expect("the test hangs")
}
