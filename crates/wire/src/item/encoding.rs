//! Encoding and decoding of the body of one item.

use super::unsupported::Unsupported;
use crate::codec::{BodyReader, BodyWriter, DecodeError, EncodeError};

/// The encoding of the body of one type of item. A later version may append fields, so a decoder
/// ignores bytes after the known fields.
pub(super) trait Encoding: Sized {
    /// Writes the body; fails if a list is too long. What was written until then stays.
    fn encode(&self, writer: &mut BodyWriter<'_>) -> Result<(), EncodeError>;

    /// Reads the body; fails if it is malformed.
    fn decode(reader: &mut BodyReader<'_, '_>) -> Result<Self, DecodeError>;

    /// Reads a body. Returns [`Unsupported`] inside `Ok` if it is well-formed and this version
    /// cannot serve it; fails if it is malformed.
    fn decode_or_report(reader: &mut BodyReader<'_, '_>) -> Result<Result<Self, Unsupported>, DecodeError> {
        Self::decode(reader).map(Ok)
    }
}
