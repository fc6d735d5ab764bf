//! The connection without its socket. It takes received bytes, and returns plaintext and bytes to send.

use super::scratch::{MAX_RECORD, wipe};
use crate::error::TlsError;
use rustls::{
    client::UnbufferedClientConnection,
    server::UnbufferedServerConnection,
    unbuffered::{ConnectionState, EncodeError, EncryptError, UnbufferedStatus},
};
use std::ops::Deref;

/// Maximum number of bytes that wait to be sent before a write waits. One record more may be added.
pub const MAX_UNSENT: usize = 64 << 10;

/// Maximum number of bytes of records in a row that carry no data: empty records, tickets, requests for new keys.
pub const MAX_QUIET: usize = 48 << 10;

/// Maximum number of bytes of plaintext in one record.
pub(super) const MAX_FRAGMENT: usize = 16_384;

/// Number of bytes that encryption adds to a record, with room for an answer to a request for new keys.
const OVERHEAD: usize = 5 + 1 + 16 + 64;

/// Either side of a connection, in the type that rustls has for it.
pub(super) enum Connection {
    Server(UnbufferedServerConnection),
    Client(UnbufferedClientConnection),
}

impl Deref for Connection {
    type Target = rustls::CommonState;

    fn deref(&self) -> &rustls::CommonState {
        match self {
            Self::Server(connection) => connection,
            Self::Client(connection) => connection,
        }
    }
}

/// Plaintext that the caller has not taken yet. It is wiped after it was taken, and on drop.
#[derive(Default)]
pub(super) struct Plaintext {
    bytes: Vec<u8>,
    taken: usize,
}

impl Plaintext {
    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Returns the number of bytes of memory that the buffer takes.
    pub(super) const fn held_bytes(&self) -> usize {
        self.bytes.capacity()
    }

    /// Adds bytes. Memory that it outgrows is wiped.
    pub(super) fn push(&mut self, more: &[u8]) {
        let rest = self.bytes.get(self.taken..).unwrap_or_default();
        let mut joined = Vec::with_capacity(rest.len().saturating_add(more.len()));
        joined.extend_from_slice(rest);
        joined.extend_from_slice(more);
        wipe(&mut self.bytes);
        self.bytes = joined;
        self.taken = 0;
    }

    /// Moves as many bytes into `room` as fit.
    pub(super) fn take(&mut self, room: &mut tokio::io::ReadBuf<'_>) {
        let rest = self.bytes.get(self.taken..).unwrap_or_default();
        let (now, later) = rest.split_at(rest.len().min(room.remaining()));
        room.put_slice(now);
        if later.is_empty() {
            wipe(&mut self.bytes);
            *self = Self::default();
        } else {
            self.taken = self.taken.saturating_add(now.len());
        }
    }
}

impl Drop for Plaintext {
    fn drop(&mut self) {
        wipe(&mut self.bytes);
    }
}

/// Bytes that wait to be sent. They are ciphertext, or public.
#[derive(Default)]
pub(super) struct Unsent {
    bytes: Vec<u8>,
    sent: usize,
}

impl Unsent {
    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len().saturating_sub(self.sent)
    }

    /// Returns the number of bytes of memory that the buffer takes.
    pub(super) const fn held_bytes(&self) -> usize {
        self.bytes.capacity()
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(self.sent..).unwrap_or_default()
    }

    /// Notes that `n` bytes were sent. When all were, no memory is kept.
    pub(super) fn mark_sent(&mut self, n: usize) {
        self.sent = self.sent.saturating_add(n);
        if self.sent >= self.bytes.len() {
            *self = Self::default();
        }
    }

    /// Lets `fill` write into `room` bytes at the end, and keeps as many as it returns.
    fn extend<E>(&mut self, room: usize, fill: impl FnOnce(&mut [u8]) -> Result<usize, E>) -> Result<(), E> {
        if self.sent > 0 {
            self.bytes.drain(..self.sent.min(self.bytes.len()));
            self.sent = 0;
        }
        let start = self.bytes.len();
        self.bytes.resize(start.saturating_add(room), 0);
        let filled = fill(self.bytes.get_mut(start..).unwrap_or_default());
        let kept = filled.as_ref().map_or(0, |n| (*n).min(room));
        self.bytes.truncate(start.saturating_add(kept));
        filled.map(drop)
    }
}

/// The caller's request beside the next received bytes.
pub(super) enum Wish<'a> {
    Nothing,
    /// Send these bytes, at most [`MAX_FRAGMENT`].
    Send(&'a [u8]),
    /// Tell the peer that no more bytes come.
    Close,
}

/// The state of the connection after one call of rustls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// There may be more to do.
    Again,
    /// The wish was granted; there may be more to do.
    Granted,
    /// More bytes are needed, or nothing is left to do.
    Blocked,
    /// The peer sends no more bytes.
    PeerClosed,
}

/// The connection without its socket.
pub(super) struct Machine {
    connection: Box<Connection>,
    pub(super) unsent: Unsent,
    /// Number of bytes of records since the last data.
    quiet: usize,
    peer_closed: bool,
}

impl Machine {
    pub(super) fn new(connection: Connection) -> Self {
        Self { connection: Box::new(connection), unsent: Unsent::default(), quiet: 0, peer_closed: false }
    }

    pub(super) fn is_handshaking(&self) -> bool {
        self.connection.is_handshaking()
    }

    pub(super) fn has_peer_closed(&self) -> bool {
        self.peer_closed
    }

