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
    let shapes: [(Table, fn(&[u8]) -> Option<Vec<u8>>); 7] = [
        (Table::Config, again::<ConfigRow>),
        (Table::Contact, again::<ContactRow>),
        (Table::Item, again::<ItemRow>),
        (Table::Event, again::<EventRow>),
        (Table::Invite, again::<InviteRow>),
        (Table::Cursor, again::<u64>),
        (Table::Running, again::<bool>),
    ];
    let (_, shape) = shapes.into_iter().find(|(known, _)| known.code() == table)?;
    shape(bytes)
}
