//! The opening handshake (RFC 6455 section 4), as client and as server.

use crate::frame::Role;
use crate::socket::Socket;
use data_encoding::BASE64;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Maximum number of bytes of the head of an HTTP request or answer: its first line and its
/// headers.
pub const MAX_HEAD: usize = 8_192;
/// Maximum number of headers of a request or an answer.
const MAX_HEADERS: usize = 64;
/// The suffix that a server hashes behind the client's key (RFC 6455 section 1.3).
const ACCEPT_SUFFIX: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// The error of a connection that did not become a WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UpgradeError {
    /// The connection broke, or the peer closed it.
    #[error("the connection broke during the WebSocket handshake")]
    Closed,
    /// The answer is not that of a WebSocket server, or longer than [`MAX_HEAD`].
    #[error("no WebSocket server answers at this address")]
    Refused,
    /// The request does not ask for a WebSocket as RFC 6455 requires. This side answered with
    /// status 400 and closed the connection.
    #[error("not a correct request for a WebSocket")]
    BadRequest,
}

/// Asks for a WebSocket as the client. `host` is the value of the Host header, `path` begins with
/// `/`. The socket refuses messages of more than `max_message` bytes.
///
/// # Errors
/// Fails with [`UpgradeError::Closed`] or [`UpgradeError::Refused`]. There is no limit of time: the
/// caller sets one.
pub async fn upgrade<T: AsyncRead + AsyncWrite + Unpin>(
    mut io: T,
    host: &str,
    path: &str,
    max_message: usize,
) -> Result<Socket<T>, UpgradeError> {
    let key = BASE64.encode(&rand::random::<[u8; 16]>());
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n"
    );
    io.write_all(request.as_bytes()).await.map_err(|_| UpgradeError::Closed)?;
    io.flush().await.map_err(|_| UpgradeError::Closed)?;
    let mut head = Vec::with_capacity(512);
    loop {
        if io.read_buf(&mut head).await.map_err(|_| UpgradeError::Closed)? == 0 {
            return Err(UpgradeError::Closed);
        }
        if let Some(len) = answer_len(&head, &key)? {
            let unread = head.split_off(len);
            return Ok(Socket::new(io, Role::Client, max_message, unread));
        }
        if head.len() >= MAX_HEAD {
            return Err(UpgradeError::Refused);
        }
    }
}

/// Returns the number of bytes of the server's answer to a request with `key`; `None` if the answer
/// is not whole yet. Fails with `Refused` if it is not correct.
fn answer_len(head: &[u8], key: &str) -> Result<Option<usize>, UpgradeError> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(len) = response.parse(head).map_err(|_| UpgradeError::Refused)? else {
        return Ok(None);
    };
    let is_ours = response.code == Some(101)
        && has_token(response.headers, "upgrade", "websocket")
        && has_token(response.headers, "connection", "upgrade")
        && values(response.headers, "sec-websocket-accept").eq([accept_value(key.as_bytes()).as_str()])
        && values(response.headers, "sec-websocket-extensions").next().is_none()
        && values(response.headers, "sec-websocket-protocol").next().is_none();
    if is_ours && len <= MAX_HEAD { Ok(Some(len)) } else { Err(UpgradeError::Refused) }
}

/// Answers a request for a WebSocket as the server. `request` is what was read so far and holds the
/// whole head; the bytes after the head are the beginning of the first frame. The path and the Host
/// header are not looked at. The socket refuses messages of more than `max_message` bytes.
///
/// # Errors
/// Fails with [`UpgradeError::Closed`] or [`UpgradeError::BadRequest`]. There is no limit of time:
/// the caller sets one.
pub async fn accept<T: AsyncRead + AsyncWrite + Unpin>(
    mut io: T,
    mut request: Vec<u8>,
    max_message: usize,
) -> Result<Socket<T>, UpgradeError> {
    match request_accept(&request) {
        Some((len, accept)) => {
            let answer = format!(
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                 Sec-WebSocket-Accept: {accept}\r\n\r\n"
            );
            io.write_all(answer.as_bytes()).await.map_err(|_| UpgradeError::Closed)?;
            let unread = request.split_off(len);
            Ok(Socket::new(io, Role::Server, max_message, unread))
        }
        None => {
            let answer = "HTTP/1.1 400 Bad Request\r\nSec-WebSocket-Version: 13\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
            let _ = io.write_all(answer.as_bytes()).await;
            let _ = io.shutdown().await;
            Err(UpgradeError::BadRequest)
        }
    }
}