    pub(super) fn state(&self) -> &rustls::CommonState {
        &self.connection
    }

    /// Processes the records in `incoming`, passes their plaintext to `deliver`, and returns how many bytes were used up. The
    /// rest must be passed again, with the bytes that follow it: rustls refers to it. `incoming` holds plaintext afterwards: the
    /// caller wipes it. After an error it must not be called again.
    pub(super) fn advance(
        &mut self,
        incoming: &mut [u8],
        mut wish: Wish<'_>,
        deliver: &mut dyn FnMut(&[u8]),
    ) -> Result<usize, TlsError> {
        let mut used = 0_usize;
        loop {
            let rest = incoming.get_mut(used..).unwrap_or_default();
            let mut delivered = false;
            let mut note = |plaintext: &[u8]| {
                delivered = true;
                deliver(plaintext);
            };
            let (discard, step) = match &mut *self.connection {
                Connection::Server(connection) => {
                    step(connection.process_tls_records(rest), &mut self.unsent, &wish, &mut note)
                }
                Connection::Client(connection) => {
                    step(connection.process_tls_records(rest), &mut self.unsent, &wish, &mut note)
                }
            };
            used = used.saturating_add(discard);
            self.quiet = if delivered { 0 } else { self.quiet.saturating_add(discard) };
            match step {
                Ok(Step::Again) => {}
                Ok(Step::Granted) => wish = Wish::Nothing,
                Ok(Step::PeerClosed) => self.peer_closed = true,
                Ok(Step::Blocked) => break,
                Err(error) => {
                    self.take_alert(incoming.get_mut(used..).unwrap_or_default());
                    return Err(error.into());
                }
            }
        }
        if !self.is_handshaking() && self.quiet > MAX_QUIET {
            return Err(TlsError::TooLarge);
        }
        Ok(used)
    }

    /// Prepares the alert that tells the peer of an error. `rest` holds the bytes that were not used up, because rustls still
    /// refers to them.
    fn take_alert(&mut self, rest: &mut [u8]) {
        // As long as something waits, it comes before anything is read from `rest`.
        while self.connection.wants_write() {
            let (_, step) = match &mut *self.connection {
                Connection::Server(connection) => {
                    step(connection.process_tls_records(rest), &mut self.unsent, &Wish::Nothing, &mut |_| {})
                }
                Connection::Client(connection) => {
                    step(connection.process_tls_records(rest), &mut self.unsent, &Wish::Nothing, &mut |_| {})
                }
            };
            if step != Ok(Step::Again) {
                break;
            }
        }
    }
}

/// Handles one state of rustls. Returns how many bytes of the input are used up.
fn step<D>(
    status: UnbufferedStatus<'_, '_, D>,
    unsent: &mut Unsent,
    wish: &Wish<'_>,
    deliver: &mut dyn FnMut(&[u8]),
) -> (usize, Result<Step, rustls::Error>) {
    let mut discard = status.discard;
    let step = match status.state {
        Err(error) => Err(error),
        Ok(ConnectionState::ReadTraffic(mut traffic)) => loop {
            match traffic.next_record() {
                None => break Ok(Step::Again),
                Some(Err(error)) => break Err(error),
                Some(Ok(record)) => {
                    discard = discard.saturating_add(record.discard);
                    deliver(record.payload);
                }
            }
        },
        Ok(ConnectionState::EncodeTlsData(mut data)) => {
            // Asked with no room, it names the room that it needs.
            let room = match data.encode(&mut []) {
                Err(EncodeError::InsufficientSize(needed)) => needed.required_size,
                Err(EncodeError::AlreadyEncoded) | Ok(_) => 0,
            };
            match unsent.extend(room, |to| data.encode(to)) {
                Ok(()) | Err(EncodeError::AlreadyEncoded) => Ok(Step::Again),
                Err(EncodeError::InsufficientSize(_)) => Err(rustls::Error::EncryptError),
            }
        }
        Ok(ConnectionState::TransmitTlsData(data)) => {
            data.done();
            Ok(Step::Again)
        }
        Ok(ConnectionState::PeerClosed) => Ok(Step::PeerClosed),
        Ok(ConnectionState::WriteTraffic(mut traffic)) => match wish {
            Wish::Nothing => Ok(Step::Blocked),
            Wish::Send(bytes) => {
                let room = bytes.len().saturating_add(OVERHEAD);
                grant(unsent, room, |to| traffic.encrypt(bytes, to))
            }
            Wish::Close => grant(unsent, OVERHEAD, |to| traffic.queue_close_notify(to)),
        },
        // Early data is not offered and not accepted; later versions of rustls may have further states.
        Ok(_) => Ok(Step::Blocked),
    };
    (discard, step)
}

fn grant(
    unsent: &mut Unsent,
    room: usize,
    mut fill: impl FnMut(&mut [u8]) -> Result<usize, EncryptError>,
) -> Result<Step, rustls::Error> {
    match unsent.extend(room, &mut fill) {
        Ok(()) => Ok(Step::Granted),
        // More than one message waits before it; it names the room that all need.
        Err(EncryptError::InsufficientSize(needed)) if needed.required_size <= 2 * MAX_RECORD => unsent
            .extend(needed.required_size, fill)
            .map(|()| Step::Granted)
            .map_err(|_| rustls::Error::EncryptError),
        Err(_) => Err(rustls::Error::EncryptError),
    }
}
