//! The server on the port: a WebSocket for clients, a few static pages for people.

use super::arrival;
use super::link;
use super::peeked_stream::PeekedStream;
use super::relay::Relay;
use crate::admission::Connected;
use crate::limits::Limits;
use crate::store::{Census, Health, Store};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse};
use axum::{Router, routing::get};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;

/// Maximum number of bytes of a message until the handshake of the link is over. C1 has at most 1,278, C2 with its record of
/// 512 bytes of plaintext 1,620.
const MAX_HANDSHAKE_MESSAGE: usize = 4_096;
/// Bytes that a request for a page may have buffered.
const PAGE_BUFFER: usize = 16_384;

/// Serves one connection to its end.
pub(super) async fn serve<S: Store>(
    relay: Arc<Relay<S>>,
    stream: TcpStream,
    from_proxy: bool,
    mut connected: Connected,
) {
    let limits = &relay.shared.limits;
    let patience = Duration::from_millis(relay.shared.limits.handshake_ms);
    let begun = tokio::time::Instant::now();
    let head = arrival::read_head(&relay, stream, from_proxy, &mut connected);
    let Ok(Some(stream)) = tokio::time::timeout(patience, head).await else {
        tracing::debug!("a connection sent no request that the relay understands");
        return;
    };
    if !asks_for_websocket(stream.head()) {
        // A page is small: a client that cannot take it in this time gets no more of it.
        let _ = tokio::time::timeout(patience, page(&relay, stream)).await;
        return;
    }
    let left = patience.saturating_sub(begun.elapsed());
    let (stream, head) = stream.into_parts();
    match tokio::time::timeout(left, deaddrop_websocket::accept(stream, head, MAX_HANDSHAKE_MESSAGE)).await {
        Ok(Ok(socket)) => {
            connected.came_on(limits);
            Box::pin(link::serve(&relay, socket, connected, begun + patience)).await;
        }
        _ => tracing::debug!("a connection did not become a WebSocket"),
    }
}

/// Whether the head asks for a WebSocket at one of the relay's paths. What stands behind the head asks for nothing.
fn asks_for_websocket(head: &[u8]) -> bool {
    let head = String::from_utf8_lossy(head);
    let mut lines = head.split("\r\n").take_while(|line| !line.is_empty());
    let at_our_path = lines.next().is_some_and(|line| {
        let mut words = line.split(' ');
        words.next() == Some("GET") && words.next().is_some_and(|target| matches!(path(target), "/" | "/v1"))
    });
    at_our_path
        && lines.any(|line| {
            line.split_once(':').is_some_and(|(name, value)| {
                let mut tokens = value.split(',').map(str::trim);
                name.eq_ignore_ascii_case("upgrade")
                    && tokens.any(|one| one.eq_ignore_ascii_case("websocket"))
            })
        })
}

/// The path, with its query, of a request's target: the target itself, or what stands behind the authority of one in absolute form
/// (RFC 9112 section 3.2.2).
fn path(target: &str) -> &str {
    let is_scheme =
        |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    let absolute = target.split_once("://").filter(|(scheme, _)| is_scheme(scheme));
    let Some((_, rest)) = absolute else { return target };
    match rest.find(['/', '?', '#']) {
        // An authority is not empty.
        Some(0) => target,
        Some(at) => rest.get(at..).unwrap_or_default(),
        None if rest.is_empty() => target,
        None => "/",
    }
}

async fn page<S: Store>(relay: &Arc<Relay<S>>, stream: PeekedStream) {
    let census = relay.store.census();
    let service = TowerToHyperService::new(pages(health(&census, &relay.shared.limits)));
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .keep_alive(false)
        .max_buf_size(PAGE_BUFFER)
        .serve_connection(TokioIo::new(stream), service);
    if served.await.is_err() {
        tracing::debug!("a request for a page failed");
    }
}

/// Whether puts are taken, and why not. The age of the oldest dead byte is left out while it is below half of its limit: on
/// a relay with little to do it would tell when a mailbox was read.
fn health(census: &Census, limits: &Limits) -> (StatusCode, String) {
    let (status, mut text) = match Health::of(census, limits) {
        Health::Ok => (StatusCode::OK, "ok\n".to_owned()),
        Health::NotTakingPuts(why) => {
            (StatusCode::SERVICE_UNAVAILABLE, format!("not taking puts: {}\n", why.text()))
        }
        Health::Stopped => (StatusCode::SERVICE_UNAVAILABLE, "stopped\n".to_owned()),
    };
    if let Some(space) = census.space {
        let (half, oldest) = (limits.dead_bytes_s / 2, space.oldest_dead.map_or(0, |age| age.as_secs()));
        text += &match oldest > u64::from(half) {
            true => format!("oldest dead byte: {oldest} s\n"),
            false => format!("oldest dead byte: at most {} s\n", half.saturating_add(1)),
        };
    }
    (status, text)
}

/// Pages for browsers. They run no script, load nothing, set no cookie, and are the same for all clients.
fn pages(health: (StatusCode, String)) -> Router {
    Router::new()
        .route("/", get(|| async { still(Html(include_str!("about.html"))) }))
        .route("/i", get(|| async { still(Html(include_str!("invite.html"))) }))
        .route("/health", get(move || async move { still(health) }))
}

fn still(page: impl IntoResponse) -> impl IntoResponse {
    let set = |name: HeaderName, value: &'static str| (name, HeaderValue::from_static(value));
    let headers = [
        set(header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'; base-uri 'none'"),
        set(header::REFERRER_POLICY, "no-referrer"),
        set(header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        set(header::CACHE_CONTROL, "no-store"),
    ];
    (headers, page)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_websocket_is_asked_for_by_path_and_header() {
        let ask = |line: &str, header: &str| {
            asks_for_websocket(format!("{line}\r\nHost: a\r\n{header}\r\n\r\n").as_bytes())
        };
        assert!(ask("GET / HTTP/1.1", "Upgrade: websocket"));
        assert!(ask("GET /v1 HTTP/1.1", "upgrade: WebSocket"));
        assert!(ask("GET / HTTP/1.1", "Upgrade: h2c, WebSocket"), "one of several");
        assert!(!ask("GET /i HTTP/1.1", "Upgrade: websocket"));
        assert!(!ask("POST / HTTP/1.1", "Upgrade: websocket"));
        assert!(!ask("GET / HTTP/1.1", "Accept: */*"));
        assert!(!asks_for_websocket(b"\xff\xfe"));
        assert!(!asks_for_websocket(b"GET / HTTP/1.1\r\n\r\nUpgrade: websocket\r\n\r\n"), "behind the head");
    }
    #[test]
    fn the_absolute_form_of_a_target_is_as_good_as_its_path() {
        for (target, expected) in [
            ("/", "/"),
            ("/v1", "/v1"),
            ("http://a/", "/"),
            ("HTTPS://a.example:443/v1", "/v1"),
            ("http://a", "/"),
            ("http://a/v1?b", "/v1?b"),
            ("http://a/v1/http://b/", "/v1/http://b/"),
            ("http://a?b", "?b"),
            ("wss://a/v1", "/v1"),
            // No such form.
            ("http:///v1", "http:///v1"),
            ("http://", "http://"),
            ("/http://a/v1", "/http://a/v1"),
            ("a:80", "a:80"),
            ("*", "*"),
        ] {
            assert_eq!(path(target), expected, "{target}");
        }
    }
}
