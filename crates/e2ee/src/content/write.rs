//! Items to bytes (spec/06-envelope-and-content.md section 2).

use super::{
    Content, ItemHash, MAX_ADDRESS, StreamId,
    form::{
        ATTACHMENT, CRITICAL, DELIVERY_RECEIPT, DEVICE, HEAD, HELLO, MAILBOX_MOVE, MAX_ITEMS_TO_ENCODE,
        MAX_MEDIA_TYPE, MAX_NAME, MAX_PLACE, MAX_SPARSE, MAX_TEXT, MESSAGE, NUMBERED, RESET_BUNDLE,
        SESSION_ERA, STREAM_DIGEST, TEXT, TooLong, VOID, bounded, split,
    },
    read::{ascends, is_kept_whole},
};
use crate::{attachment::MAX_ATTACHMENT, bundle::body::MAX_BODY};
use alloc::vec::Vec;
use zeroize::Zeroizing;

/// Encodes items in their order. The bytes are wiped on drop, and the buffer does not grow, so that
/// no copy of them is left.
///
/// Fails for items that [`decode`](super::decode) would refuse or would return changed. There is
/// one exception: number 0 is allowed, for an item that gets its number by [`set_place`] before it
/// is sent.
///
/// # Errors
/// Fails with [`TooLong`].
pub fn encode(items: &[Content]) -> Result<Zeroizing<Vec<u8>>, TooLong> {
    if items.len() > MAX_ITEMS_TO_ENCODE {
        return Err(TooLong);
    }
    let mut len = 0;
    for item in items {
        len += HEAD + measure(item)?.len;
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(len));
    for item in items {
        let Measure { kind, flags, len } = measure(item)?;
        head(&mut bytes, kind, flags, len)?;
        body(item, &mut |part| bytes.extend_from_slice(part))?;
    }
    Ok(bytes)
}

/// Returns the hash of the first item of an encoded content, as its receiver computes it; `None` if
/// there is no whole item.
#[must_use]
pub fn item_hash(content: &[u8]) -> Option<ItemHash> {
    let (kind, _, body, _) = split(content)?;
    Some(ItemHash::of(kind, body))
}

/// Sets the stream and number of the first item of an encoded content. Returns `false`, and changes
/// nothing, if the item does not take a number in a stream or is not whole.
pub fn set_place(content: &mut [u8], stream: StreamId, number: u64) -> bool {
    let Some((kind, flags, body, _)) = split(content) else { return false };
    let has_place =
        flags & NUMBERED != 0 || matches!(kind, TEXT | MAILBOX_MOVE | ATTACHMENT | MESSAGE | VOID);
    if !has_place || body.len() < PLACE_LEN {
        return false;
    }
    let place = content.iter_mut().skip(HEAD);
    let bytes = stream.0.into_iter().chain(number.to_le_bytes());
    place.zip(bytes).for_each(|(old, new)| *old = new);
    true
}

/// Number of bytes of the stream's id and the number at the beginning of a numbered item's body.
const PLACE_LEN: usize = 16 + 8;

/// Number of bytes that [`add_era`] adds.
pub(crate) const ERA_ITEM_LEN: usize = HEAD + 4;

/// Appends an item [`Content::SessionEra`] with `era` to an encoded content.
pub(crate) fn add_era(content: &mut Vec<u8>, era: u32) {
    content.extend_from_slice(&SESSION_ERA.to_le_bytes());
    content.extend_from_slice(&[0, 4, 0, 0]);
    content.extend_from_slice(&era.to_le_bytes());
}

struct Measure {
    kind: u16,
    flags: u8,
    len: usize,
}

fn measure(item: &Content) -> Result<Measure, TooLong> {
    let mut len = 0;
    let (kind, flags) = body(item, &mut |part| len += part.len())?;
    Ok(Measure { kind, flags, len })
}

