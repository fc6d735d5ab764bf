//! Items of senders and readers: put, subscribe, deliver, ack and the items around them.

use super::{encoding::Encoding, unsupported::Unsupported};
use crate::{
    Blob, PresentedRead, PresentedSend, SizeClass,
    codec::{BodyReader, BodyWriter, DecodeError, EncodeError},
    limits::{MAX_ACKS, MAX_ALSO, MAX_SUBSCRIBE},
};
use alloc::vec::Vec;

/// A request to store a blob in a mailbox. An `Answer` ends it.
#[derive(Debug, PartialEq, Eq)]
pub struct Put {
    /// Number of the request, chosen by the client. The relay's answer repeats it.
    pub req: u32,
    /// Secret by which the sender proves the right to put. It also tells which mailbox is meant.
    pub send: PresentedSend,
    /// The blob to store.
    pub blob: Blob,
}

impl Encoding for Put {
    fn encode(&self, w: &mut BodyWriter<'_>) -> Result<(), EncodeError> {
        w.uint(self.req);
        w.bytes(self.send.expose());
        encode_blob(w, &self.blob);
        Ok(())
    }

    fn decode(r: &mut BodyReader<'_, '_>) -> Result<Self, DecodeError> {
        Self::decode_or_report(r)?.map_err(|_| DecodeError::Malformed)
    }

    /// Decodes a put. If its size class is unknown, returns [`Unsupported::Class`] inside `Ok`, so
    /// that the request is answered.
    fn decode_or_report(r: &mut BodyReader<'_, '_>) -> Result<Result<Self, Unsupported>, DecodeError> {
        let (req, send) = (r.u32()?, PresentedSend::copy_of(r.array_ref()?));
        Ok(decode_blob(r)?.map(|blob| Self { req, send, blob }).ok_or(Unsupported::Class { req }))
    }
}

fn encode_blob(w: &mut BodyWriter<'_>, blob: &Blob) {
    w.u8(blob.class().code());
    w.bytes(blob.as_bytes());
}

/// Reads a blob. Returns `None` for an unknown size class; fails if the blob is cut short.
fn decode_blob(r: &mut BodyReader<'_, '_>) -> Result<Option<Blob>, DecodeError> {
    let Some(class) = SizeClass::from_code(r.u8()?) else {
        return Ok(None);
    };
    let bytes = r.bytes(class.bytes())?.to_vec();
    Blob::new(bytes).map(Some).map_err(|_| DecodeError::Malformed)
}

/// A request for the blobs of mailboxes. The relay answers with [`Subscribed`], then sends
/// [`Deliver`] items and one [`CaughtUp`].
#[derive(Debug, PartialEq, Eq)]
pub struct Subscribe {
    /// Number of the request, chosen by the client. The relay's answer repeats it.
    pub req: u32,
    /// The subscriptions that are asked for, one for each mailbox, at most [`MAX_SUBSCRIBE`].
    pub mailboxes: Vec<Subscription>,
}

/// One subscription that a [`Subscribe`] asks for: to one mailbox.
#[derive(Debug, PartialEq, Eq)]
pub struct Subscription {
    /// Number of the subscription, by which later items name it. The client chooses it, and uses it
    /// only once on a link.
    pub sub: u32,
    /// Secret by which the reader proves the right to read. It also tells which mailbox is meant.
    pub read: PresentedRead,
}

impl Encoding for Subscribe {
    fn encode(&self, w: &mut BodyWriter<'_>) -> Result<(), EncodeError> {
        w.uint(self.req);
        w.list(&self.mailboxes, MAX_SUBSCRIBE, |w, mailbox| {
            w.uint(mailbox.sub);
            w.bytes(mailbox.read.expose());
            Ok(())
        })
    }

