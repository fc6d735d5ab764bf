//! Items in a record: type, flags, length, body, zero padding (spec/09-wire.md section 3).

use crate::{
    Item,
    codec::{BodyReader, BodyWriter, DecodeError, EncodeError, reserve_wiping},
    item::{Answer, AnswerCode, Body, Error, ErrorCode, Unsupported},
    limits::{MAX_ITEMS, MAX_LIST_ENTRIES, MAX_RECORD},
};
use alloc::vec::Vec;

/// Number of bytes in front of the body of each item: type (2), flags (1), length of the body (3).
pub const HEADER_LEN: usize = 6;

/// The flag of a critical item (bit 0): a receiver that does not know the item's type answers with
/// an [`Error`] item, and does not only skip it.
const CRITICAL: u8 = 1;

/// The items of a received record.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Received {
    /// The items of known types, in the order of the record.
    pub items: Vec<Item>,
    /// The items that this version cannot serve, in the order of the record. Send
    /// [`Unsupported::answer`] for each; a client only for an [`Unsupported::Kind`], because only a
    /// relay answers a `Put`.
    pub unsupported: Vec<Unsupported>,
    /// Number of items of unknown type that were skipped, because they are not critical.
    pub skipped: usize,
}

impl Unsupported {
    /// Returns the item to send back: an [`Error`], or the [`Answer`] of a request.
    #[must_use]
    pub fn answer(self) -> Item {
        match self {
            Self::Kind(kind) => Item::Error(Error { code: ErrorCode::Unsupported, kind }),
            Self::Class { req } => Item::Answer(Answer { req, code: AnswerCode::BadClass, retry_s: 0 }),
        }
    }
}

/// Decodes a record's plaintext. Items of unknown type are counted in [`Received::skipped`], or
/// reported in [`Received::unsupported`] when they are critical.
///
/// # Errors
/// Fails with [`DecodeError`]. Ignore all items of such a record, and close the link.
pub fn decode_items(plaintext: &[u8]) -> Result<Received, DecodeError> {
    if plaintext.len() > MAX_RECORD {
        return Err(DecodeError::TooLong); // W-01: records are bounded.
    }
    let mut received = Received::default();
    let mut budget = MAX_LIST_ENTRIES;
    let mut rest = plaintext;
    let mut count = 0;
    while let Some((header, tail)) = rest.split_first_chunk::<HEADER_LEN>() {
        let [kind_low, kind_high, flags, len @ ..] = *header;
        let kind = u16::from_le_bytes([kind_low, kind_high]);
        if kind == 0 {
            break;
        }
        count += 1;
        if count > MAX_ITEMS {
            return Err(DecodeError::TooMany); // W-02: items of a record are bounded.
        }
        if flags & !CRITICAL != 0 {
            return Err(DecodeError::Malformed); // W-03: reserved flags are zero.
        }
        let (body, tail) = tail.split_at_checked(u24(len)).ok_or(DecodeError::Truncated)?; // W-04: items end within.
        rest = tail;
        match Item::decode_body(kind, BodyReader::new(body, &mut budget))? {
            Body::Item(item) => received.items.push(item),
            Body::Unsupported(unsupported) => received.unsupported.push(unsupported),
            Body::Unknown if flags & CRITICAL != 0 => received.unsupported.push(Unsupported::Kind(kind)),
            Body::Unknown => received.skipped += 1,
        }
    }
    if rest.iter().any(|byte| *byte != 0) {
        return Err(DecodeError::Padding); // W-12: padding is zeros.
    }
    Ok(received)
}

/// Encodes one item behind the bytes that are already in `out`. Returns the number of entries of
/// the item's lists: the caller keeps the sum for a record within [`MAX_LIST_ENTRIES`].
///
/// # Errors
/// Fails with [`EncodeError`] when a list is too long; `out` is then unchanged.
pub fn encode_item(item: &Item, out: &mut Vec<u8>) -> Result<usize, EncodeError> {
    let start = out.len();
    reserve_wiping(out, HEADER_LEN);
    out.extend_from_slice(&[0; HEADER_LEN]);
    let mut writer = BodyWriter::new(out);
    let written = item.encode_body(&mut writer);
    let entries = writer.entries();
    let body_len = out.len().saturating_sub(start).saturating_sub(HEADER_LEN);
    let header = written.and_then(|()| header(item, body_len));
    match (header, out.get_mut(start..).and_then(|item| item.first_chunk_mut())) {
        (Ok(header), Some(place)) => {
            *place = header;
            Ok(entries)
        }
        _ => {
            out.truncate(start);
            Err(EncodeError)
        }
    }
}

/// Encodes items one after the other, without padding.
///
/// # Errors
/// Fails with [`EncodeError`] when a list is too long or the items do not fit one record.
pub fn encode_items(items: &[Item]) -> Result<Vec<u8>, EncodeError> {
    let mut out = Vec::new();
    let mut entries = 0_usize;
    for item in items {
        entries = entries.saturating_add(encode_item(item, &mut out)?);
    }
    let fits = items.len() <= MAX_ITEMS && out.len() <= MAX_RECORD && entries <= MAX_LIST_ENTRIES;
    if fits { Ok(out) } else { Err(EncodeError) }
}

fn u24([low, middle, high]: [u8; 3]) -> usize {
    usize::from(low) | usize::from(middle) << 8 | usize::from(high) << 16
}

fn header(item: &Item, body_len: usize) -> Result<[u8; HEADER_LEN], EncodeError> {
    let [low, middle, high, 0] = u32::try_from(body_len).map_err(|_| EncodeError)?.to_le_bytes() else {
        return Err(EncodeError);
    };
    let [kind_low, kind_high] = item.kind().to_le_bytes();
    let flags = if item.is_critical() { CRITICAL } else { 0 };
    Ok([kind_low, kind_high, flags, low, middle, high])
}

#[cfg(test)]
mod tests;
