//! One connection, read and written side by side in one task.

use crate::budget::Budget;
use crate::decoder::{Decoder, Incoming};
use crate::frame::{FrameError, Header, MAX_HEADER, Opcode, Role, apply_mask};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

/// Maximum number of bytes of one read from the connection.
const READ_AT_ONCE: usize = 16_384;
/// Maximum number of frames passed to one write.
const WRITE_AT_ONCE: usize = 16;
/// Minimum and maximum number of bytes passed to one write. After the connection refused a write,
/// the next one gets the minimum; the number doubles when the connection has taken as many bytes
/// without a refusal. On a slow line the system gets few bytes, because their progress inside it
/// cannot be seen.
const WRITE_BYTES: core::ops::RangeInclusive<usize> = 2_048..=262_144;
/// Maximum number of messages, control frames and reads handled in one poll, so that other tasks of
/// the thread run in between.
const STEPS_AT_ONCE: usize = 64;

/// Number of bytes of memory held for an incomplete message above which [`Progress::Partial`]
/// reports each further read.
pub const LARGE_PARTIAL: usize = 32_768;

/// An event of a connection.
#[derive(Debug)]
pub enum Progress {
    /// A binary message arrived.
    Message(Vec<u8>),
    /// A message has begun and is not whole yet, or more of it arrived and more than
    /// [`LARGE_PARTIAL`] bytes are held. Count them by [`Socket::partial_bytes`].
    Partial,
    /// The connection has taken all bytes that were queued.
    Sent,
    /// The connection has ended. Only [`Socket::close`] may be called after that.
    Over(End),
}

/// The reason for which a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum End {
    /// The peer sent a close frame or closed the connection, or the connection broke.
    Closed,
    /// The peer sent a frame that breaks the protocol or the limits.
    Malformed(FrameError),
    /// The peer sent more frames without content than [`Budget`] allows.
    Flood,
}

/// A frame that waits to be sent or is partly sent.
struct Outgoing {
    header: Vec<u8>,
    payload: Vec<u8>,
    written: usize,
    /// Number of bytes of the payload that answer requests of the peer; see
    /// [`Socket::unsent_reply_bytes`].
    reply_bytes: usize,
    is_pong: bool,
}

impl Outgoing {
    fn new(role: Role, opcode: Opcode, mut payload: Vec<u8>, reply_bytes: usize) -> Self {
        let mask = (role == Role::Client).then(rand::random::<[u8; 4]>);
        if let Some(mask) = mask {
            apply_mask(mask, 0, &mut payload);
        }
        let mut header = Vec::with_capacity(MAX_HEADER);
        Header { opcode, is_final: true, len: payload.len() as u64, mask }.write(&mut header);
        Self { header, payload, written: 0, reply_bytes, is_pong: opcode == Opcode::Pong }
    }

    const fn len(&self) -> usize {
        self.header.len() + self.payload.len()
    }

    /// Returns the bytes that are not written yet: the rest of the header, then of the payload,
    /// without empty parts.
    fn rest(&self) -> impl Iterator<Item = &[u8]> {
        let of_payload = self.written.saturating_sub(self.header.len());
        let parts = [self.header.get(self.written..), self.payload.get(of_payload..)];
        parts.into_iter().flatten().filter(|part| !part.is_empty())
    }
}

/// A WebSocket connection.
///
/// The caller alone decides how much is queued: [`send`](Self::send) never waits and has no bound
/// of its own. At most one pong waits, that of the peer's newest ping.
pub struct Socket<T> {
    io: T,
    role: Role,
    decoder: Decoder,
    budget: Budget,
    begun: Instant,
    /// The bytes that were read and not decoded yet.
    unread: Vec<u8>,
    unread_at: usize,
    /// The frames that are not sent yet, next first. Only the first can be partly written.
    queue: VecDeque<Outgoing>,
    unsent_bytes: usize,
    unsent_reply_bytes: usize,
    /// The payload of the newest ping whose pong is not in `queue` yet.
    pong: Option<Vec<u8>>,
    is_flushing: bool,
    /// Maximum number of bytes passed to the next write, within [`WRITE_BYTES`].
    write_bytes: usize,
    /// Number of bytes that the connection has taken since it was last flushed or refused a write.
    unrefused_bytes: usize,
    bytes_read: u64,
    bytes_written: u64,
}

