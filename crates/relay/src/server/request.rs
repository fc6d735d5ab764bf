//! The kind of the HTTP request with which a connection begins: a WebSocket, or a page.

use super::paths::{BasePath, path};

/// The kind of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Request {
    /// A request for a WebSocket at one of the relay's paths.
    WebSocket,
    /// A request for a WebSocket without the header line `Upgrade`: a proxy has removed this line.
    WithoutUpgrade,
    /// Any other request. It gets a page, or an error.
    Page,
}

impl Request {
    /// Reads the kind of a request from its head. `base` is the path of the relay's URL. Bytes
    /// after the head are ignored.
    pub(super) fn parse(head: &[u8], base: &BasePath) -> Self {
        let head = String::from_utf8_lossy(head);
        let mut lines = head.split("\r\n").take_while(|line| !line.is_empty());
        let is_at_our_path = lines.next().is_some_and(|line| {
            let mut words = line.split(' ');
            words.next() == Some("GET")
                && words.next().is_some_and(|target| matches!(base.strip(path(target)), "/" | "/v1"))
        });
        if !is_at_our_path {
            return Self::Page;
        }
        let mut kind = Self::Page;
        for (name, value) in lines.filter_map(|line| line.split_once(':')) {
            let mut tokens = value.split(',').map(str::trim);
            if name.eq_ignore_ascii_case("upgrade") && tokens.any(|one| one.eq_ignore_ascii_case("websocket"))
            {
                return Self::WebSocket;
            }
            if name.eq_ignore_ascii_case("sec-websocket-key") {
                kind = Self::WithoutUpgrade;
            }
        }
        kind
    }
}

/// The answer to [`Request::WithoutUpgrade`] (RFC 9110 section 15.5.22): a whole HTTP response. It
/// names the remedy, because a person with a browser or `curl` sees it.
pub(super) const UPGRADE_REQUIRED: &str = "HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\nConnection: Upgrade, close\r\n\
    Content-Type: text/plain; charset=utf-8\r\nContent-Length: 178\r\n\r\n\
    A WebSocket came without its header Upgrade: the proxy in front of this relay removes it.\n\
    The proxy must pass Upgrade and Connection, and speak HTTP/1.1. See the relay's README.\n";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_websocket_is_asked_for_by_path_and_header() {
        let ask = |line: &str, header: &str| {
            let head = format!("{line}\r\nHost: a\r\n{header}\r\n\r\n");
            Request::parse(head.as_bytes(), &BasePath::new("/chat/"))
        };
        for (line, header, expected) in [
            ("GET / HTTP/1.1", "Upgrade: websocket", Request::WebSocket),
            ("GET /v1 HTTP/1.1", "upgrade: WebSocket", Request::WebSocket),
            ("GET /chat/v1 HTTP/1.1", "upgrade: WebSocket", Request::WebSocket),
            ("GET http://a/chat/ HTTP/1.1", "upgrade: WebSocket", Request::WebSocket),
            ("GET / HTTP/1.1", "Upgrade: h2c, WebSocket", Request::WebSocket),
            ("GET / HTTP/1.1", "Sec-WebSocket-Key: a\r\nUpgrade: websocket", Request::WebSocket),
            ("GET / HTTP/1.0", "Connection: close\r\nsec-websocket-key: a", Request::WithoutUpgrade),
            ("GET /chat/ HTTP/1.1", "Upgrade: h2c\r\nsec-websocket-key: a", Request::WithoutUpgrade),
            ("GET /i HTTP/1.1", "Upgrade: websocket", Request::Page),
            ("GET /i HTTP/1.1", "Sec-WebSocket-Key: a", Request::Page),
            ("POST / HTTP/1.1", "Upgrade: websocket", Request::Page),
            ("GET / HTTP/1.1", "Accept: */*", Request::Page),
        ] {
            assert_eq!(ask(line, header), expected, "{line} {header}");
        }
        let base = BasePath::default();
        assert_eq!(Request::parse(b"\xff\xfe", &base), Request::Page);
        let behind = b"GET / HTTP/1.1\r\n\r\nUpgrade: websocket\r\n\r\n";
        assert_eq!(Request::parse(behind, &base), Request::Page, "behind the head");
    }

    #[test]
    fn the_refusal_has_the_length_that_it_says() {
        let (head, body) = UPGRADE_REQUIRED.split_once("\r\n\r\n").unwrap();
        assert!(head.ends_with(&format!("Content-Length: {}", body.len())), "{}", body.len());
    }
}
