//! A stream whose first bytes have been looked at.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// Most bytes of a request's head.
const MAX_HEAD: usize = 8_192;

/// A stream that gives what was read from it once more.
#[derive(Debug)]
pub(super) struct Rewound {
    head: Vec<u8>,
    given: usize,
    stream: TcpStream,
}

impl Rewound {
    /// Reads the head of a request. `None` when there is none within the limit.
    pub(super) async fn read_head(mut stream: TcpStream) -> Option<Self> {
        let mut head = Vec::with_capacity(512);
        loop {
            let n = stream.read_buf(&mut head).await.ok()?;
            if head.windows(4).any(|end| end == b"\r\n\r\n") {
                return Some(Self { head, given: 0, stream });
            }
            // a head ends within the limit, and with a line that is empty.
            if n == 0 || head.len() >= MAX_HEAD || !looks_like_http(&head) {
                return None;
            }
        }
    }

    /// The bytes.
    pub(super) fn head(&self) -> &[u8] {
        &self.head
    }

    /// The connection, and the bytes that were read from it.
    pub(super) fn into_parts(self) -> (TcpStream, Vec<u8>) {
        (self.stream, self.head)
    }
}

/// Whether this may be the beginning of a request: waiting for the rest of anything else is waste.
fn looks_like_http(head: &[u8]) -> bool {
    head.iter().all(|byte| matches!(byte, b'\r' | b'\n' | b'\t' | b' '..=b'~' | 0x80..))
        && head.first().is_none_or(u8::is_ascii_uppercase)
}

impl AsyncRead for Rewound {
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

impl AsyncWrite for Rewound {
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