    fn decode(r: &mut BodyReader<'_, '_>) -> Result<Self, DecodeError> {
        Ok(Self {
            req: r.u32()?,
            mailboxes: r.list(MAX_SUBSCRIBE, 33, |r| {
                Ok(Subscription { sub: r.u32()?, read: PresentedRead::copy_of(r.array_ref()?) })
            })?,
        })
    }
}

/// A request to end subscriptions. Deliveries of an ended subscription cannot be acked any more. An
/// `Answer` ends the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsubscribe {
    /// Number of the request, chosen by the client. The relay's answer repeats it.
    pub req: u32,
    /// Numbers of the subscriptions to end, at most [`MAX_SUBSCRIBE`].
    pub subs: Vec<u32>,
}

impl Encoding for Unsubscribe {
    fn encode(&self, w: &mut BodyWriter<'_>) -> Result<(), EncodeError> {
        w.uint(self.req);
        encode_numbers(w, &self.subs, MAX_SUBSCRIBE)
    }

    fn decode(r: &mut BodyReader<'_, '_>) -> Result<Self, DecodeError> {
        Ok(Self { req: r.u32()?, subs: decode_numbers(r, MAX_SUBSCRIBE)? })
    }
}

/// The answer to [`Subscribe`]. The subscriptions that are in neither list have begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscribed {
    /// Number of the [`Subscribe`].
    pub req: u32,
    /// Numbers of the subscriptions whose secret gives no right to read. The relay does not tell
    /// why.
    pub refused: Vec<u32>,
    /// Numbers of the subscriptions that did not begin, because their mailbox changed readers a
    /// moment ago. Try them again later. The relay tells this only to a reader with a valid right.
    pub contended: Vec<u32>,
}

impl Encoding for Subscribed {
    fn encode(&self, w: &mut BodyWriter<'_>) -> Result<(), EncodeError> {
        w.uint(self.req);
        encode_numbers(w, &self.refused, MAX_SUBSCRIBE)?;
        encode_numbers(w, &self.contended, MAX_SUBSCRIBE)
    }

    fn decode(r: &mut BodyReader<'_, '_>) -> Result<Self, DecodeError> {
        Ok(Self {
            req: r.u32()?,
            refused: decode_numbers(r, MAX_SUBSCRIBE)?,
            contended: decode_numbers(r, MAX_SUBSCRIBE)?,
        })
    }
}

/// A blob of a subscribed mailbox. The client confirms it by an [`Ack`] once it has stored it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deliver {
    /// Number of the subscription, as in [`Subscription::sub`].
    pub sub: u32,
    /// Number of the delivery in its subscription, counted from 1 without gaps. An [`Ack`] names
    /// the delivery by it.
    pub tag: u32,
    /// Number that the mailbox's owner gave to the sender of the blob.
    pub via: u8,
    /// The delivered blob.
    pub blob: Blob,
}

impl Encoding for Deliver {
    fn encode(&self, w: &mut BodyWriter<'_>) -> Result<(), EncodeError> {
        w.uint(self.sub);
        w.uint(self.tag);
        w.u8(self.via);
        encode_blob(w, &self.blob);
        Ok(())
    }

    fn decode(r: &mut BodyReader<'_, '_>) -> Result<Self, DecodeError> {
        Ok(Self {
            sub: r.u32()?,
            tag: r.u32()?,
            via: r.u8()?,
            // W-13: a relay delivers in classes that version 1 knows.
            blob: decode_blob(r)?.ok_or(DecodeError::Malformed)?,
        })
    }
}

/// The notice that the reader has stored blobs, so that the relay destroys them. The relay answers
/// with [`Acked`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ack {
    /// The confirmed deliveries, one entry for each subscription, at most [`MAX_ACKS`].
    pub acks: Vec<AckEntry>,
}

/// The confirmed deliveries of one subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AckEntry {
    /// Number of the subscription, as in [`Subscription::sub`].
    pub sub: u32,
    /// The tag up to which all deliveries are confirmed; zero for none.
    pub upto: u32,
    /// The tags of further confirmed deliveries, at most [`MAX_ALSO`].
    pub also: Vec<u32>,
}

