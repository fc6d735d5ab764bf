//! Peers that break rules, and connections that break: each has a bound and an end.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::{pattern, send, server, trusting, usual_pair, within};
use deaddrop_tls::{
    MAX_CLIENT_HELLO, MAX_HANDSHAKE, MAX_QUIET, MAX_UNSENT, TlsError, TlsStream, Verify, accept,
    client_config, connect, provider,
    rustls::{
        ClientConfig, ClientConnection, ContentType, Error, ProtocolVersion, SupportedCipherSuite,
        Tls13CipherSuite,
        crypto::cipher::{
            AeadKey, Iv, MessageDecrypter, MessageEncrypter, OutboundChunks, OutboundOpaqueMessage,
            OutboundPlainMessage, Tls13AeadAlgorithm, UnsupportedOperationError,
        },
        pki_types::ServerName,
        version::TLS13,
    },
};
use std::{
    io::{ErrorKind, Read, Write},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf};

/// Returns the header of a record of the content type `kind` with `len` bytes.
fn header(kind: u8, len: usize) -> [u8; 5] {
    let [high, low] = u16::try_from(len).unwrap().to_be_bytes();
    [kind, 3, 3, high, low]
}

#[tokio::test]
async fn a_long_hello_ends_the_handshake() {
    let (mut near, far) = tokio::io::duplex(256 << 10);
    // A ClientHello of 60,000 bytes, in records of 1,000.
    let mut message = vec![1, 0, 0xea, 0x60];
    message.resize(60_004, 0);
    for part in message.chunks(1_000) {
        near.write_all(&header(22, part.len())).await.unwrap();
        near.write_all(part).await.unwrap();
    }
    let error = within(accept(far, server("p256.pem", "p256.key"))).await.unwrap_err();
    assert!(matches!(error, TlsError::TooLarge), "{error:?}");
    const { assert!(MAX_CLIENT_HELLO < 60_000) };
}

#[tokio::test]
async fn a_server_that_sends_without_end_ends_the_handshake() {
    let (mut near, far) = tokio::io::duplex(1 << 20);
    // A HelloRetryRequest never comes to an end: a message of 2^16 - 1 bytes.
    let mut message = vec![2, 0, 0xff, 0xff];
    message.resize(MAX_HANDSHAKE + 20_000, 0);
    for part in message.chunks(16_000) {
        near.write_all(&header(22, part.len())).await.unwrap();
        near.write_all(part).await.unwrap();
    }
    let client = client_config(&Verify::PinnedOnly).unwrap();
    let error = within(connect(far, client, common::NAME)).await.unwrap_err();
    assert!(matches!(error, TlsError::TooLarge | TlsError::Protocol(_)), "{error:?}");
}

#[tokio::test]
async fn another_protocol_is_no_tls() {
    let (mut near, far) = tokio::io::duplex(4 << 10);
    near.write_all(b"GET / HTTP/1.1\r\nHost: relay.test\r\n\r\n").await.unwrap();
    let error = within(accept(far, server("p256.pem", "p256.key"))).await.unwrap_err();
    assert!(matches!(error, TlsError::NotTls), "{error:?}");
    assert!(error.to_string().contains("does not speak TLS"));
    let (mut near, far) = tokio::io::duplex(4 << 10);
    near.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
    let client = client_config(&Verify::PinnedOnly).unwrap();
    let error = within(connect(far, client, common::NAME)).await.unwrap_err();
    assert!(matches!(error, TlsError::NotTls), "{error:?}");
}

#[tokio::test]
async fn a_connection_that_ends_in_the_handshake_is_closed() {
    let (near, far) = tokio::io::duplex(4 << 10);
    drop(near);
    let error = within(accept(far, server("p256.pem", "p256.key"))).await.unwrap_err();
    assert!(matches!(error, TlsError::Closed), "{error:?}");
}

