//! The handshake, with bounded input and no limit of time.

use super::{
    io::TlsStream,
    machine::{Connection, Machine, Plaintext, Wish},
};
use crate::error::TlsError;
use rustls::{
    ClientConfig, ServerConfig, client::UnbufferedClientConnection, pki_types::ServerName,
    server::UnbufferedServerConnection,
};
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Maximum number of bytes, with record headers, that a client may send until the server answers:
/// enough for a ClientHello.
pub const MAX_CLIENT_HELLO: usize = 16 << 10;

/// Maximum number of bytes, with record headers, that a peer may send during a handshake.
pub const MAX_HANDSHAKE: usize = 64 << 10;

/// Maximum number of bytes of one read during the handshake.
const READ: usize = 4 << 10;

/// Performs the handshake as the server.
///
/// The handshake has no limit of time: the caller sets one. If TLS itself fails, the peer is sent
/// an alert before the error is returned, if possible.
///
/// # Errors
/// Fails with [`TlsError`].
pub async fn accept<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    config: Arc<ServerConfig>,
) -> Result<TlsStream<S>, TlsError> {
    let connection = UnbufferedServerConnection::new(config)?;
    run(stream, Machine::new(Connection::Server(connection)), MAX_CLIENT_HELLO).await
}

/// Performs the handshake as the client of the server `name`: a host name, or an IP address.
///
/// The handshake has no limit of time: the caller sets one. If TLS itself fails, the peer is sent
/// an alert before the error is returned, if possible.
///
/// # Errors
/// Fails with [`TlsError`]; [`TlsError::BadName`] before anything is sent.
pub async fn connect<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    config: Arc<ClientConfig>,
    name: &str,
) -> Result<TlsStream<S>, TlsError> {
    let name = ServerName::try_from(name.to_owned()).map_err(|_| TlsError::BadName)?;
    let connection = UnbufferedClientConnection::new(config, name)?;
    run(stream, Machine::new(Connection::Client(connection)), MAX_HANDSHAKE).await
}

/// Runs a handshake to its end. The peer may send at most `max_first` bytes between two answers of
/// this side, and at most [`MAX_HANDSHAKE`] in all.
async fn run<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    mut machine: Machine,
    max_first: usize,
) -> Result<TlsStream<S>, TlsError> {
    let mut incoming: Vec<u8> = Vec::new();
    let mut plaintext = Plaintext::default();
    let (mut received, mut since_answer) = (0_usize, 0_usize);
    loop {
        let advanced = machine.advance(&mut incoming, Wish::Nothing, &mut |bytes| plaintext.push(bytes));
        if !machine.unsent.is_empty() {
            // The unsent bytes are an answer, or the alert that goes with an error.
            let sent = stream.write_all(machine.unsent.as_bytes()).await;
            let flushed = stream.flush().await;
            machine.unsent.mark_sent(usize::MAX);
            if advanced.is_ok() {
                sent.and(flushed)?;
            }
            since_answer = 0;
        }
        let used = advanced?;
        incoming.drain(..used.min(incoming.len()));
        if !machine.is_handshaking() {
            return Ok(TlsStream::new(stream, machine, incoming, plaintext));
        }
        let room =
            MAX_HANDSHAKE.saturating_sub(received).min(max_first.saturating_sub(since_answer)).min(READ);
        if room == 0 {
            return Err(TlsError::TooLarge);
        }
        let start = incoming.len();
        incoming.resize(start.saturating_add(room), 0);
        let n = stream.read(incoming.get_mut(start..).unwrap_or_default()).await?;
        if n == 0 {
            return Err(TlsError::Closed);
        }
        incoming.truncate(start.saturating_add(n));
        received = received.saturating_add(n);
        since_answer = since_answer.saturating_add(n);
    }
}
