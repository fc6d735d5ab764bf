//! Items about the link itself: greeting, keeping alive, window, answers.

use super::{AnswerCode, ErrorCode, encoding::Encoding};
use crate::{
    ClientToken, Day,
    codec::{BodyReader, BodyWriter, DecodeError, EncodeError},
};

/// The first item of each side on a link, with what it can take. The smaller of both windows counts, and the ping interval that
/// the relay names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hello {
    /// The optional abilities above the link. Version 1 defines none.
    pub features: u64,
    /// The seconds between pings. The client asks, the relay's Hello decides.
    pub ping_s: u16,
    /// The maximum number of blobs in flight.
    pub window_blobs: u16,
    /// The maximum number of bytes of blobs in flight. One blob is always allowed.
    pub window_bytes: u32,
    /// The token by which the relay recognises the client's own broken connection; zeros from the relay.
    pub client: ClientToken,
    /// The fields that only a relay sends; `None` from a client.
    pub relay: Option<RelayHello>,
}

/// The relay's part of a [`Hello`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RelayHello {
    /// The relay's day, by which leases are counted.
    pub day: Day,
    /// The maximum number of subscribed mailboxes on one link.
    pub max_subscriptions: u32,
    /// The maximum number of blobs in flight of one mailbox.
    pub max_in_flight: u16,
    /// The number of puts a second that one link may make, lasting.
    pub puts_per_s: u16,
    /// The number of puts that one link may make at once after a pause.
    pub put_burst: u16,
    /// The number of days after which an undelivered blob of the two smaller classes expires.
    pub blob_days: u16,
    /// The number of days after which an undelivered blob of the largest class expires.
    pub large_blob_days: u16,
    /// Whether the relay wants a token before it creates a mailbox.
    pub token_needed: bool,
}

impl Encoding for Hello {
    fn encode(&self, w: &mut BodyWriter<'_>) -> Result<(), EncodeError> {
        w.uint(self.features);
        w.uint(self.ping_s);
        w.uint(self.window_blobs);
        w.uint(self.window_bytes);
        w.bytes(self.client.as_bytes());
        w.u8(self.relay.is_some().into());
        if let Some(relay) = &self.relay {
            w.uint(relay.day.number());
            w.uint(relay.max_subscriptions);
            w.uint(relay.max_in_flight);
            w.uint(relay.puts_per_s);
            w.uint(relay.put_burst);
            w.uint(relay.blob_days);
            w.uint(relay.large_blob_days);
            w.u8(relay.token_needed.into());
        }
        Ok(())
    }

    fn decode(r: &mut BodyReader<'_, '_>) -> Result<Self, DecodeError> {
        Ok(Self {
            features: r.u64()?,
            ping_s: r.u16()?,
            window_blobs: r.u16()?,
            window_bytes: r.u32()?,
            client: ClientToken::from_bytes(r.array()?),
            relay: if r.present()? { Some(decode_relay(r)?) } else { None },
        })
    }
}

fn decode_relay(r: &mut BodyReader<'_, '_>) -> Result<RelayHello, DecodeError> {
    Ok(RelayHello {
        day: Day::from_number(r.u32()?),
        max_subscriptions: r.u32()?,
        max_in_flight: r.u16()?,
        puts_per_s: r.u16()?,
        put_burst: r.u16()?,
        blob_days: r.u16()?,
        large_blob_days: r.u16()?,
        token_needed: r.present()?,
    })
}

/// A request for a [`Pong`] with the same nonce.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ping {
    /// The nonce, any value.
    pub nonce: u32,
}

impl Encoding for Ping {
    fn encode(&self, w: &mut BodyWriter<'_>) -> Result<(), EncodeError> {
        w.uint(self.nonce);
        Ok(())
    }

    fn decode(r: &mut BodyReader<'_, '_>) -> Result<Self, DecodeError> {
        Ok(Self { nonce: r.u32()? })
    }
}

/// The answer to a [`Ping`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pong {
    /// The nonce of the ping.
    pub nonce: u32,
}

impl Encoding for Pong {
    fn encode(&self, w: &mut BodyWriter<'_>) -> Result<(), EncodeError> {
        w.uint(self.nonce);
        Ok(())
    }

    fn decode(r: &mut BodyReader<'_, '_>) -> Result<Self, DecodeError> {
        Ok(Self { nonce: r.u32()? })
    }
}

/// The notice of a relay that is about to close the link. The client finishes what is in flight and comes back after a random
/// part of `within_s`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GoAway {
    /// The seconds over which clients spread their return.
    pub within_s: u16,
}

impl Encoding for GoAway {
    fn encode(&self, w: &mut BodyWriter<'_>) -> Result<(), EncodeError> {
        w.uint(self.within_s);
        Ok(())
    }

    fn decode(r: &mut BodyReader<'_, '_>) -> Result<Self, DecodeError> {
        Ok(Self { within_s: r.u16()? })
    }
}

/// A new window that replaces the one of the client's [`Hello`]. Blobs in flight above it stay in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// The maximum number of blobs in flight.
    pub blobs: u16,
    /// The maximum number of bytes of blobs in flight. One blob is always allowed.
    pub bytes: u32,
}

impl Encoding for Window {
    fn encode(&self, w: &mut BodyWriter<'_>) -> Result<(), EncodeError> {
        w.uint(self.blobs);
        w.uint(self.bytes);
        Ok(())
    }

    fn decode(r: &mut BodyReader<'_, '_>) -> Result<Self, DecodeError> {
        Ok(Self { blobs: r.u16()?, bytes: r.u32()? })
    }
}

/// The notice that an item could not be processed as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Error {
    /// The reason.
    pub code: ErrorCode,
    /// The type number of the item.
    pub kind: u16,
}

impl Encoding for Error {
    fn encode(&self, w: &mut BodyWriter<'_>) -> Result<(), EncodeError> {
        w.uint(self.code.code());
        w.uint(self.kind);
        Ok(())
    }

    fn decode(r: &mut BodyReader<'_, '_>) -> Result<Self, DecodeError> {
        Ok(Self { code: ErrorCode::from_code(r.u16()?), kind: r.u16()? })
    }
}

/// The end of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The number of the request.
    pub req: u32,
    /// The result.
    pub code: AnswerCode,
    /// The seconds to wait before asking again; zero if there is nothing to wait for.
    pub retry_s: u16,
}

impl Encoding for Answer {
    fn encode(&self, w: &mut BodyWriter<'_>) -> Result<(), EncodeError> {
        w.uint(self.req);
        w.uint(self.code.code());
        w.uint(self.retry_s);
        Ok(())
    }

    fn decode(r: &mut BodyReader<'_, '_>) -> Result<Self, DecodeError> {
        Ok(Self { req: r.u32()?, code: AnswerCode::from_code(r.u16()?), retry_s: r.u16()? })
    }
}