impl<T: AsyncRead + AsyncWrite + Unpin> Socket<T> {
    /// Creates a socket over a connection on which the opening handshake is over. `unread` holds
    /// the bytes that were read behind it; a message of more than `max_message` bytes ends the
    /// connection.
    #[must_use]
    pub fn new(io: T, role: Role, max_message: usize, unread: Vec<u8>) -> Self {
        Self {
            io,
            role,
            decoder: Decoder::new(role, max_message),
            budget: Budget::new(),
            begun: Instant::now(),
            unread,
            unread_at: 0,
            queue: VecDeque::new(),
            unsent_bytes: 0,
            unsent_reply_bytes: 0,
            pong: None,
            is_flushing: false,
            write_bytes: 2 * WRITE_BYTES.start(),
            unrefused_bytes: 0,
            bytes_read: 0,
            bytes_written: 0,
        }
    }

    /// Sets the maximum number of bytes of a received message, from the next frame header on.
    pub const fn set_max_message(&mut self, max_message: usize) {
        self.decoder.set_max_message(max_message);
    }

    /// Queues a message, of which `reply_bytes` bytes answer requests of the peer; see
    /// [`unsent_reply_bytes`](Self::unsent_reply_bytes).
    pub fn send(&mut self, message: Vec<u8>, reply_bytes: usize) {
        self.push(Outgoing::new(self.role, Opcode::Binary, message, reply_bytes));
    }

    /// Returns the number of queued bytes that the connection has not taken yet.
    #[must_use]
    pub const fn unsent_bytes(&self) -> usize {
        self.unsent_bytes
    }