/// Returns the number of bytes of the head of a correct request, and the value of
/// `Sec-WebSocket-Accept` for its key; `None` if the request is not whole, or not correct.
fn request_accept(bytes: &[u8]) -> Option<(usize, String)> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    let httparse::Status::Complete(len) = request.parse(bytes).ok()? else { return None };
    let headers = request.headers;
    let is_asked = request.method == Some("GET")
        && request.version == Some(1)
        && has_token(headers, "upgrade", "websocket")
        && has_token(headers, "connection", "upgrade")
        && values(headers, "sec-websocket-version").eq(["13"]);
    let mut keys = values(headers, "sec-websocket-key");
    let key = keys.next().filter(|_| is_asked && keys.next().is_none())?;
    // RFC 6455 section 4.1: 16 bytes in base64.
    let is_key = BASE64.decode(key.as_bytes()).is_ok_and(|bytes| bytes.len() == 16);
    is_key.then(|| (len, accept_value(key.as_bytes())))
}

fn accept_value(key: &[u8]) -> String {
    let mut hash = sha1_smol::Sha1::new();
    hash.update(key);
    hash.update(ACCEPT_SUFFIX);
    BASE64.encode(&hash.digest().bytes())
}

fn values<'a>(headers: &'a [httparse::Header<'a>], name: &'a str) -> impl Iterator<Item = &'a str> {
    let named = headers.iter().filter(move |header| header.name.eq_ignore_ascii_case(name));
    named.map(|header| std::str::from_utf8(header.value).unwrap_or_default().trim())
}

/// Whether one of the comma-separated values of the headers `name` is `token`, in any case.
fn has_token(headers: &[httparse::Header<'_>], name: &str, token: &str) -> bool {
    values(headers, name).any(|value| value.split(',').any(|one| one.trim().eq_ignore_ascii_case(token)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

    fn request(more: &str) -> Vec<u8> {
        format!("GET /v1 HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n{more}\r\n").into_bytes()
    }

    #[test]
    fn the_example_of_the_rfc() {
        assert_eq!(accept_value(KEY.as_bytes()), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn a_request_is_correct_or_it_is_not() {
        let good = request(&format!("Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n"));
        assert_eq!(request_accept(&good).unwrap().0, good.len());
        for more in [
            String::new(),
            "Sec-WebSocket-Version: 13\r\n".to_owned(),
            format!("Sec-WebSocket-Version: 12\r\nSec-WebSocket-Key: {KEY}\r\n"),
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAA\r\n".to_owned(),
            format!("Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Key: {KEY}\r\n"),
        ] {
            assert_eq!(request_accept(&request(&more)), None, "{more}");
        }
        for cut in 0..good.len() {
            assert_eq!(request_accept(&good[..cut]), None);
        }
    }

    #[test]
    fn an_answer_is_correct_or_refused() {
        let answer = |status: &str, accept: &str, more: &str| {
            format!(
                "HTTP/1.1 {status}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n{more}\r\nrest"
            )
        };
        let accept = accept_value(KEY.as_bytes());
        let good = answer("101 Switching Protocols", &accept, "");
        assert_eq!(answer_len(good.as_bytes(), KEY), Ok(Some(good.len() - 4)));
        assert_eq!(answer_len(&good.as_bytes()[..40], KEY), Ok(None));
        for bad in [
            answer("200 OK", &accept, ""),
            answer("101 Switching Protocols", "AAAA", ""),
            answer("101 Switching Protocols", &accept, "Sec-WebSocket-Extensions: permessage-deflate\r\n"),
            "SSH-2.0-OpenSSH\r\n".to_owned(),
        ] {
            assert_eq!(answer_len(bad.as_bytes(), KEY), Err(UpgradeError::Refused), "{bad}");
        }
    }
}
