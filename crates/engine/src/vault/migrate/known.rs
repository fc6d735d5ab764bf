//! The contacts of a vault of format 1, and the ids of their messages in format 2.

use deaddrop_e2ee::content::MessageId;
use std::collections::BTreeMap;

/// The contacts of format 1: their numbers by name, and their streams by number.
#[derive(Default)]
pub(super) struct Known {
    pub(super) by_name: BTreeMap<String, u32>,
    pub(super) streams: BTreeMap<u32, Streams>,
}

/// The ids of the outgoing and of the incoming stream of a contact.
#[derive(Clone, Copy)]
pub(super) struct Streams {
    pub(super) out_stream: [u8; 16],
    pub(super) in_stream: Option<[u8; 16]>,
}

/// Returns the id in format 2 of a message that had only a number in format 1: the first 8 bytes of
/// its stream's id, and the number. Its receiver knows both, and so recognises a message that it
/// has shown already.
pub(super) fn migrated_id(stream: &[u8; 16], number: u64) -> MessageId {
    let [a, b, c, d, e, f, g, h, ..] = *stream;
    let [i, j, k, l, m, n, o, p] = number.to_le_bytes();
    MessageId([a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p])
}

/// Returns the number that a message of this stream had before [`migrated_id`] gave it its id;
/// `None` if the id was not made in this way of this stream.
pub(crate) fn migrated_number(stream: &[u8; 16], message: &MessageId) -> Option<u64> {
    let (start, number) = message.0.split_first_chunk::<8>()?;
    if stream.first_chunk::<8>()? != start {
        return None;
    }
    number.first_chunk().map(|bytes| u64::from_le_bytes(*bytes))
}
