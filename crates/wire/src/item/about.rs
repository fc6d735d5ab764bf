//! Items about the relay itself: its new place, and its description.

use super::encoding::Encoding;
use crate::{
    RelayUrl,
    codec::{BodyReader, BodyWriter, DecodeError, EncodeError},
    limits::{MAX_ABOUT, MAX_URL},
};
use alloc::{boxed::Box, string::String};
use core::fmt;

/// The notice that the relay has moved: a relay with the same identity serves its clients at another
/// URL. It follows the relay's [`Hello`](super::Hello) at once, and the link ends after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    /// The new URL. The fingerprint of the relay stays.
    pub url: RelayUrl,
}

impl Encoding for Moved {
    fn encode(&self, w: &mut BodyWriter<'_>) -> Result<(), EncodeError> {
        let url = self.url.as_str().as_bytes();
        w.len(url.len(), MAX_URL)?;
        w.bytes(url);
        Ok(())
    }

    fn decode(r: &mut BodyReader<'_, '_>) -> Result<Self, DecodeError> {
        // W-14: a client dials this URL.
        let url = String::from_utf8(r.byte_string(MAX_URL)?).map_err(|_| DecodeError::Malformed)?;
        Ok(Self { url: RelayUrl::new(&url).map_err(|_| DecodeError::Malformed)? })
    }
}

/// A request for the relay's description of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct About {
    /// Number of the request, which the answer repeats.
    pub req: u32,
}

impl Encoding for About {
    fn encode(&self, w: &mut BodyWriter<'_>) -> Result<(), EncodeError> {
        w.uint(self.req);
        Ok(())
    }

    fn decode(r: &mut BodyReader<'_, '_>) -> Result<Self, DecodeError> {
        Ok(Self { req: r.u32()? })
    }
}

/// The relay's description of itself, the answer to [`About`].
#[derive(Clone, PartialEq, Eq)]
pub struct AboutText {
    /// Number of the request.
    pub req: u32,
    /// The description, a JSON text of at most [`MAX_ABOUT`] bytes. This crate does not check that
    /// it is JSON.
    pub json: Box<str>,
}

impl fmt::Debug for AboutText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AboutText").field("req", &self.req).finish_non_exhaustive()
    }
}

impl Encoding for AboutText {
    fn encode(&self, w: &mut BodyWriter<'_>) -> Result<(), EncodeError> {
        w.uint(self.req);
        w.len(self.json.len(), MAX_ABOUT)?;
        w.bytes(self.json.as_bytes());
        Ok(())
    }

    fn decode(r: &mut BodyReader<'_, '_>) -> Result<Self, DecodeError> {
        let req = r.u32()?;
        // W-15: the description is text.
        let json = String::from_utf8(r.byte_string(MAX_ABOUT)?).map_err(|_| DecodeError::Malformed)?;
        Ok(Self { req, json: json.into() })
    }
}
