//! HTTP on a connection: a WebSocket for clients, a few static pages for people. C1, S1 and C2 are
//! the messages of the handshake of a link (spec/10-link.md).

use super::arrival;
use super::connection::Connection;
use super::link;
use super::opened::Opened;
use super::pages::{self, PAGE_BUFFER};
use super::peeked_stream::PeekedStream;
use super::relay::Relay;
use super::request::{Request, UPGRADE_REQUIRED};
use super::status;
use super::stream::Stream;
use crate::admission::Connected;
use crate::store::Store;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::time::Instant;

/// Maximum number of bytes of a WebSocket message until the handshake of the link is over. C1 has
/// at most 1,278 bytes, C2 with its record of 512 bytes of plaintext 1,620.
const MAX_HANDSHAKE_MESSAGE: usize = 4_096;
/// Number of bytes of memory that a connection counts for before it is a link, whatever it holds:
/// the head of a request (at most 8,192) and a message of the handshake.
const BEFORE_LINK: u64 = 12_288;
/// Number of bytes of memory that a connection with TLS counts for in addition, until its head is
/// read: the client's first TLS message, and the bytes that are read from the socket at once.
const TLS_BEFORE_LINK: u64 = 20_480;

/// Serves one accepted connection to its end. `from_proxy`: the peer is one of the configured
/// proxies.
///
/// Each part of a connection's life has a box of its own, so that an idle link holds the state of
/// its conversation alone.
pub(super) fn serve<S: Store>(
    relay: Arc<Relay<S>>,
    stream: Stream,
    from_proxy: bool,
    connected: Connected,
) -> impl Future<Output = ()> + Send {
    let deadline = Instant::now() + Duration::from_millis(relay.shared.limits.handshake_ms);
    let opening = Box::pin(open(relay, stream, from_proxy, connected, deadline));
    async move {
        if let Some((relay, opened)) = opening.await
            && let Some(conversation) = Box::pin(link::begin(relay, opened, deadline)).await
        {
            let socket = Box::pin(conversation.run()).await;
            Box::pin(link::say_goodbye(socket)).await;
        }
    }
}

/// Serves a connection until it is a WebSocket. Returns `None` if it ended before that, as after a
/// request for a page.
async fn open<S: Store>(
    relay: Arc<Relay<S>>,
    stream: Stream,
    from_proxy: bool,
    mut connected: Connected,
    deadline: Instant,
) -> Option<(Arc<Relay<S>>, Opened)> {
    let limits = &relay.shared.limits;
    let patience = Duration::from_millis(limits.handshake_ms);
    let mut held = relay.memory.begin(connected.prefix());
    held.set(BEFORE_LINK + if relay.tls.is_some() { TLS_BEFORE_LINK } else { 0 });
    let head = arrival::read_head(&relay, stream, from_proxy, &mut connected);
    let Ok(Some(stream)) = tokio::time::timeout_at(deadline, head).await else {
        tracing::debug!("a connection sent no request that the relay understands");
        return None;
    };
    // A proxy may have named another network.
    held = relay.memory.begin(connected.prefix());
    held.set(BEFORE_LINK);
    match Request::parse(stream.head(), &relay.base) {
        Request::WebSocket => {}
        Request::WithoutUpgrade => {
            relay.counters.without_upgrade.fetch_add(1, Ordering::Relaxed);
            let _ = tokio::time::timeout(patience, answer(stream.into_parts().0, UPGRADE_REQUIRED)).await;
            return None;
        }
        Request::Page => {
            held.set(BEFORE_LINK + PAGE_BUFFER as u64);
            // A page is small: a client that cannot take it in this time gets no more of it.
            let _ = tokio::time::timeout(patience, page(relay, stream)).await;
            return None;
        }
    }
    let (stream, head) = stream.into_parts();
    let accepting = deaddrop_websocket::accept(stream, head, MAX_HANDSHAKE_MESSAGE);
    let Ok(Ok(socket)) = tokio::time::timeout_at(deadline, accepting).await else {
        tracing::debug!("a connection did not become a WebSocket");
        return None;
    };
    connected.came_on(limits);
    let socket = Box::new(socket);
    Some((relay, Opened { socket, connected, held }))
}

/// Sends `text`, which is a whole HTTP response, and closes the connection.
async fn answer(mut stream: Connection, text: &str) {
    let _ = stream.write_all(text.as_bytes()).await;
    let _ = stream.shutdown().await;
}

/// Answers a request for a page.
async fn page<S: Store>(relay: Arc<Relay<S>>, stream: PeekedStream) {
    pages::serve_one(stream, move |path| match relay.base.strip(path) {
        "/health" => Some(status::health()),
        "/ready" => Some(status::ready(&relay)),
        path => relay.pages.at(path),
    })
    .await;
}
