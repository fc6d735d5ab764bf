//! The contacts of a vault of format 1, and the names of their messages in format 2.

use deaddrop_e2ee::content::MessageId;
use std::collections::BTreeMap;

/// The contacts as they are in format 1.
#[derive(Default)]
pub(super) struct Known {
    pub(super) by_name: BTreeMap<String, u32>,
    pub(super) streams: BTreeMap<u32, Streams>,
}

/// The streams of a contact.
#[derive(Clone, Copy)]
pub(super) struct Streams {
    pub(super) out_stream: [u8; 16],
    pub(super) in_stream: Option<[u8; 16]>,
}

/// Returns the name in format 2 of a message that had only a number in format 1: the first 8 bytes of its stream, and the number.
/// Its receiver may have shown the message already, and knows both.
pub(super) fn migrated_id(stream: &[u8; 16], number: u64) -> MessageId {
    let [a, b, c, d, e, f, g, h, ..] = *stream;
    let [i, j, k, l, m, n, o, p] = number.to_le_bytes();
    MessageId([a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p])
}

/// Returns the number of a message of this stream that [`migrated_id`] has named; `None` if the name is not one of this stream.
pub(crate) fn migrated_number(stream: &[u8; 16], message: &MessageId) -> Option<u64> {
    let (start, number) = message.0.split_first_chunk::<8>()?;
    if stream.first_chunk::<8>()? != start {
        return None;
    }
    number.first_chunk().map(|bytes| u64::from_le_bytes(*bytes))
}
