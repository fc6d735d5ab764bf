//! A stream whose first bytes were read before a consumer takes it over.

use super::connection::Connection;
use super::stream::Stream;
use crate::proxy::Named;
use crate::proxy::protocol::{self, Parsed};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

/// Maximum number of bytes of the head of an HTTP request (spec/12-relay.md section 7).
pub(super) const MAX_HEAD: usize = 8_192;

/// A connection with the bytes that were read from it to find the head of a request. A reader gets
/// these bytes again before any others.
#[derive(Debug)]
pub(super) struct PeekedStream {
    head: Vec<u8>,
    given: usize,
    stream: Connection,
}

impl PeekedStream {
    /// Reads until the head of an HTTP request is complete. Returns `None` if the stream ends or
    /// fails before that, [`MAX_HEAD`] bytes hold no whole head, or a byte cannot belong to HTTP.
    pub(super) async fn read_head(mut stream: Connection) -> Option<Self> {
        let mut head = Vec::with_capacity(512);
        // Bytes that were looked at. Looking at them again for each byte that drips in would be a cost to us alone.
        let mut seen = 0_usize;
        loop {
            let fresh = head.get(seen..).unwrap_or_default();
            let with_the_end_before = head.get(seen.saturating_sub(3)..).unwrap_or_default();
            if with_the_end_before.windows(4).any(|end| end == b"\r\n\r\n") {
                return Some(Self { head, given: 0, stream });
            }
            // a head ends within the limit, and with a line that is empty.
            if head.len() >= MAX_HEAD || !looks_like_http(fresh) || !begins_like_http(&head) {
                return None;
            }
            seen = head.len();
            if stream.read_buf(&mut head).await.ok()? == 0 {
                return None;
            }
        }
    }

    /// Returns the bytes that were read ahead: the head, and what came with it.
    pub(super) fn head(&self) -> &[u8] {
        &self.head
    }

    /// Returns the connection, and the bytes that were read from it so far.
    pub(super) fn into_parts(self) -> (Connection, Vec<u8>) {
        (self.stream, self.head)
    }
}

/// Reads a header of the PROXY protocol and none of the bytes after it. Returns `None` if the first
/// bytes are not such a header, or if the stream ends in it.
pub(super) async fn read_proxy_header(stream: &mut Stream) -> Option<Named> {
    let mut bytes = Vec::with_capacity(64);
    loop {
        match protocol::parse(&bytes) {
            Parsed::Incomplete => {}
            Parsed::Malformed => return None,
            Parsed::Header { source, .. } => return Some(source.map_or(Named::Unknown, Named::Address)),
        }
        // Bytes behind the header may belong to TLS.
        let mut within = (&mut *stream).take(protocol::missing(&bytes));
        if within.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}

/// Whether these bytes may be part of an HTTP request. The relay does not wait for the rest of
/// anything else.
fn looks_like_http(part: &[u8]) -> bool {
    part.iter().all(|byte| matches!(byte, b'\r' | b'\n' | b'\t' | b' '..=b'~' | 0x80..))
}

fn begins_like_http(head: &[u8]) -> bool {
    head.first().is_none_or(u8::is_ascii_uppercase)
}

impl AsyncRead for PeekedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if let Some(rest) = this.head.get(this.given..).filter(|rest| !rest.is_empty()) {
            let n = rest.len().min(buffer.remaining());
            buffer.put_slice(rest.get(..n).unwrap_or_default());
            this.given += n;
            if this.given == this.head.len() {
                // An idle connection holds no buffer.
                this.head = Vec::new();
                this.given = 0;
            }
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut this.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for PeekedStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