impl Encoding for Ack {
    fn encode(&self, w: &mut BodyWriter<'_>) -> Result<(), EncodeError> {
        encode_acks(w, &self.acks)
    }

    fn decode(r: &mut BodyReader<'_, '_>) -> Result<Self, DecodeError> {
        Ok(Self { acks: decode_acks(r)? })
    }
}

/// The answer to an [`Ack`]: it repeats the entries once their blobs are destroyed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acked {
    /// The confirmed deliveries, one entry for each subscription, at most [`MAX_ACKS`].
    pub acks: Vec<AckEntry>,
}

impl Encoding for Acked {
    fn encode(&self, w: &mut BodyWriter<'_>) -> Result<(), EncodeError> {
        encode_acks(w, &self.acks)
    }

    fn decode(r: &mut BodyReader<'_, '_>) -> Result<Self, DecodeError> {
        Ok(Self { acks: decode_acks(r)? })
    }
}

/// The notice that all blobs that were stored at the time of a [`Subscribe`] are confirmed or have
/// expired, except those of subscriptions that have ended. The relay sends it once for each
/// Subscribe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CaughtUp {
    /// Number of the [`Subscribe`].
    pub req: u32,
}

impl Encoding for CaughtUp {
    fn encode(&self, w: &mut BodyWriter<'_>) -> Result<(), EncodeError> {
        w.uint(self.req);
        Ok(())
    }

    fn decode(r: &mut BodyReader<'_, '_>) -> Result<Self, DecodeError> {
        Ok(Self { req: r.u32()? })
    }
}

/// The notice that another reader has taken over the mailbox of a subscription, which has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Displaced {
    /// Number of the subscription, as in [`Subscription::sub`].
    pub sub: u32,
}

impl Encoding for Displaced {
    fn encode(&self, w: &mut BodyWriter<'_>) -> Result<(), EncodeError> {
        w.uint(self.sub);
        Ok(())
    }

    fn decode(r: &mut BodyReader<'_, '_>) -> Result<Self, DecodeError> {
        Ok(Self { sub: r.u32()? })
    }
}

/// The notice that the mailbox of a subscription was deleted or its lease ended. The subscription
/// has ended, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gone {
    /// Number of the subscription, as in [`Subscription::sub`].
    pub sub: u32,
}

impl Encoding for Gone {
    fn encode(&self, w: &mut BodyWriter<'_>) -> Result<(), EncodeError> {
        w.uint(self.sub);
        Ok(())
    }

    fn decode(r: &mut BodyReader<'_, '_>) -> Result<Self, DecodeError> {
        Ok(Self { sub: r.u32()? })
    }
}

fn encode_numbers(w: &mut BodyWriter<'_>, numbers: &[u32], limit: usize) -> Result<(), EncodeError> {
    w.list(numbers, limit, |w, number| {
        w.uint(*number);
        Ok(())
    })
}

fn decode_numbers(r: &mut BodyReader<'_, '_>, limit: usize) -> Result<Vec<u32>, DecodeError> {
    r.list(limit, 1, BodyReader::u32)
}

fn encode_acks(w: &mut BodyWriter<'_>, acks: &[AckEntry]) -> Result<(), EncodeError> {
    w.list(acks, MAX_ACKS, |w, ack| {
        w.uint(ack.sub);
        w.uint(ack.upto);
        encode_numbers(w, &ack.also, MAX_ALSO)
    })
}

fn decode_acks(r: &mut BodyReader<'_, '_>) -> Result<Vec<AckEntry>, DecodeError> {
    r.list(MAX_ACKS, 3, |r| {
        Ok(AckEntry { sub: r.u32()?, upto: r.u32()?, also: decode_numbers(r, MAX_ALSO)? })
    })
}