fn head(bytes: &mut Vec<u8>, kind: u16, flags: u8, len: usize) -> Result<(), TooLong> {
    let [a, b, c, 0] = u32::try_from(len).map_err(|_| TooLong)?.to_le_bytes() else {
        return Err(TooLong);
    };
    bytes.extend_from_slice(&kind.to_le_bytes());
    bytes.extend_from_slice(&[flags, a, b, c]);
    Ok(())
}

/// Passes the parts of an item's encoded body to `part` one after the other. Returns the item's
/// type and flags; fails if a part exceeds its limit or is malformed.
fn body(item: &Content, part: &mut impl FnMut(&[u8])) -> Result<(u16, u8), TooLong> {
    match item {
        Content::Hello { address } => {
            part(bounded(address, MAX_ADDRESS)?);
            Ok((HELLO, CRITICAL))
        }
        Content::Text { stream, number, text } => {
            numbered(part, stream, *number);
            part(bounded(text.as_bytes(), MAX_TEXT)?);
            // Every version knows its place: the flag would only change bytes.
            Ok((TEXT, CRITICAL))
        }
        Content::DeliveryReceipt { stream, low_water, sparse } => {
            numbered(part, stream, *low_water);
            check(ascends(*low_water, sparse.iter().copied()))?;
            bounded(sparse, MAX_SPARSE)?.iter().for_each(|number| part(&number.to_le_bytes()));
            Ok((DELIVERY_RECEIPT, 0))
        }
        Content::MailboxMove { stream, number, address } => {
            numbered(part, stream, *number);
            part(bounded(address, MAX_ADDRESS)?);
            Ok((MAILBOX_MOVE, CRITICAL | NUMBERED))
        }
        Content::ResetBundle { bundle } => {
            part(bounded(bundle, MAX_BODY)?);
            Ok((RESET_BUNDLE, 0))
        }
        Content::Attachment { stream, number, key, length, hash, place, media_type, name } => {
            check(*length <= MAX_ATTACHMENT)?;
            let place = bounded(place, MAX_PLACE)?;
            let media_type = bounded(media_type.as_bytes(), MAX_MEDIA_TYPE)?;
            numbered(part, stream, *number);
            part(key.expose());
            part(&length.to_le_bytes());
            part(hash.as_bytes());
            part(&u16::try_from(place.len()).map_err(|_| TooLong)?.to_le_bytes());
            part(place);
            part(&[u8::try_from(media_type.len()).map_err(|_| TooLong)?]);
            part(media_type);
            part(bounded(name.as_bytes(), MAX_NAME)?);
            Ok((ATTACHMENT, CRITICAL | NUMBERED))
        }
        Content::SessionEra { era } => {
            part(&era.to_le_bytes());
            Ok((SESSION_ERA, 0))
        }
        Content::Message { stream, number, to_version, to_mask, message } => {
            numbered(part, stream, *number);
            part(&to_version.to_le_bytes());
            part(&to_mask.to_le_bytes());
            message.write(part)?;
            Ok((MESSAGE, CRITICAL | NUMBERED))
        }
        Content::Device { root, list_version } => {
            part(root.as_bytes());
            part(&list_version.to_le_bytes());
            Ok((DEVICE, 0))
        }
        Content::StreamDigest { stream, number, digest } => {
            numbered(part, stream, *number);
            part(digest);
            Ok((STREAM_DIGEST, 0))
        }
        Content::Void { stream, number } => {
            numbered(part, stream, *number);
            Ok((VOID, NUMBERED))
        }
        Content::Unknown { kind, flags, stream, number, body } => {
            check(is_kept_whole(*kind, *flags, (*stream, *number), body))?;
            part(body);
            Ok((*kind, *flags))
        }
    }
}

fn check(holds: bool) -> Result<(), TooLong> {
    if holds { Ok(()) } else { Err(TooLong) }
}

fn numbered(part: &mut impl FnMut(&[u8]), stream: &StreamId, number: u64) {
    part(&stream.0);
    part(&number.to_le_bytes());
}
