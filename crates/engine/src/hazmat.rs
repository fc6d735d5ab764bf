//! The vault's rows, for tests that bring bytes of their own. Rows hold secrets: never enable it in
//! an app.
//!
//! Behind the additive feature `hazmat`.

use crate::vault::{
    AskedRow, BlockedRow, CalendarRow, ConfigRow, ConversationRow, DraftRow, EventRow, HeldRow, InviteRow,
    ItemRow, MovedRelaysRow, ParkedRow, PeerRow, PersonRow, RelaysRow, SeenRow, SentinelRow, Table, decode,
    encode,
};
use serde::{Serialize, de::DeserializeOwned};

/// Decodes a row of the table with this number and encodes it again. Returns `None` if the row does
/// not parse, and for each row of a table that this function does not know: those of the e2ee
/// crate, of blobs that are put aside, of attempts, of the format, and of items and addresses that
/// are tried again.
#[must_use]
pub fn row(table: u8, bytes: &[u8]) -> Option<Vec<u8>> {
    fn again<T: Serialize + DeserializeOwned>(bytes: &[u8]) -> Option<Vec<u8>> {
        encode(&decode::<T>(bytes).ok()?).ok().map(|bytes| bytes.to_vec())
    }
    match table {
        _ if table == Table::Config.code() => again::<ConfigRow>(bytes),
        _ if table == Table::Person.code() => again::<PersonRow>(bytes),
        _ if table == Table::Peer.code() => again::<PeerRow>(bytes),
        _ if table == Table::Conversation.code() => again::<ConversationRow>(bytes),
        _ if table == Table::Outbox.code() => again::<ItemRow>(bytes).or_else(|| again::<DraftRow>(bytes)),
        _ if table == Table::Held.code() => again::<HeldRow>(bytes),
        _ if table == Table::Parked.code() => again::<ParkedRow>(bytes),
        _ if table == Table::Seen.code() => again::<SeenRow>(bytes),
        _ if table == Table::Sentinel.code() => again::<SentinelRow>(bytes),
        _ if table == Table::Asked.code() => again::<AskedRow>(bytes),
        _ if table == Table::Calendar.code() => again::<CalendarRow>(bytes),
        _ if table == Table::Event.code() => again::<EventRow>(bytes),
        _ if table == Table::Invite.code() => again::<InviteRow>(bytes),
        _ if table == Table::Cursor.code() => again::<u64>(bytes),
        _ if table == Table::Shown.code() => again::<u64>(bytes),
        _ if table == Table::Used.code() => again::<u32>(bytes),
        _ if table == Table::Running.code() || table == Table::Moving.code() => again::<bool>(bytes),
        _ if table == Table::Relays.code() => again::<RelaysRow>(bytes),
        _ if table == Table::MovedRelays.code() => again::<MovedRelaysRow>(bytes),
        _ if table == Table::Blocked.code() => again::<BlockedRow>(bytes),
        _ => None,
    }
}
