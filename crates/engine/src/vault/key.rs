//! Names of rows: table 1, owner 4, number 8, sub 1, two zero bytes; big-endian so that they sort.

use super::port::RowKey;

/// The table of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Table {
    /// One row: identity, own relay, counters.
    Config,
    /// A person: name and identity.
    Person,
    /// A session's snapshot. The sub number is its slot, as in the next two.
    Session,
    /// A session's reset secrets.
    Resets,
    /// A skipped message key. The number is the turn, then the message number.
    Skipped,
    /// The outbox. Sub 0: an item, with number 0 for the one unnumbered message. Sub 1: a draft, whose number is its place among
    /// drafts.
    Outbox,
    /// An event for the app.
    Event,
    /// An item above the low-water mark. The sub number is its stream's slot.
    Held,
    /// A content that needs a newer version. The owner is the conversation.
    Parked,
    /// The secrets of an invite that waits.
    Invite,
    /// One row: the number up to which a simple app has shown events.
    Cursor,
    /// Number of times that processing a blob was begun and not finished. The number is the blob's first bytes.
    Attempt,
    /// One row, which exists while the vault is open.
    Running,
    /// A blob that was put aside. The number is its first bytes.
    Aside,
    /// A peer: mailboxes, addresses, streams.
    Peer,
    /// The e2ee crate's contact of a peer.
    Ratchet,
    /// A conversation.
    Conversation,
    /// A message that was shown. The owner is the conversation.
    Seen,
    /// One row: what the user has allowed and set for relays.
    Relays,
    /// A contact's address that is not connected to.
    Blocked,
    /// One row: the vault's format.
    Format,
    /// One row: the time of the last retry of addresses that refused.
    StaleTried,
    /// An outbox item that a receipt showed to be missing.
    Missing,
    /// Number of bytes that were sent again to a contact within an hour.
    Again,
    /// An envelope that needs the user's decision.
    Asked,
    /// One row: the mailboxes that tell whether this vault is the newest.
    Sentinel,
    /// The number up to which a contact's events were shown. Owner 0 has the events that concern no contact.
    Shown,
    /// One row, which exists while contacts are being moved to the relay that is set.
    Moving,
    /// The newest private mailbox that a peer has used, as long as older ones exist.
    Used,
    /// One row: the day that is believed.
    Calendar,
}

impl Table {
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Config => 1,
            Self::Person => 2,
            Self::Session => 3,
            Self::Resets => 4,
            Self::Skipped => 5,
            Self::Outbox => 6,
            Self::Event => 7,
            Self::Held => 8,
            Self::Parked => 9,
            Self::Invite => 10,
            Self::Cursor => 11,
            Self::Attempt => 12,
            Self::Running => 13,
            Self::Aside => 14,
            Self::Peer => 15,
            Self::Ratchet => 16,
            Self::Conversation => 17,
            Self::Seen => 19,
            Self::Relays => 25,
            Self::Blocked => 26,
            Self::Format => 27,
            Self::StaleTried => 28,
            Self::Missing => 29,
            Self::Again => 30,
            Self::Asked => 31,
            Self::Sentinel => 32,
            Self::Shown => 33,
            Self::Moving => 34,
            Self::Used => 35,
            Self::Calendar => 36,
        }
    }
}

/// Returns the key of a row of sub 0.
pub(crate) const fn key(table: Table, owner: u32, number: u64) -> RowKey {
    sub_key(table, owner, number, 0)
}

/// Returns the key of a row.
pub(crate) const fn sub_key(table: Table, owner: u32, number: u64, sub: u8) -> RowKey {
    let [a, b, c, d] = owner.to_be_bytes();
    let [e, f, g, h, i, j, k, l] = number.to_be_bytes();
    RowKey([table.code(), a, b, c, d, e, f, g, h, i, j, k, l, sub, 0, 0])
}

/// Returns owner and number of a key.
pub(crate) const fn parts(key: &RowKey) -> (u32, u64) {
    let [_, a, b, c, d, e, f, g, h, i, j, k, l, ..] = key.0;
    (u32::from_be_bytes([a, b, c, d]), u64::from_be_bytes([e, f, g, h, i, j, k, l]))
}

/// Returns the sub number of a key.
pub(crate) const fn sub(key: &RowKey) -> u8 {
    let [.., sub, _, _] = key.0;
    sub
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_back_and_sort() {
        let k = sub_key(Table::Outbox, 7, 1 << 40, 3);
        assert_eq!((parts(&k), sub(&k)), ((7, 1 << 40), 3));
        assert_eq!(key(Table::Outbox, 7, 1), sub_key(Table::Outbox, 7, 1, 0));
        assert!(key(Table::Outbox, 7, 255) < key(Table::Outbox, 7, 256));
        assert!(key(Table::Outbox, 7, u64::MAX) < key(Table::Outbox, 8, 0));
        assert!(sub_key(Table::Held, 7, 1, 3) < key(Table::Held, 7, 2));
    }
}
