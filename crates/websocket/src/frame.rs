//! Frame headers (RFC 6455 section 5.2), and masking (section 5.3).

/// Maximum number of bytes of a control frame's payload (RFC 6455 section 5.5).
pub const MAX_CONTROL: usize = 125;
/// Minimum number of payload bytes of a fragment that does not count against the
/// [`Budget`](crate::Budget). Longer fragments need no such bound, because the limit on the message
/// bounds their number.
pub const FREE_FRAGMENT: u64 = 1_024;
/// Maximum number of bytes of a frame header: 2 fixed ones, 8 of the length, 4 of the mask.
pub(crate) const MAX_HEADER: usize = 14;

/// The side of a connection on which this program is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The side that masks what it sends, and receives unmasked frames.
    Client,
    /// The side that sends unmasked frames, and receives masked ones.
    Server,
}

/// The error of a frame that breaks the protocol, or this program's limits. The connection cannot
/// continue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// The frame has a reserved bit, an unknown or a text opcode, a wrong mask bit or a length that
    /// is not in its shortest form; or a control frame is fragmented or too long, or a fragment is
    /// out of place.
    #[error("the peer does not keep to WebSocket")]
    Malformed,
    /// The message is longer than the `max_message` of the decoder.
    #[error("the peer sends a message over the limit")]
    TooLong,
}

/// The kind of a frame, as its opcode (RFC 6455 section 5.2) says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Opcode {
    Continuation,
    Binary,
    Close,
    Ping,
    Pong,
}

impl Opcode {
    const fn parse(bits: u8) -> Option<Self> {
        match bits {
            0 => Some(Self::Continuation),
            2 => Some(Self::Binary),
            8 => Some(Self::Close),
            9 => Some(Self::Ping),
            10 => Some(Self::Pong),
            _ => None,
        }
    }

    const fn bits(self) -> u8 {
        match self {
            Self::Continuation => 0,
            Self::Binary => 2,
            Self::Close => 8,
            Self::Ping => 9,
            Self::Pong => 10,
        }
    }

    pub(crate) const fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }
}

/// The header of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) opcode: Opcode,
    pub(crate) is_final: bool,
    pub(crate) len: u64,
    pub(crate) mask: Option<[u8; 4]>,
}

impl Header {
    /// Parses the header at the beginning of `bytes`. Returns the header with its own number of
    /// bytes; `None` if more bytes are needed.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Option<(Self, usize)>, FrameError> {
        let Some(([first, second], rest)) = bytes.split_first_chunk() else { return Ok(None) };
        if first & 0x70 != 0 {
            return Err(FrameError::Malformed);
        }
        let opcode = Opcode::parse(first & 0x0f).ok_or(FrameError::Malformed)?;
        let is_final = first & 0x80 != 0;
        let (len, rest) = match second & 0x7f {
            126 => {
                let Some((len, rest)) = rest.split_first_chunk() else { return Ok(None) };
                let len = u64::from(u16::from_be_bytes(*len));
                if len < 126 {
                    return Err(FrameError::Malformed);
                }
                (len, rest)
            }
            127 => {
                let Some((len, rest)) = rest.split_first_chunk() else { return Ok(None) };
                let len = u64::from_be_bytes(*len);
                if len <= u64::from(u16::MAX) || len >> 63 != 0 {
                    return Err(FrameError::Malformed);
                }
                (len, rest)
            }
            len => (u64::from(len), rest),
        };
        if opcode.is_control() && (!is_final || len > MAX_CONTROL as u64) {
            return Err(FrameError::Malformed);
        }
        let (mask, rest) = if second & 0x80 == 0 {
            (None, rest)
        } else {
            let Some((mask, rest)) = rest.split_first_chunk() else { return Ok(None) };
            (Some(*mask), rest)
        };
        Ok(Some((Self { opcode, is_final, len, mask }, bytes.len().saturating_sub(rest.len()))))
    }

    /// Appends the header to `out`.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.push(self.opcode.bits() | if self.is_final { 0x80 } else { 0 });
        let masked = if self.mask.is_some() { 0x80 } else { 0 };
        match (u8::try_from(self.len), u16::try_from(self.len)) {
            (Ok(len), _) if len < 126 => out.push(masked | len),
            (_, Ok(len)) => {
                out.push(masked | 126);
                out.extend_from_slice(&len.to_be_bytes());
            }
            _ => {
                out.push(masked | 127);
                out.extend_from_slice(&self.len.to_be_bytes());
            }
        }
        out.extend_from_slice(self.mask.as_ref().map_or(&[], |mask| mask.as_slice()));
    }
}

/// Masks or unmasks `bytes`, a part of a payload that begins at its byte `at`.
pub(crate) fn apply_mask(mask: [u8; 4], at: u64, bytes: &mut [u8]) {
    let mut turned = mask;
    turned.rotate_left((at % 4) as usize);
    let wide: [u8; 16] = core::array::from_fn(|n| turned.get(n % 4).copied().unwrap_or_default());
    let (chunks, rest) = bytes.as_chunks_mut::<16>();
    for chunk in chunks {
        *chunk = (u128::from_ne_bytes(*chunk) ^ u128::from_ne_bytes(wide)).to_ne_bytes();
    }
    rest.iter_mut().zip(wide).for_each(|(byte, mask)| *byte ^= mask);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(bytes: &[u8]) -> Result<Option<(Header, usize)>, FrameError> {
        Header::parse(bytes)
    }

    #[test]
    fn malformed_headers_are_refused() {
        for bytes in [
            &[0xc2, 0][..],                             // reserved bit
            &[0x81, 0],                                 // text
            &[0x83, 0],                                 // unknown data frame
            &[0x8b, 0],                                 // unknown control frame
            &[0x09, 0],                                 // fragmented ping
            &[0x89, 126, 0, 126],                       // long ping
            &[0x82, 126, 0, 125],                       // not the shortest form
            &[0x82, 127, 0, 0, 0, 0, 0, 0, 0xff, 0xff], // not the shortest form
            &[0x82, 127, 0x80, 0, 0, 0, 0, 0, 0, 0],    // most significant bit
        ] {
            assert_eq!(parse(bytes), Err(FrameError::Malformed), "{bytes:x?}");
        }
    }

    proptest! {
        #[test]
        fn headers_come_back(
            len in prop_oneof![0..200u64, 65_000..66_000u64, 0..1u64 << 63],
            mask in any::<Option<[u8; 4]>>(),
            is_final in any::<bool>(),
        ) {
            let header = Header { opcode: Opcode::Binary, is_final, len, mask };
            let mut bytes = Vec::new();
            header.write(&mut bytes);
            prop_assert!(bytes.len() <= MAX_HEADER);
            for cut in 0..bytes.len() {
                prop_assert_eq!(parse(&bytes[..cut]), Ok(None));
            }
            let whole = bytes.len();
            bytes.push(7);
            prop_assert_eq!(parse(&bytes), Ok(Some((header, whole))));
        }

        #[test]
        fn masking_in_pieces_is_masking_as_one(
            mask in any::<[u8; 4]>(), bytes in prop::collection::vec(any::<u8>(), 0..100), cut in 0..100usize,
        ) {
            let slow: Vec<u8> = bytes.iter().enumerate().map(|(n, byte)| byte ^ mask[n % 4]).collect();
            let mut pieces = bytes.clone();
            let (left, right) = pieces.split_at_mut(cut.min(bytes.len()));
            let at = left.len() as u64;
            apply_mask(mask, 0, left);
            apply_mask(mask, at, right);
            prop_assert_eq!(pieces, slow);
        }
    }
}
