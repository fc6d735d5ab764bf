//! Items about the link itself: greeting, keeping alive, window, answers.

use super::{AnswerCode, ErrorCode, encoding::Encoding};
use crate::{
    ClientToken, Day,
    codec::{BodyReader, BodyWriter, DecodeError, EncodeError},
};

/// The first item of each side on a link, with the limits of its sender. Of the two windows the
/// smaller applies, of the two ping intervals the relay's. A blob is *in flight* from its
/// [`Deliver`](super::Deliver) until the relay gets its [`Ack`](super::Ack).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hello {
    /// The optional abilities above the link, one bit each. Version 1 defines none.
    pub features: u64,
    /// Number of seconds between pings of the client. The client proposes it; the number in the
    /// relay's Hello applies.
    pub ping_s: u16,
    /// Maximum number of blobs in flight to the client.
    pub window_blobs: u16,
    /// Maximum number of bytes of the blobs in flight to the client. One blob may always be in
    /// flight.
    pub window_bytes: u32,
    /// The token by which the relay recognises a reader whose connection broke; zeros from a client
    /// that does not read, and from the relay.
    pub client: ClientToken,
    /// The fields that only a relay sends; `None` from a client.
    pub relay: Option<RelayHello>,
}

/// The fields of a [`Hello`] that only a relay sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RelayHello {
    /// Today by the relay's clock. Leases and the ages of blobs are counted by it.
    pub day: Day,
    /// The maximum number of subscribed mailboxes on one link.
    pub max_subscriptions: u32,
    /// The maximum number of blobs in flight of one mailbox.
    pub max_in_flight: u16,
    /// Number of puts per second that one link may make over a long time.
    pub puts_per_s: u16,
    /// Number of puts that one link may make at once after a pause.
    pub put_burst: u16,
    /// The number of days after which a blob of the two smaller classes expires that was not acked.
    pub blob_days: u16,
    /// The number of days after which a blob of the largest class expires that was not acked.
    pub large_blob_days: u16,
    /// Whether the relay creates mailboxes only for requests with a token that its operator gave
    /// out.
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
    /// Any number. The [`Pong`] repeats it.
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
    /// The number that the [`Ping`] had.
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

/// The notice of a relay that is about to close the link. It asks the client to connect again after
/// a random time of at most `within_s`. Until the relay closes the link, it serves the client as
/// before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GoAway {
    /// Number of seconds over which the clients of the relay spread their new connections.
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

/// The limits of deliveries that replace those of the client's [`Hello`]. Blobs in flight beyond
/// the new limits stay in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Maximum number of blobs in flight to the client.
    pub blobs: u16,
    /// Maximum number of bytes of the blobs in flight to the client. One blob may always be in
    /// flight.
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

/// The notice that a critical item was not processed, because its type is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Error {
    /// The reason for which the item was not processed.
    pub code: ErrorCode,
    /// Type number of the item that was not processed.
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

/// The relay's answer to one request, which ends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Number of the request that is answered, which the client chose.
    pub req: u32,
    /// Outcome of the request: done, or the reason for which the relay refused it.
    pub code: AnswerCode,
    /// Number of seconds to wait before asking again; 0 if there is nothing to wait for.
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