#[tokio::test]
async fn the_end_is_told_from_a_cut() {
    // Each direction ends by itself.
    let (mut near, mut far) = within(usual_pair()).await;
    near.write_all(b"last words").await.unwrap();
    near.shutdown().await.unwrap();
    let mut got = Vec::new();
    within(far.read_to_end(&mut got)).await.unwrap();
    assert_eq!(got, b"last words");
    assert_eq!(far.read(&mut [0; 8]).await.unwrap(), 0, "the end stays");
    within(send(&mut far, &mut near, 40_000)).await;
    assert_eq!(near.write(b"more").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
    far.shutdown().await.unwrap();
    assert_eq!(within(near.read(&mut [0; 8])).await.unwrap(), 0);
    // A cut.
    let (near, mut far) = within(usual_pair()).await;
    drop(near);
    for _ in 0..2 {
        let error = within(far.read(&mut [0; 8])).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
    }
    far.shutdown().await.unwrap_err();
}

/// A stream on which each read and each write moves one byte at most.
struct Dribble(DuplexStream);

impl AsyncRead for Dribble {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let mut one = [0];
        let mut read = ReadBuf::new(&mut one);
        std::task::ready!(Pin::new(&mut self.0).poll_read(cx, &mut read))?;
        buf.put_slice(read.filled());
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Dribble {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, &buf[..buf.len().min(1)])
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

#[tokio::test]
async fn records_in_single_bytes_arrive() {
    let (near, far) = tokio::io::duplex(64);
    let client = connect(Dribble(near), trusting("root.pem"), common::NAME);
    let (near, far) = tokio::join!(client, accept(Dribble(far), server("chained.pem", "p256.key")));
    let (mut near, mut far) = (near.unwrap(), far.unwrap());
    within(send(&mut near, &mut far, 20_000)).await;
    within(send(&mut far, &mut near, 3)).await;
    near.shutdown().await.unwrap();
    assert_eq!(within(far.read(&mut [0; 8])).await.unwrap(), 0);
}

/// A reader that takes a few bytes at a time gets all of them, in order.
#[tokio::test]
async fn small_reads_take_a_large_record_apart() {
    let (mut near, mut far) = within(usual_pair()).await;
    let bytes = pattern(40_000);
    let write = async {
        near.write_all(&bytes).await.unwrap();
        near.shutdown().await.unwrap();
    };
    let read = async {
        let mut got = Vec::new();
        let mut part = [0; 7];
        loop {
            match far.read(&mut part).await.unwrap() {
                0 => return got,
                n => got.extend_from_slice(&part[..n]),
            }
        }
    };
    let (_, got) = within(async { tokio::join!(write, read) }).await;
    assert!(got == bytes);
}

#[tokio::test]
async fn a_peer_that_never_reads_makes_writing_wait() {
    let (mut near, mut far) = within(usual_pair()).await;
    let bytes = pattern(16_384);
    let mut accepted = 0;
    while let Poll::Ready(n) = poll_once(|cx| Pin::new(&mut near).poll_write(cx, &bytes)) {
        accepted += n.unwrap();
        assert!(accepted < 1 << 20, "writing never waits");
    }
    // The connection itself holds 4 KiB of it.
    assert!((MAX_UNSENT..MAX_UNSENT + 2 * 16_700).contains(&accepted), "{accepted}");
    assert!(near.held_bytes() >= accepted - 4_096, "what waits is told: {}", near.held_bytes());
    let mut got = vec![0; accepted];
    within(async { tokio::join!(async { near.flush().await.unwrap() }, far.read_exact(&mut got)) })
        .await
        .1
        .unwrap();
    assert!(got.chunks(16_384).all(|part| part == &bytes[..part.len()]));
    assert_eq!(near.held_bytes() + far.held_bytes(), 0, "an idle connection holds nothing");
}

fn poll_once<T>(mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>) -> Poll<T> {
    poll(&mut Context::from_waker(std::task::Waker::noop()))
}

#[tokio::test]
async fn a_changed_byte_ends_the_connection() {
    let (mut near, mut far, mut wire) = buffered().await;
    near.writer().write_all(b"hello").unwrap();
    let mut record = Vec::new();
    near.write_tls(&mut record).unwrap();
    let last = record.len() - 1;
    record[last] ^= 1;
    wire.write_all(&record).await.unwrap();
    let error = within(far.read(&mut [0; 8])).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidData);
    assert_eq!(within(far.read(&mut [0; 8])).await.unwrap_err().kind(), ErrorKind::InvalidData);
    assert_eq!(far.write(b"x").await.unwrap_err().kind(), ErrorKind::InvalidData);
    far.shutdown().await.unwrap();
    // The peer learns of it.
    let mut alert = Vec::new();
    within(wire.read_to_end(&mut alert)).await.unwrap();
    near.read_tls(&mut &alert[..]).unwrap();
    assert!(matches!(near.process_new_packets(), Err(Error::AlertReceived(_))));
}

#[tokio::test]
async fn a_record_that_is_too_long_ends_the_connection() {
    let (_near, mut far, mut wire) = buffered().await;
    wire.write_all(&header(23, 18_000)).await.unwrap();
    wire.write_all(&[0; 16_700]).await.unwrap();
    let error = within(far.read(&mut [0; 8])).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidData, "{error:?}");
    assert!(error.to_string().contains("too many bytes"), "{error}");
}

