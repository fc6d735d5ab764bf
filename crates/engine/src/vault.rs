//! The vault: everything a client keeps, as versioned rows (spec/14-client.md section 2).

mod access;
mod changes;
mod format1;
mod key;
mod migrate;
mod moved_relays;
mod port;
mod relays;
mod room;
mod rows;
mod secret;

pub(crate) use access::Rows;
#[cfg(any(test, feature = "hazmat"))]
pub(crate) use changes::encode;
pub(crate) use changes::{Changes, decode};
pub(crate) use key::{Table, key, parts, sub, sub_key};
pub(crate) use migrate::{migrate, migrated_number};
pub(crate) use moved_relays::MovedRelaysRow;
pub(crate) use relays::{BlockedRow, RelayToken, RelaysRow};
pub(crate) use rows::{
    AcceptedInvite, AgainRow, AskedRow, CalendarRow, ClockWait, ConfigRow, ConversationRow, DraftRow,
    EventRow, FormatRow, HeldRow, InStream, InviteRow, ItemKind, ItemRow, MAX_IN_STREAMS, MailboxRow,
    MissingRow, OutStream, ParkedRow, PeerAddress, PeerKind, PeerRow, PersonRow, Question, Sealed, SeenRow,
    SentinelRow, SessionSlot,
};

pub use port::{NewRow, RowBatch, RowEntry, RowKey, StorageReport, Vault};
pub use room::{VaultRoom, VaultStatus};
pub use rows::{MailboxKind, MailboxState};
