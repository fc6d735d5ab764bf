//! Names of rows: table 1, contact 4, number 8, three zero bytes; big-endian so that they sort.

use deaddrop_shred::RecordKey;

/// What kind of row a key names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Table {
    /// One row: identity, own relay, counters.
    Config,
    /// A contact with its streams and mailboxes.
    Contact,
    /// A session's snapshot.
    Session,
    /// A session's reset secrets.
    Resets,
    /// A skipped message key; number = turn, message number.
    Skipped,
    /// An outbox item; number 0 is the one unnumbered message.
    Item,
    /// An event for the app.
    Event,
    /// A numbered content that came too early.
    Held,
    /// A content that needs a newer version.
    Parked,
    /// The secrets of an invite that waits.
    Invite,
    /// One row: how far a simple app has shown events.
    Cursor,
    /// How often a blob was begun and not finished; number = its first bytes.
    Attempt,
    /// One row: there while the vault is open.
    Running,
    /// A blob that was put aside; number = its first bytes.
    Aside,
    /// One row: what the user has allowed and set for relays.
    Relays,
    /// A contact's address that is not connected to.
    Blocked,
    /// One row: when addresses that refused were last tried once more.
    StaleTried,
    /// An outbox item that a receipt showed to be missing.
    Missing,
    /// How much was sent again to a contact within an hour.
    Again,
}

impl Table {
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Config => 1,
            Self::Contact => 2,
            Self::Session => 3,
            Self::Resets => 4,
            Self::Skipped => 5,
            Self::Item => 6,
            Self::Event => 7,
            Self::Held => 8,
            Self::Parked => 9,
            Self::Invite => 10,
            Self::Cursor => 11,
            Self::Attempt => 12,
            Self::Running => 13,
            Self::Aside => 14,
            Self::Relays => 15,
            Self::Blocked => 16,
            Self::StaleTried => 28,
            Self::Missing => 29,
            Self::Again => 30,
        }
    }
}

/// The key of a row.
pub(crate) const fn key(table: Table, contact: u32, number: u64) -> RecordKey {
    let [a, b, c, d] = contact.to_be_bytes();
    let [e, f, g, h, i, j, k, l] = number.to_be_bytes();
    RecordKey([table.code(), a, b, c, d, e, f, g, h, i, j, k, l, 0, 0, 0])
}

/// Contact and number of a key.
pub(crate) const fn parts(key: &RecordKey) -> (u32, u64) {
    let [_, a, b, c, d, e, f, g, h, i, j, k, l, ..] = key.0;
    (u32::from_be_bytes([a, b, c, d]), u64::from_be_bytes([e, f, g, h, i, j, k, l]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_back_and_sort() {
        let k = key(Table::Item, 7, 1 << 40);
        assert_eq!(parts(&k), (7, 1 << 40));
        assert!(key(Table::Item, 7, 255) < key(Table::Item, 7, 256));
        assert!(key(Table::Item, 7, u64::MAX) < key(Table::Item, 8, 0));
    }
}
