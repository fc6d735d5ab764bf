//! A WebSocket on which reading and writing go on side by side in one task, so that neither waits for the other.

use futures_util::{Sink, Stream};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_websockets::{Message, Payload, WebSocketStream};

/// A WebSocket and what is still to be sent.
pub(super) struct Socket<T> {
    stream: WebSocketStream<T>,
    unsent: VecDeque<Vec<u8>>,
    unsent_bytes: usize,
    flushing: bool,
    taken: u64,
}

/// What happened.
pub(super) enum Progress {
    /// A binary message.
    Message(Payload),
    /// Everything was sent.
    Sent,
    /// The connection is over, or the client does not keep to WebSocket.
    Over,
}

impl<T: AsyncRead + AsyncWrite + Unpin> Socket<T> {
    pub(super) fn new(stream: WebSocketStream<T>) -> Self {
        Self { stream, unsent: VecDeque::new(), unsent_bytes: 0, flushing: false, taken: 0 }
    }

    /// Queues messages.
    pub(super) fn send(&mut self, messages: Vec<Vec<u8>>) {
        self.unsent_bytes += messages.iter().map(Vec::len).sum::<usize>();
        self.unsent.extend(messages);
    }

    /// Bytes that the client has not taken yet.
    pub(super) const fn unsent_bytes(&self) -> usize {
        self.unsent_bytes
    }

    /// Messages that went into the connection so far.
    pub(super) const fn taken(&self) -> u64 {
        self.taken
    }

    /// Whether something waits for the client.
    pub(super) const fn is_sending(&self) -> bool {
        self.flushing || self.unsent_bytes != 0
    }

    /// Sends what is queued and, with `read`, waits for the next message. May be dropped and called again.
    pub(super) async fn progress(&mut self, read: bool) -> Progress {
        poll_fn(|context| self.poll(context, read)).await
    }

    /// Says goodbye, if the client listens.
    pub(super) async fn close(mut self) {
        let _ = poll_fn(|context| Pin::new(&mut self.stream).poll_close(context)).await;
    }

    fn poll(&mut self, context: &mut Context<'_>, read: bool) -> Poll<Progress> {
        let sent = match self.poll_send(context) {
            Poll::Ready(Ok(sent)) => sent,
            Poll::Ready(Err(())) => return Poll::Ready(Progress::Over),
            Poll::Pending => false,
        };
        match if read { self.poll_message(context) } else { Poll::Pending } {
            Poll::Pending if sent => Poll::Ready(Progress::Sent),
            progress => progress,
        }
    }

    fn poll_message(&mut self, context: &mut Context<'_>) -> Poll<Progress> {
        loop {
            match Pin::new(&mut self.stream).poll_next(context) {
                Poll::Ready(Some(Ok(message))) if message.is_binary() => {
                    return Poll::Ready(Progress::Message(message.into_payload()));
                }
                // The library answers pings.
                Poll::Ready(Some(Ok(message))) if message.is_ping() || message.is_pong() => {}
                Poll::Ready(_) => return Poll::Ready(Progress::Over),
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// Whether the last of it went out just now.
    fn poll_send(&mut self, context: &mut Context<'_>) -> Poll<Result<bool, ()>> {
        while !self.unsent.is_empty() {
            match Pin::new(&mut self.stream).poll_ready(context) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(_)) => return Poll::Ready(Err(())),
                Poll::Pending => return Poll::Pending,
            }
            let Some(message) = self.unsent.pop_front() else { break };
            self.unsent_bytes = self.unsent_bytes.saturating_sub(message.len());
            Pin::new(&mut self.stream).start_send(Message::binary(message)).map_err(|_| ())?;
            self.flushing = true;
            self.taken += 1;
        }
        if !self.flushing {
            return Poll::Ready(Ok(false));
        }
        match Pin::new(&mut self.stream).poll_flush(context) {
            Poll::Ready(Ok(())) => {
                self.flushing = false;
                Poll::Ready(Ok(true))
            }
            Poll::Ready(Err(_)) => Poll::Ready(Err(())),
            Poll::Pending => Poll::Pending,
        }
    }
}