    /// Returns the number of bytes of memory held for frames that wait to be sent and for
    /// incomplete messages. A frame that is partly sent counts as a whole.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        let sent = self.queue.front().map_or(0, |frame| frame.written);
        self.unsent_bytes + sent + self.pong.as_ref().map_or(0, Vec::len) + self.partial_bytes()
    }

    /// Returns the number of queued bytes that answer requests of the peer, as given to
    /// [`send`](Self::send); a partly sent message counts as a whole. A caller stops reading when
    /// the number exceeds a constant, so that a peer that never reads causes no more replies. Other
    /// queued bytes must not stop reading, because a peer on a slow line must still be heard.
    #[must_use]
    pub const fn unsent_reply_bytes(&self) -> usize {
        self.unsent_reply_bytes
    }

    /// Returns the number of bytes of memory held for an incomplete message, and for bytes that
    /// were read and not decoded yet.
    #[must_use]
    pub const fn partial_bytes(&self) -> usize {
        self.decoder.held_bytes() + self.unread.capacity()
    }

    /// Returns the connection that carries the WebSocket. Reading from or writing to it breaks the
    /// WebSocket.
    #[must_use]
    pub const fn get_ref(&self) -> &T {
        &self.io
    }

    /// Whether the peer has begun a message, or a frame of any kind, and not ended it.
    #[must_use]
    pub const fn is_in_message(&self) -> bool {
        self.decoder.is_in_message()
    }

    /// Whether bytes are queued, or were written and not flushed yet.
    #[must_use]
    pub fn is_sending(&self) -> bool {
        self.is_flushing || self.pong.is_some() || !self.queue.is_empty()
    }

    /// Returns the number of bytes read from the connection so far, without those given to
    /// [`new`](Self::new).
    #[must_use]
    pub const fn bytes_read(&self) -> u64 {
        self.bytes_read
    }

    /// Returns the number of bytes that the connection has taken so far.
    #[must_use]
    pub const fn bytes_written(&self) -> u64 {
        self.bytes_written
    }

    /// Sends what is queued and, with `read`, reads; returns at the next event. Without `read` the
    /// only events are that all queued bytes are sent or that sending fails: if nothing is queued,
    /// it does not return. The future may be dropped and the method called again. After
    /// [`Progress::Over`] only [`close`](Self::close) may follow.
    pub async fn progress(&mut self, read: bool) -> Progress {
        poll_fn(|context| self.poll_progress(context, read)).await
    }

    /// Sends what is queued and a close frame, and shuts the connection down. Waits until the
    /// connection has taken the bytes, without a limit of time: the caller sets one.
    pub async fn close(mut self) {
        self.pong = None;
        self.push(Outgoing::new(self.role, Opcode::Close, Vec::new(), 0));
        let sent = poll_fn(|context| self.poll_send(context)).await;
        if sent.is_ok() {
            let _ = poll_fn(|context| Pin::new(&mut self.io).poll_shutdown(context)).await;
        }
    }

    fn poll_progress(&mut self, context: &mut Context<'_>, read: bool) -> Poll<Progress> {
        for _ in 0..STEPS_AT_ONCE {
            let is_sent = match self.poll_send(context) {
                Poll::Ready(Ok(is_sent)) => is_sent,
                Poll::Ready(Err(())) => return Poll::Ready(Progress::Over(End::Closed)),
                Poll::Pending => false,
            };
            let incoming = if read { self.poll_incoming(context) } else { Poll::Pending };
            match incoming {
                Poll::Ready(Ok(None)) => return Poll::Ready(Progress::Partial),
                Poll::Ready(Ok(Some(Incoming::Message(message)))) => {
                    return Poll::Ready(Progress::Message(message));
                }
                // A newer ping replaces an older one: a peer that does not read gets one pong. The
                // next pass of this loop sends it.
                Poll::Ready(Ok(Some(Incoming::Ping(payload)))) => self.pong = Some(payload),
                Poll::Ready(Ok(Some(Incoming::Close))) => return Poll::Ready(Progress::Over(End::Closed)),
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(end)) => return Poll::Ready(Progress::Over(end)),
                Poll::Pending if is_sent => return Poll::Ready(Progress::Sent),
                Poll::Pending => return Poll::Pending,
            }
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }

    /// Polls for the next message or control frame of the peer, and counts it against the budget if
    /// it has no content. Returns `None` if only a part of a message arrived that
    /// [`Progress::Partial`] reports.
    fn poll_incoming(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<Incoming>, End>> {
        loop {
            let mut input = self.unread.get(self.unread_at..).unwrap_or_default();
            let before = input.len();
            let decoded = self.decoder.decode(&mut input).map_err(End::Malformed);
            self.unread_at += before - input.len();
            if self.unread_at == self.unread.len() {
                // A connection without traffic holds no buffer.
                self.unread = Vec::new();
                self.unread_at = 0;
            }
            if let Some(incoming) = decoded? {
                if incoming.is_empty() && !self.budget.take(self.now_ms()) {
                    return Poll::Ready(Err(End::Flood));
                }
                return Poll::Ready(Ok(Some(incoming)));
            }
            let was_in_message = self.is_in_message();
            let mut space = [const { MaybeUninit::uninit() }; READ_AT_ONCE];
            let mut buffer = ReadBuf::uninit(&mut space);
            ready!(Pin::new(&mut self.io).poll_read(context, &mut buffer)).map_err(|_| End::Closed)?;
            let mut read = buffer.filled();
            if read.is_empty() {
                return Poll::Ready(Err(End::Closed));
            }
            self.bytes_read += read.len() as u64;
            let decoded = self.decoder.decode(&mut read).map_err(End::Malformed)?;
            self.unread = read.to_vec();
            self.unread_at = 0;
            if let Some(incoming) = decoded {
                if incoming.is_empty() && !self.budget.take(self.now_ms()) {
                    return Poll::Ready(Err(End::Flood));
                }
                return Poll::Ready(Ok(Some(incoming)));
            }
            // The beginning of a message is reported, so that the caller watches its pace from then
            // on.
            if self.partial_bytes() > LARGE_PARTIAL || !was_in_message && self.is_in_message() {
                return Poll::Ready(Ok(None));
            }
        }
    }

    /// Sends what is queued. Ready with `true` if the connection has just taken the last of it,
    /// with `false` if nothing was queued, with an error if the connection broke.
    fn poll_send(&mut self, context: &mut Context<'_>) -> Poll<Result<bool, ()>> {
        loop {
            self.queue_pong();
            if self.queue.is_empty() {
                break;
            }
            let mut slices = [IoSlice::new(&[]); 2 * WRITE_AT_ONCE];
            let (mut count, mut room) = (0, self.write_bytes);
            let parts = self.queue.iter().take(WRITE_AT_ONCE).flat_map(Outgoing::rest);
            for (place, part) in slices.iter_mut().zip(parts) {
                let part = part.get(..room).unwrap_or(part);
                *place = IoSlice::new(part);
                count += usize::from(!part.is_empty());
                room -= part.len();
            }
            let slices = slices.get(..count).unwrap_or_default();
            match Pin::new(&mut self.io).poll_write_vectored(context, slices) {
                Poll::Ready(Ok(n)) if n > 0 => self.advance(n),
                Poll::Ready(_) => return Poll::Ready(Err(())),
                Poll::Pending => {
                    self.write_bytes = *WRITE_BYTES.start();
                    self.unrefused_bytes = 0;
                    return Poll::Pending;
                }
            }
        }
        if !self.is_flushing {
            return Poll::Ready(Ok(false));
        }
        let flushed = ready!(Pin::new(&mut self.io).poll_flush(context)).map_err(|_| ());
        self.is_flushing = false;
        if std::mem::take(&mut self.unrefused_bytes) >= self.write_bytes {
            self.write_bytes = (2 * self.write_bytes).min(*WRITE_BYTES.end());
        }
        Poll::Ready(flushed.map(|()| true))
    }

    /// Puts the pong of `self.pong` at the front of the queue, unless a frame is partly written. It
    /// replaces an earlier pong of which nothing is written.
    fn queue_pong(&mut self) {
        if self.pong.is_none() || self.queue.front().is_some_and(|first| first.written > 0) {
            return;
        }
        if let Some(earlier) = self.queue.pop_front_if(|first| first.is_pong) {
            self.unsent_bytes = self.unsent_bytes.saturating_sub(earlier.len());
        }
        if let Some(payload) = self.pong.take() {
            let frame = Outgoing::new(self.role, Opcode::Pong, payload, 0);
            self.unsent_bytes += frame.len();
            self.queue.push_front(frame);
        }
    }

    fn push(&mut self, frame: Outgoing) {
        self.unsent_bytes += frame.len();
        self.unsent_reply_bytes += frame.reply_bytes;
        self.queue.push_back(frame);
    }

    /// Notes that the connection has taken the next `n` bytes of the queue, and drops the frames
    /// that are sent.
    fn advance(&mut self, mut n: usize) {
        self.is_flushing = true;
        self.bytes_written += n as u64;
        self.unrefused_bytes = self.unrefused_bytes.saturating_add(n);
        self.unsent_bytes = self.unsent_bytes.saturating_sub(n);
        while let Some(first) = self.queue.front_mut() {
            let left = first.len() - first.written;
            if n < left {
                first.written += n;
                return;
            }
            n -= left;
            self.unsent_reply_bytes = self.unsent_reply_bytes.saturating_sub(first.reply_bytes);
            self.queue.pop_front();
        }
        // A connection without traffic holds no buffer.
        self.queue = VecDeque::new();
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

impl<T> std::fmt::Debug for Socket<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Socket(..)")
    }
}
