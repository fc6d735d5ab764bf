//! Content items and safety numbers.

use crate::{
    json::{BadField, Json, Object, hex},
    outcome::Outcome,
};
use deaddrop_e2ee::{
    attachment::{AttachmentHash, AttachmentKey},
    content::{
        Content, Message, MessageId, StreamDigest, StreamId, decode as decode_content, decode_with_hashes,
        encode as encode_content,
    },
    identity::{IdentityHash, IdentitySeed, SafetyNumber, UnconfirmedIdentity},
};

/// Encodes content items as bytes.
pub(super) fn encode(input: &Object) -> Result<Outcome, BadField> {
    let items = input.objects("items")?.into_iter().map(from_json).collect::<Result<Vec<_>, _>>()?;
    Ok(match encode_content(&items) {
        Ok(bytes) => Outcome::ok(Object::new().hex("bytes", &*bytes)),
        Err(error) => Outcome::refused(error),
    })
}

/// Decodes bytes into content items.
pub(super) fn decode(input: &Object) -> Result<Outcome, BadField> {
    Ok(match decode_content(&input.bytes("bytes")?) {
        Ok(items) => {
            let items = items.iter().map(to_json).collect::<Result<Vec<_>, _>>()?;
            Outcome::ok(Object::new().with("items", items))
        }
        Err(error) => Outcome::refused(error),
    })
}

/// Computes the digest of a stream after each item of a content.
pub(super) fn digest(input: &Object) -> Result<Outcome, BadField> {
    Ok(match decode_with_hashes(&input.bytes("bytes")?) {
        Ok(items) => {
            let digests = items.iter().scan(StreamDigest::empty(), |digest, (_, hash)| {
                *digest = digest.then(hash);
                Some(hex(digest.short()))
            });
            Outcome::ok(Object::new().with("digests", digests.collect::<Vec<_>>()))
        }
        Err(error) => Outcome::refused(error),
    })
}

/// Computes the digits of a safety number from two identity hashes.
pub(super) fn safety_number(input: &Object) -> Result<Outcome, BadField> {
    let one = IdentityHash::from_bytes(input.array("one")?);
    let other = IdentityHash::from_bytes(input.array("other")?);
    let number = SafetyNumber::new(&one, &other);
    let output = Object::new()
        .with("digits", number.to_digits())
        .with("words", number.to_words())
        .hex("qr", number.to_qr_payload());
    Ok(Outcome::ok(output))
}

/// Writes a person's seed as 24 words.
pub(super) fn write_words(input: &Object) -> Result<Outcome, BadField> {
    let seed = IdentitySeed::from_bytes(input.array("seed")?);
    Ok(Outcome::ok(Object::new().with("words", seed.to_words().as_str())))
}

/// Reads a person's seed from 24 words.
pub(super) fn read_words(input: &Object) -> Result<Outcome, BadField> {
    Ok(match UnconfirmedIdentity::from_words(input.text("words")?) {
        Ok(found) => Outcome::ok(Object::new().hex("seed", found.confirm().seed().expose())),
        Err(error) => Outcome::refused(error),
    })
}

fn from_json(item: &Object) -> Result<Content, BadField> {
    let stream = || item.array("stream").map(StreamId);
    Ok(match item.text("type")? {
        "hello" => Content::Hello { address: item.bytes("address")? },
        "text" => Content::Text {
            stream: stream()?,
            number: item.number("number")?,
            text: item.text("text")?.to_owned(),
        },
        "delivery-receipt" => {
            let numbers = item.list("sparse")?.iter().map(|number| match number {
                Json::Number(number) => Ok(*number),
                _ => Err(BadField("sparse".to_owned())),
            });
            let sparse = numbers.collect::<Result<_, _>>()?;
            Content::DeliveryReceipt { stream: stream()?, low_water: item.number("low_water")?, sparse }
        }
        "mailbox-move" => Content::MailboxMove {
            stream: stream()?,
            number: item.number("number")?,
            address: item.bytes("address")?,
        },
        "reset-bundle" => Content::ResetBundle { bundle: item.bytes("bundle")? },
        "message" => Content::Message {
            stream: stream()?,
            number: item.number("number")?,
            to_version: item.number("to_version")?,
            to_mask: item.number("to_mask")?,
            message: Message {
                id: MessageId(item.array("id")?),
                clock: item.number("clock")?,
                time: item.number("time")?,
                text: item.text("text")?.to_owned(),
            },
        },
        "device" => Content::Device {
            root: IdentityHash::from_bytes(item.array("root")?),
            list_version: item.number("list_version")?,
        },
        "stream-digest" => Content::StreamDigest {
            stream: stream()?,
            number: item.number("number")?,
            digest: item.array("digest")?,
        },
        "void" => Content::Void { stream: stream()?, number: item.number("number")? },
        "session-era" => Content::SessionEra { era: item.number("era")? },
        "attachment" => Content::Attachment {
            stream: stream()?,
            number: item.number("number")?,
            key: AttachmentKey::from_bytes(item.array("key")?),
            length: item.number("length")?,
            hash: AttachmentHash::from_bytes(item.array("hash")?),
            place: item.bytes("place")?,
            media_type: item.text("media_type")?.to_owned(),
            name: item.text("name")?.to_owned(),
        },
        _ => return Err(BadField("type".to_owned())),
    })
}

fn to_json(item: &Content) -> Result<Object, BadField> {
    let object = |name: &str| Object::new().with("type", name);
    Ok(match item {
        Content::Hello { address } => object("hello").hex("address", address),
        Content::Text { stream, number, text } => {
            object("text").hex("stream", stream.0).with("number", *number).with("text", text.as_str())
        }
        Content::DeliveryReceipt { stream, low_water, sparse } => {
            let sparse = sparse.iter().map(|number| Json::Number(*number)).collect::<Vec<_>>();
            object("delivery-receipt")
                .hex("stream", stream.0)
                .with("low_water", *low_water)
                .with("sparse", sparse)
        }
        Content::MailboxMove { stream, number, address } => object("mailbox-move")
            .hex("stream", stream.0)
            .with("number", *number)
            .with("address", hex(address)),
        Content::ResetBundle { bundle } => object("reset-bundle").hex("bundle", bundle),
        Content::SessionEra { era } => object("session-era").with("era", *era),
        Content::Message { stream, number, to_version, to_mask, message } => object("message")
            .hex("stream", stream.0)
            .with("number", *number)
            .with("to_version", *to_version)
            .with("to_mask", *to_mask)
            .hex("id", message.id.0)
            .with("clock", message.clock)
            .with("time", message.time)
            .with("text", message.text.as_str()),
        Content::Device { root, list_version } => {
            object("device").hex("root", root.as_bytes()).with("list_version", *list_version)
        }
        Content::StreamDigest { stream, number, digest } => {
            object("stream-digest").hex("stream", stream.0).with("number", *number).hex("digest", digest)
        }
        Content::Void { stream, number } => object("void").hex("stream", stream.0).with("number", *number),
        Content::Unknown { kind, flags, stream, number, body } => object("unknown")
            .with("kind", *kind)
            .with("flags", *flags)
            .hex("stream", stream.0)
            .with("number", *number)
            .hex("body", body),
        Content::Attachment { stream, number, key, length, hash, place, media_type, name } => {
            object("attachment")
                .hex("stream", stream.0)
                .with("number", *number)
                .hex("key", key.expose())
                .with("length", *length)
                .hex("hash", hash.as_bytes())
                .hex("place", place)
                .with("media_type", media_type.as_str())
                .with("name", name.as_str())
        }
        _ => return Err(BadField("type".to_owned())),
    })
}
