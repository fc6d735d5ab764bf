//! The vault's rows, for tests that bring bytes of their own. Rows hold secrets: never enable it in an app.
//!
//! Behind the additive feature `hazmat`.

use crate::vault::{ConfigRow, ContactRow, EventRow, InviteRow, ItemRow, Table, decode, encode};
use serde::{Serialize, de::DeserializeOwned};

/// Decodes a row of the table with this number and encodes it again; `None` when it is refused, or when rows of the table
/// have no shape of the client's own.
#[must_use]
pub fn row(table: u8, bytes: &[u8]) -> Option<Vec<u8>> {
    fn again<T: Serialize + DeserializeOwned>(bytes: &[u8]) -> Option<Vec<u8>> {
        encode(&decode::<T>(bytes).ok()?).ok()
    }
    match table {
        _ if table == Table::Config.code() => again::<ConfigRow>(bytes),
        _ if table == Table::Contact.code() => again::<ContactRow>(bytes),
        _ if table == Table::Item.code() => again::<ItemRow>(bytes),
        _ if table == Table::Event.code() => again::<EventRow>(bytes),
        _ if table == Table::Invite.code() => again::<InviteRow>(bytes),
        _ if table == Table::Cursor.code() => again::<u64>(bytes),
        _ if table == Table::Running.code() => again::<bool>(bytes),
        _ => None,
    }
}
