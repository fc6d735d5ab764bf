//! The decoder, which turns bytes into messages and control frames without I/O or a clock.

use crate::frame::{FREE_FRAGMENT, FrameError, Header, MAX_CONTROL, MAX_HEADER, Opcode, Role, apply_mask};

/// Maximum number of bytes of memory that are reserved when a message begins. Later reservations at
/// most double what has arrived.
const FIRST_RESERVE: usize = 4_096;

/// A message or a control frame that a peer sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Incoming {
    /// A whole binary message.
    Message(Vec<u8>),
    /// A ping. Its payload, at most [`MAX_CONTROL`] bytes, is to be sent back in a pong.
    Ping(Vec<u8>),
    /// A pong.
    Pong,
    /// A fragment shorter than [`FREE_FRAGMENT`] that is not the last of its message. Its bytes are
    /// kept for the message.
    SmallFragment,
    /// A close frame: the peer ends the connection.
    Close,
}

impl Incoming {
    /// Whether this counts against the peer's [`Budget`](crate::Budget): all but a message of at
    /// least one byte.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        match self {
            Self::Message(bytes) => bytes.is_empty(),
            _ => true,
        }
    }
}

/// A frame whose payload is arriving.
#[derive(Clone, Copy, Debug)]
struct Frame {
    header: Header,
    /// Number of bytes of the payload that have arrived.
    arrived: u64,
}

/// A decoder of one direction of a connection. It holds memory only while a message is incomplete.
#[derive(Debug)]
pub struct Decoder {
    role: Role,
    max_message: usize,
    /// The bytes of a header that is still arriving; the first `header_len` are valid.
    header: [u8; MAX_HEADER],
    header_len: usize,
    frame: Option<Frame>,
    /// Whether the last data frame was not the last of its message.
    in_message: bool,
    message: Vec<u8>,
    control: Vec<u8>,
}

impl Decoder {
    /// Creates the decoder of what this side, whose role is `role`, receives. A message of more
    /// than `max_message` bytes is refused as soon as its frame headers show that it is longer.
    #[must_use]
    pub const fn new(role: Role, max_message: usize) -> Self {
        Self {
            role,
            max_message,
            header: [0; MAX_HEADER],
            header_len: 0,
            frame: None,
            in_message: false,
            message: Vec::new(),
            control: Vec::new(),
        }
    }

    /// Sets the maximum number of bytes of a message, from the next frame header on.
    pub const fn set_max_message(&mut self, max_message: usize) {
        self.max_message = max_message;
    }

    /// Whether a message, or the header or payload of any frame, has begun and has not ended.
    #[must_use]
    pub const fn is_in_message(&self) -> bool {
        self.in_message || self.frame.is_some() || self.header_len != 0
    }

    /// Returns the number of bytes of memory held for incomplete frames and messages.
    #[must_use]
    pub const fn held_bytes(&self) -> usize {
        self.message.capacity() + self.control.capacity()
    }

    /// Takes bytes from the front of `input` until a message or control frame is whole and returns
    /// it; `None` if `input` is used up before.
    ///
    /// # Errors
    /// Fails with [`FrameError`]. End the connection, and do not use the decoder any more.
    pub fn decode(&mut self, input: &mut &[u8]) -> Result<Option<Incoming>, FrameError> {
        loop {
            let frame = match &mut self.frame {
                Some(frame) => frame,
                None => match self.take_header(input)? {
                    Some(header) => self.frame.insert(Frame { header, arrived: 0 }),
                    None => return Ok(None),
                },
            };
            let Frame { header, arrived } = *frame;
            let left =
                usize::try_from(header.len.saturating_sub(arrived)).map_err(|_| FrameError::TooLong)?;
            let (taken, rest) = input.split_at(left.min(input.len()));
            *input = rest;
            frame.arrived = arrived.saturating_add(taken.len() as u64);
            let is_whole = frame.arrived == header.len;
            let buffer = if header.opcode.is_control() { &mut self.control } else { &mut self.message };
            append(buffer, taken, left);
            if let (Some(mask), Some(new)) =
                (header.mask, buffer.len().checked_sub(taken.len()).and_then(|at| buffer.get_mut(at..)))
            {
                apply_mask(mask, arrived, new);
            }
            if !is_whole {
                return Ok(None);
            }
            self.frame = None;
            if let Some(incoming) = self.finish(header) {
                return Ok(Some(incoming));
            }
        }
    }

    /// Handles a frame that has arrived whole. Returns `None` for a fragment of at least
    /// [`FREE_FRAGMENT`] bytes that is not the last of its message.
    fn finish(&mut self, header: Header) -> Option<Incoming> {
        match header.opcode {
            Opcode::Ping => Some(Incoming::Ping(std::mem::take(&mut self.control))),
            Opcode::Pong => {
                self.control = Vec::new();
                Some(Incoming::Pong)
            }
            Opcode::Close => {
                self.control = Vec::new();
                Some(Incoming::Close)
            }
            Opcode::Binary | Opcode::Continuation => {
                self.in_message = !header.is_final;
                if header.is_final {
                    return Some(Incoming::Message(std::mem::take(&mut self.message)));
                }
                (header.len < FREE_FRAGMENT).then_some(Incoming::SmallFragment)
            }
        }
    }

    /// Takes the next frame header from `input`, and checks it against the frames before it; `None`
    /// if `input` is used up before the header is whole.
    fn take_header(&mut self, input: &mut &[u8]) -> Result<Option<Header>, FrameError> {
        loop {
            let known = self.header.get(..self.header_len).unwrap_or_default();
            if let Some((header, _)) = Header::parse(known)? {
                self.header_len = 0;
                self.check(&header)?;
                return Ok(Some(header));
            }
            let Some((byte, rest)) = input.split_first() else { return Ok(None) };
            let place = self.header.get_mut(self.header_len).ok_or(FrameError::Malformed)?;
            *place = *byte;
            self.header_len += 1;
            *input = rest;
        }
    }

    fn check(&self, header: &Header) -> Result<(), FrameError> {
        let is_masked = header.mask.is_some();
        let fits = match header.opcode {
            Opcode::Binary => !self.in_message,
            Opcode::Continuation => self.in_message,
            _ => true,
        };
        if is_masked != (self.role == Role::Server) || !fits {
            return Err(FrameError::Malformed);
        }
        let room = self.max_message.saturating_sub(self.message.len()) as u64;
        if !header.opcode.is_control() && header.len > room {
            return Err(FrameError::TooLong);
        }
        Ok(())
    }
}

/// Appends `bytes`, the next of the `left` bytes that the frame still has, and reserves no more
/// memory than twice what has arrived, or [`FIRST_RESERVE`] bytes.
fn append(buffer: &mut Vec<u8>, bytes: &[u8], left: usize) {
    if buffer.capacity().saturating_sub(buffer.len()) < bytes.len() {
        let grow = buffer.len().max(FIRST_RESERVE).max(bytes.len());
        buffer.reserve_exact(grow.min(left));
    }
    buffer.extend_from_slice(bytes);
}

const _: () = assert!(MAX_CONTROL < FIRST_RESERVE);

#[cfg(test)]
mod tests;