#[tokio::test]
async fn requests_for_new_keys_are_answered_and_bounded() {
    let (mut near, mut far, mut wire) = buffered().await;
    for round in 0..200_u8 {
        near.refresh_traffic_keys().unwrap();
        near.writer().write_all(&[round]).unwrap();
        let mut records = Vec::new();
        near.write_tls(&mut records).unwrap();
        wire.write_all(&records).await.unwrap();
        let mut got = [0];
        within(far.read_exact(&mut got)).await.unwrap();
        assert_eq!(got, [round]);
        within(far.write_all(&[round])).await.unwrap();
        within(read_one(&mut near, &mut wire, round)).await;
    }
    // Without data between them, they end the connection.
    let flood = async {
        loop {
            near.refresh_traffic_keys().unwrap();
            let mut records = Vec::new();
            near.write_tls(&mut records).unwrap();
            if wire.write_all(&records).await.is_err() {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    let mut rest = [0; 8];
    let error = tokio::select! {
        () = flood => panic!("the server left without an error"),
        result = within(far.read(&mut rest)) => result.unwrap_err(),
    };
    assert_eq!(error.kind(), ErrorKind::InvalidData);
}

/// Receives one byte over `wire` through rustls' own buffered connection, and expects `want`.
async fn read_one(near: &mut ClientConnection, wire: &mut DuplexStream, want: u8) {
    let mut got = [0];
    loop {
        match near.reader().read(&mut got) {
            Ok(1) => return assert_eq!(got, [want]),
            Ok(_) => panic!("the end"),
            Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
        }
        let mut part = [0; 4_096];
        let n = wire.read(&mut part).await.unwrap();
        near.read_tls(&mut &part[..n]).unwrap();
        near.process_new_packets().unwrap();
    }
}

#[tokio::test]
async fn empty_records_are_bounded() {
    let (mut near, mut far, mut wire) = buffered().await;
    // A few are allowed (RFC 8446 section 5.1).
    let mut records = Vec::new();
    for text in [EMPTY, EMPTY, b"data"] {
        near.writer().write_all(text).unwrap();
        near.write_tls(&mut records).unwrap();
    }
    wire.write_all(&records).await.unwrap();
    let mut got = [0; 4];
    within(far.read_exact(&mut got)).await.unwrap();
    assert_eq!(&got, b"data");
    // rustls bounds their number.
    flood(EMPTY, &mut near, &mut far, &mut wire, "TooManyEmptyFragments").await;
    // We bound the bytes of those that are empty but for their padding.
    let (mut near, mut far, mut wire) = buffered().await;
    flood(PADDED, &mut near, &mut far, &mut wire, "too many bytes").await;
}

/// Sends records that carry `kind` ([`EMPTY`] or [`PADDED`]) until the server ends the connection
/// with an error whose text contains `says`.
async fn flood(
    kind: &[u8],
    near: &mut ClientConnection,
    far: &mut TlsStream<DuplexStream>,
    wire: &mut DuplexStream,
    says: &str,
) {
    let flood = async {
        let mut sent = 0;
        loop {
            let mut records = Vec::new();
            near.writer().write_all(kind).unwrap();
            near.write_tls(&mut records).unwrap();
            wire.write_all(&records).await.unwrap();
            sent += records.len();
            assert!(sent < MAX_QUIET + 100_000, "no bound");
            tokio::task::yield_now().await;
        }
    };
    let mut rest = [0; 8];
    let error = tokio::select! {
        () = flood => return,
        result = within(far.read(&mut rest)) => result.unwrap_err(),
    };
    assert_eq!(error.kind(), ErrorKind::InvalidData);
    assert!(error.to_string().contains(says), "{error}");
}

/// Makes a connection between a client in rustls' own buffered form, which can send empty records,
/// and our server. Returns both, and the client's end of the wire.
async fn buffered() -> (ClientConnection, TlsStream<DuplexStream>, DuplexStream) {
    let (mut wire, far) = tokio::io::duplex(64 << 10);
    let name = ServerName::try_from(common::NAME).unwrap();
    let mut near = ClientConnection::new(client_that_sends_empty_records(), name).unwrap();
    let server = tokio::spawn(accept(far, server("p256.pem", "p256.key")));
    while near.is_handshaking() || near.wants_write() {
        while near.wants_write() {
            let mut records = Vec::new();
            near.write_tls(&mut records).unwrap();
            wire.write_all(&records).await.unwrap();
        }
        if near.is_handshaking() {
            let mut part = [0; 4_096];
            let n = wire.read(&mut part).await.unwrap();
            near.read_tls(&mut &part[..n]).unwrap();
            near.process_new_packets().unwrap();
        }
    }
    (near, within(server).await.unwrap().unwrap(), wire)
}

/// Data in place of which [`Emptying`] seals a record without data.
const EMPTY: &[u8] = b"an empty record, please";

/// Data in place of which [`Emptying`] seals a record without data and with as much padding as
/// fits.
const PADDED: &[u8] = b"an empty record with padding, please";

/// Returns the configuration of a client whose only suite is wrapped in [`Emptying`].
fn client_that_sends_empty_records() -> Arc<ClientConfig> {
    let mut some = (*provider()).clone();
    let suite = some.cipher_suites[0].tls13().unwrap();
    let wrapped = Tls13CipherSuite {
        common: deaddrop_tls::rustls::crypto::CipherSuiteCommon {
            suite: suite.common.suite,
            hash_provider: suite.common.hash_provider,
            confidentiality_limit: suite.common.confidentiality_limit,
        },
        hkdf_provider: suite.hkdf_provider,
        aead_alg: Box::leak(Box::new(Emptying(suite.aead_alg))),
        quic: None,
    };
    some.cipher_suites = vec![SupportedCipherSuite::Tls13(Box::leak(Box::new(wrapped)))];
    let builder =
        ClientConfig::builder_with_provider(Arc::new(some)).with_protocol_versions(&[&TLS13]).unwrap();
    let roots = {
        use deaddrop_tls::rustls::pki_types::{CertificateDer, pem::PemObject};
        let mut roots = deaddrop_tls::rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(common::fixture("root.pem")).unwrap()).unwrap();
        roots
    };
    Arc::new(builder.with_root_certificates(roots).with_no_client_auth())
}

/// An AEAD that seals a record without data in place of [`EMPTY`] and of [`PADDED`], and other data
/// as it is.
struct Emptying(&'static dyn Tls13AeadAlgorithm);

impl Tls13AeadAlgorithm for Emptying {
    fn encrypter(&self, key: AeadKey, iv: Iv) -> Box<dyn MessageEncrypter> {
        Box::new(EmptyingRecords(self.0.encrypter(key, iv)))
    }

    fn decrypter(&self, key: AeadKey, iv: Iv) -> Box<dyn MessageDecrypter> {
        self.0.decrypter(key, iv)
    }

    fn key_len(&self) -> usize {
        self.0.key_len()
    }

    fn extract_keys(
        &self,
        _: AeadKey,
        _: Iv,
    ) -> Result<deaddrop_tls::rustls::ConnectionTrafficSecrets, UnsupportedOperationError> {
        Err(UnsupportedOperationError)
    }
}

struct EmptyingRecords(Box<dyn MessageEncrypter>);

impl MessageEncrypter for EmptyingRecords {
    fn encrypt(
        &mut self,
        message: OutboundPlainMessage<'_>,
        seq: u64,
    ) -> Result<OutboundOpaqueMessage, Error> {
        if message.payload.to_vec() == EMPTY {
            let (typ, version) = (ContentType::ApplicationData, ProtocolVersion::TLSv1_3);
            return self
                .0
                .encrypt(OutboundPlainMessage { typ, version, payload: OutboundChunks::new_empty() }, seq);
        }
        if message.payload.to_vec() == PADDED {
            // RFC 8446 section 5.2: the type stands before the padding, which is zeros. So the type that is sealed is a zero, too.
            let mut padded = vec![0; 16_384];
            padded[0] = ContentType::ApplicationData.into();
            let (typ, version) = (ContentType::from(0), ProtocolVersion::TLSv1_3);
            let payload = OutboundChunks::Single(&padded);
            return self.0.encrypt(OutboundPlainMessage { typ, version, payload }, seq);
        }
        self.0.encrypt(message, seq)
    }

    fn encrypted_payload_len(&self, payload_len: usize) -> usize {
        self.0.encrypted_payload_len(payload_len)
    }
}
