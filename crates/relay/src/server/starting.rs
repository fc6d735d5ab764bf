//! Answers to clients while the store is being opened: the port is open, `/health` says that the
//! process lives, and every other request is told to come again soon.

use super::arrival::refuse;
use super::connection::Connection;
use super::listeners::{ACCEPT_PAUSE, Listeners, Peer};
use super::metrics;
use super::paths::path;
use super::peeked_stream::{PeekedStream, read_proxy_header};
use super::status::ALIVE;
use super::stream::Stream;
use crate::proxy::Proxies;
use deaddrop_tls::{Reloader, TlsError};
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::task::JoinSet;

/// The answer to a request until the store is open: a whole HTTP response.
const STARTING: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 2\r\nContent-Type: text/plain; charset=utf-8\r\n\
    Cache-Control: no-store\r\nContent-Length: 9\r\nConnection: close\r\n\r\nstarting\n";
/// Maximum number of connections of clients that are served at the same time (spec/12-relay.md section 7).
/// Others are told at once that they get no place.
const AT_ONCE: usize = 64;
/// Time that a connection has to send its request and take the answer (spec/12-relay.md section 7).
const PATIENCE: Duration = Duration::from_secs(5);

/// Waits for `opened` and returns its output; meanwhile answers each request with status 503 and
/// `starting`, except for `/health`, for at most 64 connections of clients and 8 to the
/// socket for metrics at a time; others are refused at once. A connection costs a bounded amount of memory, and one without a request ends after five
/// seconds.
///
/// # Errors
/// Fails with [`TlsError`] when the certificate cannot be used; then `opened` is not waited for.
pub async fn answer_until<T>(
    listeners: &Listeners,
    certificate: Option<&Reloader>,
    proxies: &Proxies,
    opened: impl Future<Output = T>,
) -> Result<T, TlsError> {
    let tls =
        certificate.map(|certificate| deaddrop_tls::server_config(certificate.resolver())).transpose()?;
    let (mut answers, mut own_answers) = (JoinSet::new(), JoinSet::new());
    let mut opened = std::pin::pin!(opened);
    loop {
        tokio::select! {
            biased;
            opened = &mut opened => {
                // Each ends by itself within `PATIENCE`.
                answers.detach_all();
                own_answers.detach_all();
                return Ok(opened);
            }
            (accepted, is_own) = accept(listeners) => {
                let (answers, at_once) =
                    if is_own { (&mut own_answers, metrics::AT_ONCE) } else { (&mut answers, AT_ONCE) };
                while answers.try_join_next().is_some() {}
                match accepted {
                    Ok((stream, peer)) if answers.len() < at_once => {
                        let has_header = !is_own && proxies.speak_proxy_protocol && peer.is_proxy(proxies);
                        let tls = tls.clone().filter(|_| !is_own);
                        let answering = answer(stream, has_header, tls);
                        answers.spawn(async move {
                            let _ = tokio::time::timeout(PATIENCE, answering).await;
                        });
                    }
                    Ok(_) if is_own => {}
                    Ok((stream, _)) => refuse(&stream, tls.is_some()),
                    Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
                }
            }
        }
    }
}

/// Waits for the next connection. Returns also whether it came to the socket for metrics, on which
/// there are neither proxies nor TLS.
async fn accept(listeners: &Listeners) -> (io::Result<(Stream, Peer)>, bool) {
    let own = async {
        match listeners.metrics() {
            Some(own) => own.accept().await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        accepted = listeners.accept() => (accepted, false),
        accepted = own => (accepted, true),
    }
}

/// Whether the head of a request asks for `/health`. The base of the relay's paths is not known
/// yet, so any path may stand before it.
fn is_for_health(head: &[u8]) -> bool {
    let head = String::from_utf8_lossy(head);
    let mut words = head.lines().next().unwrap_or_default().split(' ');
    let is_read = matches!(words.next(), Some("GET" | "HEAD"));
    let target = path(words.next().unwrap_or_default());
    is_read && target.split('?').next().is_some_and(|target| target.ends_with("/health"))
}

/// Returns the answer to `/health`: a whole HTTP response.
fn alive(is_head: bool) -> String {
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nCache-Control: no-store\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{}",
        ALIVE.len(),
        if is_head { "" } else { ALIVE }
    )
}

/// Reads the request of one connection, and answers it. Returns `None` if the request cannot be
/// read or the answer cannot be sent. With `has_header`, the connection begins with a header of the
/// PROXY protocol.
async fn answer(
    mut stream: Stream,
    has_header: bool,
    tls: Option<Arc<deaddrop_tls::rustls::ServerConfig>>,
) -> Option<()> {
    if has_header {
        read_proxy_header(&mut stream).await?;
    }
    let connection = match (tls, &stream) {
        (Some(tls), Stream::Tcp(_)) => {
            Connection::Tls(Box::new(deaddrop_tls::accept(stream, tls).await.ok()?))
        }
        _ => Connection::Plain(stream),
    };
    let (mut connection, head) = PeekedStream::read_head(connection).await?.into_parts();
    if is_for_health(&head) {
        connection.write_all(alive(head.starts_with(b"HEAD ")).as_bytes()).await.ok()?;
    } else {
        connection.write_all(STARTING).await.ok()?;
    }
    connection.shutdown().await.ok()
}
