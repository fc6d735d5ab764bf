//! The beginning of a connection: the header of a proxy in front of it, TLS, the head of the HTTP
//! request, and the network that the connection counts for. A *place* is one of the limited number
//! of connections (spec/12-relay.md section 7.2).

use super::connection::Connection;
use super::peeked_stream::{self, PeekedStream, read_proxy_header};
use super::relay::Relay;
use super::stream::Stream;
use crate::admission::{Connected, Prefix};
use crate::proxy::Named;
use futures_util::FutureExt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::io::AsyncWriteExt;

/// The answer to a connection that gets no place: a whole HTTP response.
const NO_PLACE: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 30\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
/// The answer to a connection that gets no place, before a TLS handshake: a fatal alert
/// `internal_error` (RFC 8446 section 6).
const NO_PLACE_TLS: &[u8] = &[21, 3, 3, 0, 2, 2, 80];

/// Reads the header of a proxy where one is due, makes the TLS handshake, and reads the head of the
/// HTTP request. As soon as a proxy has named the client's address, counts the connection for the
/// network of this address. Returns `None` if one of these steps fails, or if that network has no
/// room: then the peer was sent [`NO_PLACE`] or [`NO_PLACE_TLS`].
pub(super) async fn read_head<S>(
    relay: &Relay<S>,
    mut stream: Stream,
    from_proxy: bool,
    connected: &mut Connected,
) -> Option<PeekedStream> {
    let limits = &relay.shared.limits;
    let mut named = Named::Nothing;
    if from_proxy && relay.proxies.speak_proxy_protocol {
        named = read_proxy_header(&mut stream).await?;
        // A silent connection counts for the network of its own already.
        if let Named::Address(address) = named
            && !relay.proxies.contains(address)
            && !connected.came_from(relay.admission.prefix(address), limits)
        {
            note_no_room();
            refuse(&stream, relay.tls.is_some());
            return None;
        }
    }
    let connection = begin_tls(relay, stream, connected).await?;
    let stream = PeekedStream::read_head(connection).await?;
    connected.came_on(limits);
    // what is said about an address counts if a configured proxy says it.
    let client = from_proxy.then(|| relay.proxies.client(named, stream.head())).flatten();
    let network = match client {
        Some(client) => relay.admission.prefix(client),
        // A PROXY header may have named the network already.
        None if from_proxy && connected.prefix() == Prefix::ANNOUNCED => Prefix::SHARED,
        None => connected.prefix(),
    };
    if connected.came_from(network, limits) {
        return Some(stream);
    }
    note_no_room();
    let (mut connection, _) = stream.into_parts();
    let _ = connection.write_all(NO_PLACE).now_or_never();
    let _ = connection.shutdown().now_or_never();
    None
}

/// Makes the TLS handshake if the relay speaks TLS and the connection came by TCP. Returns `None`
/// if the handshake is refused or fails. A handshake costs more than anything else that a stranger
/// can ask for, so it is counted for its network before it begins.
async fn begin_tls<S>(relay: &Relay<S>, stream: Stream, connected: &Connected) -> Option<Connection> {
    let (Some(tls), Stream::Tcp(socket)) = (&relay.tls, &stream) else {
        return Some(Connection::Plain(stream));
    };
    // A connection that says nothing costs nothing.
    socket.readable().await.ok()?;
    let now_ms = relay.clock.now().ms;
    if !relay.admission.admit_tls(connected.prefix(), &relay.shared.limits, now_ms) {
        relay.counters.tls_refused.fetch_add(1, Ordering::Relaxed);
        refuse(&stream, true);
        return None;
    }
    match deaddrop_tls::accept(stream, Arc::clone(&tls.config)).await {
        Ok(stream) => Some(Connection::Tls(Box::new(stream))),
        Err(error) => {
            tracing::debug!("a TLS handshake failed: {error}");
            None
        }
    }
}

/// Logs that the network that a proxy has named holds as many connections as it may, and none of
/// them can be spared.
fn note_no_room() {
    tracing::debug!("a connection was refused: its network has too many");
}

/// Tells a new connection that it gets no place. Never waits: the answer is lost if the socket does
/// not take it at once. With `is_tls`, the relay speaks TLS on its TCP socket.
pub(super) fn refuse(stream: &Stream, is_tls: bool) {
    // What has come and is not read would turn the end into a reset, and the peer's system might drop the answer for it.
    let _ = stream.try_read(&mut [0; peeked_stream::MAX_HEAD]);
    let answer = if is_tls && matches!(stream, Stream::Tcp(_)) { NO_PLACE_TLS } else { NO_PLACE };
    let _ = stream.try_write(answer);
}
