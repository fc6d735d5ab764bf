//! [`TlsStream`]: reading and writing after the handshake.

use super::{
    machine::{MAX_FRAGMENT, MAX_UNSENT, Machine, Plaintext, Wish},
    scratch::{self, wipe},
};
use crate::error::TlsError;
use rustls::{CipherSuite, NamedGroup};
use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A TLS connection after its handshake.
///
/// The stream holds no buffer while it is idle. Reading returns the end of the stream only after
/// the peer's `close_notify`; a connection that ends without it fails with
/// [`io::ErrorKind::UnexpectedEof`]. [`AsyncWrite::poll_shutdown`] sends `close_notify` to the peer
/// and then shuts the connection's own writing side; reading continues.
///
/// A write returns when the bytes are encrypted. They wait in memory, at most [`MAX_UNSENT`] bytes
/// and one record, until the connection below takes them. A flush waits for that.
pub struct TlsStream<S> {
    stream: S,
    machine: Machine,
    /// The bytes of an incomplete record.
    incoming: Vec<u8>,
    plaintext: Plaintext,
    /// The kind of the error after which nothing is read any more; `None` before.
    failed: Option<io::ErrorKind>,
    close_sent: bool,
}

impl<S> TlsStream<S> {
    pub(super) fn new(stream: S, machine: Machine, mut incoming: Vec<u8>, plaintext: Plaintext) -> Self {
        incoming.shrink_to_fit();
        Self { stream, machine, incoming, plaintext, failed: None, close_sent: false }
    }

    /// Returns the connection below TLS. Reading from it or writing to it breaks the TLS
    /// connection.
    #[must_use]
    pub fn get_ref(&self) -> &S {
        &self.stream
    }

    /// Returns the number of bytes of memory held: for received bytes that the caller has not
    /// taken, and for encrypted bytes that are not sent.
    #[must_use]
    pub const fn held_bytes(&self) -> usize {
        self.incoming.capacity() + self.plaintext.held_bytes() + self.machine.unsent.held_bytes()
    }

    /// Returns the cipher suite in use. It is never `None`, because the handshake is over.
    #[must_use]
    pub fn suite(&self) -> Option<CipherSuite> {
        self.machine.state().negotiated_cipher_suite().map(|suite| suite.suite())
    }

    /// Returns the group of the key exchange. It is never `None`, because the handshake is over.
    #[must_use]
    pub fn group(&self) -> Option<NamedGroup> {
        self.machine.state().negotiated_key_exchange_group().map(|group| group.name())
    }

    /// Returns the name of the protocol inside TLS on which both sides agreed by ALPN; `None` if
    /// they agreed on none.
    #[must_use]
    pub fn alpn(&self) -> Option<&[u8]> {
        self.machine.state().alpn_protocol()
    }
}

impl<S> std::fmt::Debug for TlsStream<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TlsStream(..)")
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> TlsStream<S> {
    /// Sends the encrypted bytes that wait. Ready when the connection below has taken all.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.machine.unsent.is_empty() {
            let n = ready!(Pin::new(&mut self.stream).poll_write(cx, self.machine.unsent.as_bytes()))?;
            if n == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.machine.unsent.mark_sent(n);
        }
        Poll::Ready(Ok(()))
    }

    /// Receives once, and processes each record that is whole. Plaintext goes to `room`; the part
    /// that does not fit goes to `self.plaintext`.
    fn poll_receive(&mut self, cx: &mut Context<'_>, room: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        scratch::with(|scratch| {
            let kept = self.incoming.len();
            let Some((before, free)) =
                scratch.split_at_mut_checked(kept).filter(|(_, free)| !free.is_empty())
            else {
                // A record that fills the buffer and is not whole is longer than a record may be.
                self.fail(io::ErrorKind::InvalidData);
                return Poll::Ready(Err(TlsError::TooLarge.into()));
            };
            let mut received = ReadBuf::new(free);
            ready!(Pin::new(&mut self.stream).poll_read(cx, &mut received))?;
            let n = received.filled().len();
            if n == 0 {
                return Poll::Ready(Err(self.fail(io::ErrorKind::UnexpectedEof)));
            }
            before.copy_from_slice(&self.incoming);
            let all = scratch.get_mut(..kept.saturating_add(n)).unwrap_or_default();
            let plaintext = &mut self.plaintext;
            let advanced = self.machine.advance(all, Wish::Nothing, &mut |bytes| {
                let fits = if plaintext.is_empty() { bytes.len().min(room.remaining()) } else { 0 };
                let (now, later) = bytes.split_at(fits);
                room.put_slice(now);
                if !later.is_empty() {
                    plaintext.push(later);
                }
            });
            let result = match advanced {
                Ok(used) => {
                    self.incoming = all.get(used..).unwrap_or_default().to_vec();
                    Ok(())
                }
                Err(error) => {
                    let error = io::Error::from(error);
                    self.fail(error.kind());
                    // The alert; the caller gets the error, whether it leaves or not.
                    let _ = self.poll_send(cx);
                    Err(error)
                }
            };
            wipe(all);
            Poll::Ready(result)
        })
    }

    /// Notes `kind` as the error after which nothing is read any more, and returns it.
    fn fail(&mut self, kind: io::ErrorKind) -> io::Error {
        self.failed = Some(kind);
        kind.into()
    }

    /// Whether TLS itself failed, and not only the connection below. The machine must then not run
    /// again.
    fn is_broken(&self) -> bool {
        self.failed.is_some_and(|kind| kind != io::ErrorKind::UnexpectedEof)
    }

    /// Lets the machine grant `wish`: the encrypted bytes then wait in `self.machine.unsent`.
    fn encrypt(&mut self, wish: Wish<'_>) -> io::Result<()> {
        let mut incoming = std::mem::take(&mut self.incoming);
        let plaintext = &mut self.plaintext;
        match self.machine.advance(&mut incoming, wish, &mut |bytes| plaintext.push(bytes)) {
            Ok(used) => {
                incoming.drain(..used.min(incoming.len()));
                self.incoming = incoming;
                Ok(())
            }
            Err(error) => {
                let error = io::Error::from(error);
                self.fail(error.kind());
                Err(error)
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for TlsStream<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        loop {
            if !this.plaintext.is_empty() {
                this.plaintext.take(buf);
            }
            if buf.filled().len() > before || buf.remaining() == 0 || this.machine.has_peer_closed() {
                return Poll::Ready(Ok(()));
            }
            if let Some(kind) = this.failed {
                return Poll::Ready(Err(kind.into()));
            }
            ready!(this.poll_receive(cx, buf))?;
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for TlsStream<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.close_sent {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        if this.is_broken() {
            return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
        }
        if let Poll::Ready(Err(error)) = this.poll_send(cx) {
            return Poll::Ready(Err(error));
        }
        if this.machine.unsent.len() >= MAX_UNSENT {
            return Poll::Pending;
        }
        let (now, _) = buf.split_at(buf.len().min(MAX_FRAGMENT));
        if now.is_empty() {
            return Poll::Ready(Ok(0));
        }
        this.encrypt(Wish::Send(now))?;
        match this.poll_send(cx) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Ready(Ok(())) | Poll::Pending => Poll::Ready(Ok(now.len())),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_send(cx))?;
        Pin::new(&mut this.stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.close_sent {
            this.close_sent = true;
            if !this.is_broken() {
                this.encrypt(Wish::Close)?;
            }
        }
        ready!(this.poll_send(cx))?;
        Pin::new(&mut this.stream).poll_shutdown(cx)
    }
}
