//! A TLS connection without its socket: it takes received bytes, and returns plaintext and bytes to
//! send.

use super::scratch::{MAX_RECORD, wipe};
use crate::error::TlsError;
use rustls::{
    client::UnbufferedClientConnection,
    server::UnbufferedServerConnection,
    unbuffered::{ConnectionState, EncodeError, EncryptError, UnbufferedStatus},
};
use std::ops::Deref;

/// Number of unsent bytes from which a write waits. The last write before may exceed it by one
/// record.
pub const MAX_UNSENT: usize = 64 << 10;

/// Maximum number of bytes of consecutive records that carry no data: empty records, tickets,
/// requests for new keys.
pub const MAX_QUIET: usize = 48 << 10;

/// Maximum number of bytes of plaintext in one record (RFC 8446 section 5.1).
pub(super) const MAX_FRAGMENT: usize = 16_384;

/// Maximum number of bytes that encryption adds to a record: header (5), content type (1), tag
/// (16), and 64 for the answer to a request for new keys that may precede it.
const OVERHEAD: usize = 5 + 1 + 16 + 64;

/// A connection of rustls, of either side.
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

/// Received plaintext that the caller has not taken yet. It is wiped when all of it was taken, and
/// on drop.
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

    /// Appends bytes in a new buffer, and wipes the old one.
    pub(super) fn push(&mut self, more: &[u8]) {
        let rest = self.bytes.get(self.taken..).unwrap_or_default();
        let mut joined = Vec::with_capacity(rest.len().saturating_add(more.len()));
        joined.extend_from_slice(rest);
        joined.extend_from_slice(more);
        wipe(&mut self.bytes);
        self.bytes = joined;
        self.taken = 0;
    }

    /// Moves as many bytes from the front into `room` as fit.
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

/// Bytes that wait to be sent. They are ciphertext or public, so they are not wiped.
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

    /// Notes that `n` more bytes were sent. When all are sent, the memory is freed.
    pub(super) fn mark_sent(&mut self, n: usize) {
        self.sent = self.sent.saturating_add(n);
        if self.sent >= self.bytes.len() {
            *self = Self::default();
        }
    }

    /// Appends up to `room` bytes: `fill` writes them into zeros, and returns how many it wrote.
    /// After an error nothing is appended.
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

/// The request of the caller for one call of [`Machine::advance`].
pub(super) enum Wish<'a> {
    Nothing,
    /// Encrypt these bytes, at most [`MAX_FRAGMENT`], into `unsent`.
    Send(&'a [u8]),
    /// Put a `close_notify` into `unsent`, which tells the peer that no more bytes come.
    Close,
}

/// The result of handling one state of rustls, which tells [`Machine::advance`] whether to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// The state was handled; there may be more to do.
    Again,
    /// The [`Wish`] was granted; there may be more to do.
    Granted,
    /// More received bytes are needed, or nothing is left to do.
    Blocked,
    /// The peer sent `close_notify`: it sends no more bytes.
    PeerClosed,
}

/// A TLS connection without its socket.
pub(super) struct Machine {
    connection: Box<Connection>,
    pub(super) unsent: Unsent,
    /// Number of bytes of records since the last record with data. [`MAX_QUIET`] bounds it after
    /// the handshake.
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

    /// Processes the records in `incoming`, passes their plaintext to `deliver`, and returns how
    /// many bytes were used up. The rest must be passed again, with the bytes that follow it,
    /// because rustls refers to it. `incoming` holds plaintext afterwards: the caller wipes it.
    /// After an error the method must not be called again.
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

    /// Puts the alert that tells the peer of an error into `unsent`. `rest` holds the received
    /// bytes that were not used up, because rustls still refers to them.
    fn take_alert(&mut self, rest: &mut [u8]) {
        // As long as rustls has something to send, it sends that before it reads from `rest`.
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

/// Handles one state of rustls: passes plaintext to `deliver`, puts bytes to send into `unsent`,
/// grants `wish` if rustls can. Returns how many bytes of the input are used up, and the result.
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
            // Called with no room, rustls names the room that it needs.
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
        // Other messages of rustls must go first; the error names the room that all need.
        Err(EncryptError::InsufficientSize(needed)) if needed.required_size <= 2 * MAX_RECORD => unsent
            .extend(needed.required_size, fill)
            .map(|()| Step::Granted)
            .map_err(|_| rustls::Error::EncryptError),
        Err(_) => Err(rustls::Error::EncryptError),
    }
}
