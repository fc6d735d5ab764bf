//! Migrates single rows of format 1.

use super::known::{Known, migrated_id};
use crate::{
    error::VaultError,
    event::EventKind,
    vault::{
        ConfigRow, DraftRow, EventRow, HeldRow, ItemKind, ParkedRow, RowKey, Table, format1, parts, sub_key,
    },
};
use deaddrop_e2ee::content::{self, Content, Message, MessageId, StreamId};
use zeroize::Zeroizing;

/// The number in the key of an outbox's control message ([`ItemKind::Control`]).
pub(super) const CONTROL: u64 = 0;
/// The sub number in the keys of draft rows.
pub(super) const DRAFT: u8 = 1;
/// The stream id in the content of a draft, which belongs to no stream yet.
const NO_STREAM: StreamId = StreamId([0; 16]);

pub(super) const fn draft_key(contact: u32, number: u64) -> RowKey {
    sub_key(Table::Outbox, contact, number, DRAFT)
}

pub(super) fn config(old: format1::ConfigRow) -> ConfigRow {
    let format1::ConfigRow { seed, relay, next_contact, event_floor } = old;
    ConfigRow { seed, root: None, relay, next_id: next_contact, event_floor }
}

/// Converts an event. Its contact is found by the name in the event; it concerns no contact if none
/// has the name.
pub(super) fn event(old: format1::EventRow, known: &Known) -> EventRow {
    use format1::EventKind as Old;
    let id = known.by_name.get(&old.contact).copied().unwrap_or(0);
    let mut message = None;
    let (author, kind) = match old.kind {
        Old::MessageReceived { text, .. } => (id, EventKind::MessageReceived { text, late: false }),
        Old::Delivered { number } => {
            let streams = known.streams.get(&id);
            message = streams.map(|streams| migrated_id(&streams.out_stream, number).0);
            (0, EventKind::Delivered)
        }
        Old::Established => (id, EventKind::Established),
        Old::InviteAccepted => (id, EventKind::InviteAccepted),
        Old::InviteContested => (id, EventKind::InviteContested),
        Old::Unreachable => (0, EventKind::Unreachable),
        Old::NeedsNewerVersion => (id, EventKind::NeedsNewerVersion),
        Old::InviteExpired => (0, EventKind::InviteExpired),
        Old::PrivateAddress { address } => (0, EventKind::PrivateAddress { address }),
    };
    EventRow { day: old.day, conversation: id, author, message, kind }
}

/// Converts a held item, and adds its hash. Fails with [`VaultError::Corrupt`] if the content is
/// damaged or empty.
pub(super) fn held(content: Zeroizing<Vec<u8>>) -> Result<HeldRow, VaultError> {
    let items = content::decode_with_hashes(&content).map_err(|_| VaultError::Corrupt)?;
    let (_, hash) = items.into_iter().next().ok_or(VaultError::Corrupt)?;
    Ok(HeldRow { hash, content })
}

/// Converts a content that is kept for a newer version. It was an item that is kept alone if its
/// key has the item's number, and else a whole content, which gets the number 0.
pub(super) fn parked(row: &RowKey, in_stream: Option<[u8; 16]>, content: Zeroizing<Vec<u8>>) -> ParkedRow {
    let (peer, of_key) = parts(row);
    let items = content::decode(&content).unwrap_or_default();
    let number = match items.as_slice() {
        [item] => number(item).filter(|number| *number == of_key).unwrap_or(0),
        _ => 0,
    };
    ParkedRow { peer, stream: in_stream.unwrap_or_default(), number, content }
}

const fn number(item: &Content) -> Option<u64> {
    match item {
        Content::Text { number, .. }
        | Content::MailboxMove { number, .. }
        | Content::Attachment { number, .. }
        | Content::Message { number, .. }
        | Content::Void { number, .. }
        | Content::Unknown { number, .. } => Some(*number),
        _ => None,
    }
}

/// Converts a numbered item to a draft with the message id `id`. `clock` is the clock of the
/// message before. Returns the draft and the clock after it. Fails with [`VaultError::Corrupt`] if
/// the item is damaged, or neither a text nor a move.
pub(super) fn draft(old: format1::ItemRow, id: MessageId, clock: u64) -> Result<(DraftRow, u64), VaultError> {
    let mut items = content::decode(&old.content).map_err(|_| VaultError::Corrupt)?;
    let [item] = items.as_mut_slice() else { return Err(VaultError::Corrupt) };
    let stored_at_relay = old.again_on.is_some();
    match item {
        Content::Text { text, .. } => {
            let clock = clock.saturating_add(1);
            // The message wipes its text.
            let message = Message { id, clock, time: 0, text: std::mem::take(text) };
            let item = Content::Message { stream: NO_STREAM, number: 0, to_version: 0, to_mask: 1, message };
            let content = encode(item)?;
            Ok((DraftRow { kind: ItemKind::Message, content, stored_at_relay, message: Some(id.0) }, clock))
        }
        Content::MailboxMove { address, .. } => {
            let address = std::mem::take(address);
            let content = encode(Content::MailboxMove { stream: NO_STREAM, number: 0, address })?;
            Ok((DraftRow { kind: ItemKind::Move, content, stored_at_relay, message: None }, clock))
        }
        _ => Err(VaultError::Corrupt),
    }
}

fn encode(item: Content) -> Result<Zeroizing<Vec<u8>>, VaultError> {
    content::encode(&[item]).map_err(|_| VaultError::Corrupt)
}
